//! Starting a child on Linux: the parent waits until the child has executed, and no page table is copied.
//!
//! The child borrows this process's memory (`CLONE_VM`) on a stack of its own, so between clone and exec it only makes
//! system calls, with arguments that were made ready before. All signals are blocked meanwhile: a handler of ours that
//! ran in the child would act on our memory.
//!
//! Because the caller is suspended until the exec, two spawns of one `Spawner` never overlap. A descriptor that is open
//! for writing in this process can thus never be held open by one child while the next one executes that very file.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::super::mark;
use super::super::plan::{Plan, Refusal, directory, directory_refusal};
use super::{BlockedSignals, Pipes, Started, descriptor_limit, open_null, system_refusal};

const STACK: usize = 128 << 10;
const GUARD: usize = 64 << 10;

/// What spawning needs again and again.
pub(in super::super) struct Spawner {
    null: OwnedFd,
    stack: Stack,
}

#[derive(Clone, Copy, PartialEq)]
#[repr(i32)]
enum Step {
    Group,
    ParentDeath,
    ParentGone,
    Descriptors,
    Directory,
    Execute,
}

/// All that the child touches; written before the clone, and the last field by the child.
struct Orders<'a> {
    plan: &'a Plan,
    parent: libc::pid_t,
    descriptors: [RawFd; 3],
    descriptor_limit: c_int,
    mark: Option<u64>,
    failed: Option<(Step, c_int)>,
}

impl Spawner {
    pub fn new() -> io::Result<Self> {
        Ok(Self { null: open_null()?, stack: Stack::new()? })
    }

    pub fn start(&mut self, plan: &Plan, mark: Option<u64>) -> Result<Started, Refusal> {
        let Pipes { ours, theirs } = Pipes::new().map_err(|error| system_refusal("create pipes", &error))?;
        let mut orders = Orders {
            plan,
            // SAFETY: no arguments.
            parent: unsafe { libc::getpid() },
            descriptors: [self.null.as_raw_fd(), theirs[0].as_raw_fd(), theirs[1].as_raw_fd()],
            descriptor_limit: descriptor_limit(),
            mark,
            failed: None,
        };
        let mut pidfd: RawFd = -1;
        let blocked = BlockedSignals::new();
        // SAFETY: the stack is ours and unused, as `self` is borrowed exclusively and the child has executed or ended
        // when clone returns; `orders` and `pidfd` outlive that moment; `child` only makes system calls.
        let pid = unsafe {
            libc::clone(
                child,
                self.stack.top(),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD,
                ptr::from_mut(&mut orders).cast::<c_void>(),
                ptr::from_mut(&mut pidfd),
            )
        };
        let error = io::Error::last_os_error();
        drop(blocked);
        if pid == -1 {
            return Err(system_refusal("create a process", &error));
        }
        // SAFETY: the kernel made this descriptor for us; -1 stays where it does not know pidfds.
        let pidfd = (pidfd != -1).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
        // Read afresh: the compiler cannot see that the child wrote it.
        // SAFETY: a valid place of that type.
        match unsafe { ptr::read_volatile(&raw const orders.failed) } {
            None => Ok(Started { pid, pidfd, pipes: ours }),
            Some((step, errno)) => {
                // SAFETY: our own child, which has ended and which nobody else knows of.
                unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
                Err(refusal(plan, step, errno))
            }
        }
    }
}

fn refusal(plan: &Plan, step: Step, errno: c_int) -> Refusal {
    let error = io::Error::from_raw_os_error(errno);
    match step {
        Step::Directory => directory_refusal(&directory(plan), errno),
        Step::Execute => plan.exec_refusal(errno),
        Step::Group => system_refusal("create a process group", &error),
        Step::ParentDeath | Step::ParentGone => system_refusal("bind the child to this process", &error),
        Step::Descriptors => system_refusal("connect the streams", &error),
    }
}

/// Runs in the child, in our memory: system calls only.
extern "C" fn child(orders: *mut c_void) -> c_int {
    // SAFETY: `start` passes its `Orders`, which it does not touch until we have executed or ended.
    unsafe {
        let orders = &mut *orders.cast::<Orders<'_>>();
        let step = run(orders);
        let errno = *libc::__errno_location();
        ptr::write_volatile(&raw mut orders.failed, Some((step, errno)));
        libc::_exit(127)
    }
}

/// Returns the step that failed, with `errno` set.
unsafe fn run(orders: &Orders<'_>) -> Step {
    // SAFETY: system calls with valid arguments, see `Orders`.
    unsafe {
        if libc::setpgid(0, 0) == -1 {
            return Step::Group;
        }
        // Bound to the thread that called clone, see `Processes::spawn`.
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == -1 {
            return Step::ParentDeath;
        }
        if libc::getppid() != orders.parent {
            return Step::ParentGone;
        }
        if let Some(mark) = orders.mark {
            mark::bear(mark);
        }
        for (wanted, &descriptor) in (0..).zip(&orders.descriptors) {
            if libc::dup2(descriptor, wanted) == -1 {
                return Step::Descriptors;
            }
        }
        if libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) == -1 {
            for descriptor in 3..orders.descriptor_limit {
                libc::close(descriptor);
            }
        }
        if libc::chdir(orders.plan.cwd.as_ptr()) == -1 {
            return Step::Directory;
        }
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = libc::SIG_DFL;
        for signal in 1..=libc::SIGRTMAX() {
            // Refused for KILL, STOP and what libc keeps for itself: those are as they must be.
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
        libc::execve(orders.plan.path.as_ptr(), orders.plan.argv.as_ptr(), orders.plan.envp.as_ptr());
        Step::Execute
    }
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
