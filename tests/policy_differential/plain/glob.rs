//! Globs over UTF-16 units: every way to split the text is tried, and what was tried is remembered.

use super::units;

pub fn matches(pattern: &str, text: &str) -> bool {
    matches_units(&units(pattern), &units(text))
}

pub fn matches_units(pattern: &[u16], text: &[u16]) -> bool {
    let mut known = vec![None; (pattern.len() + 1) * (text.len() + 1)];
    match_rest(pattern, text, text.len() + 1, &mut known)
}

const STAR: u16 = b'*' as u16;
const QUESTION_MARK: u16 = b'?' as u16;
const SLASH: u16 = b'/' as u16;

/// `known` has what was found out about each rest of the pattern with each rest of the text; `width` is how many rests
/// the text has.
fn match_rest(pattern: &[u16], text: &[u16], width: usize, known: &mut [Option<bool>]) -> bool {
    let place = pattern.len() * width + text.len();
    if let Some(known) = known[place] {
        return known;
    }
    let matches = match pattern {
        [] => text.is_empty(),
        [STAR, STAR, rest @ ..] => {
            match_rest(rest, text, width, known)
                || text.first().is_some_and(|unit| !matches!(unit, 0x0A | 0x0D | 0x2028 | 0x2029))
                    && match_rest(pattern, &text[1..], width, known)
        }
        [STAR, rest @ ..] => {
            match_rest(rest, text, width, known)
                || text.first().is_some_and(|unit| *unit != SLASH) && match_rest(pattern, &text[1..], width, known)
        }
        [QUESTION_MARK, rest @ ..] => {
            text.first().is_some_and(|unit| *unit != SLASH) && match_rest(rest, &text[1..], width, known)
        }
        [literal, rest @ ..] => text.first() == Some(literal) && match_rest(rest, &text[1..], width, known),
    };
    known[place] = Some(matches);
    matches
}
