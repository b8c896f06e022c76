//! New files under unique hidden names, beside where they shall appear: renamed there whole, or gone without a trace.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::digest::{Algorithm, digest_bytes};
use crate::error::FsError;
use crate::steps::step;

/// What every temporary name starts with.
pub const PREFIX: &str = ".haz-tmp-";

/// How long a file of another machine must have been left alone before it counts as left behind.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// How often a directory is created again that somebody removed before anything could be put into it.
const CLEARINGS: usize = 8;

/// A path that is removed again unless it is renamed to its place.
pub(super) struct Staged {
    path: Option<PathBuf>,
}

impl Staged {
    /// Create an empty file in `directory` that only its owner may open.
    pub(super) fn file(directory: &Path, mode: u32) -> Result<(Self, File), FsError> {
        let create = |path: &Path| OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path);
        Self::create(directory, create)
    }

    fn create<T>(directory: &Path, make: impl Fn(&Path) -> io::Result<T>) -> Result<(Self, T), FsError> {
        loop {
            let path = directory.join(unique_name());
            match make(&path) {
                Ok(handle) => return Ok((Self { path: Some(path) }, handle)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(FsError::new("create", path, error)),
            }
        }
    }

    /// Rename to `target`, replacing what is there.
    pub(super) fn rename(mut self, target: &Path) -> Result<(), FsError> {
        if let Some(path) = &self.path {
            fs::rename(path, target).map_err(|error| FsError::new("rename a new file to", target, error))?;
        }
        self.path = None;
        Ok(())
    }
}

impl Staged {
    /// Rename to `target`, replacing what is there, and be it a directory: only ours belong where this is used.
    pub(super) fn replace(mut self, target: &Path) -> Result<(), FsError> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        let is_directory = |error: &io::Error| {
            let kinds = [io::ErrorKind::IsADirectory, io::ErrorKind::DirectoryNotEmpty, io::ErrorKind::AlreadyExists];
            kinds.contains(&error.kind())
        };
        let is_missing =
            |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        let renamed = match fs::rename(&path, target) {
            Err(error) if is_directory(&error) => {
                // Out of the way first: many may clear the same place at once.
                let aside = path.with_file_name(unique_name());
                match fs::rename(target, &aside) {
                    Ok(()) => drop(fs::remove_dir_all(&aside)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        return Err(FsError::new("move what is in the way of a new file from", target, error));
                    }
                }
                fs::rename(&path, target)
            }
            Err(error) if is_missing(&error) => {
                make_shard(target.parent().unwrap_or(Path::new("")))?;
                fs::rename(&path, target)
            }
            other => other,
        };
        renamed.map_err(|error| FsError::new("rename a new file to", target, error))?;
        self.path = None;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Already failing for a reason that is told; a leftover is hidden, unique, and swept later.
            let _ = fs::remove_file(path);
        }
    }
}

/// Unlike any other machine's, process's or thread's name; creation is exclusive all the same.
pub fn unique_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    format!("{PREFIX}{:08x}-{:x}-{number:x}-{nanos:x}", host(), process::id())
}

/// Stands for those who share process numbers with us: this machine, and on it this container.
fn host() -> u32 {
    static HOST: OnceLock<u32> = OnceLock::new();
    *HOST.get_or_init(|| {
        let mut name = [0_u8; 256];
        // SAFETY: the buffer is as long as it says; what is cut off need not end in NUL, and is not read as text.
        unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
        let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let digest = digest_bytes(&[&name, space.as_os_str().as_bytes()].concat(), Algorithm::Blake3);
        u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
    })
}

/// Remove from a directory what processes that were killed left in it. A leftover that stays harms nobody: globs do not
/// see it, so nothing is told.
pub(crate) fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_ours = name.as_bytes().starts_with(PREFIX.as_bytes());
        if is_ours && is_orphan(name.as_bytes()).unwrap_or_else(|| is_old(&entry)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether the process that a temporary file is named after is gone; `None` where that is for others to say: it is one
/// of another machine, or the name is none of ours.
pub fn is_orphan(name: &[u8]) -> Option<bool> {
    let mut parts = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?.split('-');
    let machine = u32::from_str_radix(parts.next()?, 16).ok()?;
    let owner = libc::pid_t::from_str_radix(parts.next()?, 16).ok().filter(|owner| *owner > 0)?;
    if machine != host() {
        return None;
    }
    // SAFETY: signal 0 only asks whether the process exists.
    let answer = unsafe { libc::kill(owner, 0) };
    Some(answer != 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH))
}

fn is_old(entry: &fs::DirEntry) -> bool {
    let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
    age().is_some_and(|age| age >= ABANDONED_AFTER)
}

/// Close a file that was written to; some file servers tell only then that there was no room.
pub(super) fn close(file: File) -> io::Result<()> {
    // SAFETY: the descriptor is ours, and nobody uses it after this.
    match unsafe { libc::close(file.into_raw_fd()) } {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            // The descriptor is gone all the same.
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(error),
        },
    }
}

/// Create a directory with all that lead to it.
pub(super) fn make_directory(path: &Path) -> Result<(), FsError> {
    fs::create_dir_all(path).map_err(|error| FsError::new("create directory", path, error))
}

/// Make something in a directory that is created where it is missing, also where others keep removing it.
///
/// # Errors
/// The step that failed.
pub(super) fn stage_in<T>(directory: &Path, make: impl Fn() -> Result<T, FsError>) -> Result<T, FsError> {
    for _ in 0..CLEARINGS {
        match make() {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => make_directory(directory)?,
            other => return other,
        }
    }
    make()
}

/// What a publication does with a directory in its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InTheWay {
    /// Leave it, and fail.
    Keep,
    /// Remove it: nothing but ours belongs there.
    Clear,
}

/// Write `data` to a unique sibling of `path` and rename it there. Missing parent directories are created; not fsynced.
///
/// # Errors
/// The step that failed.
pub fn publish(path: &Path, data: &[u8], in_the_way: InTheWay) -> Result<(), FsError> {
    publish_by(path, in_the_way, |file| file.write_all(data))
}

/// The same with what `write` writes.
///
/// # Errors
/// The step that failed.
pub(crate) fn publish_by(
    path: &Path,
    in_the_way: InTheWay,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), FsError> {
    let parent = path.parent().unwrap_or(Path::new(""));
    let make = || Staged::file(parent, 0o666);
    let staged = match make() {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => stage_in(parent, make),
        Err(error) if error.source.kind() == io::ErrorKind::NotADirectory && in_the_way == InTheWay::Clear => {
            make_shard(parent).and_then(|()| make())
        }
        other => other,
    };
    let (staged, mut file) = staged?;
    step("publish-staged");
    write(&mut file).and_then(|()| close(file)).map_err(|error| FsError::new("write", path, error))?;
    step("publish-written");
    match in_the_way {
        InTheWay::Keep => staged.rename(path)?,
        InTheWay::Clear => staged.replace(path)?,
    }
    step("publish-named");
    Ok(())
}

/// Create a directory of the store, in the place of whatever else may be there.
pub(super) fn make_shard(path: &Path) -> Result<(), FsError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_dir() => {
            fs::remove_file(path).map_err(|error| FsError::new("remove what is no directory", path, error))?;
        }
        _ => {}
    }
    make_directory(path)
}

/// Make `copy` share the blocks of `original`, where the file system can.
#[cfg(target_os = "linux")]
pub(super) fn reflink(original: &File, copy: &File) -> bool {
    use std::os::fd::AsRawFd;
    // SAFETY: both descriptors are open, and FICLONE takes a descriptor as its argument.
    unsafe { libc::ioctl(copy.as_raw_fd(), libc::FICLONE, original.as_raw_fd()) == 0 }
}

/// Make `copy` share the blocks of `original`, where the file system can.
#[cfg(not(target_os = "linux"))]
pub(super) fn reflink(_original: &File, _copy: &File) -> bool {
    false
}
