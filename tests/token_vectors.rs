//! Golden vectors: canonical JSON, tool names, public keys, JWTs and the signature of intent tokens.

#![allow(clippy::unwrap_used, clippy::panic)]

use armoriq::json::{self, Value};
use armoriq::plan::{Plan, names};
use armoriq::token::{self, PublicKey};

fn vectors(name: &str, count: usize) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let Value::Array(cases) = json::parse(&std::fs::read_to_string(path).unwrap()).unwrap() else {
        panic!("{name} is not a list of cases")
    };
    assert_eq!(cases.len(), count, "{name}");
    cases
}

#[test]
fn canonical_json() {
    for case in vectors("canonical_json", 214) {
        assert_eq!(json::canonical(&case["tool_calls"]), case["canonical"], "{case}");
        assert_eq!(json::sha256_hex(json::canonical(&case["tool_calls"])), case["sha256"], "{case}");
    }
}

#[test]
fn plan_hashes() {
    for case in vectors("canonical_json", 214).iter().filter(|case| case["tool_calls"] != json::json!([])) {
        assert_eq!(Plan::build(&case["tool_calls"], None, Some("server")).unwrap().hash(), case["sha256"], "{case}");
    }
}

#[test]
fn tool_names() {
    for case in vectors("tool_names", 40) {
        let name = case["name"].as_str().unwrap();
        let parsed = names::parse(name, case["default_mcp_name"].as_str());
        match case.get("expect") {
            Some(expect) => {
                let (server, tool) = parsed.unwrap();
                assert_eq!(&json::json!([server, tool]), expect, "{case}");
            }
            None => assert!(matches!(parsed, Err(armoriq::Error::InvalidArgument(_))), "{case}"),
        }
    }
}

#[test]
fn public_keys() {
    for case in vectors("public_keys", 18) {
        let hex = |key: PublicKey| key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(PublicKey::from_json(&case["key"]).map(hex).as_deref(), case["expect"].as_str(), "{case}");
    }
}

#[test]
fn jwt_eddsa() {
    for case in vectors("jwt_eddsa", 17) {
        let key = PublicKey::from_json(&case["public_key"]).unwrap();
        let token = case["token"].as_str().unwrap();
        assert_eq!(token::is_valid_signature(token, &key), case["expect"], "{case}");
        assert_eq!(token::verify_jwt(token, &key).is_ok(), case["expect"], "{case}");
    }
}

#[test]
fn token_signature() {
    for case in vectors("token_signature", 11) {
        assert_eq!(token::is_signed(&case["raw_token"]["token"]), case["expect"], "{case}");
    }
}
