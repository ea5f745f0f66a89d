//! The policy language `armor.policy.v2`: documents are compiled once and evaluated many times.
//!
//! Evaluation is pure. It does no I/O and has no clock: the time of a call is part of the call. Whatever cannot be
//! decided is an [`EvaluationError`], and an error means that the call must be refused.
//!
//! The one thing taken from the surroundings is the machine's time zone, which gives a time without a zone its meaning.

mod budget;
mod bundle;
pub mod call;
pub mod condition;
pub mod document;
mod error;
mod evaluate;
mod explain;
pub mod glob;
pub mod local;
mod observer;
mod outlook;
#[cfg(test)]
#[path = "../../../tests/support/random.rs"]
mod random;
pub mod regex;
mod scope;
pub mod time;
pub mod verdict;
mod zone;

pub use budget::Budget;
// Tables of a policy. Whoever asks cannot choose what is in them, only what is looked up, so that a hash that is fast is
// safe enough.
use foldhash::{HashMap, HashSet};

pub use bundle::{Agent, Bundle, BundleError};
pub use call::{Arguments, Call, Member, Node, Segment, Timestamp};
pub use document::Document;
pub use error::EvaluationError;
pub use evaluate::{Bound, Evaluation, Obligation, Provenance, Rule, evaluate, evaluate_json};
pub use explain::explain_json;
pub use outlook::{Outlook, Outlooks};
pub use verdict::{Layer, Verdict};
