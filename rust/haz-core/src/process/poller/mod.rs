//! Waiting for many descriptors at once.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(any(test, not(target_os = "linux")))]
mod portable;

#[cfg(target_os = "linux")]
pub(super) use epoll::Poller;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::Poller;

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
                let (first, mut writer) = pipe().unwrap();
                let (second, other_writer) = pipe().unwrap();
                poller.watch(first.as_raw_fd(), 1).unwrap();
                poller.watch(second.as_raw_fd(), 2).unwrap();
                let ready = |timeout| {
                    let mut keys = Vec::new();
                    poller.wait(timeout, &mut keys).unwrap();
                    keys.sort_unstable();
                    keys
                };
                let now = Some(Duration::ZERO);
                assert_eq!(ready(now), []);
                writer.write_all(b"x").unwrap();
                assert_eq!(ready(None), [1]);
                drop(other_writer);
                assert_eq!(ready(now), [1, 2], "an end is told like bytes, again and again");
                poller.forget(second.as_raw_fd());
                assert_eq!(ready(now), [1]);
                poller.forget(first.as_raw_fd());
                poller.wake();
                assert_eq!(ready(None), [], "a call of `wake` ends the waiting and has no key of its own");
                assert_eq!(ready(now), []);
            }
        };
    }

    #[cfg(target_os = "linux")]
    pollers_agree!(epoll_tells_what_is_ready, epoll::Poller);
    pollers_agree!(poll_tells_what_is_ready, portable::Poller);
}
