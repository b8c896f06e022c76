//! Files that are believed for as long as the facts in them hold: what was understood, what was found.
//!
//! A line that names the format, a digest of what the file was made for, one of all of it, the facts with their length
//! before them, and a payload.

use std::fs;
use std::path::Path;

use super::facts::{Facts, Root};
use crate::digest::{Digest, digest_parts};

/// Such a file, whole.
pub struct Proven {
    /// The line, and the digest of what it was made for.
    head: usize,
    facts: Facts,
    facts_start: usize,
    payload: usize,
}

const DIGEST: usize = 32;
const LENGTH: usize = 8;

impl Proven {
    /// `None` where it is absent, torn or altered.
    pub fn read(file: &Path) -> Option<Self> {
        Self::decode(fs::read(file).ok()?)
    }

    fn decode(bytes: Vec<u8>) -> Option<Self> {
        let head = bytes.iter().position(|byte| *byte == b'\n')? + 1 + DIGEST;
        let body = head + DIGEST;
        let facts_start = body + LENGTH;
        let length = u64::from_le_bytes(bytes.get(body..facts_start)?.try_into().ok()?);
        let payload = facts_start.checked_add(usize::try_from(length).ok()?).filter(|end| *end <= bytes.len())?;
        if digest_parts(&[&bytes[..head], &bytes[body..]]) != bytes[head..body] {
            return None;
        }
        let facts = Facts::within(bytes, facts_start..payload)?;
        Some(Self { head, facts, facts_start, payload })
    }

    fn bytes(&self) -> &[u8] {
        self.facts.around()
    }

    /// Whether it begins with these bytes: the format, and what it was made for.
    pub fn is_made_for(&self, head: &[u8]) -> bool {
        self.bytes()[..self.head] == *head
    }

    /// Whether its facts begin with these bytes.
    pub fn begins_with(&self, fact: &[u8]) -> bool {
        self.bytes()[self.facts_start..self.payload].starts_with(fact)
    }

    /// Whether all facts hold; `names` are those that `Places` looks for. With `parallel` on the current pool.
    pub fn holds(&self, root: &Root, names: &[&[u8]], parallel: bool) -> bool {
        self.facts.all_hold(root, names, parallel)
    }

    /// The digest of all of it.
    pub fn identity(&self) -> Digest {
        let digest = self.bytes()[self.head..].first_chunk::<DIGEST>();
        digest.copied().unwrap_or_default()
    }

    /// What is proven.
    pub fn payload(&self) -> &[u8] {
        &self.bytes()[self.payload..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::facts::{Fact, Kind};

    const LATER: i128 = i128::MAX >> 1;

    #[test]
    fn what_is_read_is_what_was_written_or_nothing() {
        let place = tempfile::tempdir().unwrap();
        let root = Root::new(place.path()).unwrap();
        fs::write(place.path().join("f"), "1").unwrap();
        let fact = Fact::ask(&root, Kind::Content, b"f", &[], LATER).unwrap();
        let head = [&b"haz-test 1\n"[..], &[9; DIGEST]].concat();
        let length = (fact.bytes().len() as u64).to_le_bytes();
        let body = [&length, fact.bytes(), b"payload"].concat();
        let identity = digest_parts(&[&head, &body]);
        let whole = [&head[..], &identity, &body].concat();

        let read = Proven::decode(whole.clone()).unwrap();
        assert!(read.is_made_for(&head) && !read.is_made_for(&head[1..]));
        assert!(read.begins_with(&[Kind::Content as u8]) && !read.begins_with(b"x"));
        assert_eq!((read.identity(), read.payload()), (identity, &b"payload"[..]));
        assert!(read.holds(&root, &[], false) && read.holds(&root, &[], true));
        fs::write(place.path().join("f"), "12").unwrap();
        assert!(!read.holds(&root, &[], false) && !read.holds(&root, &[], true));

        for at in 0..whole.len() {
            assert!(Proven::decode(whole[..at].to_vec()).is_none(), "{at} bytes");
            let mut altered = whole.clone();
            altered[at] ^= 1;
            assert!(Proven::decode(altered).is_none(), "byte {at}");
        }
        assert!(Proven::read(&place.path().join("none")).is_none());
    }
}
