//! macOS, by the crate `notify`: FSEvents tell of a whole tree at once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::Heard;

/// Something to tell, or nothing any more.
type Told = Option<notify::Result<Event>>;

/// Ends `Ears::wait` when it is dropped.
pub struct Closer {
    sender: Sender<Told>,
}

impl Drop for Closer {
    fn drop(&mut self) {
        // Without a receiver it has ended already.
        let _ = self.sender.send(None);
    }
}

/// What hears.
pub struct Ears {
    root: PathBuf,
    told: Receiver<Told>,
    _watcher: RecommendedWatcher,
}

impl Ears {
    /// Hear everything below the workspace, a path without links.
    pub fn new(root: &Path) -> io::Result<(Self, Closer)> {
        let (sender, told) = channel();
        let teller = sender.clone();
        let handler = move |event| {
            let _ = teller.send(Some(event));
        };
        let mut watcher = RecommendedWatcher::new(handler, Config::default()).map_err(io::Error::other)?;
        watcher.watch(root, RecursiveMode::Recursive).map_err(io::Error::other)?;
        Ok((Self { root: root.to_path_buf(), told, _watcher: watcher }, Closer { sender }))
    }

    /// Everything is listened to already.
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)]
    pub fn listen(&mut self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }

    /// What nobody asks for is not matched.
    #[allow(clippy::unused_self)]
    pub fn forget(&mut self, _directory: &Path) {}

    /// Wait for something to be told; `None` when the closer is gone.
    pub fn wait(&mut self) -> Option<Vec<Heard>> {
        let event = match self.told.recv() {
            Ok(Some(Ok(event))) => event,
            Ok(Some(Err(_))) => return Some(vec![Heard::Lost]),
            Ok(None) | Err(_) => return None,
        };
        if event.need_rescan() {
            return Some(vec![Heard::Lost]);
        }
        let heard = |path: &PathBuf| match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if *path != self.root => Heard::Entry(parent.to_owned(), name.to_owned()),
            _ => Heard::Gone(self.root.clone()),
        };
        Some(event.paths.iter().map(heard).collect())
    }
}
