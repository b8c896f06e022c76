//! Asking the disk before anybody knows what will be wanted: it takes the most time of a run with nothing to do.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use super::Checkpoint;
use super::facts::Root;
use crate::digest::Digest;

/// Facts that a thread asks in a row.
const CHUNK: usize = 512;

/// A checkpoint that is being read, and whose facts are being asked, while others prepare the run.
pub struct Ahead {
    place: PathBuf,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    root: Root,
    file: PathBuf,
    checkpoint: OnceLock<Checkpoint>,
    next: AtomicUsize,
    answers: Mutex<Vec<(usize, Vec<Option<i128>>)>>,
}

impl Ahead {
    /// Begin, with as many threads as there are cores: whoever prepares the run needs one of them. `root` is the workspace
    /// root. `None` when it cannot be opened.
    pub fn start(root: &Path, file: &Path) -> Option<Self> {
        let shared = Arc::new(Shared {
            root: Root::new(root).ok()?,
            file: file.into(),
            checkpoint: OnceLock::new(),
            next: AtomicUsize::new(0),
            answers: Mutex::default(),
        });
        let worker = |number| {
            let shared = shared.clone();
            thread::Builder::new().name(format!("haz-ahead-{number}")).spawn(move || shared.ask()).ok()
        };
        let workers = (0..thread::available_parallelism().map_or(2, usize::from)).filter_map(worker).collect();
        Some(Self { place: root.into(), shared, workers })
    }

    /// Whether this is about that root and file.
    pub fn is_of(&self, root: &Path, file: &Path) -> bool {
        self.place == root && self.shared.file == file
    }

    /// Help until all is asked. Empty for a checkpoint of another identity.
    pub fn finish(mut self, identity: &Digest) -> Checkpoint {
        if self.shared.checkpoint().identity != *identity {
            return Checkpoint::default();
        }
        self.shared.ask();
        let sound = std::mem::take(&mut self.workers).into_iter().all(|worker| worker.join().is_ok());
        let (mut answers, mut count) = (vec![None; self.shared.checkpoint().facts.len()], 0);
        for (from, asked) in self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            count += asked.len();
            answers[from..from + asked.len()].copy_from_slice(&asked);
        }
        let checkpoint = Arc::get_mut(&mut self.shared).and_then(|shared| shared.checkpoint.take());
        match checkpoint {
            Some(checkpoint) if sound && count == answers.len() => Checkpoint { answers: Some(answers), ..checkpoint },
            _ => Checkpoint::default(),
        }
    }
}

impl Drop for Ahead {
    /// Nobody waits for the answers any more.
    fn drop(&mut self) {
        self.shared.next.store(usize::MAX / 2, Ordering::Relaxed);
    }
}

impl Shared {
    fn checkpoint(&self) -> &Checkpoint {
        self.checkpoint.get_or_init(|| Checkpoint::read(&self.file).unwrap_or_default())
    }

    fn ask(&self) {
        let facts = &self.checkpoint().facts;
        loop {
            let from = self.next.fetch_add(CHUNK, Ordering::Relaxed);
            if from >= facts.len() {
                return;
            }
            let asked = (from..facts.len().min(from + CHUNK)).map(|fact| facts.holds(&self.root, fact, &[])).collect();
            self.answers.lock().unwrap_or_else(PoisonError::into_inner).push((from, asked));
        }
    }
}
