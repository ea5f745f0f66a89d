//! Policies: the engine evaluates them, and the lint says what is wrong with one before it is shipped.

pub mod lint;

pub use armoriq_engine::policy::*;
