//! What the fuzz targets reach of the client's insides.

use super::{Invocation, invocation_answer, sse};
use crate::Result;
use crate::json::{Value, json};
use crate::token::IntentToken;
use crate::transport::{HeaderMap, Response};
use hyper::header::HeaderValue;

/// The data of each event of a stream.
pub fn events(stream: &[u8]) -> Vec<Vec<u8>> {
    sse::events(stream).collect()
}

/// The head of the proxy's answer to a tool call.
pub struct Head {
    status: u16,
    headers: HeaderMap,
}

impl Head {
    pub fn new(status: u16, content_type: &'static str, says_revoked: bool) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(content_type));
        if says_revoked {
            headers.insert("x-armoriq-revoked", HeaderValue::from_static("true"));
        }
        Self { status, headers }
    }

    /// What the answer means with this body.
    ///
    /// # Errors
    /// Why there is no result of the tool.
    pub fn read(&self, body: &[u8]) -> Result<Value> {
        let token = IntentToken::from_json(&json!({
            "token_id": "t", "plan_hash": "h", "signature": "00", "issued_at": 0, "expires_at": 0, "raw_token": {},
        }))?;
        let invocation = Invocation { mcp: "mcp", action: "action", token: &token, arguments: "{}", user_email: None };
        let response = Response::new(self.status, self.headers.clone(), body.to_vec());
        invocation_answer::read(&invocation, "http://proxy", &response)
    }

    /// How much of the body is waited for, where it comes in pieces of these lengths and then the rest.
    pub fn read_until(&self, body: &[u8], pieces: &[u8]) -> usize {
        let Some(mut is_enough) = invocation_answer::ends_in_events(&self.headers) else { return body.len() };
        let mut end = 0;
        for piece in pieces {
            end = body.len().min(end + usize::from(*piece));
            if is_enough(body.get(..end).unwrap_or(body)) {
                return end;
            }
        }
        body.len()
    }
}
