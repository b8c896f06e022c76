//! Outputs that go into a store and come back.

use super::*;
use crate::digest::digest_bytes;
use crate::glob::{Entry, PatternSet, check_pattern};
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
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
        let blobs = Blobs::new(root, directory.path().join("store"), tree, false, true);
        Self { directory, blobs }
    }

    /// The same workspace and store for a process that compresses, or not.
    fn again(&self, compressed: bool) -> Blobs {
        let (root, directory) = (self.blobs.root.clone(), self.blobs.directory.clone());
        Blobs::new(root, directory, Arc::clone(&self.blobs.tree), compressed, true)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.blobs.root.join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
    }

    fn collect(&self, spec: &[&str]) -> Result<Vec<Row>, (CollectError, Vec<Row>)> {
        self.blobs.collect(&patterns(spec), 0, None).map(|collected| collected.rows)
    }

    /// Restore what are all outputs of the spec.
    fn restore_whole(&self, rows: &[Row], spec: &[&str]) -> Restored {
        self.blobs.restore(rows, &[], &Leftovers::default(), Some((&patterns(spec), 0))).unwrap()
    }

    fn restore(&self, rows: &[Row]) -> (usize, usize) {
        let restored = self.blobs.restore(rows, &[], &Leftovers::default(), None).unwrap();
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

fn patterns(spec: &[&str]) -> PatternSet {
    let entries = spec.iter().map(|text| {
        let (exclude, text) = text.strip_prefix('!').map_or((false, *text), |text| (true, text));
        Entry { anchored: text.as_bytes(), literal: !check_pattern(text.as_bytes()).unwrap(), exclude, group: 0 }
    });
    PatternSet::new([entries]).unwrap()
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
    let blob = space.blobs.blob(&digest_bytes(b"same", Algorithm::Blake3), Kind::Raw);
    assert_eq!(fs::metadata(blob).unwrap().mode() & 0o7777, 0o444);
}

#[test]
fn outputs_that_were_not_made_or_are_no_files_are_told_before_anything_else() {
    let space = Space::new();
    space.write("dir/f", "");
    symlink("none", space.path("dangling")).unwrap();
    assert_eq!(kind(&space.collect(&["/dir", "/none"])), CollectKind::NotProduced);
    assert_eq!(kind(&space.collect(&["/dangling"])), CollectKind::NotProduced);
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
    let blob = space.blobs.blob(&digest_bytes(b"bbbb", Algorithm::Blake3), Kind::Raw);
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "BBBB").unwrap();
    for name in ["a", "b"] {
        space.write(name, "old");
    }
    assert!(space.blobs.restore(&rows, &[], &Leftovers::default(), None).unwrap_err().contains("is damaged"));
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
    assert!(space.blobs.restore(&[row], &[], &Leftovers::default(), None).is_err());
    assert!(space.blobs.restore(&[], &[(digest, 5)], &Leftovers::default(), None).is_err());
    assert!(space.blobs.present(&[(digest, 4)]));
    assert!(!space.blobs.present(&[(digest, 5)]));
}

#[test]
fn a_failed_restore_leaves_no_new_directories() {
    let space = Space::new();
    assert!(space.blobs.restore(&[file_row("/new/deep/f", b"not stored")], &[], &Leftovers::default(), None).is_err());
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
    assert!(space.blobs.restore(&[row], &[], &Leftovers::default(), None).unwrap_err().contains("is a symbolic link"));
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
        space
            .blobs
            .restore(&rows, &[], &Leftovers::default(), None)
            .unwrap_err()
            .contains("a directory is in its place")
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
        assert!(
            space.blobs.restore(&rows, &[], &Leftovers::default(), None).unwrap_err().contains("refused"),
            "{rows:?}"
        );
        assert_eq!(fs::read_dir(&space.blobs.root).unwrap().count(), 0);
    }
}

#[test]
fn what_a_killed_process_left_is_swept_when_nobody_can_need_it() {
    let space = Space::new();
    space.write("d/out", "x");
    let rows = space.collect(&["/d/**"]).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let (gone, alive) = (child.id(), std::process::id());
    let host = stage::unique_name()[PREFIX.len()..][..8].to_owned();
    for (name, is_old) in [
        (format!("{PREFIX}{host}-{gone:x}-0-0"), false),
        (format!("{PREFIX}{host}-{alive:x}-0-0"), true),
        (format!("{PREFIX}00000000-{gone:x}-0-0"), true),
        (format!("{PREFIX}00000000-{alive:x}-1-0"), false),
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
    assert_eq!(space.leftovers().len(), 6, "the workspace was swept");
    space.write("d/new", "y");
    space.again(false).collect(&patterns(&["/d/new"]), 0, None).unwrap();
    fs::remove_file(space.path("d/new")).unwrap();
    assert_eq!(space.leftovers().len(), 4, "the store was swept");
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
fn what_breaks_off_while_it_is_written_replaces_nothing_and_leaves_nothing() {
    let space = Space::new();
    let path = space.path("manifest");
    publish(&path, b"one", InTheWay::Keep).unwrap();
    let full = |file: &mut File| {
        file.write_all(b"tw")?;
        Err(io::Error::from(io::ErrorKind::StorageFull))
    };
    let error = publish_by(&path, InTheWay::Keep, full).unwrap_err();
    assert_eq!((error.path.as_path(), error.source.kind()), (&*path, io::ErrorKind::StorageFull));
    assert_eq!(fs::read(&path).unwrap(), b"one");
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

fn below(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![path.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let mut name = entry.path().strip_prefix(path).unwrap().to_string_lossy().into_owned();
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
                name.push('/');
            }
            found.push(name);
        }
    }
    found.sort();
    found
}

#[test]
fn a_directory_that_a_literal_names_is_an_output_with_all_that_is_in_it() {
    // D4
    let space = Space::new();
    space.write("dist/a/x", "one");
    space.write("dist/cache/junk", "j");
    symlink("a/x", space.path("dist/link")).unwrap();
    fs::create_dir_all(space.path("dist/empty/deep")).unwrap();
    let spec = ["/dist", "!/dist/cache/**"];
    let rows = space.collect(&spec).unwrap();
    let paths: Vec<_> = rows.iter().map(|row| String::from_utf8_lossy(row.path()).into_owned()).collect();
    assert_eq!(paths, ["/dist", "/dist/a/x", "/dist/empty/deep", "/dist/link"]);
    assert_eq!(patterns(&spec).first_foreign(0, rows.iter().map(Row::path)), None);
    assert_eq!(
        patterns(&spec).first_foreign(0, [&b"/dist/cache/junk"[..]].into_iter()),
        Some(&b"/dist/cache/junk"[..])
    );

    fs::remove_dir_all(space.path("dist")).unwrap();
    assert_eq!(space.restore_whole(&rows, &spec).written, 4);
    let right = ["a/", "a/x", "empty/", "empty/deep/", "link"];
    assert_eq!(below(&space.path("dist")), right);

    space.write("dist/a/y", "stale");
    space.write("dist/old/deep/z", "stale");
    space.write("dist/empty/deep/f", "stale");
    fs::create_dir_all(space.path("dist/void")).unwrap();
    let restored = space.restore_whole(&rows, &spec);
    assert_eq!((restored.written, restored.removed), (0, 6));
    assert_eq!(below(&space.path("dist")), right);

    space.write("dist/cache/junk", "kept, for it is no output");
    fs::remove_file(space.path("dist/link")).unwrap();
    space.write("dist/link/f", "a directory in the place of a link");
    fs::remove_dir_all(space.path("dist/a")).unwrap();
    space.write("dist/a", "a file in the place of a directory");
    space.restore_whole(&rows, &spec);
    assert_eq!(below(&space.path("dist")), [&right[..2], &["cache/", "cache/junk"], &right[2..]].concat());
    assert_eq!(fs::read(space.path("dist/a/x")).unwrap(), b"one");
    assert_eq!(space.restore_whole(&rows, &spec).kept, 4);
}

#[test]
fn a_directory_that_is_cleaned_of_nothing_keeps_what_is_in_it() {
    let space = Space::new();
    space.write("dist/x", "one");
    let rows = space.collect(&["/dist"]).unwrap();
    space.write("dist/y", "of somebody");
    space.restore(&rows);
    assert_eq!(below(&space.path("dist")), ["x", "y"]);
}

#[test]
fn empty_directories_below_a_pattern_come_back() {
    // D4
    let space = Space::new();
    fs::create_dir_all(space.path("gen/empty")).unwrap();
    space.write("gen/f", "x");
    let rows = space.collect(&["/gen/**"]).unwrap();
    fs::remove_dir_all(space.path("gen")).unwrap();
    space.restore(&rows);
    assert_eq!(below(&space.path("gen")), ["empty/", "f"]);
}

#[test]
fn what_lies_behind_a_link_is_not_stored_for_it_could_not_be_restored() {
    // D5, O19
    let space = Space::new();
    space.write("real/f", "x");
    symlink("real", space.path("d")).unwrap();
    for spec in ["/d/f", "/d/*"] {
        let (error, rows) = space.collect(&[spec]).unwrap_err();
        assert_eq!((error.kind, &error.path[..], rows.len()), (CollectKind::Store, &b"/d"[..], 1), "{spec}");
        assert_eq!(error.reason, "cannot be restored: it is a symbolic link");
    }
}

#[test]
fn compressed_contents_come_back_and_both_kinds_live_side_by_side() {
    let space = Space::new();
    let (long, short) = ("long ".repeat(300_000), "short");
    space.write("long", &long);
    space.write("short", short);
    let spec = patterns(&["/*"]);
    let packing = space.again(true);
    let rows = packing.collect(&spec, 0, None).unwrap().rows;
    let stored: u64 = below(&space.blobs.directory)
        .iter()
        .filter(|name| !name.ends_with('/'))
        .map(|name| fs::metadata(space.blobs.directory.join(name)).unwrap().len())
        .sum();
    assert!(stored < 5_000, "{stored}");
    let digests: Vec<(Digest, u64)> = rows
        .iter()
        .filter_map(|row| if let Row::File { digest, size, .. } = row { Some((*digest, *size)) } else { None })
        .collect();
    for blobs in [&packing, &space.blobs] {
        assert!(blobs.present(&digests));
        fs::remove_file(space.path("long")).unwrap();
        blobs.restore(&rows, &digests, &Leftovers::default(), None).unwrap();
        assert_eq!(fs::read_to_string(space.path("long")).unwrap(), long);
        assert_eq!(blobs.read(&digests[0].0, 5, 9).unwrap(), b"long long");
    }
    assert_eq!(space.collect(&["/*"]).unwrap(), rows, "a content that is there is not stored again");
}

#[test]
fn a_damaged_frame_is_never_restored_and_a_bomb_is_cut_short() {
    let space = Space::new();
    space.write("a", "text ".repeat(1000));
    let rows = space.again(true).collect(&patterns(&["/a"]), 0, None).unwrap().rows;
    let Row::File { digest, size, .. } = rows[0] else { panic!() };
    let path = space.blobs.blob(&digest, Kind::Zstd);
    let restore = || {
        let _ = fs::remove_file(space.path("a"));
        space.blobs.restore(&rows, &[(digest, size)], &Leftovers::default(), None)
    };
    let put = |bytes: &[u8]| {
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
    };
    put(&crate::compress::compress(&vec![b'x'; 1 << 26]).unwrap());
    assert!(restore().unwrap_err().contains("has more than 5000 bytes"));
    for bytes in [&b"no frame"[..], &crate::compress::compress(&[b'x'; 5000]).unwrap()] {
        put(bytes);
        assert!(restore().unwrap_err().contains("is damaged (removed)"));
        assert!(!path.exists());
    }
}

#[test]
fn whatever_is_in_the_place_of_a_blob_makes_room_for_it() {
    // D5
    let space = Space::new();
    space.write("a", "text");
    let rows = space.collect(&["/a"]).unwrap();
    let Row::File { digest, size, .. } = rows[0] else { panic!() };
    let path = space.blobs.blob(&digest, Kind::Raw);
    let shard = path.parent().unwrap();
    let damages: [&dyn Fn(); 3] = [
        &|| {
            fs::remove_file(&path).unwrap();
            fs::create_dir_all(path.join("full")).unwrap();
        },
        &|| {
            fs::remove_dir_all(shard).unwrap();
            fs::write(shard, "a file").unwrap();
        },
        &|| {
            fs::remove_file(&path).unwrap();
            symlink("elsewhere", &path).unwrap();
        },
    ];
    for damage in damages {
        damage();
        assert!(!space.blobs.present(&[(digest, size)]));
        fs::remove_file(space.path("a")).unwrap();
        assert!(space.blobs.restore(&rows, &[], &Leftovers::default(), None).is_err());
        space.write("a", "text");
        assert_eq!(space.collect(&["/a"]).unwrap(), rows);
        assert!(space.blobs.present(&[(digest, size)]));
        space.restore(&rows);
    }
    assert_eq!(space.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn holes_stay_holes() {
    let space = Space::new();
    let file = File::create(space.path("sparse")).unwrap();
    file.set_len(64 << 20).unwrap();
    file.write_all_at(b"middle", 32 << 20).unwrap();
    if file.metadata().unwrap().blocks() > 1000 {
        return; // this file system knows no holes
    }
    let rows = space.collect(&["/sparse"]).unwrap();
    let Row::File { digest, .. } = rows[0] else { panic!() };
    fs::remove_file(space.path("sparse")).unwrap();
    space.restore(&rows);
    for path in [space.blobs.blob(&digest, Kind::Raw), space.path("sparse")] {
        assert!(fs::metadata(&path).unwrap().blocks() < 1000, "{path:?}");
    }
    assert_eq!(crate::digest::digest_file(&space.path("sparse"), Algorithm::Blake3).unwrap(), digest);
}

#[test]
fn an_output_that_holds_the_path_of_the_workspace_is_named() {
    let space = Space::new();
    let root = space.blobs.root.to_str().unwrap().to_owned();
    let names = |spec: &str| space.blobs.collect(&patterns(&[spec]), 0, None).unwrap().own_path;
    space.write("a", "no path");
    space.write("b", format!("built in {root}/lib"));
    space.write("c", [vec![b'x'; (3 << 20) - 7], root.clone().into_bytes(), vec![b'/'; 1 << 20]].concat());
    symlink(format!("{root}/a"), space.path("d")).unwrap();
    assert_eq!(names("/*").unwrap(), b"/b");
    assert_eq!((names("/a"), names("/c").unwrap(), names("/d").unwrap()), (None, b"/c".to_vec(), b"/d".to_vec()));
    // From the second time on the blob is there.
    assert_eq!(names("/b").unwrap(), b"/b");
}

#[test]
fn no_link_on_the_way_to_a_directory_is_followed() {
    // O19: the last word is the kernel's, at the moment of writing
    let space = Space::new();
    space.write("real/deep/f", "x");
    symlink("real", space.path("link")).unwrap();
    symlink("deep", space.path("real/inner")).unwrap();
    let open = |path: &str| places::Directory::open(&space.blobs.root, path.as_bytes());
    assert!(open("/real/deep").is_ok() && open("").is_ok());
    for path in ["/link", "/link/deep", "/real/inner", "/real/deep/f", "/none"] {
        assert!(open(path).is_err(), "{path}");
    }
}

#[test]
fn what_is_new_comes_into_one_directory_from_many_tasks_and_through_no_link() {
    // CACHE-017, O19
    let space = Space::new();
    let contents: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for (number, content) in contents.iter().enumerate() {
        space.write(&format!("out/{number}"), content);
    }
    space.write("out/deep/er/f", "f");
    let rows = space.collect(&["/out/**"]).unwrap();
    let rows: Vec<&Row> = rows.iter().collect();
    fs::remove_dir_all(space.path("out")).unwrap();
    space.blobs.restore_new(&rows).unwrap();
    for (number, content) in contents.iter().enumerate() {
        assert_eq!(&fs::read_to_string(space.path(&format!("out/{number}"))).unwrap(), content);
    }
    assert_eq!(fs::read(space.path("out/deep/er/f")).unwrap(), b"f");

    fs::remove_dir_all(space.path("out")).unwrap();
    fs::create_dir(space.path("else")).unwrap();
    symlink("else", space.path("out")).unwrap();
    assert!(space.blobs.restore_new(&rows).is_err());
    assert_eq!(fs::read_dir(space.path("else")).unwrap().count(), 0);
    let twice = [rows[0], rows[0]];
    assert!(space.blobs.restore_new(&twice).is_err());
    assert_eq!(space.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn where_one_content_is_damaged_nothing_new_is_left_behind() {
    // D4
    let space = Space::new();
    space.write("out/a", "a");
    space.write("out/deep/b", "b");
    let rows = space.collect(&["/out/**"]).unwrap();
    fs::remove_dir_all(space.path("out")).unwrap();
    let blob = space.blobs.blob(&digest_bytes(b"b", Algorithm::Blake3), Kind::Raw);
    fs::set_permissions(&blob, Permissions::from_mode(0o644)).unwrap();
    fs::write(&blob, "c").unwrap();
    assert!(space.blobs.restore_new(&rows.iter().collect::<Vec<_>>()).unwrap_err().contains("is damaged"));
    assert!(!space.path("out").exists());
    assert!(!blob.exists());
}
