//! JWTs: what verifies was signed by the key, byte for byte, and means what was signed.
//!
//! The first byte says what follows: the text of a token, or a header and a payload that are signed here and then
//! perhaps damaged.

#![no_main]

use armoriq::json::{self, Value};
use armoriq::token::{JwtError, PublicKey, is_valid_signature, verify_jwt};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::{Signer, SigningKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&mode, rest)) = bytes.split_first() else { return };
    let signing = SigningKey::from_bytes(&[7; 32]);
    let hex: String = signing.verifying_key().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let key = PublicKey::from_text(&hex).expect("a key");

    if mode & 1 == 0 {
        let Ok(text) = std::str::from_utf8(rest) else { return };
        // Nobody but us has the key, and the corpus has none of our signatures.
        assert!(verify_jwt(text, &key).is_err() && !is_valid_signature(text, &key));
        if let Some(read) = PublicKey::from_text(text) {
            let bytes: String = read.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(PublicKey::from_text(&bytes), Some(read));
        }
        if let Ok(value) = json::parse(text) {
            PublicKey::from_json(&value);
        }
        return;
    }
    let (at, change) = (usize::from(rest.first().copied().unwrap_or(0)), rest.get(1).copied().unwrap_or(0));
    let mut parts = rest.get(2..).unwrap_or_default().splitn(2, |byte| *byte == 0);
    let (header, payload) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(payload));
    let token = format!("{message}.{}", BASE64.encode(signing.sign(message.as_bytes()).to_bytes()));

    let is_eddsa = json::parse_bytes(header).is_ok_and(|header| json::string_member(&header, "alg") == Some("EdDSA"));
    let claims = json::parse_bytes(payload).ok().filter(Value::is_object);
    assert_eq!(is_valid_signature(&token, &key), is_eddsa);
    match verify_jwt(&token, &key) {
        Ok(read) => {
            let claims = claims.expect("claims");
            assert!(is_eddsa);
            for (name, value) in claims.as_object().into_iter().flatten() {
                assert_eq!(read.get(name), Some(value).filter(|value| !value.is_null()));
            }
            read.names_plan(Some("p"));
            assert!(claims.get("exp").is_some_and(|exp| !exp.is_null()) || read.valid_until() == Some(f64::INFINITY));
        }
        Err(JwtError::Claims) => assert!(is_eddsa && claims.is_none()),
        Err(error) => assert!(!is_eddsa, "{error}"),
    }
    // One byte changed anywhere leaves nothing that verifies. In place of the signature's end, "=" is surplus padding.
    let mut damaged = token.clone().into_bytes();
    let at = at % damaged.len();
    damaged[at] ^= change & 0x7f;
    if let Ok(damaged) = std::str::from_utf8(&damaged)
        && damaged != token
    {
        assert!(!is_valid_signature(damaged, &key), "{damaged}");
    }
});
