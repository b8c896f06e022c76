//! The one error type of the core's file work: what was attempted, on which path, and what the system said.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file-system operation that failed.
#[derive(Debug)]
pub struct FsError {
    /// What was attempted, as a verb phrase: `read`, `list directory`, `rename`.
    pub operation: &'static str,
    /// The path it was attempted on.
    pub path: PathBuf,
    /// What the operating system answered.
    pub source: io::Error,
}

impl FsError {
    /// Bind an I/O error to its operation and path.
    pub fn new(operation: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        Self { operation, path: path.as_ref().to_path_buf(), source }
    }
}

impl fmt::Display for FsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot {} {}: {}", self.operation, self.path.display(), self.source)
    }
}

impl std::error::Error for FsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
