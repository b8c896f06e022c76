//! Hears of changes to files while this process lives (`haz run --watch`).
//!
//! The system is asked to tell of directories, and only of those that a pattern leads into: the tree may hold a hundred
//! times as many. What it tells is taken for a sign and no more: whether a path matters is matched, and what is there is
//! looked at. A change may be told that is none, but none is left out.

#[cfg_attr(not(target_os = "linux"), path = "fsevents.rs")]
#[cfg_attr(target_os = "linux", path = "inotify.rs")]
mod ears;
mod ground;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::error::FsError;
use crate::glob::PatternSet;
use ears::{Closer, Ears};
use ground::Ground;

/// What the system has to say.
#[derive(Debug)]
enum Heard {
    /// Something about the entry of that name in a directory.
    Entry(PathBuf, OsString),
    /// A directory is gone, or is another one than before.
    Gone(PathBuf),
    /// More has happened than could be told.
    Lost,
}

/// Which paths matter. All of them are workspace paths without the leading `/`.
pub struct Interest {
    /// Files that match one of its specs.
    pub patterns: Arc<PatternSet>,
    /// Files beside that, also in directories that no pattern sees; with a `/` at the end, whatever is right in there.
    pub files: Vec<Vec<u8>>,
    /// Names that matter wherever a pattern leads.
    pub names: Vec<Vec<u8>>,
}

/// What has happened since it was last asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Workspace paths without the leading `/`. One that ends in `/` stands for everything below it; `/` for everything.
    pub paths: BTreeSet<Vec<u8>>,
    /// Why something may go unheard from here on, in words.
    pub problems: Vec<String>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.problems.is_empty()
    }
}

/// Whom to tell of the next change.
type Sink = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    changes: Changes,
    sink: Option<Sink>,
}

/// Listens until it is dropped.
pub struct Watch {
    state: Arc<Mutex<State>>,
    thread: Option<(Closer, thread::JoinHandle<()>)>,
}

impl Watch {
    /// Listen to the workspace at `root`. What happens from the return of this function on is heard.
    ///
    /// # Errors
    /// When the system refuses, as when the user may not listen to so many directories.
    pub fn new(root: &Path, interest: Interest) -> Result<Self, FsError> {
        let real = root.canonicalize().map_err(|error| FsError::new("find", root, error))?;
        let (ears, closer) = Ears::new(&real).map_err(|error| FsError::new("listen to", root, error))?;
        let mut ground = Ground::new(real, interest, ears);
        ground.explore_all(None);
        if let Some(refused) = ground.refused.take() {
            return Err(refused);
        }
        let state = Arc::new(Mutex::new(State::default()));
        let heard = Arc::clone(&state);
        let work = move || {
            while let Some(batch) = ground.listen() {
                tell(&heard, batch);
            }
        };
        let thread = thread::Builder::new()
            .name("haz-watch".to_owned())
            .spawn(work)
            .map_err(|error| FsError::new("listen to", root, error))?;
        Ok(Self { state, thread: Some((closer, thread)) })
    }

    /// Call `sink` once, with the next change; now, when there is one that was not taken yet. It replaces the last one.
    pub fn tell(&self, sink: impl FnOnce() + Send + 'static) {
        let mut state = lock(&self.state);
        if state.changes.is_empty() {
            state.sink = Some(Box::new(sink));
        } else {
            state.sink = None;
            drop(state);
            sink();
        }
    }

    /// Take what has changed since the last time.
    pub fn take(&self) -> Changes {
        std::mem::take(&mut lock(&self.state).changes)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((closer, thread)) = self.thread.take() {
            drop(closer);
            // It ends by itself; one that panicked has told so.
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell(state: &Mutex<State>, mut batch: Changes) {
    if batch.is_empty() {
        return;
    }
    let mut state = lock(state);
    state.changes.paths.append(&mut batch.paths);
    state.changes.problems.append(&mut batch.problems);
    let sink = state.sink.take();
    drop(state);
    if let Some(sink) = sink {
        sink();
    }
}
