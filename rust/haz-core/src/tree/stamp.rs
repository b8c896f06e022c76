//! What `stat` says about one state of a file, and for how long that proves the file's content.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Kernels stamp files with a clock that ticks every 1-10 ms: a second write within a tick leaves no trace.
pub const TICK: i128 = 20_000_000;
/// The tick of file systems that keep whole seconds only.
const COARSE_TICK: i128 = 2_000_000_000;
/// The finest time that exFAT keeps; FAT and the older network file systems keep seconds.
const COARSE_UNIT: i128 = 10_000_000;
const SECOND: i128 = 1_000_000_000;

/// One state of a file. Times in nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    pub modified: i128,
    pub changed: i128,
}

impl Stamp {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: i128::from(metadata.mtime()) * SECOND + i128::from(metadata.mtime_nsec()),
            changed: i128::from(metadata.ctime()) * SECOND + i128::from(metadata.ctime_nsec()),
        }
    }

    /// The same of what the system call answers.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "the types differ between systems")]
    pub fn of_stat(found: &libc::stat) -> Self {
        Self {
            device: found.st_dev as u64,
            inode: found.st_ino as u64,
            size: found.st_size.cast_unsigned(),
            modified: i128::from(found.st_mtime) * SECOND + i128::from(found.st_mtime_nsec),
            changed: i128::from(found.st_ctime) * SECOND + i128::from(found.st_ctime_nsec),
        }
    }

    /// Whether a write after `now` is sure to change the stamp (git's rule for racily clean entries).
    pub fn is_settled(&self, now: i128) -> bool {
        let coarse = self.modified % SECOND == 0 && self.changed % SECOND == 0;
        self.is_older(if coarse { COARSE_TICK } else { TICK }, now)
    }

    /// Whether the stamp was settled for `margin` already, on a file system whose stamps mean something to later
    /// processes: those that keep coarse times also make their inode numbers up anew with each mount.
    pub fn is_lasting(&self, margin: i128, now: i128) -> bool {
        self.changed % COARSE_UNIT != 0 && self.is_older(margin, now)
    }

    /// A time in the future is never old, whoever has set it.
    fn is_older(&self, margin: i128, now: i128) -> bool {
        self.modified.max(self.changed) + margin < now
    }
}

/// The wall clock, in nanoseconds since the epoch.
pub fn now() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { device: 1, inode: 1, size: 1, modified: SECOND, changed: SECOND };

    #[test]
    fn the_tick_of_a_file_system_with_whole_seconds_is_long() {
        assert!(!STAMP.is_settled(SECOND + 2 * TICK));
        assert!(STAMP.is_settled(SECOND + COARSE_TICK + 1));
        let fine = Stamp { changed: SECOND + 1, ..STAMP };
        assert!(fine.is_settled(SECOND + 2 * TICK));
        let ahead = Stamp { changed: 9 * SECOND, ..STAMP };
        assert!(!ahead.is_settled(SECOND + COARSE_TICK + 1));
    }

    #[test]
    fn stamps_last_only_where_they_are_fine_and_older_than_the_margin() {
        let fine = Stamp { changed: SECOND + 1, ..STAMP };
        assert!(!fine.is_lasting(TICK, SECOND + 1 + TICK));
        assert!(fine.is_lasting(TICK, SECOND + 2 + TICK));
        assert!(!STAMP.is_lasting(TICK, 9 * SECOND));
        assert!(!Stamp { changed: SECOND + COARSE_UNIT, ..STAMP }.is_lasting(TICK, 9 * SECOND));
        assert!(!Stamp { modified: 99 * SECOND, ..fine }.is_lasting(TICK, 9 * SECOND));
    }
}
