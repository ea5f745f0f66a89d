//! Regular expressions as policies may use them: the subset that JavaScript and Python read alike, over UTF-16 code
//! units, in linear time.
//!
//! A unit is matched as bytes: a BMP character in its UTF-8 form, a surrogate in the three-byte form that UTF-8 would
//! give it. Text without characters above U+FFFF is therefore searched as it is; other text is re-encoded so that each
//! such character is two units.

mod automaton;
mod hir;
mod parser;
mod start;

use std::borrow::Cow;

use once_cell::race::OnceBox;

use super::{Budget, EvaluationError};
use automaton::Automaton;
use parser::Pattern;

/// What building an automaton costs beside searching with it, in units of text.
const BUILD_COST: usize = 256;

/// A pattern, read when it is made and compiled when it is first needed.
#[derive(Debug)]
pub struct Regex {
    pattern: Pattern,
    /// Without a lock that a child could inherit from a thread that it does not have.
    automaton: OnceBox<Result<Automaton, EvaluationError>>,
}

impl Regex {
    pub fn new(pattern: &str) -> Result<Self, EvaluationError> {
        Ok(Self { pattern: parser::parse(pattern)?, automaton: OnceBox::new() })
    }

    /// Whether the pattern matches anywhere in the text.
    pub fn matches(&self, text: &str, budget: &Budget) -> Result<bool, EvaluationError> {
        budget.spend(self.pattern.size, text.len().saturating_add(BUILD_COST))?;
        let automaton = self.automaton.get_or_init(|| Box::new(Automaton::compile(&self.pattern)));
        Ok(automaton.as_ref().map_err(Clone::clone)?.is_match(&units(text)))
    }
}

/// The text with each character above U+FFFF as two surrogates of three bytes each.
fn units(text: &str) -> Cow<'_, [u8]> {
    const FIRST_BYTE_OF_FOUR: u8 = 0xF0;
    // Without a way out in the middle, so that many bytes are looked at in one step.
    if text.bytes().fold(0, u8::max) < FIRST_BYTE_OF_FOUR {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len().saturating_mul(2));
    for char in text.chars() {
        let mut utf16 = [0; 2];
        match char.encode_utf16(&mut utf16) {
            [high, low] => {
                bytes.extend(hir::surrogate_bytes(*high));
                bytes.extend(hir::surrogate_bytes(*low));
            }
            _ => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Regex::new(pattern).unwrap().matches(text, &Budget::new()).unwrap()
    }

    #[test]
    fn a_unit_is_half_of_a_character_above_ffff() {
        assert!(matches("^..$", "😀") && !matches("^.$", "😀"));
        assert!(matches(r"^\ud83d\ude00$", "😀"));
        assert!(matches(r"^[\ud800-\udbff][\udc00-\udfff]$", "😀"));
        assert!(matches(r"\ude00x", "😀x") && !matches(r"\ude01x", "😀x"));
        // A quantifier is on the second half alone.
        assert!(!matches("^😀{2}$", "😀😀") && matches("^(?:😀){2}$", "😀😀"));
        assert!(matches(r"^[^a]{3}$", "é😀"));
    }

    #[test]
    fn assertions_hold_between_units_only() {
        // Inside the two bytes of é there would be no word boundary.
        assert!(!matches(r"\B", "aéa"));
        assert!(!matches(r"a\Bé", "aéa"));
        assert!(matches(r"\B", "éé") && matches(r"\B", "") && matches(r"\B", "😀"));
        assert!(matches(r"^\ud83d\B\ude00$", "😀"));
        assert!(matches(r"\b", "aé") && !matches(r"\b", "éé"));
    }

    #[test]
    fn every_surrogate_range_is_exact() {
        for (low, high) in [(0xD800, 0xD800), (0xD83D, 0xD83D), (0xD83D, 0xD83E), (0xD801, 0xD87F), (0xD840, 0xDBFF)] {
            let regex = Regex::new(&format!(r"^[\u{low:04x}-\u{high:04x}]")).unwrap();
            for unit in (0xD800..=0xDBFF_u32).step_by(7).chain([low - 1, low, high, high + 1]) {
                let point = 0x1_0000 + ((unit & 0x3FF) << 10);
                let text = char::from_u32(point).filter(|_| (0xD800..=0xDBFF).contains(&unit)).map(String::from);
                let Some(text) = text else { continue };
                let expected = (low..=high).contains(&unit);
                assert_eq!(regex.matches(&text, &Budget::new()).unwrap(), expected, "{unit:x} in {low:x}-{high:x}");
            }
        }
    }

    #[test]
    fn a_class_that_excludes_everything_matches_nothing() {
        assert!(!matches(r"[^\u0000-\uffff]", "a😀\n"));
        assert!(matches(r"^[\u0000-\uffff]+$", "a😀\n\u{FFFF}\u{2028}"));
    }

    #[test]
    fn says_where_a_pattern_is_not_portable() {
        for (pattern, position) in [
            ("(?=a)", 1),
            ("a**", 3),
            ("a{2", 1),
            ("(", 2),
            ("a)", 1),
            (r"\p{L}", 2),
            ("[]", 1),
            ("[[]", 2),
            (r"[\w-z]", 5),
            (r"\b+", 2),
            ("[a", 3),
        ] {
            let error = Regex::new(pattern).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("NotPortable: pattern outside the portable subset at {position}"),
                "{pattern}"
            );
        }
    }

    #[test]
    fn what_is_not_portable_comes_before_what_means_nothing() {
        assert!(matches!(Regex::new("[z-a](?=b)"), Err(EvaluationError::NotPortable(_))));
        assert!(matches!(Regex::new("[z-a]"), Err(EvaluationError::NotEvaluable(_))));
        assert!(matches!(Regex::new("a{3,1}"), Err(EvaluationError::NotEvaluable(_))));
        assert!(matches!(Regex::new("[a-"), Err(EvaluationError::NotEvaluable(_))));
    }
}
