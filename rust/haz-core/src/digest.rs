//! Content digests: BLAKE3 and SHA-256, of bytes in memory, of files, and of many files at once.
//!
//! Files are read, never mapped: a task may truncate a file while it is hashed, and touching a page that is gone kills
//! the whole process. Large files are split along BLAKE3's tree instead, so that reading and hashing both use all cores
//! while each piece is still in the processor's cache.

use std::cell::RefCell;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::str::FromStr;

use blake3::hazmat::{self, ChainingValue, HasherExt, Mode};
use rayon::prelude::*;
use sha2::Digest as _;

use crate::error::FsError;

/// Raw digest bytes; both algorithms yield 32.
pub type Digest = [u8; 32];

/// From this size on (bytes) one BLAKE3 file is hashed by several threads.
pub(crate) const LARGE: u64 = 1 << 20;
/// What one thread hashes on its own within a large file. A power of two, as the tree demands.
const PIECE: u64 = 1 << 19;
/// Bytes per `read`: small enough to stay in the second-level cache until hashed.
const BUFFER: usize = 1 << 16;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

/// Who is shown what is read: offset and bytes.
pub(crate) type Look<'a> = &'a (dyn Fn(u64, &[u8]) + Sync);

/// A hash function of the registry (CACHE-002).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// BLAKE3 with 256 bits of output, plain hash mode.
    Blake3,
    /// SHA-256.
    Sha256,
}

/// The name of an algorithm that is not in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownAlgorithm(pub String);

impl std::fmt::Display for UnknownAlgorithm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "unknown hash algorithm {:?}: expected \"blake3\" or \"sha256\"", self.0)
    }
}

impl std::error::Error for UnknownAlgorithm {}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        match name {
            "blake3" => Ok(Self::Blake3),
            "sha256" => Ok(Self::Sha256),
            _ => Err(UnknownAlgorithm(name.to_owned())),
        }
    }
}

/// An incremental digest.
#[derive(Clone)]
pub enum Hasher {
    /// BLAKE3; boxed because its state is 2 KiB.
    Blake3(Box<blake3::Hasher>),
    /// SHA-256.
    Sha256(sha2::Sha256),
}

impl Hasher {
    /// A digest of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Blake3 => Self::Blake3(Box::default()),
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
        }
    }

    /// Append bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of everything appended.
    pub fn finish(self) -> Digest {
        match self {
            Self::Blake3(hasher) => *hasher.finalize().as_bytes(),
            Self::Sha256(hasher) => hasher.finalize().into(),
        }
    }
}

/// Lower-case hexadecimal text of a digest.
pub fn hex(digest: &Digest) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(DIGITS[usize::from(half)])).collect()
}

/// Digest of bytes in memory.
pub fn digest_bytes(bytes: &[u8], algorithm: Algorithm) -> Digest {
    match algorithm {
        Algorithm::Blake3 => *blake3::hash(bytes).as_bytes(),
        Algorithm::Sha256 => sha2::Sha256::digest(bytes).into(),
    }
}

/// BLAKE3 of parts as if they were one.
pub fn digest_parts(parts: &[&[u8]]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Digest of an open file's content, from its beginning, whatever the descriptor's position. `size` is what `fstat`
/// said, and only a hint: it decides how the file is read, never how far.
///
/// # Errors
/// What reading answers.
pub fn digest_open(file: &File, size: u64, algorithm: Algorithm) -> io::Result<Digest> {
    digest_seen(file, size, algorithm, &|_, _| ())
}

/// The same; `look` is shown every piece of the content with its offset, in no order.
///
/// # Errors
/// What reading answers.
pub(crate) fn digest_seen(file: &File, size: u64, algorithm: Algorithm, look: Look<'_>) -> io::Result<Digest> {
    if algorithm == Algorithm::Blake3 && size >= LARGE {
        match digest_tree(file, size, look) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {} // it shrank meanwhile: start over
            Ok(Some(digest)) => return Ok(digest),
            Ok(None) => {} // it grew meanwhile
            Err(error) => return Err(error),
        }
    }
    digest_stream(file, algorithm, look)
}

/// Open for reading without ever waiting for the other end of a FIFO that took the file's place.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(io::Error::other("is not a regular file")) }
}

/// Digest of the regular file at `path`, links followed.
///
/// # Errors
/// The operation that failed: `open` or `read`.
pub fn digest_file(path: &Path, algorithm: Algorithm) -> Result<Digest, FsError> {
    let (file, metadata) = open_regular(path).map_err(|error| FsError::new("open", path, error))?;
    digest_open(&file, metadata.len(), algorithm).map_err(|error| FsError::new("read", path, error))
}

/// Digest of each file, in the order given, read in parallel on rayon's current pool; of its content where `packed` says
/// that it is a zstd frame.
pub fn digest_files<P: AsRef<Path> + Sync>(
    paths: &[P],
    algorithm: Algorithm,
    packed: &[bool],
) -> Vec<Result<Digest, FsError>> {
    let digest = |(number, path): (usize, &P)| match packed.get(number) {
        Some(true) => digest_packed(path.as_ref(), algorithm),
        _ => digest_file(path.as_ref(), algorithm),
    };
    paths.par_iter().enumerate().with_max_len(64).map(digest).collect()
}

/// Run `work` with this thread's read buffer.
///
/// A work-stealing pool may start another file on this thread while one waits, so the buffer is borrowed only here,
/// where nothing can be stolen.
pub(crate) fn with_buffer<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    READ_BUFFER.with_borrow_mut(|buffer| work(buffer))
}

/// Digest of the content of a file that holds one zstd frame.
///
/// # Errors
/// The operation that failed: `open` or `decompress`.
pub fn digest_packed(path: &Path, algorithm: Algorithm) -> Result<Digest, FsError> {
    let (file, _) = open_regular(path).map_err(|error| FsError::new("open", path, error))?;
    let digest = || {
        let mut decoder = zstd::stream::read::Decoder::new(&file)?;
        let mut hasher = Hasher::new(algorithm);
        let mut buffer = vec![0; BUFFER];
        loop {
            match io::Read::read(&mut decoder, &mut buffer)? {
                0 => return Ok(hasher.finish()),
                count => hasher.update(&buffer[..count]),
            }
        }
    };
    digest().map_err(|error| FsError::new("decompress", path, error))
}

fn digest_stream(file: &File, algorithm: Algorithm, look: Look<'_>) -> io::Result<Digest> {
    with_buffer(|buffer| {
        let mut hasher = Hasher::new(algorithm);
        let mut offset = 0;
        loop {
            match file.read_at(buffer, offset) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    look(offset, &buffer[..count]);
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    })
}

/// The digest when the file is exactly `size` bytes long, `None` when it is longer.
fn digest_tree(file: &File, size: u64, look: Look<'_>) -> io::Result<Option<Digest>> {
    let left = hazmat::left_subtree_len(size);
    let (first, second) = rayon::join(|| subtree(file, 0, left, look), || subtree(file, left, size - left, look));
    let digest = hazmat::merge_subtrees_root(&first?, &second?, Mode::Hash);
    let longer = file.read_at(&mut [0], size)? > 0;
    Ok((!longer).then_some(*digest.as_bytes()))
}

fn subtree(file: &File, offset: u64, length: u64, look: Look<'_>) -> io::Result<ChainingValue> {
    if length > PIECE {
        let left = hazmat::left_subtree_len(length);
        let (first, second) =
            rayon::join(|| subtree(file, offset, left, look), || subtree(file, offset + left, length - left, look));
        return Ok(hazmat::merge_subtrees_non_root(&first?, &second?, Mode::Hash));
    }
    with_buffer(|buffer| {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(offset);
        let mut done = 0;
        while done < length {
            let want = usize::try_from(length - done).map_or(buffer.len(), |left| left.min(buffer.len()));
            file.read_exact_at(&mut buffer[..want], offset + done)?;
            hasher.update(&buffer[..want]);
            look(offset + done, &buffer[..want]);
            done += want as u64;
        }
        Ok(hasher.finalize_non_root())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0_u8..251).cycle().take(length).collect()
    }

    #[test]
    fn known_answers_of_both_algorithms() {
        assert_eq!(
            hex(&digest_bytes(b"hello\n", Algorithm::Blake3)),
            "8e4c7c1b99dbfd50e7a95185fead5ee1448fa904a2fdd778eaf5f2dbfd629a99"
        );
        assert_eq!(
            hex(&digest_bytes(b"", Algorithm::Sha256)),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn an_unknown_algorithm_is_refused_with_the_known_ones() {
        let error = "md5".parse::<Algorithm>().unwrap_err();
        assert_eq!(error.to_string(), "unknown hash algorithm \"md5\": expected \"blake3\" or \"sha256\"");
    }

    #[test]
    fn the_split_digest_equals_the_plain_one_around_every_boundary() {
        for length in [LARGE, LARGE + 1, LARGE + 1024, LARGE * 2 - 1, LARGE * 2, LARGE * 3 + 77] {
            let bytes = pattern(usize::try_from(length).unwrap());
            let digest = digest_open(&file_of(&bytes), length, Algorithm::Blake3).unwrap();
            assert_eq!(digest, *blake3::hash(&bytes).as_bytes(), "{length} bytes");
        }
    }

    #[test]
    fn a_file_that_changes_its_size_after_the_stat_is_hashed_as_it_is() {
        let bytes = pattern(3 << 20);
        let file = file_of(&bytes);
        for said in [1 << 20, 5 << 20] {
            let digest = digest_open(&file, said, Algorithm::Blake3).unwrap();
            assert_eq!(digest, *blake3::hash(&bytes).as_bytes());
        }
    }

    #[test]
    fn a_missing_file_and_a_directory_are_errors_and_the_others_are_still_hashed() {
        let space = tempfile::tempdir().unwrap();
        let good = space.path().join("good");
        std::fs::write(&good, "x").unwrap();
        let answers =
            digest_files(&[good, space.path().join("none"), space.path().to_path_buf()], Algorithm::Sha256, &[]);
        assert_eq!(*answers[0].as_ref().unwrap(), digest_bytes(b"x", Algorithm::Sha256));
        assert_eq!(answers[1].as_ref().unwrap_err().operation, "open");
        assert_eq!(answers[2].as_ref().unwrap_err().reason(), "is not a regular file");
    }

    proptest! {
        #[test]
        fn pieces_in_any_cut_give_the_digest_of_the_whole(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            for algorithm in [Algorithm::Blake3, Algorithm::Sha256] {
                let mut hasher = Hasher::new(algorithm);
                for piece in &pieces {
                    hasher.update(piece);
                }
                prop_assert_eq!(hasher.finish(), digest_bytes(&pieces.concat(), algorithm));
            }
        }
    }
}
