//! One walk over the workspace for many specs (spec 01 §9.6, D11).

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::blobs::PREFIX;
use crate::checkpoint::facts;
use crate::error::reason;
use crate::glob::{Index, PatternSet, Scope};
use crate::tree::stamp::Stamp;

/// Why the files of a spec could not be told. The text is the kind's name at the boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A literal that names nothing, or a directory that cannot be listed.
    Resolve,
    /// A file that cannot be read.
    Read,
    /// A literal that names something else than a regular file.
    NotRegular,
    /// A link that leads out of the workspace.
    Outside,
}

impl Kind {
    /// `resolve`, `read`, `not_regular` or `outside`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Read => "read",
            Self::NotRegular => "not_regular",
            Self::Outside => "outside",
        }
    }
}

/// What is wrong with a spec. The order is that of paths, so that the smallest is the first to tell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path without leading `/`.
    pub path: Vec<u8>,
    /// What kind of problem.
    pub kind: Kind,
    /// The cause in words.
    pub reason: String,
    /// Whether nothing at all is there.
    pub missing: bool,
}

/// What becomes of a symbolic link that a pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It stands for what it leads to.
    Follow,
    /// It is reported itself, wherever it leads. A literal that is a directory then stands for all that is in it, and
    /// directories with nothing in them are reported too.
    Keep,
}

/// What a path that was found is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A regular file, perhaps by way of links.
    File,
    /// A link that was kept.
    Link,
    /// A directory that a literal names, or one with nothing in it.
    Directory,
}

/// A path that belongs to at least one spec.
#[derive(Debug)]
pub struct Found {
    /// Path as walked, without leading `/`.
    pub path: Vec<u8>,
    /// The specs, ascending, by their position in the selection.
    pub specs: Vec<u32>,
    /// Whether a literal names it: its absence would be an error.
    pub literal: bool,
    /// What it is.
    pub what: What,
}

/// What a walk found.
pub struct Resolution {
    /// Each path once, sorted.
    pub found: Vec<Found>,
    /// `(spec, problem)` in no order.
    pub problems: Vec<(u32, Problem)>,
    /// The specs, in no order and perhaps more than once, whose files other paths may lead to: a link was met on
    /// the way. Told, as the next, only when that was asked for.
    pub linked: Vec<u32>,
    /// What else the walk looked at: while all of it and every found file stay as they are, the same walk finds the same.
    pub looks: Vec<Look>,
}

/// Something that decided what a walk found, without being a found file.
#[derive(Debug)]
pub struct Look {
    /// What was learnt.
    pub kind: facts::Kind,
    /// Path as walked, without leading `/`.
    pub path: Vec<u8>,
    /// The specs that may find other files when this changes.
    pub specs: Vec<u32>,
    /// The state in which it was found, where only that counts which file or directory it is.
    pub seen: Option<Stamp>,
}

/// What no glob sees, wherever it is: our own and git's directories, and files that are being put in place.
pub(crate) fn is_private(name: &[u8]) -> bool {
    matches!(name, b".git" | b".haz") || name.starts_with(PREFIX.as_bytes())
}

/// Resolve the specs that `selection` names against the disk. Runs on rayon's current pool.
pub fn resolve(root: &Path, set: &PatternSet, selection: &[u32], links: Links) -> Resolution {
    resolve_telling(root, set, selection, links, false)
}

/// The same; with `tell`, say also what the walk has looked at.
pub fn resolve_telling(root: &Path, set: &PatternSet, selection: &[u32], links: Links, tell: bool) -> Resolution {
    let index = Index::new(set, selection.iter().copied());
    let mut collected = Collected::default();
    match fs::canonicalize(root) {
        Ok(real) => {
            let walk = Walk { root, real, set, index: &index, links, tell };
            walk.globs(&mut collected);
            walk.literals(&mut collected);
        }
        Err(error) => {
            let every = 0..u32::try_from(selection.len()).unwrap_or(u32::MAX);
            collected.blame(every, b"", Kind::Resolve, &format!("cannot find the workspace: {}", reason(&error)));
        }
    }
    let Collected { mut found, problems, linked, looks, .. } = collected;
    found.par_sort_unstable_by(|one, other| one.path.cmp(&other.path));
    found.dedup_by(|later, first| {
        let same = later.path == first.path;
        if same {
            first.specs.append(&mut later.specs);
            first.specs.sort_unstable();
            first.specs.dedup();
            first.literal |= later.literal;
        }
        same
    });
    Resolution { found, problems, linked, looks }
}

#[derive(Default)]
struct Collected {
    found: Vec<Found>,
    problems: Vec<(u32, Problem)>,
    directories: Vec<Directory>,
    linked: Vec<u32>,
    looks: Vec<Look>,
}

impl Collected {
    fn blame(&mut self, specs: impl IntoIterator<Item = u32>, path: &[u8], kind: Kind, reason: &str) {
        let problem = Problem { path: path.to_vec(), kind, reason: reason.to_owned(), missing: false };
        self.problems.extend(specs.into_iter().map(|spec| (spec, problem.clone())));
    }

    fn append(mut self, mut other: Self) -> Self {
        self.found.append(&mut other.found);
        self.problems.append(&mut other.problems);
        self.directories.append(&mut other.directories);
        self.linked.append(&mut other.linked);
        self.looks.append(&mut other.looks);
        self
    }
}

/// A directory that the walk is about to look into.
#[derive(Clone)]
struct Directory {
    /// As walked; empty or with a trailing `/`.
    path: Vec<u8>,
    /// Whether a link is there.
    is_link: bool,
    scope: Scope,
    /// Without links.
    real: PathBuf,
    /// The real directories in which links were followed on the way here.
    jumps: Arc<Vec<PathBuf>>,
    /// The link that led out of the workspace on the way here.
    outside: Option<Arc<Outside>>,
}

/// A link out of the workspace: wrong for a spec as soon as something behind it matches.
struct Outside {
    path: Vec<u8>,
    reason: String,
    blamed: Mutex<BTreeSet<u32>>,
}

struct Walk<'a> {
    root: &'a Path,
    real: PathBuf,
    set: &'a PatternSet,
    index: &'a Index,
    links: Links,
    tell: bool,
}

impl Walk<'_> {
    fn on_disk(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    /// Breadth first: no recursion that a deep tree could exhaust, and all directories of a depth at once.
    fn globs(&self, collected: &mut Collected) {
        let root = Directory {
            path: Vec::new(),
            is_link: false,
            scope: self.index.root(),
            real: self.real.clone(),
            jumps: Arc::default(),
            outside: None,
        };
        let mut level = if self.index.is_wanted(self.set, &root.scope, b"") { vec![root] } else { Vec::new() };
        while !level.is_empty() {
            let fold = |mut part: Collected, directory: &Directory| {
                self.look_into(directory, &mut part);
                part
            };
            let mut part =
                level.par_iter().fold(Collected::default, fold).reduce(Collected::default, Collected::append);
            level = std::mem::take(&mut part.directories);
            collected.found.append(&mut part.found);
            collected.problems.append(&mut part.problems);
            collected.linked.append(&mut part.linked);
            collected.looks.append(&mut part.looks);
        }
    }

    fn look_into(&self, directory: &Directory, collected: &mut Collected) {
        if let Some(outside) = &directory.outside {
            let blamed = outside.blamed.lock().unwrap_or_else(PoisonError::into_inner);
            let below = self.index.specs_below(self.set, &directory.scope, &directory.path);
            if below.iter().all(|spec| blamed.contains(spec)) {
                return;
            }
        }
        if let Some(names) = self.index.names_below(&directory.scope) {
            // Only these can lead on, so the directory need not even be readable.
            for name in names {
                let path = [&directory.path[..], name].concat();
                match fs::symlink_metadata(self.on_disk(&path)) {
                    Ok(metadata) => {
                        self.note_name(Some(&metadata), &path, name, directory, collected);
                        self.meet(directory, name, metadata.file_type(), collected);
                    }
                    Err(error) => {
                        self.note_name(None, &path, name, directory, collected);
                        self.forgive_absence(directory, &error, collected);
                    }
                }
            }
            return;
        }
        let kind = if directory.is_link { facts::Kind::Content } else { facts::Kind::Itself };
        self.note(kind, &directory.path, None, directory, collected);
        let entries = match fs::read_dir(self.on_disk(&directory.path)) {
            Ok(entries) => entries,
            Err(error) => return self.forgive_absence(directory, &error, collected),
        };
        let mut is_empty = true;
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))) {
                Ok((name, file_type)) => {
                    is_empty &= is_private(name.as_bytes());
                    self.meet(directory, name.as_bytes(), file_type, collected);
                }
                Err(error) => self.forgive_absence(directory, &error, collected),
            }
        }
        let reached_by_link = directory.outside.is_some() || !directory.jumps.is_empty();
        if is_empty && self.links == Links::Keep && !reached_by_link && !directory.path.is_empty() {
            let path = directory.path[..directory.path.len() - 1].to_vec();
            let specs = self.index.matching(self.set, &path);
            if !specs.is_empty() {
                collected.found.push(Found { path, specs, literal: false, what: What::Directory });
            }
        }
    }

    /// Remember to tell what a look at the one name that leads on has shown: nothing, or `found`.
    fn note_name(
        &self,
        found: Option<&fs::Metadata>,
        path: &[u8],
        name: &[u8],
        directory: &Directory,
        collected: &mut Collected,
    ) {
        if !self.tell {
            return;
        }
        let below = [path, b"/"].concat();
        let scope = self.index.enter(self.set, &directory.scope, &below, name);
        let (kind, seen) = match found {
            None => (facts::Kind::Absent, None),
            Some(found) if found.is_dir() => (facts::Kind::Stands, Some(Stamp::of(found))),
            Some(_) => (facts::Kind::Itself, None),
        };
        // A directory that is listed is known by its state.
        let is_listed = || self.index.names_below(&scope).is_none() && self.index.is_wanted(self.set, &scope, &below);
        if kind != facts::Kind::Stands || !is_listed() {
            let specs = self.index.specs_below(self.set, &scope, &below);
            collected.looks.push(Look { kind, path: path.to_vec(), specs, seen });
        }
    }

    /// Remember to tell what a look at `path`, in this directory or the directory itself, has shown.
    fn note(
        &self,
        kind: facts::Kind,
        path: &[u8],
        seen: Option<Stamp>,
        directory: &Directory,
        collected: &mut Collected,
    ) {
        if self.tell {
            let specs = self.index.specs_below(self.set, &directory.scope, &directory.path);
            let path = path.strip_suffix(b"/").unwrap_or(path).to_vec();
            collected.looks.push(Look { kind, path, specs, seen });
        }
    }

    /// Remember to tell which directories lead to `path`, and whether some of them are links: then they lead elsewhere
    /// as soon as the links do.
    fn note_way(&self, path: &[u8], specs: &[u32], collected: &mut Collected) {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        for path in ends.map(|end| path[..end].to_vec()) {
            let Ok(found) = fs::symlink_metadata(self.on_disk(&path)) else { return };
            let specs = specs.to_vec();
            collected.looks.push(if found.is_dir() {
                Look { kind: facts::Kind::Stands, path, specs, seen: Some(Stamp::of(&found)) }
            } else {
                collected.linked.extend(&specs);
                Look { kind: facts::Kind::Itself, path, specs, seen: None }
            });
        }
    }

    /// What vanished meanwhile was never there; anything else is told to those who could have found something.
    fn forgive_absence(&self, directory: &Directory, error: &io::Error, collected: &mut Collected) {
        if is_absence(error) || directory.outside.is_some() {
            return;
        }
        let specs = self.index.specs_below(self.set, &directory.scope, &directory.path);
        let path = directory.path.strip_suffix(b"/").unwrap_or_default();
        collected.blame(specs, path, Kind::Resolve, &format!("cannot list directory: {}", reason(error)));
    }

    fn meet(&self, directory: &Directory, name: &[u8], file_type: fs::FileType, collected: &mut Collected) {
        if is_private(name) {
            return;
        }
        let path = [&directory.path[..], name].concat();
        if file_type.is_dir() {
            let real = directory.real.join(OsStr::from_bytes(name));
            let (jumps, outside) = (directory.jumps.clone(), directory.outside.clone());
            self.descend(directory, path, name, real, false, jumps, outside, collected);
        } else if file_type.is_file() {
            self.keep(path, directory, directory.outside.as_ref(), What::File, collected);
        } else if file_type.is_symlink() {
            self.follow(directory, path, name, collected);
        }
    }

    /// Note a file, or a link that is kept, if a spec wants it.
    fn keep(
        &self,
        path: Vec<u8>,
        directory: &Directory,
        outside: Option<&Arc<Outside>>,
        what: What,
        collected: &mut Collected,
    ) -> bool {
        let specs = self.index.matching_globs(self.set, &directory.scope, &path);
        if specs.is_empty() {
            return false;
        }
        if let Some(outside) = outside {
            let mut blamed = outside.blamed.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh: Vec<u32> = specs.into_iter().filter(|spec| blamed.insert(*spec)).collect();
            collected.blame(fresh, &outside.path, Kind::Outside, &outside.reason);
        } else {
            collected.found.push(Found { path, specs, literal: false, what });
        }
        true
    }

    fn follow(&self, directory: &Directory, path: Vec<u8>, name: &[u8], collected: &mut Collected) {
        if self.links == Links::Keep
            && self.keep(path.clone(), directory, directory.outside.as_ref(), What::Link, collected)
        {
            return;
        }
        if self.tell {
            collected.linked.extend(self.index.specs_below(self.set, &directory.scope, &directory.path));
        }
        let on_disk = self.on_disk(&path);
        let answer = fs::metadata(&on_disk).and_then(|metadata| Ok((metadata, fs::canonicalize(&on_disk)?)));
        // What a link leads to may change without a trace in the link's directory.
        match &answer {
            Ok((metadata, real)) => {
                self.note(facts::Kind::Leads, &path, Some(Stamp::of(metadata)), directory, collected);
                if let (true, Ok(inside)) = (self.tell, real.strip_prefix(&self.real)) {
                    let specs = self.index.specs_below(self.set, &directory.scope, &directory.path);
                    self.note_way(inside.as_os_str().as_bytes(), &specs, collected);
                }
            }
            Err(_) => self.note(facts::Kind::Dangling, &path, None, directory, collected),
        }
        let (metadata, real) = match answer {
            Ok(answer) => answer,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && directory.outside.is_none() => {
                let mut specs = self.index.matching_globs(self.set, &directory.scope, &path);
                let below = [&path[..], b"/"].concat();
                let scope = self.index.enter(self.set, &directory.scope, &below, name);
                specs.extend(self.index.specs_below(self.set, &scope, &below));
                specs.sort_unstable();
                specs.dedup();
                return collected.blame(
                    specs,
                    &path,
                    Kind::Resolve,
                    &format!("cannot follow link: {}", reason(&error)),
                );
            }
            Err(_) => return, // leads nowhere, or in circles
        };
        let outside = match (&directory.outside, real.strip_prefix(&self.real)) {
            (Some(outside), _) => Some(Arc::clone(outside)),
            (None, Ok(inside)) => {
                if inside.iter().any(|name| is_private(name.as_bytes())) {
                    return;
                }
                None
            }
            (None, Err(_)) => Some(Arc::new(Outside {
                path: path.clone(),
                reason: format!("leads out of the workspace, to {}", real.display()),
                blamed: Mutex::default(),
            })),
        };
        if metadata.is_file() {
            self.keep(path, directory, outside.as_ref(), What::File, collected);
        } else if metadata.is_dir() {
            let circular = |way: &PathBuf| way.starts_with(&real);
            if circular(&directory.real) || directory.jumps.iter().any(circular) {
                return;
            }
            let mut jumps = directory.jumps.as_ref().clone();
            jumps.push(directory.real.clone());
            self.descend(directory, path, name, real, true, Arc::new(jumps), outside, collected);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn descend(
        &self,
        parent: &Directory,
        mut path: Vec<u8>,
        name: &[u8],
        real: PathBuf,
        is_link: bool,
        jumps: Arc<Vec<PathBuf>>,
        outside: Option<Arc<Outside>>,
        collected: &mut Collected,
    ) {
        path.push(b'/');
        let scope = self.index.enter(self.set, &parent.scope, &path, name);
        if self.index.is_wanted(self.set, &scope, &path) {
            collected.directories.push(Directory { path, is_link, scope, real, jumps, outside });
        }
    }

    fn literals(&self, collected: &mut Collected) {
        let literals: Vec<(&[u8], &[u32])> = self.index.literals(self.set).collect();
        if self.tell {
            self.note_literals(&literals, collected);
        }
        let parents = Mutex::new(HashMap::new());
        let judged: Vec<_> = literals.par_iter().map(|(path, _)| self.literal(path, &parents)).collect();
        for ((path, specs), judged) in literals.into_iter().zip(judged) {
            match judged {
                Ok(what) => {
                    if what == What::Directory {
                        self.whole(path, specs, collected);
                    }
                    collected.found.push(Found { path: path.to_vec(), specs: specs.to_vec(), literal: true, what });
                }
                Err(problem) => collected.problems.extend(specs.iter().map(|spec| (*spec, problem.clone()))),
            }
        }
    }

    /// Remember to tell by which directories and links each literal was reached.
    fn note_literals(&self, literals: &[(&[u8], &[u32])], collected: &mut Collected) {
        let mut ways: HashMap<&[u8], Vec<u32>> = HashMap::new();
        for (path, specs) in literals {
            let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |end| end + 1);
            ways.entry(&path[..end]).or_default().extend(*specs);
            let link = fs::symlink_metadata(self.on_disk(path)).is_ok_and(|found| found.is_symlink());
            if link && self.links == Links::Follow {
                collected.linked.extend(*specs);
                let (kind, specs) = (facts::Kind::Itself, specs.to_vec());
                collected.looks.push(Look { kind, path: path.to_vec(), specs: specs.clone(), seen: None });
                let real = fs::canonicalize(self.on_disk(path)).unwrap_or_default();
                if let Ok(inside) = real.strip_prefix(&self.real) {
                    self.note_way(inside.as_os_str().as_bytes(), &specs, collected);
                }
            }
        }
        for (way, specs) in ways {
            self.note_way(way, &specs, collected);
        }
    }

    /// Everything in a directory that a literal names, but what the specs exclude.
    fn whole(&self, path: &[u8], specs: &[u32], collected: &mut Collected) {
        let mut left = vec![path.to_vec()];
        while let Some(directory) = left.pop() {
            let mut is_empty = true;
            let mut keep = |path: Vec<u8>, what: What| {
                let excluding = self.index.excluding(self.set, &path);
                let specs: Vec<u32> =
                    specs.iter().copied().filter(|spec| excluding.binary_search(spec).is_err()).collect();
                if !specs.is_empty() {
                    collected.found.push(Found { path, specs, literal: false, what });
                }
            };
            let blame = |error: &io::Error| Problem {
                path: directory.clone(),
                kind: Kind::Resolve,
                reason: format!("cannot list directory: {}", reason(error)),
                missing: false,
            };
            match fs::read_dir(self.on_disk(&directory)) {
                Err(error) if is_absence(&error) => continue,
                Err(error) => collected.problems.extend(specs.iter().map(|spec| (*spec, blame(&error)))),
                Ok(entries) => {
                    for entry in entries.flatten() {
                        let name = entry.file_name();
                        let Ok(file_type) = entry.file_type() else { continue };
                        if is_private(name.as_bytes()) {
                            continue;
                        }
                        is_empty = false;
                        let path = [&directory[..], b"/", name.as_bytes()].concat();
                        if file_type.is_dir() {
                            left.push(path);
                        } else if file_type.is_symlink() {
                            keep(path, What::Link);
                        } else if file_type.is_file() {
                            keep(path, What::File);
                        }
                    }
                }
            }
            if is_empty && directory != path {
                keep(directory, What::Directory);
            }
        }
    }

    /// What the literal is.
    fn literal(&self, path: &[u8], parents: &Mutex<HashMap<PathBuf, PathBuf>>) -> Result<What, Problem> {
        let problem = |kind, reason: String| Problem { path: path.to_vec(), kind, reason, missing: false };
        let on_disk = self.on_disk(path);
        let failed =
            |error: io::Error| Problem { missing: is_absence(&error), ..problem(Kind::Resolve, reason(&error)) };
        let link = fs::symlink_metadata(&on_disk).map_err(failed)?;
        let metadata = if link.is_symlink() { fs::metadata(&on_disk).map_err(failed)? } else { link.clone() };
        let is_kept = self.links == Links::Keep && (link.is_dir() || link.is_symlink() && metadata.is_dir());
        if !metadata.is_file() && !is_kept {
            let what = if metadata.is_dir() { "is a directory" } else { "is not a regular file" };
            return Err(problem(Kind::NotRegular, what.to_owned()));
        }
        if link.is_symlink() && self.links == Links::Keep {
            return Ok(What::Link);
        }
        let real = if link.is_symlink() {
            fs::canonicalize(&on_disk).map_err(failed)?
        } else {
            self.real_directory(on_disk.parent().unwrap_or(self.root), parents).map_err(failed)?
        };
        if real.starts_with(&self.real) {
            return Ok(if link.is_dir() { What::Directory } else { What::File });
        }
        Err(problem(Kind::Outside, format!("leads out of the workspace, to {}", real.display())))
    }

    /// A directory without links. Many literals share few directories, so each is looked at once, and its own name only:
    /// resolving a path costs a system call for each of its segments.
    fn real_directory(&self, path: &Path, known: &Mutex<HashMap<PathBuf, PathBuf>>) -> io::Result<PathBuf> {
        if path == self.root {
            return Ok(self.real.clone());
        }
        if let Some(real) = known.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(real.clone());
        }
        let real = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if !fs::symlink_metadata(path)?.is_symlink() => {
                self.real_directory(parent, known)?.join(name)
            }
            _ => fs::canonicalize(path)?,
        };
        known.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_path_buf(), real.clone());
        Ok(real)
    }
}

/// Whether the error says that nothing is there: never was, vanished, or a link leads nowhere or in circles.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP))
}
