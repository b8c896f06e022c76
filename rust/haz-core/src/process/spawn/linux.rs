//! Starting a child on Linux: no page table is copied, and nobody waits until it has executed.
//!
//! The child borrows this process's memory (`CLONE_VM`) on a stack of its own until it executes, so until then it only
//! makes system calls, with arguments that were made ready before, and without `errno`, which is that of the thread that
//! made it. All signals are blocked meanwhile: a handler of ours that ran in the child would act on our memory.
//!
//! Our thread goes on as soon as the child exists; what keeps the child from executing is known when it has ended. The
//! next spawn waits until this child has closed what it inherited: a descriptor that is open for writing in this process
//! can never be held open by one child while the next one executes that very file. Its stack is used again when the kernel
//! says, by clearing a word (`CLONE_CHILD_CLEARTID`), that the child has left our memory.

use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::mark;
use super::super::plan::{Plan, Refusal, directory, directory_refusal};
use super::bare::{IS_BARE, bare, failure};
use super::{BlockedSignals, Pipes, Started, descriptor_limit, open_null, system_refusal};

const STACK: usize = 128 << 10;
const GUARD: usize = 64 << 10;
/// How many signals the kernel knows; a set of them has a bit for each.
const SIGNALS: usize = 64;
/// Children that may be on their way at a time.
const STACKS: usize = 4;
/// How long a stack may be in use. Where the word is not cleared in time we wait in the kernel from then on.
const PATIENCE: Duration = Duration::from_secs(5);

/// What spawning needs again and again.
pub(in super::super) struct Spawner {
    null: OwnedFd,
    /// The last one is the one used last. A child that has left needs its launch no longer.
    stacks: VecDeque<(Stack, Arc<Launch>)>,
    /// Whether our thread is suspended until the child has executed.
    suspended: bool,
    patience: Duration,
}

/// It may hold what is open here.
const STARTED: u32 = 1;
/// It holds nothing that is open here.
const CLOSED: u32 = 2;
/// It has executed or ended, and our memory is no longer its own. The kernel writes this number.
const LEFT: u32 = 0;

#[derive(Clone, Copy)]
enum Step {
    Group = 1,
    ParentDeath,
    ParentGone,
    Descriptors,
    Directory,
    Execute,
}

/// All that the child touches. It only writes the two words.
pub(in super::super) struct Launch {
    plan: Arc<Plan>,
    parent: libc::pid_t,
    descriptors: [RawFd; 3],
    descriptor_limit: c_int,
    mark: Option<u64>,
    /// The step that failed above the error number, or 0.
    failed: AtomicU64,
    /// How far it is: `STARTED`, then `CLOSED`; then `LEFT`, by the kernel's hand.
    progress: AtomicU32,
}

impl Launch {
    /// Why the child never executed. To be asked when it has ended.
    pub fn refusal(&self) -> Option<Refusal> {
        let failed = self.failed.load(Ordering::Acquire);
        let errno = c_int::try_from(failed & u64::from(u32::MAX)).unwrap_or(libc::EIO);
        let error = io::Error::from_raw_os_error(errno);
        Some(match failed >> 32 {
            0 => return None,
            step if step == Step::Directory as u64 => directory_refusal(&directory(&self.plan), errno),
            step if step == Step::Execute as u64 => self.plan.exec_refusal(errno),
            step if step == Step::Group as u64 => system_refusal("create a process group", &error),
            step if step == Step::Descriptors as u64 => system_refusal("connect the streams", &error),
            _ => system_refusal("bind the child to this process", &error),
        })
    }

    fn has_left(&self) -> bool {
        self.progress.load(Ordering::Acquire) == LEFT
    }

    /// Wait until it is further than that; whether it was in time.
    fn is_past(&self, state: u32, patience: Duration) -> bool {
        if self.progress.load(Ordering::Acquire) != state {
            return true;
        }
        let deadline = Instant::now() + patience;
        while self.progress.load(Ordering::Acquire) == state {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let limit = libc::timespec {
                tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            // SAFETY: a word that lives as long as `self`, and a valid limit. Whatever it answers, the word is looked at.
            unsafe {
                libc::syscall(libc::SYS_futex, self.progress.as_ptr(), libc::FUTEX_WAIT, state, &raw const limit);
            }
        }
        true
    }
}

impl Spawner {
    pub fn new() -> io::Result<Self> {
        Ok(Self { null: open_null()?, stacks: VecDeque::new(), suspended: !IS_BARE, patience: PATIENCE })
    }

    pub fn start(&mut self, plan: Arc<Plan>, mark: Option<u64>) -> Result<Started, Refusal> {
        let Pipes { ours, theirs } = Pipes::new().map_err(|error| system_refusal("create pipes", &error))?;
        let launch = Arc::new(Launch {
            plan,
            // SAFETY: no arguments.
            parent: unsafe { libc::getpid() },
            descriptors: [self.null.as_raw_fd(), theirs[0].as_raw_fd(), theirs[1].as_raw_fd()],
            descriptor_limit: descriptor_limit(),
            mark,
            failed: AtomicU64::new(0),
            progress: AtomicU32::new(STARTED),
        });
        let flags = libc::CLONE_VM | libc::CLONE_PIDFD | libc::CLONE_CHILD_CLEARTID | libc::SIGCHLD;
        let mut pidfd: RawFd = -1;
        // Last, so that the child before this one has had time.
        let stack = self.free_stack().map_err(|error| system_refusal("get a stack", &error))?;
        let flags = if self.suspended { flags | libc::CLONE_VFORK } else { flags };
        let blocked = BlockedSignals::new();
        // SAFETY: the stack is ours and unused; it and the launch are kept until the child has left our memory. `child`
        // only makes system calls.
        let pid = unsafe {
            libc::clone(
                child,
                stack.top(),
                flags,
                Arc::as_ptr(&launch).cast_mut().cast::<c_void>(),
                &raw mut pidfd,
                ptr::null_mut::<c_void>(),
                launch.progress.as_ptr(),
            )
        };
        let error = io::Error::last_os_error();
        drop(blocked);
        if pid == -1 {
            return Err(system_refusal("create a process", &error));
        }
        self.stacks.push_back((stack, Arc::clone(&launch)));
        // Both sides do it, so that there is a group for both from now on. It fails when the child was faster.
        // SAFETY: plain numbers.
        unsafe { libc::setpgid(pid, pid) };
        // SAFETY: the kernel made this descriptor for us; -1 stays where it does not know pidfds.
        let pidfd = (pidfd != -1).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
        Ok(Started { pid, pidfd, pipes: ours, launch: Some(launch) })
    }

    /// A stack that nobody is on, when every child before has closed what it inherited.
    fn free_stack(&mut self) -> io::Result<Stack> {
        if self.suspended {
            return self.stacks.pop_front().map_or_else(Stack::new, |(stack, _)| Ok(stack));
        }
        let closed = self.stacks.back().is_none_or(|(_, last)| last.is_past(STARTED, self.patience));
        let found = match self.stacks.pop_front() {
            Some((stack, launch)) if launch.has_left() => return Ok(stack),
            Some(found) if closed && self.stacks.len() + 1 < STACKS => {
                self.stacks.push_front(found);
                return Stack::new();
            }
            Some(found) => found,
            None => return Stack::new(),
        };
        let (stack, launch) = found;
        if closed && launch.is_past(CLOSED, self.patience) {
            return Ok(stack);
        }
        self.suspended = true;
        abandon(stack, launch);
        self.abandon_used();
        Stack::new()
    }

    fn abandon_used(&mut self) {
        for (stack, launch) in self.stacks.drain(..) {
            if !launch.has_left() {
                abandon(stack, launch);
            }
        }
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        if !self.suspended {
            // They were killed: who is still there hangs in the kernel.
            for (_, launch) in &self.stacks {
                let _ = launch.is_past(STARTED, self.patience) && launch.is_past(CLOSED, self.patience);
            }
            self.abandon_used();
        }
    }
}

/// Leave to a child what it may use at any time.
fn abandon(stack: Stack, launch: Arc<Launch>) {
    std::mem::forget(stack);
    std::mem::forget(launch);
}

/// Runs in the child, in our memory: system calls only.
#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "how system calls take numbers")]
extern "C" fn child(launch: *mut c_void) -> c_int {
    // SAFETY: `start` passes its `Launch`, which lives until we have executed or ended.
    unsafe {
        let launch = &*launch.cast::<Launch>();
        let (step, errno) = run(launch);
        launch.failed.store((step as u64) << 32 | u64::from(errno.unsigned_abs()), Ordering::Release);
        loop {
            bare!(SYS_exit_group, 127);
        }
    }
}

/// Returns the step that failed, and why.
#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "how system calls take numbers")]
unsafe fn run(launch: &Launch) -> (Step, c_int) {
    macro_rules! must {
        ($step:ident, $number:ident $(, $argument:expr)*) => {
            if let Some(errno) = failure(bare!($number $(, $argument)*)) {
                return (Step::$step, errno);
            }
        };
    }
    // SAFETY: system calls with valid arguments, see `Launch`.
    unsafe {
        must!(Group, SYS_setpgid, 0, 0);
        // Bound to the thread that called clone, see `Processes::spawn`.
        must!(ParentDeath, SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if bare!(SYS_getppid) != launch.parent as isize {
            return (Step::ParentGone, libc::ESRCH);
        }
        if let Some(mark) = launch.mark {
            let limit = mark::limit(mark);
            bare!(SYS_prlimit64, 0, libc::RLIMIT_RTTIME, &raw const limit, 0);
        }
        for (wanted, &descriptor) in (0_usize..).zip(&launch.descriptors) {
            must!(Descriptors, SYS_dup3, descriptor, wanted, 0);
        }
        if bare!(SYS_close_range, 3, libc::c_uint::MAX, 0) != 0 {
            for descriptor in 3..launch.descriptor_limit {
                bare!(SYS_close, descriptor);
            }
        }
        launch.progress.store(CLOSED, Ordering::Release);
        bare!(SYS_futex, launch.progress.as_ptr(), libc::FUTEX_WAKE, 1);
        must!(Directory, SYS_chdir, launch.plan.cwd.as_ptr());
        // The kernel's own structure is not larger than that of libc, and zero in it is the default too.
        let nothing = [0_u64; 32];
        for signal in 1..=SIGNALS {
            // Refused for KILL and STOP, which are as they must be.
            bare!(SYS_rt_sigaction, signal, nothing.as_ptr(), 0, SIGNALS / 8);
        }
        bare!(SYS_rt_sigprocmask, libc::SIG_SETMASK, nothing.as_ptr(), 0, SIGNALS / 8);
        let plan = &launch.plan;
        must!(Execute, SYS_execve, plan.path.as_ptr(), plan.argv.as_ptr(), plan.envp());
    }
    (Step::Execute, libc::EIO)
}

/// A stack with a guard below it: an overflow faults instead of writing into somebody's memory.
struct Stack(*mut c_void);

// SAFETY: plain memory that only its owner uses.
unsafe impl Send for Stack {}

impl Stack {
    fn new() -> io::Result<Self> {
        // SAFETY: a fresh private mapping, of which the lowest part is made inaccessible.
        unsafe {
            let base = libc::mmap(
                ptr::null_mut(),
                GUARD + STACK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            );
            if base == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let stack = Self(base);
            if libc::mprotect(base, GUARD, libc::PROT_NONE) == -1 {
                return Err(io::Error::last_os_error());
            }
            Ok(stack)
        }
    }

    fn top(&self) -> *mut c_void {
        self.0.wrapping_byte_add(GUARD + STACK)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping; no child runs on it any more.
        unsafe { libc::munmap(self.0, GUARD + STACK) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::plan::{Command, Environment};
    use std::io::Read;
    use std::path::Path;

    fn started(spawner: &mut Spawner, word: &str) -> Started {
        let argv = ["/bin/echo".into(), word.into()];
        let env = Arc::new(Environment::new(&[]));
        let plan = Plan::new(&Command { argv: &argv, env: &env, cwd: Path::new("/"), secrets: &[] }).unwrap();
        spawner.start(Arc::new(plan), None).unwrap()
    }

    fn said(started: Started) -> String {
        let Started { pid, pipes: [mut out, _], .. } = started;
        // SAFETY: our own child, and the flags of our own descriptor.
        unsafe {
            assert_eq!(libc::waitpid(pid, ptr::null_mut(), 0), pid);
            libc::fcntl(out.as_raw_fd(), libc::F_SETFL, 0);
        }
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_kernel_that_never_says_that_the_stack_is_free_is_waited_in_from_then_on() {
        let mut spawner = Spawner::new().unwrap();
        for word in ["1", "2", "3", "4", "5", "6"] {
            assert_eq!(said(started(&mut spawner, word)).trim_end(), word);
        }
        assert!((1..=STACKS).contains(&spawner.stacks.len()));
        spawner.patience = Duration::from_millis(1);
        for (_, launch) in &spawner.stacks {
            assert!(launch.is_past(CLOSED, PATIENCE));
            launch.progress.store(STARTED, Ordering::Release);
        }
        for word in ["7", "8"] {
            let child = started(&mut spawner, word);
            assert!(spawner.suspended && spawner.stacks.len() == 1);
            assert!(spawner.stacks[0].1.has_left(), "it has executed");
            assert_eq!(said(child).trim_end(), word);
        }
    }
}
