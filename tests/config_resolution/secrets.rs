use crate::*;

#[test]
fn no_message_holds_a_key() {
    let broken = format!("{KEY}\n");
    for result in [
        resolve(&json!({"api_key": "sk_topsecret"}), &[]),
        resolve(&json!({"api_key": broken}), &[]),
        resolve(&json!({}), &[("ARMORIQ_API_KEY", broken.as_str())]),
        resolve(&json!({}), &[("ARMORIQ_PROFILE", KEY)]),
        resolve(&json!({}), &[("ARMORIQ_BACKEND_URL", KEY)]),
        resolve(&json!({}), &[("ARMORIQ_BACKEND_URL", "https://u:topsecret@h")]),
        resolve(&with_key(&json!({"backend_endpoint": KEY})), &[]),
        resolve(&json!({(KEY): true}), &[]),
        resolve(&json!({"observability": {(KEY): true}}), &[]),
        resolve(&json!({"proxy_endpoints": {(KEY): 5}}), &[]),
    ] {
        let error = format!("{:?}", result.unwrap_err());
        assert!(!error.contains("topsecret"), "{error}");
    }
}

#[test]
fn debug_holds_no_secret() {
    let given = with_key(&json!({
        "mcp_credentials": {"a": {"token": "topsecret"}},
        "observability": {"headers": {"authorization": "topsecret"}},
    }));
    let header = "eyJ0b2tlbiI6InRvcHNlY3JldCJ9";
    let config = resolve(&given, &[]).unwrap();
    assert_eq!(config.mcp_credentials.header("a").unwrap().expose_secret(), header);
    for shown in [format!("{:?}", options(&given).unwrap()), format!("{config:?}")] {
        assert!(!shown.contains("topsecret") && !shown.contains(header), "{shown}");
    }
}

#[test]
fn a_new_key_is_judged_like_the_first() {
    let config = resolve(&with_key(&json!({})), &[]).unwrap();
    for key in ["ak_live_x", "ak_test_x", "ak_claw_x"] {
        config.validate_api_key(key).unwrap();
    }
    for key in ["", "ak_liv_x", " ak_live_x", "ak_live_x\r\nX-Evil: 1", "ak_live_ü", "ak_live_x y"] {
        let message = configuration_error(config.validate_api_key(key));
        assert!(message.starts_with("Invalid API key format. API keys "), "{message}");
    }
}
