//! Children in process groups of their own, their output hashed, captured and streamed while it arrives.
//!
//! No thread of its own reads the pipes and notices the ends: whoever waits for events does, see [`Processes::work`]. So
//! nobody has to be woken for an event, and nothing is read that nobody takes: what a child writes meanwhile stays in its
//! pipe. Spawning happens on the caller's thread as well.
//!
//! **A group id is never used for somebody else's processes.** A leader that has ended stays a zombie until both pipes
//! are at their end or abandoned, and a zombie keeps its number. When it has been reaped and members of its group live
//! on, they keep the number; from then on the group is signalled through the leader's pidfd, which can never mean
//! another one (Linux 6.9; before that, and elsewhere, by number).

mod capture;
mod group;
mod mark;
#[cfg(target_os = "linux")]
mod orphans;
mod plan;
mod poller;
mod reactor;
mod redact;
mod spawn;
#[cfg(target_os = "linux")]
mod stragglers;
#[cfg(test)]
mod tests;
mod watchdog;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub use plan::{Command, Environment, SpawnError};

use crate::blobs::Captured;
use crate::digest::Algorithm;
use crate::queue::Work;
use capture::CaptureRules;
use group::{Group, Groups};
use mark::Marks;
use plan::{Plan, Refusal};
use poller::Poller;
use reactor::{Child, Order, Reactor};
use redact::Secrets;
use spawn::{Spawner, Started};
use watchdog::{Slot, Watchdog};

/// What is told; called by whoever works, and in the thread that drops the object.
pub trait Sink: Send + 'static {
    /// Bytes arrived on stream 1 or 2.
    fn output(&self, token: u64, stream: u8, bytes: Vec<u8>);
    /// The leader ended while a descendant holds a pipe open.
    fn reaped(&self, token: u64);
    /// The leader ended and both pipes are at their end or abandoned.
    fn exit(&self, token: u64, captured: Captured);
    /// Nothing that was started lives any more, see [`Processes::dismiss`].
    fn gone(&self, token: u64);
}

/// A signal could not be sent.
#[derive(Debug)]
pub struct SignalError {
    /// The group.
    pub pid: libc::pid_t,
    /// What the operating system answered.
    pub source: io::Error,
}

/// The children of one caller. Dropping it kills every group that is still there.
pub struct Processes {
    shared: Arc<Shared>,
    spawner: Mutex<Spawner>,
    next: AtomicU64,
    marks: Option<Marks>,
    reactor: Arc<Worker>,
    /// Whether nobody but us forks this process.
    alone: AtomicBool,
    /// Ended after all children were: until then somebody may kill us.
    watchdog: Mutex<Option<Watchdog>>,
}

/// Lets one caller after the other have a turn of the reactor.
struct Worker {
    shared: Arc<Shared>,
    reactor: Mutex<Reactor>,
    over: AtomicBool,
}

impl Work for Worker {
    fn work(&self, timeout: Option<Duration>) -> bool {
        let mut reactor = lock(&self.reactor);
        let goes_on = !self.over.load(Ordering::SeqCst);
        if goes_on {
            reactor.turn(timeout);
        }
        goes_on
    }

    fn interrupt(&self) {
        self.shared.poller.wake();
    }
}

/// What the callers and the reactor share.
struct Shared {
    poller: Arc<Poller>,
    inbox: Mutex<Vec<Order>>,
    groups: Mutex<Groups>,
}

impl Shared {
    fn send(&self, order: Order) {
        lock(&self.inbox).push(order);
        self.poller.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Timeout as poll and epoll take it; rounded up, so that a deadline has passed when the wait is over.
fn milliseconds(timeout: Option<Duration>) -> i32 {
    timeout.map_or(-1, |limit| i32::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX))
}

impl Processes {
    /// Children of nobody yet. A stream larger than `memory_limit` bytes spills to a nameless file in `spill_directory`.
    ///
    /// # Errors
    /// When the system has no descriptors or memory left.
    pub fn new(sink: impl Sink, algorithm: Algorithm, spill_directory: &Path, memory_limit: usize) -> io::Result<Self> {
        group::keep_ended_children()?;
        let poller = Arc::new(Poller::new()?);
        let shared = Arc::new(Shared { poller, inbox: Mutex::default(), groups: Mutex::default() });
        let rules = CaptureRules { algorithm, spill_directory: spill_directory.into(), memory_limit };
        let spawner = Mutex::new(Spawner::new()?);
        let marks = Marks::new();
        let reactor = Mutex::new(Reactor::new(Arc::clone(&shared), rules, Box::new(sink), marks));
        let reactor = Arc::new(Worker { shared: Arc::clone(&shared), reactor, over: AtomicBool::new(false) });
        let alone = AtomicBool::new(false);
        Ok(Self { shared, spawner, next: AtomicU64::new(0), marks, reactor, alone, watchdog: Mutex::default() })
    }

    /// What has to be done, by one thread at a time, for anything to be told. It is over when this object is dropped.
    pub fn work(&self) -> Arc<dyn Work> {
        self.reactor.clone()
    }

    /// Start a child; returns its process id, which is also its group.
    ///
    /// On Linux the child is killed when the *thread* that called this ends, so call it from one that lives as long as
    /// the process. A token may be used again after its `exit`.
    ///
    /// # Errors
    /// See [`SpawnError`]. Nothing is left behind then.
    pub fn spawn(&self, token: u64, command: &Command<'_>) -> Result<libc::pid_t, SpawnError> {
        let plan = Plan::new(command)?;
        self.launch(token, &Arc::new(plan)).map_err(|Refusal { reason, errno }| SpawnError::Failed {
            program: command.argv.first().cloned().unwrap_or_default(),
            reason,
            errno,
        })
    }

    fn launch(&self, token: u64, plan: &Arc<Plan>) -> Result<libc::pid_t, Refusal> {
        if lock(&self.shared.groups).is_running(token) {
            return Err(Refusal { reason: format!("token {token} is in use"), errno: None });
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mark = self.marks.map(|marks| marks.of(id));
        let mut watchdog = lock(&self.watchdog);
        let watchdog = match &*watchdog {
            Some(watchdog) => watchdog,
            None => {
                watchdog.insert(Watchdog::start(self.marks, self.alone.load(Ordering::Relaxed)).map_err(|error| {
                    Refusal { reason: format!("cannot start the watchdog: {error}"), errno: error.raw_os_error() }
                })?)
            }
        };
        let started = group::start_leader(|| lock(&self.spawner).start(Arc::clone(plan), mark))?;
        let slot = watchdog.slot(started.pid);
        self.take_in(token, id, started, slot, plan.secrets.clone())
    }

    fn take_in(
        &self,
        token: u64,
        id: u64,
        started: Started,
        slot: Option<Slot>,
        secrets: Option<Arc<Secrets>>,
    ) -> Result<libc::pid_t, Refusal> {
        let Started { pid, pidfd, pipes, launch } = started;
        let group = Group::new(id, pid, pidfd, slot);
        let child = Child::new(id, token, pid, group.pidfd(), pipes, launch, secrets);
        // Held until the child is in the inbox: the reactor looks there before it handles what it is woken for.
        let mut inbox = lock(&self.shared.inbox);
        if let Err(error) = self.watch(&child) {
            group.destroy();
            return Err(Refusal { reason: format!("cannot watch the child: {error}"), errno: error.raw_os_error() });
        }
        lock(&self.shared.groups).insert(token, group);
        inbox.push(Order::Watch(Box::new(child)));
        Ok(pid)
    }

    /// On an error nothing is watched.
    fn watch(&self, child: &Child) -> io::Result<()> {
        let poller = &self.shared.poller;
        let watched =
            child.descriptors().try_for_each(|(descriptor, part)| poller.watch(descriptor, part.key(child.id())));
        watched.and_then(|()| if child.has_pidfd() { Ok(()) } else { self.wait_in_a_thread(child) }).inspect_err(|_| {
            child.descriptors().for_each(|(descriptor, _)| poller.forget(descriptor));
        })
    }

    fn wait_in_a_thread(&self, child: &Child) -> io::Result<()> {
        let (shared, id, pid) = (Arc::clone(&self.shared), child.id(), child.pid());
        let waiter = thread::Builder::new().name(format!("haz-wait-{pid}")).stack_size(64 << 10);
        waiter.spawn(move || {
            group::await_end(pid);
            shared.send(Order::Ended(id));
        })?;
        Ok(())
    }

    /// Signal the group of a child, also after its `exit` while members live on. `false` when the group is gone.
    /// Until its `exit`, an ended leader counts as a member.
    ///
    /// # Errors
    /// For another reason than the group being gone.
    pub fn signal(&self, token: u64, signal: i32) -> Result<bool, SignalError> {
        lock(&self.shared.groups).signal(token, signal)
    }

    /// Signal every process of a child: its group and, on Linux, those that left it. From now on its `exit` is told when
    /// none of them lives any more, or when it is abandoned. `false` when the child has ended before.
    ///
    /// Stopped processes are continued by SIGTERM, so that they can act on it.
    ///
    /// # Errors
    /// When one of them cannot be signalled; all others have been.
    pub fn end(&self, token: u64, signal: i32) -> Result<bool, SignalError> {
        let running = lock(&self.shared.groups).running_with_leader(token);
        let Some((id, pid)) = running else { return self.signal(token, signal) };
        // Before the signal: the reactor must know when it sees the end.
        self.shared.send(Order::Linger(id));
        let told = self.end_with(token, id, pid, signal);
        if signal == libc::SIGTERM {
            self.end_with(token, id, pid, libc::SIGCONT)?;
        }
        told
    }

    fn end_with(&self, token: u64, id: u64, pid: libc::pid_t, signal: i32) -> Result<bool, SignalError> {
        let told = self.signal(token, signal);
        #[cfg(target_os = "linux")]
        orphans::signal_members(pid, self.marks.map(|marks| marks.of(id)), signal)?;
        #[cfg(not(target_os = "linux"))]
        let _ = (id, pid);
        told
    }

    /// The living processes of a child besides its leader, until its `exit`. Linux; elsewhere nothing is found.
    pub fn members(&self, token: u64) -> Vec<libc::pid_t> {
        #[cfg(target_os = "linux")]
        {
            let running = lock(&self.shared.groups).running_with_leader(token);
            running.map_or_else(Vec::new, |(id, pid)| orphans::pids(pid, self.marks.map(|marks| marks.of(id))))
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = token;
            Vec::new()
        }
    }

    /// Signal each of [`descendants`]; returns how many live. Unless none does, `gone` is told when the last one ended.
    pub fn dismiss(&self, token: u64, signal: i32) -> usize {
        #[cfg(target_os = "linux")]
        {
            orphans::signal_descendants(signal);
            if signal == libc::SIGTERM {
                orphans::signal_descendants(libc::SIGCONT);
            }
            let count = orphans::descendants().len();
            if count > 0 {
                self.shared.send(Order::Dismiss(token));
            }
            count
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = (token, signal);
            0
        }
    }

    /// Stop reading the pipes of a child and waiting for its strays: what is in the pipes is taken, then they are closed.
    /// A leader that cannot be signalled (it became another user's) is waited for no longer.
    pub fn abandon(&self, token: u64) {
        let id = lock(&self.shared.groups).running(token);
        if let Some(id) = id {
            self.shared.send(Order::Abandon(id));
        }
    }

    /// Become the parent of descendants whose own parent ends, and reap them (Linux; elsewhere nothing happens).
    ///
    /// A child process that was not started here is taken for such an orphan unless it is in this process's own group. Only
    /// for whoever has the process to himself: while the first child starts, nobody else may fork.
    ///
    /// # Errors
    /// What the operating system answers.
    pub fn adopt_orphans(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            orphans::become_subreaper()?;
            self.alone.store(true, Ordering::Relaxed);
            self.shared.send(Order::Adopt);
        }
        Ok(())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.reactor.over.store(true, Ordering::SeqCst);
        self.reactor.interrupt();
        lock(&self.reactor.reactor).stop();
    }
}

/// Living processes whose chain of parents leads to this one, those in this process's own group and what they started
/// left out. Linux; elsewhere nothing is found.
pub fn descendants() -> Vec<libc::pid_t> {
    #[cfg(target_os = "linux")]
    return orphans::descendants();
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}

/// Whether this process descends from another one. Only the parent is known on systems other than Linux.
pub fn is_ancestor(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    #[cfg(target_os = "linux")]
    return orphans::is_ancestor(pid);
    // SAFETY: no arguments.
    #[cfg(not(target_os = "linux"))]
    return unsafe { libc::getppid() } == pid;
}

/// Signal each of [`descendants`], and those that appear meanwhile; returns how many were signalled.
pub fn kill_descendants(signal: i32) -> usize {
    #[cfg(target_os = "linux")]
    return orphans::signal_descendants(signal);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = signal;
        0
    }
}
