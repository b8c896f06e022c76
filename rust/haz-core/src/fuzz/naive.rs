//! Globs by writing out all alternatives and trying everything: slow, obvious, and apart from the matcher that it judges.

/// Alternatives and characters beyond which nothing is said.
const TOO_MANY: usize = 200;

const SLASH: u32 = '/' as u32;

#[derive(Clone, PartialEq)]
enum Piece {
    Exactly(u32),
    One,
    Star,
    Deep,
    Class(bool, Vec<(u32, u32)>),
}

type Alternatives = Vec<Vec<Piece>>;

/// Whether a pattern that is known to be right matches a path; `None` where that would take too long to say.
pub fn matches(pattern: &[u8], path: &[u8]) -> Option<bool> {
    let (pattern, path) = (characters(pattern), characters(path));
    if pattern.len() > TOO_MANY || path.len() > TOO_MANY {
        return None;
    }
    let names: Vec<&[u32]> = path.split(|character| *character == SLASH).collect();
    let all = written_out(&pattern)?;
    Some(all.iter().any(|pieces| {
        let segments: Vec<&[Piece]> = pieces.split(|piece| *piece == Piece::Exactly(SLASH)).collect();
        match_segments(&segments, &names)
    }))
}

/// The pattern without braces, once for each choice of their alternatives.
fn written_out(pattern: &[u32]) -> Option<Alternatives> {
    let is = |at: usize, wanted: char| pattern.get(at) == Some(&u32::from(wanted));
    let mut done = vec![Vec::new()];
    // Within braces: what stood before them, and the alternatives so far.
    let mut outer: Option<(Alternatives, Alternatives)> = None;
    let mut at = 0;
    while at < pattern.len() {
        let mut next = at + 1;
        let piece = if is(at, '{') {
            outer = Some((std::mem::replace(&mut done, vec![Vec::new()]), Vec::new()));
            None
        } else if outer.is_some() && (is(at, ',') || is(at, '}')) {
            let (before, mut alternatives) = outer.take()?;
            alternatives.append(&mut done);
            if is(at, ',') {
                outer = Some((before, alternatives));
                done = vec![Vec::new()];
            } else {
                let joined =
                    before.iter().flat_map(|head| alternatives.iter().map(move |tail| [&head[..], tail].concat()));
                done = joined.take(TOO_MANY + 1).collect();
                if done.len() > TOO_MANY {
                    return None;
                }
            }
            None
        } else if is(at, '\\') {
            next += 1;
            Some(Piece::Exactly(pattern[at + 1]))
        } else if is(at, '*') && is(at + 1, '*') {
            next += 1;
            Some(Piece::Deep)
        } else if is(at, '*') {
            Some(Piece::Star)
        } else if is(at, '?') {
            Some(Piece::One)
        } else if is(at, '[') {
            let negated = is(at + 1, '!') || is(at + 1, '^');
            let first = at + 1 + usize::from(negated);
            let end = (first + 1..pattern.len()).find(|end| is(*end, ']'))?;
            next = end + 1;
            Some(Piece::Class(negated, ranges(&pattern[first..end])))
        } else {
            Some(Piece::Exactly(pattern[at]))
        };
        if let Some(piece) = piece {
            for pieces in &mut done {
                pieces.push(piece.clone());
            }
        }
        at = next;
    }
    Some(done)
}

/// Bytes that are not UTF-8 are characters beyond Unicode.
fn characters(bytes: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    for chunk in bytes.utf8_chunks() {
        found.extend(chunk.valid().chars().map(u32::from));
        found.extend(chunk.invalid().iter().map(|byte| 0x11_0000 + u32::from(*byte)));
    }
    found
}

fn ranges(mut listed: &[u32]) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    while let [low, rest @ ..] = listed {
        listed = rest;
        let mut high = *low;
        if let [dash, end, rest @ ..] = rest
            && *dash == u32::from('-')
        {
            (high, listed) = (*end, rest);
        }
        found.push((*low, high));
    }
    found
}

fn match_segments(segments: &[&[Piece]], names: &[&[u32]]) -> bool {
    // `reached[n]`: the segments so far match the first `n` names.
    let mut reached = vec![false; names.len() + 1];
    reached[0] = true;
    for (at, segment) in segments.iter().enumerate() {
        let before = reached.clone();
        if **segment == [Piece::Deep] {
            // At the end it stands for something, elsewhere also for nothing.
            let least = usize::from(at + 1 == segments.len());
            for count in 0..reached.len() {
                reached[count] = count >= least && before[..=count - least].contains(&true);
            }
        } else {
            reached[0] = false;
            for count in 1..reached.len() {
                reached[count] = before[count - 1] && match_characters(segment, names[count - 1]);
            }
        }
    }
    reached[names.len()]
}

fn match_characters(pieces: &[Piece], text: &[u32]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for piece in pieces {
        let before = reached.clone();
        for count in 0..reached.len() {
            let taken = |accepts: &dyn Fn(u32) -> bool| count > 0 && before[count - 1] && accepts(text[count - 1]);
            reached[count] = match piece {
                Piece::Exactly(wanted) => taken(&|one| one == *wanted),
                Piece::One => taken(&|_| true),
                Piece::Class(negated, ranges) => {
                    taken(&|one| ranges.iter().any(|(low, high)| (*low..=*high).contains(&one)) != *negated)
                }
                Piece::Star => before[..=count].contains(&true),
                Piece::Deep => false,
            };
        }
    }
    reached[text.len()]
}
