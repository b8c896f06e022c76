//! What must hold for any bytes that a stranger hands to our readers: each function panics where it does not.
//!
//! The targets of cargo-fuzz in `rust/fuzz` call them, and a test replays the inputs that are kept there.

mod naive;

use std::collections::HashMap;

use crate::digest::{Algorithm, digest_bytes};
use crate::glob::{Entry, Index, PatternSet, check_pattern, escape_pattern};
use crate::tree::past::Past;
use crate::tree::stamp::Stamp;
use crate::yaml::{MAX_DEPTH, MAX_NODES, MAX_TEXT, NodeId, Place, Value, parse};

/// The YAML reader answers with a tree within its limits whose places are in order and inside the text, or says where
/// in the text it gave up.
pub fn yaml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let document = match parse(data) {
        Ok(document) => document,
        Err(error) => {
            assert!(!error.reason.is_empty() && !error.reason.contains('\n'), "{error}");
            if str::from_utf8(data).is_ok() {
                assert!(is_inside(&text, error.place), "{error}");
            }
            return;
        }
    };
    // What a node costs when every alias is written out; a node is visited once, however many aliases name it.
    let mut costs: HashMap<NodeId, (u64, u64, u32)> = HashMap::new();
    let mut stack = vec![(document.root(), false)];
    while let Some((id, left)) = stack.pop() {
        let node = document.node(id);
        let children: Vec<NodeId> = match &node.value {
            Value::Null | Value::Scalar { .. } => Vec::new(),
            Value::Sequence(items) => items.clone(),
            Value::Mapping(pairs) => pairs.iter().flat_map(|&(key, value)| [key, value]).collect(),
        };
        if !left && !costs.contains_key(&id) {
            stack.push((id, true));
            stack.extend(children.iter().map(|child| (*child, false)));
        } else if left {
            assert!(is_inside(&text, node.start) && is_inside(&text, node.end), "{node:?}");
            let own = if let Value::Scalar { text, .. } = &node.value { text.len() as u64 } else { 0 };
            let is_scalar = matches!(node.value, Value::Null | Value::Scalar { .. });
            let start = (1_u64, own, u32::from(!is_scalar));
            let cost = children.iter().map(|child| costs[child]).fold(start, |sum, child| {
                (sum.0.saturating_add(child.0), sum.1.saturating_add(child.1), sum.2.max(child.2 + 1))
            });
            costs.insert(id, cost);
        }
    }
    let (nodes, bytes, depth) = costs[&document.root()];
    assert!(
        nodes <= MAX_NODES && bytes <= MAX_TEXT && depth <= MAX_DEPTH,
        "{nodes} nodes, {bytes} bytes, {depth} deep"
    );
}

/// Whether the place is a character of the text, or the one after the end of a line.
fn is_inside(text: &str, place: Place) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let line = text.split('\n').nth(place.line as usize - 1);
    place.column >= 1 && line.is_some_and(|line| place.column as usize <= line.chars().count() + 1)
}

/// `pattern NUL path NUL path ...`: a pattern is refused with a place inside it, or matches what the naive matcher says,
/// from the whole list and in a walk; and a path, escaped, matches itself alone.
pub fn glob(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0);
    let pattern = parts.next().unwrap_or_default();
    let paths: Vec<&[u8]> = parts.filter(|path| is_path(path)).take(8).collect();
    for pair in paths.windows(2) {
        let escaped = anchored(&escape_pattern(pair[0]));
        let entry = Entry { anchored: &escaped, literal: false, exclude: false, group: 0 };
        if let Ok(set) = PatternSet::new([[entry]]) {
            assert!(matches(&set, pair[0]));
            assert_eq!(matches(&set, pair[1]), pair[0] == pair[1]);
        }
    }
    let is_glob = match check_pattern(pattern) {
        Ok(is_glob) => is_glob,
        Err(error) => {
            assert!(error.fault.offset <= pattern.len(), "{error:?}");
            return;
        }
    };
    let pattern = if pattern.starts_with(b"/") { pattern.to_vec() } else { anchored(pattern) };
    let entry = Entry { anchored: &pattern, literal: !is_glob, exclude: false, group: 0 };
    let set = PatternSet::new([[entry]]).expect("a pattern that was checked can be compiled");
    for path in paths {
        let found = matches(&set, path);
        if is_glob {
            if let Some(expected) = naive::matches(&pattern[1..], path) {
                assert_eq!(found, expected, "{path:?}");
            }
            assert_eq!(walk(&set, path), found, "{path:?}, met in a walk");
        } else {
            assert_eq!(found, &pattern[1..] == path, "{path:?}");
        }
    }
}

fn anchored(path: &[u8]) -> Vec<u8> {
    [b"/", path].concat()
}

fn matches(set: &PatternSet, path: &[u8]) -> bool {
    set.matching(&anchored(path)) == [0]
}

/// Whether it can be the path of a file below the workspace, less its leading `/`.
fn is_path(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."))
}

/// Whether a walk that enters only what is wanted finds the file.
fn walk(set: &PatternSet, path: &[u8]) -> bool {
    let index = Index::new(set, [0]);
    let mut scope = index.root();
    let mut start = 0;
    for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let below = &path[..=at];
        scope = index.enter(set, &scope, below, &path[start..at]);
        start = at + 1;
        let wanted = index.is_wanted(set, &scope, below);
        assert_eq!(index.specs_below(set, &scope, below).is_empty(), !wanted);
        if !wanted {
            return false;
        }
    }
    index.matching_globs(set, &scope, path) == [0]
}

/// The reader of the stat file takes any bytes; what it takes, it can write again. The first byte says whether the rest
/// is a file as it is, or the rows of one whose frame is right.
pub fn stat_file(data: &[u8]) {
    const HASH: Algorithm = Algorithm::Blake3;
    const NOW: i128 = i64::MAX as i128;
    let Some((kind, rest)) = data.split_first() else { return };
    let bytes = if kind & 1 == 0 { rest.to_vec() } else { framed(rest) };
    let Some(past) = Past::decode(bytes, HASH, NOW) else {
        return;
    };
    let stamps = rest.chunks(40).take(64).map(|chunk| {
        let word = |at: usize| {
            let mut word = [0; 8];
            chunk.iter().skip(at * 8).take(8).zip(&mut word).for_each(|(from, to)| *to = *from);
            u64::from_le_bytes(word)
        };
        let stamp = Stamp { device: word(1), inode: word(2), size: word(3), modified: 0, changed: i128::from(word(4)) };
        (word(0), stamp)
    });
    for (key, stamp) in stamps {
        let _ = past.get(key, &stamp);
    }
    let replaced = u64::from(*kind);
    let next = past.next(HASH, Vec::new(), |key| key % 7 == replaced % 7, NOW);
    let next = Past::decode(next, HASH, NOW).expect("what was written can be read");
    assert!(next.len() <= past.len());
}

/// A stat file with these rows, as many as are whole.
fn framed(rows: &[u8]) -> Vec<u8> {
    let mut bytes = Past::default().next(Algorithm::Blake3, Vec::new(), |_| false, 0);
    let row = 84;
    let count = rows.len() / row;
    bytes.truncate(24);
    bytes.extend((count as u64).to_le_bytes());
    bytes.extend(&rows[..count * row]);
    let trailer = digest_bytes(&bytes, Algorithm::Blake3);
    bytes.extend(trailer);
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn replay(target: &str, judge: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let mut count = 0;
        for entry in fs::read_dir(&corpus).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display()); // shown when it fails
            judge(&fs::read(path).unwrap());
            count += 1;
        }
        assert!(count > 10, "{} holds only {count} inputs", corpus.display());
    }

    #[test]
    fn kept_yaml_texts_are_read_or_refused_with_a_place() {
        replay("yaml", yaml);
    }

    #[test]
    fn kept_patterns_match_as_the_naive_matcher_does() {
        replay("glob", glob);
    }

    #[test]
    fn kept_stat_files_are_read_or_ignored() {
        replay("stat_file", stat_file);
    }

    #[test]
    fn a_framed_stat_file_is_one() {
        let rows = [7; 84 * 3 + 1];
        let past = Past::decode(framed(&rows), Algorithm::Blake3, i128::MAX).unwrap();
        assert_eq!(past.len(), 3);
    }
}
