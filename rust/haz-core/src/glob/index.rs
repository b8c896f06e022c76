//! Finds the specs of a path without trying every pattern: globs by their literal directories, literals by their path.

use std::collections::HashMap;

use super::PatternSet;
use super::program::Glob;

/// An index over some specs of a `PatternSet`. Specs are named by their position in that selection.
pub struct Index {
    nodes: Vec<Node>,
    globs: Vec<Users>,
    literals: HashMap<u32, Users>,
    /// The spec of each slot; a spec has a slot for each of its groups, and slots ascend as the specs do.
    slots: Vec<u32>,
}

/// A directory that the literal prefixes of the patterns lead through.
#[derive(Default)]
struct Node {
    children: HashMap<Box<[u8]>, usize>,
    globs: Vec<usize>,
}

/// Who lists a pattern, as slots; `including` a literal path, as specs, since no exclusion silences it.
struct Users {
    pattern: u32,
    including: Vec<u32>,
    excluding: Vec<u32>,
}

/// A directory as the globs see it: which of them may still match below it, and from where.
#[derive(Clone, Default)]
pub struct Scope {
    node: Option<usize>,
    /// `(glob, bytes of the path that its prefix takes)`
    active: Vec<(usize, usize)>,
}

impl Index {
    /// Index the specs that `selection` yields.
    pub fn new(set: &PatternSet, selection: impl IntoIterator<Item = u32>) -> Self {
        let mut index =
            Self { nodes: vec![Node::default()], globs: Vec::new(), literals: HashMap::new(), slots: Vec::new() };
        let mut known: HashMap<u32, usize> = HashMap::new();
        let mut next = 0;
        for (position, spec) in (0..).zip(selection) {
            let entries = &set.specs[spec as usize];
            let first = next;
            next += 1 + entries.iter().map(|entry| entry.group).max().unwrap_or(0);
            index.slots.resize(next as usize, position);
            for entry in entries {
                let glob = set.glob(entry.pattern);
                let users = if let Some(glob) = glob {
                    let place = *known.entry(entry.pattern).or_insert_with(|| index.add_glob(entry.pattern, glob));
                    &mut index.globs[place]
                } else {
                    index.literals.entry(entry.pattern).or_insert_with(|| Users::of(entry.pattern))
                };
                match (entry.exclude, entry.group) {
                    (true, 0) => users.excluding.extend(first..next),
                    (true, group) => users.excluding.push(first + group),
                    (false, _) if glob.is_none() && users.including.last() == Some(&position) => {}
                    (false, _) if glob.is_none() => users.including.push(position),
                    (false, group) => users.including.push(first + group),
                }
            }
        }
        index
    }

    fn add_glob(&mut self, pattern: u32, glob: &Glob) -> usize {
        let mut node = 0;
        for segment in glob.prefix().split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()) {
            let fresh = self.nodes.len();
            node = *self.nodes[node].children.entry(segment.into()).or_insert(fresh);
            if node == fresh {
                self.nodes.push(Node::default());
            }
        }
        let place = self.globs.len();
        self.globs.push(Users::of(pattern));
        self.nodes[node].globs.push(place);
        place
    }

    /// The workspace root's scope.
    pub fn root(&self) -> Scope {
        self.scope_at(0, Vec::new(), 0)
    }

    fn scope_at(&self, node: usize, mut active: Vec<(usize, usize)>, taken: usize) -> Scope {
        active.extend(self.nodes[node].globs.iter().map(|glob| (*glob, taken)));
        Scope { node: Some(node), active }
    }

    /// The scope of a directory within `scope`. `path` is its path without leading `/`, with a trailing one; `name` is
    /// its last segment.
    pub fn enter(&self, set: &PatternSet, scope: &Scope, path: &[u8], name: &[u8]) -> Scope {
        let below = |(glob, taken): &&(usize, usize)| self.glob(set, *glob).reaches_below(&path[*taken..]);
        let active = scope.active.iter().filter(below).copied().collect();
        match scope.node.and_then(|node| self.nodes[node].children.get(name)) {
            Some(child) => self.scope_at(*child, active, path.len()),
            None => Scope { node: None, active },
        }
    }

    fn glob<'a>(&self, set: &'a PatternSet, place: usize) -> &'a Glob {
        set.glob(self.globs[place].pattern).expect("indexed as a glob")
    }

    /// The specs that could have files below the directory of `scope`, ascending. `path` ends with `/` or is empty.
    pub fn specs_below(&self, set: &PatternSet, scope: &Scope, path: &[u8]) -> Vec<u32> {
        let mut including = Vec::new();
        let mut excluding = Vec::new();
        for (place, taken) in &scope.active {
            let users = &self.globs[*place];
            including.extend(&users.including);
            if !users.excluding.is_empty() && self.glob(set, *place).covers_below(&path[*taken..]) {
                excluding.extend(&users.excluding);
            }
        }
        if let Some(node) = scope.node {
            let mut nodes: Vec<usize> = self.nodes[node].children.values().copied().collect();
            while let Some(node) = nodes.pop() {
                including.extend(self.nodes[node].globs.iter().flat_map(|place| &self.globs[*place].including));
                nodes.extend(self.nodes[node].children.values());
            }
        }
        self.specs(including, excluding)
    }

    /// Whether the walk has to look into the directory of `scope` at all. `path` ends with `/` or is empty.
    pub fn is_wanted(&self, set: &PatternSet, scope: &Scope, path: &[u8]) -> bool {
        let excluding = scope.active.iter().any(|(place, _)| !self.globs[*place].excluding.is_empty());
        if excluding {
            return !self.specs_below(set, scope, path).is_empty();
        }
        !scope.active.is_empty() || scope.node.is_some_and(|node| !self.nodes[node].children.is_empty())
    }

    /// The only names within the directory of `scope` that lead to something, if it can be told.
    pub fn names_below(&self, scope: &Scope) -> Option<impl Iterator<Item = &[u8]>> {
        let node = scope.node.filter(|_| scope.active.is_empty())?;
        Some(self.nodes[node].children.keys().map(AsRef::as_ref))
    }

    /// The specs whose globs the file `path` (without leading `/`) in the directory of `scope` belongs to, ascending.
    pub fn matching_globs(&self, set: &PatternSet, scope: &Scope, path: &[u8]) -> Vec<u32> {
        let mut including = Vec::new();
        let mut excluding = Vec::new();
        for (place, taken) in &scope.active {
            if self.glob(set, *place).matches_rest(&path[*taken..]) {
                including.extend(&self.globs[*place].including);
                excluding.extend(&self.globs[*place].excluding);
            }
        }
        if including.is_empty() {
            return including;
        }
        if let Some(users) = self.literal(set, path) {
            excluding.extend(&users.excluding);
        }
        self.specs(including, excluding)
    }

    /// The specs of the slots `including` less `excluding`, ascending, each once.
    fn specs(&self, mut including: Vec<u32>, mut excluding: Vec<u32>) -> Vec<u32> {
        excluding.sort_unstable();
        including.retain(|slot| excluding.binary_search(slot).is_err());
        for slot in &mut including {
            *slot = self.slots[*slot as usize];
        }
        including.sort_unstable();
        including.dedup();
        including
    }

    /// The specs that exclude `path` (without leading `/`), ascending.
    pub fn excluding(&self, set: &PatternSet, path: &[u8]) -> Vec<u32> {
        let scope = self.scope_of(path);
        let mut excluding: Vec<u32> = self.literal(set, path).map(|users| users.excluding.clone()).unwrap_or_default();
        for (place, taken) in &scope.active {
            let users = &self.globs[*place];
            if !users.excluding.is_empty() && self.glob(set, *place).matches_rest(&path[*taken..]) {
                excluding.extend(&users.excluding);
            }
        }
        excluding.sort_unstable();
        excluding
    }

    fn literal(&self, set: &PatternSet, path: &[u8]) -> Option<&Users> {
        self.literals.get(set.literals.get(path)?)
    }

    /// Each literal path (without leading `/`) that some spec includes, with those specs.
    pub fn literals<'a>(&'a self, set: &'a PatternSet) -> impl Iterator<Item = (&'a [u8], &'a [u32])> {
        let included = self.literals.values().filter(|users| !users.including.is_empty());
        included.map(|users| (set.literal(users.pattern), &users.including[..]))
    }

    /// Whether `path` (without leading `/`) lies in a directory that a literal of the only spec may name.
    pub fn is_below_literal(&self, set: &PatternSet, path: &[u8]) -> bool {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let named = |at: usize| self.literal(set, &path[..at]).is_some_and(|users| !users.including.is_empty());
        slashes.into_iter().any(named) && self.excluding(set, path).is_empty()
    }

    fn scope_of(&self, path: &[u8]) -> Scope {
        let mut scope = self.root();
        let mut taken = 0;
        while let Some(length) = path[taken..].iter().position(|byte| *byte == b'/') {
            let children = scope.node.map(|node| &self.nodes[node].children);
            let Some(child) = children.and_then(|children| children.get(&path[taken..taken + length])) else { break };
            taken += length + 1;
            scope = self.scope_at(*child, scope.active, taken);
        }
        scope
    }

    /// The specs that `path` (without leading `/`) belongs to, ascending. Exclusions do not silence a literal.
    pub fn matching(&self, set: &PatternSet, path: &[u8]) -> Vec<u32> {
        let scope = self.scope_of(path);
        let mut specs = self.matching_globs(set, &scope, path);
        if let Some(users) = self.literal(set, path) {
            specs.extend(&users.including);
            specs.sort_unstable();
            specs.dedup();
        }
        specs
    }
}

impl Users {
    fn of(pattern: u32) -> Self {
        Self { pattern, including: Vec::new(), excluding: Vec::new() }
    }
}
