use crate::*;

const AT: &str = "2026-10-09T12:00:00.000Z";
const NAME: &str = "default@api.armoriq.ai";

fn entry(backend: &str, product: &str) -> Value {
    json!({
        "backend": backend, "product": product, "apiKey": KEY, "email": "e", "userId": "u", "orgId": "o",
        "loggedInAt": AT, "savedAt": AT,
    })
}

fn login_history() -> Value {
    json!({
        "id": "0b8c1c0e-6b0a-4d8e-9d53-6a1f0e2b3c4d", "origin": "fresh",
        "events": [{"sequence": 1, "at": AT, "userId": "u"}],
    })
}

fn file(name: &str, entry: Value) -> Value {
    json!({
        "version": 2, "active": null, "historyOrigin": "fresh",
        "profiles": {(name): entry}, "loginHistory": {(name): login_history()},
    })
}

fn resolve_from(file: &str, given: &Value, variables: &[(&str, &str)]) -> Result<Config> {
    let home = Scratch::new();
    home.write(".armoriq/credentials.json", file);
    resolve_with(given, variables, Some(home.0.clone()))
}

#[test]
fn the_login_for_backend_and_product_is_used() {
    let config = resolve_from(&file(NAME, entry("https://api.armoriq.ai", "")).to_string(), &json!({}), &[]);
    assert_eq!(config.unwrap().api_key.expose_secret(), KEY);

    let file = file("armorclaude@h:8443", entry("https://H:8443/x", "ArmorClaude")).to_string();
    let backend = json!({"backend_endpoint": "https://h:8443", "product": " ARMORCLAUDE "});
    assert_eq!(resolve_from(&file, &backend, &[]).unwrap().api_key.expose_secret(), KEY);
    let variables = [("ARMORIQ_PRODUCT", "armorclaude"), ("BACKEND_ENDPOINT", "https://h:8443")];
    assert_eq!(resolve_from(&file, &json!({}), &variables).unwrap().api_key.expose_secret(), KEY);
    let other = json!({"backend_endpoint": "https://h:8443", "product": "other"});
    let message = configuration_error(resolve_from(&file, &other, &[]));
    assert!(message.contains(" No profile other@h:8443 is saved in "), "{message}");
}

#[test]
fn a_given_key_wins_over_a_login() {
    let file = file(NAME, entry("https://api.armoriq.ai", "")).to_string();
    let variables = [("ARMORIQ_API_KEY", "ak_test_env"), ("ARMORIQ_PROFILE", "missing")];
    let config = resolve_from(&file, &json!({}), &variables).unwrap();
    assert_eq!(config.api_key.expose_secret(), "ak_test_env");
}

#[test]
fn a_named_profile_must_be_for_the_backend() {
    let file = file("default@h", entry("https://h", "")).to_string();
    let variables = [("ARMORIQ_PROFILE", "default@h")];
    let message = configuration_error(resolve_from(&file, &json!({}), &variables));
    assert_eq!(message, "ARMORIQ_PROFILE names default@h, which was saved for https://h, not https://api.armoriq.ai.");
    let backend = json!({"backend_endpoint": "https://h/"});
    assert_eq!(resolve_from(&file, &backend, &variables).unwrap().api_key.expose_secret(), KEY);
}

#[test]
fn the_key_of_a_login_selects_the_backend() {
    let mut claw = entry("https://api.armorclaw.io", "");
    claw["apiKey"] = json!("ak_claw_x");
    let named = file("default@api.armorclaw.io", claw.clone()).to_string();
    let config = resolve_from(&named, &json!({}), &[("ARMORIQ_PROFILE", "default@api.armorclaw.io")]).unwrap();
    assert_eq!(config.backend(), "https://api.armorclaw.io");

    claw["backend"] = json!("https://api.armoriq.ai");
    let elsewhere = file(NAME, claw).to_string();
    configuration_error(resolve_from(&elsewhere, &json!({}), &[]));
}

#[test]
fn a_login_is_believed_only_when_all_of_it_agrees() {
    let good = file(NAME, entry("https://api.armoriq.ai", ""));
    let accepted = |file: &Value| resolve_from(&file.to_string(), &json!({}), &[]).is_ok();
    assert!(accepted(&good));
    let history = format!("/loginHistory/{NAME}");
    let profile = format!("/profiles/{NAME}");
    let later = json!({"sequence": 2, "at": "2026-10-10T12:00:00.000Z", "userId": null});
    let first = good["loginHistory"][NAME]["events"][0].clone();
    for (pointer, value) in [
        ("/version".to_owned(), json!(1)),
        ("/version".into(), json!("2")),
        ("/profiles".into(), json!([])),
        ("/loginHistory".into(), json!({})),
        (format!("{profile}/email"), Value::Null),
        (format!("{profile}/savedAt"), json!(5)),
        (format!("{profile}/orgId"), json!([])),
        (format!("{profile}/backend"), json!("https://other")),
        (format!("{profile}/backend"), json!("ftp://api.armoriq.ai")),
        (format!("{profile}/product"), json!("x")),
        (format!("{profile}/userId"), json!("v")),
        (format!("{profile}/loggedInAt"), json!("2026-10-09T12:00:00.001Z")),
        (format!("{history}/id"), json!("0B8C1C0E-6B0A-4D8E-9D53-6A1F0E2B3C4D")),
        (format!("{history}/id"), json!("0b8c1c0e-6b0a-1d8e-9d53-6a1f0e2b3c4d")),
        (format!("{history}/origin"), json!("old")),
        (format!("{history}/events"), json!([])),
        (format!("{history}/events"), json!([first, later])),
        (format!("{history}/events"), json!([{"sequence": 1, "at": AT}])),
        (format!("{history}/events/0/sequence"), json!(2)),
        (format!("{history}/events/0/sequence"), json!(true)),
        (format!("{history}/events/0/sequence"), json!(1.0)),
        (format!("{history}/events/0/userId"), Value::Null),
        (format!("{history}/events/0/userId"), json!(" ")),
        (format!("{history}/events/0/at"), json!("2026-10-09T12:00:00Z")),
    ] {
        let mut file = good.clone();
        *file.pointer_mut(&pointer).unwrap() = value.clone();
        assert!(!accepted(&file), "{pointer} = {value}");
    }
}

#[test]
fn instants_must_exist() {
    for (at, exists) in [
        ("2024-02-29T23:59:59.999Z", true),
        ("2026-02-29T00:00:00.000Z", false),
        ("1900-02-29T00:00:00.000Z", false),
        ("2000-02-29T00:00:00.000Z", true),
        ("2026-04-31T00:00:00.000Z", false),
        ("2026-13-01T00:00:00.000Z", false),
        ("2026-00-01T00:00:00.000Z", false),
        ("2026-01-01T24:00:00.000Z", false),
        ("2026-01-01T00:60:00.000Z", false),
        ("2026-01-01T00:00:60.000Z", false),
        ("2026-01-01 00:00:00.000Z", false),
        ("2026-01-01T00:00:00.000+", false),
    ] {
        let mut file = file(NAME, entry("https://api.armoriq.ai", ""));
        file["profiles"][NAME]["loggedInAt"] = json!(at);
        file["loginHistory"][NAME]["events"][0]["at"] = json!(at);
        assert_eq!(resolve_from(&file.to_string(), &json!({}), &[]).is_ok(), exists, "{at}");
    }
}

#[test]
fn an_unreadable_file_holds_no_logins() {
    for text in ["", "{", "[]", "null", r#"{"version":2,"version":2}"#, "\u{0}"] {
        let message = configuration_error(resolve_from(text, &json!({}), &[]));
        assert!(message.contains("No profile default@api.armoriq.ai is saved in "), "{message}");
    }
    let message = configuration_error(resolve(&json!({}), &[]));
    assert!(message.contains(" is saved in ~/.armoriq/credentials.json. "), "{message}");
}
