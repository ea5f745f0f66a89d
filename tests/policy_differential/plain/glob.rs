//! Globs over UTF-16 units: every way to split the text is tried, and what was tried is remembered.

use std::collections::HashMap;

use super::units;

pub fn matches(pattern: &str, text: &str) -> bool {
    matches_units(&units(pattern), &units(text))
}

pub fn matches_units(pattern: &[u16], text: &[u16]) -> bool {
    match_rest(pattern, text, &mut HashMap::new())
}

const STAR: u16 = b'*' as u16;
const QUESTION_MARK: u16 = b'?' as u16;
const SLASH: u16 = b'/' as u16;

fn match_rest(pattern: &[u16], text: &[u16], known: &mut HashMap<(usize, usize), bool>) -> bool {
    let place = (pattern.len(), text.len());
    if let Some(&known) = known.get(&place) {
        return known;
    }
    let matches = match pattern {
        [] => text.is_empty(),
        [STAR, STAR, rest @ ..] => {
            match_rest(rest, text, known)
                || text.first().is_some_and(|unit| !matches!(unit, 0x0A | 0x0D | 0x2028 | 0x2029))
                    && match_rest(pattern, &text[1..], known)
        }
        [STAR, rest @ ..] => {
            match_rest(rest, text, known)
                || text.first().is_some_and(|unit| *unit != SLASH) && match_rest(pattern, &text[1..], known)
        }
        [QUESTION_MARK, rest @ ..] => {
            text.first().is_some_and(|unit| *unit != SLASH) && match_rest(rest, &text[1..], known)
        }
        [literal, rest @ ..] => text.first() == Some(literal) && match_rest(rest, &text[1..], known),
    };
    known.insert(place, matches);
    matches
}
