//! Process groups: who leads them, how they are signalled, how their leaders are reaped.

use std::collections::{HashMap, HashSet};
use std::io;
use std::mem::MaybeUninit;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::{Arc, LazyLock, Mutex};

use super::watchdog::Slot;
use super::{SignalError, lock};

/// The leaders of this process that have not been reaped, of all [`super::Processes`]: those are not orphans.
pub(super) static LEADERS: LazyLock<Mutex<HashSet<libc::pid_t>>> = LazyLock::new(Mutex::default);
/// Children of this process that are part of it: neither leaders nor orphans.
pub(super) static HELPERS: LazyLock<Mutex<HashSet<libc::pid_t>>> = LazyLock::new(Mutex::default);

/// Start a leader so that nobody can take it for an orphan in between.
pub(super) fn start_leader<E>(start: impl FnOnce() -> Result<super::Started, E>) -> Result<super::Started, E> {
    let mut leaders = lock(&LEADERS);
    let started = start()?;
    leaders.insert(started.pid);
    Ok(started)
}

/// How a leader ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Code(i32),
    Signal(i32),
}

/// One group, led by a child of ours.
pub(super) struct Group {
    id: u64,
    pid: libc::pid_t,
    pidfd: Option<Arc<OwnedFd>>,
    reaped: bool,
    slot: Option<Slot>,
}

impl Group {
    pub fn new(id: u64, pid: libc::pid_t, pidfd: Option<OwnedFd>, slot: Option<Slot>) -> Self {
        Self { id, pid, pidfd: pidfd.map(Arc::new), reaped: false, slot }
    }

    pub fn pidfd(&self) -> Option<Arc<OwnedFd>> {
        self.pidfd.clone()
    }

    fn signal(&self, signal: i32) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let (true, Some(pidfd)) = (self.reaped, &self.pidfd) {
            // SAFETY: plain numbers and no siginfo.
            let answer = unsafe {
                libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    pidfd.as_raw_fd(),
                    signal,
                    ptr::null::<libc::siginfo_t>(),
                    libc::PIDFD_SIGNAL_PROCESS_GROUP,
                )
            };
            let error = io::Error::last_os_error();
            if answer == 0 {
                return Ok(());
            }
            // Before Linux 6.9 the flag is not known.
            if !matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) {
                return Err(error);
            }
        }
        // SAFETY: plain numbers; `pid` is the number of a group that we made.
        if unsafe { libc::kill(-self.pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Kill and reap a group that nobody watches.
    pub fn destroy(&self) {
        // What cannot be killed (it became another user's) is not ours to wait for.
        if self.signal(libc::SIGKILL).is_ok() {
            let _ = reap(self.pid);
        }
        lock(&LEADERS).remove(&self.pid);
    }
}

/// The groups that can be signalled.
#[derive(Default)]
pub(super) struct Groups {
    by_token: HashMap<u64, Group>,
    /// Groups that outlived their leader and whose token is in use again.
    strays: Vec<Group>,
}

impl Groups {
    /// The child that runs under a token.
    pub fn running(&self, token: u64) -> Option<u64> {
        self.running_with_leader(token).map(|(id, _)| id)
    }

    /// The child that runs under a token, and its process.
    pub fn running_with_leader(&self, token: u64) -> Option<(u64, libc::pid_t)> {
        self.by_token.get(&token).filter(|group| !group.reaped).map(|group| (group.id, group.pid))
    }

    /// A leader that cannot be ended is nobody's any more.
    pub fn give_up(&mut self, token: u64, pid: libc::pid_t) {
        self.by_token.remove(&token);
        lock(&LEADERS).remove(&pid);
    }

    pub fn is_running(&self, token: u64) -> bool {
        self.running(token).is_some()
    }

    pub fn insert(&mut self, token: u64, group: Group) {
        self.strays.extend(self.by_token.insert(token, group));
    }

    pub fn signal(&mut self, token: u64, signal: i32) -> Result<bool, SignalError> {
        let Some(group) = self.by_token.get_mut(&token) else { return Ok(false) };
        match group.signal(signal) {
            Ok(()) => {
                if group.reaped && signal == libc::SIGKILL {
                    // Nothing is left to watch, and the number may soon be somebody else's.
                    group.slot = None;
                }
                Ok(true)
            }
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {
                if group.reaped {
                    self.by_token.remove(&token);
                }
                Ok(false)
            }
            // Darwin's answer for a group of zombies.
            Err(error) if cfg!(target_vendor = "apple") && error.raw_os_error() == Some(libc::EPERM) => Ok(false),
            Err(source) => Err(SignalError { pid: group.pid, source }),
        }
    }

    /// Reap the leader of a token that has ended. The group stays while it has other members.
    pub fn reap(&mut self, token: u64, pid: libc::pid_t) -> io::Result<End> {
        let mut leaders = lock(&LEADERS);
        let end = reap(pid);
        leaders.remove(&pid);
        drop(leaders);
        if let Some(group) = self.by_token.get_mut(&token) {
            group.reaped = true;
            if group.signal(0).is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH)) {
                self.by_token.remove(&token);
            }
        }
        end
    }

    pub fn kill_all(&self) {
        for group in self.by_token.values().chain(&self.strays) {
            // Gone already, or not ours to kill: nothing more can be done about it.
            let _ = group.signal(libc::SIGKILL);
        }
    }
}

fn reap(pid: libc::pid_t) -> io::Result<End> {
    let mut status = 0;
    // SAFETY: writes to `status` only.
    while unsafe { libc::waitpid(pid, &raw mut status, 0) } == -1 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(if libc::WIFSIGNALED(status) {
        End::Signal(libc::WTERMSIG(status))
    } else {
        End::Code(libc::WEXITSTATUS(status))
    })
}

/// Return when a child has ended, without reaping it.
pub(super) fn await_end(pid: libc::pid_t) {
    let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
    let id = libc::id_t::try_from(pid).expect("process ids are positive");
    loop {
        // SAFETY: writes to `info` only.
        let answer = unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) };
        // Another error than an interruption (somebody else reaped it) comes up again when it is reaped.
        if answer == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// Where a parent left SIGCHLD ignored, the system would reap children by itself and drop their statuses.
pub(super) fn keep_ended_children() -> io::Result<()> {
    // SAFETY: `action` is written before it is read.
    unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        if libc::sigaction(libc::SIGCHLD, ptr::null(), &raw mut action) == -1 {
            return Err(io::Error::last_os_error());
        }
        let ignored = action.sa_sigaction == libc::SIG_IGN;
        if ignored || action.sa_flags & libc::SA_NOCLDWAIT != 0 {
            if ignored {
                action.sa_sigaction = libc::SIG_DFL;
            }
            action.sa_flags &= !libc::SA_NOCLDWAIT;
            if libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut()) == -1 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}
