//! One compiled glob: a literal directory prefix, and a tail that is matched in time linear in the path's length.

use super::parse::{Class, SLASH, Token, after, decode, encode, is_unicode};

/// A compiled glob, matched against workspace paths without their leading `/`.
#[derive(Debug)]
pub struct Glob {
    /// Whole segments that every match starts with: empty, or ends with `/`.
    prefix: Box<[u8]>,
    tail: Tail,
}

/// What follows the prefix. The first three are by far the most frequent.
#[derive(Debug)]
enum Tail {
    /// `**`
    Everything,
    /// `**/*.ext`
    DeepSuffix(Box<[u8]>),
    /// `*.ext`
    Suffix(Box<[u8]>),
    Program(Program),
}

impl Glob {
    /// Compile the tokens of an anchored pattern, the leading `/` left out.
    pub(super) fn new(tokens: &[Token]) -> Self {
        // A segment that an escaped slash makes empty is none that a path could have: it is left to the program.
        let empty = (0..tokens.len()).find(|at| tokens[at.saturating_sub(1)..=*at].iter().all(is_slash));
        let literal = tokens.iter().take_while(|token| matches!(token, Token::Character(_))).count();
        let plain = empty.map_or(literal, |at| literal.min(at));
        let slash = tokens[..plain].iter().rposition(is_slash);
        let (head, rest) = tokens.split_at(slash.map_or(0, |at| at + 1));
        let prefix = encode(head.iter().filter_map(character)).into_boxed_slice();
        let tail = match rest {
            [Token::Deep] => Some(Tail::Everything),
            [Token::Star, end @ ..] => suffix(end).map(Tail::Suffix),
            [Token::Deep, Token::Character(SLASH), Token::Star, end @ ..] => suffix(end).map(Tail::DeepSuffix),
            _ => None,
        };
        let tail = tail.unwrap_or_else(|| Tail::Program(Program::new(rest)));
        Self { prefix, tail }
    }

    /// The literal directory prefix: empty, or ends with `/`.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Whether `rest` - a path less the prefix, which the caller has found to be there - matches.
    pub fn matches_rest(&self, rest: &[u8]) -> bool {
        match &self.tail {
            Tail::Everything => !rest.is_empty(),
            Tail::DeepSuffix(suffix) => rest.ends_with(suffix),
            Tail::Suffix(suffix) => rest.ends_with(suffix) && !rest.contains(&b'/'),
            Tail::Program(program) => program.run(rest).accepted,
        }
    }

    /// Whether something below the directory `rest` could match; `rest` is its path less the prefix and ends with `/`.
    pub fn reaches_below(&self, rest: &[u8]) -> bool {
        match &self.tail {
            Tail::Everything | Tail::DeepSuffix(_) => true,
            Tail::Suffix(_) => false,
            Tail::Program(program) => program.run(rest).alive,
        }
    }

    /// Whether everything below that directory matches.
    pub fn covers_below(&self, rest: &[u8]) -> bool {
        match &self.tail {
            Tail::Everything => true,
            Tail::DeepSuffix(suffix) => suffix.is_empty(),
            Tail::Suffix(_) => false,
            Tail::Program(program) => program.run(rest).covers,
        }
    }
}

fn is_slash(token: &Token) -> bool {
    *token == Token::Character(SLASH)
}

fn character(token: &Token) -> Option<u32> {
    if let Token::Character(value) = token { Some(*value) } else { None }
}

/// The bytes of tokens that are plain text of one segment. Only whole characters can be compared as bytes.
fn suffix(tokens: &[Token]) -> Option<Box<[u8]>> {
    let characters: Option<Vec<u32>> =
        tokens.iter().map(|token| character(token).filter(|value| is_unicode(*value) && *value != SLASH)).collect();
    characters.map(|characters| encode(characters).into_boxed_slice())
}

/// An instruction; matching keeps the set of all places the program can be at, so no pattern makes it backtrack.
#[derive(Debug)]
enum Step {
    Character(u32),
    /// Any character but `/`.
    One,
    Class(Class),
    /// Any character.
    Any,
    Fork(Vec<usize>),
}

#[derive(Debug)]
struct Program {
    steps: Vec<Step>,
}

struct Outcome {
    accepted: bool,
    alive: bool,
    covers: bool,
}

impl Program {
    fn new(tokens: &[Token]) -> Self {
        let mut program = Self { steps: Vec::with_capacity(tokens.len() * 2) };
        let mut at = 0;
        while at < tokens.len() {
            at = if tokens[at] == Token::Open { program.braces(tokens, at) } else { program.simple(tokens, at) };
        }
        program
    }

    /// Emit the token at `at`, which is no brace; returns where to go on.
    fn simple(&mut self, tokens: &[Token], at: usize) -> usize {
        let here = self.steps.len();
        match &tokens[at] {
            Token::Character(value) => self.steps.push(Step::Character(*value)),
            Token::One => self.steps.push(Step::One),
            Token::Class(class) => self.steps.push(Step::Class(class.clone())),
            Token::Star => {
                self.steps.extend([Step::Fork(vec![here + 1, here + 3]), Step::One, Step::Fork(vec![here])]);
            }
            Token::Deep if after(tokens, at).is_none() => {
                self.steps.extend([Step::Any, Step::Fork(vec![here, here + 2])]);
            }
            Token::Deep => {
                let directory = [Step::One, Step::Fork(vec![here + 1, here + 3]), Step::Character(SLASH)];
                self.steps.push(Step::Fork(vec![here + 1, here + 5]));
                self.steps.extend(directory);
                self.steps.push(Step::Fork(vec![here]));
                // The `/` after `**` belongs to it, for it may stand for no directory at all.
                return at + 1 + usize::from(tokens.get(at + 1) == Some(&Token::Character(SLASH)));
            }
            Token::Open | Token::Comma | Token::Close => unreachable!("braces are emitted as a whole"),
        }
        at + 1
    }

    fn braces(&mut self, tokens: &[Token], open: usize) -> usize {
        let fork = self.steps.len();
        self.steps.push(Step::Fork(Vec::new()));
        let mut starts = vec![self.steps.len()];
        let mut exits = Vec::new();
        let mut at = open + 1;
        loop {
            match &tokens[at] {
                closing @ (Token::Comma | Token::Close) => {
                    // An alternative that ends in `**` has taken the `/` behind the braces already.
                    let slash = tokens[at - 1] == Token::Deep && after(tokens, at - 1).is_some();
                    exits.push((self.steps.len(), usize::from(slash)));
                    self.steps.push(Step::Fork(Vec::new()));
                    if *closing == Token::Close {
                        break;
                    }
                    starts.push(self.steps.len());
                    at += 1;
                }
                _ => at = self.simple(tokens, at),
            }
        }
        let end = self.steps.len();
        for (exit, skip) in exits {
            self.steps[exit] = Step::Fork(vec![end + skip]);
        }
        self.steps[fork] = Step::Fork(starts);
        at + 1
    }

    fn run(&self, text: &[u8]) -> Outcome {
        let mut places = Places::new(self);
        places.enter(0);
        for character in decode(text) {
            if places.waiting.is_empty() {
                return Outcome { accepted: false, alive: false, covers: false };
            }
            places.advance(character);
        }
        let covers = places.waiting.iter().any(|place| matches!(self.steps[*place], Step::Any));
        Outcome { accepted: places.accepted, alive: !places.waiting.is_empty(), covers }
    }
}

/// The places a program can be at after some characters.
struct Places<'a> {
    steps: &'a [Step],
    waiting: Vec<usize>,
    accepted: bool,
    /// The round in which a step was entered last.
    entered: Vec<usize>,
    round: usize,
    stack: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(program: &'a Program) -> Self {
        let steps = &program.steps;
        Self { steps, waiting: Vec::new(), accepted: false, entered: vec![0; steps.len()], round: 1, stack: Vec::new() }
    }

    fn advance(&mut self, character: u32) {
        let places = std::mem::take(&mut self.waiting);
        self.round += 1;
        self.accepted = false;
        for place in places {
            let taken = match &self.steps[place] {
                Step::Character(wanted) => *wanted == character,
                Step::One => character != SLASH,
                Step::Class(class) => class.contains(character),
                Step::Any => true,
                Step::Fork(_) => false,
            };
            if taken {
                self.enter(place + 1);
            }
        }
    }

    fn enter(&mut self, step: usize) {
        self.stack.push(step);
        while let Some(step) = self.stack.pop() {
            match self.steps.get(step) {
                None => self.accepted = true,
                Some(_) if self.entered[step] == self.round => {}
                Some(Step::Fork(targets)) => {
                    self.entered[step] = self.round;
                    self.stack.extend(targets);
                }
                Some(_) => {
                    self.entered[step] = self.round;
                    self.waiting.push(step);
                }
            }
        }
    }
}
