//! The event queue that joins the core's threads with the one Python thread that takes events out.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// What a consumer does while it waits, in its own thread: no other one has to be woken for it, nor has to wake it.
pub trait Work: Send + Sync {
    /// Do what there is to do, or what comes first within `timeout` (`None`: for ever); or return because of
    /// `interrupt`. `false` when nothing will ever come any more.
    fn work(&self, timeout: Option<Duration>) -> bool;
    /// Make `work` return, or return at once when it is called next. From any thread.
    fn interrupt(&self);
}

/// A many-producer, one-consumer queue whose consumer can wait with a deadline.
///
/// Cloning gives another handle on the same queue.
pub struct Queue<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    inner: Mutex<Inner<T>>,
    ready: Condvar,
}

struct Inner<T> {
    events: VecDeque<T>,
    work: Option<Weak<dyn Work>>,
    /// The consumer, while it works.
    worker: Option<ThreadId>,
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
        let inner = Inner { events: VecDeque::new(), work: None, worker: None };
        Self { shared: Arc::new(Shared { inner: Mutex::new(inner), ready: Condvar::new() }) }
    }

    /// Have `work` done from now on by whoever waits, as long as somebody else holds it. `false` when the queue has
    /// other work that somebody holds: there can be only one.
    pub fn employ(&self, work: &Arc<dyn Work>) -> bool {
        let mut inner = self.lock();
        if inner.work.as_ref().is_some_and(|work| work.strong_count() > 0) {
            return false;
        }
        inner.work = Some(Arc::downgrade(work));
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.shared.inner.lock().expect("queue lock")
    }

    /// Append an event and wake the consumer.
    pub fn push(&self, event: T) {
        let mut inner = self.lock();
        inner.events.push_back(event);
        // Whoever pushes because of the work that it does looks here when it is done.
        let elsewhere = inner.worker.is_some_and(|worker| worker != thread::current().id());
        let work = if elsewhere { inner.work.as_ref().and_then(Weak::upgrade) } else { None };
        if elsewhere {
            inner.worker = None;
        }
        drop(inner);
        match work {
            Some(work) => work.interrupt(),
            None => self.shared.ready.notify_one(),
        }
    }

    /// Take every event that is there, waiting for the first one at most `timeout` (`None`: for ever).
    ///
    /// An empty answer means that the time ran out.
    pub fn wait(&self, timeout: Option<Duration>) -> Vec<T> {
        let deadline = timeout.and_then(|limit| Instant::now().checked_add(limit));
        let left = || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let mut inner = self.lock();
        // Once in any case: events of others must not keep the work from being done.
        if let Some(work) = inner.work.as_ref().and_then(Weak::upgrade) {
            loop {
                inner.worker = Some(thread::current().id());
                let limit = if inner.events.is_empty() { left() } else { Some(Duration::ZERO) };
                drop(inner);
                let goes_on = work.work(limit);
                inner = self.lock();
                inner.worker = None;
                if !inner.events.is_empty() || left().is_some_and(|left| left.is_zero()) {
                    return inner.events.drain(..).collect();
                }
                if !goes_on {
                    break;
                }
            }
        }
        while inner.events.is_empty() {
            match left() {
                None => inner = self.shared.ready.wait(inner).expect("queue lock"),
                Some(left) if left.is_zero() => return Vec::new(),
                Some(left) => inner = self.shared.ready.wait_timeout(inner, left).expect("queue lock").0,
            }
        }
        inner.events.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

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

    /// Work that consists of waiting for numbers, which become events; 0 is an interruption and 9 the end.
    struct Numbers {
        queue: Queue<u8>,
        sender: Sender<u8>,
        receiver: Mutex<Receiver<u8>>,
        /// Told of each turn as it begins.
        turns: Sender<()>,
        interruptions: AtomicUsize,
    }

    impl Numbers {
        fn on(queue: &Queue<u8>) -> (Arc<Self>, Receiver<()>) {
            let ((sender, receiver), (turns, told)) = (channel(), channel());
            let (receiver, interruptions) = (Mutex::new(receiver), AtomicUsize::new(0));
            (Arc::new(Self { queue: queue.clone(), sender, receiver, turns, interruptions }), told)
        }
    }

    impl Work for Numbers {
        fn work(&self, timeout: Option<Duration>) -> bool {
            // Not every test listens.
            let _ = self.turns.send(());
            let receiver = self.receiver.lock().unwrap();
            let number = match timeout {
                Some(limit) => receiver.recv_timeout(limit).unwrap_or(0),
                None => receiver.recv().unwrap(),
            };
            if !matches!(number, 0 | 9) {
                self.queue.push(number);
            }
            number != 9
        }

        fn interrupt(&self) {
            self.interruptions.fetch_add(1, Ordering::SeqCst);
            self.sender.send(0).unwrap();
        }
    }

    fn employed(queue: &Queue<u8>) -> (Arc<Numbers>, Receiver<()>) {
        let (numbers, turns) = Numbers::on(queue);
        let work: Arc<dyn Work> = numbers.clone();
        assert!(queue.employ(&work));
        (numbers, turns)
    }

    #[test]
    fn who_waits_does_the_work_and_need_not_be_woken_for_it() {
        let queue = Queue::new();
        let (numbers, turns) = employed(&queue);
        for number in [0, 0, 5] {
            numbers.sender.send(number).unwrap();
        }
        assert_eq!(queue.wait(None), [5]);
        assert_eq!(turns.try_iter().count(), 3, "what brings no event does not end the waiting");
        assert_eq!(numbers.interruptions.load(Ordering::SeqCst), 0);
        assert!(queue.wait(Some(Duration::ZERO)).is_empty());
    }

    #[test]
    fn events_of_others_do_not_keep_the_work_from_being_done() {
        let queue = Queue::new();
        let (numbers, _) = employed(&queue);
        queue.push(1);
        numbers.sender.send(2).unwrap();
        assert_eq!(queue.wait(None), [1, 2]);
    }

    #[test]
    fn an_event_of_another_thread_interrupts_the_work() {
        let queue = Queue::new();
        let (numbers, turns) = employed(&queue);
        let producer = queue.clone();
        let thread = thread::spawn(move || {
            turns.recv().unwrap();
            producer.push(3);
        });
        assert_eq!(queue.wait(None), [3]);
        thread.join().unwrap();
        assert_eq!(numbers.interruptions.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn when_the_work_is_over_or_nobody_holds_it_waiting_goes_on_without() {
        let queue = Queue::new();
        let (numbers, _) = employed(&queue);
        let other: Arc<dyn Work> = Numbers::on(&queue).0;
        assert!(!queue.employ(&other), "there is work already");
        numbers.sender.send(9).unwrap();
        let producer = queue.clone();
        let thread = thread::spawn(move || producer.push(6));
        assert_eq!(queue.wait(None), [6]);
        thread.join().unwrap();
        drop(numbers);
        assert!(queue.wait(Some(Duration::ZERO)).is_empty());
        assert!(queue.employ(&other));
    }
}
