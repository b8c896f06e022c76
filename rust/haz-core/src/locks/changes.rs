//! The sign by which processes learn that another one has changed files: a file that each of them makes longer by a byte.
//!
//! Appending is one step, so that no sign covers another one: the length less one's own signs is what the others wrote.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// A file of this length is begun anew by the next process; those at work take it for a change.
const LONGEST: i64 = 1 << 20;

/// One process's view of the file.
pub(super) struct Changes {
    path: PathBuf,
    file: Option<File>,
    writable: bool,
    own: i64,
    seen: i64,
}

impl Changes {
    pub fn new(path: PathBuf) -> Self {
        let mut new = Self { path, file: None, writable: false, own: 0, seen: 0 };
        new.changed();
        if new.seen > LONGEST {
            // The others are told by it, and this one has not read anything yet.
            let _ = OpenOptions::new().write(true).open(&new.path).and_then(|file| file.set_len(0));
            new.changed();
        }
        new
    }

    /// Tell the others.
    pub fn note(&mut self) {
        if !self.writable {
            let Ok(file) = super::open(&self.path, OpenOptions::new().append(true)) else { return };
            (self.file, self.writable) = (Some(file), true);
        }
        if self.file.as_mut().is_some_and(|file| file.write_all(b".").is_ok()) {
            self.own += 1;
        }
    }

    /// Whether others have written since the last look.
    pub fn changed(&mut self) -> bool {
        let foreign = self.length().unwrap_or(0) - self.own;
        let changed = foreign != self.seen;
        self.seen = foreign;
        changed
    }

    /// No file is one that nobody has written to.
    fn length(&mut self) -> io::Result<i64> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(File::open(&self.path)?),
        };
        Ok(i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX))
    }
}
