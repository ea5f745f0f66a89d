use super::{Budget, EvaluationError};

/// A whole-string pattern over UTF-16 units: `**` is any run without a line terminator, `*` any run without `/`, `?`
/// one unit that is not `/`; everything else stands for itself.
#[derive(Debug, Clone)]
pub struct Glob {
    /// The literal text before the first wildcard and after the last one.
    prefix: Box<str>,
    suffix: Box<str>,
    /// From the first wildcard to the last one; empty for a pattern without any.
    middle: Vec<Token>,
    /// The pattern's own length in UTF-16 units.
    length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Unit(u16),
    AnyUnit,
    Run,
    DeepRun,
}

/// Whether a tool key is a pattern rather than a name.
pub fn is_glob(key: &str) -> bool {
    key.contains(['*', '?'])
}

/// The length in UTF-16 code units.
pub fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

pub(super) fn is_line_terminator(unit: u16) -> bool {
    matches!(unit, 0x0A | 0x0D | 0x2028 | 0x2029)
}

const SLASH: u16 = b'/' as u16;

impl Glob {
    pub fn new(pattern: &str) -> Self {
        let (prefix, rest) = pattern.split_at(pattern.find(['*', '?']).unwrap_or(pattern.len()));
        let (middle, suffix) = rest.split_at(rest.rfind(['*', '?']).map_or(0, |last| last.saturating_add(1)));
        Self { prefix: prefix.into(), suffix: suffix.into(), middle: tokens(middle), length: utf16_len(pattern) }
    }

    pub(crate) fn utf16_len(&self) -> usize {
        self.length
    }

    /// The text that everything begins with that the pattern matches.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The text that everything ends with that the pattern matches.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }

    /// The one text that the pattern matches, where it has no wildcards.
    pub fn literal(&self) -> Option<&str> {
        self.middle.is_empty().then_some(&*self.prefix)
    }

    /// A text that the pattern matches.
    pub(super) fn example(&self) -> String {
        let middle = self.middle.iter().filter_map(|token| match token {
            Token::Unit(unit) => Some(*unit),
            Token::AnyUnit => Some(u16::from(b'a')),
            Token::Run | Token::DeepRun => None,
        });
        let middle = String::from_utf16_lossy(&middle.collect::<Vec<_>>());
        [&*self.prefix, &middle, &*self.suffix].concat()
    }

    /// Whether matching spends nothing, however long the text is.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.middle.as_slice(), [] | [Token::Run] | [Token::DeepRun])
    }

    /// The most that matching the text can spend.
    pub(super) fn cost(&self, text: &str) -> usize {
        if self.is_free() { 0 } else { self.middle.len().saturating_mul(text.len()) }
    }

    pub fn matches(&self, text: &str, budget: &Budget) -> Result<bool, EvaluationError> {
        let rest = text.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_suffix(&*self.suffix));
        let Some(rest) = rest else { return Ok(false) };
        match self.middle.as_slice() {
            [] => Ok(rest.is_empty()),
            [Token::Run] => Ok(!rest.contains('/')),
            [Token::DeepRun] => Ok(!rest.contains(['\n', '\r', '\u{2028}', '\u{2029}'])),
            tokens => {
                budget.spend(tokens.len(), rest.len())?;
                Ok(matches_units(tokens, rest))
            }
        }
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut units = pattern.encode_utf16().peekable();
    while let Some(unit) = units.next() {
        tokens.push(match u8::try_from(unit) {
            Ok(b'*') if units.next_if_eq(&u16::from(b'*')).is_some() => Token::DeepRun,
            Ok(b'*') => Token::Run,
            Ok(b'?') => Token::AnyUnit,
            _ => Token::Unit(unit),
        });
    }
    tokens
}

/// Runs all ways to match side by side: two kinds of run exclude different units, so going back to the last run only
/// would miss matches, and going back to every one would be exponential.
fn matches_units(tokens: &[Token], text: &str) -> bool {
    // Whether the first `i` tokens can match what has been read, at place `i`.
    let mut reached = Vec::with_capacity(tokens.len().saturating_add(1));
    let mut is_reached = true;
    reached.push(true);
    for token in tokens {
        is_reached = is_reached && matches!(token, Token::Run | Token::DeepRun);
        reached.push(is_reached);
    }
    for unit in text.encode_utf16() {
        let mut places = reached.iter_mut();
        let (mut before, mut now) = (false, false);
        if let Some(start) = places.next() {
            before = std::mem::replace(start, false);
        }
        for (token, place) in tokens.iter().zip(places) {
            let was = *place;
            now = match token {
                Token::Unit(expected) => before && unit == *expected,
                Token::AnyUnit => before && unit != SLASH,
                Token::Run => now || (was && unit != SLASH),
                Token::DeepRun => now || (was && !is_line_terminator(unit)),
            };
            *place = now;
            before = was;
        }
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).matches(text, &Budget::new()).unwrap()
    }

    #[test]
    fn wildcards_differ_in_what_they_leave_out() {
        assert!(matches("a*c", "a\nc") && !matches("a*c", "a/c"));
        assert!(matches("a**c", "a/c") && !matches("a**c", "a\nc"));
        assert!(matches("a***c", "a/b\nc") && !matches("a***c", "a\nb/c"));
        assert!(matches("?", "é") && !matches("?", "/") && !matches("?", ""));
    }

    #[test]
    fn literal_ends_do_not_overlap() {
        assert!(!matches("ab*ba", "aba") && matches("ab*ba", "abba"));
        assert!(matches("abc", "abc") && !matches("abc", "abcd") && !matches("abc", "ab"));
    }

    #[test]
    fn a_character_above_ffff_is_two_units() {
        assert!(matches("??", "😀") && !matches("?", "😀"));
        assert_eq!(Glob::new("😀*").utf16_len(), 3);
    }

    #[test]
    fn goes_back_to_the_right_wildcard() {
        // The last `*` cannot pass the slash, so an earlier `**` has to take more.
        assert!(matches("**a*b", "xa/yab") && !matches("**a*b", "xa/yb"));
    }
}
