//! Waiting for what comes at once without going to sleep for it.

use std::thread;
use std::time::{Duration, Instant};

/// How long a thread goes on looking before it sleeps. To wake it takes about as long where cores have to be woken too, and
/// a task that does nothing takes two such wakings: from its end to the reactor, from there to the loop.
const PATIENCE: Duration = Duration::from_micros(100);

/// Look again and again for a moment, giving way to whoever wants the core. Whether it was there.
pub(crate) fn soon(is_there: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    look(is_there, || begun.elapsed())
}

fn look(mut is_there: impl FnMut() -> bool, mut elapsed: impl FnMut() -> Duration) -> bool {
    loop {
        if is_there() {
            return true;
        }
        if elapsed() >= PATIENCE {
            return false;
        }
        thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it was there, and how often somebody looked, if each look takes a third of the patience.
    fn looks(there_at: u32) -> (bool, u32) {
        let (mut looks, mut passed) = (0, Duration::ZERO);
        let seen = look(
            || {
                looks += 1;
                looks == there_at
            },
            || {
                passed += PATIENCE / 3;
                passed
            },
        );
        (seen, looks)
    }

    #[test]
    fn what_is_there_is_seen_at_once_and_nobody_looks_for_ever() {
        assert_eq!(looks(1), (true, 1));
        assert_eq!(looks(3), (true, 3));
        let (seen, often) = looks(9);
        assert!(!seen && (3..=4).contains(&often), "{often}");
        assert!(soon(|| true));
        assert!(!soon(|| false));
    }
}
