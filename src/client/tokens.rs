//! Intent tokens: minted for a plan, re-anchored to one that grew, and verified against the IAP's key.

use arc_swap::ArcSwapOption;
use serde_json::{Number, Value};
use std::sync::Arc;
use std::time::Duration;

use super::{Call, Client, Params};
use crate::clock::{Moment, since_1970};
use crate::config::{Config, Reader};
use crate::error::PolicyRefusal;
use crate::json::{self, ObjectWriter, is_truthy, string_member};
use crate::log::warning;
use crate::token::{IntentToken, PublicKey, verify_jwt};
use crate::transport::Response;
use crate::{Error, Result};

/// A plan that wants a token.
pub(crate) struct MintRequest<'a> {
    pub plan: &'a Value,
    pub policy: Option<&'a Value>,
    /// Seconds, sent as the caller wrote them.
    pub validity_seconds: &'a Number,
    pub user_email: Option<&'a str>,
}

/// What local mode may think of a token. It was found out when the token came, for exactly its bytes and that key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TokenStanding {
    /// The IAP signed it for this plan, and it is valid until then (Unix seconds).
    Signed { until: f64 },
    /// The IAP signed it for another plan, or what it claims cannot be read.
    OtherPlan,
    /// The IAP did not sign it.
    Unsigned,
    /// The IAP's key could not be had.
    Unknown,
}

/// How often a fetched key is looked up anew because a token does not verify with it.
const KEY_REFETCH_AFTER: Duration = Duration::from_secs(60);

/// The IAP's public key: configured, or fetched.
pub(super) struct KeyStore {
    current: ArcSwapOption<IapKey>,
}

struct IapKey {
    key: PublicKey,
    /// When it was fetched; a configured one never is.
    fetched: Option<Moment>,
}

impl KeyStore {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let configured: Option<Result<_>> = config.iap_public_key.as_ref().map(|key| {
            let key = PublicKey::from_json(key)
                .ok_or_else(|| Error::configuration("iap_public_key is not an Ed25519 public key"))?;
            Ok(Arc::new(IapKey { key, fetched: None }))
        });
        Ok(Self { current: ArcSwapOption::from(configured.transpose()?) })
    }
}

/// How long a token lives that a plan asks for without saying how long, in seconds.
const DEFAULT_VALIDITY: f64 = 60.0;

impl Client {
    /// Mints a token for a plan. The result is the token as JSON.
    pub async fn get_intent_token(&self, params: Params<'_>) -> Result<Value> {
        let (plan, policy, validity_seconds, user_email) = params.read(|reader| {
            // What a plan is made with stays here: the service is not told.
            reader.text("llm")?;
            reader.text("prompt")?;
            reader.members("metadata")?;
            Ok((
                reader.value("plan"),
                reader.members("policy")?,
                reader.seconds("validity_seconds")?,
                reader.text("user_email")?,
            ))
        })?;
        let validity_seconds = validity_seconds.or_else(|| Number::from_f64(DEFAULT_VALIDITY)).unwrap_or(60.into());
        let request =
            MintRequest { plan: checked_plan(plan)?, policy, validity_seconds: &validity_seconds, user_email };
        self.mint(request).await.map(|token| token.to_json())
    }

    /// Whether a token is whole and has not expired.
    pub async fn verify_token(&self, params: Params<'_>) -> Result<Value> {
        let token = params.read(read_token)?;
        Ok(token.verify(since_1970().as_secs_f64()).into())
    }

    /// Asks for a token for the plan.
    pub(crate) async fn mint(&self, request: MintRequest<'_>) -> Result<IntentToken> {
        let config = self.config();
        let mut body = ObjectWriter::new();
        body.value("user_id", request.user_email.unwrap_or(&config.user_id))
            .value("agent_id", &config.agent_id)
            .value("context_id", &config.context_id)
            .value("plan", request.plan)
            .value("policy", &request.policy)
            .value("expires_in", request.validity_seconds)
            .optional("user_email", request.user_email);
        let response = Call::post(self.backend_url("/iap/sdk/token", &[]), body.finish())
            .limit(30)
            .own_idempotency_key()
            .retried()
            .send(self)
            .await?;
        if !response.is_success() {
            return Err(refused(&response));
        }
        let answer = response.json().map_err(|error| failed(&error))?;
        if !answer.get("success").is_some_and(is_truthy) {
            let message = string_member(&answer, "message").unwrap_or("Unknown error");
            return Err(invalid_token(format!("Token issuance failed: {message}")));
        }
        let validity = json::as_double(request.validity_seconds);
        IntentToken::from_answer(&answer, request.plan, request.policy.cloned(), validity, since_1970().as_secs_f64())
    }

    /// Fetches the IAP's public key where there is none yet. A failure is logged; the next plan tries again.
    pub(crate) async fn ensure_iap_key(&self) {
        if self.0.keys.current.load().is_none() {
            self.renew_iap_key().await;
        }
    }

    async fn renew_iap_key(&self) {
        let fetched = Some(self.0.clock.now());
        match self.fetch_iap_key().await {
            Ok(key) => self.0.keys.current.store(Some(Arc::new(IapKey { key, fetched }))),
            Err(error) => warning!("the IAP public key could not be fetched: {error}"),
        }
    }

    async fn fetch_iap_key(&self) -> Result<PublicKey> {
        let response =
            Call::get(self.backend_url("/iap/public-key", &[])).limit(10).without_api_key().send(self).await?;
        let unusable = || Error::Service {
            message: format!("the IAP public key is not an Ed25519 key (HTTP {})", response.status()),
            status_code: Some(response.status()),
        };
        if !response.is_success() {
            return Err(unusable());
        }
        let answer = response.json().unwrap_or_else(|_| Value::from(response.text().as_ref()));
        key_in(&answer).ok_or_else(unusable)
    }

    /// Verifies a token against the key at hand. A key that was fetched may have been replaced since: when a token does
    /// not verify, it is looked up anew, at most once a minute.
    pub(crate) async fn token_standing(&self, token: &IntentToken) -> TokenStanding {
        let standing = self.standing_at_hand(token);
        let fetched = self.0.keys.current.load().as_ref().and_then(|key| key.fetched);
        let is_old = fetched.is_some_and(|fetched| self.0.clock.now().since(fetched) >= KEY_REFETCH_AFTER);
        if standing != TokenStanding::Unsigned || !is_old {
            return standing;
        }
        self.renew_iap_key().await;
        self.standing_at_hand(token)
    }

    fn standing_at_hand(&self, token: &IntentToken) -> TokenStanding {
        let key = self.0.keys.current.load();
        let Some(key) = key.as_ref() else { return TokenStanding::Unknown };
        let Some(Ok(claims)) = token.jwt_token.as_deref().map(|jwt| verify_jwt(jwt, &key.key)) else {
            return TokenStanding::Unsigned;
        };
        match (claims.names_plan(token.plan_id()), claims.valid_until()) {
            (true, Some(until)) => TokenStanding::Signed { until },
            (false, _) | (_, None) => TokenStanding::OtherPlan,
        }
    }
}

/// The parameter `intent_token`: a token as it was given out.
pub(super) fn read_token(reader: &mut Reader<'_>) -> Result<IntentToken> {
    let token = reader.members("intent_token")?;
    IntentToken::from_json(reader.required("intent_token", token)?)
}

/// What a 401 says that calls the token revoked.
pub(super) fn revoked(token: &IntentToken, response: &Response) -> Error {
    let answer = response.json().unwrap_or_default();
    let reason = string_member(&answer, "reason").map(str::to_owned);
    let said = reason.clone().unwrap_or_else(|| response.text().into_owned());
    let token_id = token.token_id.clone();
    Error::TokenRevoked { message: format!("Token {token_id} was revoked: {said}"), token_id: Some(token_id), reason }
}

/// A plan has to have steps, and may have more.
fn checked_plan(plan: Option<&Value>) -> Result<&Value> {
    match plan {
        None => Err(Error::invalid_argument(
            "Plan structure is required. You must provide an explicit plan with the MCP and actions you want to execute.",
        )),
        Some(plan) if !plan.is_object() => Err(Error::invalid_argument("Plan must be a dictionary")),
        Some(plan) if plan.get("steps").is_none() => Err(Error::invalid_argument("Plan must contain 'steps' key")),
        Some(plan) => Ok(plan),
    }
}

/// The key in the IAP's answer: the answer itself, or one of its members.
fn key_in(answer: &Value) -> Option<PublicKey> {
    let is_jwk = string_member(answer, "kty") == Some("OKP");
    let names = ["public_key", "publicKey", "pem", "key", "jwk"];
    let member = names.iter().filter(|_| !is_jwk).find_map(|name| answer.get(name).filter(|value| is_truthy(value)));
    PublicKey::from_json(member.unwrap_or(answer))
}

/// Why no token was issued, by what the service said.
fn refused(response: &Response) -> Error {
    let answer = response.json().unwrap_or_else(|_| json::json!({ "message": response.text() }));
    let validation = answer.get("policy_validation").filter(|validation| validation.is_object());
    let listed = |key: &str| {
        let list = validation.and_then(|validation| validation.get(key)).and_then(Value::as_array);
        list.filter(|list| !list.is_empty())
    };
    let message = string_member(&answer, "message");
    if response.status() != 403 && listed("denied_tools").is_none() {
        return invalid_token(format!("Token issuance failed: {}", message.unwrap_or("None")));
    }
    let denied = listed("denied_reasons").map(|reasons| {
        let reasons: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
        reasons.join("; ")
    });
    let reason = denied.unwrap_or_else(|| message.unwrap_or("Blocked by policy").to_owned());
    Error::PolicyBlocked(Box::new(PolicyRefusal {
        message: format!("Policy blocked intent token issuance: {reason}"),
        enforcement_action: validation
            .and_then(|validation| string_member(validation, "default_enforcement_action"))
            .map(str::to_owned),
        reason: Some(reason),
        metadata: validation.cloned(),
        ..PolicyRefusal::default()
    }))
}

fn invalid_token(message: String) -> Error {
    Error::InvalidToken { message, token_id: None }
}

fn failed(error: &json::ParseError) -> Error {
    invalid_token(format!("Failed to get intent token: {error}"))
}
