//! Starting a child on a Unix other than Linux. There is no parent-death signal.

use std::ffi::{OsStr, c_char};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::ptr;
use std::sync::Arc;

use super::super::plan::{Plan, Refusal, check_directory, directory};
use super::{Pipes, Started, descriptor_limit, open_null, system_refusal};

/// Nothing: here it is known at once whether a child has executed.
#[cfg(not(target_os = "linux"))]
pub(in super::super) enum Launch {}

#[cfg(not(target_os = "linux"))]
impl Launch {
    pub fn refusal(&self) -> Option<Refusal> {
        match *self {}
    }
}

/// What spawning needs again and again.
pub(in super::super) struct Spawner {
    null: OwnedFd,
}

impl Spawner {
    pub fn new() -> io::Result<Self> {
        Ok(Self { null: open_null()? })
    }

    #[allow(clippy::needless_pass_by_value, reason = "the same face as the one of Linux")]
    pub fn start(&mut self, plan: Arc<Plan>, _mark: Option<u64>) -> Result<Started, Refusal> {
        let Pipes { ours, theirs: [out, err] } =
            Pipes::new().map_err(|error| system_refusal("create pipes", &error))?;
        let cwd = directory(&plan);
        // Looked at before, because `Command` answers one errno for entering and for executing.
        check_directory(&cwd)?;
        let null = self.null.try_clone().map_err(|error| system_refusal("connect the streams", &error))?;
        let (path, argv, envp) = (plan.path.as_ptr() as usize, plan.argv.as_ptr() as usize, plan.envp() as usize);
        let limit = descriptor_limit();
        let mut command = Command::new(OsStr::from_bytes(plan.path.to_bytes()));
        command.current_dir(&cwd).process_group(0).stdin(Stdio::from(null)).stdout(out).stderr(err);
        // SAFETY: only async-signal-safe calls; the plan's arrays outlive the spawn. On success execve does not return.
        unsafe {
            command.pre_exec(move || {
                for descriptor in 3..limit {
                    // Closed by the exec: closing it here would take the pipe that reports a failure.
                    libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
                }
                default_signals();
                libc::execve(path as *const c_char, argv as *const *const c_char, envp as *const *const c_char);
                Err(io::Error::last_os_error())
            });
        }
        let child = command.spawn().map_err(|error| match error.raw_os_error() {
            Some(errno) => plan.exec_refusal(errno),
            None => system_refusal("create a process", &error),
        })?;
        let pid = libc::pid_t::try_from(child.id()).expect("process ids are positive pid_t");
        Ok(Started { pid, pidfd: None, pipes: ours, launch: None })
    }
}

unsafe fn default_signals() {
    // SAFETY: valid arguments; KILL and STOP are refused, as they must be.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = libc::SIG_DFL;
        for signal in 1..32 {
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}
