//! Takes secrets out of a stream before anybody sees, hashes or keeps it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// What stands in the place of a secret.
const STARS: &[u8] = b"***";

/// Values that no stream may show.
pub(super) struct Secrets {
    /// Longest first, none empty.
    values: Vec<Box<[u8]>>,
    /// Whether a value begins with the byte.
    begins: [bool; 256],
}

impl Secrets {
    /// `None` where there is nothing to look for.
    pub fn new(values: &[OsString]) -> Option<Arc<Self>> {
        let mut values: Vec<Box<[u8]>> =
            values.iter().map(|value| value.as_bytes()).filter(|value| !value.is_empty()).map(Into::into).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let mut begins = [false; 256];
        for value in &values {
            begins[usize::from(value[0])] = true;
        }
        (!values.is_empty()).then(|| Arc::new(Self { values, begins }))
    }
}

/// One stream. It holds back what may be the beginning of a secret, and nothing else.
pub(super) struct Redactor {
    secrets: Arc<Secrets>,
    held: Vec<u8>,
}

impl Redactor {
    pub fn new(secrets: Arc<Secrets>) -> Self {
        Self { secrets, held: Vec::new() }
    }

    /// What may be shown now that these bytes have come.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        self.take(false)
    }

    /// What is left when nothing more comes.
    pub fn finish(&mut self) -> Vec<u8> {
        self.take(true)
    }

    fn take(&mut self, last: bool) -> Vec<u8> {
        let Secrets { values, begins } = &*self.secrets;
        let mut shown = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while at < self.held.len() {
            let rest = &self.held[at..];
            let plain = rest.iter().position(|byte| begins[usize::from(*byte)]).unwrap_or(rest.len());
            if plain > 0 {
                shown.extend_from_slice(&rest[..plain]);
                at += plain;
                continue;
            }
            // The longest first: a longer one that may still come is waited for before a shorter one is taken.
            match values.iter().find(|value| rest.starts_with(value) || (!last && value.starts_with(rest))) {
                Some(value) if value.len() > rest.len() => break,
                Some(value) => {
                    shown.extend_from_slice(STARS);
                    at += value.len();
                }
                None => {
                    shown.push(rest[0]);
                    at += 1;
                }
            }
        }
        self.held.drain(..at);
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redacted(values: &[&str], chunks: &[&[u8]]) -> String {
        let values: Vec<OsString> = values.iter().map(OsString::from).collect();
        let mut redactor = Redactor::new(Secrets::new(&values).unwrap());
        let mut shown: Vec<u8> = chunks.iter().flat_map(|chunk| redactor.feed(chunk)).collect();
        shown.extend(redactor.finish());
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn a_secret_is_found_wherever_the_chunks_are_cut() {
        let text = b"key=hunter2 hunter hunter2hunter2";
        for first in 0..text.len() {
            for second in first..text.len() {
                let chunks = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(redacted(&["hunter2"], &chunks), "key=*** hunter ******", "{first} {second}");
            }
        }
    }

    #[test]
    fn of_secrets_with_one_beginning_the_longest_is_taken_and_a_part_of_one_is_none() {
        for chunks in [&[&b"abcdef abcd abc"[..]][..], &[b"abc", b"def ab", b"cd", b" abc"]] {
            assert_eq!(redacted(&["abcd", "abcdef"], chunks), "*** *** abc");
        }
    }

    #[test]
    fn nothing_is_held_back_that_cannot_be_a_secret() {
        let mut redactor = Redactor::new(Secrets::new(&["hunter2".into()]).unwrap());
        assert_eq!(redactor.feed(b"Password: "), b"Password: ");
        assert_eq!(redactor.feed(b"hunt"), b"");
        assert_eq!(redactor.feed(b"s"), b"hunts");
    }

    #[test]
    fn without_values_there_is_nothing_to_look_for() {
        assert!(Secrets::new(&[]).is_none());
        assert!(Secrets::new(&["".into()]).is_none());
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(text in "[ab]{0,40}", cuts in prop::collection::vec(0usize..41, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.push(text.len());
            cuts.sort_unstable();
            let mut from = 0;
            let chunks: Vec<&[u8]> = cuts.iter().map(|to| {
                let chunk = &text.as_bytes()[from..*to];
                from = *to;
                chunk
            }).collect();
            let values = ["aab", "aabba", "ba"];
            let whole = redacted(&values, &[text.as_bytes()]);
            prop_assert_eq!(redacted(&values, &chunks), whole.clone());
            prop_assert!(values.iter().all(|value| !whole.contains(value)), "{}", whole);
        }
    }
}
