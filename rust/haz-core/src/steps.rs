//! Named moments between two changes of the disk, at which a test can have this process killed.
//!
//! `HAZ_CRASH_AT=publish-written:3` kills it, as `kill -9` does, when it passes that moment for the third time. Without
//! the variable a moment costs one read of memory.

use std::env;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const VARIABLE: &str = "HAZ_CRASH_AT";

/// Pass a moment.
pub fn step(name: &str) {
    static DOOM: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let doom = DOOM.get_or_init(|| {
        let text = env::var(VARIABLE).ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), AtomicU64::new(count.parse().ok()?)))
    });
    if let Some((doomed, left)) = doom
        && doomed == name
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        // SAFETY: a signal to ourselves; this one is never handled.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
}
