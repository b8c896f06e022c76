//! Digests remembered for as long as `stat` proves that they still hold, also from one process to the next.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use super::past::{Fresh, Past, key_of};
use super::stamp::{Stamp, now};
use crate::blobs::{InTheWay, publish, sweep};
use crate::digest::{Algorithm, Digest, digest_open};

/// What a later process relies on must have been settled for this long (nanoseconds). Much more than a tick of this
/// machine's clock, because the stamps may come from a file server, whose clock may be behind.
const MARGIN: i128 = 2_000_000_000;
const DAY: i128 = 86_400 * 1_000_000_000;
/// Opening and hashing a small file takes about as long as reading this many bytes more of a large one ...
const OPENING: u64 = 1 << 14;
/// ... and the time to write a row, with some patience: a file of 50,000 rows waits for 200 small new files.
const WRITING: u64 = 1 << 6;

/// What this process has read itself.
#[derive(Debug, Clone, Copy)]
struct Known {
    stamp: Stamp,
    digest: Digest,
    lasting: bool,
}

/// Digests by path and file state. Shared by many threads.
pub struct Memo {
    algorithm: Algorithm,
    made: i128,
    file: Option<PathBuf>,
    margin: i128,
    past: OnceLock<Past>,
    /// How many files were to be hashed without it.
    hurried: AtomicU64,
    known: RwLock<HashMap<u64, Known>>,
}

impl Memo {
    /// A memory for one algorithm, which begins with what `file` holds.
    pub fn new(algorithm: Algorithm, file: Option<PathBuf>) -> Self {
        let (past, hurried, known) = Default::default();
        Self { algorithm, made: now(), file, margin: MARGIN, past, hurried, known }
    }

    /// The algorithm of all digests.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the file may have got this state only after this memory was made.
    pub fn is_newer(&self, metadata: &Metadata) -> bool {
        !Stamp::of(metadata).is_settled(self.made)
    }

    /// Read the file, unless that was done.
    pub(super) fn past(&self) -> &Past {
        self.past.get_or_init(|| match &self.file {
            Some(file) => Past::load(file, self.algorithm, self.made),
            None => Past::default(),
        })
    }

    /// Whether to read the file takes longer than to hash so many small ones, beside those of which that was true before.
    pub fn is_slower_than(&self, count: usize) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let all = self.hurried.fetch_add(count, Ordering::Relaxed).saturating_add(count);
        self.past.get().is_none() && all.saturating_mul(OPENING) < self.length()
    }

    fn length(&self) -> u64 {
        self.file.as_ref().and_then(|file| fs::metadata(file).ok()).map_or(0, |found| found.len())
    }

    /// The digest of the file in the state that `metadata` describes, if it is known.
    pub fn get(&self, path: &Path, metadata: &Metadata) -> Option<Digest> {
        self.get_in(path, metadata, false)
    }

    /// The same; in a `hurry`, that of a small file only if it can be told without reading what others have left.
    pub(super) fn get_in(&self, path: &Path, metadata: &Metadata, hurry: bool) -> Option<Digest> {
        let (key, stamp) = (key_of(path), Stamp::of(metadata));
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&key).filter(|known| known.stamp == stamp) {
            return Some(known.digest);
        }
        drop(known);
        // Nobody has left anything of a state that was too new when this began.
        let asked = stamp.is_settled(self.made) && !(hurry && metadata.len() <= OPENING);
        let past = if asked { Some(self.past()) } else { self.past.get() };
        past.and_then(|past| past.get(key, &stamp))
    }

    /// Digest an open file, which is at `path`, and remember it unless the file is changing.
    ///
    /// # Errors
    /// What `fstat` or reading answers.
    pub fn digest(&self, path: &Path, file: &File) -> io::Result<Digest> {
        self.digest_at(path, file, now())
    }

    fn digest_at(&self, path: &Path, file: &File, started: i128) -> io::Result<Digest> {
        let metadata = file.metadata()?;
        let digest = digest_open(file, metadata.len(), self.algorithm)?;
        let stamp = Stamp::of(&metadata);
        if stamp.is_settled(started) && Stamp::of(&file.metadata()?) == stamp {
            let lasting = stamp.is_lasting(self.margin, started);
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.insert(key_of(path), Known { stamp, digest, lasting });
        }
        Ok(digest)
    }

    /// Leave what is known for later processes; whether that was worth it, and could be done. Of several processes that
    /// save at the same time, the last one wins. The directory that holds the file is made, but not what leads there.
    pub fn save(&self) -> bool {
        let Some(file) = &self.file else { return false };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let again = |known: &Known| known.stamp.size.saturating_add(OPENING);
        let most: u64 = known.values().filter(|known| known.lasting).map(again).sum();
        if self.past.get().is_none() && (most == 0 || most < Past::rows_within(self.length()).saturating_mul(WRITING)) {
            return false;
        }
        let (past, now) = (self.past(), now());
        // What was read in a hurry may have been known all along.
        let news: HashMap<u64, &Known> = known
            .iter()
            .filter(|(key, known)| past.get(**key, &known.stamp).is_none())
            .map(|(key, known)| (*key, known))
            .collect();
        let lasting = || news.iter().filter(|(_, known)| known.lasting);
        let again: u64 = lasting().map(|(_, known)| again(known)).sum();
        let rows = u64::try_from(past.len()).unwrap_or(u64::MAX);
        let is_worth_it = again > 0 && again >= rows.saturating_mul(WRITING);
        // The rows in use must be told from the others, to the day.
        let is_due = now - past.written > DAY && past.was_used();
        if !is_worth_it && !is_due {
            return false;
        }
        let fresh = lasting().map(|(key, known)| Fresh { key: *key, stamp: known.stamp, digest: known.digest });
        let bytes = past.next(self.algorithm, fresh.collect(), |key| news.contains_key(&key), now);
        let Some(directory) = file.parent() else { return false };
        match fs::create_dir(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => sweep(directory),
            Err(_) => return false, // there is no cache, or it cannot be written: nothing but time is lost
        }
        publish(file, &bytes, InTheWay::Keep).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest_state;
    use super::super::stamp::TICK;
    use super::*;
    use crate::digest::digest_bytes;
    use proptest::prelude::*;
    use std::time::{Duration, SystemTime};

    const LATER: i128 = i128::MAX;

    struct Space {
        directory: tempfile::TempDir,
        path: PathBuf,
        file: File,
    }

    fn space() -> Space {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, "one").unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        Space { directory, path, file }
    }

    impl Space {
        fn memo(&self) -> Memo {
            let file = Some(self.directory.path().join("stat-v1/blake3"));
            // Files that were written just now must count as left alone.
            Memo { made: now() + 2 * MARGIN, ..Memo::new(Algorithm::Blake3, file) }
        }

        fn stamp(&self) -> Stamp {
            Stamp::of(&self.file.metadata().unwrap())
        }

        fn digest_at(&self, memo: &Memo, started: i128) -> Digest {
            memo.digest_at(&self.path, &self.file, started).unwrap()
        }

        fn known(&self, memo: &Memo) -> Option<Digest> {
            memo.get(&self.path, &self.file.metadata().unwrap())
        }

        /// Give the file another content of the same size and its old mtime back; the ctime tells.
        fn edit_secretly(&self, content: &str) {
            let before = self.stamp();
            let modified = self.file.metadata().unwrap().modified().unwrap();
            while self.stamp().changed == before.changed {
                fs::write(&self.path, content).unwrap();
                self.file.set_modified(modified).unwrap();
            }
            assert_eq!(Stamp { changed: before.changed, ..self.stamp() }, before);
        }
    }

    #[test]
    fn a_settled_file_is_remembered_until_its_stamp_changes() {
        let space = space();
        let memo = space.memo();
        let digest = space.digest_at(&memo, LATER);
        assert_eq!(digest, digest_bytes(b"one", Algorithm::Blake3));
        assert_eq!(space.known(&memo), Some(digest));
        fs::write(&space.path, "three").unwrap();
        assert_eq!(space.known(&memo), None);
    }

    #[test]
    fn in_a_hurry_a_small_file_is_read_and_found_to_be_known_later() {
        let space = space();
        let memo = space.memo();
        let digest = space.digest_at(&memo, LATER);
        assert!(memo.save());
        let metadata = space.file.metadata().unwrap();
        let later = space.memo();
        assert!(later.is_slower_than(0));
        assert!(!later.is_slower_than(1), "there is one row");
        assert!(!later.is_slower_than(0), "who comes often waits once");
        assert_eq!(later.get_in(&space.path, &metadata, true), None);
        assert_eq!(space.digest_at(&later, LATER), digest);
        assert_eq!(later.get_in(&space.path, &metadata, true), Some(digest));
        assert!(!later.save(), "nothing is new");
        assert!(!later.is_slower_than(0), "it is read by now");
        assert_eq!(space.memo().get(&space.path, &metadata), Some(digest));
        space.file.set_len(OPENING + 1).unwrap();
        let grown = space.file.metadata().unwrap();
        let third = space.memo();
        assert_eq!(third.get_in(&space.path, &grown, true), None);
        assert!(!third.is_slower_than(0), "for a large one it was read");
    }

    #[test]
    fn what_was_changed_just_now_was_left_by_nobody() {
        let space = space();
        let memo = Memo { made: now(), ..space.memo() };
        assert_eq!(space.known(&memo), None);
        assert!(memo.past.get().is_none());
    }

    #[test]
    fn a_restored_mtime_does_not_hide_a_change() {
        let space = space();
        let memo = space.memo();
        space.digest_at(&memo, LATER);
        assert!(memo.save());
        space.edit_secretly("two");
        assert_eq!(space.known(&memo), None);
        assert_eq!(space.known(&space.memo()), None);
    }

    #[test]
    fn a_file_that_changed_within_the_tick_is_not_remembered() {
        let space = space();
        let memo = space.memo();
        space.digest_at(&memo, space.stamp().changed + TICK);
        assert_eq!(space.known(&memo), None);
        space.digest_at(&memo, space.stamp().changed + MARGIN + 1);
        assert!(space.known(&memo).is_some());
    }

    #[test]
    fn a_state_is_newer_unless_it_was_settled_when_the_memory_was_made() {
        let space = space();
        let metadata = space.file.metadata().unwrap();
        let changed = space.stamp().changed;
        let made = |made| Memo { made, ..space.memo() };
        assert!(made(changed + TICK).is_newer(&metadata));
        assert!(!made(changed + MARGIN + 1).is_newer(&metadata));
    }

    #[test]
    fn a_later_process_knows_what_an_earlier_one_has_read() {
        let space = space();
        let memo = space.memo();
        let digest = space.digest_at(&memo, LATER);
        assert!(memo.save());
        let later = space.memo();
        assert_eq!(space.known(&later), Some(digest));
        assert!(!later.save(), "nothing is new");
    }

    #[test]
    fn a_later_process_does_not_rely_on_what_was_written_just_before_it_was_read() {
        let space = space();
        let memo = space.memo();
        let changed = space.stamp().changed;
        space.digest_at(&memo, changed + MARGIN);
        assert!(space.known(&memo).is_some(), "settled enough for this process");
        assert!(!memo.save());
        space.digest_at(&memo, changed + MARGIN + 1);
        assert!(memo.save());
    }

    #[test]
    fn a_file_from_the_future_is_read_by_every_process() {
        let space = space();
        space.file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
        let memo = space.memo();
        space.digest_at(&memo, now() + MARGIN);
        assert!(!memo.save());
    }

    #[test]
    fn a_file_that_was_saved_in_the_future_is_not_believed() {
        let space = space();
        let memo = space.memo();
        space.digest_at(&memo, LATER);
        assert!(memo.save());
        let before = Memo { made: now() - DAY, ..space.memo() };
        assert_eq!(space.known(&before), None);
    }

    #[test]
    fn a_row_goes_when_the_file_has_another_content_by_now() {
        let space = space();
        let first = space.memo();
        space.digest_at(&first, LATER);
        assert!(first.save());
        space.edit_secretly("two");
        let second = space.memo();
        let digest = space.digest_at(&second, LATER);
        assert!(second.save());
        let third = space.memo();
        assert_eq!((third.past().len(), space.known(&third)), (1, Some(digest)));
    }

    #[test]
    fn few_small_new_files_do_not_pay_for_writing_many_rows() {
        let space = space();
        let first = space.memo();
        let digest = [0; 32];
        let mut known = first.known.write().unwrap();
        known.extend((0..1000).map(|key| (key, Known { stamp: space.stamp(), digest, lasting: true })));
        drop(known);
        assert!(first.save());
        let second = space.memo();
        space.digest_at(&second, LATER);
        assert!(!second.save());
        for number in 0..3 {
            let path = space.directory.path().join(number.to_string());
            fs::write(&path, "x").unwrap();
            second.digest_at(&path, &File::open(&path).unwrap(), LATER).unwrap();
        }
        assert!(second.save());
        assert_eq!(space.memo().past().len(), 1004);
    }

    #[test]
    fn without_a_cache_directory_nothing_is_saved() {
        let space = space();
        let memo = Memo::new(Algorithm::Blake3, Some(space.directory.path().join("none/stat-v1/blake3")));
        space.digest_at(&memo, LATER);
        assert!(!memo.save());
        assert!(!space.directory.path().join("none").exists());
        let memo = Memo::new(Algorithm::Blake3, None);
        space.digest_at(&memo, LATER);
        assert!(!memo.save());
    }

    /// What may happen to one of three files between two looks of haz.
    #[derive(Debug, Clone)]
    enum Step {
        Write(usize, u8),
        KeepMtime(usize, u8),
        Replace(usize, u8),
        Swap(usize, usize),
        Link(usize, usize),
        Settle,
        Look,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let (file, content) = (0..3_usize, 0..2_u8);
        let step = prop_oneof![
            3 => (file.clone(), content.clone()).prop_map(|(file, content)| Step::Write(file, content)),
            3 => (file.clone(), content.clone()).prop_map(|(file, content)| Step::KeepMtime(file, content)),
            2 => (file.clone(), content).prop_map(|(file, content)| Step::Replace(file, content)),
            2 => (file.clone(), file.clone()).prop_map(|(one, other)| Step::Swap(one, other)),
            1 => (file.clone(), file).prop_map(|(one, other)| Step::Link(one, other)),
            3 => Just(Step::Settle),
            9 => Just(Step::Look),
        ];
        prop::collection::vec(step, 1..30)
    }

    /// Let the steps happen; each look must see what is really there. How many digests came from an earlier look.
    fn live_through(steps: &[Step], margin: i128) -> Result<usize, TestCaseError> {
        let space = tempfile::tempdir().unwrap();
        let paths = [0, 1, 2].map(|number| space.path().join(number.to_string()));
        let beside = space.path().join("beside");
        for path in &paths {
            fs::write(path, "0").unwrap();
        }
        let mut remembered = 0;
        for step in steps {
            match step {
                Step::Write(file, content) => fs::write(&paths[*file], content.to_string()).unwrap(),
                Step::KeepMtime(file, content) => {
                    let modified = fs::metadata(&paths[*file]).unwrap().modified().unwrap();
                    fs::write(&paths[*file], content.to_string()).unwrap();
                    File::options().write(true).open(&paths[*file]).unwrap().set_modified(modified).unwrap();
                }
                Step::Replace(file, content) => {
                    fs::write(&beside, content.to_string()).unwrap();
                    fs::rename(&beside, &paths[*file]).unwrap();
                }
                Step::Swap(one, other) => {
                    fs::rename(&paths[*one], &beside).unwrap();
                    if one != other {
                        fs::rename(&paths[*other], &paths[*one]).unwrap();
                    }
                    fs::rename(&beside, &paths[*other]).unwrap();
                }
                Step::Link(one, other) => {
                    fs::hard_link(&paths[*one], &beside).unwrap();
                    fs::rename(&beside, &paths[*other]).unwrap();
                    let _ = fs::remove_file(&beside); // still there when both were links of one file already
                }
                Step::Settle => {
                    let last = paths.iter().map(|path| Stamp::of(&fs::metadata(path).unwrap()).changed).max().unwrap();
                    // The clock itself is awaited: nothing tells that it has moved on.
                    while now() <= last + TICK {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                Step::Look => {
                    let memo = Memo { margin, ..Memo::new(Algorithm::Blake3, Some(space.path().join("stat/blake3"))) };
                    for path in &paths {
                        let (digest, metadata) = digest_state(&memo, path, None).unwrap();
                        prop_assert_eq!(digest, digest_bytes(&fs::read(path).unwrap(), Algorithm::Blake3));
                        remembered += usize::from(memo.past().get(key_of(path), &Stamp::of(&metadata)).is_some());
                    }
                    memo.save();
                }
            }
        }
        Ok(remembered)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn no_history_of_edits_makes_a_later_process_believe_an_old_content(steps in steps()) {
            live_through(&steps, TICK)?;
        }
    }

    #[test]
    fn such_histories_do_meet_what_an_earlier_process_has_left() {
        use Step::{KeepMtime, Look, Settle};
        let steps = [Settle, Look, Look, KeepMtime(1, 1), Look, Settle, Look, Look];
        assert_eq!(live_through(&steps, TICK).unwrap(), 3 + 2 + 2 + 3);
    }
}
