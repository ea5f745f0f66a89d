use crate::json::Value;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ed25519_dalek::{Signature, VerifyingKey};
use std::fmt;

/// What a DER SubjectPublicKeyInfo of an Ed25519 key starts with (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";

/// URL-safe base64 with or without padding; nothing outside the alphabet, no stray bits.
pub(super) const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An Ed25519 public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a key from JSON: a JWK (`kty` `OKP`, and `crv` `Ed25519` where it is given) or any text that
    /// [`Self::from_text`] reads. `None` for everything else.
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::from_text(text),
            Value::Object(jwk) => {
                let member = |name| jwk.get(name).and_then(Value::as_str);
                if member("kty") != Some("OKP") || jwk.contains_key("crv") && member("crv") != Some("Ed25519") {
                    return None;
                }
                Self::from_bytes(&BASE64_URL.decode(member("x")?).ok()?)
            }
            _ => None,
        }
    }

    /// Reads a key from text: PEM, 64 hex digits, or base64 (either alphabet, padded or not) of the 32 bytes or of the
    /// DER form. `None` for everything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.contains("-----BEGIN") {
            return Self::from_pem(text);
        }
        if text.len() == 64
            && let Some(bytes) = decode_hex(text)
        {
            return Self::from_bytes(&bytes);
        }
        Self::from_base64(text)
    }

    fn from_pem(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(PEM_BEGIN)?;
        let (body, _) = rest.split_once(PEM_END)?;
        let body: String = body.split_ascii_whitespace().collect();
        Self::from_der(&BASE64_URL.decode(body.replace('+', "-").replace('/', "_")).ok()?)
    }

    fn from_base64(text: &str) -> Option<Self> {
        let bytes = BASE64_URL.decode(text.replace('+', "-").replace('/', "_")).ok()?;
        if bytes.len() == 32 { Self::from_bytes(&bytes) } else { Self::from_der(&bytes) }
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        Self::from_bytes(der.strip_prefix(&SPKI_PREFIX)?)
    }

    /// A key of small order is refused: it would verify signatures that nobody made.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?;
        (!key.is_weak()).then_some(Self(key))
    }

    /// The 32 bytes of the key.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Whether the signature over the message is this key's. Signatures that could be rewritten into other valid ones
    /// do not count.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PublicKey(")?;
        self.to_bytes().iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
        formatter.write_str(")")
    }
}

/// Hex digits of either case to bytes; `None` where there is anything else.
pub(super) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8; 2]| {
        let [high, low] = pair;
        Some(digit(high)? << 4 | digit(low)?)
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if rest.is_empty() { pairs.iter().map(pair).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    const HEX: &str = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
    const BASE64: &str = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg";

    #[test]
    fn a_jwk_of_another_curve_is_no_key() {
        assert!(PublicKey::from_json(&json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64 })).is_some());
        assert!(PublicKey::from_json(&json!({ "kty": "OKP", "x": BASE64 })).is_some());
        for crv in [json!("X25519"), json!("ed25519"), json!(null), json!(7)] {
            assert_eq!(PublicKey::from_json(&json!({ "kty": "OKP", "crv": crv, "x": BASE64 })), None, "{crv}");
        }
    }

    #[test]
    fn text_that_is_not_quite_base64_or_hex_is_no_key() {
        let with_stray_bits = BASE64.replace("Mbg", "Mbh");
        for text in
            [&with_stray_bits, &format!("{BASE64}!"), &BASE64.replace("POEL", "PO EL"), &HEX.replace("b8", "bg")]
        {
            assert_eq!(PublicKey::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        let identity = format!("01{}", "0".repeat(62));
        assert_eq!(PublicKey::from_text(&identity), None);
        assert_eq!(PublicKey::from_text(&"0".repeat(64)), None);
    }

    #[test]
    fn shows_itself_in_hex() {
        assert_eq!(format!("{:?}", PublicKey::from_text(BASE64).unwrap()), format!("PublicKey({HEX})"));
    }
}
