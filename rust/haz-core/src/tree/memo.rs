//! Digests remembered for as long as `stat` proves that they still hold.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::digest::{Algorithm, Digest, digest_open};

/// Kernels stamp files with a clock that ticks every 1-10 ms: a second write within a tick leaves no trace.
const TICK: i128 = 20_000_000;
/// The tick of file systems that keep whole seconds only.
const COARSE_TICK: i128 = 2_000_000_000;
const SECOND: i128 = 1_000_000_000;

/// What `stat` says about one state of a file. Times in nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: i128,
    changed: i128,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: i128::from(metadata.mtime()) * SECOND + i128::from(metadata.mtime_nsec()),
            changed: i128::from(metadata.ctime()) * SECOND + i128::from(metadata.ctime_nsec()),
        }
    }

    /// Whether a write after `now` is sure to change the stamp (git's rule for racily clean entries).
    fn is_settled(&self, now: i128) -> bool {
        let coarse = self.modified % SECOND == 0 && self.changed % SECOND == 0;
        let tick = if coarse { COARSE_TICK } else { TICK };
        self.modified.max(self.changed) + tick < now
    }
}

fn now() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

/// Digests by file state. Shared by many threads.
pub struct Memo {
    algorithm: Algorithm,
    made: i128,
    known: RwLock<HashMap<(u64, u64), (Stamp, Digest)>>,
}

impl Memo {
    /// An empty memory for one algorithm.
    pub fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, made: now(), known: RwLock::default() }
    }

    /// The algorithm of all digests.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the file may have got this state only after this memory was made.
    pub fn is_newer(&self, metadata: &Metadata) -> bool {
        !Stamp::of(metadata).is_settled(self.made)
    }

    /// The digest of the file in the state that `metadata` describes, if it is known.
    pub fn get(&self, metadata: &Metadata) -> Option<Digest> {
        let wanted = Stamp::of(metadata);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let (stamp, digest) = known.get(&(wanted.device, wanted.inode))?;
        (*stamp == wanted).then_some(*digest)
    }

    /// Digest an open file, and remember it unless the file is changing.
    ///
    /// # Errors
    /// What `fstat` or reading answers.
    pub fn digest(&self, file: &File) -> io::Result<Digest> {
        self.digest_at(file, now())
    }

    fn digest_at(&self, file: &File, started: i128) -> io::Result<Digest> {
        let metadata = file.metadata()?;
        let digest = digest_open(file, metadata.len(), self.algorithm)?;
        let stamp = Stamp::of(&metadata);
        if stamp.is_settled(started) && Stamp::of(&file.metadata()?) == stamp {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.insert((stamp.device, stamp.inode), (stamp, digest));
        }
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::digest_bytes;
    use std::fs;

    const LATER: i128 = i128::MAX;

    fn space() -> (tempfile::TempDir, std::path::PathBuf, File) {
        let space = tempfile::tempdir().unwrap();
        let path = space.path().join("f");
        fs::write(&path, "one").unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        (space, path, file)
    }

    fn known(memo: &Memo, file: &File) -> Option<Digest> {
        memo.get(&file.metadata().unwrap())
    }

    #[test]
    fn a_settled_file_is_remembered_until_its_stamp_changes() {
        let (_space, path, file) = space();
        let memo = Memo::new(Algorithm::Blake3);
        let digest = memo.digest_at(&file, LATER).unwrap();
        assert_eq!(digest, digest_bytes(b"one", Algorithm::Blake3));
        assert_eq!(known(&memo, &file), Some(digest));
        fs::write(&path, "three").unwrap();
        assert_eq!(known(&memo, &file), None);
    }

    #[test]
    fn a_restored_mtime_does_not_hide_a_change() {
        let (_space, path, file) = space();
        let memo = Memo::new(Algorithm::Blake3);
        memo.digest_at(&file, LATER).unwrap();
        let before = Stamp::of(&file.metadata().unwrap());
        let modified = file.metadata().unwrap().modified().unwrap();
        while Stamp::of(&file.metadata().unwrap()).changed == before.changed {
            fs::write(&path, "two").unwrap();
            file.set_modified(modified).unwrap();
        }
        assert_eq!(Stamp::of(&file.metadata().unwrap()).modified, before.modified);
        assert_eq!(known(&memo, &file), None);
    }

    #[test]
    fn a_file_that_changed_within_the_tick_is_not_remembered() {
        let (_space, _path, file) = space();
        let memo = Memo::new(Algorithm::Sha256);
        let stamp = Stamp::of(&file.metadata().unwrap());
        memo.digest_at(&file, stamp.changed + TICK).unwrap();
        assert_eq!(known(&memo, &file), None);
        memo.digest_at(&file, stamp.changed + COARSE_TICK + 1).unwrap();
        assert!(known(&memo, &file).is_some());
    }

    #[test]
    fn a_state_is_newer_unless_it_was_settled_when_the_memory_was_made() {
        let (_space, _path, file) = space();
        let metadata = file.metadata().unwrap();
        let changed = Stamp::of(&metadata).changed;
        let made = |made| Memo { made, ..Memo::new(Algorithm::Blake3) };
        assert!(made(changed + TICK).is_newer(&metadata));
        assert!(!made(changed + COARSE_TICK + 1).is_newer(&metadata));
    }

    #[test]
    fn the_tick_of_a_file_system_with_whole_seconds_is_long() {
        let stamp = Stamp { device: 1, inode: 1, size: 1, modified: SECOND, changed: SECOND };
        assert!(!stamp.is_settled(SECOND + 2 * TICK));
        assert!(stamp.is_settled(SECOND + COARSE_TICK + 1));
        let fine = Stamp { changed: SECOND + 1, ..stamp };
        assert!(fine.is_settled(SECOND + 2 * TICK));
        let ahead = Stamp { changed: 9 * SECOND, ..stamp };
        assert!(!ahead.is_settled(SECOND + COARSE_TICK + 1));
    }
}
