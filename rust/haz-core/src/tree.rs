//! The workspace's files as the specs see them: resolved in one walk, hashed, and each spec's inputs digested.

mod memo;
pub(crate) mod past;
pub(crate) mod stamp;
mod survey;
pub mod walk;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use rayon::prelude::*;

use crate::digest::{Algorithm, Digest, digest_bytes, open_regular};
use crate::error::reason;
use crate::glob::PatternSet;
pub use memo::Memo;
pub use stamp::now;
pub use survey::{Seen, State};
use walk::{Found, Kind, Links, Problem, Resolution, is_absence, resolve};

/// The workspace's files. Each call reads the disk anew; digests are reused while `stat` proves them.
pub struct Tree {
    root: PathBuf,
    patterns: Arc<PatternSet>,
    memo: Arc<Memo>,
    pool: rayon::ThreadPool,
}

/// One input file.
#[derive(Debug)]
struct Row {
    /// Workspace path, with its leading `/`.
    path: Vec<u8>,
    digest: Digest,
    executable: bool,
    state: State,
}

/// The resolved and hashed input files of one spec.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// All files of the walk; shared by its specs.
    files: Arc<Vec<Row>>,
    rows: Vec<u32>,
    /// Digest of the section, or what is wrong.
    pub outcome: Result<Digest, Problem>,
}

impl Inputs {
    /// `(workspace path, digest, executable)` of each file, once, sorted by path bytes; nothing after an error.
    pub fn rows(&self) -> impl Iterator<Item = (&[u8], &Digest, bool)> {
        self.rows.iter().map(|row| {
            let Row { path, digest, executable, .. } = &self.files[*row as usize];
            (&path[..], digest, *executable)
        })
    }

    /// The files that have the content which they had in `earlier`, but were written in between.
    pub fn rewritten_since<'a>(&'a self, earlier: &'a Self) -> impl Iterator<Item = &'a [u8]> {
        let row = |inputs: &'a Self, at: usize| inputs.rows.get(at).map(|row| &inputs.files[*row as usize]);
        let mut at = 0;
        (0..self.rows.len()).filter_map(move |number| {
            let now = row(self, number)?;
            // Both are sorted by path.
            while row(earlier, at).is_some_and(|then| then.path < now.path) {
                at += 1;
            }
            let then = row(earlier, at).filter(|then| then.path == now.path)?;
            (then.digest == now.digest && then.state != now.state).then_some(&now.path[..])
        })
    }
}

/// `H(u32(n) ‖ n × (H(content) ‖ u8(executable) ‖ u32(length of path) ‖ path))`; numbers are big-endian. The rows are
/// `(path without leading "/", digest, executable)`.
fn section<'a>(algorithm: Algorithm, rows: impl ExactSizeIterator<Item = (&'a [u8], &'a Digest, bool)>) -> Digest {
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut framed = Vec::with_capacity(4 + rows.len() * 80);
    framed.extend(number(rows.len()));
    for (path, digest, executable) in rows {
        framed.extend(digest);
        framed.push(u8::from(executable));
        framed.extend(number(1 + path.len()));
        framed.push(b'/');
        framed.extend(path);
    }
    digest_bytes(&framed, algorithm)
}

/// Threads that read: `workers`, or for 0 as many as suit the machine.
///
/// # Errors
/// They could not be started.
pub fn threads(workers: usize) -> io::Result<rayon::ThreadPool> {
    // More threads than cores pay while the page cache is cold and cost little when it is warm.
    let choice = available_parallelism().map_or(4, |cores| cores.get().clamp(4, 16));
    rayon::ThreadPoolBuilder::new()
        .num_threads(if workers == 0 { choice } else { workers })
        .thread_name(|number| format!("haz-files-{number}"))
        .build()
        .map_err(io::Error::other)
}

/// Whoever has no more lists of patterns hardly reads so many files that the digests of all others pay.
const FEW: usize = 64;

pub(crate) fn is_executable(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o100 != 0
}

impl Tree {
    /// `workers` is the number of reader threads, 0 for a choice that suits the machine. `stat_cache` is the file that
    /// carries digests from one process to the next.
    ///
    /// # Errors
    /// The threads could not be started.
    pub fn new(
        root: PathBuf,
        algorithm: Algorithm,
        patterns: Arc<PatternSet>,
        workers: usize,
        stat_cache: Option<PathBuf>,
    ) -> io::Result<Self> {
        let pool = threads(workers)?;
        let memo = Arc::new(Memo::new(algorithm, stat_cache));
        if patterns.len() > FEW {
            let early = Arc::clone(&memo);
            pool.spawn(move || {
                early.past();
            });
        }
        Ok(Self { root, patterns, memo, pool })
    }

    /// Run `work` in the background on the tree's own threads.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.pool.spawn(work);
    }

    /// Run `work` on the tree's own threads, and wait for it.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }

    /// The workspace root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The digest of the section that these rows make: `(path without leading "/", digest, executable)`, sorted by path.
    pub(crate) fn section<'a>(&self, rows: impl ExactSizeIterator<Item = (&'a [u8], &'a Digest, bool)>) -> Digest {
        section(self.memo.algorithm(), rows)
    }

    /// The pattern lists that specs are numbers of.
    pub fn patterns(&self) -> &Arc<PatternSet> {
        &self.patterns
    }

    /// The digests that are known.
    pub fn memo(&self) -> &Memo {
        &self.memo
    }

    /// Resolve and hash the files of these specs in one walk. Parallel on the current pool: `spawn` it.
    pub fn fingerprint(&self, specs: &[u32]) -> Vec<Inputs> {
        let Resolution { found, problems, .. } = resolve(&self.root, &self.patterns, specs, Links::Follow);
        let mut first: HashMap<u32, Problem> = HashMap::new();
        for (spec, problem) in problems {
            note(&mut first, spec, problem);
        }
        let hurry = self.memo.is_slower_than(found.len());
        let read: Vec<Result<Option<Row>, Problem>> =
            found.par_iter().with_max_len(64).map(|file| self.row(file, hurry)).collect();
        let mut files = Vec::with_capacity(found.len());
        let mut rows = vec![Vec::new(); specs.len()];
        for (file, answer) in found.into_iter().zip(read) {
            match answer {
                Ok(None) => {}
                Ok(Some(row)) => {
                    let number = u32::try_from(files.len()).unwrap_or(u32::MAX);
                    files.push(row);
                    file.specs.iter().for_each(|spec| rows[*spec as usize].push(number));
                }
                Err(problem) => file.specs.iter().for_each(|spec| note(&mut first, *spec, problem.clone())),
            }
        }
        let files = Arc::new(files);
        let finish = |(spec, rows): (usize, Vec<u32>)| {
            let files = Arc::clone(&files);
            if let Some(problem) = u32::try_from(spec).ok().and_then(|spec| first.get(&spec)) {
                return Inputs { files, rows: Vec::new(), outcome: Err(problem.clone()) };
            }
            let row = |row: &u32| {
                let Row { path, digest, executable, .. } = &files[*row as usize];
                (&path[1..], digest, *executable)
            };
            let digest = section(self.memo.algorithm(), rows.iter().map(row));
            Inputs { files, rows, outcome: Ok(digest) }
        };
        rows.into_par_iter().enumerate().map(finish).collect()
    }

    /// The row of a file; `None` when a glob found it and it has vanished since.
    fn row(&self, file: &Found, hurry: bool) -> Result<Option<Row>, Problem> {
        let on_disk = self.root.join(OsStr::from_bytes(&file.path));
        match digest_in(&self.memo, &on_disk, None, hurry) {
            Ok((digest, metadata)) => {
                let (path, executable) = ([b"/", &file.path[..]].concat(), is_executable(&metadata));
                Ok(Some(Row { path, digest, executable, state: State::of(&metadata) }))
            }
            Err(error) if is_absence(&error) && !file.literal => Ok(None),
            Err(error) => {
                let missing = is_absence(&error);
                let kind = if missing { Kind::Resolve } else { Kind::Read };
                Err(Problem { path: file.path.clone(), kind, reason: reason(&error), missing })
            }
        }
    }
}

/// Keep the first problem of a spec in path order.
fn note(first: &mut HashMap<u32, Problem>, spec: u32, problem: Problem) {
    let known = first.entry(spec).or_insert_with(|| problem.clone());
    if problem < *known {
        *known = problem;
    }
}

/// The digest of a file's content, links followed, with the state it belongs to. `seen` is what `stat` has just said.
pub(crate) fn digest_state(memo: &Memo, path: &Path, seen: Option<Metadata>) -> io::Result<(Digest, Metadata)> {
    digest_in(memo, path, seen, false)
}

fn digest_in(memo: &Memo, path: &Path, seen: Option<Metadata>, hurry: bool) -> io::Result<(Digest, Metadata)> {
    let metadata = seen.map_or_else(|| fs::metadata(path), Ok)?;
    if let Some(digest) = memo.get_in(path, &metadata, hurry) {
        return Ok((digest, metadata));
    }
    let (file, metadata) = open_regular(path)?;
    Ok((memo.digest(path, &file)?, metadata))
}

#[cfg(test)]
mod tests;
