//! Starting one child in a process group of its own.

#[cfg(target_os = "linux")]
mod bare;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(test, not(target_os = "linux")))]
pub(super) mod portable;

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;

#[cfg(target_os = "linux")]
pub(super) use linux::{Launch, Spawner};
#[cfg(not(target_os = "linux"))]
pub(super) use portable::{Launch, Spawner};

use super::plan::Refusal;

/// A child that runs, or is about to.
pub(super) struct Started {
    /// Its process, and its group.
    pub pid: libc::pid_t,
    /// Becomes readable when the child ends. `None` where the system has no such thing.
    pub pidfd: Option<OwnedFd>,
    /// Our ends of standard output and standard error; non-blocking.
    pub pipes: [File; 2],
    /// What tells, once the child has ended, whether it never executed. `None` where that is known before.
    pub launch: Option<Arc<Launch>>,
}

/// Two pipes: ours, non-blocking, and the child's. No descriptor is 0-2, none survives an exec.
struct Pipes {
    ours: [File; 2],
    theirs: [OwnedFd; 2],
}

impl Pipes {
    fn new() -> io::Result<Self> {
        let (out, out_end) = pipe()?;
        let (err, err_end) = pipe()?;
        Ok(Self { ours: [out.into(), err.into()], theirs: [out_end, err_end] })
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = io::pipe()?;
    let (read, write) = (above_stdio(read.into())?, above_stdio(write.into())?);
    // A new pipe has no other flags.
    // SAFETY: plain descriptor flags.
    if unsafe { libc::fcntl(read.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok((read, write))
}

/// A descriptor of 0-2 (ours were closed when we started) would be in the way of the child's own.
pub(super) fn above_stdio(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() > 2 {
        return Ok(descriptor);
    }
    // SAFETY: the descriptor is open; the answer is a new descriptor that nobody else owns.
    unsafe {
        match libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) {
            -1 => Err(io::Error::last_os_error()),
            copy => Ok(OwnedFd::from_raw_fd(copy)),
        }
    }
}

fn system_refusal(what: &str, error: &io::Error) -> Refusal {
    Refusal { reason: format!("cannot {what}: {error}"), errno: error.raw_os_error() }
}

fn open_null() -> io::Result<OwnedFd> {
    above_stdio(File::open("/dev/null")?.into())
}

/// The number that every descriptor is below, where they cannot be closed all at once.
pub(super) fn descriptor_limit() -> libc::c_int {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes to `limit` only.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    // Unlimited on some systems; no process of ours holds that many.
    libc::c_int::try_from(limit.rlim_cur).unwrap_or(1 << 16)
}

/// All signals of this thread wait until this is dropped.
pub(super) struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    pub fn new() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are written before they are read.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Self(before.assume_init())
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the set that was in force before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}
