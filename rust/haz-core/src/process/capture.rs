//! One captured stream: hashed while it arrives, in memory up to a limit, then in a file that has no name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::blobs::{Content, Stream, unique_name};
use crate::digest::{Algorithm, Hasher};
use crate::error::reason;

/// Where captured bytes go.
pub(super) struct Capture {
    hasher: Hasher,
    size: u64,
    memory: Vec<u8>,
    file: Option<File>,
    /// Why not everything was read.
    error: Option<String>,
    /// Why what was read is not kept.
    lost: Option<String>,
}

/// How streams are captured.
pub(super) struct CaptureRules {
    pub algorithm: Algorithm,
    pub spill_directory: Box<Path>,
    /// Bytes of one stream that stay in memory.
    pub memory_limit: usize,
}

impl Capture {
    pub fn new(rules: &CaptureRules) -> Self {
        Self { hasher: Hasher::new(rules.algorithm), size: 0, memory: Vec::new(), file: None, error: None, lost: None }
    }

    /// Append bytes. After a failure the stream is still hashed and counted, so that the child can go on writing.
    pub fn append(&mut self, bytes: &[u8], rules: &CaptureRules) {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        if self.error.is_some() || self.lost.is_some() {
            return;
        }
        if let Err(error) = self.keep(bytes, rules) {
            self.lost = Some(format!("cannot spill to {}: {}", rules.spill_directory.display(), reason(&error)));
            self.forget();
        }
    }

    fn keep(&mut self, bytes: &[u8], rules: &CaptureRules) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            return file.write_all(bytes);
        }
        if self.memory.len() + bytes.len() <= rules.memory_limit {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let file = self.file.insert(nameless_file(&rules.spill_directory)?);
        file.write_all(&std::mem::take(&mut self.memory))?;
        file.write_all(bytes)
    }

    /// Note why not everything was read.
    pub fn fail(&mut self, reason: String) {
        self.error.get_or_insert(reason);
        self.forget();
    }

    fn forget(&mut self) {
        self.memory = Vec::new();
        self.file = None;
    }

    /// The stream; why not everything was read; and why its content is not kept, though its digest and size are known.
    pub fn finish(self) -> (Stream, Option<String>, Option<String>) {
        let content = match self.file {
            Some(file) => Content::File(Arc::new(file)),
            None => Content::Memory(self.memory.into()),
        };
        (Stream { digest: self.hasher.finish(), size: self.size, content }, self.error, self.lost)
    }
}

/// A file that vanishes with its last descriptor, however this process ends.
fn nameless_file(directory: &Path) -> io::Result<File> {
    fs::create_dir_all(directory)?;
    #[cfg(target_os = "linux")]
    match OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(libc::O_TMPFILE).open(directory) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT)) => {}
        answer => return answer,
    }
    unlinked_file(directory)
}

fn unlinked_file(directory: &Path) -> io::Result<File> {
    let path = directory.join(unique_name());
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::digest_bytes;

    fn read(stream: &Stream) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(stream.size).unwrap()];
        assert_eq!(stream.read_at(&mut bytes, 0).unwrap(), bytes.len());
        bytes
    }

    fn captured(limit: usize, directory: &Path, chunks: &[&[u8]]) -> (Stream, Option<String>) {
        let rules =
            CaptureRules { algorithm: Algorithm::Sha256, spill_directory: directory.into(), memory_limit: limit };
        let mut capture = Capture::new(&rules);
        for chunk in chunks {
            capture.append(chunk, &rules);
        }
        let (stream, error, lost) = capture.finish();
        assert_eq!(error, None);
        (stream, lost)
    }

    #[test]
    fn what_spills_reads_like_what_stays_in_memory_and_leaves_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let spill = directory.path().join("made/now");
        let chunks: [&[u8]; 3] = [b"one ", b"two ", b"three"];
        for limit in [0, 4, 7, 8, 12, 13, 100] {
            let (stream, lost) = captured(limit, &spill, &chunks);
            assert_eq!(lost, None);
            assert_eq!(read(&stream), b"one two three", "limit {limit}");
            assert_eq!(stream.digest, digest_bytes(b"one two three", Algorithm::Sha256));
            assert_eq!(matches!(stream.content, Content::File(_)), limit < 13, "limit {limit}");
        }
        assert_eq!(fs::read_dir(&spill).unwrap().count(), 0);
    }

    #[test]
    fn a_file_system_without_nameless_files_gets_an_unlinked_one() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = unlinked_file(directory.path()).unwrap();
        file.write_all(b"x").unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_stream_that_cannot_spill_is_still_hashed_and_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let blocked = directory.path().join("file");
        fs::write(&blocked, "").unwrap();
        let (stream, lost) = captured(2, &blocked.join("spill"), &[b"abc", b"def"]);
        assert!(lost.unwrap().starts_with("cannot spill to "));
        assert_eq!((stream.size, stream.digest), (6, digest_bytes(b"abcdef", Algorithm::Sha256)));
    }
}
