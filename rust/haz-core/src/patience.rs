//! Waiting for what comes at once without going to sleep for it.

use std::thread;
use std::time::{Duration, Instant};

/// How long a thread goes on looking before it sleeps. To wake it takes about as long where cores have to be woken too, and
/// a task that does nothing takes two such wakings: from its end to the reactor, from there to the loop.
const PATIENCE: Duration = Duration::from_micros(100);

/// Look again and again for a moment, giving way to whoever wants the core. Whether it was there.
pub(crate) fn soon(mut is_there: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if is_there() {
            return true;
        }
        if begun.elapsed() >= PATIENCE {
            return false;
        }
        thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_seen_at_once_and_nobody_looks_for_ever() {
        assert!(soon(|| true));
        let mut looks = 0;
        assert!(soon(|| {
            looks += 1;
            looks == 3
        }));
        assert_eq!(looks, 3);
        assert!(!soon(|| false));
    }
}
