//! Which tasks were up to date when an earlier run ended, and the facts that prove it for as long as they hold.
//!
//! A run with nothing to do asks the disk one question for each file and directory that any key was made of, instead of
//! walking, matching, hashing and reading manifests. It is a shortcut only: a task whose facts do not all hold, or of which
//! nothing is recorded, is looked up as ever.

mod ahead;
mod asked;
pub mod facts;
mod missing;
mod proven;
mod record;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;

use rayon::prelude::*;

use crate::blobs::Row;
use crate::digest::{Algorithm, Digest, Hasher, digest_bytes};
pub use ahead::{Ahead, Configuration};
use asked::{Answers, Implied, Questions};
use facts::{Facts, Kind, Root};
pub use proven::Proven;
pub use record::{Candidate, record};

const MAGIC: &[u8; 8] = b"haz-ckp4";
const TRAILER: usize = 32;

/// A task that was up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its number in the graph that the identity stands for.
    pub number: u32,
    /// Its cache key.
    pub key: Digest,
    /// Digest and size of both streams.
    pub streams: [(Digest, u64); 2],
    /// Its outputs: files and links.
    pub outputs: Vec<Row>,
    /// Whether its files may have other paths too: a link was met on the way to them.
    linked: bool,
    /// Its direct hard predecessors, with the digests of their streams that its key was made of.
    hard: Vec<(u32, [Digest; 2])>,
    /// Its direct soft predecessors.
    soft: Vec<u32>,
    /// Which variables its key was made of.
    variables: u32,
    /// What must hold; the first is the entry in the store.
    facts: Vec<u32>,
}

/// A task that is up to date, or will be.
#[derive(Debug)]
pub struct Found<'a> {
    /// The task.
    pub task: &'a Task,
    /// Places in `outputs` of those that are not there.
    pub missing: Vec<u32>,
}

/// Names of variables of the invoking environment, and the digest of their values.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variables {
    names: Vec<OsString>,
    digest: Digest,
}

/// What an earlier run has left.
#[derive(Default)]
pub struct Checkpoint {
    identity: Digest,
    facts: Facts,
    variables: Vec<Variables>,
    tasks: Vec<Task>,
    implied: Vec<Implied>,
    /// What was asked [ahead](Ahead): every fact.
    answers: Option<Answers>,
}

impl Checkpoint {
    /// Read the file. Empty where it is absent, torn, altered, or of another identity: configuration, platform, version.
    pub fn load(file: &Path, identity: &Digest) -> Self {
        Self::read(file).filter(|read| read.identity == *identity).unwrap_or_default()
    }

    fn read(file: &Path) -> Option<Self> {
        Self::decode(fs::read(file).ok()?)
    }

    fn decode(bytes: Vec<u8>) -> Option<Self> {
        let body = bytes.len().checked_sub(TRAILER)?;
        if digest_bytes(&bytes[..body], Algorithm::Blake3) != bytes[body..] {
            return None;
        }
        let mut reader = Reader(&bytes[..body]);
        if reader.take(8)? != MAGIC {
            return None;
        }
        let identity = reader.digest()?;
        let length = reader.bytes()?.len();
        let rest = reader.0.len();
        let facts = Facts::within(bytes, body - rest - length..body - rest)?;
        let mut reader = Reader(&facts.around()[body - rest..body]);
        let variables =
            reader.list(|reader| Some(Variables { names: reader.list(Reader::text)?, digest: reader.digest()? }))?;
        let tasks = reader.list(|reader| {
            Some(Task {
                number: reader.number()?,
                key: reader.digest()?,
                streams: [(reader.digest()?, reader.long()?), (reader.digest()?, reader.long()?)],
                outputs: reader.list(Reader::row)?,
                linked: reader.byte()? != 0,
                hard: reader.list(|reader| Some((reader.number()?, [reader.digest()?, reader.digest()?])))?,
                soft: reader.list(Reader::number)?,
                variables: reader.number().filter(|group| (*group as usize) < variables.len())?,
                facts: reader.list(|reader| reader.number().filter(|fact| (*fact as usize) < facts.len()))?,
            })
        })?;
        let fact = |reader: &mut Reader<'_>| reader.number().filter(|fact| (*fact as usize) < facts.len());
        let implied = reader.list(|reader| Some(Implied { by: fact(reader)?, facts: reader.list(fact)? }))?;
        let is_whole = reader.0.is_empty();
        is_whole.then_some(Self { identity, facts, variables, tasks, implied, answers: None })
    }

    /// Write all of it, in pieces: a whole of its own would be megabytes more at the moment when memory is fullest.
    fn write(&self, identity: &Digest, to: &mut impl Write) -> io::Result<()> {
        let mut sealed = Sealed { to, hasher: Hasher::new(Algorithm::Blake3), writer: Writer(Vec::new()) };
        sealed.writer.0.extend(MAGIC);
        sealed.writer.0.extend(identity);
        sealed.writer.length(self.facts.bytes().len());
        sealed.pass_on()?;
        sealed.write(self.facts.bytes())?;
        sealed.list(&self.variables, |writer, group| {
            writer.list(&group.names, |writer, name| writer.bytes(name.as_bytes()));
            writer.0.extend(group.digest);
        })?;
        sealed.list(&self.tasks, |writer, task| {
            writer.number(task.number);
            writer.0.extend(task.key);
            for (digest, size) in &task.streams {
                writer.0.extend(digest);
                writer.0.extend(size.to_le_bytes());
            }
            writer.list(&task.outputs, Writer::row);
            writer.0.push(u8::from(task.linked));
            writer.list(&task.hard, |writer, (number, streams)| {
                writer.number(*number);
                writer.0.extend(streams.concat());
            });
            writer.list(&task.soft, |writer, number| writer.number(*number));
            writer.number(task.variables);
            writer.list(&task.facts, |writer, number| writer.number(*number));
        })?;
        sealed.list(&self.implied, |writer, implied| {
            writer.number(implied.by);
            writer.list(&implied.facts, |writer, number| writer.number(*number));
        })?;
        let trailer = sealed.hasher.finish();
        to.write_all(&trailer)
    }

    /// How many tasks are recorded.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Those of the `wanted` tasks that are still up to date, and all that they must come after as well; in the order of
    /// `wanted`. `others` are in the run too, and count as changed. `host` is the invoking environment. With `restoring`,
    /// also those of which only outputs are missing, and those that need nothing else than these; all of them are up to
    /// date as soon as [`put_back`](Self::put_back) has put back what all of them miss. Parallel on the current pool.
    ///
    /// The entries of the answer are noted as used, to the day, for the collection of what nobody uses.
    pub fn unchanged(
        &self,
        root: &Root,
        wanted: &[u32],
        others: &[u32],
        host: &BTreeMap<OsString, OsString>,
        restoring: bool,
    ) -> Vec<Found<'_>> {
        let place: HashMap<u32, usize> = self.tasks.iter().enumerate().map(|(at, task)| (task.number, at)).collect();
        let same_values: Vec<bool> =
            self.variables.iter().map(|group| values(&group.names, host) == group.digest).collect();
        let mut open = vec![false; self.tasks.len()];
        let mut asked = vec![false; if self.answers.is_none() { self.facts.len() } else { 0 }];
        for at in wanted.iter().filter_map(|number| place.get(number).copied()) {
            open[at] = same_values[self.tasks[at].variables as usize];
            if open[at] && self.answers.is_none() {
                self.tasks[at].facts.iter().for_each(|fact| asked[*fact as usize] = true);
            }
        }
        let now_asked = (self.answers.is_none()).then(|| {
            let (questions, answers) = (Questions::new(self, Some(&asked)), Answers::of(self.facts.len()));
            let ask = |fact: usize| questions.ask(self, root, fact, &answers);
            (0..self.facts.len()).into_par_iter().with_min_len(128).for_each(ask);
            answers
        });
        let none = Answers::default();
        let answers = self.answers.as_ref().or(now_asked.as_ref()).unwrap_or(&none);
        let in_run: HashSet<u32> = wanted.iter().chain(others).copied().collect();
        let holds_by_itself =
            |at: usize| open[at] && self.tasks[at].facts.iter().all(|fact| answers.holds(*fact as usize));
        let mut holds: Vec<bool> = (0..self.tasks.len()).map(holds_by_itself).collect();
        let mut missing: HashMap<usize, Vec<u32>> = HashMap::new();
        let restorable = if restoring { self.restorable(root, &open, answers, &holds, &place, &in_run) } else { None };
        if let Some((and_restored, rows)) = restorable {
            (holds, missing) = (and_restored, rows);
        } else {
            self.fell(&place, &in_run, &mut holds);
        }
        let found = wanted.iter().filter_map(|number| place.get(number).copied()).filter(|at| holds[*at]);
        let found: Vec<Found<'_>> =
            found.map(|at| Found { task: &self.tasks[at], missing: missing.remove(&at).unwrap_or_default() }).collect();
        for Found { task, .. } in &found {
            let Some(entry) = task.facts.first() else { continue };
            if answers.is_unused(*entry as usize) {
                // The entry last: by its time others see that all of it was noted.
                task.facts.iter().rev().for_each(|fact| self.note_use(root, *fact as usize));
            }
        }
        found
    }

    /// Take out what comes after something that does not hold, by hard edges, or soft ones within the run; and what comes
    /// after a task that has written something else since.
    fn fell(&self, place: &HashMap<u32, usize>, in_run: &HashSet<u32>, holds: &mut [bool]) {
        let mut after: HashMap<u32, Vec<usize>> = HashMap::new();
        let mut fallen: Vec<u32> = Vec::new();
        for (at, task) in self.tasks.iter().enumerate() {
            let soft = task.soft.iter().filter(|number| in_run.contains(number)).map(|number| (number, None));
            for (before, heard) in task.hard.iter().map(|(number, streams)| (number, Some(streams))).chain(soft) {
                let says = |at: usize| self.tasks[at].streams.map(|(digest, _)| digest);
                let same = |at: &usize| holds[*at] && heard.is_none_or(|heard| says(*at) == *heard);
                if place.get(before).is_some_and(same) {
                    after.entry(*before).or_default().push(at);
                } else if mem::replace(&mut holds[at], false) {
                    fallen.push(task.number);
                }
            }
        }
        while let Some(number) = fallen.pop() {
            for at in after.remove(&number).unwrap_or_default() {
                if mem::replace(&mut holds[at], false) {
                    fallen.push(self.tasks[at].number);
                }
            }
        }
    }

    /// A store that cannot be written to is collected by nobody, so that the date does not matter there.
    fn note_use(&self, root: &Root, fact: usize) {
        if self.facts.kind(fact) == Some(Kind::Kept) {
            let path = self.facts.path(fact);
            // SAFETY: an open descriptor and a C string; no times means now.
            unsafe { libc::utimensat(root.as_fd().as_raw_fd(), path.as_ptr(), ptr::null(), 0) };
        }
    }
}

/// The digest of the values of some variables; one that is not set differs from an empty one.
fn values(names: &[OsString], host: &BTreeMap<OsString, OsString>) -> Digest {
    let mut writer = Writer(Vec::new());
    for name in names {
        writer.bytes(name.as_bytes());
        match host.get(name) {
            Some(value) => writer.bytes(&[b"=", value.as_bytes()].concat()),
            None => writer.bytes(b""),
        }
    }
    digest_bytes(&writer.0, Algorithm::Blake3)
}

/// Numbers are little-endian, everything of varying length has its length before it.
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    /// Lengths fit: what is written was in memory, of a workspace that has fewer files than that.
    fn length(&mut self, length: usize) {
        self.number(u32::try_from(length).unwrap_or(u32::MAX));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend(bytes);
    }

    /// A row begins with its path; directories are in no checkpoint.
    fn row(&mut self, row: &Row) {
        self.bytes(row.path());
        match row {
            Row::File { digest, size, mode, .. } => {
                self.0.push(0);
                self.0.extend(digest);
                self.0.extend(size.to_le_bytes());
                self.number(*mode);
            }
            Row::Symlink { target, .. } => {
                self.0.push(1);
                self.bytes(target);
            }
            Row::Directory { .. } => self.0.push(2),
        }
    }

    fn list<T>(&mut self, rows: &[T], write: impl Fn(&mut Self, &T)) {
        self.length(rows.len());
        for row in rows {
            write(self, row);
        }
    }
}

/// Rows that are written at once.
const AT_ONCE: usize = 1024;

/// Digests what it passes on.
struct Sealed<'a, W> {
    to: &'a mut W,
    hasher: Hasher,
    /// What was not passed on yet.
    writer: Writer,
}

impl<W: Write> Sealed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.to.write_all(bytes)
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let mut bytes = mem::take(&mut self.writer.0);
        self.write(&bytes)?;
        bytes.clear();
        self.writer.0 = bytes;
        Ok(())
    }

    fn list<T>(&mut self, rows: &[T], write: impl Fn(&mut Writer, &T)) -> io::Result<()> {
        self.writer.length(rows.len());
        for some in rows.chunks(AT_ONCE) {
            for row in some {
                write(&mut self.writer, row);
            }
            self.pass_on()?;
        }
        self.pass_on()
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn digest(&mut self) -> Option<Digest> {
        self.take(32)?.try_into().ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn text(&mut self) -> Option<OsString> {
        Some(OsString::from_vec(self.bytes()?.to_vec()))
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn row(&mut self) -> Option<Row> {
        let path = self.bytes()?.to_vec();
        match self.byte()? {
            0 => Some(Row::File { path, digest: self.digest()?, size: self.long()?, mode: self.number()? }),
            1 => Some(Row::Symlink { path, target: self.bytes()?.to_vec() }),
            _ => None,
        }
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()? as usize;
        // Every row has at least a length: a count beyond that is none, and nothing is reserved for it.
        if count > self.0.len() / 4 {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }
}

/// A workspace path as the walk names it, without leading `/`.
fn relative(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"/").unwrap_or(path)
}

/// What facts about a file of the store start from: relative to the workspace root where it lies below, else absolute.
fn place_of(root: &Path, path: &Path) -> Vec<u8> {
    path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes().to_vec()
}

#[cfg(test)]
mod tests;
