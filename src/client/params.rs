//! What a method of the C ABI takes, and what it gives.

use std::future::Future;
use std::pin::Pin;

use serde_json::{Map, Value};

use crate::config::Reader;
use crate::json::{Kind, Tape};
use crate::{Error, Result, json};

/// The parameters of a client method, by name.
pub struct Params<'a> {
    /// As the caller wrote them: tool arguments are taken from here and forwarded byte for byte.
    text: &'a str,
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
    pub(crate) fn read<'m, T>(&'m self, read: impl FnOnce(&mut Reader<'m>) -> Result<T>) -> Result<T> {
        Reader::read_params(&self.members, read)
    }

    /// A parameter that is an object, byte for byte as the caller wrote it; one that is left out is an empty object.
    pub(crate) fn object_text(&self, name: &'static str) -> Result<&'a str> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok("{}"),
            Some(_) => {
                let tape = Tape::object(self.text).map_err(|error| Error::Internal(error.to_string()))?;
                let text = tape.object_text(name);
                text.ok_or_else(|| Error::invalid_argument(format!("parameter \"{name}\": expected an object")))
            }
        }
    }

    /// A parameter that must be there, as JSON and as the caller wrote it.
    pub(crate) fn required_json(&self, name: &'static str) -> Result<String> {
        let tape = Tape::object(self.text).map_err(|error| Error::Internal(error.to_string()))?;
        let value = tape.root().and_then(|root| root.member(name)).filter(|value| value.kind() != Kind::Null);
        let value = value.map(|value| value.json().to_owned());
        value.ok_or_else(|| Error::invalid_argument(format!("parameter \"{name}\" is missing")))
    }

    /// For a method that has no parameters.
    pub(super) fn none(&self) -> Result<()> {
        self.read(|_| Ok(()))
    }
}
