use crate::*;

#[test]
fn is_fit_for_a_header_whatever_the_agent_is_called() {
    let version = armoriq::VERSION;
    for (agent, shown) in [
        ("agent-7", "agent-7"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("a\r\nX: y", "a%0D%0AX:%20y"),
        ("(a\\%)", "%28a%5C%25%29"),
        ("\u{7f}\u{0}", "%7F%00"),
    ] {
        let config = resolve(&with_key(&json!({"agent_id": agent})), &[]).unwrap();
        assert_eq!(config.user_agent(), format!("ArmorIQ-SDK-C/{version} (agent={shown})"));
        assert_eq!(config.agent_id, agent);
    }
    let config = resolve(&with_key(&json!({})), &[]).unwrap();
    assert_eq!(config.user_agent(), format!("ArmorIQ-SDK-C/{version} (agent=__sdk_multiuser__)"));
}
