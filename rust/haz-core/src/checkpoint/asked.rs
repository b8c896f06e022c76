//! Which questions are asked, and what the disk has answered.
//!
//! Not every fact has to be asked. While the state of a directory is the same, no name in it was added, removed or given
//! to something else: one question stands for all facts about which file or directory a name means. While the state of
//! what is there itself is that of a file, a path leads to that file.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};

use super::Checkpoint;
use super::facts::Root;

/// Entries of the store are noted as used once in this time (nanoseconds).
pub(super) const DAY: i128 = 86_400 * 1_000_000_000;

/// Facts that hold while another one does: none of them implies others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Implied {
    pub by: u32,
    pub facts: Vec<u32>,
}

/// For each fact what was answered, from whatever thread.
#[derive(Default)]
pub(super) struct Answers(Vec<AtomicU8>);

const UNASKED: u8 = 0;
const FAILS: u8 = 1;
const HOLDS: u8 = 2;
/// It holds, and the use of the file was noted more than a day ago.
const UNUSED: u8 = 3;

impl Answers {
    pub fn of(count: usize) -> Self {
        Self((0..count).map(|_| AtomicU8::new(UNASKED)).collect())
    }

    fn get(&self, fact: usize) -> u8 {
        self.0.get(fact).map_or(UNASKED, |answer| answer.load(Ordering::Relaxed))
    }

    /// Whether the disk said so.
    pub fn holds(&self, fact: usize) -> bool {
        matches!(self.get(fact), HOLDS | UNUSED)
    }

    /// Whether it holds for a file of which nobody has noted a use for a day.
    pub fn is_unused(&self, fact: usize) -> bool {
        self.get(fact) == UNUSED
    }

    /// Whether there is an answer to every question.
    pub fn are_complete(&self) -> bool {
        (0..self.0.len()).all(|fact| self.get(fact) != UNASKED)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nobody wants to know.
    Never,
    ByItself,
    /// After the fact that implies it.
    Implied,
    /// Together with what it implies.
    First,
}

/// Which facts are asked, and which follow from others.
pub(super) struct Questions {
    turns: Vec<Turn>,
    /// Where to find what the first ones imply.
    groups: HashMap<usize, usize>,
    now: i128,
}

impl Questions {
    /// Those of a checkpoint, or only what some want to know and what that follows from.
    pub fn new(checkpoint: &Checkpoint, wanted: Option<&[bool]>) -> Self {
        let is_wanted = |fact: u32| wanted.is_none_or(|wanted| wanted[fact as usize]);
        let turn = |fact: usize| if wanted.is_none_or(|wanted| wanted[fact]) { Turn::ByItself } else { Turn::Never };
        let mut turns: Vec<Turn> = (0..checkpoint.facts.len()).map(turn).collect();
        let mut groups = HashMap::new();
        for (group, Implied { by, facts }) in checkpoint.implied.iter().enumerate() {
            let count = facts.iter().filter(|fact| is_wanted(**fact)).count();
            // What nobody wants to know must save more questions than it is.
            if count > usize::from(wanted.is_some() && !is_wanted(*by)) {
                turns[*by as usize] = Turn::First;
                groups.insert(*by as usize, group);
                for fact in facts.iter().filter(|fact| is_wanted(**fact)) {
                    turns[*fact as usize] = Turn::Implied;
                }
            }
        }
        Self { turns, groups, now: crate::tree::stamp::now() }
    }

    /// Ask a fact whose turn it is, and those that follow from it.
    pub fn ask(&self, checkpoint: &Checkpoint, root: &Root, fact: usize, answers: &Answers) {
        match self.turns[fact] {
            Turn::Never | Turn::Implied => {}
            Turn::ByItself => {
                self.look(checkpoint, root, fact, answers);
            }
            Turn::First => {
                let holds = self.look(checkpoint, root, fact, answers);
                for implied in &checkpoint.implied[self.groups[&fact]].facts {
                    let implied = *implied as usize;
                    if self.turns[implied] != Turn::Implied {
                        continue;
                    }
                    let used = checkpoint.facts.used(implied);
                    // Whoever was not used for long may have been meanwhile.
                    if holds && (used == 0 || self.now - used <= DAY) {
                        answers.0[implied].store(HOLDS, Ordering::Relaxed);
                    } else {
                        self.look(checkpoint, root, implied, answers);
                    }
                }
            }
        }
    }

    fn look(&self, checkpoint: &Checkpoint, root: &Root, fact: usize, answers: &Answers) -> bool {
        let answer = match checkpoint.facts.holds(root, fact, &[]) {
            None => FAILS,
            Some(used) if used != 0 && self.now - used > DAY => UNUSED,
            Some(_) => HOLDS,
        };
        answers.0[fact].store(answer, Ordering::Relaxed);
        answer != FAILS
    }
}
