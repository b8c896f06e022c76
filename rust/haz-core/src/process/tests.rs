//! The way children take on systems other than Linux, run here too; the rest is tested through Python.

use std::ffi::OsString;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::plan::Plan;
use super::spawn::portable::Spawner;
use super::*;

enum Told {
    Output(u64, u8, Vec<u8>),
    Reaped(u64),
    Exit(u64, Captured),
}

impl Sink for Sender<Told> {
    fn output(&self, token: u64, stream: u8, bytes: Vec<u8>) {
        self.send(Told::Output(token, stream, bytes)).unwrap();
    }

    fn reaped(&self, token: u64) {
        self.send(Told::Reaped(token)).unwrap();
    }

    fn exit(&self, token: u64, captured: Captured) {
        // Nobody listens any more while the object is dropped.
        let _ = self.send(Told::Exit(token, captured));
    }

    fn gone(&self, _: u64) {
        unreachable!("nothing is dismissed here");
    }
}

fn processes(spill: &Path) -> (Processes, Receiver<Told>) {
    let (sender, receiver) = channel();
    (Processes::new(sender, Algorithm::Blake3, spill, 1 << 20).unwrap(), receiver)
}

fn next(processes: &Processes, told: &Receiver<Told>) -> Told {
    loop {
        match told.try_recv() {
            Ok(event) => return event,
            Err(_) => assert!(processes.work().work(Some(Duration::from_secs(60)))),
        }
    }
}

fn start(argv: &[&str], cwd: &Path) -> Result<Started, Refusal> {
    let argv: Vec<OsString> = argv.iter().map(Into::into).collect();
    let env = Arc::new(Environment::new(&[("KEY".into(), "value".into())]));
    let plan = Plan::new(&Command { argv: &argv, env: &env, cwd, secrets: &[] }).unwrap();
    group::start_leader(|| Spawner::new().unwrap().start(Arc::new(plan), None))
}

#[test]
fn a_child_without_a_pidfd_is_captured_and_reaped() {
    let spill = tempfile::tempdir().unwrap();
    let (processes, told) = processes(spill.path());
    let script = "cat; /usr/bin/env | grep KEY; echo $$ >&2; exit 3";
    let pid = processes.take_in(5, 5, start(&["/bin/sh", "-c", script], Path::new("/")).unwrap(), None, None).unwrap();
    let mut output = [Vec::new(), Vec::new()];
    let captured = loop {
        match next(&processes, &told) {
            Told::Output(5, stream, bytes) => output[usize::from(stream) - 1].extend(bytes),
            Told::Exit(5, captured) => break captured,
            _ => panic!("an event of another kind or child"),
        }
    };
    assert_eq!((captured.code, captured.signal), (Some(3), None));
    assert_eq!(output[0], b"KEY=value\n");
    assert_eq!(output[1], format!("{pid}\n").into_bytes());
}

#[test]
fn a_group_without_a_pidfd_is_signalled_by_number_also_when_its_leader_is_gone() {
    let spill = tempfile::tempdir().unwrap();
    let (processes, told) = processes(spill.path());
    let script = "sleep 1000 & read line < /dev/null; exit 0";
    processes.take_in(1, 1, start(&["/bin/sh", "-c", script], Path::new("/")).unwrap(), None, None).unwrap();
    assert!(matches!(next(&processes, &told), Told::Reaped(1)));
    assert!(processes.signal(1, libc::SIGKILL).unwrap());
    let Told::Exit(1, captured) = next(&processes, &told) else { panic!("not an exit") };
    assert_eq!(captured.code, Some(0));
}

#[test]
fn dropping_kills_children_without_a_pidfd() {
    let spill = tempfile::tempdir().unwrap();
    let (processes, told) = processes(spill.path());
    let pid = processes.take_in(1, 1, start(&["/bin/sleep", "1000"], Path::new("/")).unwrap(), None, None).unwrap();
    let work = processes.work();
    drop(processes);
    assert!(!work.work(None), "nothing will ever come");
    let Ok(Told::Exit(1, captured)) = told.try_recv() else { panic!("not an exit") };
    assert_eq!(captured.signal, Some(libc::SIGKILL));
    // SAFETY: plain numbers.
    assert_eq!(unsafe { libc::kill(pid, 0) }, -1, "reaped");
}

#[test]
fn refusals_say_what_is_wrong_on_the_portable_way_too() {
    let root = tempfile::tempdir().unwrap();
    let gone = root.path().join("gone");
    let Err(refusal) = start(&["/bin/true"], &gone) else { panic!("started") };
    assert_eq!(refusal.reason, format!("working directory {} does not exist", gone.display()));
    let plain = root.path().join("plain");
    std::fs::write(&plain, "echo hello\n").unwrap();
    std::fs::set_permissions(&plain, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let Err(refusal) = start(&[plain.to_str().unwrap()], root.path()) else { panic!("started") };
    assert_eq!(refusal.reason, "not executable: no #! line (Exec format error)");
}
