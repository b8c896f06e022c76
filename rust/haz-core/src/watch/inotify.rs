//! Linux: one inotify instance, one watch for each directory.
//!
//! The crate `inotify` and not `notify` above it: that also listens to every opening of a file, of which a run of haz
//! makes more than the kernel keeps for a reader.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};

use super::Heard;

/// Room for a thousand events.
const BUFFER: usize = 64 << 10;

/// Ends `Ears::wait` when it is dropped.
pub struct Closer {
    _pipe: io::PipeWriter,
}

/// What hears.
pub struct Ears {
    inotify: Inotify,
    closed: io::PipeReader,
    directories: HashMap<WatchDescriptor, PathBuf>,
    watches: HashMap<PathBuf, WatchDescriptor>,
    buffer: Vec<u8>,
}

impl Ears {
    /// Hear nothing yet. The workspace does not matter here.
    pub fn new(_root: &Path) -> io::Result<(Self, Closer)> {
        let inotify = Inotify::init().map_err(explained)?;
        let (closed, pipe) = io::pipe()?;
        let (directories, watches, buffer) = (HashMap::new(), HashMap::new(), vec![0; BUFFER]);
        Ok((Self { inotify, closed, directories, watches, buffer }, Closer { _pipe: pipe }))
    }

    /// Listen to what happens right in a directory, a path without links.
    pub fn listen(&mut self, directory: &Path) -> io::Result<()> {
        let mask = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVED_FROM
            | WatchMask::MOVED_TO
            | WatchMask::MODIFY
            | WatchMask::CLOSE_WRITE
            | WatchMask::ATTRIB
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        let watch = self.inotify.watches().add(directory, mask).map_err(explained)?;
        if let Some(old) = self.watches.insert(directory.to_path_buf(), watch.clone())
            && old != watch
        {
            self.directories.remove(&old);
        }
        self.directories.insert(watch, directory.to_path_buf());
        Ok(())
    }

    /// Listen to it no longer.
    pub fn forget(&mut self, directory: &Path) {
        if let Some(watch) = self.watches.remove(directory) {
            self.directories.remove(&watch);
            // Of a directory that is gone the kernel has removed it already.
            let _ = self.inotify.watches().remove(watch);
        }
    }

    /// Wait for something to be told; `None` when the closer is gone.
    pub fn wait(&mut self) -> Option<Vec<Heard>> {
        loop {
            let event = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            let mut polled = [event(self.inotify.as_raw_fd()), event(self.closed.as_raw_fd())];
            // SAFETY: two structures that outlive the call, with descriptors that `self` keeps open.
            if unsafe { libc::poll(polled.as_mut_ptr(), 2, -1) } == -1 {
                continue; // a signal; nothing else can go wrong with these
            }
            if polled[1].revents != 0 {
                return None;
            }
            let events = match self.inotify.read_events(&mut self.buffer) {
                Ok(events) => events,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                    continue;
                }
                Err(_) => return Some(vec![Heard::Lost]),
            };
            let mut heard = Vec::new();
            let mut last = None;
            for event in events {
                if event.mask.contains(EventMask::Q_OVERFLOW) {
                    heard.push(Heard::Lost);
                    continue;
                }
                let Some(directory) = self.directories.get(&event.wd) else { continue };
                if let Some(name) = event.name {
                    // A file that is written comes many times in a row.
                    let this = Some((event.wd.clone(), name.to_owned()));
                    if this != last {
                        heard.push(Heard::Entry(directory.clone(), name.to_owned()));
                        last = this;
                    }
                } else if event.mask.intersects(EventMask::IGNORED | EventMask::DELETE_SELF | EventMask::MOVE_SELF) {
                    heard.push(Heard::Gone(directory.clone()));
                }
            }
            if !heard.is_empty() {
                return Some(heard);
            }
        }
    }
}

/// The limits of inotify in words: what the system says of them is about disks and files.
pub(super) fn explained(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENOSPC) => {
            io::Error::other("the user's limit of inotify watches (fs.inotify.max_user_watches) is reached")
        }
        Some(libc::EMFILE) => {
            io::Error::other("the user's limit of inotify instances (fs.inotify.max_user_instances) is reached")
        }
        _ => error,
    }
}
