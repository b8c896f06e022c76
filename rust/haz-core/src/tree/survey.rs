//! What lies where a task may write, and in which state: so that nothing is removed that no task has made.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use rayon::prelude::*;

use super::Tree;
use super::walk::{Links, What, resolve};

const SECOND: i64 = 1_000_000_000;

/// A state of a file that no writer leaves unchanged. A change of its permissions does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Number of the inode.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// When it was written, in nanoseconds since the epoch.
    pub modified: i64,
}

impl State {
    /// The state that `lstat` tells of.
    pub fn of(metadata: &Metadata) -> Self {
        let modified = metadata.mtime().saturating_mul(SECOND).saturating_add(metadata.mtime_nsec());
        Self { inode: metadata.ino(), size: metadata.size(), modified }
    }
}

/// A file or link of a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Workspace path, with its leading `/`.
    pub path: Vec<u8>,
    /// Its state.
    pub state: State,
}

impl Tree {
    /// The files and links that belong to a spec, by `lstat` alone, sorted by path. What
    /// cannot be listed is left out. Parallel on the current pool: `spawn` it, or see `survey_now`.
    pub fn survey(&self, spec: u32) -> Vec<Seen> {
        let found = resolve(&self.root, &self.patterns, &[spec], Links::Keep).found;
        let look = |path: &[u8]| {
            let metadata = fs::symlink_metadata(self.root.join(OsStr::from_bytes(path))).ok()?;
            Some(Seen { path: [b"/", path].concat(), state: State::of(&metadata) })
        };
        let found = found.par_iter().with_max_len(64).filter(|found| found.what != What::Directory);
        found.filter_map(|found| look(&found.path)).collect()
    }

    /// The same for a caller that waits.
    pub fn survey_now(&self, spec: u32) -> Vec<Seen> {
        self.pool.install(|| self.survey(spec))
    }
}
