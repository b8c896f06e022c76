//! Outputs back in place: all of them verified and staged before the first one appears.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::row::check_path;
use super::stage::{Staged, sweep};
use super::{Blobs, Row, copy_hashed};
use crate::digest::{Digest, digest_bytes, digest_open, hex};
use crate::error::{FsError, reason};
use crate::tree::{State, digest_state};

/// Streams up to this size (bytes) are handed out with the answer.
const CONTENT_LIMIT: u64 = 1 << 20;

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

impl From<FsError> for String {
    fn from(error: FsError) -> Self {
        error.to_string()
    }
}

/// Directories made for a restore, removed again (while they are empty) unless it succeeds.
#[derive(Default)]
struct NewDirectories(Vec<PathBuf>);

impl Drop for NewDirectories {
    fn drop(&mut self) {
        for directory in self.0.iter().rev() {
            // One that someone has put a file into meanwhile stays, as it should.
            let _ = fs::remove_dir(directory);
        }
    }
}

impl Blobs {
    /// Put outputs in place as the rows say, verify the stream blobs `(digest, size)`, then remove what an earlier result
    /// has left behind. Parallel on the current pool.
    ///
    /// # Errors
    /// What went wrong, in words. No output is ever left half-written, and none is touched before all are staged.
    pub fn restore(&self, rows: &[Row], streams: &[(Digest, u64)], leftovers: &Leftovers) -> Result<Restored, String> {
        self.check_rows(rows)?;
        self.check_parents(rows)?;
        let contents =
            streams.iter().map(|(digest, size)| self.verify(digest, *size)).collect::<Result<Vec<_>, String>>()?;
        let places: Vec<Place> = rows.par_iter().map(|row| self.examine(row)).collect::<Result<_, String>>()?;
        let recent = places.contains(&Place::Recent);
        let stale = rows.iter().zip(places).filter(|(_, place)| *place == Place::Stale);
        let stale: Vec<&Row> = stale.map(|(row, _)| row).collect();
        let mut made = self.make_parents(&stale)?;
        let staged: Result<Vec<Option<Staged>>, String> = stale.par_iter().map(|row| self.stage_row(row)).collect();
        for (row, staged) in stale.iter().zip(staged?) {
            if let Some(staged) = staged {
                staged.rename(&self.on_disk(row.path()))?;
            }
        }
        made.0.clear();
        let paths: Vec<PathBuf> = stale.iter().map(|row| self.on_disk(row.path())).collect();
        let directories: BTreeSet<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
        directories.into_par_iter().for_each(sweep);
        let removed = self.remove(leftovers)?;
        Ok(Restored { written: stale.len(), removed, kept: rows.len() - stale.len(), recent, contents })
    }

    /// Remove leftovers that are still as they were left; how many.
    fn remove(&self, leftovers: &Leftovers) -> Result<usize, String> {
        let remove = |(path, state): &(Vec<u8>, State)| -> Result<usize, String> {
            let on_disk = self.on_disk(path);
            let plain = |parent: &[u8]| fs::symlink_metadata(self.on_disk(parent)).is_ok_and(|found| found.is_dir());
            if check_path(path).is_err() || !parents([&path[..]].into_iter()).into_iter().all(plain) {
                return Ok(0);
            }
            match fs::symlink_metadata(&on_disk) {
                Ok(found) if !found.is_dir() && State::of(&found) == *state => {}
                _ => return Ok(0),
            }
            match fs::remove_file(&on_disk) {
                Ok(()) => Ok(1),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
                Err(error) => Err(FsError::new("remove the leftover", on_disk, error).into()),
            }
        };
        let removed = leftovers.files.par_iter().map(remove).sum::<Result<usize, String>>()?;
        if removed > 0 {
            let directories: BTreeSet<&Vec<u8>> = leftovers.directories.iter().collect();
            for directory in directories.into_iter().rev().filter(|path| check_path(path).is_ok()) {
                // One that still holds something stays, as it should.
                let _ = fs::remove_dir(self.on_disk(directory));
            }
        }
        Ok(removed)
    }

    /// Rows come from a manifest that anyone may have written.
    fn check_rows(&self, rows: &[Row]) -> Result<(), String> {
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
        let directories: BTreeSet<&[u8]> =
            rows.iter().filter(|row| matches!(row, Row::Directory { .. })).map(Row::path).collect();
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
        if size == 0 && digest_bytes(b"", self.algorithm()) == *digest {
            return Ok(Some(Vec::new()));
        }
        let (file, found) = self.open(digest)?;
        let failed = |error| FsError::new("read", self.blob(digest), error);
        let (content, actual) = if size <= CONTENT_LIMIT && found == size {
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut bytes, 0).map_err(failed)?;
            let actual = digest_bytes(&bytes, self.algorithm());
            (Some(bytes), actual)
        } else {
            (None, digest_open(&file, found, self.algorithm()).map_err(failed)?)
        };
        self.judge(digest, size, &actual, found)?;
        Ok(content)
    }

    /// Whether a blob is what it is called and as long as the manifest says.
    fn judge(&self, digest: &Digest, size: u64, actual: &Digest, found: u64) -> Result<(), String> {
        if actual != digest {
            return Err(self.condemn(digest));
        }
        if found != size {
            return Err(format!("blob {} has {found} bytes, not {size}", hex(digest)));
        }
        Ok(())
    }

    /// Remove a damaged blob, so that the next run stores a good one.
    fn condemn(&self, digest: &Digest) -> String {
        let path = self.blob(digest);
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
        let is_directory = matches!(row, Row::Directory { .. });
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

    /// A parent that is a link or no directory is refused, wherever it leads (O19).
    fn check_parents(&self, rows: &[Row]) -> Result<(), String> {
        for parent in parents(rows.iter().map(Row::path)) {
            let path = self.on_disk(parent);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => {}
                Ok(found) => {
                    let what = if found.is_symlink() { "is a symbolic link" } else { "is not a directory" };
                    return Err(format!("refused to restore through {}: it {what}", path.display()));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(FsError::new("examine", path, error).into()),
            }
        }
        Ok(())
    }

    fn make_parents(&self, rows: &[&Row]) -> Result<NewDirectories, String> {
        let mut made = NewDirectories::default();
        let mut wanted = parents(rows.iter().map(|row| row.path()));
        wanted.extend(rows.iter().filter(|row| matches!(row, Row::Directory { .. })).map(|row| row.path()));
        for parent in wanted {
            let path = self.on_disk(parent);
            match fs::create_dir(&path) {
                Ok(()) => made.0.push(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(FsError::new("create directory", path, error).into()),
            }
        }
        Ok(made)
    }

    fn stage_row(&self, row: &Row) -> Result<Option<Staged>, String> {
        let path = self.on_disk(row.path());
        let directory = path.parent().unwrap_or(&self.root);
        let (digest, size, mode) = match row {
            Row::Symlink { target, .. } => return Ok(Some(Staged::link(directory, target)?)),
            Row::Directory { .. } => return Ok(None),
            Row::File { digest, size, mode, .. } => (digest, *size, *mode),
        };
        let (blob, found) = self.open(digest)?;
        let (staged, copy) = Staged::file(directory, 0o600)?;
        let (actual, copied) = copy_hashed(&blob, found, &copy, self.algorithm(), &path)?;
        self.judge(digest, size, &actual, copied)?;
        copy.set_permissions(Permissions::from_mode(mode))
            .map_err(|error| FsError::new("set the mode of", &path, error))?;
        Ok(Some(staged))
    }
}

/// The directories that the paths lie in, each once, outer ones first.
fn parents<'a>(paths: impl Iterator<Item = &'a [u8]>) -> BTreeSet<&'a [u8]> {
    let of_path = |path: &'a [u8]| {
        let slashes = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
        slashes.map(move |(at, _)| &path[..at])
    };
    paths.flat_map(of_path).collect()
}
