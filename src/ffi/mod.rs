//! The C ABI. Functions here are thin: they convert what the caller gave, call one Rust method through the guard, and
//! convert its outcome back. All of the crate's `unsafe` is here.

#![allow(unsafe_code, non_camel_case_types)]

mod guard;
mod handles;
mod text;

pub mod client;
pub mod delegation;
pub mod directory;
pub mod inventory;
pub mod invocation;
pub mod library;
pub mod policy;
pub mod session;
pub mod status;
pub mod tokens;
pub mod trust;
pub mod usage;
pub mod user;
