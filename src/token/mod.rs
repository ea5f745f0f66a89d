//! The intent token: the object a session holds, its EdDSA JWT, the signature inside it, and public keys.

mod fields;
mod intent;
mod jwt;
mod keys;
mod signature;

pub use intent::IntentToken;
pub use jwt::{Claims, JwtError, is_valid_signature, verify_jwt};
pub use keys::PublicKey;
pub use signature::is_signed;
