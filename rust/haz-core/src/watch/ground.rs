//! The directories that are listened to, and what a sign from one of them means.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ears::Ears;
use super::{Changes, Heard, Interest};
use crate::error::FsError;
use crate::glob::{Index, PatternSet, Scope};
use crate::tree::walk::{is_absence, is_private};

/// A directory on the way of a pattern.
#[derive(Clone)]
struct Place {
    scope: Scope,
    /// Without links.
    real: PathBuf,
    /// The real directories in which links were followed on the way here.
    jumps: Arc<Vec<PathBuf>>,
    /// No glob sees what is in there.
    private: bool,
}

/// The part of the workspace that matters.
pub(super) struct Ground {
    root: PathBuf,
    patterns: Arc<PatternSet>,
    index: Index,
    /// See `Interest`.
    files: HashSet<Vec<u8>>,
    names: HashSet<Vec<u8>>,
    ears: Ears,
    /// Directories that lead to files which are named literally, with the names in there that lead on. As all paths of
    /// directories here: without a leading `/`, with one at the end, or empty.
    leading: HashMap<Vec<u8>, BTreeSet<Vec<u8>>>,
    /// By path as walked. Links make it differ from the real one, and several of them of one.
    places: BTreeMap<Vec<u8>, Place>,
    walked: HashMap<PathBuf, BTreeSet<Vec<u8>>>,
    /// Files that links lead to, with the paths of the links.
    targets: HashMap<PathBuf, BTreeSet<Vec<u8>>>,
    /// The first directory that could not be listened to.
    pub(super) refused: Option<FsError>,
}

impl Ground {
    /// Nothing is listened to yet. `root` has no links in it.
    pub(super) fn new(root: PathBuf, interest: Interest, ears: Ears) -> Self {
        let Interest { patterns, files, names } = interest;
        let set = &*patterns;
        let index = Index::new(set, 0..u32::try_from(set.len()).unwrap_or(u32::MAX));
        let mut leading: HashMap<Vec<u8>, BTreeSet<Vec<u8>>> = HashMap::new();
        for path in index.literals(set).map(|(path, _)| path).chain(files.iter().map(Vec::as_slice)) {
            let mut start = 0;
            while let Some(length) = path[start..].iter().position(|byte| *byte == b'/') {
                leading.entry(path[..start].to_vec()).or_default().insert(path[start..start + length].to_vec());
                start += length + 1;
            }
            let last = leading.entry(path[..start].to_vec()).or_default();
            if start < path.len() {
                last.insert(path[start..].to_vec());
            }
        }
        let (files, names) = (files.into_iter().collect(), names.into_iter().collect());
        let (places, walked, targets) = Default::default();
        Self { root, patterns, index, files, names, ears, leading, places, walked, targets, refused: None }
    }

    /// Wait until something has happened, and say what; `None` when there is nothing more to hear.
    pub(super) fn listen(&mut self) -> Option<Changes> {
        let heard = self.ears.wait()?;
        let mut changes = Changes::default();
        for one in heard {
            self.understand(one, &mut changes);
        }
        changes.problems.extend(self.refused.take().map(|error| error.to_string()));
        Some(changes)
    }

    pub(super) fn understand(&mut self, heard: Heard, changes: &mut Changes) {
        match heard {
            Heard::Entry(directory, name) => self.entry(&directory, &name, changes),
            Heard::Gone(directory) => self.gone(&directory, changes),
            Heard::Lost => {
                changes.paths.insert(b"/".to_vec());
                self.explore_all(None);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.walked.keys().map(PathBuf::as_path)
    }

    /// Listen to all directories that matter; tell `found`, if anybody, of what matters in them.
    pub(super) fn explore_all(&mut self, found: Option<&mut Changes>) {
        let (real, jumps) = (self.root.clone(), Arc::default());
        self.explore(vec![(Vec::new(), Place { scope: self.index.root(), real, jumps, private: false })], found);
    }

    fn explore(&mut self, mut left: Vec<(Vec<u8>, Place)>, mut found: Option<&mut Changes>) {
        while let Some((path, place)) = left.pop() {
            // Listened to before it is looked into: what comes in between is heard, and seen as well.
            match self.ears.listen(&place.real) {
                Ok(()) => {}
                Err(error) if is_absence(&error) => continue,
                Err(error) => self.refuse(&place.real, error),
            }
            self.walked.entry(place.real.clone()).or_default().insert(path.clone());
            self.places.insert(path.clone(), place.clone());
            for (name, kind) in self.entries(&path, &place) {
                self.meet(&path, &place, name.as_bytes(), kind, &mut left, found.as_deref_mut());
            }
        }
    }

    fn refuse(&mut self, directory: &Path, error: io::Error) {
        if self.refused.is_none() {
            self.refused = Some(FsError::new("listen to", directory, error));
        }
    }

    /// What is in a directory; only what leads on, where that is known by name. What cannot be listed has nothing in it:
    /// a run that needs it says so.
    fn entries(&self, path: &[u8], place: &Place) -> Vec<(OsString, FileType)> {
        let literal = self.leading.get(path);
        let names: Option<BTreeSet<&[u8]>> = if place.private {
            Some(BTreeSet::new())
        } else {
            self.index.names_below(&place.scope).map(Iterator::collect)
        };
        let is_whole = self.files.contains(path);
        let Some(mut names) = names.filter(|_| !is_whole) else {
            let entries = fs::read_dir(&place.real).into_iter().flatten().flatten();
            return entries.filter_map(|entry| Some((entry.file_name(), entry.file_type().ok()?))).collect();
        };
        names.extend(literal.into_iter().flatten().map(Vec::as_slice));
        let look = |name: &[u8]| {
            let name = OsString::from_vec(name.to_vec());
            let kind = fs::symlink_metadata(place.real.join(&name)).ok()?.file_type();
            Some((name, kind))
        };
        names.into_iter().filter_map(look).collect()
    }

    /// Look at one entry of a directory, and whether it leads on.
    fn meet(
        &mut self,
        directory: &[u8],
        place: &Place,
        name: &[u8],
        kind: FileType,
        left: &mut Vec<(Vec<u8>, Place)>,
        found: Option<&mut Changes>,
    ) {
        let path = [directory, name].concat();
        if kind.is_dir() {
            let real = place.real.join(OsStr::from_bytes(name));
            left.extend(self.enter(path, place, name, real, Arc::clone(&place.jumps)));
            return;
        }
        if kind.is_file() && found.is_none() {
            return;
        }
        let matters = self.matters(&path, place.private);
        if kind.is_symlink() {
            let Ok(real) = place.real.join(OsStr::from_bytes(name)).canonicalize() else { return };
            let Ok(inside) = real.strip_prefix(&self.root) else { return };
            if inside.iter().any(|segment| is_private(segment.as_bytes())) {
                return;
            }
            if real.is_dir() {
                let circular = |way: &PathBuf| way.starts_with(&real);
                if !circular(&place.real) && !place.jumps.iter().any(circular) {
                    let mut jumps = place.jumps.as_ref().clone();
                    jumps.push(place.real.clone());
                    left.extend(self.enter(path, place, name, real, Arc::new(jumps)));
                }
                return;
            }
            if matters {
                if let Some(parent) = real.parent()
                    && let Err(error) = self.ears.listen(parent)
                {
                    self.refuse(parent, error);
                }
                self.targets.entry(real).or_default().insert(path.clone());
            }
        }
        if let Some(found) = found.filter(|_| matters) {
            found.paths.insert(path);
        }
    }

    /// The directory at `path`, if anything that matters may be in it.
    fn enter(
        &self,
        mut path: Vec<u8>,
        parent: &Place,
        name: &[u8],
        real: PathBuf,
        jumps: Arc<Vec<PathBuf>>,
    ) -> Option<(Vec<u8>, Place)> {
        path.push(b'/');
        let set = &self.patterns;
        let scope = self.index.enter(set, &parent.scope, &path, name);
        let private = parent.private || is_private(name);
        let leads = self.leading.contains_key(&path) || !private && self.index.is_wanted(set, &scope, &path);
        leads.then_some((path, Place { scope, real, jumps, private }))
    }

    fn matters(&self, path: &[u8], private: bool) -> bool {
        let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |end| end + 1);
        let (directory, name) = path.split_at(at);
        if self.files.contains(path) || self.files.contains(directory) {
            return true;
        }
        let hidden = private || is_private(name);
        !hidden && (self.names.contains(name) || !self.index.matching(&self.patterns, path).is_empty())
    }

    fn entry(&mut self, directory: &Path, name: &OsStr, changes: &mut Changes) {
        let real = directory.join(name);
        if let Some(links) = self.targets.get(&real) {
            changes.paths.extend(links.iter().cloned());
        }
        let kind = fs::symlink_metadata(&real).map(|found| found.file_type());
        for parent in self.walked.get(directory).cloned().unwrap_or_default() {
            let place = self.places[&parent].clone();
            let path = [&parent, name.as_bytes()].concat();
            let below = [&path[..], b"/"].concat();
            if self.places.contains_key(&below) {
                // Whatever it is now: what was below it is gone, or somewhere else.
                self.leave(&below);
                changes.paths.insert(below);
            }
            if self.matters(&path, place.private) {
                changes.paths.insert(path);
            }
            if let Ok(kind) = kind
                && !kind.is_file()
            {
                let mut left = Vec::new();
                self.meet(&parent, &place, name.as_bytes(), kind, &mut left, Some(changes));
                self.explore(left, Some(changes));
            }
        }
    }

    /// Listen no longer to a directory and what is below it, as walked.
    fn leave(&mut self, directory: &[u8]) {
        let from = self.places.range(directory.to_vec()..);
        let gone: Vec<Vec<u8>> =
            from.map(|(path, _)| path).take_while(|path| path.starts_with(directory)).cloned().collect();
        for path in gone {
            let Some(place) = self.places.remove(&path) else { continue };
            let Some(ways) = self.walked.get_mut(&place.real) else { continue };
            ways.remove(&path);
            if ways.is_empty() {
                self.walked.remove(&place.real);
                if !self.targets.keys().any(|file| file.parent() == Some(&place.real)) {
                    self.ears.forget(&place.real);
                }
            }
        }
    }

    fn gone(&mut self, directory: &Path, changes: &mut Changes) {
        let ways = self.walked.get(directory).cloned().unwrap_or_default();
        self.ears.forget(directory);
        for path in ways {
            let Some(place) = self.places.get(&path).cloned() else { continue };
            self.leave(&path);
            changes.paths.insert(if path.is_empty() { b"/".to_vec() } else { path.clone() });
            self.explore(vec![(path, place)], Some(changes));
        }
    }
}
