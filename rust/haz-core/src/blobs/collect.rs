//! Outputs into the store.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

use rayon::prelude::*;

use super::{Blobs, Row, Stream};
use crate::digest::open_regular;
use crate::error::{FsError, reason};
use crate::glob::PatternSet;
use crate::tree::digest_state;
use crate::tree::walk::{Found, Kind, Links, Resolution, is_absence, resolve};

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
type Answer = (Option<Row>, Option<CollectError>);

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
    ) -> Result<Vec<Row>, (CollectError, Vec<Row>)> {
        let Resolution { found, problems, .. } = resolve(&self.root, patterns, &[spec], Links::Keep);
        let unresolved = problems.into_iter().map(|(_, problem)| {
            let kind = match problem.kind {
                Kind::Resolve if problem.missing => CollectKind::NotProduced,
                Kind::NotRegular => CollectKind::NotRegular,
                Kind::Resolve | Kind::Read | Kind::Outside => CollectKind::Resolve,
            };
            CollectError { kind, path: [b"/", &problem.path[..]].concat(), reason: problem.reason }
        });
        if let Some(first) = unresolved.min() {
            return Err((first, Vec::new()));
        }
        let answers: Vec<Answer> = found.par_iter().map(|found| self.collect_one(found)).collect();
        let (rows, failures): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        let rows: Vec<Row> = rows.into_iter().flatten().collect();
        let unstored = streams.into_iter().flatten().filter_map(|stream| {
            let error = self.put_stream(stream).err()?;
            Some(CollectError { kind: CollectKind::Store, path: Vec::new(), reason: error.to_string() })
        });
        match failures.into_iter().flatten().chain(unstored).min() {
            None => Ok(rows),
            Some(first) if first.kind == CollectKind::Store => Err((first, rows)),
            Some(first) => Err((first, Vec::new())),
        }
    }

    fn collect_one(&self, found: &Found) -> Answer {
        let path = [b"/", &found.path[..]].concat();
        let error = |kind, reason: String| Some(CollectError { kind, path: path.clone(), reason });
        let on_disk = self.on_disk(&path);
        let row = if found.link {
            fs::read_link(&on_disk)
                .map(|target| Row::Symlink { path: path.clone(), target: target.into_os_string().into_vec() })
                .map_err(|failure| FsError::new("read link", &on_disk, failure))
        } else {
            self.collect_file(&path)
        };
        match row {
            Ok(row) => {
                let refused = row.check(&self.root).err();
                (Some(row), refused.and_then(|rule| error(CollectKind::Store, format!("cannot be restored: {rule}"))))
            }
            Err(failure) if is_absence(&failure.source) && failure.path == on_disk => {
                let gone = if found.literal { error(CollectKind::NotProduced, failure.reason()) } else { None };
                (None, gone)
            }
            Err(failure) => {
                let metadata = match fs::metadata(&on_disk) {
                    Ok(metadata) => metadata,
                    Err(failure) => return (None, error(CollectKind::Mode, reason(&failure))),
                };
                let row = digest_state(self.tree.memo(), &on_disk, None).ok().map(|(digest, _)| Row::File {
                    path: path.clone(),
                    digest,
                    size: metadata.len(),
                    mode: metadata.permissions().mode() & 0o7777,
                });
                (row, error(CollectKind::Store, failure.to_string()))
            }
        }
    }

    fn collect_file(&self, path: &[u8]) -> Result<Row, FsError> {
        let on_disk = self.on_disk(path);
        let (file, metadata) =
            open_regular(&on_disk).map_err(|error: io::Error| FsError::new("open", &on_disk, error))?;
        let (digest, size) = self.put_file(&file, &on_disk)?;
        Ok(Row::File { path: path.to_vec(), digest, size, mode: metadata.permissions().mode() & 0o7777 })
    }
}
