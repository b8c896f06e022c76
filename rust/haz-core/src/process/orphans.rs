//! Descendants that left their group (Linux): found through the chain of parents, adopted when theirs ends, and reaped.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::group::{HELPERS, LEADERS};
use super::mark::mark_of;
use super::poller::Poller;
use super::reactor::Part;
use super::{SignalError, lock};

/// How long after an end orphans are looked for: one look for many ends.
const DELAY: Duration = Duration::from_millis(100);
/// How often `signal_descendants` looks for processes that were forked while it signalled.
const ROUNDS: usize = 16;

/// From now on descendants whose parent ends become children of this process instead of init's.
pub(super) fn become_subreaper() -> io::Result<()> {
    // SAFETY: plain numbers.
    if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The adopted children, watched until they end.
///
/// A process becomes an orphan because another one ended. Looking after each end that is seen here (a leader's, an
/// orphan's) finds them all in the end; one that ends before it is found waits as a zombie for the next look.
#[derive(Default)]
pub(super) struct Orphans {
    watched: HashMap<u64, OwnedFd>,
    due: Option<Instant>,
}

impl Orphans {
    /// When to look next.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    pub fn look_soon(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + DELAY);
    }

    pub fn look_when_due(&mut self, poller: &Poller) {
        if self.due.is_some_and(|due| due <= Instant::now()) {
            self.due = None;
            self.look(poller);
        }
    }

    fn look(&mut self, poller: &Poller) {
        // SAFETY: no arguments.
        let own_group = unsafe { libc::getpgrp() };
        // Held while looking: no leader appears, and none is reaped and its number given to somebody else.
        let leaders = lock(&LEADERS);
        let helpers = lock(&HELPERS);
        for pid in children() {
            let key = u64::from(pid.unsigned_abs());
            if leaders.contains(&pid) || helpers.contains(&pid) || self.watched.contains_key(&key) {
                continue;
            }
            if Row::of(pid).is_none_or(|row| row.group == own_group) {
                continue;
            }
            let Ok(pidfd) = pidfd_open(pid) else { continue };
            if poller.watch(pidfd.as_raw_fd(), Part::Orphan.key(key)).is_ok() {
                self.watched.insert(key, pidfd);
            }
        }
    }

    /// An adopted child has ended.
    pub fn reap(&mut self, key: u64, poller: &Poller) {
        let Some(pidfd) = self.watched.remove(&key) else { return };
        poller.forget(pidfd.as_raw_fd());
        let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
        let id = libc::id_t::try_from(pidfd.as_raw_fd()).expect("open descriptors are positive");
        // SAFETY: writes to `info` only. That somebody else was faster is as good.
        unsafe { libc::waitid(libc::P_PIDFD, id, info.as_mut_ptr(), libc::WEXITED | libc::WNOHANG) };
        self.look_soon();
    }
}

/// The children of this process that orphans can be among: the kernel gives them to the main thread.
fn children() -> Vec<libc::pid_t> {
    let own = std::process::id();
    match fs::read_to_string(format!("/proc/{own}/task/{own}/children")) {
        Ok(text) => text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect(),
        // A kernel without that file.
        Err(_) => table().into_iter().filter(|row| row.parent.unsigned_abs() == own).map(|row| row.pid).collect(),
    }
}

/// One living or ended process.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pid: libc::pid_t,
    parent: libc::pid_t,
    group: libc::pid_t,
    ended: bool,
    /// In clock ticks since boot: tells a process from a later one with the same number.
    started: u64,
}

impl Row {
    pub fn pid(&self) -> libc::pid_t {
        self.pid
    }

    fn identity(&self) -> (libc::pid_t, u64) {
        (self.pid, self.started)
    }

    fn of(pid: libc::pid_t) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(pid, &stat)
    }

    /// `pid (name) state ppid pgrp …`; the name may hold anything, even `)`. Start time is field 22.
    fn parse(pid: libc::pid_t, stat: &[u8]) -> Option<Self> {
        let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
        let mut fields = std::str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X" | "x");
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let started = fields.nth(16)?.parse().ok()?;
        Some(Self { pid, parent, group, ended, started })
    }
}

fn table() -> Vec<Row> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| Row::of(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

/// Living descendants of this process, see [`super::descendants`].
pub(super) fn living() -> Vec<Row> {
    // SAFETY: no arguments.
    let (own, own_group) = unsafe { (libc::getpid(), libc::getpgrp()) };
    let helpers = lock(&HELPERS).clone();
    // As a rule nothing is left: then there is no need to read the whole table.
    let mine = |pid: libc::pid_t| !helpers.contains(&pid) && Row::of(pid).is_some_and(|row| row.group != own_group);
    if !children().into_iter().any(mine) {
        return Vec::new();
    }
    let found = below(own, table(), |row| row.group != own_group && !helpers.contains(&row.pid));
    found.into_iter().filter(|row| !row.ended).collect()
}

/// What descends from `top` through those of its children that `wanted` accepts.
fn below(top: libc::pid_t, table: Vec<Row>, wanted: impl Fn(&Row) -> bool) -> Vec<Row> {
    let mut by_parent: HashMap<libc::pid_t, Vec<Row>> = HashMap::new();
    for row in table {
        by_parent.entry(row.parent).or_default().push(row);
    }
    let mut found = by_parent.remove(&top).unwrap_or_default();
    found.retain(wanted);
    let mut next = 0;
    while let Some(row) = found.get(next) {
        let below = by_parent.remove(&row.pid).unwrap_or_default();
        found.extend(below);
        next += 1;
    }
    found
}

pub(super) fn is_ancestor(pid: libc::pid_t) -> bool {
    // SAFETY: no arguments.
    let mut above = unsafe { libc::getppid() };
    while above != pid {
        match Row::of(above) {
            Some(row) if row.parent > 0 => above = row.parent,
            _ => return false,
        }
    }
    true
}

/// The living processes of a child besides its leader: its group, and those that left it. Those are known by their
/// mark; without marks, as long as the leader is their ancestor.
pub(super) fn members(leader: libc::pid_t, mark: Option<u64>) -> Vec<Row> {
    let table = table();
    let strays: HashSet<libc::pid_t> = if mark.is_none() {
        below(leader, table.clone(), |_| true).iter().map(Row::pid).collect()
    } else {
        table.iter().map(Row::pid).filter(|&pid| mark_of(pid) == mark).collect()
    };
    let is_member = |row: &Row| row.group == leader || strays.contains(&row.pid);
    table.into_iter().filter(|row| row.pid != leader && !row.ended && is_member(row)).collect()
}

/// The numbers of those `members`.
pub(super) fn pids(leader: libc::pid_t, mark: Option<u64>) -> Vec<libc::pid_t> {
    members(leader, mark).iter().map(Row::pid).collect()
}

/// Signal the members that left the group. An error when one of the child's processes does not let itself be signalled.
pub(super) fn signal_members(leader: libc::pid_t, mark: Option<u64>, signal: i32) -> Result<(), SignalError> {
    let mut signalled = HashSet::new();
    let mut refused = None;
    for _ in 0..ROUNDS {
        let before = signalled.len();
        for row in members(leader, mark) {
            if signalled.insert(row.identity()) {
                let signal = if row.group == leader { 0 } else { signal };
                if signal_exactly(row, signal) == Some(libc::EPERM) {
                    refused.get_or_insert(row.pid);
                }
            }
        }
        if signalled.len() == before {
            break;
        }
    }
    refused.map_or(Ok(()), |pid| Err(SignalError { pid, source: io::Error::from_raw_os_error(libc::EPERM) }))
}

pub(super) fn descendants() -> Vec<libc::pid_t> {
    living().into_iter().map(|row| row.pid).collect()
}

pub(super) fn signal_descendants(signal: i32) -> usize {
    let mut signalled = HashSet::new();
    for _ in 0..ROUNDS {
        let fresh: Vec<Row> = living().into_iter().filter(|row| !signalled.contains(&row.identity())).collect();
        if fresh.is_empty() {
            break;
        }
        for row in fresh {
            signal_exactly(row, signal);
            signalled.insert(row.identity());
        }
    }
    signalled.len()
}

/// Signal that very process, never one that got its number since. Answers the error number when it could not be.
fn signal_exactly(row: Row, signal: i32) -> Option<i32> {
    let Ok(pidfd) = pidfd_open(row.pid) else { return Some(libc::ESRCH) };
    if Row::of(row.pid).is_none_or(|now| now.started != row.started) {
        return Some(libc::ESRCH);
    }
    let (descriptor, info) = (pidfd.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: plain numbers and no siginfo.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, descriptor, signal, info, 0) };
    if answer == 0 { None } else { io::Error::last_os_error().raw_os_error() }
}

pub(super) fn pidfd_open(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the answer is a new descriptor that nobody else owns.
    unsafe {
        match libc::syscall(libc::SYS_pidfd_open, pid, 0) {
            -1 => Err(io::Error::last_os_error()),
            descriptor => Ok(OwnedFd::from_raw_fd(RawFd::try_from(descriptor).expect("descriptors are small numbers"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_hold_anything() {
        let stat = b"7 (a) R 1 (b)) Z 3 4 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        let row = Row::parse(7, stat).unwrap();
        assert_eq!((row.parent, row.group, row.ended, row.started), (3, 4, true, 12345));
    }

    #[test]
    fn this_process_is_in_the_table() {
        let own = libc::pid_t::try_from(std::process::id()).unwrap();
        let row = table().into_iter().find(|row| row.pid == own).unwrap();
        assert_eq!(row.parent.unsigned_abs(), std::os::unix::process::parent_id());
        assert!(!row.ended);
    }
}
