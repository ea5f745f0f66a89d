//! ArmorIQ for every language: an agent declares a plan of tool calls, gets a signed intent token for it, and asks
//! before each call whether policy allows it. The C ABI is in `ffi`; everything else is safe Rust.

#[cfg(not(panic = "unwind"))]
compile_error!("the library must be built with panic = \"unwind\", or the guard at the C boundary catches nothing");

mod client;
mod clock;
pub mod config;
pub mod error;
mod ffi;
mod fork;
mod log;
mod panics;
pub mod plan;
pub mod policy;
#[cfg(test)]
#[path = "../tests/support/random.rs"]
mod random;
mod session;
/// The server of the transport's tests; not every test here uses all of it.
#[cfg(test)]
#[allow(dead_code)]
#[path = "../tests/transport/server.rs"]
mod test_server;
pub mod token;
pub mod tool_definition;
pub mod tool_schema;
pub mod transport;

/// What the fuzz targets reach of the library's insides. It is not part of the library that ships.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::client::fuzzing::{Head, events};
    pub use crate::session::answer::{Answer, Decider, read as read_decision};
}
pub use armoriq_engine::{decision, json};
pub use error::{Error, Result};

/// The library's version, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
