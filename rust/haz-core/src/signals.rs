//! What happens to this process when it is told to stop: leave at once, or tell whoever drives a run.
//!
//! The handler only leaves or writes one byte to a pipe; a thread of its own reads that pipe and calls the sink.

use std::io::{self, PipeReader, Read};
use std::mem::MaybeUninit;
use std::os::fd::{IntoRawFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, c_int};

/// The signals that end a run.
pub const HANDLED: [c_int; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// Called with the number of each signal, on a thread of its own.
pub type Sink = Box<dyn Fn(c_int) + Send>;

/// In place of a descriptor: leave.
const LEAVE: RawFd = -1;

/// Where the handler writes.
static TARGET: AtomicI32 = AtomicI32::new(LEAVE);
static SINK: Mutex<Option<Sink>> = Mutex::new(None);
/// The writing end, kept for later once the thread runs; its lock makes `deliver` one at a time.
static PIPE: Mutex<Option<RawFd>> = Mutex::new(None);

extern "C" fn handle(signal: c_int) {
    // SAFETY: async-signal-safe calls only; errno is put back because the interrupted code may be about to read it.
    unsafe {
        let target = TARGET.load(Ordering::SeqCst);
        if target == LEAVE {
            if signal == SIGTSTP {
                return;
            }
            libc::_exit(128 + signal);
        }
        let errno = errno_location();
        let before = *errno;
        let byte = u8::try_from(signal).unwrap_or(0);
        // A full pipe holds thousands of signals that nobody looked at: one more tells nothing new.
        libc::write(target, ptr::from_ref(&byte).cast(), 1);
        *errno = before;
    }
}

#[cfg(target_os = "linux")]
unsafe fn errno_location() -> *mut c_int {
    // SAFETY: always valid for this thread.
    unsafe { libc::__errno_location() }
}

#[cfg(target_vendor = "apple")]
unsafe fn errno_location() -> *mut c_int {
    // SAFETY: always valid for this thread.
    unsafe { libc::__error() }
}

/// Leave with status 128 + n on each of [`HANDLED`] until [`deliver`] says otherwise.
///
/// A signal that is ignored stays ignored: whoever started us wants us to survive it. Calling it again changes nothing.
///
/// # Errors
/// What the operating system answers.
pub fn install() -> io::Result<()> {
    let handler: extern "C" fn(c_int) = handle;
    HANDLED.into_iter().try_for_each(|signal| set_action(signal, handler as libc::sighandler_t))
}

/// Unless the signal is ignored.
fn set_action(signal: c_int, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: both actions are written before they are read; the handler is async-signal-safe.
    unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        if libc::sigaction(signal, ptr::null(), &raw mut action) == -1 {
            return Err(io::Error::last_os_error());
        }
        if action.sa_sigaction == libc::SIG_IGN {
            return Ok(());
        }
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART;
        libc::sigfillset(&raw mut action.sa_mask);
        if libc::sigaction(signal, &raw const action, ptr::null_mut()) == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Stop this process as SIGTSTP would have done had it not been delivered; returns when it is continued.
///
/// Nothing happens where the system lets no terminal stop it: nobody could continue it there.
///
/// # Errors
/// What the operating system answers.
pub fn suspend() -> io::Result<()> {
    set_action(SIGTSTP, libc::SIG_DFL)?;
    // SAFETY: plain numbers. Sent to this thread, so that it has acted when the call returns.
    unsafe { libc::raise(SIGTSTP) };
    let handler: extern "C" fn(c_int) = handle;
    set_action(SIGTSTP, handler as libc::sighandler_t)
}

/// Hand signals to `sink` from now on, SIGTSTP too; with `None`, leave with status 128 + n again, also for one that came
/// before and was not handed over yet.
///
/// # Errors
/// When the system has no descriptors or threads left; nothing changes then.
pub fn deliver(sink: Option<Sink>) -> io::Result<()> {
    let mut pipe = PIPE.lock().unwrap_or_else(PoisonError::into_inner);
    if sink.is_none() {
        set_action(SIGTSTP, libc::SIG_DFL)?;
        TARGET.store(LEAVE, Ordering::SeqCst);
        *SINK.lock().unwrap_or_else(PoisonError::into_inner) = None;
        return Ok(());
    }
    let target = match *pipe {
        Some(target) => target,
        None => *pipe.insert(start_thread()?),
    };
    *SINK.lock().unwrap_or_else(PoisonError::into_inner) = sink;
    TARGET.store(target, Ordering::SeqCst);
    let handler: extern "C" fn(c_int) = handle;
    set_action(SIGTSTP, handler as libc::sighandler_t)
}

fn start_thread() -> io::Result<RawFd> {
    let (reader, writer) = io::pipe()?;
    thread::Builder::new().name("haz-signals".into()).stack_size(64 << 10).spawn(move || hand_over(reader))?;
    let writer = writer.into_raw_fd();
    // SAFETY: plain descriptor flags. The handler must never block.
    if unsafe { libc::fcntl(writer, libc::F_SETFL, libc::O_NONBLOCK) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(writer)
}

fn hand_over(mut reader: PipeReader) {
    let mut byte = [0];
    // The writing end is never closed, so this lasts as long as the process.
    while reader.read_exact(&mut byte).is_ok() {
        let signal = c_int::from(byte[0]);
        match &*SINK.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(sink) => sink(signal),
            None if signal == SIGTSTP => {}
            // SAFETY: leaves at once, as the handler would have done.
            None => unsafe { libc::_exit(128 + signal) },
        }
    }
}
