//! Outputs that are gone, where that is all that has changed.
//!
//! What a task wrote is put back as it was, so the facts about it will hold again in all but the times: a task whose
//! other facts hold has the key that it had. That is only claimed where nothing else can come of it:
//!
//! - A fact about something that is gone is excused if it tells the same state of it as the task whose output it is.
//! - A directory that is gone is made again for an output in it. All who know it must know the same state of it: then all
//!   knew the same names in it, those of the outputs among them, and a file that nobody makes again excuses nobody.
//! - Who knows that something is not there, or the names in a directory that still is there, knows too little of what
//!   will be: such a task is looked up.
//! - So is a task that met a link and comes after one that gets something back: paths do not tell what it reads.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;

use super::facts::{Kind, Root};
use super::{Answers, Checkpoint, relative};
use crate::blobs::{Blobs, Row};

/// Bytes that are put back at once, without a word in between.
const MOST: u64 = 256 << 20;

/// Whose output something is that is gone, as which row, and the state in which that task knew it.
struct Made<'a> {
    by: usize,
    row: u32,
    state: Option<&'a [u8]>,
}

/// What will be there again.
#[derive(Default)]
struct Coming<'a> {
    files: HashMap<&'a [u8], Made<'a>>,
    /// Directories, with their state where all who know them agree on it.
    directories: HashMap<&'a [u8], Option<&'a [u8]>>,
    /// Directories that are there, and get new names.
    growing: HashSet<&'a [u8]>,
}

/// The places of the tasks that hold then, and for each one the places of its outputs that are missing.
pub(super) type Restorable = (Vec<bool>, HashMap<usize, Vec<u32>>);

fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(&[], |end| &path[..end])
}

impl Checkpoint {
    /// Which tasks hold, of those that are `open`, once all missing outputs of some of them have been put back. None when
    /// nothing is to be put back. `by_themselves` says which have no fact that does not hold.
    pub(super) fn restorable(
        &self,
        root: &Root,
        open: &[bool],
        answers: &Answers,
        by_themselves: &[bool],
        place: &HashMap<u32, usize>,
        in_run: &HashSet<u32>,
    ) -> Option<Restorable> {
        let failing = |at: usize| {
            let facts = self.tasks[at].facts.iter().map(|fact| *fact as usize);
            facts.filter(|fact| !answers.holds(*fact))
        };
        let may_lack = |at: &usize| open[*at] && !by_themselves[*at] && !self.tasks[*at].linked;
        // What is gone is known to many tasks, and asked once.
        let mut wanted = vec![false; self.facts.len()];
        (0..self.tasks.len()).filter(may_lack).flat_map(failing).for_each(|fact| wanted[fact] = true);
        let is_excusable = |fact: usize| {
            wanted[fact]
                && matches!(self.facts.kind(fact), Some(Kind::Content | Kind::Itself | Kind::Stands))
                && self.facts.is_gone(root, fact)
        };
        let excusable: Vec<bool> = (0..self.facts.len()).into_par_iter().with_min_len(1024).map(is_excusable).collect();
        let mut lacking: Vec<bool> =
            (0..self.tasks.len()).map(|at| may_lack(&at) && failing(at).all(|fact| excusable[fact])).collect();
        let mut holds = by_themselves.to_vec();
        if !lacking.contains(&true) || !self.have_one_writer_each(open) {
            return None;
        }
        loop {
            let before = (lacking.clone(), holds.clone());
            let coming = self.coming(&lacking, &failing);
            // A directory that is gone, and of which no task knows: what was in it cannot be told.
            if coming.growing.iter().any(|directory| root.has_nothing_at(directory)) {
                return None;
            }
            for at in 0..self.tasks.len() {
                lacking[at] = lacking[at] && failing(at).all(|fact| coming.excuses(self, &lacking, fact));
            }
            self.leave_to_look(&coming, &mut lacking, &mut holds);
            self.leave_linked(&lacking, &mut holds, in_run);
            let mut both: Vec<bool> = lacking.iter().zip(&holds).map(|(one, other)| *one || *other).collect();
            self.fell(place, in_run, &mut both);
            for at in 0..both.len() {
                lacking[at] &= both[at];
                holds[at] &= both[at];
            }
            if (&lacking, &holds) == (&before.0, &before.1) {
                let mut missing: HashMap<usize, Vec<u32>> = HashMap::new();
                for made in coming.files.values().filter(|made| lacking[made.by]) {
                    missing.entry(made.by).or_default().push(made.row);
                }
                let size = |row: &Row| if let Row::File { size, .. } = row { *size } else { 0 };
                let rows = missing.iter().flat_map(|(at, rows)| rows.iter().map(|row| self.output(*at, *row)));
                let is_little = rows.map(size).fold(0, u64::saturating_add) <= MOST;
                return (is_little && !missing.is_empty()).then_some((both, missing));
            }
        }
    }

    fn output(&self, at: usize, row: u32) -> &Row {
        &self.tasks[at].outputs[row as usize]
    }

    /// Whether no two of these tasks have the same output: who was the last to write it cannot be told.
    fn have_one_writer_each(&self, open: &[bool]) -> bool {
        let mut seen = HashSet::new();
        let tasks = self.tasks.iter().zip(open).filter(|(_, open)| **open);
        tasks.flat_map(|(task, _)| &task.outputs).all(|row| seen.insert(row.path()))
    }

    /// What the tasks that lack something will have back.
    fn coming<'a, F: Iterator<Item = usize>>(&'a self, lacking: &[bool], failing: &impl Fn(usize) -> F) -> Coming<'a> {
        let mut coming = Coming::default();
        let mut gone: HashMap<&[u8], Option<&[u8]>> = HashMap::new();
        for at in (0..self.tasks.len()).filter(|at| lacking[*at]) {
            let own: HashMap<&[u8], u32> =
                self.tasks[at].outputs.iter().zip(0..).map(|(row, number)| (relative(row.path()), number)).collect();
            for fact in failing(at) {
                let (path, state) = (self.facts.path(fact).to_bytes(), self.facts.state(fact));
                match own.get(path) {
                    Some(row) if self.facts.kind(fact) == Some(Kind::Itself) => {
                        coming.files.insert(path, Made { by: at, row: *row, state });
                    }
                    _ => {
                        let known = gone.entry(path).or_insert(state);
                        if *known != state {
                            *known = None;
                        }
                    }
                }
            }
        }
        for path in coming.files.keys() {
            let mut directory = parent(path);
            while let Some(state) = gone.get(directory) {
                coming.directories.insert(directory, *state);
                directory = parent(directory);
            }
            coming.growing.insert(directory);
        }
        coming
    }

    /// Take out who knows that something is not there which will be, or the names in a directory that will have more.
    fn leave_to_look(&self, coming: &Coming<'_>, lacking: &mut [bool], holds: &mut [bool]) {
        let outdated: Vec<bool> = (0..self.facts.len())
            .into_par_iter()
            .with_min_len(1024)
            .map(|fact| {
                let path = self.facts.path(fact).to_bytes();
                match self.facts.kind(fact) {
                    Some(Kind::Absent | Kind::Dangling) => {
                        coming.files.contains_key(path) || coming.directories.contains_key(path)
                    }
                    Some(Kind::Content | Kind::Itself | Kind::Places) => coming.growing.contains(path),
                    _ => false,
                }
            })
            .collect();
        for (at, task) in self.tasks.iter().enumerate() {
            if (lacking[at] || holds[at]) && task.facts.iter().any(|fact| outdated[*fact as usize]) {
                (lacking[at], holds[at]) = (false, false);
            }
        }
    }

    /// Take out the tasks that met a link and come after one that lacks something.
    fn leave_linked(&self, lacking: &[bool], holds: &mut [bool], in_run: &HashSet<u32>) {
        let mut after: HashMap<u32, Vec<usize>> = HashMap::new();
        for (at, task) in self.tasks.iter().enumerate() {
            let soft = task.soft.iter().filter(|number| in_run.contains(number));
            for before in task.hard.iter().map(|(number, _)| number).chain(soft) {
                after.entry(*before).or_default().push(at);
            }
        }
        let mut way: Vec<u32> =
            self.tasks.iter().zip(lacking).filter(|(_, lacks)| **lacks).map(|(task, _)| task.number).collect();
        while let Some(number) = way.pop() {
            for at in after.remove(&number).unwrap_or_default() {
                holds[at] &= !self.tasks[at].linked;
                way.push(self.tasks[at].number);
            }
        }
    }

    /// Put back what is missing, by the numbers of tasks and places of outputs as [`unchanged`](Checkpoint::unchanged)
    /// gave them; the numbers of those tasks that have all of it. What somebody else has put there meanwhile is left to
    /// whoever looks closer. Parallel on the current pool.
    pub fn put_back(&self, root: &Root, blobs: &Blobs, missing: &[(u32, Vec<u32>)]) -> Vec<u32> {
        let tasks: HashMap<u32, usize> = self.tasks.iter().enumerate().map(|(at, task)| (task.number, at)).collect();
        // Tasks that write into one directory go together: it is made, opened and looked through once.
        let mut groups: BTreeMap<&[u8], (Vec<u32>, Vec<&Row>)> = BTreeMap::new();
        for (number, places) in missing {
            let outputs = tasks.get(number).map_or(&[][..], |at| &self.tasks[*at].outputs);
            let rows: Option<Vec<&Row>> = places.iter().map(|place| outputs.get(*place as usize)).collect();
            let Some((first, rows)) = rows.and_then(|rows| Some((*rows.first()?, rows))) else { continue };
            let (numbers, together) = groups.entry(parent(relative(first.path()))).or_default();
            numbers.push(*number);
            together.extend(rows);
        }
        let put = |(directory, (numbers, rows)): (&[u8], (Vec<u32>, Vec<&Row>))| {
            let is_gone = root.has_nothing_at(directory);
            let is_free = |row: &&Row| {
                let path = relative(row.path());
                is_gone && parent(path) == directory || root.has_nothing_at(path)
            };
            if rows.iter().all(is_free) && blobs.restore_new(&rows).is_ok() { numbers } else { Vec::new() }
        };
        groups.into_par_iter().flat_map_iter(put).collect()
    }
}

impl Coming<'_> {
    /// Whether a fact about something that is gone says what will be true again.
    fn excuses(&self, checkpoint: &Checkpoint, lacking: &[bool], fact: usize) -> bool {
        let (path, state) = (checkpoint.facts.path(fact).to_bytes(), checkpoint.facts.state(fact));
        let kind = checkpoint.facts.kind(fact);
        if let Some(made) = self.files.get(path) {
            // What a link leads to may be another thing by now.
            let is_file = matches!(checkpoint.output(made.by, made.row), Row::File { .. });
            return lacking[made.by]
                && state.is_some()
                && made.state == state
                && (kind == Some(Kind::Itself) || is_file);
        }
        kind != Some(Kind::Content) && state.is_some() && self.directories.get(path) == Some(&state)
    }
}
