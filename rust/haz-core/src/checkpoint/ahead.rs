//! Asking the disk before anybody knows what will be wanted: it takes the most time of a run with nothing to do.
//!
//! The first thread proves the configuration, which is wanted first, while the second one reads the checkpoint.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use super::Checkpoint;
use super::asked::{Answers, Questions};
use super::facts::Root;
use super::proven::Proven;
use crate::digest::Digest;

/// Facts that a thread asks in a row.
const CHUNK: usize = 512;

/// A checkpoint that is being read, and whose facts are being asked, while others prepare the run.
pub struct Ahead {
    place: PathBuf,
    configuration: Arc<Configuration>,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// The configuration as it was understood last.
pub struct Configuration {
    root: PathBuf,
    file: PathBuf,
    names: Vec<Vec<u8>>,
    proven: OnceLock<Option<Proven>>,
    taken: AtomicBool,
}

impl Configuration {
    /// Whether this is about that root and file, and asked for the first time: what was proven was so when it began.
    pub fn take(&self, root: &Path, file: &Path) -> bool {
        self.root == root && self.file == file && !self.taken.swap(true, Ordering::Relaxed)
    }

    /// Wait for it, or read it; `None` if not all of it holds.
    pub fn get(&self) -> Option<&Proven> {
        let prove = || {
            let names: Vec<&[u8]> = self.names.iter().map(Vec::as_slice).collect();
            let root = Root::new(&self.root).ok()?;
            Proven::read(&self.file).filter(|proven| proven.holds(&root, &names, false))
        };
        self.proven.get_or_init(prove).as_ref()
    }
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
    /// root, `configuration` a [`Proven`] file, whose facts may be about `names`. `None` when the root cannot be opened.
    pub fn start(root: &Path, file: &Path, configuration: &Path, names: Vec<Vec<u8>>) -> Option<Self> {
        let proven = OnceLock::new();
        let (file_of_it, taken) = (configuration.into(), AtomicBool::new(false));
        let configuration = Arc::new(Configuration { root: root.into(), file: file_of_it, names, proven, taken });
        let shared = Arc::new(Shared {
            root: Root::new(root).ok()?,
            file: file.into(),
            read: OnceLock::new(),
            next: AtomicUsize::new(0),
        });
        let worker = |number| {
            let (shared, configuration) = (shared.clone(), configuration.clone());
            let work = move || {
                if number == 0 {
                    configuration.get();
                }
                shared.ask();
            };
            thread::Builder::new().name(format!("haz-ahead-{number}")).spawn(work).ok()
        };
        let workers = (0..thread::available_parallelism().map_or(2, usize::from)).filter_map(worker).collect();
        Some(Self { place: root.into(), configuration, shared, workers })
    }

    /// The configuration that is proven meanwhile.
    pub fn configuration(&self) -> Arc<Configuration> {
        self.configuration.clone()
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
