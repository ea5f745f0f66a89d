use crate::*;

#[test]
fn an_option_wins_over_its_variable() {
    let variables =
        [("ARMORIQ_IAP_PUBLIC_KEY", "e"), ("USER_ID", "e"), ("IAP_ENDPOINT", "https://e"), ("CONTEXT_ID", "e")];
    let from_variables = resolve(&with_key(&json!({})), &variables).unwrap();
    assert_eq!(from_variables.iap_public_key, Some(json!("e")));
    assert_eq!(from_variables.iap().unwrap(), "https://e");
    let given = json!({"iap_public_key": "o", "user_id": "o", "iap_endpoint": "https://o", "context_id": "o"});
    let config = resolve(&with_key(&given), &variables).unwrap();
    assert_eq!(config.iap_public_key, Some(json!("o")));
    assert_eq!((config.iap().unwrap(), config.user_id.as_str(), config.context_id.as_str()), ("https://o", "o", "o"));
}

#[test]
fn only_the_backend_variables_are_trimmed() {
    let config = resolve(&with_key(&json!({})), &[("ARMORIQ_BACKEND_URL", "  "), ("BACKEND_ENDPOINT", " https://b/ ")]);
    assert_eq!(config.unwrap().backend(), "https://b");
    let config = resolve(&with_key(&json!({})), &[("USER_ID", " u ")]).unwrap();
    assert_eq!(config.user_id, " u ");
}

#[test]
fn a_server_has_its_own_proxy_first_by_option_then_by_variable() {
    let given = json!({"proxy_endpoints": {"data-mcp": "https://option/"}});
    let variables = [
        ("DATA-MCP_PROXY_URL", "https://variable"),
        ("OTHER_PROXY_URL", "https://other//"),
        ("BAD_PROXY_URL", "nonsense"),
        ("UNKNOWN_PROXY_URL", ""),
    ];
    let config = resolve(&with_key(&given), &variables).unwrap();
    assert_eq!(config.proxy_for("data-mcp").unwrap(), "https://option");
    assert_eq!(config.proxy_for("Data-MCP").unwrap(), "https://variable");
    assert_eq!(config.proxy_for("other").unwrap(), "https://other");
    assert_eq!(config.proxy_for("unknown").unwrap(), "https://proxy.armoriq.ai");
    assert!(
        configuration_error(config.proxy_for("bad"))
            .starts_with("The BAD_PROXY_URL endpoint is not an http or https URL")
    );

    let own = with_key(&json!({"backend_endpoint": "https://my.backend"}));
    let config = resolve(&own, &variables).unwrap();
    assert_eq!(config.proxy_endpoint(), None);
    assert!(configuration_error(config.proxy_for("unknown")).starts_with("No ArmorIQ proxy endpoint is set"));
    assert_eq!(config.proxy_for("other").unwrap(), "https://other");
}

#[test]
fn unusable_endpoints_are_refused_when_the_client_is_made() {
    for (given, service) in [
        (json!({"backend_endpoint": "api.armoriq.ai"}), "backend"),
        (json!({"backend_endpoint": "https://u:hush@h"}), "backend"),
        (json!({"backend_endpoint": "https://h?x"}), "backend"),
        (json!({"iap_endpoint": "ftp://h"}), "IAP"),
        (json!({"proxy_endpoint": "https://h/#x"}), "proxy"),
        (json!({"proxy_endpoints": {"a": "https://h:99999"}}), "proxy_endpoints.a"),
    ] {
        let message = configuration_error(resolve(&with_key(&given), &[]));
        assert!(message.starts_with(&format!("The {service} endpoint ")), "{message}");
        assert!(!message.contains("hush") && !message.contains("99999"), "{message}");
    }
}

#[test]
fn the_dashboard_is_the_backends_own_else_the_active_environments() {
    for (given, variables, dashboard) in [
        (json!({}), &[("ARMORIQ_ENV", "staging")][..], "https://dev.armoriq.io"),
        (json!({"use_production": false}), &[], "http://localhost:5173"),
        (json!({"backend_endpoint": "https://my.backend"}), &[("ARMORIQ_ENV", "local")], "http://localhost:5173"),
        (json!({"backend_endpoint": "https://api.armorclaw.io"}), &[], "https://platform.armoriq.ai"),
    ] {
        let message = configuration_error(resolve(&given, variables));
        assert!(message.ends_with(&format!("Get your API key from {dashboard}/dashboard/api/keys")), "{message}");
        let config = resolve(&with_key(&given), variables).unwrap();
        let message = configuration_error(config.validate_api_key("bad"));
        assert!(message.ends_with(&format!("Get your API key from {dashboard}/dashboard/api/keys")), "{message}");
    }
}
