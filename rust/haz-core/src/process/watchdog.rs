//! What ends the children when this process is killed: a process that waits for that and for nothing else.
//!
//! It holds the reading end of a pipe whose writing end only this process has. When that is closed by whatever ended us, it
//! kills what bears our marks, or, where there are none, the groups in a table that we share; then it ends as well.
//! It is a plain fork, in a session of its own, without descriptors, with all signals blocked and with nothing of our
//! arguments and environment: it holds nothing open, and what kills us by name, group or terminal does not kill it.

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use super::group::HELPERS;
use super::lock;
use super::mark::Marks;
use super::spawn::{BlockedSignals, above_stdio, descriptor_limit};

#[cfg(target_os = "linux")]
const NAME: &[u8] = b"haz-watchdog\0";
/// Groups that the table can hold; more are not watched.
const GROUPS: usize = 4096;
/// How often the process table is looked through for processes that were forked meanwhile or are slow to end.
#[cfg(target_os = "linux")]
const ROUNDS: usize = 200;

/// The running watchdog. Dropping it ends it; nothing else happens then.
pub(super) struct Watchdog {
    pid: libc::pid_t,
    groups: Option<Arc<Table>>,
    /// Held open and never written to.
    #[allow(dead_code)]
    lifeline: OwnedFd,
}

impl Watchdog {
    /// Without marks, groups are watched as far as they ask for a [`Slot`]. A process that nobody else forks may leave
    /// most of its memory out (`alone`).
    pub fn start(marks: Option<Marks>, alone: bool) -> io::Result<Self> {
        let groups = if marks.is_none() { Some(Arc::new(Table::new()?)) } else { None };
        let (read, write) = io::pipe()?;
        let (read, lifeline) = (above_stdio(read.into())?, above_stdio(write.into())?);
        let (mut closing, copy) = io::pipe()?;
        let duty = Duty {
            lifeline: read.as_raw_fd(),
            descriptor_limit: descriptor_limit(),
            marks,
            groups: groups.as_ref().map_or(ptr::null(), |table| table.0),
            #[cfg(target_os = "linux")]
            words: own_words(),
        };
        // Held until it is in the list: nobody takes it for an orphan in between.
        let mut helpers = lock(&HELPERS);
        let blocked = BlockedSignals::new();
        #[cfg(target_os = "linux")]
        let left_out = alone.then(LeftOut::new);
        #[cfg(not(target_os = "linux"))]
        let _ = alone;
        // SAFETY: the child only makes system calls, on its copy of our memory, and never returns.
        let pid = unsafe {
            let pid = fork();
            if pid == 0 {
                keep(&duty);
            }
            pid
        };
        let error = io::Error::last_os_error();
        #[cfg(target_os = "linux")]
        drop(left_out);
        drop(blocked);
        if pid == -1 {
            return Err(error);
        }
        helpers.insert(pid);
        drop(helpers);
        drop(copy);
        // Until it has closed its copies it may hold a file open for writing that a child is about to execute.
        let watchdog = Self { pid, groups, lifeline };
        closing.read_to_end(&mut Vec::new())?;
        Ok(watchdog)
    }

    /// Have a group watched, if groups are what is watched.
    pub fn slot(&self, group: libc::pid_t) -> Option<Slot> {
        Table::slot(self.groups.as_ref()?, group)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let mut helpers = lock(&HELPERS);
        // SAFETY: our own child, which nobody else reaps.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            while libc::waitpid(self.pid, ptr::null_mut(), WAIT) == -1
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
        }
        helpers.remove(&self.pid);
    }
}

/// No signal tells us of its end, so that only those see it who ask for it.
#[cfg(target_os = "linux")]
const WAIT: libc::c_int = libc::__WALL;
#[cfg(not(target_os = "linux"))]
const WAIT: libc::c_int = 0;

/// Memory that a fork does not copy while this lives: what is large, private and without a file behind it, but for what
/// this thread is on. The watchdog has no use for it, and we need not copy each page of it that we write to from then on.
#[cfg(target_os = "linux")]
struct LeftOut(Vec<(usize, usize)>);

#[cfg(target_os = "linux")]
impl LeftOut {
    /// Less is not worth the call.
    const LARGE: usize = 256 << 10;

    fn new() -> Self {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        // The system calls of the watchdog are on this stack, and leave their errors here.
        // SAFETY: no arguments.
        let needed = [(&raw const maps).addr(), unsafe { libc::__errno_location() }.addr()];
        let large = maps.lines().filter_map(private_memory).filter(|(start, end)| end - start >= Self::LARGE);
        let unused = large.filter(|(start, end)| !needed.iter().any(|place| (start..end).contains(&place)));
        Self(unused.filter(|&range| advise(range, libc::MADV_DONTFORK)).collect())
    }
}

#[cfg(target_os = "linux")]
impl Drop for LeftOut {
    fn drop(&mut self) {
        for &range in &self.0 {
            advise(range, libc::MADV_DOFORK);
        }
    }
}

#[cfg(target_os = "linux")]
fn advise((start, end): (usize, usize), advice: libc::c_int) -> bool {
    // SAFETY: our own memory, whose content this leaves alone.
    unsafe { libc::madvise(ptr::with_exposed_provenance_mut(start), end - start, advice) == 0 }
}

/// Start and end of a line of `/proc/self/maps`, if that is private memory that can be written and has no file and no name
/// but that of the heap.
#[cfg(target_os = "linux")]
fn private_memory(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (access, inode, name) = (fields.next()?, fields.nth(2)?, fields.next());
    let number = |text| usize::from_str_radix(text, 16).ok();
    let fits = access == "rw-p" && inode == "0" && matches!(name, None | Some("[heap]"));
    if fits { Some((number(start)?, number(end)?)) } else { None }
}

/// A fork without the hooks that libraries registered: none of them has work to do in a process that only waits.
#[cfg(target_os = "linux")]
unsafe fn fork() -> libc::pid_t {
    // SAFETY: no flags, no stack, no pointers.
    let pid = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    libc::pid_t::try_from(pid).unwrap_or(-1)
}

#[cfg(not(target_os = "linux"))]
unsafe fn fork() -> libc::pid_t {
    // SAFETY: see the caller.
    unsafe { libc::fork() }
}

/// The groups of living children, in memory that the watchdog sees too; 0 is free.
struct Table(*const AtomicI32);

// SAFETY: memory for atomics that lives as long as this.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Table {
    const BYTES: usize = GROUPS * size_of::<AtomicI32>();

    fn new() -> io::Result<Self> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANON);
        // SAFETY: a fresh mapping, zeroed.
        let place = unsafe { libc::mmap(ptr::null_mut(), Self::BYTES, access, kind, -1, 0) };
        if place == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self(place.cast())) }
    }

    fn cell(&self, index: usize) -> &AtomicI32 {
        debug_assert!(index < GROUPS);
        // SAFETY: within the mapping, which is aligned to a page.
        unsafe { &*self.0.add(index) }
    }

    fn slot(table: &Arc<Self>, group: libc::pid_t) -> Option<Slot> {
        let free = |cell: &AtomicI32| cell.compare_exchange(0, group, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        let index = (0..GROUPS).find(|&index| free(table.cell(index)))?;
        Some(Slot { table: Arc::clone(table), index })
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: our own mapping; every slot holds the table alive.
        unsafe { libc::munmap(self.0.cast_mut().cast(), Self::BYTES) };
    }
}

/// The watchdog kills the group while this lives.
pub(super) struct Slot {
    table: Arc<Table>,
    index: usize,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.table.cell(self.index).store(0, Ordering::SeqCst);
    }
}

/// What the watchdog needs to know; made before the fork.
struct Duty {
    lifeline: RawFd,
    descriptor_limit: libc::c_int,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "elsewhere there are only groups"))]
    marks: Option<Marks>,
    groups: *const AtomicI32,
    /// Where our arguments and our environment lie.
    #[cfg(target_os = "linux")]
    words: [(usize, usize); 2],
}

/// The life of the watchdog: system calls only.
unsafe fn keep(duty: &Duty) -> ! {
    // SAFETY: async-signal-safe calls with valid arguments.
    unsafe {
        libc::setsid();
        libc::chdir(c"/".as_ptr());
        libc::dup2(duty.lifeline, 0);
        close_above(0, duty.descriptor_limit);
        #[cfg(target_os = "linux")]
        {
            disguise(&duty.words);
            if duty.marks.is_some() {
                // A haz above us may have marked us; its watchdog must leave ours to its work.
                super::mark::bear(libc::RLIM_INFINITY);
            }
        }
        let mut byte = MaybeUninit::<u8>::uninit();
        // Nobody ever writes: this returns when the other end is closed.
        while libc::read(0, byte.as_mut_ptr().cast(), 1) == -1 && interrupted() {}
        if !duty.groups.is_null() {
            for index in 0..GROUPS {
                let group = (*duty.groups.add(index)).load(Ordering::SeqCst);
                if group > 1 {
                    libc::kill(-group, libc::SIGKILL);
                }
            }
        }
        #[cfg(target_os = "linux")]
        if let Some(marks) = duty.marks {
            kill_marked(marks);
        }
        libc::_exit(0)
    }
}

fn interrupted() -> bool {
    io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
}

unsafe fn close_above(highest: RawFd, limit: libc::c_int) {
    // SAFETY: closing is all that happens to them.
    unsafe {
        #[cfg(target_os = "linux")]
        if libc::syscall(libc::SYS_close_range, highest + 1, libc::c_uint::MAX, 0) == 0 {
            return;
        }
        for descriptor in highest + 1..limit {
            libc::close(descriptor);
        }
    }
}

/// Start and length of our arguments and our environment.
#[cfg(target_os = "linux")]
fn own_words() -> [(usize, usize); 2] {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return [(0, 0); 2] };
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    // Fields 48 to 51; the first after the name is field 3.
    let mut places = rest.split_ascii_whitespace().skip(45).map_while(|field| field.parse::<usize>().ok());
    [(); 2].map(|()| match (places.next(), places.next()) {
        (Some(first), Some(last)) if first != 0 => (first, last.saturating_sub(first)),
        _ => (0, 0),
    })
}

/// Be known under a name of our own: what looks for haz by its command line, or for a variable, must not find us.
#[cfg(target_os = "linux")]
unsafe fn disguise(words: &[(usize, usize); 2]) {
    // SAFETY: the places that the kernel names hold our own copies of those words.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, NAME.as_ptr());
        for &(start, length) in words {
            ptr::write_bytes(ptr::with_exposed_provenance_mut::<u8>(start), 0, length);
        }
        let (start, length) = words[0];
        ptr::copy_nonoverlapping(NAME.as_ptr(), ptr::with_exposed_provenance_mut(start), length.min(NAME.len()));
    }
}

/// Kill whatever bears our marks, until nothing does.
#[cfg(target_os = "linux")]
unsafe fn kill_marked(marks: Marks) {
    let pause = libc::timespec { tv_sec: 0, tv_nsec: 2_000_000 };
    for _ in 0..ROUNDS {
        // SAFETY: async-signal-safe calls with valid arguments.
        unsafe {
            let mut found = false;
            for_each_process(|pid| found |= kill_if_marked(pid, marks));
            if !found {
                return;
            }
            libc::nanosleep(&raw const pause, ptr::null_mut());
        }
    }
}

/// Whether it bears a mark and lives.
#[cfg(target_os = "linux")]
unsafe fn kill_if_marked(pid: libc::pid_t, marks: Marks) -> bool {
    if !marks.include(pid) {
        return false;
    }
    // SAFETY: plain numbers, and a valid place for the answer.
    unsafe {
        let Ok(pidfd) = RawFd::try_from(libc::syscall(libc::SYS_pidfd_open, pid, 0)) else { return false };
        if pidfd == -1 {
            // A kernel without pidfds: by number then.
            return io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS)
                && libc::kill(pid, libc::SIGKILL) == 0;
        }
        let mut end = libc::pollfd { fd: pidfd, events: libc::POLLIN, revents: 0 };
        // Looked at again through what can only mean this one process.
        let lives = marks.include(pid) && libc::poll(&raw mut end, 1, 0) == 0;
        let none = ptr::null::<libc::siginfo_t>();
        let killed = lives && libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, none, 0) == 0;
        libc::close(pidfd);
        killed
    }
}

#[cfg(target_os = "linux")]
unsafe fn for_each_process(mut visit: impl FnMut(libc::pid_t)) {
    const NAME_AT: usize = 19;
    let mut buffer = [0_u8; 16 << 10];
    // SAFETY: the kernel writes at most as many bytes as there are.
    unsafe {
        let directory = libc::open(c"/proc".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC);
        if directory == -1 {
            return;
        }
        loop {
            let count = libc::syscall(libc::SYS_getdents64, directory, buffer.as_mut_ptr(), buffer.len());
            let Ok(count @ 1..) = usize::try_from(count) else { break };
            let mut rest = &buffer[..count];
            while let Some(&[low, high]) = rest.get(16..18) {
                let length = usize::from(u16::from_ne_bytes([low, high]));
                if let Some(pid) = rest.get(NAME_AT..length).and_then(number) {
                    visit(pid);
                }
                rest = rest.get(length.max(NAME_AT)..).unwrap_or(&[]);
            }
        }
        libc::close(directory);
    }
}

/// The number that a name, ended by a zero byte, consists of.
#[cfg(target_os = "linux")]
fn number(name: &[u8]) -> Option<libc::pid_t> {
    let mut value: libc::pid_t = 0;
    for &byte in name {
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(libc::pid_t::from(byte - b'0'))?,
            0 => break,
            _ => return None,
        }
    }
    (value > 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Command;

    #[test]
    fn groups_in_the_table_are_killed_when_the_lifeline_ends() {
        let mut watchdog = Watchdog::start(None, false).unwrap();
        let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let mut other = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let slot = watchdog.slot(child.id().try_into().unwrap()).unwrap();
        drop(watchdog.slot(other.id().try_into().unwrap()).unwrap());
        let (_, lifeline) = io::pipe().unwrap();
        watchdog.lifeline = lifeline.into();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert!(other.try_wait().unwrap().is_none(), "its slot was given back");
        other.kill().unwrap();
        other.wait().unwrap();
        drop(slot);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_table_is_read_without_memory_from_the_heap() {
        let own = libc::pid_t::try_from(std::process::id()).unwrap();
        let mut seen = Vec::new();
        // SAFETY: no requirements outside of the watchdog.
        unsafe { for_each_process(|pid| seen.push(pid)) };
        assert!(seen.contains(&own) && seen.contains(&1));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn private_memory_without_a_file_is_what_is_left_out() {
        assert_eq!(private_memory("7f00-8f00 rw-p 00000000 00:00 0 "), Some((0x7f00, 0x8f00)));
        assert_eq!(private_memory("7f00-8f00 rw-p 00000000 00:00 0    [heap]"), Some((0x7f00, 0x8f00)));
        for other in [
            "7f00-8f00 rw-s 00000000 00:01 0",
            "7f00-8f00 r--p 00000000 00:00 0",
            "7f00-8f00 rw-p 00000000 08:01 17    /lib/x.so",
            "7f00-8f00 rw-p 00000000 00:00 0     [stack]",
            "",
        ] {
            assert_eq!(private_memory(other), None, "{other}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_watchdog_without_most_of_our_memory_does_its_work() {
        let mut large = vec![1_u8; 4 << 20];
        let marks = Marks::new();
        let mut watchdog = Watchdog::start(marks, true).unwrap();
        let place = format!("{:x}-", large.as_ptr().addr() & !0xfff);
        let seen = std::fs::read_to_string(format!("/proc/{}/maps", watchdog.pid)).unwrap();
        assert!(!seen.contains(&place), "{place} is in {seen}");
        large[0] = 2;
        let mut child = Command::new("sleep");
        child.arg("1000");
        // SAFETY: one system call.
        unsafe {
            child.pre_exec(move || {
                super::super::mark::bear(marks.unwrap().of(1));
                Ok(())
            });
        }
        let mut child = child.spawn().unwrap();
        let (_, lifeline) = io::pipe().unwrap();
        watchdog.lifeline = lifeline.into();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_names_of_digits_are_numbers() {
        assert_eq!(number(b"123\0\0x"), Some(123));
        assert_eq!([number(b"self\0"), number(b"\0"), number(b"99999999999\0")], [None; 3]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_watchdog_shows_neither_our_arguments_nor_our_environment() {
        let watchdog = Watchdog::start(Marks::new(), false).unwrap();
        let shown = |what: &str| std::fs::read(format!("/proc/{}/{what}", watchdog.pid)).unwrap();
        while shown("comm") != b"haz-watchdog\n" || !shown("cmdline").starts_with(b"haz-watchdog\0") {
            std::thread::yield_now();
        }
        assert!(shown("environ").iter().all(|&byte| byte == 0));
        let open = std::fs::read_dir(format!("/proc/{}/fd", watchdog.pid)).unwrap().count();
        assert_eq!(open, 1);
    }
}
