//! Regular expressions as policies may use them: the subset that JavaScript and Python read alike, over UTF-16 code
//! units, in linear time.
//!
//! A unit is matched as bytes: a BMP character in its UTF-8 form, a surrogate in the three-byte form that UTF-8 would
//! give it. Text without characters above U+FFFF is therefore searched as it is; other text is re-encoded so that each
//! such character is two units.

mod hir;
mod parser;

use std::borrow::Cow;
use std::sync::OnceLock;

use regex_automata::meta::{Config, Regex as Automaton};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::{Budget, EvaluationError};
use parser::Pattern;

/// How large an automaton may grow, in bytes.
const MAX_AUTOMATON_BYTES: usize = 4 << 20;
/// What building an automaton costs beside searching with it, in units of text.
const BUILD_COST: usize = 256;

/// A pattern, read when it is made and compiled when it is first needed.
#[derive(Debug)]
pub(crate) struct Regex {
    pattern: Pattern,
    automaton: OnceLock<Result<Automaton, EvaluationError>>,
}

impl Regex {
    pub(crate) fn new(pattern: &str) -> Result<Self, EvaluationError> {
        Ok(Self { pattern: parser::parse(pattern)?, automaton: OnceLock::new() })
    }

    /// Whether the pattern matches anywhere in the text.
    pub(crate) fn matches(&self, text: &str, budget: &Budget) -> Result<bool, EvaluationError> {
        budget.spend(self.pattern.size, text.len().saturating_add(BUILD_COST))?;
        let automaton = self.automaton.get_or_init(|| compile(&self.pattern)).as_ref().map_err(Clone::clone)?;
        let text = units(text);
        let anchored = if self.pattern.needs_unit_steps { Anchored::Yes } else { Anchored::No };
        Ok(automaton.is_match(Input::new(&*text).anchored(anchored)))
    }
}

fn compile(pattern: &Pattern) -> Result<Automaton, EvaluationError> {
    let config = Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(MAX_AUTOMATON_BYTES))
        .onepass_size_limit(Some(MAX_AUTOMATON_BYTES))
        .hybrid_cache_capacity(MAX_AUTOMATON_BYTES);
    let hir = if pattern.needs_unit_steps { hir::at_any_unit(pattern.hir.clone()) } else { pattern.hir.clone() };
    Automaton::builder()
        .configure(config)
        .syntax(syntax::Config::new().utf8(false))
        .build_from_hir(&hir)
        .map_err(|error| EvaluationError::NotEvaluable(format!("pattern too large: {error}")))
}

/// The text with each character above U+FFFF as two surrogates of three bytes each.
fn units(text: &str) -> Cow<'_, [u8]> {
    const FIRST_BYTE_OF_FOUR: u8 = 0xF0;
    if text.bytes().all(|byte| byte < FIRST_BYTE_OF_FOUR) {
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
