//! The policy engine against a plain evaluator that is written from the text of the language alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod cases;
mod differential;
mod outlook;
mod plain;
mod random;
mod vectors;
