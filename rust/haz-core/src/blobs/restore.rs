//! Outputs back in place: all of them verified and staged before the first one appears.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::keep::{read_packed, transfer, unpack};
use super::places::{Directory, split};
use super::row::check_path;
use super::stage::sweep;
use super::surplus::Surplus;
use super::{Blob, Blobs, CONTENT_LIMIT, Kind, Row};
use crate::digest::{Algorithm, Digest, Hasher, LARGE, digest_bytes, digest_open, hex, with_buffer};
use crate::error::{FsError, reason};
use crate::glob::PatternSet;
use crate::steps::step;
use crate::tree::{State, digest_state};

/// What an earlier result of the same task has left behind.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Workspace paths, each with the state in which the file is known to be left.
    pub files: Vec<(Vec<u8>, State)>,
    /// Workspace paths of directories that go with them, when that leaves them empty.
    pub directories: Vec<Vec<u8>>,
}

/// What a restore did.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    /// Outputs that were put in place.
    pub written: usize,
    /// Leftovers that were removed.
    pub removed: usize,
    /// Outputs that were right already and left untouched.
    pub kept: usize,
    /// Whether somebody else may have put one of those in place since the tree was made.
    pub recent: bool,
    /// The bytes of each stream, but of those larger than 1 MiB.
    pub contents: Vec<Option<Vec<u8>>>,
}

/// What a restore finds at the place of an output.
#[derive(PartialEq, Eq)]
enum Place {
    /// Nothing, or something else.
    Stale,
    /// The output, for longer than this run.
    Right,
    /// The output, for how long is not sure.
    Recent,
}

/// Files that one thread has dealt with before others are awake.
const FEW: usize = 8;

/// The answers of `work` for all items, on many threads where that pays.
fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    if items.len() <= FEW { items.iter().map(work).collect() } else { items.par_iter().map(work).collect() }
}

impl From<FsError> for String {
    fn from(error: FsError) -> Self {
        error.to_string()
    }
}

/// Directories made for a restore, removed again (while they are empty) unless it succeeds.
struct NewDirectories<'a> {
    root: &'a Path,
    made: Vec<Vec<u8>>,
}

impl Drop for NewDirectories<'_> {
    fn drop(&mut self) {
        for path in self.made.iter().rev() {
            let (parent, name) = split(path);
            // One that someone has put a file into meanwhile stays, as it should.
            let _ = Directory::open(self.root, parent).and_then(|parent| parent.remove_directory(name));
        }
    }
}

/// The name that a new file has, and the one that it shall get.
type Temporary<'a> = (CString, &'a [u8]);

/// The new files of one directory, removed again unless they get their names.
struct Batch<'a> {
    root: &'a Path,
    parent: &'a [u8],
    staged: Vec<Temporary<'a>>,
}

impl Batch<'_> {
    fn rename(mut self) -> Result<(), String> {
        let path = |name: &[u8]| on_disk(self.root, &[self.parent, b"/", name].concat());
        // Opened again: one that was moved away meanwhile is not where the files belong.
        let parent = Directory::open(self.root, self.parent)
            .map_err(|error| FsError::new("open directory", on_disk(self.root, self.parent), error))?;
        while let Some((temporary, name)) = self.staged.last() {
            parent.rename(temporary, name).map_err(|error| FsError::new("rename a new file to", path(name), error))?;
            self.staged.pop();
            step("restore-named");
        }
        Ok(())
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        let Ok(parent) = Directory::open(self.root, self.parent) else { return };
        for (temporary, _) in &self.staged {
            // Already failing for a reason that is told; a leftover is hidden, unique, and swept later.
            let _ = parent.remove(temporary.to_bytes());
        }
    }
}

fn on_disk(root: &Path, workspace_path: &[u8]) -> PathBuf {
    root.join(std::ffi::OsStr::from_bytes(workspace_path.strip_prefix(b"/").unwrap_or(workspace_path)))
}

impl Blobs {
    /// Put outputs in place as the rows say, verify the stream blobs `(digest, size)`, then remove what an earlier result
    /// has left behind and, with the `patterns` of a spec, what else is in directories that are outputs as a whole.
    /// Parallel on the current pool.
    ///
    /// # Errors
    /// What went wrong, in words. No output is ever left half-written, and none is touched before all are staged.
    pub fn restore(
        &self,
        rows: &[Row],
        streams: &[(Digest, u64)],
        leftovers: &Leftovers,
        whole: Option<(&PatternSet, u32)>,
    ) -> Result<Restored, String> {
        let every: Vec<&Row> = rows.iter().collect();
        self.check_rows(&every)?;
        let contents =
            streams.iter().map(|(digest, size)| self.verify(digest, *size)).collect::<Result<Vec<_>, String>>()?;
        let surplus = match whole {
            Some((patterns, spec)) if rows.iter().any(Row::is_directory) => self.surplus(rows, patterns, spec),
            _ => Surplus::default(),
        };
        // A file where a directory belongs, or the other way round: it cannot wait until all is staged.
        let mut removed = if surplus.in_the_way { self.remove_surplus(&surplus)? } else { 0 };
        let refusal = |rows: &[&Row]| {
            self.check_parents(rows.iter().copied()).map_err(|(path, why)| {
                format!("refused to restore through {}: {why}", on_disk(&self.root, &path).display())
            })
        };
        let places = each(rows, |row| self.examine(row)).into_iter().collect::<Result<Vec<Place>, String>>();
        // A link on the way is a better reason than what comes of it.
        let places = places.or_else(|error| refusal(&every).and(Err(error)))?;
        let recent = places.contains(&Place::Recent);
        let (stale, kept): (Vec<_>, Vec<_>) = every.iter().zip(places).partition(|(_, place)| *place == Place::Stale);
        let [stale, kept] = [stale, kept].map(|rows| rows.into_iter().map(|(row, _)| *row).collect::<Vec<&Row>>());
        refusal(&kept)?;
        self.put_in_place(&stale).or_else(|error| refusal(&stale).and(Err(error)))?;
        if !surplus.in_the_way {
            removed += self.remove_surplus(&surplus)?;
        }
        removed += self.remove(leftovers)?;
        Ok(Restored { written: stale.len(), removed, kept: rows.len() - stale.len(), recent, contents })
    }

    /// Put outputs where nothing is, as [`restore`](Self::restore) does.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn restore_new(&self, rows: &[&Row]) -> Result<(), String> {
        self.check_rows(rows)?;
        self.put_in_place(rows)
    }

    fn put_in_place<'a>(&'a self, stale: &[&'a Row]) -> Result<(), String> {
        if stale.is_empty() {
            return Ok(());
        }
        let mut groups: BTreeMap<&[u8], Vec<&Row>> = BTreeMap::new();
        for &row in stale.iter().filter(|row| !row.is_directory()) {
            groups.entry(split(row.path()).0).or_default().push(row);
        }
        let groups: Vec<(&[u8], Vec<&Row>)> = groups.into_iter().collect();
        let directories = stale.iter().filter(|row| row.is_directory()).map(|row| row.path());
        let mut made = self.make_directories(groups.iter().map(|(parent, _)| *parent).chain(directories))?;
        step("restore-made");
        let fill = |(parent, rows): &(&'a [u8], Vec<&'a Row>)| self.stage_group(parent, rows);
        let staged: Result<Vec<Batch<'_>>, String> = each(&groups, fill).into_iter().collect();
        step("restore-staged");
        for batch in staged? {
            batch.rename()?;
        }
        let new: BTreeSet<Vec<u8>> = made.made.drain(..).collect();
        let older: Vec<&[u8]> = groups.iter().map(|(parent, _)| *parent).filter(|path| !new.contains(*path)).collect();
        each(&older, |parent| sweep(&self.on_disk(parent)));
        Ok(())
    }

    /// Remove leftovers that are still as they were left; how many.
    fn remove(&self, leftovers: &Leftovers) -> Result<usize, String> {
        let remove = |(path, state): &(Vec<u8>, State)| -> Result<usize, String> {
            let (parent, name) = split(path);
            if check_path(path).is_err() {
                return Ok(0);
            }
            let Ok(parent) = Directory::open(&self.root, parent) else { return Ok(0) };
            match parent.status(name) {
                Ok(found) if !found.is_directory && found.state == *state => {}
                _ => return Ok(0),
            }
            match parent.remove(name) {
                Ok(()) => {
                    step("restore-removed");
                    Ok(1)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
                Err(error) => Err(FsError::new("remove the leftover", self.on_disk(path), error).into()),
            }
        };
        let removed = each(&leftovers.files, remove).into_iter().sum::<Result<usize, String>>()?;
        if removed > 0 {
            let directories: BTreeSet<&Vec<u8>> = leftovers.directories.iter().collect();
            for directory in directories.into_iter().rev().filter(|path| check_path(path).is_ok()) {
                let (parent, name) = split(directory);
                // One that still holds something stays, as it should.
                let _ = Directory::open(&self.root, parent).and_then(|parent| parent.remove_directory(name));
            }
        }
        Ok(removed)
    }

    /// Rows come from a manifest that anyone may have written.
    fn check_rows(&self, rows: &[&Row]) -> Result<(), String> {
        let refuse = |path: &[u8], why: &str| Err(format!("refused to restore {}: {why}", path.escape_ascii()));
        let mut paths = BTreeSet::new();
        for row in rows {
            if let Err(why) = row.check(&self.root) {
                return refuse(row.path(), why);
            }
            if !paths.insert(row.path()) {
                return refuse(row.path(), "it is listed twice");
            }
        }
        let directories: BTreeSet<&[u8]> = rows.iter().filter(|row| row.is_directory()).map(|row| row.path()).collect();
        for path in &paths {
            let slashes = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
            let is_file = |at: usize| paths.contains(&path[..at]) && !directories.contains(&path[..at]);
            if let Some((at, _)) = slashes.into_iter().find(|(at, _)| is_file(*at)) {
                return refuse(path, &format!("{} is listed as a file", path[..at].escape_ascii()));
            }
        }
        Ok(())
    }

    fn verify(&self, digest: &Digest, size: u64) -> Result<Option<Vec<u8>>, String> {
        // Most tasks say nothing on at least one stream, and there is only one way to do so.
        if self.is_nothing(digest, size) {
            return Ok(Some(Vec::new()));
        }
        let blob = self.open(digest, self.kinds(size))?;
        let failed = |error| FsError::new("read", self.blob(digest, blob.kind), error);
        let whole = usize::try_from(size).unwrap_or(usize::MAX);
        let (content, actual, found) = match blob.kind {
            Kind::Raw if size <= CONTENT_LIMIT && blob.length == size => {
                let mut bytes = vec![0; whole];
                blob.file.read_exact_at(&mut bytes, 0).map_err(failed)?;
                let actual = digest_bytes(&bytes, self.algorithm());
                (Some(bytes), actual, size)
            }
            Kind::Raw => {
                let actual = digest_open(&blob.file, blob.length, self.algorithm()).map_err(failed)?;
                (None, actual, blob.length)
            }
            Kind::Zstd if size <= CONTENT_LIMIT => {
                let bytes = read_packed(&blob.file, 0, whole + 1).unwrap_or_default();
                let (actual, found) = (digest_bytes(&bytes, self.algorithm()), bytes.len() as u64);
                (Some(bytes), actual, found)
            }
            Kind::Zstd => {
                let (actual, found) =
                    unpack(&blob.file, size, None, Hasher::new(self.algorithm())).unwrap_or(([0; 32], 0));
                (None, actual, found)
            }
        };
        self.judge(digest, size, &actual, found, blob.kind)?;
        Ok(content)
    }

    /// Whether a blob is what it is called and as long as the manifest says.
    fn judge(&self, digest: &Digest, size: u64, actual: &Digest, found: u64, kind: Kind) -> Result<(), String> {
        // Of a compressed blob no more is read than the manifest allows, so a wrong size says nothing about the blob.
        if kind == Kind::Zstd && found > size {
            return Err(format!("blob {} has more than {size} bytes", hex(digest)));
        }
        if actual != digest {
            return Err(self.condemn(digest, kind));
        }
        if found != size {
            return Err(format!("blob {} has {found} bytes, not {size}", hex(digest)));
        }
        Ok(())
    }

    /// Remove a damaged blob, so that the next run stores a good one.
    fn condemn(&self, digest: &Digest, kind: Kind) -> String {
        let path = self.blob(digest, kind);
        let removed = match fs::remove_file(&path) {
            Ok(()) => "removed".to_owned(),
            Err(error) => format!("not removed: {}", reason(&error)),
        };
        format!("blob {} is damaged ({removed})", hex(digest))
    }

    /// What is at the output's place.
    fn examine(&self, row: &Row) -> Result<Place, String> {
        let path = self.on_disk(row.path());
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Place::Stale),
            Err(error) => return Err(FsError::new("examine", path, error).into()),
        };
        let is_directory = row.is_directory();
        if found.is_dir() != is_directory {
            let what = if is_directory { "something else than a directory" } else { "a directory" };
            return Err(format!("cannot restore {}: {what} is in its place", path.display()));
        }
        let is_stale = match row {
            Row::Directory { .. } => return Ok(Place::Right),
            Row::Symlink { target, .. } => {
                !found.is_symlink()
                    || fs::read_link(&path).ok().is_none_or(|link| link.as_os_str().as_bytes() != target)
            }
            Row::File { digest, size, mode, .. } => {
                !found.is_file()
                    || found.len() != *size
                    || found.permissions().mode() & 0o7777 != *mode
                    || digest_state(self.tree.memo(), &path, Some(found.clone()))
                        .ok()
                        .is_none_or(|(actual, _)| actual != *digest)
            }
        };
        Ok(match is_stale {
            true => Place::Stale,
            false if self.tree.memo().is_newer(&found) => Place::Recent,
            false => Place::Right,
        })
    }

    /// The first directory on the way to an output that is a link or something else, with what it is (O19).
    pub(super) fn check_parents<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> Result<(), (Vec<u8>, String)> {
        let parents: BTreeSet<&[u8]> = rows.flat_map(|row| ancestors(row.path())).collect();
        for parent in parents {
            let refuse = |why: &str| Err((parent.to_vec(), why.to_owned()));
            match fs::symlink_metadata(self.on_disk(parent)) {
                Ok(found) if found.is_dir() => {}
                Ok(found) if found.is_symlink() => return refuse("it is a symbolic link"),
                Ok(_) => return refuse("it is not a directory"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return refuse(&format!("it cannot be examined: {}", reason(&error))),
            }
        }
        Ok(())
    }

    /// Make those of these directories that are missing.
    fn make_directories<'a>(&self, wanted: impl Iterator<Item = &'a [u8]>) -> Result<NewDirectories<'_>, String> {
        let mut made = NewDirectories { root: &self.root, made: Vec::new() };
        for path in wanted {
            self.make_directory(path, &mut made.made)
                .map_err(|error| FsError::new("create directory", self.on_disk(path), error))?;
        }
        Ok(made)
    }

    /// Make a directory if it is not there, and those that it lies in.
    fn make_directory(&self, path: &[u8], made: &mut Vec<Vec<u8>>) -> io::Result<()> {
        let mut missing = Vec::new();
        let mut there = path;
        let mut directory = loop {
            match Directory::open(&self.root, there) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !there.is_empty() => {
                    missing.push(there);
                    there = split(there).0;
                }
                answer => break answer?,
            }
        };
        for path in missing.into_iter().rev() {
            let name = split(path).1;
            if directory.make(name)? {
                made.push(path.to_vec());
            }
            directory = directory.enter(name)?;
        }
        Ok(())
    }

    /// Stage what belongs into one directory, which is held open meanwhile: whatever becomes of its name, nothing is
    /// written elsewhere.
    fn stage_group<'a>(&'a self, parent: &'a [u8], rows: &[&'a Row]) -> Result<Batch<'a>, String> {
        let directory = Directory::open(&self.root, parent)
            .map_err(|error| FsError::new("open directory", self.on_disk(parent), error))?;
        let answers = each(rows, |row| self.stage_row(&directory, row));
        let mut batch = Batch { root: &self.root, parent, staged: Vec::new() };
        let mut outcome = Ok(());
        for (staged, answer) in answers {
            batch.staged.extend(staged);
            outcome = outcome.and(answer);
        }
        outcome.map(|()| batch)
    }

    /// A new file, which is there even where filling it failed.
    fn stage_row<'a>(&self, directory: &Directory, row: &'a Row) -> (Option<Temporary<'a>>, Result<(), String>) {
        let path = self.on_disk(row.path());
        let name = split(row.path()).1;
        let failed = |error| String::from(FsError::new("create a new file for", &path, error));
        match row {
            Row::Directory { .. } => (None, Ok(())),
            Row::Symlink { target, .. } => match directory.link(target) {
                Ok(temporary) => (Some((temporary, name)), Ok(())),
                Err(error) => (None, Err(failed(error))),
            },
            Row::File { digest, size, mode, .. } => match directory.file() {
                Ok((temporary, copy)) => (Some((temporary, name)), self.fill(&copy, digest, *size, *mode, &path)),
                Err(error) => (None, Err(failed(error))),
            },
        }
    }

    fn fill(&self, copy: &fs::File, digest: &Digest, size: u64, mode: u32, path: &Path) -> Result<(), String> {
        if !self.is_nothing(digest, size) {
            let blob = self.open(digest, self.kinds(size))?;
            let (actual, copied) = match blob.kind {
                Kind::Raw => copy_hashed(&blob, copy, self.algorithm()),
                Kind::Zstd => unpack(&blob.file, size, Some(copy), Hasher::new(self.algorithm())).or_else(|error| {
                    // A frame that makes no sense is damage as much as a wrong digest is.
                    if error.raw_os_error().is_some() { Err(error) } else { Ok(([0; 32], 0)) }
                }),
            }
            .map_err(|error| FsError::new("write a copy for", path, error))?;
            self.judge(digest, size, &actual, copied, blob.kind)?;
        }
        copy.set_permissions(Permissions::from_mode(mode))
            .map_err(|error| FsError::new("set the mode of", path, error))?;
        step("restore-filled");
        Ok(())
    }
}

/// Copy a blob into an empty file; the digest and size of what was copied.
fn copy_hashed(blob: &Blob, copy: &fs::File, algorithm: Algorithm) -> io::Result<(Digest, u64)> {
    if blob.length >= LARGE {
        transfer(&blob.file, blob.length, copy)?;
        let size = copy.metadata()?.len();
        return Ok((digest_open(copy, size, algorithm)?, size));
    }
    let mut hasher = Hasher::new(algorithm);
    let mut offset = 0;
    with_buffer(|buffer| {
        loop {
            match blob.file.read_at(buffer, offset) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    copy.write_all_at(&buffer[..count], offset)?;
                    offset += count as u64;
                    if offset == blob.length {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    })?;
    Ok((hasher.finish(), offset))
}

/// The directories that a workspace path lies in, outer ones first.
pub(super) fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at])
}
