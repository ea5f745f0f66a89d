//! Searching with a pattern, in time that is linear in the text.

use regex_automata::hybrid::dfa::{self, DFA};
use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::pool::{Pool, PoolGuard};
use regex_automata::{Anchored, Input};

use super::super::EvaluationError;
use super::hir;
use super::parser::Pattern;
use super::start::Start;

/// How large an automaton may grow, in bytes.
const MAX_AUTOMATON_BYTES: usize = 4 << 20;

/// A pattern that is compiled. Its DFA gets a state when a text first leads to it. Where a text leads to new states
/// again and again, the NFA is run instead, which is slower but needs no more memory for that.
#[derive(Debug)]
pub(super) struct Automaton {
    start: Start,
    anchored: Anchored,
    /// None where too few states would fit into the memory that there may be.
    dfa: Option<DFA>,
    nfa: PikeVM,
    /// Taking from it never waits: what another thread has, or had when a child was forked from it, is made anew.
    scratch: Pool<Scratch>,
}

/// What one search at a time writes to, made on first need.
#[derive(Debug, Default)]
struct Scratch {
    dfa: Option<dfa::Cache>,
    nfa: Option<pikevm::Cache>,
}

impl Automaton {
    pub(super) fn compile(pattern: &Pattern) -> Result<Self, EvaluationError> {
        Self::with_dfa_of(MAX_AUTOMATON_BYTES, pattern)
    }

    fn with_dfa_of(bytes: usize, pattern: &Pattern) -> Result<Self, EvaluationError> {
        let hir = hir::pattern(pattern);
        let config = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(MAX_AUTOMATON_BYTES))
            .which_captures(WhichCaptures::None);
        let too_large = |_| EvaluationError::malformed("pattern too large");
        let nfa = NFA::compiler().configure(config).build_from_hir(&hir).map_err(too_large)?;
        // It gives up a search for which it would forget its states a fourth time, after less than ten bytes for each.
        let config = dfa::Config::new()
            .cache_capacity(bytes)
            .minimum_cache_clear_count(Some(3))
            .minimum_bytes_per_state(Some(10));
        Ok(Self {
            start: Start::of(&hir),
            anchored: if pattern.needs_unit_steps { Anchored::Yes } else { Anchored::No },
            dfa: DFA::builder().configure(config).build_from_nfa(nfa.clone()).ok(),
            nfa: PikeVM::new_from_nfa(nfa).map_err(too_large)?,
            scratch: Pool::new(Scratch::default),
        })
    }

    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        let Some(start) = self.start.first(text) else { return false };
        let input = Input::new(text).range(start..).anchored(self.anchored).earliest(true);
        let mut scratch = self.scratch.get();
        let is_match = self.search(&mut scratch, &input);
        // Dropped it would be put back as well, by a call.
        PoolGuard::put(scratch);
        is_match
    }

    fn search(&self, scratch: &mut Scratch, input: &Input<'_>) -> bool {
        if let Some(dfa) = &self.dfa {
            let cache = scratch.dfa.get_or_insert_with(|| dfa.create_cache());
            if let Ok(found) = dfa.try_search_fwd(cache, input) {
                return found.is_some();
            }
        }
        self.nfa.is_match(scratch.nfa.get_or_insert_with(|| self.nfa.create_cache()), input.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parser::parse;
    use super::*;

    /// Letters `a` and `b` of which hardly any twelve in a row come twice.
    fn mixed(length: usize) -> String {
        let mut state = 1_u64;
        let letters = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if state >> 63 == 0 { 'a' } else { 'b' }
        });
        letters.take(length).collect()
    }

    #[test]
    fn the_nfa_answers_where_the_dfa_gives_up() {
        let pattern = parse("[ab]*a[ab]{12}[cd]").unwrap();
        let small = Automaton::with_dfa_of(32 << 10, &pattern).unwrap();
        let large = Automaton::compile(&pattern).unwrap();
        for (end, expected) in [("abbbbbbbbbbbbc", true), ("bbbbbbbbbbbbbc", false), ("", false)] {
            let text = mixed(20_000) + end;
            assert_eq!(small.is_match(text.as_bytes()), expected, "{end}");
            assert!(small.scratch.get().nfa.is_some(), "the DFA answered");
            assert_eq!(large.is_match(text.as_bytes()), expected, "{end}");
            assert!(large.scratch.get().nfa.is_none(), "the DFA gave up");
        }
        assert!(small.is_match(b"abbbbbbbbbbbbd"));
    }

    #[test]
    fn the_nfa_answers_where_there_is_no_dfa() {
        let none = Automaton::with_dfa_of(0, &parse(r"\b[ab]{3}$").unwrap()).unwrap();
        assert!(none.dfa.is_none());
        assert!(none.is_match(b"c aba") && !none.is_match(b"caba") && !none.is_match(b"aba "));
    }

    #[test]
    fn threads_search_at_once() {
        let automaton = Automaton::compile(&parse("(?:a|bb)+[cd]").unwrap()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for count in 0..500 {
                        let text = "b".repeat(count);
                        assert!(!automaton.is_match(text.as_bytes()));
                        assert_eq!(automaton.is_match((text + "c").as_bytes()), count > 1);
                    }
                });
            }
        });
    }
}
