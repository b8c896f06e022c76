//! The sign by which processes learn that another one has changed files: 16 bytes that no two writes have in common.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Process and moment of creation, then the count of that process's writes.
type Sign = [u8; 16];

/// One process's view of the file.
pub(super) struct Changes {
    path: PathBuf,
    file: Option<File>,
    writable: bool,
    origin: u64,
    count: u64,
    seen: Sign,
}

impl Changes {
    pub fn new(path: PathBuf) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        #[allow(clippy::cast_possible_truncation, reason = "the low bits are those that differ")]
        let origin = now as u64 ^ u64::from(std::process::id()).rotate_left(40);
        let mut new = Self { path, file: None, writable: false, origin, count: 0, seen: [0; 16] };
        new.changed();
        new
    }

    /// Write a new sign. It is not news to ourselves, and neither is what it covers: the caller knows that files changed.
    pub fn note(&mut self) {
        if !self.writable {
            let Ok(file) = super::open(&self.path) else { return };
            (self.file, self.writable) = (Some(file), true);
        }
        self.count += 1;
        let mut sign = [0; 16];
        sign[..8].copy_from_slice(&self.origin.to_le_bytes());
        sign[8..].copy_from_slice(&self.count.to_le_bytes());
        if let Some(file) = &self.file {
            let _ = file.write_all_at(&sign, 0);
        }
        self.changed();
    }

    /// Whether the sign is another one than at the last look.
    pub fn changed(&mut self) -> bool {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let mut sign = [0; 16];
        // An empty or unreadable file is the sign that nobody has written.
        if let Some(file) = &self.file
            && file.read_at(&mut sign, 0).is_err()
        {
            return false;
        }
        let changed = sign != self.seen;
        self.seen = sign;
        changed
    }
}
