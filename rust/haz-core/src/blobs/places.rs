//! Directories of the workspace by descriptor, so that nothing which takes the place of one can lead a write elsewhere.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::stage::unique_name;
use crate::tree::State;

#[cfg(target_os = "linux")]
const WALK: libc::c_int = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const WALK: libc::c_int = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;

/// What `lstat` says about a name in a directory.
pub(super) struct Status {
    pub is_directory: bool,
    pub state: State,
}

/// An open directory.
pub(super) struct Directory(OwnedFd);

fn c_text(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

fn checked(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

fn open_at(parent: libc::c_int, name: &CStr, flags: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: the name ends in NUL; a descriptor that comes back is new and ours.
    Ok(unsafe { OwnedFd::from_raw_fd(checked(libc::openat(parent, name.as_ptr(), flags, 0o600))?) })
}

impl Directory {
    /// The directory that a workspace path below `root` names. No link on the way there is followed.
    pub(super) fn open(root: &Path, workspace_path: &[u8]) -> io::Result<Self> {
        let mut found = Self(open_at(libc::AT_FDCWD, &c_text(root.as_os_str().as_bytes())?, WALK)?);
        let way = workspace_path.strip_prefix(b"/").unwrap_or(workspace_path);
        #[cfg(target_os = "linux")]
        if way.contains(&b'/')
            && let Some(answer) = found.open_below(way)
        {
            return answer;
        }
        for segment in way.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()) {
            found = found.enter(segment)?;
        }
        Ok(found)
    }

    /// A directory in this one, and no link to one.
    pub(super) fn enter(&self, name: &[u8]) -> io::Result<Self> {
        Ok(Self(open_at(self.raw(), &c_text(name)?, WALK | libc::O_NOFOLLOW)?))
    }

    /// The whole way in one call. None where the kernel does not know that call, or something moves on the way.
    #[cfg(target_os = "linux")]
    fn open_below(&self, way: &[u8]) -> Option<io::Result<Self>> {
        use std::sync::atomic::{AtomicBool, Ordering};
        static UNKNOWN: AtomicBool = AtomicBool::new(false);
        if UNKNOWN.load(Ordering::Relaxed) {
            return None;
        }
        let way = c_text(way).ok()?;
        // SAFETY: a structure of numbers, in which 0 stands for nothing.
        let mut how: libc::open_how = unsafe { std::mem::zeroed() };
        how.flags = u64::from(WALK.cast_unsigned());
        how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
        // SAFETY: a text that ends in NUL, and a structure with its size.
        let answer = unsafe {
            libc::syscall(libc::SYS_openat2, self.raw(), way.as_ptr(), &raw const how, size_of::<libc::open_how>())
        };
        let Ok(answer) = libc::c_int::try_from(answer) else { return None };
        match checked(answer) {
            // SAFETY: the descriptor is new and ours.
            Ok(number) => Some(Ok(Self(unsafe { OwnedFd::from_raw_fd(number) }))),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOSYS | libc::EPERM | libc::E2BIG | libc::EINVAL) => {
                    UNKNOWN.store(true, Ordering::Relaxed);
                    None
                }
                // Told step by step, in the words that a link on the way always had.
                Some(libc::EAGAIN | libc::ELOOP) => None,
                _ => Some(Err(error)),
            },
        }
    }

    fn raw(&self) -> libc::c_int {
        self.0.as_raw_fd()
    }

    /// Create a directory in this one; whether it was not there before.
    pub(super) fn make(&self, name: &[u8]) -> io::Result<bool> {
        let name = c_text(name)?;
        // SAFETY: the name ends in NUL.
        match checked(unsafe { libc::mkdirat(self.raw(), name.as_ptr(), 0o777) }) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Create an empty file under a new name that only its owner may open.
    pub(super) fn file(&self) -> io::Result<(CString, File)> {
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        Self::named(|name| Ok(File::from(open_at(self.raw(), name, flags)?)))
    }

    /// Create a symbolic link under a new name.
    pub(super) fn link(&self, target: &[u8]) -> io::Result<CString> {
        let target = c_text(target)?;
        // SAFETY: both texts end in NUL.
        let make = |name: &CStr| checked(unsafe { libc::symlinkat(target.as_ptr(), self.raw(), name.as_ptr()) });
        Ok(Self::named(make)?.0)
    }

    fn named<T>(make: impl Fn(&CStr) -> io::Result<T>) -> io::Result<(CString, T)> {
        loop {
            let name = c_text(unique_name().as_bytes())?;
            match make(&name) {
                Ok(new) => return Ok((name, new)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Give what is called `from` the name `to`, replacing what has that name.
    pub(super) fn rename(&self, from: &CStr, to: &[u8]) -> io::Result<()> {
        let to = c_text(to)?;
        // SAFETY: both names end in NUL.
        checked(unsafe { libc::renameat(self.raw(), from.as_ptr(), self.raw(), to.as_ptr()) }).map(drop)
    }

    /// Remove a file or a link.
    pub(super) fn remove(&self, name: &[u8]) -> io::Result<()> {
        self.unlink(name, 0)
    }

    /// Remove an empty directory.
    pub(super) fn remove_directory(&self, name: &[u8]) -> io::Result<()> {
        self.unlink(name, libc::AT_REMOVEDIR)
    }

    fn unlink(&self, name: &[u8], flags: libc::c_int) -> io::Result<()> {
        let name = c_text(name)?;
        // SAFETY: the name ends in NUL.
        checked(unsafe { libc::unlinkat(self.raw(), name.as_ptr(), flags) }).map(drop)
    }

    /// What a name stands for, links being themselves.
    // The types of these fields differ between systems.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    pub(super) fn status(&self, name: &[u8]) -> io::Result<Status> {
        let name = c_text(name)?;
        let mut found = std::mem::MaybeUninit::<libc::stat>::uninit();
        // SAFETY: the name ends in NUL, and the result has room for what is written.
        checked(unsafe { libc::fstatat(self.raw(), name.as_ptr(), found.as_mut_ptr(), libc::AT_SYMLINK_NOFOLLOW) })?;
        // SAFETY: the call has succeeded, and so has filled it in.
        let found = unsafe { found.assume_init() };
        let modified =
            i64::from(found.st_mtime).saturating_mul(1_000_000_000).saturating_add(found.st_mtime_nsec as i64);
        let state = State { inode: found.st_ino as u64, size: u64::try_from(found.st_size).unwrap_or(0), modified };
        Ok(Status { is_directory: found.st_mode & libc::S_IFMT == libc::S_IFDIR, state })
    }
}

/// A workspace path as the directory that it lies in and its own name.
pub(super) fn split(workspace_path: &[u8]) -> (&[u8], &[u8]) {
    let at = workspace_path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    (&workspace_path[..at], &workspace_path[(at + 1).min(workspace_path.len())..])
}
