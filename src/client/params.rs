//! What a method of the C ABI takes, and what it gives.

use std::future::Future;
use std::pin::Pin;

use serde_json::{Map, Value};

use crate::config::Reader;
use crate::{Error, Result, json};

/// The parameters of a client method, by name.
pub struct Params<'a> {
    /// As the caller wrote them: tool arguments are taken from here and forwarded byte for byte.
    pub(super) text: &'a str,
    members: Map<String, Value>,
}

/// A client method that runs. Its result is the JSON value that the caller gets.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Value>> + Send + 'a>>;

impl<'a> Params<'a> {
    pub fn from_json(text: &'a str) -> Result<Self> {
        let members = json::parse_object(text).map_err(|error| Error::invalid_argument(format!("params: {error}")))?;
        Ok(Self { text, members })
    }

    /// Reads the parameters. One that `read` does not ask for is refused by name.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<T> {
        Reader::read_params(&self.members, read)
    }

    /// For a method that has no parameters.
    pub(super) fn none(&self) -> Result<()> {
        self.read(|_| Ok(()))
    }
}
