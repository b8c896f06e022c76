//! The event queue that joins the core's threads with the one Python thread that takes events out.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::patience::soon;

/// A many-producer, one-consumer queue whose consumer can wait with a deadline.
///
/// Cloning gives another handle on the same queue.
pub struct Queue<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    events: Mutex<VecDeque<T>>,
    ready: Condvar,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Queue<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { events: Mutex::new(VecDeque::new()), ready: Condvar::new() }) }
    }

    /// Append an event and wake the consumer.
    pub fn push(&self, event: T) {
        self.shared.events.lock().expect("queue lock").push_back(event);
        self.shared.ready.notify_one();
    }

    /// Take every event that is there, waiting for the first one at most `timeout` (`None`: for ever).
    ///
    /// An empty answer means that the time ran out.
    pub fn wait(&self, timeout: Option<Duration>) -> Vec<T> {
        if timeout.is_none_or(|limit| !limit.is_zero()) {
            soon(|| !self.shared.events.lock().expect("queue lock").is_empty());
        }
        let deadline = timeout.and_then(|limit| Instant::now().checked_add(limit));
        let mut events = self.shared.events.lock().expect("queue lock");
        while events.is_empty() {
            match deadline {
                None => events = self.shared.ready.wait(events).expect("queue lock"),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Vec::new();
                    }
                    events = self.shared.ready.wait_timeout(events, left).expect("queue lock").0;
                }
            }
        }
        events.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_in_the_order_they_went_in() {
        let queue = Queue::new();
        queue.push(1);
        queue.push(2);
        assert_eq!(queue.wait(None), vec![1, 2]);
    }

    #[test]
    fn waiting_on_an_empty_queue_ends_at_the_deadline() {
        let queue: Queue<u8> = Queue::new();
        assert!(queue.wait(Some(Duration::ZERO)).is_empty());
    }

    #[test]
    fn a_push_from_another_thread_wakes_the_consumer() {
        let queue = Queue::new();
        let producer = queue.clone();
        let thread = std::thread::spawn(move || producer.push(7));
        assert_eq!(queue.wait(None), vec![7]);
        thread.join().unwrap();
    }
}
