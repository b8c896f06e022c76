//! The mark of a child, which everything that it starts bears too: how strays are told apart (Linux).
//!
//! A process can leave its group, its session and its parent, but nobody resets a limit that he does not know of: the
//! soft limit of `RLIMIT_RTTIME` is inherited through every fork and exec. It counts microseconds of real-time
//! scheduling without a system call. The marks stand for 146,000 years and more, as good as no limit, and the hard limit
//! stays infinite. The environment, which a child must see exactly as declared, and the limits that matter stay as they are.

#[cfg(target_os = "linux")]
use std::hash::{BuildHasher, RandomState};

/// Above all limits that anybody sets on purpose, below infinity.
#[cfg(target_os = "linux")]
const BASE: u64 = 1 << 62;
/// Bits of a mark that tell the children of one `Marks` apart.
#[cfg(target_os = "linux")]
const CHILD_BITS: u32 = 24;

/// The marks of the children of one caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Marks(u64);

impl Marks {
    /// `None` where processes cannot be marked: another system, or the hard limit is not infinite.
    pub fn new() -> Option<Self> {
        #[cfg(target_os = "linux")]
        {
            let limit = limit_of(0)?;
            (limit.rlim_max == libc::RLIM_INFINITY).then(|| {
                let random = RandomState::new().hash_one(std::process::id()) & (BASE - 1);
                Self(BASE | random >> CHILD_BITS << CHILD_BITS)
            })
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// The mark of a child.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub fn of(self, child: u64) -> u64 {
        self.0 | (child & ((1 << 24) - 1))
    }
}

#[cfg(target_os = "linux")]
impl Marks {
    /// Whether a process bears one of these marks. Async-signal-safe.
    pub fn include(self, pid: libc::pid_t) -> bool {
        mark_of(pid).is_some_and(|mark| mark >> CHILD_BITS == self.0 >> CHILD_BITS)
    }
}

/// What a process bears, if it can be asked: one of another user cannot. Async-signal-safe.
#[cfg(target_os = "linux")]
pub(super) fn mark_of(pid: libc::pid_t) -> Option<u64> {
    limit_of(pid).map(|limit| limit.rlim_cur)
}

/// The limit that makes a process bear a mark. That it cannot be set is no reason not to run.
#[cfg(target_os = "linux")]
pub(super) fn limit(mark: u64) -> libc::rlimit64 {
    libc::rlimit64 { rlim_cur: mark, rlim_max: libc::RLIM64_INFINITY }
}

/// Mark this process. Async-signal-safe.
#[cfg(target_os = "linux")]
pub(super) unsafe fn bear(mark: u64) {
    let limit = limit(mark);
    // SAFETY: a valid limit.
    unsafe { libc::setrlimit64(libc::RLIMIT_RTTIME, &raw const limit) };
}

#[cfg(target_os = "linux")]
fn limit_of(pid: libc::pid_t) -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes to `limit` only.
    let answer = unsafe { libc::prlimit(pid, libc::RLIMIT_RTTIME, std::ptr::null(), &raw mut limit) };
    (answer == 0).then_some(limit)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_callers_and_children_apart_and_are_never_infinite() {
        let (one, other) = (Marks::new().unwrap(), Marks::new().unwrap());
        assert_ne!(one, other);
        assert_ne!(one.of(1), one.of(2));
        assert_ne!(one.of(1), other.of(1));
        assert!((BASE..2 * BASE).contains(&one.of(u64::MAX)));
        assert_eq!(one.of(u64::MAX) >> CHILD_BITS, one.of(0) >> CHILD_BITS);
    }
}
