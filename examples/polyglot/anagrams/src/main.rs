//! Reads words from standard input, one a line, and prints those that are anagrams of each other on one line.

use std::collections::BTreeMap;
use std::io::{self, Read};

fn main() -> io::Result<()> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    for group in groups(input.lines()) {
        println!("{}", group.join(" "));
    }
    Ok(())
}

/// The groups of two or more, each in the order of the input, the groups by their first word.
fn groups<'a>(words: impl Iterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    let mut by_letters: BTreeMap<Vec<char>, Vec<&str>> = BTreeMap::new();
    for word in words {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        by_letters.entry(letters).or_default().push(word);
    }
    let mut groups: Vec<_> = by_letters.into_values().filter(|group| group.len() > 1).collect();
    groups.sort_unstable();
    groups
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn words_with_the_same_letters_stand_together() {
        assert_eq!(groups(["bat", "opts", "stop", "tab"].into_iter()), [["bat", "tab"], ["opts", "stop"]]);
    }

    #[test]
    fn a_word_alone_is_no_group() {
        assert!(groups(["one", "two"].into_iter()).is_empty());
    }
}
