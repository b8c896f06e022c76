use std::fs;
use std::path::Path;

use super::*;
use crate::queue::Queue;

#[derive(Debug, PartialEq)]
enum Told {
    Waiting(u64, Option<u32>),
    Locked(u64, Option<String>),
}

impl Sink for Queue<Told> {
    fn waiting(&self, token: u64, pid: Option<u32>) {
        self.push(Told::Waiting(token, pid));
    }

    fn locked(&self, token: u64, error: Option<String>) {
        self.push(Told::Locked(token, error));
    }
}

fn locks(directory: &Path) -> (FileLocks, Queue<Told>) {
    let queue = Queue::new();
    (FileLocks::new(queue.clone(), directory.join("locks")), queue)
}

/// Everything that was told when the lock of `token` had been.
fn until_locked(told: &Queue<Told>, token: u64) -> Vec<Told> {
    let mut all = Vec::new();
    while !all.contains(&Told::Locked(token, None)) {
        let more = told.wait(Some(std::time::Duration::from_secs(60)));
        assert!(!more.is_empty(), "no lock: {all:?}");
        all.extend(more);
    }
    all
}

#[allow(clippy::unnecessary_wraps, reason = "as it is told")]
fn own() -> Option<u32> {
    Some(std::process::id())
}

#[test]
fn a_waiter_gets_the_lock_when_it_is_given_back() {
    let place = tempfile::tempdir().unwrap();
    let (first, told_first) = locks(place.path());
    let (second, told_second) = locks(place.path());
    assert!(first.acquire(1, "a", true));
    assert!(told_first.wait(Some(std::time::Duration::ZERO)).is_empty(), "nobody has to be told");
    assert!(!second.acquire(9, "a", true));
    assert_eq!(told_second.wait(None), [Told::Waiting(9, own())]);
    first.release(1);
    assert_eq!(told_second.wait(None), [Told::Locked(9, None)]);
}

#[test]
fn a_wait_that_was_given_up_tells_nothing_and_keeps_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (first, _) = locks(place.path());
    let (second, told) = locks(place.path());
    first.acquire(1, "a", true);
    second.acquire(1, "a", true);
    second.release(1);
    // The same token at once again: the answer belongs to the new wait.
    second.acquire(1, "a", true);
    first.release(1);
    let expected = [Told::Waiting(1, own()), Told::Waiting(1, own()), Told::Locked(1, None)];
    assert_eq!(until_locked(&told, 1), expected);
    second.release(1);
    let (third, told) = locks(place.path());
    if !third.acquire(1, "a", true) {
        // The thread of the wait that was given up had it just now.
        until_locked(&told, 1);
    }
}

#[test]
fn a_file_that_is_removed_under_a_holder_is_locked_anew() {
    let place = tempfile::tempdir().unwrap();
    let (first, _) = locks(place.path());
    let (second, told) = locks(place.path());
    first.acquire(1, "a", true);
    second.acquire(2, "a", true);
    fs::remove_file(place.path().join("locks/held")).unwrap();
    first.release(1);
    until_locked(&told, 2);
    let (third, told) = locks(place.path());
    third.acquire(3, "a", true);
    assert_eq!(told.wait(None), [Told::Waiting(3, own())], "both lock the file that is there now");
}

#[test]
fn a_holder_leaves_its_pid_only_while_it_holds() {
    let place = tempfile::tempdir().unwrap();
    let (first, _) = locks(place.path());
    first.acquire(1, "a", true);
    let file = File::open(place.path().join("locks/held")).unwrap();
    assert_eq!(holder(&file, Place::of("a")), own());
    first.release(1);
    assert_eq!(holder(&file, Place::of("a")), None);
    assert!(file.metadata().unwrap().len() <= 4 * PIDS);
    assert_eq!(fs::read(place.path().join("locks/.gitignore")).unwrap(), b"*\n");
}

#[test]
fn locks_of_different_names_do_not_meet() {
    let place = tempfile::tempdir().unwrap();
    let (first, _) = locks(place.path());
    let (second, _) = locks(place.path());
    for token in 0..500 {
        assert!(first.acquire(token, &format!("task.p.{token}"), true));
        assert!(second.acquire(token, &format!("mutex.{token}"), true));
    }
}

#[test]
fn a_file_that_is_kept_for_later_holds_nothing_and_is_not_used_when_it_was_removed() {
    let place = tempfile::tempdir().unwrap();
    let (first, _) = locks(place.path());
    let (second, told) = locks(place.path());
    assert!(first.acquire(1, "a", true) && first.acquire(2, "b", true));
    first.release(1);
    first.release(2);
    assert!(second.acquire(1, "a", true) && second.acquire(2, "b", true));
    second.release(1);
    fs::remove_file(place.path().join("locks/held")).unwrap();
    assert!(first.acquire(3, "a", true));
    assert!(!second.acquire(4, "a", true));
    assert_eq!(told.wait(None), [Told::Waiting(4, own())], "both lock the file that is there now");
}

#[test]
fn where_no_directory_can_be_the_reason_is_told() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("locks"), "").unwrap();
    let (first, told) = locks(place.path());
    first.acquire(1, "a", true);
    let expected = format!("cannot lock files in {}: Not a directory", place.path().join("locks").display());
    assert_eq!(told.wait(None), [Told::Locked(1, Some(expected))]);
    first.note();
    assert!(!first.changed());
}

#[test]
fn changes_of_others_are_seen_once_and_own_ones_never() {
    let place = tempfile::tempdir().unwrap();
    let (first, _) = locks(place.path());
    let (second, _) = locks(place.path());
    assert!(!first.changed());
    second.note();
    second.note();
    assert!(first.changed());
    assert!(!first.changed());
    assert!(!second.changed());
    first.note();
    assert!(second.changed());
    let (third, _) = locks(place.path());
    assert!(!third.changed(), "what came before is no news");
    second.note();
    first.note();
    assert!(first.changed(), "an own sign covers no other one");
}

#[test]
fn a_long_file_of_signs_is_begun_anew() {
    let place = tempfile::tempdir().unwrap();
    let (first, _) = locks(place.path());
    first.note();
    let path = place.path().join("locks/changes");
    File::options().write(true).open(&path).unwrap().set_len(2 << 20).unwrap();
    assert!(first.changed());
    let (second, _) = locks(place.path());
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    assert!(first.changed());
    assert!(!first.changed());
    second.note();
    assert!(first.changed());
    first.note();
    assert!(second.changed());
}

#[test]
fn many_names_are_shared_with_all_others_or_by_name_where_somebody_has_another() {
    let place = tempfile::tempdir().unwrap();
    let (first, _) = locks(place.path());
    let (second, told) = locks(place.path());
    let names: Vec<String> = (0..=MANY).map(|number| format!("task.p.{number}")).collect();
    assert!(first.share(1, &names));
    assert!(second.share(1, &names), "others may share them too");
    second.release(1);
    assert!(!second.acquire(2, "other", true));
    assert!(!second.acquire(3, &names[7], true));
    first.release(1);
    if !until_locked(&told, 2).contains(&Told::Locked(3, None)) {
        until_locked(&told, 3);
    }
    second.release(3);

    // `other` is held now.
    assert!(first.share(1, &names));
    assert!(second.acquire(4, "another", true));
    assert!(!second.acquire(5, &names[MANY], true));
    first.release(1);
    until_locked(&told, 5);
    assert!(!first.share(1, &names));
    assert!(second.acquire(6, &names[0], true), "none is kept by who does not get all");
}

#[test]
fn shared_names_take_one_open_file_and_are_all_given_back() {
    let place = tempfile::tempdir().unwrap();
    let (first, _) = locks(place.path());
    let (second, _) = locks(place.path());
    for count in [2, MANY, MANY + 1] {
        let names: Vec<String> = (0..count).map(|number| format!("task.p.{number}")).collect();
        assert!(first.share(1, &names) && first.share(2, &names));
        assert!(idle_files(&first.shared).len() < 2);
        first.release(1);
        first.release(2);
        assert_eq!(idle_files(&first.shared).len(), 2);
        for (token, name) in (0..).zip(&names) {
            assert!(second.acquire(token, name, true), "{name}");
        }
        (0..count as u64).for_each(|token| second.release(token));
    }
}

#[test]
fn names_are_shared_in_the_file_that_is_there() {
    let place = tempfile::tempdir().unwrap();
    let (first, _) = locks(place.path());
    let (second, told) = locks(place.path());
    assert!(first.share(1, &["a", "b"]));
    first.release(1);
    fs::remove_file(place.path().join("locks/held")).unwrap();
    assert!(first.share(1, &["a", "b"]));
    assert!(!second.acquire(9, "b", true));
    first.release(1);
    until_locked(&told, 9);
}
