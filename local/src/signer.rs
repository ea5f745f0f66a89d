//! The key that signs tokens, as the IAP holds it.

use armoriq::json::canonical;
use armoriq::token::PublicKey;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use crate::merkle::hex;

/// The ASN.1 that comes before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

pub struct Signer {
    key: SigningKey,
    public_hex: String,
    public: PublicKey,
}

#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
    #[error("the signing key has no valid public key")]
    PublicKey,
}

impl Signer {
    /// The key of that seed, or a new one.
    pub fn new(seed: Option<[u8; 32]>) -> Result<Self, SignerError> {
        let seed = match seed {
            Some(seed) => seed,
            None => {
                let mut seed = [0; 32];
                getrandom::fill(&mut seed).map_err(SignerError::Random)?;
                seed
            }
        };
        let key = SigningKey::from_bytes(&seed);
        let public_hex = hex(key.verifying_key().as_bytes());
        let public = PublicKey::from_text(&public_hex).ok_or(SignerError::PublicKey)?;
        Ok(Self { key, public_hex, public })
    }

    /// What the key is made of again.
    pub fn seed(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The public key, to verify with.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub fn public_hex(&self) -> &str {
        &self.public_hex
    }

    pub fn public_pem(&self) -> String {
        let der = [&SPKI_PREFIX[..], self.key.verifying_key().as_bytes()].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    /// Signs the canonical text of a value; hex.
    pub fn sign(&self, value: &Value) -> String {
        hex(&self.key.sign(canonical(value).as_bytes()).to_bytes())
    }

    /// An EdDSA JWT with these claims.
    pub fn jwt(&self, claims: &Value) -> String {
        let header = json!({ "alg": "EdDSA", "typ": "JWT" });
        let signed = [header.to_string(), claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).to_bytes());
        format!("{signed}.{signature}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_public_key_of_rfc_8032() {
        let mut seed = [0; 32];
        let text = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        for (index, byte) in seed.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).unwrap();
        }
        let signer = Signer::new(Some(seed)).unwrap();
        assert_eq!(signer.public_hex(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let pem = PublicKey::from_text(&signer.public_pem()).unwrap();
        assert_eq!(pem.to_bytes(), signer.public().to_bytes());
    }

    #[test]
    fn signs_jwts_that_its_public_key_verifies_and_another_does_not() {
        let signer = Signer::new(None).unwrap();
        let jwt = signer.jwt(&json!({ "plan_id": "p" }));
        assert!(armoriq::token::verify_jwt(&jwt, signer.public()).is_ok());
        assert!(armoriq::token::verify_jwt(&jwt, Signer::new(None).unwrap().public()).is_err());
    }
}
