//! One YAML document as a tree of nodes that know their place in the text.
//!
//! The dialect is that of the workspace files: scalars keep their source text, duplicate keys are refused, aliases and
//! merge keys are expanded, and the *expanded* tree is bounded, so that a small file cannot grow into a large one.

use std::collections::{HashMap, HashSet};
use std::fmt;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

/// Nodes of the expanded tree.
pub const MAX_NODES: u64 = 250_000;
/// Bytes of the text, and of all scalars of the expanded tree.
pub const MAX_TEXT: u64 = 64 << 20;
/// Collections inside one another, in the expanded tree.
pub const MAX_DEPTH: u32 = 250;

const TOO_DEEP: &str = "more than 250 levels of nesting";

/// A place in the text, 1-based, counted in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl From<Marker> for Place {
    fn from(marker: Marker) -> Self {
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self { line: narrow(marker.line()), column: narrow(marker.col()).saturating_add(1) }
    }
}

/// Why a text is not one document of the dialect, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// One line, lower case, without the place.
    pub reason: String,
    /// The first character that is wrong.
    pub place: Place,
}

impl YamlError {
    fn new(reason: impl Into<String>, place: impl Into<Place>) -> Self {
        Self { reason: reason.into(), place: place.into() }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (line {}, column {})", self.reason, self.place.line, self.place.column)
    }
}

impl std::error::Error for YamlError {}

/// Index of a node in its document.
pub type NodeId = u32;

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A plain `null`, `Null`, `NULL`, `~` or nothing at all.
    Null,
    /// Any other scalar.
    Scalar {
        /// The text as written; quotes, escapes and block indentation removed, never interpreted further.
        text: String,
        /// Written without quotes and not as a block.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<NodeId>),
    /// Pairs in file order; merged pairs stand where the merge key stood.
    Mapping(Vec<(NodeId, NodeId)>),
}

/// A node with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it holds.
    pub value: Value,
    /// Its first character. An alias has the place of the alias, its children that of the anchor's.
    pub start: Place,
    /// The character after its last.
    pub end: Place,
    weight: Weight,
}

/// What a node costs when every alias below it is written out.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    nodes: u64,
    text: u64,
    depth: u32,
}

/// A parsed document.
#[derive(Debug)]
pub struct Document {
    nodes: Vec<Node>,
    root: NodeId,
}

impl Document {
    /// The node at the top.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// A node of this document.
    ///
    /// # Panics
    ///
    /// When `id` comes from another document.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }
}

/// Parse one document.
///
/// # Errors
///
/// Wrong encoding, wrong syntax, no or several documents, a duplicate key, an unusable merge key or alias, or a limit
/// that is exceeded.
pub fn parse(data: &[u8]) -> Result<Document, YamlError> {
    if data.len() as u64 > MAX_TEXT {
        return Err(YamlError::new("the file is larger than 64 MiB", Place { line: 1, column: 1 }));
    }
    let text = decode(data)?;
    let mut document = Builder::default().build(text).map_err(|error| clamp(error, text))?;
    // What is missing at the end is placed on a line that does not exist, unless the text ends with a line break.
    if !text.ends_with('\n') {
        let end = end_of(text);
        let places = document.nodes.iter_mut().flat_map(|node| [&mut node.start, &mut node.end]);
        places.filter(|place| place.line > end.line).for_each(|place| *place = end);
    }
    Ok(document)
}

fn decode(data: &[u8]) -> Result<&str, YamlError> {
    str::from_utf8(data).map_err(|error| {
        let valid = str::from_utf8(&data[..error.valid_up_to()]).unwrap_or_default();
        let reason = match data {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is UTF-16; only UTF-8 is read".to_owned(),
            _ => format!("the file is not UTF-8: invalid byte 0x{:02x}", data[error.valid_up_to()]),
        };
        YamlError::new(reason, end_of(valid))
    })
}

/// The place after the last character of `text`.
fn end_of(text: &str) -> Place {
    end_of_line(text, u32::MAX)
}

/// The place after the last character of that line, or of the text where it has fewer.
fn end_of_line(text: &str, line: u32) -> Place {
    let mut place = Place { line: 1, column: 1 };
    let mut previous = ' ';
    for character in text.chars() {
        match character {
            '\n' if previous == '\r' => {}
            '\n' | '\r' if place.line == line => return place,
            '\n' | '\r' => place = Place { line: place.line.saturating_add(1), column: 1 },
            '\u{feff}' if place == (Place { line: 1, column: 1 }) => {}
            _ => place.column = place.column.saturating_add(1),
        }
        previous = character;
    }
    place
}

/// The scanner reports an unexpected end on a line that does not exist, and counts some characters of a directive more
/// than once; point after the last character instead.
fn clamp(mut error: YamlError, text: &str) -> YamlError {
    let end = end_of_line(text, error.place.line);
    if error.place.line > end.line || error.place.column > end.column {
        error.place = end;
    }
    error
}

/// An open collection.
struct Frame {
    mapping: bool,
    anchor: usize,
    start: Place,
    children: Vec<NodeId>,
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// Completed anchored nodes; an alias to an anchor that is still open finds nothing.
    anchors: HashMap<usize, NodeId>,
    open: Vec<Frame>,
    root: Option<NodeId>,
    total: Weight,
}

impl Builder {
    fn build(mut self, text: &str) -> Result<Document, YamlError> {
        let mut documents = 0;
        for item in Parser::new_from_str(text) {
            let (event, span) = item.map_err(|error| {
                // The scanner has a limit of its own, which it meets first when it has to look far ahead.
                let reason = if error.info() == "recursion limit exceeded" { TOO_DEEP } else { error.info() };
                YamlError::new(reason, *error.marker())
            })?;
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(YamlError::new("a second document; a file holds exactly one", span.start));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let value = scalar(text.into_owned(), style, tag.as_deref());
                    let bytes = if let Value::Scalar { text, .. } = &value { text.len() as u64 } else { 0 };
                    let weight = Weight { nodes: 1, text: bytes, depth: 0 };
                    self.count(weight, span)?;
                    self.finish(value, span.start.into(), span.end.into(), weight, anchor)?;
                }
                Event::SequenceStart(anchor, _) => self.enter(false, anchor, span)?,
                Event::MappingStart(anchor, _) => self.enter(true, anchor, span)?,
                Event::SequenceEnd | Event::MappingEnd => self.leave(span)?,
                Event::Alias(anchor) => {
                    let Some(&target) = self.anchors.get(&anchor) else {
                        return Err(YamlError::new("an alias inside the node that it stands for", span.start));
                    };
                    let Node { value, weight, .. } = self.nodes[target as usize].clone();
                    self.count(weight, span)?;
                    self.finish(value, span.start.into(), span.end.into(), weight, 0)?;
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        match self.root {
            Some(root) => Ok(Document { nodes: self.nodes, root }),
            None => Err(YamlError::new("the file is empty", Place { line: 1, column: 1 })),
        }
    }

    /// Account for nodes that join the expanded tree.
    fn count(&mut self, weight: Weight, span: Span) -> Result<(), YamlError> {
        self.total.nodes += weight.nodes;
        self.total.text += weight.text;
        let depth = u32::try_from(self.open.len()).unwrap_or(u32::MAX).saturating_add(weight.depth);
        let reason = if self.total.nodes > MAX_NODES {
            "more than 250,000 nodes, aliases written out"
        } else if self.total.text > MAX_TEXT {
            "more than 64 MiB of text, aliases written out"
        } else if depth > MAX_DEPTH {
            TOO_DEEP
        } else {
            return Ok(());
        };
        Err(YamlError::new(reason, span.start))
    }

    fn enter(&mut self, mapping: bool, anchor: usize, span: Span) -> Result<(), YamlError> {
        self.count(Weight { nodes: 1, text: 0, depth: 1 }, span)?;
        self.open.push(Frame { mapping, anchor, start: span.start.into(), children: Vec::new() });
        Ok(())
    }

    fn leave(&mut self, span: Span) -> Result<(), YamlError> {
        let Some(frame) = self.open.pop() else {
            return Err(YamlError::new("a collection ends that never began", span.start));
        };
        // A block collection ends where its last child does, not at the token that closes it.
        let end = match frame.children.last() {
            Some(&last) if span.is_empty() => self.nodes[last as usize].end,
            _ => span.end.into(),
        };
        let mut weight = Weight { nodes: 1, text: 0, depth: 1 };
        let value =
            if frame.mapping { Value::Mapping(self.pairs(&frame.children)?) } else { Value::Sequence(frame.children) };
        let mut add = |id: NodeId| {
            let child = self.nodes[id as usize].weight;
            weight.nodes += child.nodes;
            weight.text += child.text;
            weight.depth = weight.depth.max(child.depth + 1);
        };
        match &value {
            Value::Sequence(items) => items.iter().copied().for_each(&mut add),
            Value::Mapping(pairs) => pairs.iter().for_each(|&(key, value)| {
                add(key);
                add(value);
            }),
            Value::Null | Value::Scalar { .. } => {}
        }
        self.finish(value, frame.start, end, weight, frame.anchor)
    }

    fn finish(
        &mut self,
        value: Value,
        start: Place,
        end: Place,
        weight: Weight,
        anchor: usize,
    ) -> Result<(), YamlError> {
        let id = NodeId::try_from(self.nodes.len()).map_err(|_| YamlError::new("too many nodes", start))?;
        self.nodes.push(Node { value, start, end, weight });
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        match self.open.last_mut() {
            Some(frame) => frame.children.push(id),
            None => self.root = Some(id),
        }
        Ok(())
    }

    /// Pair up keys and values, refuse duplicates and expand merge keys.
    fn pairs(&mut self, children: &[NodeId]) -> Result<Vec<(NodeId, NodeId)>, YamlError> {
        let mut seen: HashSet<&str> = HashSet::with_capacity(children.len() / 2);
        let mut any_merge = false;
        for pair in children.chunks_exact(2) {
            let key = &self.nodes[pair[0] as usize];
            let name = match &key.value {
                Value::Scalar { text, plain } => {
                    any_merge |= *plain && text == "<<";
                    text.as_str()
                }
                Value::Null => "~",
                Value::Sequence(_) | Value::Mapping(_) => {
                    return Err(YamlError::new("a key must be a scalar", key.start));
                }
            };
            if !seen.insert(name) {
                return Err(self.duplicate(children, name, key.start));
            }
        }
        if !any_merge {
            return Ok(children.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect());
        }

        let mut pairs = Vec::with_capacity(children.len() / 2);
        let mut added = Weight::default();
        for pair in children.chunks_exact(2) {
            let is_merge = matches!(&self.nodes[pair[0] as usize].value,
                Value::Scalar { text, plain: true } if text == "<<");
            if !is_merge {
                pairs.push((pair[0], pair[1]));
                continue;
            }
            for source in self.merge_sources(pair[1])? {
                let Value::Mapping(merged) = &self.nodes[source as usize].value else { continue };
                for &(key, value) in merged {
                    if seen.insert(self.key_text(key)) {
                        let weight = self.nodes[value as usize].weight;
                        added.nodes += 1 + weight.nodes;
                        added.text += weight.text;
                        added.depth = added.depth.max(weight.depth + 1);
                        pairs.push((key, value));
                    }
                }
            }
        }
        let place = self.nodes[children[0] as usize].start;
        let marker = Marker::new(0, place.line as usize, place.column as usize - 1);
        self.count(added, Span::empty(marker))?;
        Ok(pairs)
    }

    /// The mappings that a merge key brings in; of two that define a key the earlier wins.
    fn merge_sources(&self, value: NodeId) -> Result<Vec<NodeId>, YamlError> {
        let refuse = |id: NodeId| {
            let reason = "a merge key `<<` takes a mapping or a list of mappings";
            Err(YamlError::new(reason, self.nodes[id as usize].start))
        };
        match &self.nodes[value as usize].value {
            Value::Mapping(_) => Ok(vec![value]),
            Value::Sequence(items) => {
                for &item in items {
                    if !matches!(self.nodes[item as usize].value, Value::Mapping(_)) {
                        return refuse(item);
                    }
                }
                Ok(items.clone())
            }
            Value::Null | Value::Scalar { .. } => refuse(value),
        }
    }

    fn key_text(&self, key: NodeId) -> &str {
        if let Value::Scalar { text, .. } = &self.nodes[key as usize].value { text } else { "~" }
    }

    fn duplicate(&self, children: &[NodeId], name: &str, place: Place) -> YamlError {
        let first = children.chunks_exact(2).find(|pair| self.key_text(pair[0]) == name);
        let line = first.map_or(place.line, |pair| self.nodes[pair[0] as usize].start.line);
        YamlError::new(format!("duplicate key `{name}`, first given at line {line}"), place)
    }
}

fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let plain = style == ScalarStyle::Plain;
    // `! x` and `!!str x` say "this is a string"; every other tag says nothing here.
    let string = tag.is_some_and(|tag| {
        (tag.is_yaml_core_schema() && tag.suffix == "str") || (tag.handle.is_empty() && tag.suffix == "!")
    });
    if plain && !string && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Scalar { text, plain }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Flow-style rendering of a document, every scalar quoted.
    fn show(document: &Document, id: NodeId) -> String {
        match &document.node(id).value {
            Value::Null => "null".to_owned(),
            Value::Scalar { text, .. } => format!("{text:?}"),
            Value::Sequence(items) => {
                format!("[{}]", items.iter().map(|&item| show(document, item)).collect::<Vec<_>>().join(", "))
            }
            Value::Mapping(pairs) => {
                let pair =
                    |&(key, value): &(NodeId, NodeId)| format!("{}: {}", show(document, key), show(document, value));
                format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn plain(text: &str) -> String {
        let document = parse(text.as_bytes()).unwrap();
        show(&document, document.root())
    }

    fn error(text: impl AsRef<[u8]>) -> (String, u32, u32) {
        let error = parse(text.as_ref()).unwrap_err();
        (error.reason, error.place.line, error.place.column)
    }

    #[test]
    fn scalars_keep_their_source_text() {
        assert_eq!(
            plain("[1.50, true, 0x10, 017, 'a b', \"x\\n\"]"),
            r#"["1.50", "true", "0x10", "017", "a b", "x\n"]"#
        );
    }

    #[test]
    fn only_plain_spellings_of_nothing_are_null() {
        assert_eq!(
            plain("[~, null, Null, NULL, nULL, 'null', \"~\"]"),
            r#"[null, null, null, null, "nULL", "null", "~"]"#
        );
        assert_eq!(plain("{a: , b: ''}"), r#"{"a": null, "b": ""}"#);
    }

    #[test]
    fn tags_are_ignored_except_that_str_makes_a_string() {
        assert_eq!(
            plain("[!foo lib, !!int x, !!str null, !!str , ! ~, !/a]"),
            r#"["lib", "x", "null", "", "~", null]"#
        );
    }

    #[test]
    fn a_byte_order_mark_carriage_returns_and_document_markers_are_fine() {
        assert_eq!(plain("\u{feff}---\r\na: 1\r\nb:\r\n- 2\r\n...\r\n"), r#"{"a": "1", "b": ["2"]}"#);
    }

    #[test]
    fn explicit_keys_win_over_merged_ones_and_the_earlier_of_a_list_wins() {
        let base = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\n";
        assert!(plain(&format!("{base}z: {{<<: [*x, *y], c: 3}}")).ends_with(r#"{"a": "1", "b": "1", "c": "3"}}"#));
        assert!(plain(&format!("{base}z: {{a: 0, <<: *x}}")).ends_with(r#"{"a": "0", "b": "1"}}"#));
        assert!(plain("z: {'<<': 1}").ends_with(r#"{"<<": "1"}}"#));
        assert_eq!(error("a: {<<: 3}").1, 1);
    }

    #[test]
    fn a_duplicate_key_is_refused_at_its_second_place() {
        assert_eq!(
            error("a: 1\nb:\n  c: 1\n  \"c\": 2\n"),
            ("duplicate key `c`, first given at line 3".to_owned(), 4, 3)
        );
    }

    #[test]
    fn exactly_one_document_is_read() {
        assert_eq!(error("a: 1\n---\nb: 1\n").1, 2);
        assert_eq!(error("").0, "the file is empty");
        assert_eq!(error("# nothing\n").0, "the file is empty");
        assert_eq!(plain("---"), "null");
    }

    #[test]
    fn bad_encoding_is_told_with_its_place() {
        assert_eq!(error(b"a: 1\r\nb: \xc3\xa9\xff\n"), ("the file is not UTF-8: invalid byte 0xff".to_owned(), 2, 5));
        assert_eq!(error(b"\xff\xfea\0").0, "the file is UTF-16; only UTF-8 is read");
    }

    #[test]
    fn places_are_counted_in_characters_from_one() {
        let document = parse("é: x\nü: {k: [v, 'w w']}\n".as_bytes()).unwrap();
        let Value::Mapping(pairs) = &document.node(document.root()).value else { panic!("mapping") };
        let place = |id: NodeId| {
            let node = document.node(id);
            (node.start.line, node.start.column, node.end.line, node.end.column)
        };
        assert_eq!(place(pairs[0].1), (1, 4, 1, 5));
        assert_eq!(place(pairs[1].1), (2, 4, 2, 19));
        assert_eq!(place(document.root()), (1, 1, 2, 19));
    }

    #[test]
    fn a_file_that_expands_beyond_the_limits_is_refused_fast() {
        use std::fmt::Write;
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..60 {
            let before = level - 1;
            let _ = writeln!(laughs, "a{level}: &a{level} [{}]", vec![format!("*a{before}"); 10].join(", "));
        }
        assert_eq!(error(&laughs).0, "more than 250,000 nodes, aliases written out");
        let mut deep = "a0: &a0 [x]\n".to_owned();
        for level in 1..300 {
            let _ = writeln!(deep, "a{level}: &a{level} [*a{}]", level - 1);
        }
        assert!(error(&deep).0.contains("nodes") || error(&deep).0.contains("nesting"));
        let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 70].join(", "));
        assert_eq!(error(&text).0, "more than 64 MiB of text, aliases written out");
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(250).as_bytes()).is_ok());
        assert_eq!(error(nested(251)).0, "more than 250 levels of nesting");
        assert_eq!(error("[".repeat(200_000)).0, "more than 250 levels of nesting");
    }

    #[test]
    fn an_alias_to_a_node_that_is_still_open_is_refused() {
        assert_eq!(error("x: &a [*a]").0, "an alias inside the node that it stands for");
        assert!(parse(b"x: *nowhere").is_err());
    }

    #[test]
    fn an_error_in_a_directive_is_placed_in_its_line() {
        let (_, line, column) = error("%/:e<s\u{f6ef}*\0");
        assert!((line, column) <= (1, 10), "line {line}, column {column}");
    }

    #[test]
    fn a_value_that_is_missing_at_the_end_is_placed_after_the_last_character() {
        let document = parse(b"? key").unwrap();
        let Value::Mapping(pairs) = &document.node(document.root()).value else { panic!("a mapping") };
        let after = Place { line: 1, column: 6 };
        let missing = document.node(pairs[0].1);
        assert_eq!((&missing.value, missing.start, missing.end), (&Value::Null, after, after));
    }

    #[test]
    fn an_unexpected_end_is_placed_after_the_last_character() {
        assert_eq!(&error("a: [b\nc").0, "while parsing a flow sequence, expected ',' or ']'");
        assert_eq!((error("a: [b\nc").1, error("a: [b\nc").2), (2, 2));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_the_parser_panic(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&data);
        }

        #[test]
        fn no_text_of_indicators_makes_the_parser_panic(text in "[-?:,\\[\\]{}#&*!|>'\"%@` \n\r\ta<~.\u{feff}é0]{0,48}") {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn places_lie_inside_the_text(text in "[-:,\\[\\]{} \na'\"|>]{0,40}") {
            if let Ok(document) = parse(text.as_bytes()) {
                let end = end_of(&text);
                for node in &document.nodes {
                    prop_assert!(node.start.line >= 1 && node.start.column >= 1);
                    prop_assert!(node.start.line <= end.line + 1, "{:?} in {:?}", node, text);
                    prop_assert!((node.start.line, node.start.column) <= (node.end.line, node.end.column), "{node:?}");
                }
            }
        }
    }
}
