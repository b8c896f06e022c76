//! Reads all pipes, notices all ends and reaps, turn by turn.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::capture::{Capture, CaptureRules};
use super::group::End;
use super::mark::Marks;
#[cfg(target_os = "linux")]
use super::orphans::Orphans;
use super::redact::{Redactor, Secrets};
use super::spawn::Launch;
#[cfg(target_os = "linux")]
use super::stragglers::{EVERYTHING, Stragglers};
use super::{Shared, Sink, lock};
use crate::blobs::Captured;

/// Bytes per read.
const BUFFER: usize = 256 << 10;
/// Bytes that a pipe holds when it is made. One that is full of them gets as much room as ordinary users may have, so
/// that whoever writes fast does not wait for each turn.
#[cfg(target_os = "linux")]
const PIPE: usize = 64 << 10;
/// What is read at most from a pipe whose writer is not waited for: as much as a pipe may hold (Linux's upper limit for
/// ordinary users), so a descendant that writes for ever is left alone.
const DRAIN: usize = 1 << 20;
/// How long killed children may take to go when the reactor stops: one that hangs in the kernel must not hang us.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a key is about, in its lowest three bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Stdout = 0,
    Stderr = 1,
    End = 2,
    Orphan = 3,
    Straggler = 4,
}

impl Part {
    /// The key under which the poller reports this part of a child (or this orphan).
    pub fn key(self, id: u64) -> u64 {
        id << 3 | self as u64
    }

    fn of(key: u64) -> Self {
        let parts = [Self::Stdout, Self::Stderr, Self::End, Self::Orphan, Self::Straggler];
        parts[usize::try_from(key & 7).expect("three bits")]
    }
}

/// What callers want from the reactor.
pub(super) enum Order {
    Watch(Box<Child>),
    Abandon(u64),
    Ended(u64),
    Linger(u64),
    #[cfg(target_os = "linux")]
    Dismiss(u64),
    #[cfg(target_os = "linux")]
    Adopt,
}

/// A child from its spawn to its `exit`.
pub(super) struct Child {
    id: u64,
    token: u64,
    pid: libc::pid_t,
    pidfd: Option<Arc<OwnedFd>>,
    pipes: [Option<File>; 2],
    captures: Option<[Capture; 2]>,
    redactors: Option<[Redactor; 2]>,
    /// Why it may never have executed.
    launch: Option<Arc<Launch>>,
    ended: bool,
    /// Its end is told when none of its processes lives any more.
    lingers: bool,
}

impl Child {
    pub fn new(
        id: u64,
        token: u64,
        pid: libc::pid_t,
        pidfd: Option<Arc<OwnedFd>>,
        pipes: [File; 2],
        launch: Option<Arc<Launch>>,
        secrets: Option<Arc<Secrets>>,
    ) -> Self {
        let redactors = secrets.map(|secrets| [(); 2].map(|()| Redactor::new(Arc::clone(&secrets))));
        let pipes = pipes.map(Some);
        Self { id, token, pid, pidfd, pipes, captures: None, redactors, launch, ended: false, lingers: false }
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// What to watch.
    pub fn descriptors(&self) -> impl Iterator<Item = (RawFd, Part)> {
        let pipes = self.pipes.iter().zip([Part::Stdout, Part::Stderr]);
        let pipes = pipes.filter_map(|(pipe, part)| pipe.as_ref().map(|pipe| (pipe.as_raw_fd(), part)));
        pipes.chain(self.pidfd.as_ref().map(|pidfd| (pidfd.as_raw_fd(), Part::End)))
    }

    pub fn has_pidfd(&self) -> bool {
        self.pidfd.is_some()
    }

    fn is_open(&self) -> bool {
        self.pipes.iter().any(Option::is_some)
    }
}

/// What is known of the children between two turns.
pub(super) struct Reactor {
    shared: Arc<Shared>,
    children: HashMap<u64, Child>,
    reader: Reader,
    stopping: Option<Instant>,
    #[cfg(target_os = "linux")]
    orphans: Option<Orphans>,
    #[cfg(target_os = "linux")]
    stragglers: Stragglers,
    /// Who wants to know when nothing lives any more.
    #[cfg(target_os = "linux")]
    dismissed: Option<u64>,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "strays are looked for on Linux only"))]
    marks: Option<Marks>,
}

/// What reading needs besides the child.
struct Reader {
    shared: Arc<Shared>,
    rules: CaptureRules,
    sink: Box<dyn Sink>,
    buffer: Box<[u8]>,
}

impl Reactor {
    pub fn new(shared: Arc<Shared>, rules: CaptureRules, sink: Box<dyn Sink>, marks: Option<Marks>) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self {
            reader: Reader { shared: Arc::clone(&shared), rules, sink, buffer },
            shared,
            children: HashMap::new(),
            stopping: None,
            #[cfg(target_os = "linux")]
            orphans: None,
            #[cfg(target_os = "linux")]
            stragglers: Stragglers::default(),
            #[cfg(target_os = "linux")]
            dismissed: None,
            marks,
        }
    }

    /// Wait until there is something to do, at most `limit`, or until somebody wakes us; then do what there is.
    pub fn turn(&mut self, limit: Option<Duration>) {
        let due = self.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let mut ready = Vec::new();
        let answer = self.shared.poller.wait(limit.into_iter().chain(due).min(), &mut ready);
        answer.expect("waiting for descriptors of our own");
        self.obey();
        for key in ready {
            let id = key >> 3;
            match Part::of(key) {
                part @ (Part::Stdout | Part::Stderr) => self.readable(id, part as usize),
                Part::End => self.ended(id),
                #[cfg(target_os = "linux")]
                Part::Orphan => {
                    self.orphans.iter_mut().for_each(|orphans| orphans.reap(id, &self.shared.poller));
                }
                #[cfg(target_os = "linux")]
                Part::Straggler => {
                    if let Some(owner) = self.stragglers.ended(id, &self.shared.poller) {
                        self.look_for_stragglers(owner);
                    }
                }
                #[cfg(not(target_os = "linux"))]
                Part::Orphan | Part::Straggler => {}
            }
        }
        #[cfg(target_os = "linux")]
        self.orphans.iter_mut().for_each(|orphans| orphans.look_when_due(&self.shared.poller));
    }

    /// Kill every group, and wait until all children are reaped, but not for ever.
    pub fn stop(&mut self) {
        self.obey();
        self.stopping = Some(Instant::now() + PATIENCE);
        lock(&self.shared.groups).kill_all();
        let ids: Vec<u64> = self.children.keys().copied().collect();
        for id in ids {
            self.abandon(id);
        }
        while !self.is_done() {
            self.turn(None);
        }
        #[cfg(target_os = "linux")]
        if self.orphans.is_some() {
            super::kill_descendants(libc::SIGKILL);
        }
    }

    fn is_done(&self) -> bool {
        self.stopping.is_some_and(|deadline| self.children.is_empty() || deadline <= Instant::now())
    }

    fn deadline(&self) -> Option<Instant> {
        #[cfg(target_os = "linux")]
        let look = self.orphans.as_ref().and_then(Orphans::due);
        #[cfg(not(target_os = "linux"))]
        let look = None;
        self.stopping.into_iter().chain(look).min()
    }

    fn obey(&mut self) {
        let orders = std::mem::take(&mut *lock(&self.shared.inbox));
        for order in orders {
            self.obey_one(order);
        }
    }

    fn obey_one(&mut self, order: Order) {
        match order {
            Order::Watch(mut child) => {
                child.captures = Some([(); 2].map(|()| Capture::new(&self.reader.rules)));
                self.children.insert(child.id, *child);
            }
            Order::Abandon(id) => self.abandon(id),
            Order::Ended(id) => self.ended(id),
            Order::Linger(id) => {
                if let Some(child) = self.children.get_mut(&id) {
                    child.lingers = true;
                }
            }
            #[cfg(target_os = "linux")]
            Order::Dismiss(token) => {
                self.dismissed = Some(token);
                self.look_for_stragglers(EVERYTHING);
            }
            #[cfg(target_os = "linux")]
            Order::Adopt => {
                self.orphans.get_or_insert_default();
            }
        }
    }

    fn readable(&mut self, id: u64, stream: usize) {
        let Some(child) = self.children.get_mut(&id) else { return };
        self.reader.read(child, stream);
        if child.ended && !child.is_open() {
            self.finish_unless_lingering(id);
        }
    }

    fn finish_unless_lingering(&mut self, id: u64) {
        #[cfg(target_os = "linux")]
        if self.children.get(&id).is_some_and(|child| child.lingers) {
            self.look_for_stragglers(id);
            return;
        }
        self.finish(id);
    }

    /// Tell the end of whom `owner` stands for, or wait for those that are left.
    #[cfg(target_os = "linux")]
    fn look_for_stragglers(&mut self, owner: u64) {
        let rows = if owner == EVERYTHING {
            super::orphans::living()
        } else {
            // Not yet ready, or finished meanwhile: nobody waits for its stragglers.
            let Some(child) = self.children.get(&owner).filter(|child| child.ended && !child.is_open()) else { return };
            super::orphans::members(child.pid, self.marks.map(|marks| marks.of(owner)))
        };
        if self.stragglers.watch(owner, rows, &self.shared.poller) {
            return;
        }
        if owner != EVERYTHING {
            self.finish(owner);
        } else if let Some(token) = self.dismissed.take() {
            self.reader.sink.gone(token);
        }
    }

    /// The leader is a zombie from now on. What it wrote is in the pipes, and is taken at once.
    fn ended(&mut self, id: u64) {
        let Some(child) = self.children.get_mut(&id) else { return };
        if let Some(pidfd) = child.pidfd.take() {
            self.shared.poller.forget(pidfd.as_raw_fd());
        }
        child.ended = true;
        self.reader.drain(child);
        #[cfg(target_os = "linux")]
        self.orphans.iter_mut().for_each(Orphans::look_soon);
        if child.is_open() {
            self.reader.sink.reaped(child.token);
        } else {
            self.finish_unless_lingering(id);
        }
    }

    fn abandon(&mut self, id: u64) {
        let Some(child) = self.children.get_mut(&id) else { return };
        self.reader.drain(child);
        (0..2).for_each(|stream| self.reader.close(child, stream));
        child.lingers = false;
        if child.ended {
            self.finish(id);
            return;
        }
        let pid = child.pid;
        // SAFETY: plain numbers; it is a child of ours that was not reaped.
        if unsafe { libc::kill(pid, 0) } == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM) {
            self.give_up(id);
        }
    }

    /// The leader became another user's: it can neither be ended nor waited for.
    fn give_up(&mut self, id: u64) {
        let Some(mut child) = self.children.remove(&id) else { return };
        if let Some(pidfd) = child.pidfd.take() {
            self.shared.poller.forget(pidfd.as_raw_fd());
        }
        lock(&self.shared.groups).give_up(child.token, child.pid);
        self.tell(child, Err(io::Error::other("it runs as another user, and cannot be ended")));
    }

    fn finish(&mut self, id: u64) {
        let Some(child) = self.children.remove(&id) else { return };
        #[cfg(target_os = "linux")]
        self.stragglers.forget(id, &self.shared.poller);
        let end = lock(&self.shared.groups).reap(child.token, child.pid);
        self.tell(child, end);
    }

    fn tell(&self, mut child: Child, end: io::Result<End>) {
        let Some(captures) = child.captures.take() else { return };
        let [(stdout, out_error, out_lost), (stderr, err_error, err_lost)] = captures.map(Capture::finish);
        let refusal = child.launch.and_then(|launch| launch.refusal());
        let (code, signal, wait_error) = match end {
            Ok(_) if refusal.is_some() => (None, None, None),
            Ok(End::Code(code)) => (Some(code), None, None),
            Ok(End::Signal(signal)) => (None, Some(signal), None),
            Err(error) => (None, None, Some(error.to_string())),
        };
        let refused = refusal.map(|refusal| refusal.reason);
        let lost = out_lost.or(err_lost);
        let error = [("spawn", refused), ("wait", wait_error), ("stdout", out_error), ("stderr", err_error)]
            .into_iter()
            .find_map(|(what, reason)| reason.map(|reason| (what, reason)));
        self.reader.sink.exit(child.token, Captured { code, signal, stdout, stderr, error, lost });
    }
}

impl Reader {
    /// Read once. Returns how many bytes came; 0 when there is nothing now, or never again (the pipe is closed then).
    fn read(&mut self, child: &mut Child, stream: usize) -> usize {
        let (Some(pipe), Some(captures)) = (&mut child.pipes[stream], &mut child.captures) else { return 0 };
        match pipe.read(&mut self.buffer) {
            Ok(0) => self.close(child, stream),
            Ok(count) => {
                #[cfg(target_os = "linux")]
                if count == PIPE {
                    // SAFETY: plain numbers. Refused where this user's pipes have too much room already: it stays as it is.
                    unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, DRAIN) };
                }
                let bytes = &self.buffer[..count];
                let shown = match &mut child.redactors {
                    Some(redactors) => redactors[stream].feed(bytes),
                    None => bytes.to_vec(),
                };
                self.tell(child, stream, shown);
                return count;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => {
                captures[stream].fail(format!("cannot read the pipe: {error}"));
                self.close(child, stream);
            }
        }
        0
    }

    fn drain(&mut self, child: &mut Child) {
        for stream in 0..2 {
            let mut total = 0;
            while total < DRAIN {
                match self.read(child, stream) {
                    0 => break,
                    count => total += count,
                }
            }
        }
    }

    fn tell(&self, child: &mut Child, stream: usize, shown: Vec<u8>) {
        let Some(captures) = &mut child.captures else { return };
        if shown.is_empty() {
            return;
        }
        captures[stream].append(&shown, &self.rules);
        let number = if stream == 0 { 1 } else { 2 };
        self.sink.output(child.token, number, shown);
    }

    fn close(&self, child: &mut Child, stream: usize) {
        if let Some(pipe) = child.pipes[stream].take() {
            self.shared.poller.forget(pipe.as_raw_fd());
            if let Some(redactors) = &mut child.redactors {
                let rest = redactors[stream].finish();
                self.tell(child, stream, rest);
            }
        }
    }
}
