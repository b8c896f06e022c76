//! The content-addressed store: outputs and captured streams in, outputs back in place.

mod captured;
mod collect;
mod keep;
mod own_path;
mod places;
mod restore;
mod row;
mod stage;
mod streams;
mod surplus;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::SystemTime;

use crate::digest::{Algorithm, Digest, digest_bytes, hex};
use crate::error::FsError;
use crate::tree::Tree;
pub use captured::{Captured, Content, Stream};
pub use collect::{CollectError, CollectKind, Collected};
use keep::read_packed;
use own_path::{Needle, needle};
pub use restore::{Leftovers, Restored};
pub use row::Row;
pub(crate) use stage::publish_by;
pub(crate) use stage::sweep;
pub use stage::{InTheWay, PREFIX, is_orphan, publish, unique_name};

/// Streams up to this size (bytes) are handed out with the answer to a restore. Larger ones are read in pieces, which a
/// frame does not allow, and so are never compressed.
const CONTENT_LIMIT: u64 = 1 << 20;
/// Below this size (bytes) a frame costs about what it saves.
const ZSTD_FROM: u64 = 512;

/// How a content lies in the store. Its digest is that of the content either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Raw,
    Zstd,
}

/// An open blob; `length` is that of the file.
struct Blob {
    file: File,
    length: u64,
    kind: Kind,
}

/// A content-addressed store in one directory: `<directory>/<first two hex digits>/<hex digest>`, and `.zst` after the
/// digest where the content is compressed. It may hold both kinds.
pub struct Blobs {
    root: PathBuf,
    directory: PathBuf,
    tree: Arc<Tree>,
    compressed: bool,
    own_path: Needle,
    /// The digest of the empty content, which is never stored: nothing can be lost of it.
    nothing: Digest,
    swept: Once,
    added: AtomicU64,
}

impl Blobs {
    /// `root` is the absolute workspace root, `directory` is created on the first write. Digests are those of `tree`.
    /// New contents are `compressed` or not; `own_path` asks whether outputs hold the path of the workspace.
    pub fn new(root: PathBuf, directory: PathBuf, tree: Arc<Tree>, compressed: bool, own_path: bool) -> Self {
        let own_path = own_path.then(|| needle(&root)).flatten();
        let nothing = digest_bytes(b"", tree.memo().algorithm());
        Self { root, directory, tree, compressed, own_path, nothing, swept: Once::new(), added: AtomicU64::new(0) }
    }

    fn algorithm(&self) -> Algorithm {
        self.tree.memo().algorithm()
    }

    fn on_disk(&self, workspace_path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(workspace_path.strip_prefix(b"/").unwrap_or(workspace_path)))
    }

    /// Where these `(digest, size)` lie, those that need a place; none if one is missing.
    pub fn places_of(&self, contents: impl IntoIterator<Item = (Digest, u64)>) -> Option<Vec<PathBuf>> {
        let stored = contents.into_iter().filter(|(digest, size)| !self.is_nothing(digest, *size));
        let place = |(digest, _)| {
            let places = [Kind::Raw, Kind::Zstd].into_iter().map(|kind| self.blob(&digest, kind));
            places.into_iter().find(|path| path.symlink_metadata().is_ok())
        };
        stored.map(place).collect()
    }

    fn blob(&self, digest: &Digest, kind: Kind) -> PathBuf {
        let mut name = hex(digest);
        let shard = self.directory.join(&name[..2]);
        if kind == Kind::Zstd {
            name.push_str(".zst");
        }
        shard.join(name)
    }

    /// How a content of that size is stored now.
    fn kind_for(&self, size: u64) -> Kind {
        if self.compressed && size >= ZSTD_FROM { Kind::Zstd } else { Kind::Raw }
    }

    /// Where a content of that size may lie, the likely place first.
    fn kinds(&self, size: u64) -> [Kind; 2] {
        match self.kind_for(size) {
            Kind::Raw => [Kind::Raw, Kind::Zstd],
            Kind::Zstd => [Kind::Zstd, Kind::Raw],
        }
    }

    fn is_nothing(&self, digest: &Digest, size: u64) -> bool {
        size == 0 && *digest == self.nothing
    }

    /// Whether every `(digest, size)` is there as a regular file, of that size unless compressed. Contents are not read.
    pub fn present(&self, blobs: &[(Digest, u64)]) -> bool {
        let is_there = |digest: &Digest, size: u64, kind: Kind| {
            let found = fs::symlink_metadata(self.blob(digest, kind));
            found.is_ok_and(|found| found.is_file() && (kind == Kind::Zstd || found.len() == size))
        };
        blobs.iter().all(|(digest, size)| {
            self.is_nothing(digest, *size) || self.kinds(*size).iter().any(|kind| is_there(digest, *size, *kind))
        })
    }

    /// Bytes that were written to the directory by this.
    pub fn added(&self) -> u64 {
        self.added.load(Ordering::Relaxed)
    }

    /// Stamp these `(digest, size)` as used now. Where that cannot be done nobody collects by it either.
    pub fn touch(&self, blobs: &[(Digest, u64)]) {
        for (digest, size) in blobs.iter().filter(|(digest, size)| !self.is_nothing(digest, *size)) {
            if let Ok(blob) = self.open(digest, self.kinds(*size)) {
                let _ = blob.file.set_modified(SystemTime::now());
            }
        }
    }

    /// At most `length` bytes of a content from `offset`; empty at its end.
    ///
    /// # Errors
    /// The blob is not there or cannot be read.
    pub fn read(&self, digest: &Digest, offset: u64, length: usize) -> Result<Vec<u8>, FsError> {
        if *digest == self.nothing {
            return Ok(Vec::new());
        }
        let blob = self.open(digest, [Kind::Raw, Kind::Zstd])?;
        let failed = |error| FsError::new("read", self.blob(digest, blob.kind), error);
        match blob.kind {
            Kind::Raw => {
                let left = usize::try_from(blob.length.saturating_sub(offset)).unwrap_or(usize::MAX).min(length);
                let mut bytes = vec![0; left];
                blob.file.read_exact_at(&mut bytes, offset).map_err(failed)?;
                Ok(bytes)
            }
            Kind::Zstd => read_packed(&blob.file, offset, length).map_err(failed),
        }
    }

    fn open(&self, digest: &Digest, [likely, other]: [Kind; 2]) -> Result<Blob, FsError> {
        match self.open_kind(digest, likely) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                // What is told is that the likely one is missing.
                self.open_kind(digest, other).map_err(|_| error)
            }
            answer => answer,
        }
    }

    fn open_kind(&self, digest: &Digest, kind: Kind) -> Result<Blob, FsError> {
        let path = self.blob(digest, kind);
        let failed = |error| FsError::new("open", &path, error);
        // A link or a FIFO in the store is not ours.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("is not a regular file")));
        }
        Ok(Blob { file, length: metadata.len(), kind })
    }
}

#[cfg(test)]
mod tests;
