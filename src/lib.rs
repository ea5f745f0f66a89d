//! ArmorIQ for every language: an agent declares a plan of tool calls, gets a signed intent token for it, and asks
//! before each call whether policy allows it. The C ABI is in `ffi`; everything else is safe Rust.

pub mod config;
pub mod error;
pub mod json;
pub mod plan;
pub mod policy;
pub mod token;

pub use error::{Error, Result};

/// The library's version, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
