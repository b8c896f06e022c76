use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::ground::Ground;
use super::{Changes, Ears, Heard, Interest, Watch};
use crate::glob::{Entry, PatternSet};

/// How long a sign may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

fn interest(patterns: &[&str], files: &[&str], names: &[&str]) -> Interest {
    let entry = |pattern: &&str| -> (String, bool, bool) {
        let (exclude, text) = pattern.strip_prefix('!').map_or((false, *pattern), |rest| (true, rest));
        (text.to_owned(), !text.contains(['*', '?', '[']), exclude)
    };
    let parsed: Vec<_> = patterns.iter().map(entry).collect();
    let entries = parsed.iter().map(|(text, literal, exclude)| Entry {
        anchored: text.as_bytes(),
        literal: *literal,
        exclude: *exclude,
        group: 0,
    });
    let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    Interest { patterns: Arc::new(PatternSet::new([entries]).unwrap()), files: bytes(files), names: bytes(names) }
}

struct Space {
    directory: TempDir,
}

impl Space {
    fn new(files: &[&str]) -> Self {
        let space = Self { directory: TempDir::new().unwrap() };
        for file in files {
            space.write(file);
        }
        space
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    fn watch(&self, interest: Interest) -> Watch {
        Watch::new(self.directory.path(), interest).unwrap()
    }
}

/// Everything told until `path` is.
fn until(watch: &Watch, path: &str) -> Vec<String> {
    let mut told = Vec::new();
    let end = Instant::now() + PATIENCE;
    loop {
        let (sender, receiver) = channel();
        watch.tell(move || {
            let _ = sender.send(());
        });
        let left = end.saturating_duration_since(Instant::now());
        assert!(receiver.recv_timeout(left).is_ok(), "{path} is not told, only {told:?}");
        let Changes { paths, problems } = watch.take();
        assert!(problems.is_empty(), "{problems:?}");
        told.extend(paths.iter().map(|path| String::from_utf8(path.clone()).unwrap()));
        if told.iter().any(|one| one == path) {
            return told;
        }
    }
}

#[test]
fn a_file_that_matches_is_told_and_one_that_does_not_is_not() {
    let space = Space::new(&["lib/src/a.c", "lib/doc/a.md"]);
    let watch = space.watch(interest(&["/lib/src/**", "!/lib/src/*.o"], &[], &[]));
    space.write("lib/doc/a.md");
    space.write("lib/src/a.o");
    space.write("lib/src/a.c");
    assert_eq!(until(&watch, "lib/src/a.c"), ["lib/src/a.c"]);
}

#[test]
fn a_new_a_removed_a_renamed_file_and_a_new_mode_are_changes() {
    let space = Space::new(&["a/old", "a/gone", "a/tool"]);
    let watch = space.watch(interest(&["/a/**"], &[], &[]));
    space.write("a/new");
    until(&watch, "a/new");
    fs::remove_file(space.at("a/gone")).unwrap();
    until(&watch, "a/gone");
    fs::rename(space.at("a/old"), space.at("a/other")).unwrap();
    assert!(until(&watch, "a/other").contains(&"a/old".to_owned()));
    fs::set_permissions(space.at("a/tool"), fs::Permissions::from_mode(0o755)).unwrap();
    until(&watch, "a/tool");
}

#[test]
fn a_new_directory_is_listened_to_and_what_came_with_it_is_told() {
    let space = Space::new(&["src/a"]);
    let watch = space.watch(interest(&["/src/**"], &[], &[]));
    // Made elsewhere and moved, so that no sign of its files can come before the directory is found.
    let elsewhere = Space::new(&["one/two/three"]);
    fs::rename(elsewhere.at("one"), space.at("src/one")).unwrap();
    until(&watch, "src/one/two/three");
    space.write("src/one/two/four");
    until(&watch, "src/one/two/four");
}

#[test]
fn a_directory_that_is_moved_away_is_told_as_a_whole_and_heard_no_longer() {
    let space = Space::new(&["src/one/two/three", "src/a"]);
    let elsewhere = Space::new(&[]);
    let watch = space.watch(interest(&["/src/**"], &[], &[]));
    fs::rename(space.at("src/one"), elsewhere.at("one")).unwrap();
    until(&watch, "src/one/");
    elsewhere.write("one/two/three");
    space.write("src/a");
    let told = until(&watch, "src/a");
    assert!(!told.iter().any(|path| path.contains("three")), "{told:?}");
}

#[test]
fn a_directory_that_was_replaced_is_heard_again() {
    let space = Space::new(&["src/one/a", "new/a"]);
    let watch = space.watch(interest(&["/src/**"], &[], &[]));
    fs::rename(space.at("src/one"), space.at("old")).unwrap();
    fs::rename(space.at("new"), space.at("src/one")).unwrap();
    until(&watch, "src/one/");
    space.write("src/one/b");
    until(&watch, "src/one/b");
}

#[test]
fn a_literal_is_heard_though_its_directories_come_later() {
    let space = Space::new(&[]);
    let watch = space.watch(interest(&["/deep/er/file"], &[], &[]));
    space.write("deep/er/other");
    space.write("deep/er/file");
    assert_eq!(until(&watch, "deep/er/file").iter().filter(|path| path.contains("other")).count(), 0);
}

#[test]
fn what_nobody_asks_for_is_not_listened_to() {
    let space = Space::new(&["lib/src/a", "vendor/deep/b"]);
    let interest = interest(&["/lib/**"], &[], &[]);
    let root = space.directory.path().canonicalize().unwrap();
    let (ears, _closer) = Ears::new(&root).unwrap();
    let mut ground = Ground::new(root.clone(), interest, ears);
    ground.explore_all(None);
    let mut directories: Vec<&Path> = ground.directories().collect();
    directories.sort_unstable();
    assert_eq!(directories, [&*root, &root.join("lib"), &root.join("lib/src")]);
}

#[test]
fn private_directories_are_closed_to_globs_and_open_to_files_that_are_named() {
    let space = Space::new(&[".haz/state/x", ".haz/workspace.yml", ".git/HEAD", "a"]);
    let watch = space.watch(interest(&["/**"], &[".haz/workspace.yml", ".haz/tasks/"], &[]));
    space.write(".haz/state/x");
    space.write(".git/HEAD");
    space.write(".haz/workspace.yml");
    space.write(".haz/tasks/python.yml");
    let told = until(&watch, ".haz/tasks/python.yml");
    assert!(told.contains(&".haz/workspace.yml".to_owned()), "{told:?}");
    assert!(!told.iter().any(|path| path.contains("state") || path.contains(".git")), "{told:?}");
}

#[test]
fn a_name_matters_wherever_a_pattern_leads() {
    let space = Space::new(&["lib/src/a", "other/b"]);
    let watch = space.watch(interest(&["/lib/**/*.c"], &[], &[".gitignore"]));
    space.write("other/.gitignore");
    space.write("lib/src/.gitignore");
    assert_eq!(until(&watch, "lib/src/.gitignore"), ["lib/src/.gitignore"]);
}

#[test]
fn what_a_link_leads_to_is_heard_under_the_name_of_the_link() {
    let space = Space::new(&["real/dir/file", "real/one", "src/a"]);
    symlink("../real/dir", space.at("src/dir")).unwrap();
    symlink("../real/one", space.at("src/one")).unwrap();
    symlink("../src", space.at("src/circle")).unwrap();
    let watch = space.watch(interest(&["/src/**"], &[], &[]));
    space.write("real/dir/file");
    until(&watch, "src/dir/file");
    space.write("real/one");
    until(&watch, "src/one");
    fs::remove_file(space.at("src/dir")).unwrap();
    until(&watch, "src/dir/");
}

#[test]
fn what_was_lost_is_told_as_a_change_of_everything() {
    let space = Space::new(&["src/a"]);
    let root = space.directory.path().canonicalize().unwrap();
    let (ears, _closer) = Ears::new(&root).unwrap();
    let mut ground = Ground::new(root.clone(), interest(&["/src/**"], &[], &[]), ears);
    ground.explore_all(None);
    space.write("src/new/b");
    let mut changes = Changes::default();
    ground.understand(Heard::Lost, &mut changes);
    assert!(changes.paths.contains(&b"/"[..]));
    assert!(ground.directories().any(|directory| directory == root.join("src/new")));
}

#[test]
fn the_end_of_the_workspace_is_told() {
    let space = Space::new(&["ws/src/a"]);
    let watch = Watch::new(&space.at("ws"), interest(&["/src/**"], &[], &[])).unwrap();
    fs::rename(space.at("ws"), space.at("away")).unwrap();
    until(&watch, "/");
}

#[test]
fn a_change_that_was_not_taken_is_told_at_once_and_only_once() {
    let space = Space::new(&["a"]);
    let watch = space.watch(interest(&["/a"], &[], &[]));
    space.write("a");
    until(&watch, "a");
    let (sender, receiver) = channel();
    watch.tell(move || sender.send(()).unwrap());
    space.write("a");
    receiver.recv_timeout(PATIENCE).unwrap();
    let (sender, receiver) = channel();
    watch.tell(move || sender.send(()).unwrap());
    receiver.recv_timeout(PATIENCE).unwrap();
    // The writer of a file makes several signs: wait for the last one.
    space.write("a");
    until(&watch, "a");
}

#[test]
fn what_is_no_directory_cannot_be_listened_to() {
    let space = Space::new(&["file"]);
    let error = Watch::new(&space.at("none"), interest(&["/a"], &[], &[])).err().unwrap();
    assert!(error.to_string().starts_with("cannot find "), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_limits_of_the_system_are_told_by_their_names() {
    let told = |number| super::ears::explained(std::io::Error::from_raw_os_error(number)).to_string();
    assert!(told(libc::ENOSPC).contains("fs.inotify.max_user_watches"));
    assert!(told(libc::EMFILE).contains("fs.inotify.max_user_instances"));
    assert!(told(libc::EACCES).starts_with("Permission denied"));
}
