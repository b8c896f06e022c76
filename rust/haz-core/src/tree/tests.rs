//! Resolution against real directories.

use super::*;
use crate::glob::{Entry, check_pattern};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

fn space(files: &[&str]) -> TempDir {
    let space = tempfile::tempdir().unwrap();
    for path in files {
        write(space.path(), path, path);
    }
    space
}

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn entry(text: &str) -> Entry<'_> {
    let (exclude, anchored) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let literal = !check_pattern(anchored.as_bytes()).unwrap();
    Entry { anchored: anchored.as_bytes(), literal, exclude, group: 0 }
}

fn tree(root: &Path, specs: &[&[&str]]) -> Tree {
    let set = PatternSet::new(specs.iter().map(|spec| spec.iter().map(|text| entry(text)))).unwrap();
    Tree::new(root.to_path_buf(), Algorithm::Blake3, Arc::new(set), 2, None).unwrap()
}

fn inputs(root: &Path, spec: &[&str]) -> Inputs {
    tree(root, &[spec]).fingerprint(&[0]).remove(0)
}

fn paths(inputs: &Inputs) -> Vec<String> {
    assert_eq!(inputs.outcome.as_ref().err(), None);
    inputs.rows().map(|(path, ..)| String::from_utf8_lossy(path).into_owned()).collect()
}

fn problem(inputs: &Inputs) -> (Kind, String) {
    let problem = inputs.outcome.as_ref().unwrap_err();
    (problem.kind, String::from_utf8_lossy(&problem.path).into_owned())
}

#[test]
fn a_file_that_several_patterns_match_counts_once_and_rows_sort_by_bytes() {
    // CACHE-006
    let space = space(&["s/a-b", "s/a/b", "s/B", "s/é", "s/a.txt", "top"]);
    let found = inputs(space.path(), &["/s/**", "/s/a*", "/s/B", "/top"]);
    assert_eq!(paths(&found), ["/s/B", "/s/a-b", "/s/a.txt", "/s/a/b", "/s/é", "/top"]);
}

#[test]
fn the_digest_is_that_of_the_framed_rows() {
    let space = space(&["a", "b"]);
    fs::set_permissions(space.path().join("b"), fs::Permissions::from_mode(0o744)).unwrap();
    let mut expected = 2_u32.to_be_bytes().to_vec();
    for (name, executable) in [("a", 0), ("b", 1)] {
        expected.extend(digest_bytes(name.as_bytes(), Algorithm::Blake3));
        expected.push(executable);
        expected.extend(2_u32.to_be_bytes());
        expected.extend([b'/', name.as_bytes()[0]]);
    }
    let found = inputs(space.path(), &["/*"]);
    assert_eq!(found.outcome, Ok(digest_bytes(&expected, Algorithm::Blake3)));
}

#[test]
fn the_walk_stays_out_of_git_and_haz_but_a_literal_may_name_what_is_in_there() {
    // O18
    let space = space(&["a", ".git/config", "sub/.haz/x", "sub/.gitignore"]);
    symlink(".git", space.path().join("alias")).unwrap();
    assert_eq!(paths(&inputs(space.path(), &["/**"])), ["/a", "/sub/.gitignore"]);
    assert_eq!(paths(&inputs(space.path(), &["/.git/*", "/.git/config"])), ["/.git/config"]);
}

#[test]
fn links_keep_their_own_path_and_lend_their_targets_content() {
    let space = space(&["d/f.txt", "d/real/x"]);
    symlink("f.txt", space.path().join("d/lnk")).unwrap();
    symlink("real", space.path().join("d/dir")).unwrap();
    let found = inputs(space.path(), &["/d/**"]);
    assert_eq!(paths(&found), ["/d/dir/x", "/d/f.txt", "/d/lnk", "/d/real/x"]);
    let digests: Vec<&Digest> = found.rows().map(|(_, digest, _)| digest).collect();
    assert_eq!((digests[0], digests[1]), (digests[3], digests[2]));
}

#[test]
fn links_that_lead_nowhere_or_in_circles_are_passed_over() {
    // O18
    let space = space(&["a/f", "b/g"]);
    for (target, link) in [("none", "a/dangling"), ("self", "a/self"), (".", "a/here"), ("..", "a/up"), ("../b", "a/b")]
    {
        symlink(target, space.path().join(link)).unwrap();
    }
    symlink("../a", space.path().join("b/a")).unwrap();
    let found = inputs(space.path(), &["/**"]);
    assert_eq!(paths(&found), ["/a/b/g", "/a/f", "/b/a/f", "/b/g"]);
}

#[test]
fn a_link_out_of_the_workspace_is_wrong_only_for_those_who_match_behind_it() {
    // O19
    let outer = space(&["secret/deep/f.txt", "ws/a.txt"]);
    let root = outer.path().join("ws");
    symlink("../secret", root.join("dir")).unwrap();
    symlink("../secret/deep/f.txt", root.join("link.txt")).unwrap();
    let specs: &[&[&str]] = &[&["/**"], &["/a*"], &["/dir/*.rs"], &["/link.txt"], &["/dir/deep/f.txt"], &["/**/f.txt"]];
    let found = tree(&root, specs).fingerprint(&[0, 1, 2, 3, 4, 5]);
    assert_eq!(problem(&found[0]), (Kind::Outside, "dir".to_owned()));
    assert_eq!(paths(&found[1]), ["/a.txt"]);
    assert_eq!(paths(&found[2]), [""; 0]);
    assert_eq!(problem(&found[3]), (Kind::Outside, "link.txt".to_owned()));
    assert_eq!(problem(&found[4]), (Kind::Outside, "dir/deep/f.txt".to_owned()));
    assert_eq!(problem(&found[5]), (Kind::Outside, "dir".to_owned()));
}

#[test]
fn a_literal_must_be_a_regular_file() {
    let space = space(&["d/f"]);
    symlink("none", space.path().join("dangling")).unwrap();
    for (literal, kind) in
        [("/none", Kind::Resolve), ("/d/f/g", Kind::Resolve), ("/dangling", Kind::Resolve), ("/d", Kind::NotRegular)]
    {
        let found = inputs(space.path(), &["/d/**", literal]);
        assert_eq!(problem(&found), (kind, literal[1..].to_owned()));
        assert_eq!(found.rows().count(), 0);
    }
}

#[test]
fn the_first_problem_in_path_order_is_told() {
    let space = space(&[]);
    assert_eq!(problem(&inputs(space.path(), &["/z", "/b", "/c"])).1, "b");
}

#[test]
fn special_files_are_no_inputs() {
    let space = space(&["f"]);
    let _socket = std::os::unix::net::UnixListener::bind(space.path().join("socket")).unwrap();
    let fifo = std::ffi::CString::new(space.path().join("fifo").as_os_str().as_bytes()).unwrap();
    // SAFETY: `fifo` is a valid C string.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    assert_eq!(paths(&inputs(space.path(), &["/*"])), ["/f"]);
    assert_eq!(problem(&inputs(space.path(), &["/fifo"])).0, Kind::NotRegular);
}

#[test]
fn a_name_that_is_not_utf_8_is_an_input_like_any_other() {
    let space = space(&[]);
    let name = std::ffi::OsString::from_vec(b"x\xff".to_vec());
    fs::write(space.path().join(&name), "1").unwrap();
    let found = inputs(space.path(), &["/*"]);
    assert_eq!(found.rows().next().unwrap().0, b"/x\xff");
}

#[test]
fn exclusions_keep_the_walk_out_but_not_the_literals() {
    let space = space(&["node_modules/x/y.js", "src/a.js", "src/a.test.js"]);
    let found = inputs(space.path(), &["/**/*.js", "!/node_modules/**", "!/**/*.test.js", "/node_modules/x/y.js"]);
    assert_eq!(paths(&found), ["/node_modules/x/y.js", "/src/a.js"]);
}

#[test]
fn specs_of_one_call_do_not_mix() {
    let space = space(&["a/x.rs", "b/y.rs"]);
    let specs: &[&[&str]] = &[&["/a/**"], &["/b/**"], &["/**/*.rs"], &[]];
    let found = tree(space.path(), specs).fingerprint(&[2, 1, 3, 1]);
    let found: Vec<Vec<String>> = found.iter().map(paths).collect();
    assert_eq!(found[0], ["/a/x.rs", "/b/y.rs"]);
    assert_eq!(found[1], ["/b/y.rs"]);
    assert!(found[2].is_empty());
    assert_eq!(found[3], ["/b/y.rs"]);
}

#[test]
fn a_missing_directory_of_a_glob_is_no_error_and_a_missing_workspace_is_one() {
    let space = space(&[]);
    assert_eq!(paths(&inputs(space.path(), &["/none/**"])), [""; 0]);
    assert_eq!(problem(&inputs(&space.path().join("gone"), &["/**"])), (Kind::Resolve, String::new()));
}

#[test]
fn a_change_is_seen_by_the_next_call() {
    let space = space(&["f"]);
    let tree = tree(space.path(), &[&["/f"]]);
    let first = tree.fingerprint(&[0]).remove(0).outcome;
    assert_eq!(tree.fingerprint(&[0]).remove(0).outcome, first);
    write(space.path(), "f", "g");
    assert_ne!(tree.fingerprint(&[0]).remove(0).outcome, first);
}

#[test]
fn a_literal_may_lead_through_links_that_stay_inside() {
    let outer = space(&["secret/x/f", "ws/real/deep/f"]);
    let root = outer.path().join("ws");
    symlink("real", root.join("inner")).unwrap();
    symlink("../inner/deep", root.join("real/again")).unwrap();
    symlink("../../secret", root.join("real/out")).unwrap();
    symlink("../../ws/real", root.join("real/back")).unwrap();
    let specs: &[&[&str]] = &[
        &["/inner/deep/f", "/real/deep/f"],
        &["/inner/again/f"],
        &["/inner/back/back/again/f"],
        &["/inner/out/x/f"],
        &["/real/back/out/x/f"],
    ];
    let found = tree(&root, specs).fingerprint(&[0, 1, 2, 3, 4]);
    assert_eq!(paths(&found[0]), ["/inner/deep/f", "/real/deep/f"]);
    assert_eq!(paths(&found[1]), ["/inner/again/f"]);
    assert_eq!(paths(&found[2]), ["/inner/back/back/again/f"]);
    assert_eq!(problem(&found[3]), (Kind::Outside, "inner/out/x/f".to_owned()));
    assert_eq!(problem(&found[4]), (Kind::Outside, "real/back/out/x/f".to_owned()));
}
