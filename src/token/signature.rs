use super::keys::{PublicKey, decode_hex};
use crate::json::{self, Map, Value};

const SIGNED: [&str; 7] = ["plan_hash", "issued_at", "expires_at", "policy", "identity", "public_key", "version"];
const SIGNED_WHERE_TRUTHY: [&str; 2] = ["allowed_operations", "resource_scope"];

/// Whether the signed members of a CSRG token are as its signer left them. The key is the token's own, so this proves
/// that nothing was changed, not who issued it.
pub fn is_signed(csrg_token: &Value) -> bool {
    let text = |name| json::string_member(csrg_token, name).filter(|text| !text.is_empty());
    let (Some(key), Some(signature), Some(_)) = (text("public_key"), text("signature"), text("plan_hash")) else {
        return false;
    };
    let key = decode_hex(key).and_then(|key| PublicKey::from_bytes(&key));
    let signature = decode_hex(signature);
    let (Some(key), Some(signature)) = (key, signature) else { return false };
    key.verify(json::canonical(&signed_payload(csrg_token)).as_bytes(), &signature)
}

fn signed_payload(csrg_token: &Value) -> Value {
    let member = |name: &str| csrg_token.get(name).cloned().unwrap_or(Value::Null);
    let mut payload: Map<String, Value> = SIGNED.into_iter().map(|name| (name.to_owned(), member(name))).collect();
    let optional = SIGNED_WHERE_TRUTHY.into_iter().map(|name| (name.to_owned(), member(name)));
    payload.extend(optional.filter(|(_, value)| json::is_truthy(value)));
    Value::Object(payload)
}
