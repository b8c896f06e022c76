//! Outputs into the store.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

use rayon::prelude::*;

use super::keep::Kept;
use super::own_path::holds;
use super::{Blobs, Row, Stream};
use crate::digest::open_regular;
use crate::error::{FsError, reason};
use crate::glob::PatternSet;
use crate::tree::walk::{Found, Kind, Links, Problem, Resolution, What, is_absence, resolve};
use crate::tree::{Tree, digest_state};

/// Why outputs could not be collected; in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CollectKind {
    /// A literal output is not there.
    NotProduced,
    /// A literal output is a directory, a FIFO, …
    NotRegular,
    /// The outputs cannot be told.
    Resolve,
    /// The permission bits of an output cannot be read.
    Mode,
    /// The outputs are fine; storing them failed.
    Store,
}

impl CollectKind {
    /// `not_produced`, `not_regular`, `resolve`, `mode` or `store`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotProduced => "not_produced",
            Self::NotRegular => "not_regular",
            Self::Resolve => "resolve",
            Self::Mode => "mode",
            Self::Store => "store",
        }
    }
}

/// The first thing that went wrong. The order of values is the order of telling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CollectError {
    /// What kind of failure.
    pub kind: CollectKind,
    /// Workspace path of the output; empty for a captured stream.
    pub path: Vec<u8>,
    /// The cause in words.
    pub reason: String,
}

/// The row, where it could be told, and what went wrong.
type Answer = (Option<Row>, Option<CollectError>, bool);

/// What a collection found.
#[derive(Debug, PartialEq, Eq)]
pub struct Collected {
    /// The outputs, sorted by path.
    pub rows: Vec<Row>,
    /// The first output that holds the absolute path of the workspace, if that was asked for.
    pub own_path: Option<Vec<u8>>,
}

fn first_of(problems: Vec<(u32, Problem)>) -> Option<CollectError> {
    let unresolved = problems.into_iter().map(|(_, problem)| {
        let kind = match problem.kind {
            Kind::Resolve if problem.missing => CollectKind::NotProduced,
            Kind::NotRegular => CollectKind::NotRegular,
            Kind::Resolve | Kind::Read | Kind::Outside => CollectKind::Resolve,
        };
        CollectError { kind, path: [b"/", &problem.path[..]].concat(), reason: problem.reason }
    });
    unresolved.min()
}

impl Tree {
    /// The workspace paths of the outputs of a spec that are files or links, of a task whose result is not stored.
    /// Parallel on the current pool: `spawn` it.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn outputs(&self, spec: u32) -> Result<Vec<Vec<u8>>, CollectError> {
        let Resolution { found, problems, .. } = resolve(self.root(), self.patterns(), &[spec], Links::Keep);
        if let Some(first) = first_of(problems) {
            return Err(first);
        }
        let files = found.into_iter().filter(|found| found.what != What::Directory);
        Ok(files.map(|found| [b"/", &found.path[..]].concat()).collect())
    }
}

impl Blobs {
    /// Resolve the outputs of a spec and copy their contents into the store, and the captured streams with them.
    /// Rows are sorted by path. Parallel on the current pool.
    ///
    /// # Errors
    /// The first failure, with the rows when only storing failed.
    pub fn collect(
        &self,
        patterns: &PatternSet,
        spec: u32,
        streams: Option<&[Stream; 2]>,
    ) -> Result<Collected, (CollectError, Vec<Row>)> {
        let Resolution { found, problems, .. } = resolve(&self.root, patterns, &[spec], Links::Keep);
        if let Some(first) = first_of(problems) {
            return Err((first, Vec::new()));
        }
        let answers: Vec<Answer> = found.par_iter().map(|found| self.collect_one(found)).collect();
        let (mut rows, mut failures, mut own_path) = (Vec::with_capacity(answers.len()), Vec::new(), None);
        for (row, failure, holds_own_path) in answers {
            if let Some(row) = &row
                && holds_own_path
                && own_path.is_none()
            {
                own_path = Some(row.path().to_vec());
            }
            rows.extend(row);
            failures.extend(failure);
        }
        if let Err((path, reason)) = self.check_parents(rows.iter()) {
            failures.push(CollectError {
                kind: CollectKind::Store,
                path,
                reason: format!("cannot be restored: {reason}"),
            });
        }
        let unstored = streams.into_iter().flatten().filter_map(|stream| {
            let error = self.put_stream(stream).err()?;
            Some(CollectError { kind: CollectKind::Store, path: Vec::new(), reason: error.to_string() })
        });
        match failures.into_iter().chain(unstored).min() {
            None => Ok(Collected { rows, own_path }),
            Some(first) if first.kind == CollectKind::Store => Err((first, rows)),
            Some(first) => Err((first, Vec::new())),
        }
    }

    fn collect_one(&self, found: &Found) -> Answer {
        let path = [b"/", &found.path[..]].concat();
        let error = |kind, reason: String| Some(CollectError { kind, path: path.clone(), reason });
        let on_disk = self.on_disk(&path);
        let row = match found.what {
            What::Directory => Ok((Row::Directory { path: path.clone() }, false)),
            What::Link => fs::read_link(&on_disk)
                .map(|target| {
                    let target = target.into_os_string().into_vec();
                    let own_path = self.own_path.as_ref().is_some_and(|needle| holds(needle, &target));
                    (Row::Symlink { path: path.clone(), target }, own_path)
                })
                .map_err(|failure| FsError::new("read link", &on_disk, failure)),
            What::File => self.collect_file(&path),
        };
        match row {
            Ok((row, own_path)) => {
                let refused = row.check(&self.root).err();
                let refused = refused.and_then(|rule| error(CollectKind::Store, format!("cannot be restored: {rule}")));
                (Some(row), refused, own_path)
            }
            Err(failure) if is_absence(&failure.source) && failure.path == on_disk => {
                let gone = if found.literal { error(CollectKind::NotProduced, failure.reason()) } else { None };
                (None, gone, false)
            }
            Err(failure) => {
                let metadata = match fs::metadata(&on_disk) {
                    Ok(metadata) => metadata,
                    Err(failure) => return (None, error(CollectKind::Mode, reason(&failure)), false),
                };
                let row = digest_state(self.tree.memo(), &on_disk, None).ok().map(|(digest, _)| Row::File {
                    path: path.clone(),
                    digest,
                    size: metadata.len(),
                    mode: metadata.permissions().mode() & 0o7777,
                });
                (row, error(CollectKind::Store, failure.to_string()), false)
            }
        }
    }

    fn collect_file(&self, path: &[u8]) -> Result<(Row, bool), FsError> {
        let on_disk = self.on_disk(path);
        let (file, metadata) =
            open_regular(&on_disk).map_err(|error: io::Error| FsError::new("open", &on_disk, error))?;
        let Kept { digest, size, own_path } = self.put_file(&file, &on_disk)?;
        let mode = metadata.permissions().mode() & 0o7777;
        Ok((Row::File { path: path.to_vec(), digest, size, mode }, own_path))
    }
}
