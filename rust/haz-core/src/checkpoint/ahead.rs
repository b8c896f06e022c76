//! Asking the disk before anybody knows what will be wanted: it takes the most time of a run with nothing to do.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use super::Checkpoint;
use super::asked::{Answers, Questions};
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
    /// What was read, which questions that are, and the answers.
    read: OnceLock<(Checkpoint, Questions, Answers)>,
    next: AtomicUsize,
}

impl Ahead {
    /// Begin, with as many threads as there are cores: whoever prepares the run needs one of them. `root` is the workspace
    /// root. `None` when it cannot be opened.
    pub fn start(root: &Path, file: &Path) -> Option<Self> {
        let shared = Arc::new(Shared {
            root: Root::new(root).ok()?,
            file: file.into(),
            read: OnceLock::new(),
            next: AtomicUsize::new(0),
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
        if self.shared.read().0.identity != *identity {
            return Checkpoint::default();
        }
        self.shared.ask();
        let sound = std::mem::take(&mut self.workers).into_iter().all(|worker| worker.join().is_ok());
        match Arc::get_mut(&mut self.shared).and_then(|shared| shared.read.take()) {
            Some((checkpoint, _, answers)) if sound && answers.are_complete() => {
                Checkpoint { answers: Some(answers), ..checkpoint }
            }
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
    fn read(&self) -> &(Checkpoint, Questions, Answers) {
        self.read.get_or_init(|| {
            let checkpoint = Checkpoint::read(&self.file).unwrap_or_default();
            let (questions, answers) = (Questions::new(&checkpoint, None), Answers::of(checkpoint.facts.len()));
            (checkpoint, questions, answers)
        })
    }

    fn ask(&self) {
        let (checkpoint, questions, answers) = self.read();
        let count = checkpoint.facts.len();
        loop {
            let from = self.next.fetch_add(CHUNK, Ordering::Relaxed);
            if from >= count {
                return;
            }
            (from..count.min(from + CHUNK)).for_each(|fact| questions.ask(checkpoint, &self.root, fact, answers));
        }
    }
}
