//! What decides about a tool call: strict JSON and the policy evaluator. Pure: no network, no clock, no global state.
//!
//! A crate of its own because a check waits for it: it is compiled for speed, and the rest of the library for size.

pub mod json;
pub mod policy;
