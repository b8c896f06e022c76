//! Pattern text to tokens, and every rule about the text alone (spec 01 §9.2-9.4).

/// What is wrong with a pattern, and at which character (from 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The rule that is broken, in words.
    pub reason: &'static str,
    /// Characters before the culprit.
    pub offset: usize,
}

/// Bytes that are not UTF-8 become characters of their own, beyond Unicode: each byte is one character.
const RAW: u32 = 0x11_0000;
pub(super) const SLASH: u32 = '/' as u32;

/// The characters of a path or pattern.
pub(super) fn decode(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.utf8_chunks().flat_map(|chunk| {
        let raw = chunk.invalid().iter().map(|byte| RAW + u32::from(*byte));
        chunk.valid().chars().map(u32::from).chain(raw)
    })
}

/// The bytes of `decode`d characters.
pub(super) fn encode(characters: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for character in characters {
        match char::from_u32(character) {
            Some(valid) => bytes.extend_from_slice(valid.encode_utf8(&mut [0; 4]).as_bytes()),
            None => bytes.extend(u8::try_from(character - RAW)),
        }
    }
    bytes
}

/// Whether the character is one of Unicode.
pub(super) fn is_unicode(character: u32) -> bool {
    character < RAW
}

/// A set of characters in brackets. It never contains `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    negated: bool,
    ranges: Vec<(u32, u32)>,
}

impl Class {
    pub(super) fn contains(&self, character: u32) -> bool {
        let listed = self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&character));
        listed != self.negated && character != SLASH
    }
}

/// One token; braces do not nest, so a flat list tells everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Character(u32),
    /// `?`
    One,
    /// `*`
    Star,
    /// `**`
    Deep,
    Class(Class),
    /// `{`
    Open,
    /// `,` within braces
    Comma,
    /// `}`
    Close,
}

use Token::{Character, Close, Comma, Deep, Open};

/// Whether the text is a glob rather than a plain path (PATH-008).
pub(super) fn is_glob(text: &[u32]) -> bool {
    text.iter().any(|character| "*?[{\\".chars().any(|meta| u32::from(meta) == *character))
}

/// The rules that hold for literals and globs alike, but for the forbidden characters (PATH-002, PATH-003, PATH-006).
pub(super) fn check_shape(text: &[u32]) -> Result<(), Fault> {
    let fault = |reason, offset| Err(Fault { reason, offset });
    match text {
        [] => return fault("a path may not be empty", 0),
        [SLASH] => return fault("\"/\" alone names nothing", 0),
        [.., SLASH] => return fault("a path may not end with \"/\"", text.len() - 1),
        _ => {}
    }
    if let Some(offset) = text.windows(2).position(|pair| pair == [SLASH, SLASH]) {
        return fault("a path may not contain \"//\"", offset);
    }
    let mut offset = 0;
    for segment in text.split(|character| *character == SLASH) {
        check_segment(segment.iter().copied(), offset)?;
        offset += segment.len() + 1;
    }
    Ok(())
}

/// Control characters and those that reorder text on a screen are refused, all others are fine (O23).
pub(super) fn check_characters(text: &[u32]) -> Result<(), Fault> {
    let forbidden = |character: &u32| {
        let bidirectional = matches!(character, 0x61C | 0x200E | 0x200F | 0x202A..=0x202E | 0x2066..=0x2069);
        bidirectional || char::from_u32(*character).is_some_and(char::is_control)
    };
    text.iter().position(forbidden).map_or(Ok(()), |offset| {
        Err(Fault { reason: "a path may not contain control or text-direction characters", offset })
    })
}

fn check_segment(segment: impl Iterator<Item = u32>, offset: usize) -> Result<(), Fault> {
    let mut dots = 0;
    for character in segment {
        if character != u32::from('.') {
            return Ok(());
        }
        dots += 1;
    }
    match dots {
        1 => Err(Fault { reason: "\".\" is not allowed as a path segment", offset }),
        2 => Err(Fault { reason: "\"..\" is not allowed as a path segment", offset }),
        _ => Ok(()),
    }
}

/// The tokens of a glob.
pub(super) fn parse(text: &[u32]) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::with_capacity(text.len());
    let mut offsets = Vec::with_capacity(text.len());
    let mut open = None;
    let mut at = 0;
    while at < text.len() {
        let start = at;
        let fault = |reason| Err(Fault { reason, offset: start });
        at += 1;
        let token = match char::from_u32(text[start]) {
            Some('\\') => match text.get(at) {
                Some(escaped) => {
                    at += 1;
                    Character(*escaped)
                }
                None => return fault("a \"\\\" at the end escapes nothing"),
            },
            Some('?') => Token::One,
            Some('*') => {
                at += text[at..].iter().take_while(|next| **next == u32::from('*')).count();
                match at - start {
                    1 => Token::Star,
                    2 => Deep,
                    _ => return fault("\"***\" is not a wildcard"),
                }
            }
            Some('[') => {
                let (class, end) = parse_class(text, start)?;
                at = end;
                Token::Class(class)
            }
            Some('{') if open.is_some() => return fault("braces do not nest"),
            Some('{') => {
                open = Some(start);
                Open
            }
            Some('}') if open.take().is_none() => return fault("a \"}\" without its \"{\""),
            Some('}') => Close,
            Some(',') if open.is_some() => Comma,
            _ => Character(text[start]),
        };
        tokens.push(token);
        offsets.push(start);
    }
    if let Some(offset) = open {
        return Err(Fault { reason: "a \"{\" that is never closed", offset });
    }
    check_deep(&tokens, &offsets)?;
    check_dots(&tokens, &offsets)?;
    Ok(tokens)
}

fn parse_class(text: &[u32], start: usize) -> Result<(Class, usize), Fault> {
    let is = |at: usize, wanted: char| text.get(at) == Some(&u32::from(wanted));
    let mut at = start + 1;
    let negated = is(at, '!') || is(at, '^');
    at += usize::from(negated);
    let first = at;
    let mut ranges = Vec::new();
    while at == first || !is(at, ']') {
        let low = *text.get(at).ok_or(Fault { reason: "a \"[\" that is never closed", offset: start })?;
        if is(at, '*') && is(at + 1, '*') {
            return Err(Fault { reason: "\"**\" must be a whole path segment", offset: at });
        }
        if is(at + 1, '-') && at + 2 < text.len() && !is(at + 2, ']') {
            let high = text[at + 2];
            if high < low {
                return Err(Fault { reason: "the range in the brackets runs backwards", offset: at });
            }
            ranges.push((low, high));
            at += 3;
        } else {
            ranges.push((low, low));
            at += 1;
        }
    }
    Ok((Class { negated, ranges }, at + 1))
}

const BORDER: Token = Character(SLASH);

/// The token before `at` in the path that the alternative at `at` is part of; `None` at the path's beginning.
pub(super) fn before(tokens: &[Token], at: usize) -> Option<&Token> {
    let mut previous = at.checked_sub(1)?;
    if matches!(tokens[previous], Open | Comma) {
        while tokens[previous] != Open {
            previous -= 1;
        }
        previous = previous.checked_sub(1)?;
    }
    tokens.get(previous)
}

/// The token after `at` in the path that the alternative at `at` is part of; `None` at the path's end.
pub(super) fn after(tokens: &[Token], at: usize) -> Option<&Token> {
    let mut next = at + 1;
    if matches!(tokens.get(next)?, Comma | Close) {
        while tokens[next] != Close {
            next += 1;
        }
        next += 1;
    }
    tokens.get(next)
}

/// `**` stands for whole segments only (PATH-011), within braces too (O21).
fn check_deep(tokens: &[Token], offsets: &[usize]) -> Result<(), Fault> {
    for (at, token) in tokens.iter().enumerate() {
        let borders = |side: Option<&Token>| side.is_none_or(|token| *token == BORDER);
        if *token == Deep && !(borders(before(tokens, at)) && borders(after(tokens, at))) {
            return Err(Fault { reason: "\"**\" must be a whole path segment", offset: offsets[at] });
        }
    }
    Ok(())
}

/// `.` and `..` are no segments, whether escaped or within braces (O21).
fn check_dots(tokens: &[Token], offsets: &[usize]) -> Result<(), Fault> {
    let is_edge = |token: &Token| matches!(token, Open | Comma | Close) || *token == BORDER;
    let mut start = 0;
    while start < tokens.len() {
        let length = tokens[start..].iter().position(is_edge).unwrap_or(tokens.len() - start);
        let piece = &tokens[start..start + length];
        let whole = length > 0
            && before(tokens, start).is_none_or(|token| *token == BORDER)
            && after(tokens, start + length - 1).is_none_or(|token| *token == BORDER);
        if whole && piece.iter().all(|token| matches!(token, Character(_))) {
            let characters = piece.iter().map(|token| if let Character(value) = token { *value } else { SLASH });
            check_segment(characters, offsets[start])?;
        }
        start += length + 1;
    }
    Ok(())
}
