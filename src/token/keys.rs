use crate::json::Value;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::signature::{ED25519, UnparsedPublicKey};
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
pub struct PublicKey([u8; 32]);

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

    /// A key of small order is refused: it would verify signatures that nobody made. One that is no point of the curve
    /// verifies nothing.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key = bytes.try_into().ok()?;
        (!is_small_order(&key)).then_some(Self(key))
    }

    /// The 32 bytes of the key.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Whether the signature over the message is this key's. Signatures that could be rewritten into other valid ones
    /// do not count.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        // ring refuses an S that is not reduced and an R that is not in canonical form. Signing with an R of small order
        // takes the private key all the same; it is refused because strict verification refuses it.
        !signature.first_chunk().is_some_and(is_small_order)
            && UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PublicKey(")?;
        self.to_bytes().iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
        formatter.write_str(")")
    }
}

/// The y coordinates of the points whose order divides 8, as the low and the high half of their bytes: 0, 1, -1, 0 and
/// 1 again with the prime added to them, and the two of the points of order 8.
const SMALL_ORDER_Y: [[u128; 2]; 7] = {
    const PRIME: [u128; 2] = [u128::MAX - 18, u128::MAX >> 1];
    [
        [0, 0],
        [1, 0],
        [PRIME[0] - 1, PRIME[1]],
        PRIME,
        [PRIME[0] + 1, PRIME[1]],
        [0xf098_eff2_89f4_c345_b027_b2c2_8f95_e826, 0x05fc_536d_8802_38b1_3933_c6d3_05ac_dfd5],
        [0x0f67_100d_760b_3cba_4fd8_4d3d_706a_17c7, 0x7a03_ac92_77fd_c74e_c6cc_392c_fa53_202a],
    ]
};

/// Whether the bytes are a point whose order divides 8, in any of its encodings.
fn is_small_order(point: &[u8; 32]) -> bool {
    let mut y = *point;
    // The highest bit is the sign of x.
    y[31] &= 0x7f;
    SMALL_ORDER_Y.iter().any(|halves| halves.map(u128::to_le_bytes).as_flattened() == y)
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
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::edwards::CompressedEdwardsY;
    use curve25519_dalek::scalar::{Scalar, clamp_integer};
    use ring::digest::{SHA512, digest};
    use ring::signature::{Ed25519KeyPair, KeyPair};

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

        // All 8 points, and all y that are written with the prime added, each with either sign.
        let canonical = EIGHT_TORSION.map(|point| point.compress().0);
        let not_canonical = (0xed..=0xff).map(|lowest| {
            let mut y = [0xff; 32];
            (y[0], y[31]) = (lowest, 0x7f);
            y
        });
        let mut refused = 0;
        for mut bytes in canonical.into_iter().chain(not_canonical) {
            for _ in 0..2 {
                bytes[31] ^= 0x80;
                let point = CompressedEdwardsY(bytes).decompress();
                let is_small_order = point.is_some_and(|point| point.is_small_order());
                assert_eq!(PublicKey::from_bytes(&bytes).is_none(), is_small_order, "{bytes:x?}");
                refused += usize::from(is_small_order);
            }
        }
        // 8 points with either sign, and the y 0 and 1 once more with the prime added.
        assert_eq!(refused, 8 * 2 + 2 * 2);
    }

    fn key_pair() -> (Ed25519KeyPair, PublicKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let key = PublicKey::from_bytes(pair.public_key().as_ref()).unwrap();
        (pair, key)
    }

    /// The scalar that SHA-512 of these makes.
    fn hashed(parts: &[&[u8]]) -> Scalar {
        let hash = digest(&SHA512, &parts.concat());
        Scalar::from_bytes_mod_order_wide(hash.as_ref().try_into().unwrap())
    }

    #[test]
    fn takes_signatures_in_one_form_only() {
        let (pair, key) = key_pair();
        let signed: [u8; 64] = pair.sign(b"message").as_ref().try_into().unwrap();
        assert!(key.verify(b"message", &signed));
        assert!(!key.verify(b"massage", &signed));
        for length in [0, 31, 32, 63] {
            assert!(!key.verify(b"message", &signed[..length]), "{length}");
        }
        assert!(!key.verify(b"message", &[&signed[..], &[0]].concat()));

        // S with the group's order added is the same number to those who do not look.
        let mut rewritten = signed;
        // The order is one more than its largest scalar.
        let mut carry = 1;
        for (byte, order) in rewritten[32..].iter_mut().zip((-Scalar::ONE).to_bytes()) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        let s = |signature: &[u8; 64]| Scalar::from_bytes_mod_order(signature[32..].try_into().unwrap());
        assert_eq!(s(&rewritten), s(&signed));
        assert_ne!(rewritten, signed);
        assert!(!key.verify(b"message", &rewritten));
    }

    #[test]
    fn a_signature_of_small_order_is_refused() {
        let (_, key) = key_pair();
        let seed = digest(&SHA512, &[7; 32]);
        let secret = Scalar::from_bytes_mod_order(clamp_integer(seed.as_ref()[..32].try_into().unwrap()));
        assert_eq!((secret * ED25519_BASEPOINT_POINT).compress().0, key.to_bytes());

        let identity = EIGHT_TORSION[0].compress().0;
        let s = hashed(&[&identity, &key.to_bytes(), b"message"]) * secret;
        let signature = [identity, s.to_bytes()].concat();
        assert!(UnparsedPublicKey::new(&ED25519, key.to_bytes()).verify(b"message", &signature).is_ok());
        assert!(!key.verify(b"message", &signature));
    }

    #[test]
    fn what_is_no_point_of_the_curve_verifies_nothing() {
        let (pair, _) = key_pair();
        let bytes = (0..=u8::MAX).map(|lowest| {
            let mut bytes = [0; 32];
            bytes[0] = lowest;
            bytes
        });
        let no_points: Vec<_> = bytes.filter(|bytes| CompressedEdwardsY(*bytes).decompress().is_none()).collect();
        assert!(no_points.len() > 100);
        for bytes in no_points {
            let key = PublicKey::from_bytes(&bytes).unwrap();
            assert!(!key.verify(b"message", pair.sign(b"message").as_ref()));
            // With either half 0, equations hold that should not.
            assert!(!key.verify(b"message", &[[0; 32], [0; 32]].concat()));
            assert!(!key.verify(b"message", &[bytes, [0; 32]].concat()));
        }
    }

    #[test]
    fn shows_itself_in_hex() {
        assert_eq!(format!("{:?}", PublicKey::from_text(BASE64).unwrap()), format!("PublicKey({HEX})"));
    }
}
