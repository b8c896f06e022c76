//! Asking for the facts that prove tasks up to date, and writing them down.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::asked::{DAY, Implied};
use super::facts::{Fact, Facts, Kind, Root, parent, without_times};
use super::{Checkpoint, Task, Variables, place_of, relative, values};
use crate::blobs::{Blobs, InTheWay, Row, publish_by};
use crate::digest::Digest;
use crate::error::FsError;
use crate::tree::stamp::Stamp;
use crate::tree::walk::{Found, Links, Look, Resolution, resolve_telling};
use crate::tree::{Tree, digest_state, is_executable};

/// A task that is said to be up to date: its entry is in the store and its outputs are in place.
pub struct Candidate {
    /// Its number in the graph that the identity stands for.
    pub number: u32,
    /// Its patterns, as numbers of the tree's lists.
    pub inputs: u32,
    /// The same of its outputs.
    pub outputs: u32,
    /// Its direct hard predecessors, with the streams that its key was made of.
    pub hard: Vec<(u32, [Digest; 2])>,
    /// Its direct soft predecessors.
    pub soft: Vec<u32>,
    /// The variables of the invoking environment that its key was made of.
    pub names: Vec<OsString>,
    /// Its cache key.
    pub key: Digest,
    /// The digest of the inputs in that key.
    pub input_digest: Digest,
    /// Its entry in the store.
    pub entry: PathBuf,
    /// Digest and size of both streams.
    pub streams: [(Digest, u64); 2],
    /// What the entry says of its outputs.
    pub rows: Vec<Row>,
}

/// Facts, each once.
#[derive(Default)]
struct Book<S = RandomState> {
    facts: Facts,
    /// Where each is, by its hash; of two with the same one the later has the next that is free. The facts themselves, of
    /// which there are tens of thousands, are not kept twice.
    places: HashMap<u64, u32>,
    hasher: S,
    is_full: bool,
}

impl<S: BuildHasher> Book<S> {
    fn add(&mut self, fact: &[u8]) -> u32 {
        let mut hash = self.hasher.hash_one(fact);
        loop {
            match self.places.get(&hash) {
                Some(&place) if self.facts.get(place as usize) == fact => return place,
                Some(_) => hash = hash.wrapping_add(1),
                None => break,
            }
        }
        let Some(place) = self.facts.push(fact) else {
            self.is_full = true;
            return u32::MAX;
        };
        self.places.insert(hash, place);
        place
    }
}

/// Fewer names are asked for one by one: a directory that changes often, as others are added, is one question more.
const FEW: usize = 4;

/// Files whose facts wait, each with memory of its own, for their place among all others.
const AT_A_TIME: usize = 4096;

/// What one kind of pattern lists, inputs or outputs, came to: the facts of each list, none for one that proves nothing.
type Proofs = Vec<Option<Vec<u32>>>;

/// Look at everything that the candidates rest on, and write down those that are as they are said to be, beside the
/// tasks of the checkpoint before. Answers how many are new; the file is left alone when none is. `now` is the wall clock.
///
/// # Errors
/// The file cannot be written.
#[allow(clippy::too_many_arguments)]
pub fn record(
    file: &Path,
    identity: &Digest,
    tree: &Tree,
    blobs: &Blobs,
    candidates: &[Candidate],
    before: &Checkpoint,
    host: &BTreeMap<OsString, OsString>,
    now: i128,
) -> Result<usize, FsError> {
    if candidates.is_empty() {
        return Ok(0);
    }
    tree.install(|| {
        let Ok(root) = Root::new(tree.root()) else { return Ok(0) };
        let observer = Observer { tree, root, now };
        let (mut book, mut next) = (Book::default(), Checkpoint::default());
        let (inputs, read_by_link) = observer.inputs(candidates, &mut book);
        let (outputs, written_by_link) = observer.outputs(candidates, &mut book);
        for (list, ((candidate, inputs), outputs)) in (0..).zip(candidates.iter().zip(inputs).zip(outputs)) {
            let (Some(inputs), Some(outputs)) = (inputs, outputs) else { continue };
            let Some(mut facts) = observer.kept(candidate, blobs, &mut book) else { continue };
            facts.extend(inputs.into_iter().chain(outputs));
            let digest = values(&candidate.names, host);
            let variables = group(&mut next.variables, &Variables { names: candidate.names.clone(), digest });
            next.tasks.push(Task {
                number: candidate.number,
                key: candidate.key,
                streams: candidate.streams,
                outputs: candidate.rows.clone(),
                linked: read_by_link.contains(&list) || written_by_link.contains(&list),
                hard: candidate.hard.clone(),
                soft: candidate.soft.clone(),
                variables,
                facts,
            });
        }
        let fresh = next.tasks.len();
        if fresh > 0 {
            // Only now: after an edit there is nothing to prove yet, and the others are many.
            let replaced: HashSet<u32> = candidates.iter().map(|candidate| candidate.number).collect();
            for task in before.tasks.iter().filter(|task| !replaced.contains(&task.number)) {
                let facts = task.facts.iter().map(|fact| book.add(&observer.kept_from(before, *fact))).collect();
                let variables = group(&mut next.variables, &before.variables[task.variables as usize]);
                next.tasks.push(Task { variables, facts, ..task.clone() });
            }
            next.implied = observer.implied(before, &mut book);
            if book.is_full {
                return Ok(0);
            }
            next.facts = book.facts;
            publish_by(file, InTheWay::Keep, |to| next.write(identity, to))?;
        }
        Ok(fresh)
    })
}

fn group(groups: &mut Vec<Variables>, wanted: &Variables) -> u32 {
    let known = groups.iter().position(|group| group == wanted);
    let place = known.unwrap_or_else(|| {
        groups.push(wanted.clone());
        groups.len() - 1
    });
    u32::try_from(place).unwrap_or(u32::MAX)
}

struct Observer<'a> {
    tree: &'a Tree,
    root: Root,
    now: i128,
}

impl Observer<'_> {
    fn on_disk(&self, path: &[u8]) -> PathBuf {
        self.tree.root().join(OsStr::from_bytes(path))
    }

    /// Prove that the inputs still have the digests that are in the keys.
    fn inputs(&self, candidates: &[Candidate], book: &mut Book) -> (Proofs, HashSet<u32>) {
        let lists: Vec<u32> = candidates.iter().map(|candidate| candidate.inputs).collect();
        let (found, mut proofs, linked) = self.walk(&lists, Links::Follow, book);
        let look = |file: &Found| {
            let (digest, metadata) = digest_state(self.tree.memo(), &self.on_disk(&file.path), None).ok()?;
            let fact = Fact::seen(Kind::Content, &file.path, &Stamp::of(&metadata), self.now)?;
            Some(((digest, is_executable(&metadata)), fact))
        };
        // Beside `found`, which has the paths: of tens of thousands of files nothing is kept twice.
        let mut seen: Vec<(Digest, bool)> = Vec::with_capacity(found.len());
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); lists.len()];
        for some in found.chunks(AT_A_TIME) {
            let looked: Vec<_> = some.par_iter().with_max_len(64).map(look).collect();
            for (file, looked) in some.iter().zip(looked) {
                let (content, fact) = looked.unzip();
                note(&mut proofs, &file.specs, fact.as_ref(), book);
                let place = u32::try_from(seen.len()).unwrap_or(u32::MAX);
                file.specs.iter().for_each(|list| rows[*list as usize].push(place));
                // A list with a file of which nothing is known proves nothing, so that its rows are not read.
                seen.push(content.unwrap_or_default());
            }
        }
        let row = |place: &u32| {
            let (file, (digest, executable)) = (&found[*place as usize], &seen[*place as usize]);
            (&file.path[..], digest, *executable)
        };
        for ((proof, rows), candidate) in proofs.iter_mut().zip(rows).zip(candidates) {
            if proof.is_some() && self.tree.section(rows.iter().map(row)) != candidate.input_digest {
                *proof = None;
            }
        }
        (proofs, linked)
    }

    /// Prove that the outputs are those of the entry, and that no others match.
    fn outputs(&self, candidates: &[Candidate], book: &mut Book) -> (Proofs, HashSet<u32>) {
        let lists: Vec<u32> = candidates.iter().map(|candidate| candidate.outputs).collect();
        let (found, mut proofs, linked) = self.walk(&lists, Links::Keep, book);
        let rows: Vec<HashMap<&[u8], &Row>> = candidates
            .iter()
            .map(|candidate| candidate.rows.iter().map(|row| (relative(row.path()), row)).collect())
            .collect();
        let look = |file: &Found| {
            let wanted: Vec<_> = file.specs.iter().map(|list| rows[*list as usize].get(&file.path[..])).collect();
            let (first, others) = wanted.split_first()?;
            let row = (*first)?;
            if others.iter().any(|other| *other != *first) || !self.is_in_place(row, &file.path) {
                return None;
            }
            let metadata = fs::symlink_metadata(self.on_disk(&file.path)).ok()?;
            Fact::seen(Kind::Itself, &file.path, &Stamp::of(&metadata), self.now)
        };
        let seen: Vec<Option<Fact>> = found.par_iter().with_max_len(64).map(look).collect();
        let mut counts = vec![0; lists.len()];
        for (file, fact) in found.iter().zip(&seen) {
            note(&mut proofs, &file.specs, fact.as_ref(), book);
            file.specs.iter().for_each(|list| counts[*list as usize] += 1);
        }
        for ((proof, count), candidate) in proofs.iter_mut().zip(counts).zip(candidates) {
            if count != candidate.rows.len() {
                *proof = None;
            }
        }
        (proofs, linked)
    }

    fn is_in_place(&self, row: &Row, path: &[u8]) -> bool {
        let on_disk = self.on_disk(path);
        match row {
            Row::File { digest, mode, .. } => {
                let Ok(found) = fs::symlink_metadata(&on_disk) else { return false };
                found.is_file()
                    && found.permissions().mode() & 0o7777 == *mode
                    && digest_state(self.tree.memo(), &on_disk, None).is_ok_and(|(actual, _)| actual == *digest)
            }
            // What belongs to it cannot be told by its own state: such a task is looked up.
            Row::Directory { .. } => false,
            Row::Symlink { target, .. } => {
                fs::read_link(&on_disk).is_ok_and(|actual| actual.as_os_str().as_bytes() == *target)
            }
        }
    }

    /// Resolve lists of patterns, with facts for all that the walk looked at, and the lists on whose way it met a link.
    fn walk(&self, lists: &[u32], links: Links, book: &mut Book) -> (Vec<Found>, Proofs, HashSet<u32>) {
        let Resolution { found, problems, linked, looks } =
            resolve_telling(self.tree.root(), self.tree.patterns(), lists, links, true);
        let mut proofs: Proofs = vec![Some(Vec::new()); lists.len()];
        for (list, _) in &problems {
            proofs[*list as usize] = None;
        }
        let ask = |look: &Look| match &look.seen {
            Some(stamp) => Fact::identity(look.kind, &look.path, stamp, self.now),
            None => Fact::ask(&self.root, look.kind, &look.path, &[], self.now),
        };
        let asked: Vec<Option<Fact>> = looks.par_iter().with_max_len(64).map(ask).collect();
        for (look, fact) in looks.iter().zip(&asked) {
            note(&mut proofs, &look.specs, fact.as_ref(), book);
        }
        (found, proofs, linked.into_iter().collect())
    }

    /// A fact of the checkpoint before; with the time of the last use if that was long ago.
    fn kept_from(&self, before: &Checkpoint, fact: u32) -> Vec<u8> {
        let (facts, fact) = (&before.facts, fact as usize);
        let used = facts.used(fact);
        let path = facts.path(fact).to_bytes();
        let is_old = used != 0 && self.now - used > DAY;
        let again = if is_old { Fact::ask(&self.root, Kind::Kept, path, &[], self.now) } else { None };
        let is_same = |again: &Fact| without_times(again.bytes()) == without_times(facts.get(fact));
        again.filter(is_same).map_or_else(|| facts.get(fact).to_vec(), |again| again.bytes().to_vec())
    }

    /// Which facts need not be asked while others hold.
    fn implied(&self, before: &Checkpoint, book: &mut Book) -> Vec<Implied> {
        let facts = &book.facts;
        let of = |fact: usize| u32::try_from(fact).unwrap_or(u32::MAX);
        let mut files: HashMap<&[u8], (u32, &[u8])> = HashMap::new();
        let mut names: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        for fact in 0..facts.len() {
            let path = facts.path(fact).to_bytes();
            match (facts.kind(fact), facts.state(fact), parent(path)) {
                (Some(Kind::Itself), Some(state), _) => {
                    files.insert(path, (of(fact), state));
                }
                (Some(kind), _, Some(above)) if kind.is_of_a_name() => names.entry(above).or_default().push(fact),
                _ => {}
            }
        }
        // What is there itself is what the path leads to, so it is no link.
        let is_same = |fact: usize| {
            let (itself, state) = files.get(facts.path(fact).to_bytes())?;
            (facts.kind(fact) == Some(Kind::Content) && facts.state(fact) == Some(state)).then_some(*itself)
        };
        let mut implied: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (by, fact) in (0..facts.len()).filter_map(|fact| Some((is_same(fact)?, of(fact)))) {
            implied.entry(by).or_default().push(fact);
        }
        let known: HashMap<&[u8], HashSet<&[u8]>> = before
            .implied
            .iter()
            .map(|Implied { by, facts }| {
                (before.facts.get(*by as usize), facts.iter().map(|fact| before.facts.get(*fact as usize)).collect())
            })
            .collect();
        let groups: Vec<(&[u8], Vec<usize>)> = names.into_iter().filter(|(_, names)| names.len() >= FEW).collect();
        let prove = |(above, names): &(&[u8], Vec<usize>)| {
            // First the directory: what becomes of a name after that changes it.
            let state = Fact::directory(&self.root, above, self.now)?;
            let proven = known.get(state.bytes());
            let holds = |fact: &usize| {
                let is_proven = proven.is_some_and(|proven| proven.contains(facts.get(*fact)));
                is_proven || facts.holds(&self.root, *fact, &[]).is_some()
            };
            Some((state, names.iter().copied().filter(holds).map(of).collect::<Vec<_>>()))
        };
        let proven: Vec<Option<(Fact, Vec<u32>)>> = groups.par_iter().map(prove).collect();
        for (state, facts) in proven.into_iter().flatten().filter(|(_, facts)| !facts.is_empty()) {
            implied.entry(book.add(state.bytes())).or_default().extend(facts);
        }
        implied.into_iter().map(|(by, facts)| Implied { by, facts }).collect()
    }

    /// The facts of the entry and of what it needs.
    fn kept(&self, candidate: &Candidate, blobs: &Blobs, book: &mut Book) -> Option<Vec<u32>> {
        let files = candidate.rows.iter().filter_map(|row| match row {
            Row::File { digest, size, .. } => Some((*digest, *size)),
            _ => None,
        });
        let mut paths = vec![candidate.entry.clone()];
        paths.extend(blobs.places_of(candidate.streams.iter().copied().chain(files))?);
        let ask = |path: &PathBuf| Fact::ask(&self.root, Kind::Kept, &place_of(self.tree.root(), path), &[], self.now);
        paths.iter().map(|path| Some(book.add(ask(path)?.bytes()))).collect()
    }
}

/// Add a fact to the proofs of some lists; without one they prove nothing.
fn note(proofs: &mut Proofs, lists: &[u32], fact: Option<&Fact>, book: &mut Book) {
    let number = fact.map(|fact| book.add(fact.bytes()));
    for list in lists {
        let proof = &mut proofs[*list as usize];
        match (number, &mut *proof) {
            (Some(number), Some(facts)) => facts.push(number),
            (_, proof) => *proof = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasherDefault, Hasher};

    #[derive(Default)]
    struct Same;

    impl Hasher for Same {
        fn finish(&self) -> u64 {
            u64::MAX
        }

        fn write(&mut self, _: &[u8]) {}
    }

    #[test]
    fn each_fact_is_written_down_once_also_beside_others_of_the_same_hash() {
        let facts: Vec<Fact> = ["a", "b", "c"]
            .iter()
            .map(|path| {
                let stamp = Stamp { device: 1, inode: 2, size: 3, modified: 4, changed: 5 };
                Fact::identity(Kind::Leads, path.as_bytes(), &stamp, 0).unwrap()
            })
            .collect();
        let mut book: Book<BuildHasherDefault<Same>> = Book::default();
        for _ in 0..2 {
            let places: Vec<u32> = facts.iter().map(|fact| book.add(fact.bytes())).collect();
            assert_eq!(places, [0, 1, 2]);
        }
        let whole: Vec<u8> = facts.iter().flat_map(Fact::bytes).copied().collect();
        assert_eq!(book.facts.bytes(), whole);
        let decoded = Facts::decode(whole).unwrap();
        assert!((0..3).all(|fact| book.facts.get(fact) == decoded.get(fact)));
        assert!(!book.is_full);
    }
}
