//! The matcher against a slow and obvious one, and against `globset` where the dialects agree.

use proptest::prelude::*;

use super::*;

fn check(pattern: &str) -> Result<bool, &'static str> {
    check_pattern(pattern.as_bytes()).map_err(|error| error.fault.reason)
}

fn glob(anchored: &str) -> Entry<'_> {
    Entry { anchored: anchored.as_bytes(), literal: false, exclude: false, group: 0 }
}

fn matches(pattern: &str, path: impl AsRef<[u8]>) -> bool {
    PatternSet::new([[glob(pattern)]]).unwrap().matching(path.as_ref()) == [0]
}

#[test]
fn a_question_mark_and_a_class_take_one_character_whatever_its_bytes() {
    // PATH-009, O21
    assert!(matches("/?.txt", "/é.txt"));
    assert!(!matches("/??.txt", "/é.txt"));
    assert!(matches("/[à-ý].txt", "/é.txt"));
    assert!(matches("/?", b"/\xff"));
    assert!(matches("/??", b"/\xe2\x82"));
    assert!(matches("/[!a]", b"/\xff"));
}

#[test]
fn a_class_never_matches_a_slash() {
    // O21
    assert!(!matches("/src[!x]a.rs", "/src/a.rs"));
    assert!(!matches("/a[+-:]b", "/a/b"));
    assert!(!matches("/a?b", "/a/b"));
}

#[test]
fn an_empty_alternative_counts() {
    // O21
    for path in ["/x", "/xy"] {
        assert!(matches("/x{,y}", path));
        assert!(matches("/x{y,}", path));
    }
    assert!(matches("/x{}", "/x"));
    assert!(!matches("/x{,y}", "/xyy"));
}

#[test]
fn alternatives_may_hold_slashes_classes_and_wildcards() {
    for path in ["/x/b/c1", "/xa7"] {
        assert!(matches("/x{/b/*,a[0-9]}", path), "{path}");
    }
    assert!(!matches("/x{/b/*,a[0-9]}", "/x/b/c/d"));
}

#[test]
fn a_double_star_is_any_number_of_segments_in_braces_too() {
    // PATH-011, O21
    for (pattern, path, expected) in [
        ("/**/x", "/x", true),
        ("/**/x", "/a/b/x", true),
        ("/a/**/b", "/a/b", true),
        ("/a/**/b", "/ab", false),
        ("/a/**", "/a/x/y", true),
        ("/a/**", "/a", false),
        ("/{a,src/**}", "/src/x/y", true),
        ("/{a,src/**}", "/src", false),
        ("/{a,src/**}/x", "/src/x", true),
        ("/{a,src/**}/x", "/src/p/q/x", true),
        ("/{a,src/**}/x", "/a/x", true),
        ("/{a,src/**}/x", "/a/b/x", false),
        ("/{**,a}/x", "/x", true),
        ("/p/{**/q,r}", "/p/q", true),
        ("/**/**", "/a", true),
    ] {
        assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
    }
}

#[test]
fn classes_follow_their_rules() {
    for (pattern, path, expected) in [
        ("/[]a]", "/]", true),
        ("/[!]a]", "/]", false),
        ("/[^a]", "/b", true),
        ("/[-a]", "/-", true),
        ("/[a-]", "/-", true),
        ("/[\\]", "/\\", true),
        ("/[{]", "/{", true),
        ("/\\*", "/*", true),
        ("/\\*", "/x", false),
        ("/.*", "/.hidden", true),
        ("/*", "/.hidden", true),
        ("/A", "/a", false),
    ] {
        assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
    }
}

#[test]
fn an_escaped_slash_is_a_slash_and_an_empty_segment_matches_nothing() {
    for (pattern, path, expected) in [
        ("/a\\/b*", "/a/bc", true),
        ("/\\/b*", "/bc", false),
        ("/\\/b*", "/xbc", false),
        ("/\\/**/*b", "/xb", false),
        ("/a/\\/b*", "/a/bc", false),
        ("/a/\\/b*", "/a/xbc", false),
    ] {
        assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
    }
}

#[test]
fn plain_text_and_globs_are_told_apart() {
    // PATH-008
    for text in ["a}", "a]", "!a", "^a", "a,b", "~/x", "$VAR"] {
        assert_eq!(check(text), Ok(false), "{text}");
    }
    for text in ["*", "a?", "[a]", "{a}", "\\a"] {
        assert_eq!(check(text), Ok(true), "{text}");
    }
}

#[test]
fn every_bad_pattern_is_refused_where_it_is_bad() {
    // PATH-002, PATH-003, PATH-006, PATH-011, PATH-014, PATH-015, O21
    for (pattern, offset) in [
        ("", 0),
        ("/", 0),
        ("é//b", 1),
        ("a/", 1),
        ("./a", 0),
        ("a/../b", 2),
        ("a/.", 2),
        ("{../x,y}", 1),
        ("a/{b/,..}/x", 6),
        ("\\.\\./x", 0),
        ("é**", 1),
        ("**.rs", 0),
        ("a/***", 2),
        ("a{b,**}", 4),
        ("{a,**}b", 3),
        ("[**]", 1),
        ("x[a", 1),
        ("{a", 0),
        ("{a}b}", 4),
        ("x[z-a]", 2),
        ("{a{b}}", 2),
        ("a\\", 1),
    ] {
        let error = check_pattern(pattern.as_bytes()).unwrap_err();
        assert_eq!(error.fault.offset, offset, "{pattern}: {}", error.fault.reason);
    }
}

#[test]
fn only_control_and_direction_characters_are_forbidden() {
    // O23
    for text in ["a\u{200d}b", "\u{200c}", "\u{ad}", "\u{feff}", "\u{e000}", "a b", "\u{a0}", "\u{1fae9}", "\u{fe0f}"] {
        assert_eq!(check(text), Ok(false), "{text:?}");
    }
    for text in ["a\tb", "a\nb", "\u{0}", "\u{7f}", "\u{85}", "\u{202e}", "\u{2066}", "\u{200e}", "\u{61c}", "*\u{1b}"]
    {
        assert!(check(text).is_err(), "{text:?}");
    }
}

#[test]
fn hostile_patterns_take_no_more_than_linear_time() {
    let path = format!("/{}", "a".repeat(4000));
    assert!(!matches(&format!("/{}b", "a*".repeat(200)), &path));
    assert!(!matches(&format!("/{}b", "**/".repeat(200)), "/a".repeat(2000)));
    assert!(!matches(&format!("/{}b", "{a,aa,}".repeat(200)), &path));
}

#[test]
fn exclusions_win_over_globs_wherever_they_stand_but_not_over_literals() {
    let exclude = |entry: Entry<'static>| Entry { exclude: true, ..entry };
    let literal = |path: &'static str| Entry { anchored: path.as_bytes(), literal: true, exclude: false, group: 0 };
    let set = PatternSet::new([
        vec![exclude(glob("/a/x*")), glob("/a/**")],
        vec![glob("/a/**"), exclude(literal("/a/y"))],
        vec![literal("/a/x1"), exclude(glob("/a/**"))],
        vec![literal("/a/[b]")],
    ])
    .unwrap();
    assert_eq!(set.matching(b"/a/x1"), [1, 2]);
    assert_eq!(set.matching(b"/a/y"), [0]);
    assert_eq!(set.matching(b"/a/y/z"), [0, 1]);
    assert_eq!(set.matching(b"/a/[b]"), [0, 1, 3]);
    assert_eq!(set.matching(b"/a/b"), [0, 1]);
    assert!(set.matching(b"a/y").is_empty());
}

#[test]
fn exclusions_of_a_group_hold_for_its_own_patterns_and_those_of_the_spec_for_all() {
    let grouped = |entry: Entry<'static>, group| Entry { group, ..entry };
    let exclude = |entry: Entry<'static>| Entry { exclude: true, ..entry };
    let literal = |path: &'static str| Entry { literal: true, ..glob(path) };
    let set = PatternSet::new([
        vec![
            glob("/x/**"),
            exclude(glob("/**/*.map")),
            grouped(glob("/a/**"), 1),
            grouped(exclude(glob("/a/b/**")), 1),
            grouped(exclude(literal("/x/y")), 1),
            grouped(glob("/a/b/c/**"), 2),
            grouped(literal("/o"), 1),
            grouped(literal("/o"), 2),
        ],
        vec![glob("/a/**")],
    ])
    .unwrap();
    assert_eq!(set.matching(b"/a/z"), [0, 1]);
    assert_eq!(set.matching(b"/a/b/z"), [1]);
    assert_eq!(set.matching(b"/a/b/c/z"), [0, 1]);
    assert_eq!(set.matching(b"/a/b/c/z.map"), [1]);
    assert_eq!(set.matching(b"/x/y"), [0]);
    assert_eq!(set.matching(b"/o"), [0]);
    let index = Index::new(&set, [0, 1]);
    let below = index.specs_below(&set, &index.enter(&set, &index.root(), b"a/", b"a"), b"a/");
    assert_eq!(below, [0, 1]);
    let literals: Vec<_> = index.literals(&set).collect();
    assert_eq!(literals, [(&b"o"[..], &[0_u32][..])]);
}

#[test]
fn a_path_that_no_pattern_of_the_spec_matches_is_foreign() {
    let exclusion = Entry { anchored: b"/d/*.tmp", literal: false, exclude: true, group: 0 };
    let literal = Entry { anchored: b"/o", literal: true, exclude: false, group: 0 };
    let set = PatternSet::new([vec![glob("/**")], vec![glob("/d/*"), exclusion, literal]]).unwrap();
    let foreign = |paths: &[&'static [u8]]| set.first_foreign(1, paths.iter().copied());
    assert_eq!(foreign(&[b"/o", b"/d/a"]), None);
    assert_eq!(foreign(&[b"/o", b"/d/x.tmp", b"/e"]), Some(&b"/d/x.tmp"[..]));
    assert_eq!(foreign(&[b"o"]), Some(&b"o"[..]));
}

#[test]
fn a_hundred_thousand_patterns_are_not_all_tried() {
    let texts: Vec<String> = (0..100_000).map(|number| format!("/p{number}/src/**/*.rs")).collect();
    let set = PatternSet::new(texts.iter().map(|text| [glob(text)])).unwrap();
    let start = std::time::Instant::now();
    for number in 0..1000 {
        assert_eq!(set.matching(format!("/p{number}/src/a/b.rs").as_bytes()), [number]);
    }
    // Trying each would be 100 million matches: minutes in a debug build.
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn a_scope_knows_what_may_still_match_below() {
    let set = PatternSet::new([vec![glob("/a/*/c/*.rs")], vec![glob("/**"), Entry { exclude: true, ..glob("/a/**") }]])
        .unwrap();
    let index = Index::new(&set, [0, 1]);
    let root = index.root();
    let a = index.enter(&set, &root, b"a/", b"a");
    let b = index.enter(&set, &a, b"a/b/", b"b");
    let x = index.enter(&set, &b, b"a/b/x/", b"x");
    let other = index.enter(&set, &root, b"z/", b"z");
    assert_eq!(index.specs_below(&set, &root, b""), [0, 1]);
    assert_eq!(index.specs_below(&set, &a, b"a/"), [0]);
    assert_eq!(index.specs_below(&set, &b, b"a/b/"), [0]);
    assert!(!index.is_wanted(&set, &x, b"a/b/x/"));
    assert_eq!(index.specs_below(&set, &other, b"z/"), [1]);
}

/// Expands braces into plain patterns, then matches by trying everything.
mod reference {
    pub fn matches(pattern: &str, path: &str) -> bool {
        expand(pattern).iter().any(|pattern| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            let path: Vec<&str> = path.split('/').collect();
            segments(&pattern, &path)
        })
    }

    /// Stands for an empty alternative, lest two `*` around it become a `**`.
    const NOTHING: &str = "\u{1}";

    fn expand(pattern: &str) -> Vec<String> {
        let Some(open) = pattern.find('{') else { return vec![pattern.to_owned()] };
        let close = open + pattern[open..].find('}').unwrap();
        let rest = expand(&pattern[close + 1..]);
        let alternatives = pattern[open + 1..close].split(',').map(|one| if one.is_empty() { NOTHING } else { one });
        alternatives.flat_map(|one| rest.iter().map(move |end| format!("{}{one}{end}", &pattern[..open]))).collect()
    }

    fn segments(pattern: &[&str], path: &[&str]) -> bool {
        match pattern {
            [] => path.is_empty(),
            ["**"] => !path.is_empty(),
            ["**", rest @ ..] => (0..=path.len()).any(|skip| segments(rest, &path[skip..])),
            [first, rest @ ..] => {
                path.first().is_some_and(|segment| characters(first, segment)) && segments(rest, &path[1..])
            }
        }
    }

    fn characters(pattern: &str, text: &str) -> bool {
        let mut wanted = pattern.chars();
        match wanted.next() {
            None => text.is_empty(),
            Some('\u{1}') => characters(wanted.as_str(), text),
            Some('*') => text
                .char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| characters(wanted.as_str(), &text[at..])),
            Some('[') => {
                let end = pattern.find(']').unwrap();
                let listed = &pattern[1..end];
                let (negated, listed) = listed.strip_prefix('!').map_or((false, listed), |rest| (true, rest));
                let rest = text.chars().next();
                rest.is_some_and(|first| {
                    listed.contains(first) != negated && characters(&pattern[end + 1..], &text[first.len_utf8()..])
                })
            }
            Some(one) => text.chars().next().is_some_and(|first| {
                (one == '?' || one == first) && characters(wanted.as_str(), &text[first.len_utf8()..])
            }),
        }
    }
}

fn segment() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("a"), 4 => Just("b"), 2 => Just("é"), 3 => Just("*"), 2 => Just("?"), 1 => Just("[ab]"), 1 => Just("[!a]"),
        1 => Just("{a,b}"), 1 => Just("{,a}"), 1 => Just("{a/b,é*}"), 1 => Just("{b/,}")
    ];
    prop_oneof![4 => prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat()), 1 => Just("**".to_owned()), 1 => Just("{**,a/**}".to_owned())]
}

fn pattern() -> impl Strategy<Value = String> {
    let joined = prop::collection::vec(segment(), 1..4).prop_map(|segments| segments.join("/"));
    joined.prop_filter("a pattern of the dialect", |text| {
        check(text) == Ok(is_glob(&decode(text.as_bytes()).collect::<Vec<_>>()))
    })
}

fn ascii(text: &str) -> String {
    text.replace('é', "e").replace("[!a]", "[be]").replace("{**,a/**}", "**")
}

fn path() -> impl Strategy<Value = String> {
    let segment = prop::collection::vec(prop::sample::select(vec!["a", "b", "é"]), 1..4);
    prop::collection::vec(segment.prop_map(|parts| parts.concat()), 1..5).prop_map(|segments| segments.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn matching_agrees_with_the_obvious_matcher(pattern in pattern(), path in path()) {
        let expected = reference::matches(&pattern, &path);
        prop_assert_eq!(matches(&format!("/{pattern}"), format!("/{path}")), expected);
    }

    #[test]
    fn matching_agrees_with_globset(pattern in pattern(), path in path()) {
        // globset matches bytes, its negated classes cross slashes, and it refuses `**` in braces.
        let (pattern, path) = (ascii(&pattern), ascii(&path));
        let oracle = globset::GlobBuilder::new(&pattern)
            .literal_separator(true).backslash_escape(true).empty_alternates(true).build().unwrap().compile_matcher();
        prop_assert_eq!(matches(&format!("/{pattern}"), format!("/{path}")), oracle.is_match(&path));
    }

    #[test]
    fn an_escaped_path_matches_itself_alone(path in "[a*?{}\\[\\]\\\\,!é]{1,6}", other in "[a*?{}\\[\\]\\\\,!é]{1,6}") {
        let escaped = String::from_utf8(escape_pattern(format!("/{path}").as_bytes())).unwrap();
        let [itself, other_path] = [&path, &other].map(|name| format!("/{name}"));
        prop_assert!(matches(&escaped, itself));
        prop_assert_eq!(matches(&escaped, other_path), path == other);
    }

    #[test]
    fn a_directory_is_left_out_only_if_nothing_below_it_could_match(pattern in pattern(), path in path()) {
        let text = format!("/{pattern}");
        let set = PatternSet::new([[glob(&text)]]).unwrap();
        let expected = set.matching(format!("/{path}").as_bytes());
        let index = Index::new(&set, [0]);
        let mut scope = index.root();
        let mut below = String::new();
        let (directories, _) = path.rsplit_once('/').unwrap_or_default();
        for name in directories.split('/').filter(|name| !name.is_empty()) {
            below += name;
            below += "/";
            scope = index.enter(&set, &scope, below.as_bytes(), name.as_bytes());
            let left_out = !index.is_wanted(&set, &scope, below.as_bytes());
            prop_assert!(expected.is_empty() || !left_out);
            prop_assert_eq!(index.specs_below(&set, &scope, below.as_bytes()).is_empty(), left_out);
        }
        prop_assert_eq!(index.matching_globs(&set, &scope, path.as_bytes()), expected);
    }

    #[test]
    fn any_text_is_judged_without_a_panic_and_what_is_accepted_compiles(text in "\\PC{0,12}|[a*?{},\\[\\]\\\\/.!-]{0,12}") {
        if let Ok(glob) = check_pattern(text.as_bytes()) {
            let anchored = format!("/{}", text.trim_start_matches('/'));
            let entry = Entry { anchored: anchored.as_bytes(), literal: !glob, exclude: false, group: 0 };
            let set = PatternSet::new([[entry]]).unwrap();
            set.matching(b"/a/b");
        }
    }
}
