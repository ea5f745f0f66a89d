use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::environment::Environment;
use crate::json;
use crate::log::warning;

/// What MCP servers ask of callers, by server name, ready to be sent.
///
/// Only the value of the `X-Armoriq-MCP-Auth` header is kept of each credential. The proxy turns it into the server's
/// own kind of authentication.
#[derive(Debug, Clone, Default)]
pub struct McpCredentials {
    by_name: Vec<(String, SecretString)>,
}

impl McpCredentials {
    /// Credentials from the environment: `ARMORIQ_MCP_CREDENTIALS`, a JSON object, and over it
    /// `ARMORIQ_MCP_{NAME}_AUTH_TYPE` with the variables that its type needs.
    pub(super) fn from_environment(environment: &Environment) -> Self {
        let mut credentials = Self::default();
        if let Some(text) = environment.var("ARMORIQ_MCP_CREDENTIALS") {
            match json::parse(text) {
                Ok(Value::Object(members)) => {
                    credentials.extend(members.iter().map(|(name, value)| (name.as_str(), value)))
                }
                Ok(_) => warning!("ARMORIQ_MCP_CREDENTIALS is ignored: it is not a JSON object"),
                Err(error) => {
                    let (line, column) = error.place();
                    warning!("ARMORIQ_MCP_CREDENTIALS is ignored: bad JSON at line {line} column {column}");
                }
            }
        }
        for (name, auth_type) in environment.between("ARMORIQ_MCP_", "_AUTH_TYPE") {
            let part = |suffix: &str| environment.var(&format!("ARMORIQ_MCP_{name}_{suffix}"));
            match from_parts(auth_type, part) {
                Some(credential) => credentials.set(name, &credential),
                None => warning!("ARMORIQ_MCP_{name}_AUTH_TYPE is ignored: its type or its set is incomplete"),
            }
        }
        credentials
    }

    /// Adds the credentials of a JSON object over those that are there.
    pub(super) fn extend<'a>(&mut self, members: impl IntoIterator<Item = (&'a str, &'a Value)>) {
        for (name, credential) in members {
            if credential.is_object() {
                self.set(name, credential);
            } else {
                warning!("the MCP credential of {name} is ignored: it is not a JSON object");
            }
        }
    }

    pub(super) fn merge(&mut self, over: Self) {
        for (name, value) in over.by_name {
            self.set_header(name, value);
        }
    }

    fn set(&mut self, name: &str, credential: &Value) {
        self.set_header(name.to_owned(), header_value(credential));
    }

    fn set_header(&mut self, name: String, value: SecretString) {
        match self.by_name.iter_mut().find(|(own, _)| *own == name) {
            Some(entry) => entry.1 = value,
            None => self.by_name.push((name, value)),
        }
    }

    /// The value of `X-Armoriq-MCP-Auth` for calls to this server: the credential under its exact name, else the one
    /// under the name that environment variables can spell.
    pub fn header(&self, mcp: &str) -> Option<&SecretString> {
        let get = |name: &str| self.by_name.iter().find(|(own, _)| own == name).map(|(_, value)| value);
        get(mcp).or_else(|| get(&variable_name(mcp)))
    }

    /// What the proxy shows this server of its credential, as it is and as JSON writes it.
    pub fn secrets(&self, mcp: &str) -> Vec<SecretString> {
        let text = self.header(mcp).and_then(|header| BASE64_STANDARD.decode(header.expose_secret()).ok());
        let credential = text.map(Zeroizing::new).and_then(|text| json::parse_bytes(&text).ok()).unwrap_or_default();
        let is_secret = |(name, value): (&String, _)| (!OPEN_MEMBERS.contains(&name.as_str())).then_some(value);
        let members = credential.as_object().into_iter().flatten().filter_map(is_secret);
        let mut secrets: Vec<_> = members.filter_map(Value::as_str).map(str::to_owned).collect();
        let member = |name| json::string_member(&credential, name);
        if let (Some(user), Some(password)) = (member("username"), member("password")) {
            secrets.push(BASE64_STANDARD.encode([user, ":", password].concat()));
        }
        let escaped = |secret: &String| json!(secret).to_string().trim_matches('"').to_owned();
        secrets.extend(secrets.iter().map(escaped).filter(|escaped| !secrets.contains(escaped)).collect::<Vec<_>>());
        secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_SECRET).map(SecretString::from).collect()
    }
}

/// Members of a credential that are no secret.
const OPEN_MEMBERS: [&str; 3] = ["authType", "headerName", "username"];
/// What is shorter may be a word like any other.
const SHORTEST_SECRET: usize = 4;

/// The name in capitals, with `_` for all that is not a letter or a digit.
fn variable_name(mcp: &str) -> String {
    let upper = mcp.to_uppercase();
    upper.chars().map(|char| if matches!(char, 'A'..='Z' | '0'..='9') { char } else { '_' }).collect()
}

fn from_parts<'a>(auth_type: &str, part: impl Fn(&str) -> Option<&'a str>) -> Option<Value> {
    Some(match auth_type.to_ascii_lowercase().as_str() {
        "bearer" => json!({"authType": "bearer", "token": part("TOKEN")?}),
        "api_key" => {
            let key = part("API_KEY")?;
            match part("HEADER_NAME") {
                Some(header) => json!({"authType": "api_key", "apiKey": key, "headerName": header}),
                None => json!({"authType": "api_key", "apiKey": key}),
            }
        }
        "basic" => json!({"authType": "basic", "username": part("USERNAME")?, "password": part("PASSWORD")?}),
        "none" => json!({"authType": "none"}),
        _ => return None,
    })
}

/// Base64 of the compact JSON in ASCII, its keys in their order.
fn header_value(credential: &Value) -> SecretString {
    let text = Zeroizing::new(credential.to_string());
    let mut ascii = Zeroizing::new(String::with_capacity(text.len() * 2));
    for char in text.chars() {
        if char.is_ascii() {
            ascii.push(char);
        } else {
            for unit in char.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    SecretString::from(BASE64_STANDARD.encode(ascii.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(credentials: &McpCredentials, mcp: &str) -> Option<String> {
        let header = credentials.header(mcp)?.expose_secret();
        Some(String::from_utf8(BASE64_STANDARD.decode(header).unwrap()).unwrap())
    }

    fn from(variables: &[(&str, &str)]) -> McpCredentials {
        McpCredentials::from_environment(&Environment::new(variables.iter().copied(), None))
    }

    #[test]
    fn encodes_as_the_official_sdk_does() {
        let header = header_value(&json!({"authType": "bearer", "token": "tök"}));
        assert_eq!(header.expose_secret(), "eyJhdXRoVHlwZSI6ImJlYXJlciIsInRva2VuIjoidFx1MDBmNmsifQ==");
        let credentials = from(&[("ARMORIQ_MCP_CREDENTIALS", r#"{"a":{"z":"😀\n","n":1.0}}"#)]);
        assert_eq!(decoded(&credentials, "a").unwrap(), r#"{"z":"\ud83d\ude00\n","n":1.0}"#);
    }

    #[test]
    fn reads_each_type_from_variables() {
        let credentials = from(&[
            ("ARMORIQ_MCP_DATA_MCP_AUTH_TYPE", "Bearer"),
            ("ARMORIQ_MCP_DATA_MCP_TOKEN", "t"),
            ("ARMORIQ_MCP_K_AUTH_TYPE", "api_key"),
            ("ARMORIQ_MCP_K_API_KEY", "k"),
            ("ARMORIQ_MCP_K_HEADER_NAME", "X-Key"),
            ("ARMORIQ_MCP_L_AUTH_TYPE", "API_KEY"),
            ("ARMORIQ_MCP_L_API_KEY", "l"),
            ("ARMORIQ_MCP_B_AUTH_TYPE", "basic"),
            ("ARMORIQ_MCP_B_USERNAME", "u"),
            ("ARMORIQ_MCP_B_PASSWORD", "p"),
            ("ARMORIQ_MCP_N_AUTH_TYPE", "none"),
        ]);
        for (mcp, expected) in [
            ("data-mcp", r#"{"authType":"bearer","token":"t"}"#),
            ("k", r#"{"authType":"api_key","apiKey":"k","headerName":"X-Key"}"#),
            ("L", r#"{"authType":"api_key","apiKey":"l"}"#),
            ("b", r#"{"authType":"basic","username":"u","password":"p"}"#),
            ("n", r#"{"authType":"none"}"#),
        ] {
            assert_eq!(decoded(&credentials, mcp).as_deref(), Some(expected), "{mcp}");
        }
    }

    #[test]
    fn skips_incomplete_sets() {
        let credentials = from(&[
            ("ARMORIQ_MCP_A_AUTH_TYPE", "bearer"),
            ("ARMORIQ_MCP_A_TOKEN", ""),
            ("ARMORIQ_MCP_B_AUTH_TYPE", "basic"),
            ("ARMORIQ_MCP_B_USERNAME", "u"),
            ("ARMORIQ_MCP_C_AUTH_TYPE", "oauth"),
            ("ARMORIQ_MCP_CREDENTIALS", "{not json"),
        ]);
        assert!(["a", "b", "c"].iter().all(|mcp| credentials.header(mcp).is_none()));
        assert!(from(&[("ARMORIQ_MCP_CREDENTIALS", "[]")]).by_name.is_empty());
        assert!(from(&[("ARMORIQ_MCP_CREDENTIALS", r#"{"a":"token"}"#)]).by_name.is_empty());
    }

    #[test]
    fn later_sources_win_and_the_exact_name_is_found_first() {
        let mut credentials = from(&[
            ("ARMORIQ_MCP_CREDENTIALS", r#"{"A":{"n":1},"data-mcp":{"n":2}}"#),
            ("ARMORIQ_MCP_A_AUTH_TYPE", "none"),
            ("ARMORIQ_MCP_DATA_MCP_AUTH_TYPE", "none"),
        ]);
        assert_eq!(decoded(&credentials, "A").unwrap(), r#"{"authType":"none"}"#);
        assert_eq!(decoded(&credentials, "data-mcp").unwrap(), r#"{"n":2}"#);
        assert_eq!(decoded(&credentials, "data.mcp").unwrap(), r#"{"authType":"none"}"#);

        let mut over = McpCredentials::default();
        over.extend([("A", &json!({"n": 3}))]);
        credentials.merge(over);
        assert_eq!(decoded(&credentials, "A").unwrap(), r#"{"n":3}"#);
    }

    #[test]
    fn tells_the_secrets_of_a_credential() {
        for (credential, secrets) in [
            (json!({"authType": "bearer", "token": "tök-of-bank"}), vec!["tök-of-bank"]),
            (json!({"authType": "bearer", "token": "a\"b\\c"}), vec!["a\"b\\c", "a\\\"b\\\\c"]),
            (json!({"authType": "api_key", "apiKey": "key-of-bank", "headerName": "X-Long-Name"}), vec!["key-of-bank"]),
            (
                json!({"authType": "basic", "username": "bob-of-bank", "password": "12345678"}),
                vec!["12345678", "Ym9iLW9mLWJhbms6MTIzNDU2Nzg="],
            ),
            (json!({"authType": "bearer", "token": "abc"}), vec![]),
            (json!({"authType": "none"}), vec![]),
        ] {
            let mut credentials = McpCredentials::default();
            credentials.set("a", &credential);
            let found = credentials.secrets("a");
            assert_eq!(found.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(), secrets, "{credential}");
            assert!(credentials.secrets("b").is_empty());
        }
    }

    #[test]
    fn debug_hides_the_credentials() {
        let credentials = from(&[("ARMORIQ_MCP_CREDENTIALS", r#"{"a":{"token":"hush"}}"#)]);
        let header = credentials.header("a").unwrap().expose_secret().to_owned();
        let shown = format!("{credentials:?}");
        assert!(shown.contains("\"a\"") && !shown.contains(&header) && !shown.contains("hush"), "{shown}");
    }
}
