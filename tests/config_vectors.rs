//! The official SDK's answers about configuration, replayed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use armoriq::config::{ClientOptions, Config, ConfigFile, Environment, FileEnvironment, McpAuth, McpServer, Origin};
use armoriq::{Error, Result};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

const HOME: &str = "/nonexistent/home";

fn vectors(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match armoriq::json::parse(&text).unwrap() {
        Value::Array(cases) if !cases.is_empty() => cases,
        _ => panic!("{name}: no cases"),
    }
}

fn check(name: &str, run: impl Fn(&Value) -> (Value, Value)) {
    let differing: Vec<String> = vectors(name)
        .iter()
        .map(|case| (case, run(case)))
        .filter(|(_, (got, expected))| got != expected)
        .map(|(case, (got, expected))| format!("{case}\n  got      {got}\n  expected {expected}"))
        .collect();
    assert!(differing.is_empty(), "{name}:\n{}", differing.join("\n"));
}

fn environment(case: &Value) -> Environment {
    let variables = case["env"].as_object().unwrap().iter();
    let variables = variables.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    Environment::new(variables, Some(PathBuf::from(HOME)))
}

/// The vectors' options are the official SDK's, whose time limit is `timeout` in seconds.
fn options(case: &Value) -> Map<String, Value> {
    let options = case["options"].as_object().unwrap().iter();
    options
        .map(|(name, value)| match name.as_str() {
            "timeout" => {
                ("timeout_ms".to_owned(), json!(armoriq::json::as_double(value.as_number().unwrap()) * 1000.0))
            }
            _ => (name.clone(), value.clone()),
        })
        .collect()
}

fn error(error: &Error) -> Value {
    match error {
        Error::Configuration(message) => json!({"error": "ConfigurationException", "message": message}),
        other => json!({"error": format!("{other:?}")}),
    }
}

fn resolve(case: &Value) -> Result<Config> {
    Config::resolve(ClientOptions::from_json(&options(case))?, &environment(case))
}

#[test]
fn client_config() {
    check("client_config.json", |case| {
        let expected = case["expect"].to_string().replace("{{home}}", HOME);
        let text = |endpoint: Result<&str>| endpoint.map_or_else(|failure| error(&failure), Value::from);
        let got = match resolve(case) {
            Err(failure) => error(&failure),
            Ok(config) => json!({
                "backend": config.backend(),
                "iap": text(config.iap()),
                "proxy": text(config.proxy()),
                "user_id": config.user_id,
                "agent_id": config.agent_id,
                "context_id": config.context_id,
                "timeout": config.timeout.as_secs_f64(),
                "max_retries": config.max_retries,
            }),
        };
        (got, armoriq::json::parse(&expected).unwrap())
    });
}

#[test]
fn url_origin() {
    check("url_origin.json", |case| {
        let origin = Origin::parse(case["url"].as_str().unwrap());
        let got = json!({
            "origin": origin.as_ref().map(Origin::to_string),
            "profile": match &origin {
                Some(origin) => json!({"expect": origin.profile_name(" ArmorClaude ")}),
                None => json!({"error": "ValueError"}),
            },
        });
        (got, json!({"origin": case["origin"], "profile": case["profile"]}))
    });
}

fn server(server: &McpServer) -> Value {
    let (kind, token, api_key) = match &server.auth {
        McpAuth::None => ("none", None, None),
        McpAuth::Bearer(token) => ("bearer", Some(token.expose_secret()), None),
        McpAuth::ApiKey(key) => ("api_key", None, Some(key.expose_secret())),
    };
    json!({
        "id": server.id,
        "url": server.url,
        "description": server.description,
        "auth": {"type": kind, "token": token, "api_key": api_key},
    })
}

fn file(file: &ConfigFile) -> Value {
    json!({
        "version": "v1",
        "identity": {"api_key": file.api_key.expose_secret(), "user_id": file.user_id, "agent_id": file.agent_id},
        "environment": match file.environment {
            FileEnvironment::Sandbox => "sandbox",
            FileEnvironment::Production => "production",
        },
        "proxy": {"url": file.proxy.url, "timeout": file.proxy.timeout, "max_retries": file.proxy.max_retries},
        "mcp_servers": file.mcp_servers.iter().map(server).collect::<Vec<_>>(),
        "policy": {"allow": file.policy.allow, "deny": file.policy.deny},
        "intent": {"ttl_seconds": file.intent.ttl_seconds, "require_csrg": file.intent.require_csrg},
    })
}

#[test]
fn armoriq_yaml() {
    check("armoriq_yaml.json", |case| {
        let refused = Value::from("refused");
        let got = match ConfigFile::parse(case["yaml"].as_str().unwrap()) {
            Ok(parsed) => file(&parsed),
            Err(Error::Configuration(_)) => refused.clone(),
            Err(other) => json!({"error": format!("{other:?}")}),
        };
        let expected = if case.get("error").is_some() { refused } else { case["expect"].clone() };
        (got, expected)
    });
}
