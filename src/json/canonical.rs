use serde_json::Value;
use sha2::{Digest, Sha256};

/// The canonical text that plans are hashed over and tokens are signed over (`protocol.md` §4.4).
pub fn canonical(value: &Value) -> String {
    value.to_string()
}

/// SHA-256, as lower-case hex.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
