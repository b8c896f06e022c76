//! The content-addressed store: outputs and captured streams in, outputs back in place.

mod captured;
mod collect;
mod restore;
mod row;
mod stage;
mod streams;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::SystemTime;

use crate::digest::{Algorithm, Digest, Hasher, digest_open, hex, with_buffer};
use crate::error::FsError;
use crate::tree::Tree;
pub use captured::{Captured, Content, Stream};
pub use collect::{CollectError, CollectKind};
pub use restore::{Leftovers, Restored};
pub use row::Row;
pub(crate) use stage::sweep;
pub use stage::{PREFIX, publish};
use stage::{Staged, make_directory, reflink};

/// From this size on (bytes) sharing blocks is worth a system call.
const REFLINK_FROM: u64 = 1 << 17;

/// A content-addressed store in one directory: `<directory>/<first two hex digits>/<hex digest>`.
pub struct Blobs {
    root: PathBuf,
    directory: PathBuf,
    tree: Arc<Tree>,
    swept: Once,
}

impl Blobs {
    /// `root` is the absolute workspace root, `directory` is created on the first write. Digests are those of `tree`.
    pub fn new(root: PathBuf, directory: PathBuf, tree: Arc<Tree>) -> Self {
        Self { root, directory, tree, swept: Once::new() }
    }

    fn algorithm(&self) -> Algorithm {
        self.tree.memo().algorithm()
    }

    fn on_disk(&self, workspace_path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(workspace_path.strip_prefix(b"/").unwrap_or(workspace_path)))
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        let name = hex(digest);
        self.directory.join(&name[..2]).join(name)
    }

    /// Whether every `(digest, size)` is there as a regular file of that size. Contents are not read.
    pub fn present(&self, blobs: &[(Digest, u64)]) -> bool {
        let is_there = |(digest, size): &(Digest, u64)| {
            fs::symlink_metadata(self.blob(digest)).is_ok_and(|found| found.is_file() && found.len() == *size)
        };
        blobs.iter().all(is_there)
    }

    /// At most `length` bytes of a blob from `offset`; empty at its end.
    ///
    /// # Errors
    /// The blob is not there or cannot be read.
    pub fn read(&self, digest: &Digest, offset: u64, length: usize) -> Result<Vec<u8>, FsError> {
        let (file, size) = self.open(digest)?;
        let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(left)];
        match file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(FsError::new("read", self.blob(digest), error)),
        }
    }

    fn open(&self, digest: &Digest) -> Result<(File, u64), FsError> {
        let path = self.blob(digest);
        let failed = |error| FsError::new("open", &path, error);
        // A link or a FIFO in the store is not ours.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("is not a regular file")));
        }
        Ok((file, metadata.len()))
    }

    /// Whether the blob is there already; if so it is stamped as fresh, so that no collector thinks it unused.
    fn refresh(&self, digest: &Digest, size: u64) -> bool {
        self.open(digest).is_ok_and(|(file, found)| found == size && file.set_modified(SystemTime::now()).is_ok())
    }

    fn stage(&self) -> Result<(Staged, File), FsError> {
        self.swept.call_once(|| sweep(&self.directory));
        match Staged::file(&self.directory, 0o600) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                make_directory(&self.directory)?;
                Staged::file(&self.directory, 0o600)
            }
            other => other,
        }
    }

    /// Give a complete copy its name. An older blob of that name is replaced: it has the same content, or is damaged.
    fn install(&self, staged: Staged, file: &File, digest: &Digest) -> Result<(), FsError> {
        let path = self.blob(digest);
        file.set_permissions(Permissions::from_mode(0o444))
            .map_err(|error| FsError::new("set the mode of", &path, error))?;
        if let Some(shard) = path.parent() {
            make_directory(shard)?;
        }
        staged.rename(&path)
    }

    /// Store what an open file holds; its digest and size.
    fn put_file(&self, source: &File, path: &Path) -> Result<(Digest, u64), FsError> {
        let metadata = source.metadata().map_err(|error| FsError::new("read", path, error))?;
        if let Some(digest) = self.tree.memo().get(path, &metadata)
            && self.refresh(&digest, metadata.len())
        {
            return Ok((digest, metadata.len()));
        }
        let (staged, copy) = self.stage()?;
        let (digest, size) = copy_hashed(source, metadata.len(), &copy, self.algorithm(), path)?;
        self.install(staged, &copy, &digest)?;
        Ok((digest, size))
    }

    fn put_stream(&self, stream: &Stream) -> Result<(), FsError> {
        if self.refresh(&stream.digest, stream.size) {
            return Ok(());
        }
        let (staged, mut copy) = self.stage()?;
        let path = self.blob(&stream.digest);
        match &stream.content {
            Content::Memory(bytes) => copy.write_all(bytes).map_err(|error| FsError::new("write", &path, error))?,
            Content::File(file) => {
                let (digest, _) = copy_hashed(file, stream.size, &copy, self.algorithm(), &path)?;
                if digest != stream.digest {
                    return Err(FsError::new("store", &path, io::Error::other("the captured stream was altered")));
                }
            }
        }
        self.install(staged, &copy, &stream.digest)
    }
}

/// Copy an open file into an empty one, hashing what is written; the digest and size of the copy. `path` is for errors.
fn copy_hashed(
    source: &File,
    size: u64,
    copy: &File,
    algorithm: Algorithm,
    path: &Path,
) -> Result<(Digest, u64), FsError> {
    if size >= REFLINK_FROM && reflink(source, copy) {
        let cloned = || {
            let size = copy.metadata()?.len();
            Ok((digest_open(copy, size, algorithm)?, size))
        };
        return cloned().map_err(|error| FsError::new("read", path, error));
    }
    let mut sink = copy;
    let mut hasher = Hasher::new(algorithm);
    let mut offset = 0;
    with_buffer(|buffer| {
        loop {
            match source.read_at(buffer, offset) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    sink.write_all(&buffer[..count]).map_err(|error| FsError::new("write a copy of", path, error))?;
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FsError::new("read", path, error)),
            }
        }
    })?;
    Ok((hasher.finish(), offset))
}

#[cfg(test)]
mod tests;
