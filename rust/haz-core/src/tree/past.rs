//! The digests that earlier processes left behind, in one flat file (`docs/formats.md`).
//!
//! A row belongs to a path, not to an inode: so it is replaced when the file is, and the outputs of a thousand builds
//! leave one row each. Two paths with one key take turns, which costs time and is harmless: a row is used only if the
//! whole stamp agrees.

use std::fs;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::stamp::Stamp;
use crate::digest::{Algorithm, Digest, digest_bytes};

const MAGIC: &[u8; 8] = b"haz-stat";
const VERSION: u32 = 1;
/// Magic, version, hash function, time of writing, number of rows.
const HEADER: usize = 8 + 4 + 4 + 8 + 8;
/// Key, device, inode, size, mtime, ctime, digest, day.
const ROW: usize = 6 * 8 + 32 + 4;
const TRAILER: usize = 32;
const DAY: i128 = 86_400 * 1_000_000_000;
/// Days after which a row that nobody has asked for goes.
const KEPT: u32 = 14;

/// The file as read, all of it valid; numbers are little-endian, rows sorted by key.
#[derive(Default)]
pub struct Past {
    bytes: Vec<u8>,
    /// The first row of each bucket, and the number of rows; a bucket is what the upper bits of its keys say.
    starts: Vec<u32>,
    shift: u32,
    used: Vec<AtomicBool>,
    /// Time of writing, nanoseconds since the epoch.
    pub written: i128,
}

/// A row to be written.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    pub key: u64,
    pub stamp: Stamp,
    pub digest: Digest,
}

/// The key of a path. Quick, stable and well mixed; nobody gains by a collision.
pub fn key_of(path: &Path) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let bytes = path.as_os_str().as_bytes();
    let mix = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * u128::from(FACTOR);
        #[allow(clippy::cast_possible_truncation)] // the halves are folded
        let folded = (product as u64) ^ ((product >> 64) as u64);
        folded
    };
    let mut words = bytes.chunks_exact(8);
    let mut state = mix(FACTOR, bytes.len() as u64);
    for word in &mut words {
        state = mix(state, u64::from_le_bytes(word.try_into().unwrap_or_default()));
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    mix(mix(state, u64::from_le_bytes(last)), FACTOR)
}

impl Past {
    /// What is in the file; nothing where it is absent, torn, altered, of another kind or of the future.
    pub fn load(file: &Path, algorithm: Algorithm, now: i128) -> Self {
        // Trouble with the file costs time only: every file is then hashed, as without it.
        fs::read(file).ok().and_then(|bytes| Self::decode(bytes, algorithm, now)).unwrap_or_default()
    }

    pub(crate) fn decode(bytes: Vec<u8>, algorithm: Algorithm, now: i128) -> Option<Self> {
        let body = bytes.len().checked_sub(TRAILER).filter(|body| *body >= HEADER)?;
        let written = i128::from(i64::from_le_bytes(bytes[16..24].try_into().ok()?));
        let rows = usize::try_from(u64::from_le_bytes(bytes[24..32].try_into().ok()?)).ok()?;
        let expected = rows.checked_mul(ROW)?.checked_add(HEADER)?;
        // A clock that was set back stamps files with times that were there before.
        if bytes[..16] != head(algorithm) || body != expected || written > now {
            return None;
        }
        if digest_bytes(&bytes[..body], Algorithm::Blake3) != bytes[body..] {
            return None;
        }
        let bits = rows.checked_ilog2().unwrap_or(0);
        let mut past = Self {
            bytes,
            starts: Vec::with_capacity((1 << bits) + 1),
            shift: 64 - bits,
            used: (0..rows).map(|_| AtomicBool::new(false)).collect(),
            written,
        };
        for row in 0..rows {
            past.starts.resize(past.bucket(past.key(row)) + 1, u32::try_from(row).ok()?);
        }
        past.starts.resize((1 << bits) + 1, u32::try_from(rows).ok()?);
        Some(past)
    }

    fn bucket(&self, key: u64) -> usize {
        usize::try_from(key.checked_shr(self.shift).unwrap_or(0)).unwrap_or(usize::MAX)
    }

    fn field(&self, row: usize, bytes: Range<usize>) -> &[u8] {
        &self.bytes[HEADER + row * ROW..][bytes]
    }

    fn number(&self, row: usize, column: usize) -> u64 {
        u64::from_le_bytes(self.field(row, column * 8..column * 8 + 8).try_into().unwrap_or_default())
    }

    fn key(&self, row: usize) -> u64 {
        self.number(row, 0)
    }

    fn stamp(&self, row: usize) -> Stamp {
        Stamp {
            device: self.number(row, 1),
            inode: self.number(row, 2),
            size: self.number(row, 3),
            modified: i128::from(self.number(row, 4).cast_signed()),
            changed: i128::from(self.number(row, 5).cast_signed()),
        }
    }

    /// How many rows a file of so many bytes has.
    pub fn rows_within(length: u64) -> u64 {
        let (around, row) = ((HEADER + TRAILER) as u64, ROW as u64);
        length.saturating_sub(around) / row
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether a row was asked for.
    pub fn was_used(&self) -> bool {
        self.used.iter().any(|used| used.load(Ordering::Relaxed))
    }

    /// The digest of the file with this key in this state.
    pub fn get(&self, key: u64, stamp: &Stamp) -> Option<Digest> {
        if self.used.is_empty() {
            return None;
        }
        let bucket = self.bucket(key);
        let mut rows = self.starts[bucket] as usize..self.starts[bucket + 1] as usize;
        let row = rows.find(|row| self.key(*row) == key && self.stamp(*row) == *stamp)?;
        self.used[row].store(true, Ordering::Relaxed);
        self.field(row, 48..80).try_into().ok()
    }

    /// The next file: these rows, and of the old ones those that `replaces` does not claim and that are still in use.
    pub fn next(
        &self,
        algorithm: Algorithm,
        mut fresh: Vec<Fresh>,
        replaces: impl Fn(u64) -> bool,
        now: i128,
    ) -> Vec<u8> {
        let today = u32::try_from(now / DAY).unwrap_or(u32::MAX);
        fresh.sort_unstable_by_key(|row| row.key);
        let mut fresh = fresh.into_iter().peekable();
        let mut bytes = Vec::with_capacity(HEADER + (self.len() + fresh.len()) * ROW + TRAILER);
        bytes.extend(head(algorithm));
        bytes.extend(i64::try_from(now).unwrap_or(i64::MAX).to_le_bytes());
        bytes.extend([0; 8]);
        for row in 0..self.len() {
            let key = self.key(row);
            while let Some(new) = fresh.next_if(|new| new.key <= key) {
                new.encode(today, &mut bytes);
            }
            let day = u32::from_le_bytes(self.field(row, 80..84).try_into().unwrap_or_default());
            let used = self.used[row].load(Ordering::Relaxed);
            if !replaces(key) && (used || day.saturating_add(KEPT) >= today) {
                bytes.extend(self.field(row, 0..80));
                bytes.extend(if used { today } else { day }.to_le_bytes());
            }
        }
        fresh.for_each(|new| new.encode(today, &mut bytes));
        let rows = (bytes.len() - HEADER) / ROW;
        bytes[24..32].copy_from_slice(&(rows as u64).to_le_bytes());
        let trailer = digest_bytes(&bytes, Algorithm::Blake3);
        bytes.extend(trailer);
        bytes
    }
}

impl Fresh {
    /// Append the row, unless its times are out of all bounds.
    fn encode(&self, today: u32, bytes: &mut Vec<u8>) {
        let Stamp { device, inode, size, modified, changed } = self.stamp;
        let (Ok(modified), Ok(changed)) = (i64::try_from(modified), i64::try_from(changed)) else { return };
        for number in [self.key, device, inode, size, modified.cast_unsigned(), changed.cast_unsigned()] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.digest);
        bytes.extend(today.to_le_bytes());
    }
}

fn head(algorithm: Algorithm) -> [u8; 16] {
    let hash: u32 = match algorithm {
        Algorithm::Blake3 => 0,
        Algorithm::Sha256 => 1,
    };
    let mut head = [0; 16];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..].copy_from_slice(&hash.to_le_bytes());
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i128 = 20_000 * DAY;
    const HASH: Algorithm = Algorithm::Blake3;

    fn fresh(key: u64) -> Fresh {
        let [device, inode, size] = [1, 2, 3].map(|n| key.wrapping_mul(n));
        let stamp = Stamp { device, inode, size, modified: i128::from(key >> 1), changed: -5 };
        Fresh { key, stamp, digest: digest_bytes(&key.to_le_bytes(), HASH) }
    }

    fn file(keys: &[u64]) -> Vec<u8> {
        Past::default().next(HASH, keys.iter().copied().map(fresh).collect(), |_| false, NOW)
    }

    fn decode(bytes: Vec<u8>) -> Past {
        Past::decode(bytes, HASH, NOW).unwrap()
    }

    #[test]
    fn a_row_is_found_only_by_its_whole_stamp() {
        let past = decode(file(&[7]));
        let Fresh { key, stamp, digest } = fresh(7);
        assert_eq!(past.get(key, &stamp), Some(digest));
        for other in [
            Stamp { device: 0, ..stamp },
            Stamp { inode: 0, ..stamp },
            Stamp { size: 0, ..stamp },
            Stamp { modified: stamp.modified + 1, ..stamp },
            Stamp { changed: stamp.changed + 1, ..stamp },
        ] {
            assert_eq!(past.get(key, &other), None);
        }
        assert_eq!(past.get(8, &stamp), None);
    }

    #[test]
    fn a_file_with_any_byte_altered_or_missing_is_ignored_as_a_whole() {
        let whole = file(&[1, 2]);
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            assert!(Past::decode(altered, HASH, NOW).is_none(), "byte {at}");
            assert!(Past::decode(whole[..at].to_vec(), HASH, NOW).is_none(), "{at} bytes");
        }
        assert!(Past::decode([&whole[..], b"x"].concat(), HASH, NOW).is_none());
        assert_eq!(decode(whole).len(), 2);
    }

    #[test]
    fn a_file_of_another_hash_function_or_of_the_future_is_ignored() {
        assert!(Past::decode(file(&[1]), Algorithm::Sha256, NOW).is_none());
        assert!(Past::decode(file(&[1]), HASH, NOW - 1).is_none());
    }

    #[test]
    fn rows_that_nobody_asks_for_go_and_the_others_stay() {
        let past = decode(file(&[1, 2, 3]));
        let later = NOW + (i128::from(KEPT) + 1) * DAY;
        past.get(2, &fresh(2).stamp).unwrap();
        assert!(past.was_used());
        let soon = Past::decode(past.next(HASH, vec![], |_| false, NOW + DAY), HASH, later).unwrap();
        assert_eq!(soon.len(), 3);
        let late = Past::decode(soon.next(HASH, vec![], |_| false, later), HASH, later).unwrap();
        assert_eq!((late.len(), late.get(2, &fresh(2).stamp)), (1, Some(fresh(2).digest)));
    }

    #[test]
    fn a_replaced_row_goes() {
        let past = decode(file(&[1, 2]));
        let new = Fresh { digest: [9; 32], ..fresh(1) };
        let next = decode(past.next(HASH, vec![new], |key| key == 1, NOW));
        assert_eq!((next.len(), next.get(1, &new.stamp)), (2, Some([9; 32])));
    }

    #[test]
    fn keys_of_similar_paths_spread_over_all_buckets() {
        let mut buckets = [0; 64];
        for number in 0..6400 {
            let key = key_of(Path::new(&format!("/ws/projects/p{:03}/src/f{}.txt", number / 25, number % 25)));
            buckets[usize::try_from(key >> 58).unwrap()] += 1;
        }
        assert!(buckets.iter().all(|count| (50..200).contains(count)), "{buckets:?}");
    }

    proptest! {
        #[test]
        fn every_row_is_found_again(keys in prop::collection::btree_set(prop_oneof![any::<u64>(), 0..9_u64, Just(u64::MAX)], 0..300),
                                    more in prop::collection::btree_set(any::<u64>(), 0..50)) {
            let first = decode(file(&keys.iter().copied().collect::<Vec<_>>()));
            let fresh_rows = more.iter().copied().map(fresh).collect();
            let second = decode(first.next(HASH, fresh_rows, |key| more.contains(&key), NOW));
            for key in keys.union(&more) {
                prop_assert_eq!(second.get(*key, &fresh(*key).stamp), Some(fresh(*key).digest));
            }
            prop_assert_eq!(second.len(), keys.union(&more).count());
        }
    }
}
