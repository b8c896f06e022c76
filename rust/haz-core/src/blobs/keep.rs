//! Contents into the store: copied, read back under the name that they get, and named.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::own_path::OwnPath;
use super::stage::{Staged, close, reflink, stage_in, sweep};
use super::{Blobs, CONTENT_LIMIT, Content, Kind, Stream};
use crate::compress::LEVEL;
use crate::digest::{Digest, Hasher, digest_seen, with_buffer};
use crate::error::FsError;
use crate::steps::step;

/// From this size on (bytes) sharing blocks is worth a system call.
const REFLINK_FROM: u64 = 1 << 17;
/// From this size on (bytes) the kernel copies, and not we.
const KERNEL_FROM: u64 = 1 << 17;

/// What a stored content turned out to be.
pub(super) struct Kept {
    pub digest: Digest,
    pub size: u64,
    /// Whether the path of the workspace is in it.
    pub own_path: bool,
}

impl Blobs {
    /// Store what an open file holds.
    pub(super) fn put_file(&self, source: &File, path: &Path) -> Result<Kept, FsError> {
        let metadata = source.metadata().map_err(|error| FsError::new("read", path, error))?;
        let size = metadata.len();
        let nothing = Kept { digest: self.nothing, size: 0, own_path: false };
        // A file that says so may have something all the same, as those of the kernel do.
        if size == 0 && matches!(source.read_at(&mut [0], 0), Ok(0)) {
            return Ok(nothing);
        }
        if let Some(digest) = self.tree.memo().get(path, &metadata)
            && let Some(kept) = self.refresh(&digest, size, self.kinds(size))
        {
            return Ok(kept);
        }
        let kind = self.kind_for(size);
        let (staged, copy) = self.stage()?;
        match kind {
            Kind::Raw => transfer(source, size, &copy),
            Kind::Zstd => pack(&mut Reading { file: source, offset: 0 }, &copy),
        }
        .map_err(|error| FsError::new("write a copy of", path, error))?;
        let kept = self.read_back(&copy, kind).map_err(|error| FsError::new("read back a copy of", path, error))?;
        if kept.size == 0 {
            return Ok(nothing);
        }
        self.install(staged, copy, &kept.digest, kind)?;
        Ok(kept)
    }

    /// Store a captured stream.
    pub(super) fn put_stream(&self, stream: &Stream) -> Result<(), FsError> {
        if self.is_nothing(&stream.digest, stream.size) {
            return Ok(());
        }
        let is_long = stream.size > CONTENT_LIMIT;
        let kinds = if is_long { [Kind::Raw; 2] } else { self.kinds(stream.size) };
        if self.refresh(&stream.digest, stream.size, kinds).is_some() {
            return Ok(());
        }
        let kind = kinds[0];
        let (staged, mut copy) = self.stage()?;
        let path = self.blob(&stream.digest, kind);
        match (&stream.content, kind) {
            (Content::Memory(bytes), Kind::Raw) => copy.write_all(bytes),
            (Content::Memory(bytes), Kind::Zstd) => pack(&mut &bytes[..], &copy),
            (Content::File(file), Kind::Raw) => transfer(file, stream.size, &copy),
            (Content::File(file), Kind::Zstd) => pack(&mut Reading { file, offset: 0 }, &copy),
        }
        .map_err(|error| FsError::new("write", &path, error))?;
        let kept = self.read_back(&copy, kind).map_err(|error| FsError::new("read back", &path, error))?;
        if kept.digest != stream.digest {
            return Err(FsError::new("store", &path, io::Error::other("the captured stream was altered")));
        }
        self.install(staged, copy, &stream.digest, kind)
    }

    /// Whether the content is there already, and sound; if so it is stamped as fresh, so that no collector thinks it
    /// unused. It is read for that: an entry must not rest on a blob that nobody has looked at for months.
    fn refresh(&self, digest: &Digest, size: u64, kinds: [Kind; 2]) -> Option<Kept> {
        let blob = self.open(digest, kinds).ok()?;
        if blob.kind == Kind::Raw && blob.length != size {
            return None;
        }
        let kept = self.read_back(&blob.file, blob.kind).ok()?;
        let is_sound = kept.digest == *digest && kept.size == size;
        (is_sound && blob.file.set_modified(SystemTime::now()).is_ok()).then_some(kept)
    }

    /// What is really in a file of the store.
    fn read_back(&self, copy: &File, kind: Kind) -> io::Result<Kept> {
        let own_path = OwnPath::new(self.own_path.as_ref());
        match kind {
            Kind::Raw => {
                let size = copy.metadata()?.len();
                let look = |offset: u64, bytes: &[u8]| own_path.look(copy, offset, bytes);
                let digest = digest_seen(copy, size, self.algorithm(), &look)?;
                Ok(Kept { digest, size, own_path: own_path.found() })
            }
            Kind::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(Reading { file: copy, offset: 0 })?;
                let mut hasher = Hasher::new(self.algorithm());
                let (mut total, mut carried) = (0, Vec::new());
                let mut buffer = vec![0; 1 << 16];
                loop {
                    let count = decoder.read(&mut buffer)?;
                    if count == 0 {
                        break;
                    }
                    hasher.update(&buffer[..count]);
                    own_path.look_on(&mut carried, &buffer[..count]);
                    total += count as u64;
                }
                Ok(Kept { digest: hasher.finish(), size: total, own_path: own_path.found() })
            }
        }
    }

    fn stage(&self) -> Result<(Staged, File), FsError> {
        self.swept.call_once(|| sweep(&self.directory));
        let staged = stage_in(&self.directory, || Staged::file(&self.directory, 0o600));
        step("blob-staged");
        staged
    }

    /// Give a complete copy its name. An older blob of that name is replaced: it has the same content, or is damaged.
    fn install(&self, staged: Staged, file: File, digest: &Digest, kind: Kind) -> Result<(), FsError> {
        let path: PathBuf = self.blob(digest, kind);
        self.added.fetch_add(file.metadata().map_or(0, |metadata| metadata.len()), Ordering::Relaxed);
        file.set_permissions(Permissions::from_mode(0o444))
            .and_then(|()| close(file))
            .map_err(|error| FsError::new("write", &path, error))?;
        step("blob-written");
        staged.replace(&path)?;
        step("blob-named");
        Ok(())
    }
}

/// A file as a stream with a position of its own.
struct Reading<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

fn pack(source: &mut dyn Read, copy: &File) -> io::Result<()> {
    let mut encoder = zstd::stream::write::Encoder::new(copy, LEVEL)?;
    io::copy(source, &mut encoder)?;
    encoder.finish().map(drop)
}

/// Copy an open file into an empty one: by sharing its blocks, else by the kernel, else by hand. Holes stay holes.
pub(super) fn transfer(source: &File, size: u64, copy: &File) -> io::Result<()> {
    if size >= REFLINK_FROM && reflink(source, copy) {
        return Ok(());
    }
    if size < KERNEL_FROM {
        return by_hand(source, copy, 0, u64::MAX).map(drop);
    }
    let metadata = source.metadata()?;
    if metadata.blocks() * 512 >= size {
        return by_kernel(source, copy, 0, u64::MAX).map(drop);
    }
    let mut at = 0;
    while let Some((start, end)) = next_data(source, at) {
        if by_kernel(source, copy, start, end - start)? == 0 {
            break;
        }
        at = end;
    }
    copy.set_len(metadata.len())
}

/// The next stretch of a file that is no hole; a file system without holes says that all is one.
fn next_data(file: &File, from: u64) -> Option<(u64, u64)> {
    use std::os::fd::AsRawFd;
    let seek = |offset: u64, what: libc::c_int| {
        let offset = libc::off_t::try_from(offset).ok()?;
        // SAFETY: seeking moves a position that nobody uses: all reading here is by offset.
        u64::try_from(unsafe { libc::lseek(file.as_raw_fd(), offset, what) }).ok()
    };
    let start = seek(from, libc::SEEK_DATA)?;
    Some((start, seek(start, libc::SEEK_HOLE)?))
}

/// Copy at most `length` bytes from `start` to the same place of `copy`; how many.
#[cfg(target_os = "linux")]
fn by_kernel(source: &File, copy: &File, start: u64, length: u64) -> io::Result<u64> {
    use std::os::fd::AsRawFd;
    let mut done = 0;
    while done < length {
        let want = usize::try_from((length - done).min(1 << 30)).unwrap_or(1 << 30);
        let Ok(mut from) = libc::off64_t::try_from(start + done) else { break };
        let mut to = from;
        // SAFETY: both descriptors are open, and both offsets live as long as the call.
        let count =
            unsafe { libc::copy_file_range(source.as_raw_fd(), &raw mut from, copy.as_raw_fd(), &raw mut to, want, 0) };
        match u64::try_from(count) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error if error.kind() == io::ErrorKind::StorageFull => return Err(error),
                // Across file systems, or where nobody has written it: by hand, which tells what is really wrong.
                _ => return Ok(done + by_hand(source, copy, start + done, length - done)?),
            },
        }
    }
    Ok(done)
}

#[cfg(not(target_os = "linux"))]
fn by_kernel(source: &File, copy: &File, start: u64, length: u64) -> io::Result<u64> {
    by_hand(source, copy, start, length)
}

fn by_hand(source: &File, copy: &File, start: u64, length: u64) -> io::Result<u64> {
    with_buffer(|buffer| {
        let mut done = 0;
        while done < length {
            let want = usize::try_from(length - done).map_or(buffer.len(), |left| left.min(buffer.len()));
            match source.read_at(&mut buffer[..want], start + done) {
                Ok(0) => break,
                Ok(count) => {
                    copy.write_all_at(&buffer[..count], start + done)?;
                    done += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    })
}

/// Write the content of a compressed blob to `copy`; its digest and size. Stops beyond `size`, which no blob may pass.
pub(super) fn unpack(blob: &File, size: u64, copy: Option<&File>, hasher: Hasher) -> io::Result<(Digest, u64)> {
    let decoder = zstd::stream::read::Decoder::new(Reading { file: blob, offset: 0 })?;
    let mut content = decoder.take(size.saturating_add(1));
    let (mut hasher, mut total) = (hasher, 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = content.read(&mut buffer)?;
        if count == 0 {
            return Ok((hasher.finish(), total));
        }
        hasher.update(&buffer[..count]);
        if let Some(copy) = copy {
            copy.write_all_at(&buffer[..count], total)?;
        }
        total += count as u64;
    }
}

/// At most `length` bytes of the content of a compressed blob from `offset`, which is reached by reading.
pub(super) fn read_packed(blob: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut content = zstd::stream::read::Decoder::new(Reading { file: blob, offset: 0 })?;
    io::copy(&mut (&mut content).take(offset), &mut io::sink())?;
    let mut bytes = Vec::new();
    content.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
