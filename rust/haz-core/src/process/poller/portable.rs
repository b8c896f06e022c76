//! poll(2), for systems without epoll.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The watched descriptors, and a pipe to wake the one who waits.
pub(in super::super) struct Poller {
    watched: Mutex<Vec<(RawFd, u64)>>,
    wake: (PipeReader, PipeWriter),
}

impl Poller {
    pub fn new() -> io::Result<Self> {
        let wake = io::pipe()?;
        for descriptor in [wake.0.as_raw_fd(), wake.1.as_raw_fd()] {
            // SAFETY: plain descriptor flags.
            if unsafe { libc::fcntl(descriptor, libc::F_SETFL, libc::O_NONBLOCK) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(Self { watched: Mutex::default(), wake })
    }

    fn watched(&self) -> MutexGuard<'_, Vec<(RawFd, u64)>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Report `key` from `wait` while the descriptor is readable or at its end.
    #[allow(clippy::unnecessary_wraps, reason = "the same face as the epoll one")]
    pub fn watch(&self, descriptor: RawFd, key: u64) -> io::Result<()> {
        self.watched().push((descriptor, key));
        self.wake();
        Ok(())
    }

    /// Stop reporting a descriptor. To be called before it is closed.
    pub fn forget(&self, descriptor: RawFd) {
        self.watched().retain(|entry| entry.0 != descriptor);
    }

    /// Make `wait` return.
    pub fn wake(&self) {
        // A full pipe wakes as well.
        let _ = (&self.wake.1).write(&[0]);
    }

    /// Wait until something is ready, `wake` is called or `timeout` is over; append the keys of what is ready.
    pub fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<u64>) -> io::Result<()> {
        let watched = self.watched().clone();
        let readable = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut polled: Vec<_> = watched.iter().map(|entry| readable(entry.0)).collect();
        polled.push(readable(self.wake.0.as_raw_fd()));
        let count = libc::nfds_t::try_from(polled.len()).expect("fewer descriptors than the type can count");
        // SAFETY: `polled` holds `count` entries.
        if unsafe { libc::poll(polled.as_mut_ptr(), count, super::super::milliseconds(timeout)) } == -1 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        ready.extend(watched.iter().zip(&polled).filter(|(_, poll)| poll.revents != 0).map(|(entry, _)| entry.1));
        if polled.last().is_some_and(|poll| poll.revents != 0) {
            let mut bytes = [0; 64];
            while (&self.wake.0).read(&mut bytes).is_ok_and(|count| count == bytes.len()) {}
        }
        Ok(())
    }
}
