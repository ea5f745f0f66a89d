//! Where in a text a match may start, told faster than an automaton reads the text.

use std::cmp::Reverse;

use memchr::memmem::Finder;
use regex_syntax::hir::{Hir, HirKind, Look};

/// How many literals are looked for at most.
const MAX_LITERALS: usize = 16;
/// In a text that has fewer bytes for each literal, an automaton is as fast.
const BYTES_PER_LITERAL: usize = 16;

/// What is known of the start of every match.
#[derive(Debug)]
pub(super) enum Start {
    Anywhere,
    /// No more than so many bytes before the end of the text.
    BeforeEnd(usize),
    /// No more than so many bytes before one of the literals, and anywhere before it where that is not bounded.
    BeforeLiteral(Vec<Finder<'static>>, Option<usize>),
}

impl Start {
    pub(super) fn of(pattern: &Hir) -> Self {
        let properties = pattern.properties();
        // The automaton sees at once where the text does not start like the pattern.
        if properties.look_set_prefix().contains(Look::Start) {
            return Self::Anywhere;
        }
        let ends_text = properties.look_set_suffix().contains(Look::End);
        if let Some(longest) = properties.maximum_len().filter(|_| ends_text) {
            return Self::BeforeEnd(longest);
        }
        let Some(Required { literals, before }) = required(pattern) else { return Self::Anywhere };
        Self::BeforeLiteral(literals.into_iter().map(|literal| Finder::new(literal).into_owned()).collect(), before)
    }

    /// The first place where a match may start; none where the text has no match.
    pub(super) fn first(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Anywhere => Some(0),
            Self::BeforeEnd(longest) => Some(text.len().saturating_sub(*longest)),
            Self::BeforeLiteral(finders, _) if text.len() / BYTES_PER_LITERAL < finders.len() => Some(0),
            Self::BeforeLiteral(finders, before) => {
                let first = finders.iter().filter_map(|finder| finder.find(text)).min()?;
                Some(before.map_or(0, |before| first.saturating_sub(before)))
            }
        }
    }
}

/// Literals of which every match contains one.
struct Required<'a> {
    literals: Vec<&'a [u8]>,
    /// How many bytes of a match come before the literal at most, where that is bounded.
    before: Option<usize>,
}

impl Required<'_> {
    /// The greater, the better: long literals are rare, and of those that are rare enough, the ones near the start of
    /// a match leave the automaton less to read.
    fn rank(&self) -> impl Ord {
        const RARE: usize = 3;
        let shortest = self.literals.iter().map(|literal| literal.len()).min();
        (shortest.min(Some(RARE)), self.before.is_some(), shortest, Reverse(self.literals.len()))
    }
}

/// It calls itself as deep as groups nest, which the parser bounds.
fn required(hir: &Hir) -> Option<Required<'_>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(Required { literals: vec![&literal.0], before: Some(0) }),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Concat(parts) => of_sequence(parts),
        HirKind::Alternation(parts) => of_alternatives(parts),
        _ => None,
    }
}

/// The best of what its parts require.
fn of_sequence(parts: &[Hir]) -> Option<Required<'_>> {
    let mut before = Some(0);
    let mut best: Option<Required<'_>> = None;
    for part in parts {
        if let Some(mut one) = required(part) {
            one.before = sum(before, one.before);
            if best.as_ref().is_none_or(|best| best.rank() < one.rank()) {
                best = Some(one);
            }
        }
        before = sum(before, part.properties().maximum_len());
    }
    best
}

/// What they require together, if each of them requires something.
fn of_alternatives(parts: &[Hir]) -> Option<Required<'_>> {
    let mut all = Required { literals: Vec::new(), before: Some(0) };
    for part in parts {
        let one = required(part)?;
        all.literals.extend(one.literals);
        all.before = all.before.zip(one.before).map(|(left, right)| left.max(right));
        if all.literals.len() > MAX_LITERALS {
            return None;
        }
    }
    Some(all)
}

fn sum(left: Option<usize>, right: Option<usize>) -> Option<usize> {
    left?.checked_add(right?)
}

#[cfg(test)]
mod tests {
    use super::super::{Budget, Regex, hir, parser};
    use super::*;

    fn start(pattern: &str) -> Start {
        Start::of(&hir::pattern(&parser::parse(pattern).unwrap()))
    }

    #[test]
    fn a_match_starts_near_what_it_requires() {
        let many = (0..=MAX_LITERALS).map(|n| format!("{n:02}")).collect::<Vec<_>>().join("[xy]|") + "[xy]";
        for (pattern, expected, before) in [
            ("abc", &[b"abc".as_slice()][..], Some(0)),
            ("é😀", &[b"\xC3\xA9\xED\xA0\xBD\xED\xB8\x80"], Some(0)),
            ("abc|def", &[b"abc", b"def"], Some(0)),
            (r"(?:DROP|ALTER)\s+TABLE", &[b"DROP", b"ALTER"], Some(0)),
            (r"rm\s+-rf", &[b"-rf"], None),
            ("[0-9]{2}abc", &[b"abc"], Some(2)),
            ("x?[é]?abc", &[b"abc"], Some(3)),
            (r"x(?:[0-9]abc|\b[0-9]{3}def)", &[b"abc", b"def"], Some(4)),
            ("[0-9]*abc", &[b"abc"], None),
            ("(?:[0-9]ab)+", &[b"ab"], Some(1)),
            ("[ab]*(?:c|d*)", &[], None),
            ("(?:abc)?", &[], None),
            ("[ab][cd]", &[], None),
            ("", &[], None),
            (&many, &[], None),
            ("^abc", &[], None),
        ] {
            let (finders, found_before) = match start(pattern) {
                Start::BeforeLiteral(finders, before) => (finders, before),
                Start::Anywhere => (Vec::new(), None),
                Start::BeforeEnd(_) => panic!("{pattern}"),
            };
            assert_eq!(finders.iter().map(Finder::needle).collect::<Vec<_>>(), expected, "{pattern}");
            assert_eq!(found_before, before, "{pattern}");
        }
    }

    #[test]
    fn a_match_at_the_end_starts_near_it() {
        for (pattern, expected) in [(r"\.(?:exe|sh)$", Some(4)), ("$", Some(0)), ("a$|b$", Some(1)), (r"\Ba$", None)] {
            let found = if let Start::BeforeEnd(longest) = start(pattern) { Some(longest) } else { None };
            assert_eq!(found, expected, "{pattern}");
        }
        for pattern in ["a+$", "a$|b", "(?:a$)?", "^a$"] {
            assert!(!matches!(start(pattern), Start::BeforeEnd(_)), "{pattern}");
        }
    }

    #[test]
    fn nothing_is_left_out_before_a_match() {
        for (pattern, matched) in [
            (r"\b[0-9]{2}abc", "42abc"),
            (r"(?:DROP|ALTER)\s+TABLE", "DROP \n TABLE"),
            ("[é-ü]{2}(?:abc|[0-9]de)", "öü1de"),
            ("[^x]😀y", "😀😀y"),
            (r"[ab]+\.exe$", "aabb.exe"),
            (r"\.(?:exe|sh)$", ".sh"),
            (r"a\Bbcd", "abcd"),
        ] {
            let regex = Regex::new(pattern).unwrap();
            for (before, after) in (0..100).flat_map(|before| [0, 1, 40].map(|after| (before, after))) {
                let after = if pattern.ends_with('$') { 0 } else { after };
                let text = " ".repeat(before) + matched + &" ".repeat(after);
                assert!(regex.matches(&text, &Budget::new()).unwrap(), "{pattern} in {text}");
                let other = text.replace(['b', 'D', 's', 'y', '1'], " ");
                assert!(!regex.matches(&other, &Budget::new()).unwrap(), "{pattern} in {other}");
            }
        }
    }
}
