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

    /// The cause in words.
    pub fn reason(&self) -> String {
        reason(&self.source)
    }
}

/// What the operating system said, in its words alone: the error's number is told elsewhere, or helps nobody.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.find(" (os error ").map_or(text.clone(), |end| text[..end].to_owned())
}

impl fmt::Display for FsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot {} {}: {}", self.operation, self.path.display(), self.reason())
    }
}

impl std::error::Error for FsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_operation_path_and_cause_without_the_error_number() {
        let error = FsError::new("open", "/a", io::Error::from_raw_os_error(libc::ENOENT));
        assert_eq!(error.to_string(), "cannot open /a: No such file or directory");
        assert_eq!(FsError::new("open", "/a", io::Error::other("odd")).reason(), "odd");
    }
}
