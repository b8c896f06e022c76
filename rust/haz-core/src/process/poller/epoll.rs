//! epoll: descriptors are added without waking the one that waits.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

const WAKE: u64 = u64::MAX;
const BATCH: i32 = 64;

/// A set of descriptors, and one that wakes whoever waits.
pub(in super::super) struct Poller {
    set: OwnedFd,
    wake: OwnedFd,
}

impl Poller {
    pub fn new() -> io::Result<Self> {
        // SAFETY: these calls answer new descriptors that nobody else owns, or -1.
        let (set, wake) = unsafe {
            (
                owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))?,
                owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?,
            )
        };
        let poller = Self { set, wake };
        poller.watch(poller.wake.as_raw_fd(), WAKE)?;
        Ok(poller)
    }

    /// Report `key` from `wait` while the descriptor is readable or at its end.
    pub fn watch(&self, descriptor: RawFd, key: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: key };
        // SAFETY: valid descriptors and a valid event.
        if unsafe { libc::epoll_ctl(self.set.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor, &raw mut event) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Stop reporting a descriptor. To be called before it is closed: a copy of it in a process that was forked but
    /// has not executed yet would keep it in the set.
    pub fn forget(&self, descriptor: RawFd) {
        // SAFETY: at worst the descriptor is not in the set, which is what is wanted.
        unsafe { libc::epoll_ctl(self.set.as_raw_fd(), libc::EPOLL_CTL_DEL, descriptor, ptr::null_mut()) };
    }

    /// Make `wait` return.
    pub fn wake(&self) {
        // SAFETY: eight valid bytes. It can only fail when the counter is full, and then `wait` returns anyway.
        unsafe { libc::write(self.wake.as_raw_fd(), ptr::from_ref(&1_u64).cast(), 8) };
    }

    /// Wait until something is ready, `wake` is called or `timeout` is over; append the keys of what is ready.
    pub fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<u64>) -> io::Result<()> {
        let limit = super::super::milliseconds(timeout);
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH as usize];
        // SAFETY: `events` has room for `BATCH` events.
        let count = unsafe { libc::epoll_wait(self.set.as_raw_fd(), events.as_mut_ptr(), BATCH, limit) };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        };
        for event in &events[..count] {
            let key = event.u64;
            if key == WAKE {
                let mut counter = 0_u64;
                // SAFETY: eight valid bytes; nobody else reads it.
                unsafe { libc::read(self.wake.as_raw_fd(), ptr::from_mut(&mut counter).cast(), 8) };
            } else {
                ready.push(key);
            }
        }
        Ok(())
    }
}

unsafe fn owned(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller passes a descriptor that was just made.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
