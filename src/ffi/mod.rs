//! The C ABI. Functions here are thin: they convert what the caller gave, call one Rust method through the guard, and
//! convert its outcome back. All of the crate's `unsafe` is here.

#![allow(unsafe_code, non_camel_case_types)]

mod cancellation;
mod completions;
#[cfg(test)]
mod completions_tests;
mod forks;
mod guard;
mod handles;
mod methods;
#[cfg(feature = "panic_probe")]
mod panic_probe;
mod readiness;
mod text;

pub mod client;
pub mod delegation;
pub mod directory;
pub mod inventory;
pub mod invocation;
pub mod library;
pub mod policy;
pub mod queue;
pub mod session;
pub mod status;
pub mod submit;
pub mod tokens;
pub mod trust;
pub mod usage;
pub mod user;
