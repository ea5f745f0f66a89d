use crate::*;

#[test]
fn every_option_is_accepted() {
    let config = resolve(
        &json!({
            "api_key": KEY, "iap_endpoint": "https://i", "proxy_endpoint": "https://p",
            "backend_endpoint": "https://b/", "proxy_endpoints": {"data-mcp": "https://d/"},
            "use_production": false, "timeout_ms": 1500, "max_retries": 0, "verify_ssl": false,
            "mcp_credentials": {"data-mcp": {"authType": "bearer", "token": "t"}},
            "user_id": "u", "agent_id": "a", "context_id": "c", "product": " ArmorClaude ",
            "iap_public_key": {"kty": "OKP", "x": "x"}, "user_context_ttl_seconds": 60,
            "ca_certificates": "ca.pem", "client_certificate": "cert.pem", "client_key": "key.pem",
            "require_policy": true, "audit": {},
            "observability": {
                "enabled": true, "exporter": "external", "endpoint": "https://o", "capture_mode": "metadata",
                "service_name": "s", "headers": {"x": "y"}, "timeout_ms": 100,
            },
        }),
        &[],
    )
    .unwrap();
    assert_eq!(config.api_key.expose_secret(), KEY);
    assert_eq!(
        (config.backend(), config.iap().unwrap(), config.proxy().unwrap()),
        ("https://b", "https://i", "https://p")
    );
    assert_eq!(config.timeout, Duration::from_millis(1500));
    assert_eq!((config.max_retries, config.verify_ssl, config.require_policy), (0, false, true));
    assert_eq!(config.user_context_ttl, Duration::from_secs(60));
    assert_eq!((config.named_user(), config.named_agent(), config.context_id.as_str()), (Some("u"), Some("a"), "c"));
    assert_eq!(config.product, "ArmorClaude");
    assert_eq!(config.iap_public_key, Some(json!({"kty": "OKP", "x": "x"})));
    assert_eq!(config.tls.ca_certificates.as_deref(), Some(Path::new("ca.pem")));
    assert_eq!(config.tls.client_key.as_deref(), Some(Path::new("key.pem")));
    assert!(config.mcp_credentials.header("data-mcp").is_some());
    assert_eq!(config.observability.service_name.as_deref(), Some("s"));
}

#[test]
fn defaults() {
    let config = resolve(&with_key(&json!({})), &[]).unwrap();
    assert_eq!(config.timeout, Duration::from_secs(30));
    assert_eq!((config.max_retries, config.verify_ssl, config.require_policy), (3, true, false));
    assert_eq!(config.user_context_ttl, Duration::from_secs(300));
    assert_eq!((config.named_user(), config.named_agent()), (None, None));
    assert_eq!(config.iap_public_key, None);
}

#[test]
fn null_and_empty_are_unset() {
    let empty = json!({
        "backend_endpoint": "", "user_id": "", "agent_id": null, "iap_public_key": "", "timeout_ms": null,
        "proxy_endpoints": {"a": "", "b": null}, "observability": null, "client_key": "",
    });
    let config = resolve(&with_key(&empty), &[("USER_ID", "")]).unwrap();
    assert_eq!(config.backend(), "https://api.armoriq.ai");
    assert_eq!((config.user_id.as_str(), config.agent_id.as_str()), (MULTI_USER, MULTI_USER));
    assert_eq!(config.iap_public_key, None);
    assert_eq!(config.proxy_for("a").unwrap(), "https://proxy.armoriq.ai");
}

#[test]
fn wrong_types_are_refused_by_name() {
    let number = "expected a whole number from";
    for (given, message) in [
        (json!({"api_key": 5}), "option \"api_key\": expected a string".to_owned()),
        (json!({"backend_endpoint": []}), "option \"backend_endpoint\": expected a string".into()),
        (json!({"proxy_endpoints": []}), "option \"proxy_endpoints\": expected an object".into()),
        (json!({"proxy_endpoints": {"a": 1}}), "option \"proxy_endpoints.a\": expected a URL".into()),
        (json!({"use_production": "yes"}), "option \"use_production\": expected true or false".into()),
        (json!({"timeout_ms": "5"}), format!("option \"timeout_ms\": {number} 1 to 86400000")),
        (json!({"timeout_ms": -5}), format!("option \"timeout_ms\": {number} 1 to 86400000")),
        (json!({"max_retries": 101}), format!("option \"max_retries\": {number} 0 to 100")),
        (json!({"user_context_ttl_seconds": -1}), format!("option \"user_context_ttl_seconds\": {number} 0 to 86400")),
        (json!({"mcp_credentials": {"a": "t"}}), "option \"mcp_credentials.a\": expected an object".into()),
        (json!({"iap_public_key": 1}), "option \"iap_public_key\": expected a string or a JWK object".into()),
        (json!({"client_key": "k"}), "option \"client_key\": expected \"client_certificate\" beside it".into()),
        (
            json!({"observability": {"exporter": "otlp"}}),
            "option \"observability.exporter\": expected \"armoriq\", \"external\" or \"provider\"".into(),
        ),
        (
            json!({"observability": {"headers": {"a": 1}}}),
            "option \"observability.headers.a\": expected a string".into(),
        ),
        (json!({"audit": {"path": "x"}}), "unknown option \"audit.path\"".into()),
        (json!({"userid": "x"}), "unknown option \"userid\"; did you mean \"user_id\"?".into()),
    ] {
        assert_eq!(argument_error(options(&given)), message, "{given}");
    }
}
