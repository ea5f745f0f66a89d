//! What an agent may ever do with a tool: the verdicts that calls of it can get, over all arguments that there are.
//!
//! The answer is a proof. Conditions are not asked about arguments but about classes of values that cover everything
//! an argument can be (`values`), and every way through the rules is followed (`explore`). So the verdicts that are
//! found contain every one that a call can get. That some call is held is only said where such a call was found.
//! Rules that ask about each argument once, as most do, are proven about in one walk instead (`independent`).

mod explore;
mod independent;
mod questions;
mod rules;
mod values;

use std::borrow::Cow;

use super::bundle::{Agent, Governance, Policy};
use super::document::{Document, Expiry, Statement};
use super::local::member;
use super::scope::Scope;
use super::{Bundle, EvaluationError, Verdict};
use explore::Explorer;
use independent::IndependentRules;
use rules::Rules;

/// What calls of a tool can come to, whatever their arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outlook<'a> {
    /// Every call is allowed.
    Always,
    /// No call is allowed, but some are held.
    Hold,
    /// No call is allowed or held.
    Never,
    /// Neither is proven. These arguments decide, as paths without the leading `args`, sorted; none of them where it is
    /// the tool's server that decides.
    Depends(Vec<Cow<'a, str>>),
}

impl Outlook<'_> {
    /// What calls of either of two tools can come to.
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Depends(mut paths), Self::Depends(others)) => {
                paths.extend(others);
                paths.sort_unstable();
                paths.dedup();
                Self::Depends(paths)
            }
            (one, other) if one == other => one,
            (Self::Depends(paths), _) | (_, Self::Depends(paths)) => Self::Depends(paths),
            (Self::Hold, Self::Never) | (Self::Never, Self::Hold) => Self::Hold,
            _ => Self::Depends(Vec::new()),
        }
    }
}

/// The verdicts that calls can get, and the arguments that they hang on.
#[derive(Debug, Clone, Default)]
struct Verdicts<'a> {
    met: VerdictSet,
    /// Whether a call was found that is held.
    is_hold_certain: bool,
    /// Sorted, each once.
    paths: Vec<Cow<'a, str>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct VerdictSet {
    allow: bool,
    hold: bool,
    block: bool,
}

impl VerdictSet {
    fn of(verdict: Verdict) -> Self {
        Self { allow: verdict == Verdict::Allow, hold: verdict == Verdict::Hold, block: verdict == Verdict::Block }
    }

    fn join(&mut self, other: Self) {
        self.allow |= other.allow;
        self.hold |= other.hold;
        self.block |= other.block;
    }

    fn is_several(self) -> bool {
        [self.allow, self.hold, self.block].into_iter().filter(|is_in| *is_in).count() > 1
    }
}

impl<'a> Verdicts<'a> {
    fn only(verdict: Verdict) -> Self {
        Self { met: VerdictSet::of(verdict), is_hold_certain: verdict == Verdict::Hold, paths: Vec::new() }
    }

    /// Nothing is proven.
    fn unknown() -> Self {
        Self { met: VerdictSet { allow: true, hold: true, block: true }, ..Self::default() }
    }

    /// Adds the verdicts that other calls can get.
    fn join(&mut self, other: Self) {
        self.met.join(other.met);
        self.is_hold_certain |= other.is_hold_certain;
        self.paths.extend(other.paths);
        self.paths.sort_unstable();
        self.paths.dedup();
    }
}

impl<'a> From<Verdicts<'a>> for Outlook<'a> {
    fn from(verdicts: Verdicts<'a>) -> Self {
        match verdicts.met {
            VerdictSet { allow: true, hold: false, block: false } => Self::Always,
            VerdictSet { allow: false, hold: false, .. } => Self::Never,
            VerdictSet { allow: false, .. } if verdicts.is_hold_certain => Self::Hold,
            _ => Self::Depends(verdicts.paths),
        }
    }
}

/// The outlook of an agent's tools, for one person and one time: a rule that expires later is still counted.
#[derive(Debug)]
pub struct Outlooks<'a> {
    ground: Ground<'a>,
    /// How often a rule or a condition may still be looked at, for all tools together. A tool beyond that `Depends`.
    steps: usize,
    independent: IndependentRules<'a>,
}

const STEPS: usize = 1 << 22;

/// What decides about every tool alike.
#[derive(Debug)]
enum Ground<'a> {
    /// One verdict for every call.
    Fixed(Verdict),
    Rules {
        policy: &'a Policy,
        layers: Vec<Layer<'a>>,
    },
}

/// Statements that are asked together. Where they say nothing, the next layer is asked.
#[derive(Debug, Clone, Copy)]
struct Layer<'a> {
    document: &'a Document,
    scope: &'a Scope,
    /// Milliseconds since 1970.
    now: i64,
}

impl<'a> Layer<'a> {
    /// The statement at a place in the document, `None` where it has expired.
    fn statement(&self, index: usize) -> Option<&'a Statement> {
        self.document.statement(index).filter(|statement| statement.expiry.is_live(Some(self.now)))
    }
}

impl<'a> Outlooks<'a> {
    /// `None` where the bundle does not know the agent.
    ///
    /// `user_email` is the person that the agent acts for, `now` milliseconds since 1970, `ungoverned` the verdict on
    /// the calls of an agent without a policy.
    pub fn new(
        bundle: &'a Bundle,
        agent_id: &str,
        user_email: Option<&str>,
        now: i64,
        ungoverned: Verdict,
    ) -> Option<Self> {
        let ground = Ground::of(bundle.agent(agent_id)?, user_email, now, ungoverned);
        Some(Self { ground, steps: STEPS, independent: IndependentRules::default() })
    }

    /// The outlook of a tool, by its name without its server.
    ///
    /// Where the server is not known, a call may turn out to be for any server that has the tool, and the answer is
    /// about all of them.
    pub fn of(&mut self, tool: &str, server: Option<&str>) -> Outlook<'a> {
        if let Ground::Fixed(verdict) = self.ground {
            return Verdicts::only(verdict).into();
        }
        self.walked(tool, server).unwrap_or_else(|| self.explored(tool, server)).into()
    }

    /// The short way, for rules that allow it.
    fn walked(&mut self, tool: &str, server: Option<&str>) -> Option<Verdicts<'a>> {
        let Ground::Rules { policy, layers } = &self.ground else { return None };
        self.independent.read(policy, layers, tool, server)?;
        self.steps = self.steps.checked_sub(self.independent.work())?;
        self.independent.verdicts()
    }

    /// The long way, for all rules.
    fn explored(&mut self, tool: &str, server: Option<&str>) -> Verdicts<'a> {
        let Ground::Rules { policy, layers } = &self.ground else { return Verdicts::unknown() };
        let mut verdicts = Verdicts::default();
        for server in policy.possible_servers(tool, server) {
            let rules = if self.steps == 0 { None } else { Rules::of(policy, layers, tool, server).ok() };
            verdicts.join(rules.map_or_else(Verdicts::unknown, |rules| {
                self.steps = self.steps.saturating_sub(rules.work());
                Explorer::new(&rules, &mut self.steps).explore()
            }));
        }
        verdicts
    }
}

impl<'a> Ground<'a> {
    fn of(agent: &'a Agent, user_email: Option<&str>, now: i64, ungoverned: Verdict) -> Self {
        match agent.governance() {
            Governance::Ungoverned { is_inactive: false } => Self::Fixed(ungoverned),
            Governance::Ungoverned { is_inactive: true } | Governance::Unreadable(_) => Self::Fixed(Verdict::Block),
            // What cannot be evaluated is refused.
            Governance::Governed(policy) => Self::by(policy, user_email, now).unwrap_or(Self::Fixed(Verdict::Block)),
        }
    }

    fn by(policy: &'a Policy, user_email: Option<&str>, now: i64) -> Result<Self, EvaluationError> {
        let document = &policy.document;
        let person = user_email.filter(|email| !email.is_empty()).map(|email| member(policy, email)).transpose()?;
        if let Expiry::Unsupported(error) = document.expiry() {
            return Err(error.clone());
        }
        if !document.expiry().is_live(Some(now)) {
            return Ok(Self::Fixed(document.default_verdict()));
        }
        if let Some(error) = document.expiry_error() {
            return Err(error.clone());
        }
        let persons_own = person.and_then(|person| document.members().of(&person, document, Some(now)));
        let scopes = persons_own.into_iter().map(|(scope, _)| scope).chain([document.own()]);
        Ok(Self::Rules { policy, layers: scopes.map(|scope| Layer { document, scope, now }).collect() })
    }
}
