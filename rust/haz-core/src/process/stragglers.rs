//! Processes whose end somebody waits for though they are not his children (Linux).

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};

use super::orphans::{Row, pidfd_open};
use super::poller::Poller;
use super::reactor::Part;

/// Everything that was started here, in place of a child.
pub(super) const EVERYTHING: u64 = u64::MAX;

/// The watched processes, each with the child that it came from.
#[derive(Default)]
pub(super) struct Stragglers {
    watched: HashMap<u64, (u64, OwnedFd)>,
}

impl Stragglers {
    /// Watch these; whether one of them lives.
    pub fn watch(&mut self, owner: u64, rows: Vec<Row>, poller: &Poller) -> bool {
        for row in rows {
            let key = u64::from(row.pid().unsigned_abs());
            if self.watched.contains_key(&key) {
                continue;
            }
            // Gone since, or a kernel without pidfds: not waited for.
            let Ok(pidfd) = pidfd_open(row.pid()) else { continue };
            if poller.watch(pidfd.as_raw_fd(), Part::Straggler.key(key)).is_ok() {
                self.watched.insert(key, (owner, pidfd));
            }
        }
        self.has(owner)
    }

    /// A watched process has ended; tells its owner when it was the last one of that owner.
    pub fn ended(&mut self, key: u64, poller: &Poller) -> Option<u64> {
        let (owner, pidfd) = self.watched.remove(&key)?;
        poller.forget(pidfd.as_raw_fd());
        (!self.has(owner)).then_some(owner)
    }

    /// Wait for those of this owner no longer.
    pub fn forget(&mut self, owner: u64, poller: &Poller) {
        self.watched.retain(|_, (whose, pidfd)| {
            if *whose == owner {
                poller.forget(pidfd.as_raw_fd());
            }
            *whose != owner
        });
    }

    fn has(&self, owner: u64) -> bool {
        self.watched.values().any(|(whose, _)| *whose == owner)
    }
}
