//! How much output may wait to be taken before reading pauses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes of chunks that may wait. Reading resumes when half of it is free again.
const LIMIT: usize = 4 << 20;
/// What a chunk costs besides its bytes: a child that writes single bytes must not cost memory either.
const OVERHEAD: usize = 512;

/// The shared budget of one reactor.
pub(super) struct Budget {
    used: AtomicUsize,
    paused: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Budget {
    pub fn new(wake: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { used: AtomicUsize::new(0), paused: AtomicBool::new(false), wake }
    }

    /// Whether pipes may be read now. After a `false`, `wake` is called once when they may be read again.
    pub fn may_read(&self) -> bool {
        if self.used.load(Ordering::SeqCst) < LIMIT && !self.paused.load(Ordering::SeqCst) {
            return true;
        }
        // Announced before the second look: credit that comes back in between wakes us, or is seen here.
        self.paused.store(true, Ordering::SeqCst);
        if self.used.load(Ordering::SeqCst) <= LIMIT / 2 {
            self.paused.store(false, Ordering::SeqCst);
            return true;
        }
        false
    }
}

/// Bytes of one chunk of output; their share of the budget comes back when this is dropped.
pub struct Chunk {
    bytes: Vec<u8>,
    budget: Arc<Budget>,
}

impl Chunk {
    pub(super) fn new(bytes: Vec<u8>, budget: &Arc<Budget>) -> Self {
        budget.used.fetch_add(bytes.len() + OVERHEAD, Ordering::SeqCst);
        Self { bytes, budget: Arc::clone(budget) }
    }
}

impl std::ops::Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let cost = self.bytes.len() + OVERHEAD;
        let left = self.budget.used.fetch_sub(cost, Ordering::SeqCst) - cost;
        if left <= LIMIT / 2 && self.budget.paused.swap(false, Ordering::SeqCst) {
            (self.budget.wake)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_pauses_at_the_limit_and_resumes_with_one_wake_when_half_is_free() {
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&woken);
        let budget = Arc::new(Budget::new(Box::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        })));
        let mut chunks: Vec<Chunk> = (0..4).map(|_| Chunk::new(vec![0; LIMIT / 4], &budget)).collect();
        assert!(!budget.may_read());
        chunks.pop();
        assert!(!budget.may_read());
        chunks.clear();
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        assert!(budget.may_read());
    }

    #[test]
    fn tiny_chunks_cost_more_than_their_bytes() {
        let budget = Arc::new(Budget::new(Box::new(|| ())));
        let chunks: Vec<Chunk> = (0..LIMIT / OVERHEAD).map(|_| Chunk::new(vec![0], &budget)).collect();
        assert!(!budget.may_read());
        drop(chunks);
    }
}
