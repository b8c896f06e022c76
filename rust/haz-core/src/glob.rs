//! Path patterns (spec 01 §9): checked once, compiled once, matched by the thousand.
//!
//! A path or pattern is a sequence of characters; each byte that is not UTF-8 counts as a character of its own.

mod index;
mod parse;
mod program;

use std::collections::HashMap;
use std::sync::OnceLock;

pub use index::{Index, Scope};
pub use parse::Fault;
use parse::{check_characters, check_shape, decode, is_glob, parse};
use program::Glob;

/// A pattern that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// The pattern.
    pub pattern: Vec<u8>,
    /// The broken rule and its place.
    pub fault: Fault,
}

/// One pattern of a spec.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The pattern as a workspace path: starts with `/`.
    pub anchored: &'a [u8],
    /// A plain path, never unescaped.
    pub literal: bool,
    /// Takes files away instead of adding them.
    pub exclude: bool,
    /// 0 is the spec itself. Another number is a list within the list: its exclusions hold for its own patterns alone,
    /// while those of 0 hold for all.
    pub group: u32,
}

/// Many compiled pattern lists ("specs") that share equal patterns.
pub struct PatternSet {
    specs: Vec<Vec<Use>>,
    patterns: Vec<Pattern>,
    /// Literal patterns by their path, without the leading `/`.
    literals: HashMap<Box<[u8]>, u32>,
    all: OnceLock<Index>,
}

struct Use {
    pattern: u32,
    exclude: bool,
    group: u32,
}

enum Pattern {
    Literal(Box<[u8]>),
    Glob(Glob),
}

/// Validate a pattern as written, with either anchor. True for a glob, false for a literal (PATH-008).
///
/// # Errors
/// The first rule that the pattern breaks.
pub fn check_pattern(pattern: &[u8]) -> Result<bool, PatternError> {
    let text: Vec<u32> = decode(pattern).collect();
    let check = || {
        check_shape(&text)?;
        check_characters(&text)?;
        let glob = is_glob(&text);
        if glob {
            parse(&text)?;
        }
        Ok(glob)
    };
    check().map_err(|fault| PatternError { pattern: pattern.to_vec(), fault })
}

/// Escape the metacharacters of a path, so that it can be the prefix of a glob (O22).
pub fn escape_pattern(path: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(path.len());
    for byte in path {
        if b"*?[]{}\\".contains(byte) {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    escaped
}

/// A path or pattern without its leading `/`.
fn unanchored(anchored: &[u8]) -> Result<&[u8], Fault> {
    anchored.strip_prefix(b"/").ok_or(Fault { reason: "an anchored pattern starts with \"/\"", offset: 0 })
}

impl PatternSet {
    /// Compile the specs. A pattern that several of them list is compiled once.
    ///
    /// # Errors
    /// The first pattern that breaks a rule of the syntax.
    pub fn new<'a, S>(specs: impl IntoIterator<Item = S>) -> Result<Self, PatternError>
    where
        S: IntoIterator<Item = Entry<'a>>,
    {
        let mut set = Self { specs: Vec::new(), patterns: Vec::new(), literals: HashMap::new(), all: OnceLock::new() };
        let mut globs = HashMap::new();
        for spec in specs {
            let mut uses = Vec::new();
            for entry in spec {
                let pattern = set
                    .intern(entry, &mut globs)
                    .map_err(|fault| PatternError { pattern: entry.anchored.to_vec(), fault })?;
                uses.push(Use { pattern, exclude: entry.exclude, group: entry.group });
            }
            set.specs.push(uses);
        }
        Ok(set)
    }

    fn intern<'a>(&mut self, entry: Entry<'a>, globs: &mut HashMap<&'a [u8], u32>) -> Result<u32, Fault> {
        let path = unanchored(entry.anchored)?;
        let known = if entry.literal { self.literals.get(path) } else { globs.get(path) };
        if let Some(pattern) = known {
            return Ok(*pattern);
        }
        let text: Vec<u32> = decode(entry.anchored).collect();
        check_shape(&text)?;
        let id = u32::try_from(self.patterns.len())
            .map_err(|_| Fault { reason: "one pattern too many for a set", offset: 0 })?;
        if entry.literal {
            self.literals.insert(path.into(), id);
            self.patterns.push(Pattern::Literal(path.into()));
        } else {
            let tokens = parse(&text)?;
            globs.insert(path, id);
            self.patterns.push(Pattern::Glob(Glob::new(&tokens[1..])));
        }
        Ok(id)
    }

    /// Number of specs.
    pub fn len(&self) -> usize {
        self.specs.len()
    }

    /// Whether there are no specs.
    pub fn is_empty(&self) -> bool {
        self.specs.is_empty()
    }

    /// Whether a spec has no patterns: no path belongs to it.
    pub fn is_bare(&self, spec: u32) -> bool {
        self.specs[spec as usize].is_empty()
    }

    /// Indices of the specs that a workspace path belongs to, ascending. A text that is no workspace path has none.
    pub fn matching(&self, path: &[u8]) -> Vec<u32> {
        let index = self.all.get_or_init(|| {
            let count = u32::try_from(self.specs.len()).unwrap_or(u32::MAX);
            Index::new(self, 0..count)
        });
        path.strip_prefix(b"/").map(|path| index.matching(self, path)).unwrap_or_default()
    }

    /// The literal paths, without leading `/`, that a spec includes.
    pub(crate) fn literals_of(&self, spec: u32) -> impl Iterator<Item = &[u8]> {
        let uses = self.specs.get(spec as usize).map(Vec::as_slice).unwrap_or_default();
        let literal = |used: &Use| match &self.patterns[used.pattern as usize] {
            Pattern::Literal(path) if !used.exclude => Some(&path[..]),
            _ => None,
        };
        uses.iter().filter_map(literal)
    }

    /// The first of these workspace paths that does not belong to the spec, whose literals may be directories: what lies
    /// in them belongs to it then, unless it is excluded.
    pub fn first_foreign<'p>(&self, spec: u32, mut paths: impl Iterator<Item = &'p [u8]>) -> Option<&'p [u8]> {
        let index = Index::new(self, [spec]);
        let belongs = |path: &[u8]| !index.matching(self, path).is_empty() || index.is_below_literal(self, path);
        paths.find(|path| path.strip_prefix(b"/").is_none_or(|path| !belongs(path)))
    }

    fn glob(&self, pattern: u32) -> Option<&Glob> {
        match &self.patterns[pattern as usize] {
            Pattern::Glob(glob) => Some(glob),
            Pattern::Literal(_) => None,
        }
    }

    fn literal(&self, pattern: u32) -> &[u8] {
        match &self.patterns[pattern as usize] {
            Pattern::Literal(path) => path,
            Pattern::Glob(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests;
