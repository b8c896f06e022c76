//! What a child wrote and how it ended, as process capture hands it to the store.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::digest::{Algorithm, Digest, digest_bytes};

/// The bytes of a captured stream. Cloning shares them.
#[derive(Debug, Clone)]
pub enum Content {
    /// Held in memory.
    Memory(Arc<[u8]>),
    /// Spilled to a file; readers use offsets of their own, never the descriptor's position.
    File(Arc<File>),
}

/// A captured stream: its bytes, hashed while they arrived.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Digest of all bytes.
    pub digest: Digest,
    /// Number of bytes.
    pub size: u64,
    /// The bytes themselves.
    pub content: Content,
}

impl Stream {
    /// A stream that is held in memory.
    pub fn of_bytes(bytes: impl Into<Arc<[u8]>>, algorithm: Algorithm) -> Self {
        let bytes = bytes.into();
        Self { digest: digest_bytes(&bytes, algorithm), size: bytes.len() as u64, content: Content::Memory(bytes) }
    }

    /// Read up to `buffer.len()` bytes from `offset`; 0 at the end.
    ///
    /// # Errors
    /// What reading the spill file answers.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.content {
            Content::Memory(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
            Content::File(file) => file.read_at(buffer, offset),
        }
    }
}

/// How a child ended, and what it wrote.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Exit code 0-255, or `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Everything read from standard output.
    pub stdout: Stream,
    /// Everything read from standard error.
    pub stderr: Stream,
    /// `stdout`, `stderr` or `wait`, with the reason, when capturing or reaping failed.
    pub error: Option<(&'static str, String)>,
    /// Why the content of a stream is not kept, though its digest and size are known.
    pub lost: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn memory_and_spill_file_read_alike() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"hello").unwrap();
        let memory = Stream::of_bytes(*b"hello", Algorithm::Blake3);
        let spilled = Stream { content: Content::File(Arc::new(file)), ..memory.clone() };
        for (offset, expected) in [(0, &b"hel"[..]), (3, b"lo"), (5, b""), (9, b"")] {
            for stream in [&memory, &spilled] {
                let mut buffer = [0; 3];
                let count = stream.read_at(&mut buffer, offset).unwrap();
                assert_eq!(&buffer[..count], expected, "from {offset}");
            }
        }
    }
}
