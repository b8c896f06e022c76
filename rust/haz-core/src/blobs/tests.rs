//! Outputs that go into a store and come back.

use super::*;
use crate::digest::digest_bytes;
use crate::glob::{Entry, PatternSet, check_pattern};
use std::os::unix::fs::{MetadataExt, symlink};
use tempfile::TempDir;

struct Space {
    directory: TempDir,
    blobs: Blobs,
}

impl Space {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("ws");
        fs::create_dir(&root).unwrap();
        let none = Arc::new(PatternSet::new([[]; 0]).unwrap());
        let tree = Arc::new(Tree::new(root.clone(), Algorithm::Blake3, none, 2, None).unwrap());
        let blobs = Blobs::new(root, directory.path().join("store"), tree);
        Self { directory, blobs }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.blobs.root.join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
    }

    fn collect(&self, spec: &[&str]) -> Result<Vec<Row>, (CollectError, Vec<Row>)> {
        let entries = spec.iter().map(|text| {
            let literal = !check_pattern(text.as_bytes()).unwrap();
            Entry { anchored: text.as_bytes(), literal, exclude: false }
        });
        self.blobs.collect(&PatternSet::new([entries]).unwrap(), 0, None)
    }

    fn restore(&self, rows: &[Row]) -> (usize, usize) {
        let restored = self.blobs.restore(rows, &[], &Leftovers::default()).unwrap();
        (restored.written, restored.kept)
    }

    fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut directories = vec![self.directory.path().to_path_buf()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                    found.push(entry.path());
                } else if entry.file_type().unwrap().is_dir() {
                    directories.push(entry.path());
                }
            }
        }
        found
    }
}

fn kind(answer: &Result<Vec<Row>, (CollectError, Vec<Row>)>) -> CollectKind {
    answer.as_ref().unwrap_err().0.kind
}

fn file_row(path: &str, content: &[u8]) -> Row {
    Row::File {
        path: path.into(),
        digest: digest_bytes(content, Algorithm::Blake3),
        size: content.len() as u64,
        mode: 0o644,
    }
}

#[test]
fn outputs_come_back_with_their_bytes_modes_and_links() {
    // CACHE-017, CACHE-019, CACHE-023
    let space = Space::new();
    let large = vec![7; 3_000_000];
    space.write("out/deep/large", &large);
    space.write("out/tool", "#!/bin/sh\n");
    fs::set_permissions(space.path("out/tool"), Permissions::from_mode(0o750)).unwrap();
    symlink("tool", space.path("out/alias")).unwrap();
    let rows = space.collect(&["/out/**", "/out/tool"]).unwrap();
    let paths: Vec<&[u8]> = rows.iter().map(Row::path).collect();
    assert_eq!(paths, [&b"/out/alias"[..], b"/out/deep/large", b"/out/tool"]);
    fs::remove_dir_all(space.path("out")).unwrap();
    assert_eq!(space.restore(&rows), (3, 0));
    assert_eq!(fs::read(space.path("out/deep/large")).unwrap(), large);
    assert_eq!(fs::metadata(space.path("out/tool")).unwrap().mode() & 0o7777, 0o750);
    assert_eq!(fs::read_link(space.path("out/alias")).unwrap(), Path::new("tool"));
    assert!(space.leftovers().is_empty());
}

#[test]
fn what_is_right_already_is_left_untouched() {
    let space = Space::new();
    for name in ["same", "bytes", "mode"] {
        space.write(name, name);
    }
    symlink("same", space.path("link")).unwrap();
    let rows = space.collect(&["/*"]).unwrap();
    let before = fs::metadata(space.path("same")).unwrap();
    space.write("bytes", "BYTES");
    fs::set_permissions(space.path("mode"), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(space.restore(&rows), (2, 2));
    let after = fs::metadata(space.path("same")).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
    assert_eq!(fs::read(space.path("bytes")).unwrap(), b"bytes");
}

#[test]
fn equal_contents_share_one_blob_whatever_their_modes() {
    let space = Space::new();
    for (name, mode) in [("a", 0o444), ("b", 0o400), ("c", 0o755)] {
        space.write(name, "same");
        fs::set_permissions(space.path(name), Permissions::from_mode(mode)).unwrap();
    }
    let rows = space.collect(&["/*"]).unwrap();
    let shards: Vec<_> = fs::read_dir(space.directory.path().join("store")).unwrap().collect();
    assert_eq!((rows.len(), shards.len()), (3, 1));
    let blob = space.blobs.blob(&digest_bytes(b"same", Algorithm::Blake3));
    assert_eq!(fs::metadata(blob).unwrap().mode() & 0o7777, 0o444);
}

#[test]
fn outputs_that_were_not_made_or_are_no_files_are_told_before_anything_else() {
    let space = Space::new();
    space.write("dir/f", "");
    symlink("none", space.path("dangling")).unwrap();
    assert_eq!(kind(&space.collect(&["/dir", "/none"])), CollectKind::NotProduced);
    assert_eq!(kind(&space.collect(&["/dangling"])), CollectKind::NotProduced);
    assert_eq!(kind(&space.collect(&["/dir"])), CollectKind::NotRegular);
    assert_eq!(space.collect(&["/none/**"]), Ok(Vec::new()));
}

#[test]
fn trouble_with_the_store_still_tells_the_rows() {
    let space = Space::new();
    space.write("out", "x");
    fs::write(space.directory.path().join("store"), "a file in its place").unwrap();
    let (error, rows) = space.collect(&["/out"]).unwrap_err();
    assert_eq!(error.kind, CollectKind::Store);
    assert_eq!(rows, [file_row("/out", b"x")]);
}

#[test]
fn an_output_that_could_not_be_restored_is_not_stored() {
    // O19, O20
    let space = Space::new();
    space.write("d/f", "x");
    symlink("../../elsewhere", space.path("d/out")).unwrap();
    let (error, rows) = space.collect(&["/d/**"]).unwrap_err();
    assert_eq!((error.kind, &error.path[..]), (CollectKind::Store, &b"/d/out"[..]));
    assert_eq!(rows.len(), 2);
}

#[test]
fn a_damaged_blob_is_never_restored_and_makes_room_for_a_good_one() {
    let space = Space::new();
    space.write("a", "aaaa");
    space.write("b", "bbbb");
    let rows = space.collect(&["/*"]).unwrap();
    let blob = space.blobs.blob(&digest_bytes(b"bbbb", Algorithm::Blake3));
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "BBBB").unwrap();
    for name in ["a", "b"] {
        space.write(name, "old");
    }
    assert!(space.blobs.restore(&rows, &[], &Leftovers::default()).unwrap_err().contains("is damaged"));
    for name in ["a", "b"] {
        assert_eq!(fs::read(space.path(name)).unwrap(), b"old");
    }
    assert!(space.leftovers().is_empty());
    space.write("b", "bbbb");
    space.collect(&["/b"]).unwrap();
    assert_eq!(fs::read(blob).unwrap(), b"bbbb");
}

#[test]
fn a_wrong_size_in_a_manifest_does_not_cost_the_blob() {
    let space = Space::new();
    space.write("a", "aaaa");
    space.collect(&["/a"]).unwrap();
    fs::remove_file(space.path("a")).unwrap();
    let digest = digest_bytes(b"aaaa", Algorithm::Blake3);
    let row = Row::File { path: b"/a".to_vec(), digest, size: 5, mode: 0o644 };
    assert!(space.blobs.restore(&[row], &[], &Leftovers::default()).is_err());
    assert!(space.blobs.restore(&[], &[(digest, 5)], &Leftovers::default()).is_err());
    assert!(space.blobs.present(&[(digest, 4)]));
    assert!(!space.blobs.present(&[(digest, 5)]));
}

#[test]
fn a_failed_restore_leaves_no_new_directories() {
    let space = Space::new();
    assert!(space.blobs.restore(&[file_row("/new/deep/f", b"not stored")], &[], &Leftovers::default()).is_err());
    assert!(!space.path("new").exists());
}

#[test]
fn nothing_is_written_through_a_link_even_if_it_is_right_already() {
    // O19
    let space = Space::new();
    space.write("real/f", "x");
    let rows = space.collect(&["/real/f"]).unwrap();
    symlink("real", space.path("link")).unwrap();
    let Row::File { digest, size, mode, .. } = rows[0] else { panic!("a file") };
    let row = Row::File { path: b"/link/f".to_vec(), digest, size, mode };
    assert!(space.blobs.restore(&[row], &[], &Leftovers::default()).unwrap_err().contains("is a symbolic link"));
}

#[test]
fn a_link_in_the_place_of_an_output_is_replaced_not_followed() {
    let space = Space::new();
    space.write("a", "new");
    let rows = space.collect(&["/a"]).unwrap();
    space.write("target", "old");
    fs::remove_file(space.path("a")).unwrap();
    symlink("target", space.path("a")).unwrap();
    assert_eq!(space.restore(&rows), (1, 0));
    assert!(fs::symlink_metadata(space.path("a")).unwrap().is_file());
    assert_eq!(fs::read(space.path("target")).unwrap(), b"old");
}

#[test]
fn a_directory_in_the_place_of_an_output_is_an_error() {
    let space = Space::new();
    space.write("a", "x");
    let rows = space.collect(&["/a"]).unwrap();
    fs::remove_file(space.path("a")).unwrap();
    fs::create_dir(space.path("a")).unwrap();
    assert!(
        space.blobs.restore(&rows, &[], &Leftovers::default()).unwrap_err().contains("a directory is in its place")
    );
}

#[test]
fn hostile_lists_are_refused_before_anything_is_written() {
    // O19
    let space = Space::new();
    space.write("x", "x");
    space.collect(&["/x"]).unwrap();
    fs::remove_file(space.path("x")).unwrap();
    let link = |path: &str, target: &str| Row::Symlink { path: path.into(), target: target.into() };
    for rows in [
        vec![file_row("/x", b"x"), file_row("/../x", b"x")],
        vec![file_row("/x", b"x"), file_row("/.git/hooks/post-checkout", b"x")],
        vec![file_row("/x", b"x"), file_row("/x", b"x")],
        vec![file_row("/d/x", b"x"), link("/d", "e")],
        vec![file_row("/x", b"x"), link("/l", "/etc")],
    ] {
        assert!(space.blobs.restore(&rows, &[], &Leftovers::default()).unwrap_err().contains("refused"), "{rows:?}");
        assert_eq!(fs::read_dir(&space.blobs.root).unwrap().count(), 0);
    }
}

#[test]
fn what_a_killed_process_left_is_swept_when_nobody_can_need_it() {
    let space = Space::new();
    space.write("d/out", "x");
    let rows = space.collect(&["/d/**"]).unwrap();
    let old = SystemTime::now() - std::time::Duration::from_secs(3600);
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let (gone, alive) = (child.id(), std::process::id());
    for (name, is_old) in [
        (format!("{PREFIX}{gone:x}-0-0"), true),
        (format!("{PREFIX}{gone:x}-1-0"), false),
        (format!("{PREFIX}{alive:x}-0-0"), true),
        (format!("{PREFIX}odd"), true),
    ] {
        space.write(&format!("d/{name}"), "half");
        fs::create_dir_all(&space.blobs.directory).unwrap();
        fs::write(space.blobs.directory.join(&name), "half").unwrap();
        for path in [space.path("d").join(&name), space.blobs.directory.join(&name)] {
            if is_old {
                File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
            }
        }
    }
    fs::remove_file(space.path("d/out")).unwrap();
    assert_eq!(space.restore(&rows), (1, 0));
    assert_eq!(space.leftovers().len(), 7, "the workspace was swept");
    let next = Blobs::new(space.blobs.root.clone(), space.blobs.directory.clone(), Arc::clone(&space.blobs.tree));
    next.stage().unwrap();
    assert_eq!(space.leftovers().len(), 6, "the store was swept");
    assert_eq!(space.collect(&["/d/**"]).unwrap(), rows, "and globs see none of the rest");
}

#[test]
fn a_published_file_is_replaced_whole() {
    let space = Space::new();
    let path = space.path("new/deep/manifest");
    publish(&path, b"one", InTheWay::Keep).unwrap();
    publish(&path, b"two", InTheWay::Keep).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert!(publish(&space.path("new"), b"", InTheWay::Keep).is_err(), "a directory");
    assert!(space.leftovers().is_empty());
}

#[test]
fn a_blob_is_read_in_pieces() {
    let space = Space::new();
    space.write("a", "hello");
    space.collect(&["/a"]).unwrap();
    let digest = digest_bytes(b"hello", Algorithm::Blake3);
    assert_eq!(space.blobs.read(&digest, 1, 3).unwrap(), b"ell");
    assert_eq!(space.blobs.read(&digest, 4, usize::MAX).unwrap(), b"o");
    assert_eq!(space.blobs.read(&digest, 9, 1).unwrap(), b"");
    assert!(space.blobs.read(&[0; 32], 0, 1).is_err());
}
