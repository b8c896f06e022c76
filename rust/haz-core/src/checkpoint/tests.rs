use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::blobs::{Blobs, Row};
use crate::glob::{Entry, PatternSet};
use crate::tree::Tree;
use facts::Fact;

const IDENTITY: Digest = [7; 32];
const LATER: i128 = i128::MAX >> 1;

fn task(number: u32, hard: Vec<u32>, soft: Vec<u32>, facts: Vec<u32>) -> Task {
    let outputs = vec![
        Row::File { path: b"/d/\xff".to_vec(), digest: [5; 32], size: 6, mode: 0o755 },
        Row::Symlink { path: b"/d/l".to_vec(), target: b"\xff".to_vec() },
    ];
    let hard = hard.into_iter().map(|number| (number, [[1; 32], [2; 32]])).collect();
    let streams = [([1; 32], 0), ([2; 32], 3)];
    Task { number, key: [3; 32], streams, outputs, linked: number == 4, hard, soft, variables: 0, facts }
}

fn host(pairs: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// A checkpoint of these tasks over one file, which is fact 0; no fact of a task is fact 1, which does not hold.
fn checkpoint(directory: &Path, tasks: Vec<Task>) -> Checkpoint {
    fs::write(directory.join("there"), "x").unwrap();
    let _ = fs::remove_file(directory.join("later"));
    let root = Root::new(directory).unwrap();
    let there = Fact::ask(&root, Kind::Leads, b"there", &[], LATER).unwrap();
    let gone = Fact::ask(&root, Kind::Absent, b"later", &[], LATER).unwrap();
    fs::write(directory.join("later"), "x").unwrap();
    let facts = Facts::decode([there.bytes(), gone.bytes()].concat()).unwrap();
    let names = vec!["A".into(), "B".into()];
    let digest = values(&names, &host(&[("A", "1")]));
    Checkpoint {
        identity: IDENTITY,
        facts,
        variables: vec![Variables { names, digest }],
        tasks,
        implied: vec![],
        answers: None,
    }
}

fn encoded(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut bytes = Vec::new();
    checkpoint.write(&IDENTITY, &mut bytes).unwrap();
    bytes
}

fn numbers(checkpoint: &Checkpoint, directory: &Path, wanted: &[u32], host: &BTreeMap<OsString, OsString>) -> Vec<u32> {
    let found = checkpoint.unchanged(&Root::new(directory).unwrap(), wanted, &[], host, false);
    found.into_iter().map(|found| found.task.number).collect()
}

#[test]
fn what_is_written_is_read_again_and_damage_or_another_identity_is_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let tasks = vec![task(0, vec![], vec![], vec![0]), task(4, vec![0], vec![9], vec![0, 1])];
    let whole = checkpoint(directory.path(), tasks.clone());
    let bytes = encoded(&whole);
    let again = Checkpoint::decode(bytes.clone()).unwrap();
    assert_eq!((again.tasks, again.variables), (tasks, whole.variables));
    assert_eq!(again.identity, IDENTITY);
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert!(Checkpoint::decode(altered).is_none(), "byte {at}");
        assert!(Checkpoint::decode(bytes[..at].to_vec()).is_none(), "{at} bytes");
    }
}

#[test]
fn what_follows_from_a_fact_is_written_too_and_leads_somewhere() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = |by, facts| {
        let mut whole = checkpoint(directory.path(), vec![task(0, vec![], vec![], vec![0])]);
        whole.implied = vec![Implied { by, facts }];
        encoded(&whole)
    };
    assert_eq!(Checkpoint::decode(sealed(0, vec![1])).unwrap().implied, [Implied { by: 0, facts: vec![1] }]);
    assert!(Checkpoint::decode(sealed(2, vec![1])).is_none());
    assert!(Checkpoint::decode(sealed(0, vec![1, 2])).is_none());
}

#[test]
fn numbers_that_lead_nowhere_are_refused_even_with_the_right_digest() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = |tasks| encoded(&checkpoint(directory.path(), tasks));
    assert!(Checkpoint::decode(sealed(vec![task(0, vec![], vec![], vec![2])])).is_none());
    let variables = Task { variables: 1, ..task(0, vec![], vec![], vec![]) };
    assert!(Checkpoint::decode(sealed(vec![variables])).is_none());
}

#[test]
fn a_variable_that_has_another_value_or_none_is_a_change() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoint = checkpoint(directory.path(), vec![task(0, vec![], vec![], vec![0])]);
    let ask = |pairs| numbers(&checkpoint, directory.path(), &[0], &host(pairs));
    assert_eq!(ask(&[("A", "1"), ("C", "9")]), [0]);
    for pairs in [&[][..], &[("A", "2")], &[("A", "")], &[("A", "1"), ("B", "")]] {
        assert_eq!(ask(pairs), [0_u32; 0], "{pairs:?}");
    }
}

#[test]
fn only_what_is_asked_for_is_answered_in_the_order_of_the_question() {
    let directory = tempfile::tempdir().unwrap();
    let tasks = (0..3).map(|number| task(number, vec![], vec![], vec![0])).collect();
    let checkpoint = checkpoint(directory.path(), tasks);
    assert_eq!(numbers(&checkpoint, directory.path(), &[2, 9, 0], &host(&[("A", "1")])), [2, 0]);
}

#[test]
fn a_soft_predecessor_counts_only_within_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let tasks = vec![task(0, vec![], vec![], vec![1]), task(1, vec![], vec![0], vec![0])];
    let checkpoint = checkpoint(directory.path(), tasks);
    assert_eq!(numbers(&checkpoint, directory.path(), &[0, 1], &host(&[("A", "1")])), [0_u32; 0]);
    assert_eq!(numbers(&checkpoint, directory.path(), &[1], &host(&[("A", "1")])), [1]);
}

#[test]
fn a_soft_predecessor_that_is_run_anyway_counts_as_changed() {
    let directory = tempfile::tempdir().unwrap();
    let tasks = vec![task(0, vec![], vec![], vec![0]), task(1, vec![], vec![0], vec![0])];
    let checkpoint = checkpoint(directory.path(), tasks);
    let root = Root::new(directory.path()).unwrap();
    assert!(checkpoint.unchanged(&root, &[1], &[0], &host(&[("A", "1")]), false).is_empty());
}

#[test]
fn a_predecessor_that_has_written_something_else_since_is_a_change() {
    let directory = tempfile::tempdir().unwrap();
    for place in 0..2 {
        let mut later = task(0, vec![], vec![], vec![0]);
        later.streams[place].0 = [9; 32];
        let tasks = vec![later, task(1, vec![0], vec![], vec![0]), task(2, vec![1], vec![], vec![0])];
        let checkpoint = checkpoint(directory.path(), tasks);
        assert_eq!(numbers(&checkpoint, directory.path(), &[0, 1, 2], &host(&[("A", "1")])), [0]);
    }
}

proptest! {
    #[test]
    fn whatever_comes_after_a_change_is_changed(
        edges in prop::collection::vec((0..12_u32, 0..12_u32, any::<bool>()), 0..30),
        changed in prop::collection::btree_set(0..12_u32, 0..4),
        missing in prop::collection::btree_set(0..12_u32, 0..3),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let before = |number: u32, want_hard: bool| -> Vec<u32> {
            let mine = edges.iter().filter(|(from, to, hard)| from < to && *to == number && *hard == want_hard);
            mine.map(|(from, _, _)| *from).collect()
        };
        let make = |number: u32| {
            let facts = vec![0, u32::from(changed.contains(&number))];
            task(number, before(number, true), before(number, false), facts)
        };
        let tasks = (0..12).filter(|number| !missing.contains(number)).map(make).collect();
        let checkpoint = checkpoint(directory.path(), tasks);
        let mut fine = Vec::new();
        for number in 0..12 {
            let all_before = [before(number, true), before(number, false)].concat();
            let own = !changed.contains(&number) && !missing.contains(&number);
            if own && all_before.iter().all(|other| fine.contains(other)) {
                fine.push(number);
            }
        }
        let wanted: Vec<u32> = (0..12).collect();
        prop_assert_eq!(numbers(&checkpoint, directory.path(), &wanted, &host(&[("A", "1")])), fine);
    }

    #[test]
    fn no_bytes_make_the_reader_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut sealed = [&MAGIC[..], &IDENTITY, &bytes].concat();
        sealed.extend(digest_bytes(&sealed, Algorithm::Blake3));
        let _ = Checkpoint::decode(sealed);
    }
}

/// A workspace of one task: `src/**` and `lit` in, `out/*` out, with an entry and blobs in a store beside it.
struct Space {
    directory: tempfile::TempDir,
    tree: Arc<Tree>,
    blobs: Blobs,
}

impl Space {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for (path, content) in [("src/a", "a"), ("src/d/b", "b"), ("lit", "l"), ("out/o", "o"), ("store/entry", "e")] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), content).unwrap();
        }
        let entry =
            |text: &'static str, literal| Entry { anchored: text.as_bytes(), literal, exclude: false, group: 0 };
        let lists = [vec![entry("/src/**", false), entry("/lit", true)], vec![entry("/out/*", false)]];
        let patterns = Arc::new(PatternSet::new(lists).unwrap());
        let tree = Arc::new(Tree::new(root.into(), Algorithm::Blake3, patterns, 2, None).unwrap());
        let blobs = Blobs::new(root.into(), root.join("store/blobs"), Arc::clone(&tree), false, false);
        for content in [&b"o"[..], b""] {
            let name = crate::digest::hex(&digest_bytes(content, Algorithm::Blake3));
            let path = root.join("store/blobs").join(&name[..2]).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Self { directory, tree, blobs }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.directory.path().join(path)
    }

    fn candidate(&self) -> Candidate {
        let empty = (digest_bytes(b"", Algorithm::Blake3), 0);
        let inputs = self.tree.install(|| self.tree.fingerprint(&[0]));
        Candidate {
            number: 5,
            inputs: 0,
            outputs: 1,
            hard: vec![],
            soft: vec![],
            names: vec![],
            key: [1; 32],
            input_digest: inputs[0].outcome.clone().unwrap(),
            entry: self.path("store/entry"),
            streams: [empty, empty],
            rows: vec![Row::File {
                path: b"/out/o".to_vec(),
                digest: digest_bytes(b"o", Algorithm::Blake3),
                size: 1,
                mode: 0o644,
            }],
        }
    }

    fn record(&self, candidate: Candidate, now: i128) -> usize {
        let (file, none) = (self.path("checkpoint"), Checkpoint::default());
        let nobody = BTreeMap::new();
        record(&file, &IDENTITY, &self.tree, &self.blobs, &[candidate], &none, &nobody, now).unwrap()
    }

    fn is_unchanged(&self) -> bool {
        let root = Root::new(self.directory.path()).unwrap();
        let asked = Checkpoint::load(&self.path("checkpoint"), &IDENTITY);
        let ahead = self.ahead().finish(&IDENTITY);
        assert_eq!((asked.len(), ahead.len()), (1, 1));
        let [one, other] =
            [asked, ahead].map(|read| !read.unchanged(&root, &[5], &[], &BTreeMap::new(), false).is_empty());
        assert_eq!(one, other);
        one
    }

    fn ahead(&self) -> Ahead {
        Ahead::start(self.directory.path(), &self.path("checkpoint"), &self.path("workspace"), vec![]).unwrap()
    }
}

#[test]
fn a_task_is_unchanged_until_something_of_it_changes() {
    type Change = fn(&Space);
    let changes: [(&str, Change); 16] = [
        ("an input is edited", |space| fs::write(space.path("src/a"), "A").unwrap()),
        ("an input is edited in a folder", |space| fs::write(space.path("src/d/b"), "B").unwrap()),
        ("a literal input is edited", |space| fs::write(space.path("lit"), "L").unwrap()),
        ("an input is added", |space| fs::write(space.path("src/d/c"), "").unwrap()),
        ("an input is added in a new folder", |space| {
            fs::create_dir(space.path("src/e")).unwrap();
            fs::write(space.path("src/e/c"), "").unwrap();
        }),
        ("an input is removed", |space| fs::remove_file(space.path("src/d/b")).unwrap()),
        ("an input is renamed", |space| fs::rename(space.path("src/a"), space.path("src/z")).unwrap()),
        ("all inputs are gone", |space| fs::rename(space.path("src"), space.path("crs")).unwrap()),
        ("an input becomes a link", |space| {
            fs::rename(space.path("src/a"), space.path("a")).unwrap();
            std::os::unix::fs::symlink("../a", space.path("src/a")).unwrap();
        }),
        ("an input becomes executable", |space| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(space.path("src/a"), fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("the output is edited", |space| fs::write(space.path("out/o"), "O").unwrap()),
        ("the output is removed", |space| fs::remove_file(space.path("out/o")).unwrap()),
        ("there is another output", |space| fs::write(space.path("out/p"), "").unwrap()),
        ("the entry is removed", |space| fs::remove_file(space.path("store/entry")).unwrap()),
        ("the entry is replaced", |space| {
            fs::write(space.path("store/new"), "e").unwrap();
            fs::rename(space.path("store/new"), space.path("store/entry")).unwrap();
        }),
        ("the store is cleared", |space| fs::remove_dir_all(space.path("store/blobs")).unwrap()),
    ];
    for (what, change) in changes {
        let space = Space::new();
        assert_eq!(space.record(space.candidate(), LATER), 1);
        assert!(space.is_unchanged(), "before {what}");
        // The clock itself is awaited: what is written now must bear another time than what was written before.
        let ticks = |path: &str| crate::tree::stamp::Stamp::of(&fs::metadata(space.path(path)).unwrap()).changed;
        fs::write(space.path("clock"), "").unwrap();
        let before = ticks("clock");
        while ticks("clock") == before {
            fs::write(space.path("clock"), "").unwrap();
        }
        change(&space);
        assert!(!space.is_unchanged(), "after {what}");
    }
}

/// Tasks 5 to 9, each with an entry of its own in one directory of the store.
fn several(space: &Space) -> Vec<Candidate> {
    (5..10)
        .map(|number| {
            let entry = space.path(&format!("store/entry{number}"));
            fs::write(&entry, "e").unwrap();
            Candidate { number, entry, ..space.candidate() }
        })
        .collect()
}

fn record_several(space: &Space, candidates: &[Candidate], before: &Checkpoint, now: i128) -> Checkpoint {
    let file = space.path("checkpoint");
    record(&file, &IDENTITY, &space.tree, &space.blobs, candidates, before, &BTreeMap::new(), now).unwrap();
    Checkpoint::load(&file, &IDENTITY)
}

/// Which paths are asked for names, and which follow from a directory or another fact.
fn implied_paths(checkpoint: &Checkpoint) -> BTreeMap<String, Vec<String>> {
    let path = |fact: &u32| checkpoint.facts.path(*fact as usize).to_str().unwrap().to_owned();
    checkpoint.implied.iter().map(|rule| (path(&rule.by), rule.facts.iter().map(path).collect())).collect()
}

#[test]
fn a_directory_of_the_store_that_is_the_same_stands_for_its_entries() {
    let space = Space::new();
    let all = several(&space);
    let checkpoint = record_several(&space, &all, &Checkpoint::default(), LATER);
    let entries: Vec<String> = (5..10).map(|number| format!("store/entry{number}")).collect();
    assert_eq!(implied_paths(&checkpoint)["store"], entries);
    assert!(space.is_unchanged_of(&[5, 6, 7, 8, 9]));
    assert!(space.is_unchanged_of(&[7]), "one alone is asked by itself");

    // Something else is added there: they are asked one by one.
    fs::write(space.path("store/another"), "").unwrap();
    assert!(space.is_unchanged_of(&[5, 6, 7, 8, 9]));
    fs::remove_file(space.path("store/entry7")).unwrap();
    assert!(!space.is_unchanged_of(&[5, 6, 7, 8, 9]));
    assert!(space.is_unchanged_of(&[5, 6, 8, 9]));
}

#[test]
fn an_entry_that_is_replaced_is_noticed_although_its_directory_stands_for_it() {
    let space = Space::new();
    let all = several(&space);
    record_several(&space, &all, &Checkpoint::default(), LATER);
    fs::write(space.path("new"), "e").unwrap();
    fs::rename(space.path("new"), space.path("store/entry8")).unwrap();
    assert!(!space.is_unchanged_of(&[5, 6, 7, 8, 9]));
    assert!(space.is_unchanged_of(&[5, 6, 7, 9]));
    fs::rename(space.path("store"), space.path("old")).unwrap();
    std::os::unix::fs::symlink("old", space.path("store")).unwrap();
    assert!(space.is_unchanged_of(&[5, 6, 7, 9]), "the entries themselves are where they were");
}

#[test]
fn a_directory_stands_for_nothing_that_was_replaced_before_it_was_looked_at() {
    let space = Space::new();
    let all = several(&space);
    let first = record_several(&space, &all, &Checkpoint::default(), LATER);
    fs::remove_file(space.path("store/entry6")).unwrap();
    // The others are carried over, and the directory is looked at anew.
    let next = record_several(&space, &all[..1], &first, LATER);
    assert_eq!(next.len(), 5);
    assert!(!implied_paths(&next)["store"].contains(&"store/entry6".to_owned()));
    assert!(!space.is_unchanged_of(&[5, 6, 7, 8, 9]));
    assert!(space.is_unchanged_of(&[5, 7, 8, 9]));
}

#[test]
fn a_use_that_was_noted_long_ago_is_looked_at_again_and_noted() {
    let space = Space::new();
    let all = several(&space);
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 86_400);
    let used = |number: u32| fs::metadata(space.path(&format!("store/entry{number}"))).unwrap().modified().unwrap();
    for number in [5, 6] {
        let entry = fs::File::options().write(true).open(space.path(&format!("store/entry{number}"))).unwrap();
        entry.set_modified(long_ago).unwrap();
    }
    record_several(&space, &all, &Checkpoint::default(), LATER);
    assert!(space.is_unchanged_of(&[5, 6, 7, 8, 9]));
    assert!(used(5) > long_ago + std::time::Duration::from_secs(86_400));
    assert!(used(6) > long_ago + std::time::Duration::from_secs(86_400));
}

#[test]
fn what_is_there_itself_is_what_its_path_leads_to() {
    let space = Space::new();
    // One task reads what another one writes.
    let read = space.tree.install(|| space.tree.fingerprint(&[1]))[0].outcome.clone().unwrap();
    let reader = Candidate { number: 6, inputs: 1, input_digest: read, ..space.candidate() };
    let checkpoint = record_several(&space, &[space.candidate(), reader], &Checkpoint::default(), LATER);
    assert_eq!(checkpoint.len(), 2);
    assert!(implied_paths(&checkpoint).get("out/o").is_some_and(|paths| paths.contains(&"out/o".to_owned())));
    assert!(space.is_unchanged_of(&[5, 6]));
    fs::rename(space.path("out/o"), space.path("moved")).unwrap();
    std::os::unix::fs::symlink("../moved", space.path("out/o")).unwrap();
    assert!(!space.is_unchanged_of(&[5]));
}

#[test]
fn what_is_asked_ahead_is_of_one_checkpoint_and_may_be_left() {
    let space = Space::new();
    assert!(space.ahead().finish(&IDENTITY).is_empty(), "there is none");
    space.record(space.candidate(), LATER);
    assert!(space.ahead().finish(&[8; 32]).is_empty());
    let ahead = space.ahead();
    assert!(ahead.is_of(space.directory.path(), &space.path("checkpoint")));
    assert!(!ahead.is_of(space.directory.path(), &space.path("other")));
    let configuration = ahead.configuration();
    assert!(!configuration.take(space.directory.path(), &space.path("checkpoint")));
    assert!(configuration.take(space.directory.path(), &space.path("workspace")));
    assert!(!configuration.take(space.directory.path(), &space.path("workspace")), "only once");
    assert!(configuration.get().is_none(), "there is none");
    drop(ahead);
    let many = space.ahead();
    fs::write(space.path("checkpoint"), "torn").unwrap();
    drop((many, space.ahead()));
    assert!(space.ahead().finish(&IDENTITY).is_empty());
    assert!(
        Ahead::start(&space.path("nowhere"), &space.path("checkpoint"), &space.path("workspace"), vec![]).is_none()
    );
}

#[test]
fn what_nobody_has_asked_for_may_change() {
    let space = Space::new();
    space.record(space.candidate(), LATER);
    fs::write(space.path("unrelated"), "").unwrap();
    fs::write(space.path("store/other"), "").unwrap();
    assert!(space.is_unchanged());
}

#[test]
fn a_task_that_is_not_as_it_is_said_to_be_is_not_recorded() {
    let space = Space::new();
    let said = space.candidate();
    fs::write(space.path("src/a"), "changed meanwhile").unwrap();
    assert_eq!(space.record(said, LATER), 0);
    let said = space.candidate();
    fs::write(space.path("out/o"), "another").unwrap();
    assert_eq!(space.record(said, LATER), 0);
    fs::write(space.path("out/o"), "o").unwrap();
    fs::write(space.path("out/stray"), "").unwrap();
    assert_eq!(space.record(space.candidate(), LATER), 0, "a file that the entry does not have");
    fs::remove_file(space.path("out/stray")).unwrap();
    fs::remove_file(space.path("store/entry")).unwrap();
    assert_eq!(space.record(space.candidate(), LATER), 0);
    assert!(!space.path("checkpoint").exists());
}

#[test]
fn what_was_written_just_now_proves_nothing_yet() {
    let space = Space::new();
    assert_eq!(space.record(space.candidate(), crate::tree::stamp::now()), 0);
}

#[test]
fn tasks_of_earlier_runs_stay_unless_they_are_recorded_anew() {
    let space = Space::new();
    space.record(space.candidate(), LATER);
    let before = Checkpoint::load(&space.path("checkpoint"), &IDENTITY);
    let other = Candidate { number: 6, ..space.candidate() };
    let (file, nobody) = (space.path("checkpoint"), BTreeMap::new());
    let add = |candidates: &[Candidate], before| {
        record(&file, &IDENTITY, &space.tree, &space.blobs, candidates, before, &nobody, LATER).unwrap()
    };
    assert_eq!(add(&[other], &before), 1);
    let both = Checkpoint::load(&space.path("checkpoint"), &IDENTITY);
    assert_eq!(both.len(), 2);
    assert_eq!(both.facts.len(), before.facts.len(), "each fact once");
    assert_eq!(add(&[space.candidate()], &both), 1);
    assert_eq!(Checkpoint::load(&space.path("checkpoint"), &IDENTITY).len(), 2);
    assert!(space.is_unchanged_of(&[5, 6]));
}

impl Space {
    fn is_unchanged_of(&self, numbers: &[u32]) -> bool {
        let checkpoint = Checkpoint::load(&self.path("checkpoint"), &IDENTITY);
        let root = Root::new(self.directory.path()).unwrap();
        checkpoint.unchanged(&root, numbers, &[], &BTreeMap::new(), false).len() == numbers.len()
    }
}
