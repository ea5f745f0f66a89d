//! What decides about a tool call: strict JSON, the policy evaluator, and what a decision is. Pure: no network and no clock;
//! of the surroundings only the time zone counts, where a policy names a time without one.
//!
//! A crate of its own because a check waits for it: it is compiled for speed, and the rest of the library for size.

pub mod decision;
pub mod json;
pub mod policy;
