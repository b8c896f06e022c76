//! epoll: descriptors are added from the thread that spawns without waking the one that waits.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use super::Class;

const WAKE: u64 = u64::MAX;
const ENDS: u64 = u64::MAX - 1;
const BATCH: i32 = 64;

/// Two sets: ends, and everything: pipes and the set of ends.
pub(in super::super) struct Poller {
    all: OwnedFd,
    ends: OwnedFd,
    wake: OwnedFd,
}

impl Poller {
    pub fn new() -> io::Result<Self> {
        // SAFETY: these calls answer new descriptors that nobody else owns, or -1.
        let (all, ends, wake) = unsafe {
            (
                owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))?,
                owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))?,
                owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?,
            )
        };
        let poller = Self { all, ends, wake };
        poller.watch(poller.wake.as_raw_fd(), Class::End, WAKE)?;
        poller.watch(poller.ends.as_raw_fd(), Class::Pipe, ENDS)?;
        Ok(poller)
    }

    /// Report `key` from `wait` while the descriptor is readable or at its end.
    pub fn watch(&self, descriptor: RawFd, class: Class, key: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: key };
        // SAFETY: valid descriptors and a valid event.
        if unsafe { libc::epoll_ctl(self.set(class), libc::EPOLL_CTL_ADD, descriptor, &raw mut event) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Stop reporting a descriptor. To be called before it is closed: a copy of it in a process that was forked but
    /// has not executed yet would keep it in the set.
    pub fn forget(&self, descriptor: RawFd, class: Class) {
        // SAFETY: at worst the descriptor is not in the set, which is what is wanted.
        unsafe { libc::epoll_ctl(self.set(class), libc::EPOLL_CTL_DEL, descriptor, ptr::null_mut()) };
    }

    fn set(&self, class: Class) -> RawFd {
        match class {
            Class::Pipe => self.all.as_raw_fd(),
            Class::End => self.ends.as_raw_fd(),
        }
    }

    /// Make `wait` return.
    pub fn wake(&self) {
        // SAFETY: eight valid bytes. It can only fail when the counter is full, and then `wait` returns anyway.
        unsafe { libc::write(self.wake.as_raw_fd(), ptr::from_ref(&1_u64).cast(), 8) };
    }

    /// Wait until something is ready, `wake` is called or `timeout` is over; append the keys of what is ready. Whether it
    /// was not the time that ended it: a call of `wake` is told once, and nobody else will tell of it.
    pub fn wait(&self, pipes: bool, timeout: Option<Duration>, ready: &mut Vec<u64>) -> io::Result<bool> {
        let set = if pipes { &self.all } else { &self.ends };
        let (ends, mut any) = self.take(set, super::super::milliseconds(timeout), ready)?;
        if ends {
            any |= self.take(&self.ends, 0, ready)?.1;
        }
        Ok(any)
    }

    /// Append the keys of what is ready in a set; whether the set of ends is among it, and whether anything is.
    fn take(&self, set: &OwnedFd, timeout: i32, ready: &mut Vec<u64>) -> io::Result<(bool, bool)> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH as usize];
        // SAFETY: `events` has room for `BATCH` events.
        let count = unsafe { libc::epoll_wait(set.as_raw_fd(), events.as_mut_ptr(), BATCH, timeout) };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok((false, true)) } else { Err(error) };
        };
        let mut ends = false;
        for event in &events[..count] {
            let key = event.u64;
            if key == ENDS {
                ends = true;
            } else if key == WAKE {
                let mut counter = 0_u64;
                // SAFETY: eight valid bytes; nobody else reads it.
                unsafe { libc::read(self.wake.as_raw_fd(), ptr::from_mut(&mut counter).cast(), 8) };
            } else {
                ready.push(key);
            }
        }
        Ok((ends, count > 0))
    }
}

unsafe fn owned(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller passes a descriptor that was just made.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
