//! The credential for an MCP server, as a client sends it to the proxy in `X-Armoriq-MCP-Auth`.

use std::collections::HashMap;

use armoriq::json::{parse_bytes, sha256_hex};
use axum::http::{HeaderName, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Headers that belong to HTTP or to MCP, and that no credential may take the place of.
const RESERVED: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "last-event-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// What the MCP server gets of a credential. The text that the client sent goes nowhere.
#[derive(Clone, Default)]
pub struct Credential {
    pub headers: HashMap<HeaderName, HeaderValue>,
    /// Tells credentials from one another; empty for none.
    pub digest: String,
}

impl Credential {
    /// Reads base64 of `{"authType": …}`. The errors say what is missing, and nothing that was there.
    pub fn read(encoded: &str) -> Result<Self, &'static str> {
        let json = STANDARD.decode(encoded).map_err(|_| "is not base64")?;
        let credential = parse_bytes(&json).map_err(|_| "is not base64 of JSON")?;
        let text = |name: &str| credential[name].as_str().filter(|text| !text.is_empty());
        let sent = match text("authType").ok_or("has no authType")? {
            "none" => return Ok(Self::default()),
            "bearer" => {
                let token = text("token").ok_or("has no token, which bearer needs")?;
                (header::AUTHORIZATION, format!("Bearer {token}"))
            }
            "api_key" => {
                let key = text("apiKey").ok_or("has no apiKey, which api_key needs")?;
                (header_name(&credential["headerName"])?, key.to_owned())
            }
            "basic" => {
                let user = text("username").ok_or("has no username, which basic needs")?;
                let password = credential["password"].as_str().ok_or("has no password, which basic needs")?;
                (header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            _ => return Err("has an unknown authType: it must be bearer, api_key, basic or none"),
        };
        let (name, value) = sent;
        let mut value = HeaderValue::try_from(value).map_err(|_| "has characters that no header may have")?;
        value.set_sensitive(true);
        let digest = sha256_hex([name.as_str().as_bytes(), b":", value.as_bytes()].concat());
        Ok(Self { headers: HashMap::from([(name, value)]), digest })
    }
}

fn header_name(name: &Value) -> Result<HeaderName, &'static str> {
    let name = match name {
        Value::Null => "x-api-key",
        Value::String(name) => name,
        _ => return Err("has a headerName that is no string"),
    };
    let name = HeaderName::try_from(name).map_err(|_| "has a headerName that is not the name of a header")?;
    match RESERVED.contains(&name.as_str()) || name.as_str().starts_with("mcp-") {
        true => Err("has a headerName that HTTP or MCP uses itself"),
        false => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(credential: Value) -> Result<(String, String), &'static str> {
        let credential = Credential::read(&STANDARD.encode(credential.to_string()))?;
        let (name, value) = credential.headers.iter().next().unwrap();
        assert!(value.is_sensitive());
        Ok((name.to_string(), value.to_str().map(str::to_owned).unwrap_or_default()))
    }

    fn header(name: &str, value: &str) -> Result<(String, String), &'static str> {
        Ok((name.into(), value.into()))
    }

    #[test]
    fn becomes_the_header_that_the_server_expects() {
        assert_eq!(read(json!({ "authType": "bearer", "token": "t" })), header("authorization", "Bearer t"));
        assert_eq!(read(json!({ "authType": "api_key", "apiKey": "k" })), header("x-api-key", "k"));
        let named = json!({ "authType": "api_key", "apiKey": "k", "headerName": "X-K" });
        assert_eq!(read(named), header("x-k", "k"));
        // RFC 7617's own example.
        let basic = json!({ "authType": "basic", "username": "Aladdin", "password": "open sesame" });
        assert_eq!(read(basic), header("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        let none = Credential::read(&STANDARD.encode(r#"{"authType":"none"}"#)).unwrap();
        assert!(none.headers.is_empty() && none.digest.is_empty());
        // As the official SDK writes `tök`.
        let sdk = Credential::read("eyJhdXRoVHlwZSI6ImJlYXJlciIsInRva2VuIjoidFx1MDBmNmsifQ==").unwrap();
        assert_eq!(sdk.headers[&header::AUTHORIZATION].as_bytes(), "Bearer tök".as_bytes());
    }

    #[test]
    fn says_what_is_wrong_and_nothing_else() {
        assert_eq!(Credential::read("!").err(), Some("is not base64"));
        assert_eq!(Credential::read(&STANDARD.encode("secret")).err(), Some("is not base64 of JSON"));
        assert_eq!(read(json!([])), Err("has no authType"));
        assert_eq!(read(json!({ "authType": "bearer", "token": "" })), Err("has no token, which bearer needs"));
        assert_eq!(
            read(json!({ "authType": "bearer", "token": "a\nb" })),
            Err("has characters that no header may have")
        );
        assert!(read(json!({ "authType": "digest" })).unwrap_err().starts_with("has an unknown authType"));
        for name in ["Host", "Mcp-Session-Id", "Content-Length"] {
            let credential = json!({ "authType": "api_key", "apiKey": "k", "headerName": name });
            assert_eq!(read(credential), Err("has a headerName that HTTP or MCP uses itself"));
        }
    }
}
