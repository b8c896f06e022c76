//! Waiting for many descriptors at once, pipes optionally left out.
//!
//! Pipes and ends (what tells that a child has ended) are told apart because reading pipes pauses while nobody takes
//! what was read; ends are seen all the time.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(any(test, not(target_os = "linux")))]
mod portable;

#[cfg(target_os = "linux")]
pub(super) use epoll::Poller;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::Poller;

/// What kind of descriptor is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    Pipe,
    End,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Write, pipe};
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    macro_rules! pollers_agree {
        ($name:ident, $poller:ty) => {
            #[test]
            fn $name() {
                let poller = <$poller>::new().unwrap();
                let (pipe_end, mut pipe_writer) = pipe().unwrap();
                let (end, end_writer) = pipe().unwrap();
                poller.watch(pipe_end.as_raw_fd(), Class::Pipe, 1).unwrap();
                poller.watch(end.as_raw_fd(), Class::End, 2).unwrap();
                let ready = |pipes: bool| {
                    let mut keys = Vec::new();
                    poller.wait(pipes, Some(Duration::ZERO), &mut keys).unwrap();
                    keys.sort_unstable();
                    keys
                };
                assert_eq!(ready(true), []);
                pipe_writer.write_all(b"x").unwrap();
                assert_eq!(ready(true), [1]);
                assert_eq!(ready(false), [], "a pipe that is not read does not wake");
                drop(end_writer);
                assert_eq!(ready(true), [1, 2]);
                assert_eq!(ready(false), [2]);
                poller.forget(end.as_raw_fd(), Class::End);
                assert_eq!(ready(true), [1]);
                poller.forget(pipe_end.as_raw_fd(), Class::Pipe);
                poller.wake();
                let mut keys = Vec::new();
                assert!(poller.wait(false, None, &mut keys).unwrap());
                assert_eq!(keys, [], "a wake-up has no key of its own");
                assert!(!poller.wait(false, Some(Duration::ZERO), &mut keys).unwrap());
                poller.wake();
                assert!(
                    poller.wait(false, Some(Duration::ZERO), &mut keys).unwrap(),
                    "who only looks has to act on it"
                );
            }
        };
    }

    #[cfg(target_os = "linux")]
    pollers_agree!(epoll_tells_what_is_ready, epoll::Poller);
    pollers_agree!(poll_tells_what_is_ready, portable::Poller);
}
