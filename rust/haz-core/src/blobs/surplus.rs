//! What lies in a directory that is an output as a whole, and is not in the entry that is put there.

use std::collections::BTreeSet;

use super::places::{Directory, split};
use super::restore::ancestors;
use super::row::check_path;
use super::{Blobs, Row};
use crate::error::FsError;
use crate::glob::PatternSet;
use crate::steps::step;
use crate::tree::walk::{Links, What, is_absence, resolve};

/// Workspace paths, sorted.
#[derive(Default)]
pub(super) struct Surplus {
    /// Files and links that go.
    files: Vec<Vec<u8>>,
    /// Directories that go when nothing is left in them.
    directories: BTreeSet<Vec<u8>>,
    /// Whether something of it is where an output must be, or a directory of one.
    pub in_the_way: bool,
}

impl Blobs {
    /// What a collection of the spec would find in its whole directories, and the rows do not have.
    pub(super) fn surplus(&self, rows: &[Row], patterns: &PatternSet, spec: u32) -> Surplus {
        let directories: BTreeSet<&[u8]> = rows.iter().filter(|row| row.is_directory()).map(Row::path).collect();
        let named: BTreeSet<Vec<u8>> = patterns
            .literals_of(spec)
            .map(|path| [b"/", path].concat())
            .filter(|path| directories.contains(&path[..]))
            .collect();
        if named.is_empty() {
            return Surplus::default();
        }
        let files: BTreeSet<&[u8]> = rows.iter().filter(|row| !row.is_directory()).map(Row::path).collect();
        let mut needed: BTreeSet<&[u8]> = rows.iter().flat_map(|row| ancestors(row.path())).collect();
        needed.extend(&directories);
        let mut surplus = Surplus::default();
        for found in resolve(&self.root, patterns, &[spec], Links::Keep).found {
            let path = [b"/", &found.path[..]].concat();
            let Some(top) = ancestors(&path).find(|path| named.contains(*path)).map(<[u8]>::len) else { continue };
            let is_right = match found.what {
                What::Directory => needed.contains(&path[..]),
                What::File | What::Link => files.contains(&path[..]),
            };
            if is_right || check_path(&path).is_err() {
                continue;
            }
            let gone = ancestors(&path).filter(|path| path.len() > top && !needed.contains(path));
            surplus.directories.extend(gone.map(<[u8]>::to_vec));
            let over_a_file = files.contains(&path[..]) || ancestors(&path).any(|path| files.contains(path));
            surplus.in_the_way |= over_a_file || needed.contains(&path[..]);
            match found.what {
                What::Directory => drop(surplus.directories.insert(path)),
                What::File | What::Link => surplus.files.push(path),
            }
        }
        surplus
    }

    /// Remove it; how many files and directories went. A directory that still holds something stays, as it should.
    pub(super) fn remove_surplus(&self, surplus: &Surplus) -> Result<usize, String> {
        let open = |path: &[u8]| Directory::open(&self.root, split(path).0);
        let mut removed = 0;
        for path in &surplus.files {
            match open(path).and_then(|parent| parent.remove(split(path).1)) {
                Ok(()) => {
                    removed += 1;
                    step("restore-removed");
                }
                Err(error) if is_absence(&error) => {}
                Err(error) => {
                    return Err(FsError::new("remove what is not in the result", self.on_disk(path), error).into());
                }
            }
        }
        let emptied = |path: &&Vec<u8>| open(path).and_then(|parent| parent.remove_directory(split(path).1)).is_ok();
        Ok(removed + surplus.directories.iter().rev().filter(emptied).count())
    }
}
