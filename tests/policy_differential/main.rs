//! The policy engine against a plain evaluator that is written from the text of the language alone.

mod cases;
mod differential;
mod plain;
mod random;
mod vectors;
