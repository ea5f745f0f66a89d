use crate::*;

const IDENTITY: &str = "identity: {api_key: $KEY, user_id: u, agent_id: a}\n";

fn load(yaml: impl AsRef<[u8]>, variables: &[(&str, &str)]) -> Result<Config> {
    let directory = Scratch::new();
    let path = directory.write("armoriq.yaml", yaml);
    Config::from_file(path, &Environment::new(variables.iter().copied(), None))
}

/// The message without the file's path.
fn refusal(yaml: &str) -> String {
    let message = configuration_error(load(yaml, &[("KEY", KEY)]));
    message.split_once("armoriq.yaml: ").unwrap_or_else(|| panic!("{message}")).1.to_owned()
}

#[test]
fn sandbox_is_the_default_and_its_proxy_is_named() {
    let config = load(IDENTITY, &[("KEY", KEY), ("PROXY_ENDPOINT", "https://ignored")]).unwrap();
    assert_eq!(config.api_key.expose_secret(), KEY);
    assert_eq!(config.backend(), "http://127.0.0.1:3000");
    assert_eq!(config.proxy().unwrap(), "https://customer-proxy.armoriq.ai");
    assert_eq!((config.named_user(), config.named_agent()), (Some("u"), Some("a")));
    assert_eq!((config.timeout, config.max_retries), (Duration::from_secs(30), 3));
}

#[test]
fn production_and_the_proxys_settings() {
    let yaml = format!("{IDENTITY}environment: production\nproxy: {{url: https://p/, timeout: '5', max_retries: 1.0}}");
    let config = load(yaml, &[("KEY", KEY)]).unwrap();
    assert_eq!((config.backend(), config.proxy().unwrap()), ("https://api.armoriq.ai", "https://p"));
    assert_eq!((config.timeout, config.max_retries), (Duration::from_secs(5), 1));
}

#[test]
fn only_the_api_key_is_a_reference_and_only_as_a_whole() {
    let key = |text: &str| {
        let yaml = format!("identity: {{api_key: '{text}', user_id: $KEY, agent_id: a}}");
        load(yaml, &[("KEY", KEY), ("EMPTY", "")])
    };
    for text in ["$KEY", "${KEY}"] {
        let config = key(text).unwrap();
        assert_eq!((config.api_key.expose_secret(), config.user_id.as_str()), (KEY, "$KEY"));
    }
    for text in ["$UNSET", "${UNSET}", "${", "${KEY", "${}", "$EMPTY", ""] {
        let message = configuration_error(key(text));
        assert_eq!(message, "API key resolved to empty value from config/environment.", "{text}");
    }
    for text in ["$", "$KEY bar", "x$KEY"] {
        let message = configuration_error(key(text));
        assert!(message.starts_with("Invalid API key format."), "{text}: {message}");
    }
}

#[test]
fn unknown_keys_are_refused_by_name_at_every_level() {
    for (yaml, message) in [
        ("extra: 1", "extra: unknown key at line 2 column 1"),
        ("proxy: {tiemout: 1}", "proxy.tiemout: unknown key at line 2 column 9; did you mean \"timeout\"?"),
        ("mcp_servers: [{id: a, url: b, header: c}]", "mcp_servers[0].header: unknown key at line 2 column 31"),
        (
            "mcp_servers: [{id: a, url: b, auth: {type: none, header_name: c}}]",
            "mcp_servers[0].auth.header_name: unknown key at line 2 column 50",
        ),
        ("policy:\n  alow: []", "policy.alow: unknown key at line 3 column 3; did you mean \"allow\"?"),
        ("intent: {ttl: 1}", "intent.ttl: unknown key at line 2 column 10"),
        ("ak_live_1: 1", "…: unknown key at line 2 column 1"),
    ] {
        assert_eq!(refusal(&format!("{IDENTITY}{yaml}")), message, "{yaml}");
    }
    assert_eq!(
        refusal("identity: {api_key: k, user_id: u, agent_id: a, agentid: a}"),
        "identity.agentid: unknown key at line 1 column 49; did you mean \"agent_id\"?"
    );
}

#[test]
fn values_of_the_wrong_kind_are_refused_with_their_place() {
    for (yaml, message) in [
        ("version: v2", "version: expected \"v1\" at line 2 column 10"),
        ("environment: staging", "environment: expected \"sandbox\" or \"production\" at line 2 column 14"),
        ("proxy:", "proxy: expected a map at line 2 column 6"),
        ("proxy: {timeout: 4.5}", "proxy.timeout: expected a whole number from 1 to 86400 at line 2 column 18"),
        ("proxy: {timeout: 0}", "proxy.timeout: expected a whole number from 1 to 86400 at line 2 column 18"),
        ("proxy: {timeout: true}", "proxy.timeout: expected a whole number from 1 to 86400 at line 2 column 18"),
        ("proxy: {url: 5}", "proxy.url: expected a string at line 2 column 14"),
        ("policy: {allow: null}", "policy.allow: expected a list at line 2 column 17"),
        ("policy: {deny: [a, 5]}", "policy.deny[1]: expected a string at line 2 column 20"),
        ("intent: {require_csrg: maybe}", "intent.require_csrg: expected true or false at line 2 column 24"),
        ("intent: {ttl_seconds: abc}", "intent.ttl_seconds: expected a whole number at line 2 column 23"),
        ("mcp_servers: {}", "mcp_servers: expected a list at line 2 column 14"),
        ("mcp_servers: [x]", "mcp_servers[0]: expected a map at line 2 column 15"),
        ("mcp_servers: [{id: a}]", "mcp_servers[0].url: required at line 2 column 15"),
        (
            "mcp_servers: [{id: a, url: b, auth: oauth}]",
            "mcp_servers[0].auth: expected a map, null or \"none\" at line 2 column 37",
        ),
        (
            "mcp_servers: [{id: a, url: b, auth: {type: bearer, token: ''}}]",
            "mcp_servers[0].auth.token: bearer auth requires 'token' at line 2 column 59",
        ),
        (
            "mcp_servers: [{id: a, url: b, auth: {type: api_key}}]",
            "mcp_servers[0].auth.api_key: api_key auth requires 'api_key' at line 2 column 37",
        ),
        (
            "mcp_servers: [{id: a, url: b}, {id: a, url: c}]",
            "mcp_servers: mcp_servers contain duplicate 'id' values at line 2 column 14",
        ),
    ] {
        assert_eq!(refusal(&format!("{IDENTITY}{yaml}")), message, "{yaml}");
    }
    assert_eq!(refusal(""), "identity: required at line 1 column 1");
    assert_eq!(refusal("[]"), "expected a map at line 1 column 1");
    assert_eq!(refusal("identity: {api_key: k, agent_id: a}"), "identity.user_id: required at line 1 column 11");
    assert_eq!(
        refusal("identity: {api_key: k, user_id: yes, agent_id: a}"),
        "identity.user_id: expected a string at line 1 column 33"
    );
}

#[test]
fn booleans_are_read_leniently() {
    for word in ["yes", "'Yes'", "on", "'t'", "1", "1.0", "'1'", "TRUE", "y"] {
        load(format!("{IDENTITY}intent: {{require_csrg: {word}}}"), &[("KEY", KEY)]).unwrap();
    }
}

#[test]
fn malformed_yaml_is_a_configuration_error_with_its_place() {
    assert_eq!(refusal("identity: {api_key: 'x\n"), "malformed YAML: unclosed quote at line 1 column 21");
    assert_eq!(refusal("a: 1\nb: [\n"), "malformed YAML: unclosed bracket '[' at line 2 column 4");
    assert_eq!(
        refusal("identity: {}\nidentity: {}\n"),
        "malformed YAML: duplicate key \"identity\" at line 2 column 1"
    );
}

#[test]
fn no_message_shows_the_key() {
    for yaml in [
        format!("identity: {{api_key: {KEY}, user_id: u}}"),
        format!("identity: {{api_key: [{KEY}], user_id: u, agent_id: a}}"),
        format!("identity: {{{KEY}, user_id: u, agent_id: a}}"),
        format!("identity: {KEY}"),
        format!("identity: {{api_key: '{KEY}"),
        format!("identity: {{api_key: @{KEY}}}"),
        format!("identity: {{api_key: *{KEY}}}"),
        format!("identity: {{api_key: &{KEY} [*{KEY}]}}"),
        format!("identity: {{api_key: !{KEY} x}}"),
        format!("identity: {{api_key: \"\\q{KEY}\"}}"),
        format!("identity: api_key: {KEY}"),
        format!("{KEY}: 1\n{KEY}: 2"),
        format!("%{KEY}\n{KEY}"),
        KEY.to_owned(),
        format!("identity: {{api_key: {KEY}, user_id: 5, agent_id: a}}"),
        format!("identity: {{api_key: {KEY}, user_id: u, agent_id: a}}\nenvironment: {KEY}"),
        format!("identity: {{api_key: {KEY}, user_id: u, agent_id: a}}\nproxy: {{url: {KEY}}}"),
        format!("identity: {{api_key: {KEY}, user_id: u, agent_id: a}}\nproxy: {{timeout: {KEY}}}"),
        format!("identity: {{api_key: x{KEY}, user_id: u, agent_id: a}}"),
        format!("identity: {{api_key: ' {KEY}', user_id: u, agent_id: a}}"),
    ] {
        let message = configuration_error(load(&yaml, &[]));
        assert!(!message.contains("topsecret"), "{yaml}\n{message}");
    }
}

#[test]
fn a_file_that_is_absent_or_unreadable_is_named() {
    let directory = Scratch::new();
    let missing = directory.0.join("armoriq.yaml");
    let from = |path: &Path| configuration_error(Config::from_file(path, &Environment::default()));
    assert_eq!(from(&missing), format!("Config file not found: {}", missing.display()));
    assert!(from(&directory.0).starts_with(&format!("Config file {} cannot be read: ", directory.0.display())));
    for text in [&b"\xff\xfe"[..], &vec![b'#'; 2 << 20]] {
        let path = directory.write("bad.yaml", text);
        assert!(from(&path).starts_with(&format!("Config file {} cannot be read: ", path.display())));
    }
}
