//! The recorded scenarios, as the files in `tests/wire` hold them.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

#[derive(Deserialize)]
pub struct Scenario {
    pub env: BTreeMap<String, String>,
    pub client: Map<String, Value>,
    pub steps: Vec<Step>,
}

/// One call of the SDK: what it was given, what it gave, and what it said to the services meanwhile.
#[derive(Deserialize)]
pub struct Step {
    pub op: String,
    pub args: Value,
    /// Present, though it may be null, when the call succeeded.
    #[serde(default, deserialize_with = "present")]
    pub result: Option<Value>,
    pub error: Option<Failure>,
    pub exchanges: Vec<Exchange>,
    /// Under which name later steps use the result.
    pub save_as: Option<String>,
    /// Waits in seconds between the attempts, in order.
    #[serde(default)]
    pub delays_s: Vec<f64>,
}

#[derive(Deserialize, Clone)]
pub struct Failure {
    pub exception: String,
    pub message: String,
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

#[derive(Deserialize, Clone)]
pub struct Exchange {
    pub request: Request,
    pub response: Response,
}

#[derive(Deserialize, Clone)]
pub struct Request {
    pub host: Host,
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: BTreeMap<String, String>,
    pub body: Option<RequestBody>,
}

#[derive(Deserialize, Clone)]
pub struct RequestBody {
    pub json: Value,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Host {
    Backend,
    Proxy,
    Iap,
}

/// A canned answer. With `drop` the connection is closed once the request has been read.
#[derive(Deserialize, Clone, Default)]
pub struct Response {
    pub status: Option<u16>,
    #[serde(default, deserialize_with = "present")]
    pub json: Option<Value>,
    pub text: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub drop: bool,
}

impl Scenario {
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(name).with_extension("json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// Tells a member that is null from one that is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
