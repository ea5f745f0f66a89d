use super::keys::{BASE64_URL, PublicKey};
use crate::json::{self, Map, Value};
use base64::Engine;

/// Why a JWT does not verify. No variant carries any part of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    #[error("the token is not three parts")]
    Shape,
    #[error("the token's header cannot be read")]
    Header,
    #[error("the token is not signed with EdDSA")]
    Algorithm,
    #[error("the token's signature does not verify")]
    Signature,
    #[error("the token's claims cannot be read")]
    Claims,
}

/// What a verified JWT claims.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// The claim of that name; a null claims nothing.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether the token is this plan's: `plan_id` and `planId` name it, where they are there.
    pub fn names_plan(&self, plan_id: Option<&str>) -> bool {
        let mut claimed = ["plan_id", "planId"].into_iter().filter_map(|name| self.get(name));
        claimed.all(|claimed| claimed.as_str().is_some_and(|claimed| plan_id == Some(claimed)))
    }

    /// The first moment (Unix seconds) at which `exp` no longer holds: an infinity where it is not claimed, `None` where
    /// it is not a number, which holds at no time.
    pub fn valid_until(&self) -> Option<f64> {
        match self.get("exp") {
            None => Some(f64::INFINITY),
            Some(Value::Number(expiry)) => Some(json::as_double(expiry)),
            Some(_) => None,
        }
    }
}

/// Verifies an EdDSA JWT and returns what it claims. Nothing is concluded from the claims here.
///
/// # Errors
///
/// [`JwtError`] for a token that this key did not sign, or whose parts are not what they should be.
pub fn verify_jwt(token: &str, key: &PublicKey) -> Result<Claims, JwtError> {
    let payload = verified_payload(token, key)?;
    let payload = BASE64_URL.decode(payload).map_err(|_| JwtError::Claims)?;
    match json::parse_bytes(&payload) {
        Ok(Value::Object(claims)) => Ok(Claims(claims)),
        _ => Err(JwtError::Claims),
    }
}

/// Whether the key signed the token, whatever it claims.
pub fn is_valid_signature(token: &str, key: &PublicKey) -> bool {
    verified_payload(token, key).is_ok()
}

/// The payload part of a token whose signature verifies.
fn verified_payload<'a>(token: &'a str, key: &PublicKey) -> Result<&'a str, JwtError> {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JwtError::Shape);
    };
    let header_json = BASE64_URL.decode(header).map_err(|_| JwtError::Header)?;
    let header_json = json::parse_bytes(&header_json).map_err(|_| JwtError::Header)?;
    if json::string_member(&header_json, "alg") != Some("EdDSA") {
        return Err(JwtError::Algorithm);
    }
    // Surplus padding is tolerated in the signature, and only there.
    let signature = BASE64_URL.decode(signature.trim_end_matches('=')).map_err(|_| JwtError::Signature)?;
    let message = token.get(..header.len() + 1 + payload.len()).ok_or(JwtError::Shape)?;
    if key.verify(message.as_bytes(), &signature) { Ok(payload) } else { Err(JwtError::Signature) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;
    use ring::signature::{Ed25519KeyPair, KeyPair};

    fn key_pair(seed: u8) -> (Ed25519KeyPair, PublicKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = PublicKey::from_bytes(pair.public_key().as_ref()).unwrap();
        (pair, public)
    }

    fn sign(header: &str, payload: &str) -> (String, PublicKey) {
        let (pair, public) = key_pair(7);
        let message = format!("{}.{}", BASE64_URL.encode(header), BASE64_URL.encode(payload));
        let signature = BASE64_URL.encode(pair.sign(message.as_bytes()));
        (format!("{message}.{signature}"), public)
    }

    #[test]
    fn returns_the_claims_of_a_token_that_verifies() {
        let (token, key) = sign(r#"{"alg":"EdDSA"}"#, r#"{"exp":10,"plan_id":"p"}"#);
        let claims = verify_jwt(&token, &key).unwrap();
        assert_eq!(claims.get("plan_id"), Some(&json!("p")));
        assert_eq!(claims.get("sub"), None);
    }

    #[test]
    fn says_why_a_token_does_not_verify() {
        let (token, key) = sign(r#"{"alg":"EdDSA"}"#, "{}");
        let (_, other) = key_pair(8);
        assert_eq!(verify_jwt(&token, &other), Err(JwtError::Signature));
        assert_eq!(verify_jwt("a.b", &key), Err(JwtError::Shape));
        assert_eq!(verify_jwt("!.e30.AA", &key), Err(JwtError::Header));
        assert_eq!(verify_jwt(&sign(r#"{"alg":"HS256"}"#, "{}").0, &key), Err(JwtError::Algorithm));
        assert_eq!(verify_jwt(&sign(r#"{"alg":"none","alg":"EdDSA"}"#, "{}").0, &key), Err(JwtError::Header));
        for payload in ["[]", "7", "", r#"{"exp":1,"exp":2}"#] {
            let (token, key) = sign(r#"{"alg":"EdDSA"}"#, payload);
            assert!(is_valid_signature(&token, &key));
            assert_eq!(verify_jwt(&token, &key), Err(JwtError::Claims), "{payload}");
        }
    }

    #[test]
    fn claims_that_are_there_must_hold() {
        let claims = |claims: &str| {
            let Value::Object(claims) = json::parse(claims).unwrap() else { panic!("not an object") };
            Claims(claims)
        };
        for (text, until) in [
            ("{}", Some(f64::INFINITY)),
            (r#"{"exp":null}"#, Some(f64::INFINITY)),
            (r#"{"exp":100.5}"#, Some(100.5)),
            (r#"{"exp":-1}"#, Some(-1.0)),
            (r#"{"exp":"200"}"#, None),
            (r#"{"exp":true}"#, None),
        ] {
            assert_eq!(claims(text).valid_until(), until, "{text}");
        }
        for text in ["{}", r#"{"plan_id":"p","planId":"p"}"#, r#"{"plan_id":null}"#] {
            assert!(claims(text).names_plan(Some("p")), "{text}");
        }
        for text in [r#"{"plan_id":"q"}"#, r#"{"planId":"q"}"#, r#"{"plan_id":"p","planId":7}"#] {
            assert!(!claims(text).names_plan(Some("p")), "{text}");
        }
        assert!(!claims(r#"{"plan_id":"p"}"#).names_plan(None));
    }
}
