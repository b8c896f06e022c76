//! Advisory locks between the haz processes of one workspace, and a sign by which they learn that files have changed.
//!
//! A lock is a range of one byte of one file, at a place that its name decides, held by an open file description: the
//! kernel gives it back when its holder dies, however it dies. A file for each lock would say more to people, but making
//! one costs a millisecond on some file systems. A holder writes its pid into the same file, for people who wait.

mod changes;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use libc::{c_int, c_short};

use crate::error::reason;
use crate::process::is_ancestor;
use changes::Changes;

/// The file of the locks.
const FILE: &str = "held";
/// How many pids the file has room for, four bytes each. Two locks may share a place: pids are for people only.
const PIDS: u64 = 1 << 14;
const SET: c_int = libc::F_OFD_SETLK;
const SET_OR_WAIT: c_int = libc::F_OFD_SETLKW;
/// More names than these are shared with all others at once.
const MANY: usize = 64;
/// How many files are kept open for locks to come.
const IDLE: usize = 16;
/// Numbers the waits of the process.
static WAITERS: AtomicU64 = AtomicU64::new(0);
/// A thread that blocks in one system call needs no more.
const STACK: usize = 64 << 10;

/// Hears how an acquisition goes on; called on the caller's thread or on one of the locks' own.
pub trait Sink: Send + Sync + 'static {
    /// Somebody else holds the lock: the process of this id, where it is known.
    fn waiting(&self, token: u64, pid: Option<u32>);

    /// The lock is held; or, with a reason, it cannot be.
    fn locked(&self, token: u64, error: Option<String>);
}

/// Locks in one directory, which is created with the first of them. Dropping it gives all of them back.
pub struct FileLocks {
    shared: Arc<Shared>,
    directory: PathBuf,
    changes: Mutex<Changes>,
}

struct Shared {
    sink: Box<dyn Sink>,
    /// Open files without a lock, for those to come.
    idle: Mutex<Vec<File>>,
    wanted: Mutex<HashMap<u64, Entry>>,
}

/// What a token stands for.
enum Entry {
    Held(Lock),
    /// A thread waits, known by a number: the token may be in use again when it comes back.
    Waiting(u64),
}

/// A held lock.
struct Lock {
    file: Option<File>,
    place: Place,
    exclusive: bool,
}

impl Lock {
    fn of(file: File, place: Place, exclusive: bool) -> Self {
        // Only people depend on it.
        let _ = file.write_all_at(&std::process::id().to_le_bytes(), place.pid());
        Self { file: Some(file), place, exclusive }
    }

    /// Give it back; returns the file, if it is of further use.
    fn end(&mut self) -> Option<File> {
        let file = self.file.take()?;
        if self.exclusive {
            let _ = file.write_all_at(&[0; 4], self.place.pid());
        }
        // Closing is not enough: a child between fork and exec has a copy of the descriptor.
        self.place.set(&file, SET, libc::F_UNLCK).is_ok().then_some(file)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where in the file a name is locked. Names that meet by accident (one in 2^62) only wait for each other.
#[derive(Clone, Copy)]
struct Place {
    start: u64,
    /// Bytes; 0 for all from the start on.
    length: u8,
}

impl Place {
    /// Where all names are.
    const ALL: Self = Self { start: 0, length: 0 };

    fn of(name: &str) -> Self {
        let digest = blake3::hash(name.as_bytes());
        let (head, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
        Self { start: u64::from_le_bytes(*head) >> 2, length: 1 }
    }

    fn pid(self) -> u64 {
        4 * (self.start % PIDS)
    }

    /// The type of the kinds differs between systems.
    fn set(self, file: &File, command: c_int, kind: impl Into<c_int>) -> io::Result<()> {
        // SAFETY: plain numbers, for which zero is a value.
        let mut range: libc::flock = unsafe { mem::zeroed() };
        range.l_type = c_short::try_from(kind.into()).expect("a small constant");
        range.l_whence = c_short::try_from(libc::SEEK_SET).expect("a small constant");
        range.l_start = libc::off_t::try_from(self.start).expect("62 bits");
        range.l_len = libc::off_t::from(self.length);
        // SAFETY: a descriptor that `file` keeps open, and a structure that outlives the call.
        if unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const range) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl FileLocks {
    /// Locks in `directory`, an absolute path. Touches nothing on the disk.
    pub fn new(sink: impl Sink, directory: PathBuf) -> Self {
        let shared = Shared { sink: Box::new(sink), idle: Mutex::default(), wanted: Mutex::default() };
        let changes = Mutex::new(Changes::new(directory.join("changes")));
        Self { shared: Arc::new(shared), directory, changes }
    }

    /// Take the lock `name` under a token that is not in use. True when it is held now; else the sink hears how it goes.
    ///
    /// A lock that is held by a process which this one descends from is refused, because that one waits for us.
    pub fn acquire(&self, token: u64, name: &str, exclusive: bool) -> bool {
        match self.start(token, name, exclusive) {
            Ok(Start::Held(lock)) => {
                lock_map(&self.shared).insert(token, Entry::Held(lock));
                return true;
            }
            Ok(Start::Waiting) => {}
            Err(error) => self.shared.sink.locked(token, Some(error)),
        }
        false
    }

    /// Take these locks under one token beside others who share them; false, and none is taken, when somebody has one of
    /// them for himself, whom nobody waits for.
    ///
    /// True also where they cannot be had: `acquire` says why. A holder that this process descends from waits for us.
    /// Nothing is written, so that a look at what is in place already writes nothing. For many names all that there are
    /// are shared if that can be: the kernel looks at each lock of the file to set another one.
    pub fn share(&self, token: u64, names: &[impl AsRef<str>]) -> bool {
        let path = self.directory.join(FILE);
        loop {
            let idle = idle_files(&self.shared).pop();
            let opened = || open(&path, OpenOptions::new().read(true).write(true));
            let Ok(file) = idle.map_or_else(opened, Ok) else { return true };
            // One description has them all, so that the end of one range ends them.
            let mut lock = Lock { file: None, place: Place::ALL, exclusive: false };
            let answer = share_on(&file, names);
            lock.file = Some(file);
            match answer {
                Ok(true) if lock.file.as_ref().is_some_and(is_removed) => {}
                Ok(true) => {
                    lock_map(&self.shared).insert(token, Entry::Held(lock));
                    return true;
                }
                Ok(false) => {
                    if let Some(file) = lock.end() {
                        self.keep(file);
                    }
                    return false;
                }
                Err(_) => return true,
            }
        }
    }

    /// Keep an open file without a lock for the next one.
    fn keep(&self, file: File) {
        let mut idle = idle_files(&self.shared);
        if idle.len() < IDLE {
            idle.push(file);
        }
    }

    fn start(&self, token: u64, name: &str, exclusive: bool) -> Result<Start, String> {
        let failed =
            |error: &io::Error| format!("cannot lock files in {}: {}", self.directory.display(), reason(error));
        let place = Place::of(name);
        let path = self.directory.join(FILE);
        let file = loop {
            let idle = idle_files(&self.shared).pop();
            let opened = || open(&path, OpenOptions::new().read(true).write(true));
            let file = idle.map_or_else(opened, Ok).map_err(|error| failed(&error))?;
            match place.set(&file, SET, kind(exclusive)) {
                Ok(()) if is_removed(&file) => {}
                Ok(()) => return Ok(Start::Held(Lock::of(file, place, exclusive))),
                Err(error) if is_taken(&error) => break file,
                Err(error) => return Err(failed(&error)),
            }
        };
        let pid = holder(&file, place);
        if let Some(pid) = pid.filter(|pid| is_ancestor(*pid)) {
            return Err(format!("process {pid} holds the lock {name}, and this haz was started by it"));
        }
        let number = WAITERS.fetch_add(1, Ordering::Relaxed);
        lock_map(&self.shared).insert(token, Entry::Waiting(number));
        self.shared.sink.waiting(token, pid);
        let shared = Arc::clone(&self.shared);
        let directory = self.directory.clone();
        let waiter = thread::Builder::new().name("haz-lock".into()).stack_size(STACK).spawn(move || {
            let answer = wait(file, &path, place, exclusive)
                .map_err(|error| format!("cannot lock files in {}: {}", directory.display(), reason(&error)));
            // Told while the map is locked: after `release` nothing is told any more.
            let mut wanted = lock_map(&shared);
            if !matches!(wanted.get(&token), Some(Entry::Waiting(found)) if *found == number) {
                return;
            }
            let error = match answer {
                Ok(lock) => {
                    wanted.insert(token, Entry::Held(lock));
                    None
                }
                Err(error) => {
                    wanted.remove(&token);
                    Some(error)
                }
            };
            shared.sink.locked(token, error);
        });
        match waiter {
            Ok(_) => Ok(Start::Waiting),
            Err(error) => {
                lock_map(&self.shared).remove(&token);
                Err(failed(&error))
            }
        }
    }

    /// Give a lock back, or stop waiting for it. Unknown tokens are none of our business.
    ///
    /// The thread of a wait that was given up stays in its system call until the holder goes, gives the lock back at once
    /// and ends; interrupting it would take a signal that may always come just before the call.
    pub fn release(&self, token: u64) {
        let entry = lock_map(&self.shared).remove(&token);
        if let Some(Entry::Held(mut lock)) = entry
            && let Some(file) = lock.end()
        {
            self.keep(file);
        }
    }

    /// Tell the other processes of the workspace that files have changed, or that a result was stored.
    ///
    /// Where nothing can be written nothing is told; `acquire` says why.
    pub fn note(&self) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).note();
    }

    /// Whether another process has called [`note`](Self::note) since the last question, or since the creation of this.
    pub fn changed(&self) -> bool {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).changed()
    }
}

impl Drop for FileLocks {
    fn drop(&mut self) {
        lock_map(&self.shared).clear();
    }
}

enum Start {
    Held(Lock),
    Waiting,
}

/// Share the locks of these names, or all that there are; whether nobody has one of them for himself.
fn share_on(file: &File, names: &[impl AsRef<str>]) -> io::Result<bool> {
    if names.len() > MANY {
        match Place::ALL.set(file, SET, kind(false)) {
            Err(error) if is_taken(&error) => {}
            answer => return answer.map(|()| true),
        }
    }
    let mut places: Vec<Place> = names.iter().map(|name| Place::of(name.as_ref())).collect();
    // The kernel finds the place of a lock among those that are held by looking at them from the first on.
    places.sort_unstable_by_key(|place| Reverse(place.start));
    for place in places {
        match place.set(file, SET, kind(false)) {
            Err(error) if is_taken(&error) => {
                if !holder(file, place).is_some_and(is_ancestor) {
                    return Ok(false);
                }
            }
            answer => answer?,
        }
    }
    Ok(true)
}

/// Whether it says that somebody has the lock; POSIX leaves open how.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}

fn idle_files(shared: &Shared) -> MutexGuard<'_, Vec<File>> {
    shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock_map(shared: &Shared) -> MutexGuard<'_, HashMap<u64, Entry>> {
    shared.wanted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Block until the lock is ours.
fn wait(mut file: File, path: &Path, place: Place, exclusive: bool) -> io::Result<Lock> {
    loop {
        match place.set(&file, SET_OR_WAIT, kind(exclusive)) {
            // Somebody cleaned up: who comes now locks another file of that name.
            Ok(()) if is_removed(&file) => file = open(path, OpenOptions::new().read(true).write(true))?,
            Ok(()) => return Ok(Lock::of(file, place, exclusive)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn kind(exclusive: bool) -> c_int {
    // They are C shorts on macOS.
    if exclusive { c_int::from(libc::F_WRLCK) } else { c_int::from(libc::F_RDLCK) }
}

fn is_removed(file: &File) -> bool {
    file.metadata().is_ok_and(|found| found.nlink() == 0)
}

/// Open a file of the directory, making both where they are missing. An exclusive lock takes the right to write.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.create(true);
    let error = match options.open(path) {
        Ok(file) => return Ok(file),
        Err(error) => error,
    };
    if error.kind() != io::ErrorKind::NotFound {
        return Err(error);
    }
    make_directory(path)?;
    options.open(path)
}

fn make_directory(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent() else { return Ok(()) };
    fs::create_dir_all(directory)?;
    // Nobody wants to commit these, and nobody should have to say so.
    let ignore = directory.join(".gitignore");
    if !ignore.exists() {
        let _ = fs::write(ignore, "*\n");
    }
    Ok(())
}

/// The pid that the holder left in the file, if such a process lives.
fn holder(file: &File, place: Place) -> Option<u32> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, place.pid()).ok()?;
    let pid = u32::from_le_bytes(bytes);
    let number = libc::pid_t::try_from(pid).ok().filter(|number| *number > 0)?;
    // SAFETY: signal 0 is only a question.
    let gone = unsafe { libc::kill(number, 0) } == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH);
    (!gone).then_some(pid)
}
