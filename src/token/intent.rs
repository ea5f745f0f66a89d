use super::fields::Fields;
use super::signature;
use crate::error::{Error, Result};
use crate::json::{self, Map, Value, json};
use std::fmt;

const UNKNOWN_TOKEN_ID: &str = "unknown";

/// A minted intent token: a service accepted a plan, and later calls show this for it.
#[derive(Clone, PartialEq)]
pub struct IntentToken {
    pub token_id: String,
    /// The service's own hash of the plan, not `Plan::hash`.
    pub plan_hash: String,
    pub plan_id: Option<String>,
    pub signature: String,
    /// Unix seconds.
    pub issued_at: f64,
    /// Unix seconds.
    pub expires_at: f64,
    pub policy: Map<String, Value>,
    pub composite_identity: String,
    pub client_info: Option<Map<String, Value>>,
    pub policy_validation: Option<Map<String, Value>>,
    pub step_proofs: Vec<Value>,
    pub total_steps: u64,
    /// The plan with what the service answered for it.
    pub raw_token: Map<String, Value>,
    pub jwt_token: Option<String>,
    /// A list of objects.
    pub policy_snapshot: Option<Vec<Value>>,
    pub subtree_delegation: Option<Map<String, Value>>,
}

impl IntentToken {
    /// The token that a service answered a mint of `plan` with. Where it does not say when the token was issued and
    /// when it expires, that is `now` and `validity_seconds` later (Unix seconds).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidToken`] where a member of the answer has the wrong type.
    pub fn from_answer(
        answer: &Value,
        plan: &Value,
        policy: Option<Value>,
        validity_seconds: f64,
        now: f64,
    ) -> Result<Self> {
        let token = read_answer(answer, plan, policy, validity_seconds, now);
        token.map_err(|problem| Error::InvalidToken {
            message: format!("Failed to get intent token: {problem}"),
            token_id: None,
        })
    }

    /// Reads a token that was given out as JSON and now comes back. Members that are not known are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] where it is not such a token.
    pub fn from_json(value: &Value) -> Result<Self> {
        let token = read_token(value);
        token.map_err(|problem| Error::InvalidArgument(format!("not an intent token: {problem}")))
    }

    /// The token that a service made for a delegate. It may leave out more than a minted one: without an expiry it has
    /// expired already. `now` is when it was issued where that is not said (Unix seconds).
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn from_delegation(delegation: &Value, now: f64) -> Result<Self, String> {
        let fields = Fields(delegation.as_object().ok_or("the delegated token is not an object")?);
        let issued_at = fields.number("issued_at")?.unwrap_or(now);
        let raw_token = Map::from_iter([("token".to_owned(), delegation.clone())]);
        Ok(Self { issued_at, raw_token, ..with_what_there_is(&fields)? })
    }

    /// The token as it is given out.
    pub fn to_json(&self) -> Value {
        json!({
            "token_id": self.token_id,
            "plan_hash": self.plan_hash,
            "plan_id": self.plan_id,
            "signature": self.signature,
            "issued_at": self.issued_at,
            "expires_at": self.expires_at,
            "policy": self.policy,
            "composite_identity": self.composite_identity,
            "client_info": self.client_info,
            "policy_validation": self.policy_validation,
            "step_proofs": self.step_proofs,
            "total_steps": self.total_steps,
            "raw_token": self.raw_token,
            "jwt_token": self.jwt_token,
            "policy_snapshot": self.policy_snapshot,
            "subtree_delegation": self.subtree_delegation,
        })
    }

    /// Whether its time is over at `now` (Unix seconds).
    pub fn is_expired(&self, now: f64) -> bool {
        now > self.expires_at
    }

    /// Refuses the token once its time is over at `now` (Unix seconds).
    ///
    /// # Errors
    ///
    /// [`Error::TokenExpired`].
    pub fn refuse_expired(&self, now: f64) -> Result<()> {
        if !self.is_expired(now) {
            return Ok(());
        }
        Err(Error::TokenExpired {
            message: format!("Intent token expired {:.1}s ago", now - self.expires_at),
            token_id: Some(self.token_id.clone()),
            expired_at: Some(self.expires_at),
        })
    }

    /// The plan id, also where only the raw token has it.
    pub fn plan_id(&self) -> Option<&str> {
        self.plan_id.as_deref().or_else(|| self.raw_token.get("plan_id").and_then(Value::as_str))
    }

    /// What later calls send as `intent_token`: the JWT and the plan id, each where there is one.
    pub fn signed(&self) -> Value {
        let members = [("jwt_token", self.jwt_token.as_deref()), ("plan_id", self.plan_id())];
        let present = members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?))));
        Value::Object(present.collect())
    }

    /// The CSRG token inside: the signed object that trust calls send.
    pub fn csrg_token(&self) -> Value {
        self.raw_token.get("token").cloned().unwrap_or_else(|| Value::Object(self.raw_token.clone()))
    }

    /// Whether the token is whole: not expired at `now`, the CSRG token unchanged since it was signed, and for the
    /// same plan hash. The key is the token's own: this does not prove who issued it.
    pub fn verify(&self, now: f64) -> bool {
        let Some(csrg_token) = self.raw_token.get("token") else { return false };
        let same_plan =
            self.plan_hash.is_empty() || json::string_member(csrg_token, "plan_hash") == Some(&self.plan_hash);
        !self.is_expired(now) && same_plan && signature::is_signed(csrg_token)
    }
}

/// Shows which token it is and nothing that could be used in its place.
impl fmt::Debug for IntentToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IntentToken")
            .field("token_id", &self.token_id)
            .field("plan_id", &self.plan_id)
            .field("plan_hash", &self.plan_hash)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

fn read_answer(
    answer: &Value,
    plan: &Value,
    policy: Option<Value>,
    validity_seconds: f64,
    now: f64,
) -> Result<IntentToken, String> {
    let fields = Fields(answer.as_object().ok_or("the answer is not an object")?);
    let csrg_token = fields.object("token")?.unwrap_or_default();
    let csrg_fields = Fields(&csrg_token);
    let token_id = fields.optional_text("intent_reference")?.filter(|id| !id.is_empty());
    let step_proofs = fields.list_or_empty("step_proofs")?;
    Ok(IntentToken {
        token_id: token_id.unwrap_or_else(|| UNKNOWN_TOKEN_ID.into()),
        plan_hash: fields.text_or_empty("plan_hash")?,
        plan_id: fields.optional_text("plan_id")?,
        signature: csrg_fields.optional_text("signature")?.unwrap_or_default(),
        issued_at: csrg_fields.number("issued_at")?.unwrap_or(now),
        expires_at: csrg_fields.number("expires_at")?.unwrap_or(now + validity_seconds),
        policy: policy_members(policy)?,
        composite_identity: fields.text_or_empty("composite_identity")?,
        client_info: fields.object("client_info")?,
        policy_validation: fields.object("policy_validation")?,
        total_steps: count_steps(plan)?,
        jwt_token: fields.optional_text("jwt_token")?,
        policy_snapshot: fields.objects("policy_snapshot")?,
        raw_token: raw_token(&fields, plan, &csrg_token, &step_proofs),
        step_proofs,
        subtree_delegation: None,
    })
}

fn raw_token(
    fields: &Fields<'_>,
    plan: &Value,
    csrg_token: &Map<String, Value>,
    proofs: &[Value],
) -> Map<String, Value> {
    let member = |name: &str| fields.0.get(name).cloned().unwrap_or(Value::Null);
    let members = [
        ("plan", plan.clone()),
        ("plan_id", member("plan_id")),
        ("token", Value::Object(csrg_token.clone())),
        ("plan_hash", member("plan_hash")),
        ("merkle_root", member("merkle_root")),
        ("intent_reference", member("intent_reference")),
        ("composite_identity", member("composite_identity")),
        ("step_proofs", Value::from(proofs)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn policy_members(policy: Option<Value>) -> Result<Map<String, Value>, String> {
    match policy {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members),
        Some(_) => Err("policy must be an object".into()),
    }
}

fn count_steps(plan: &Value) -> Result<u64, String> {
    match plan.get("steps") {
        None => Ok(0),
        Some(Value::Array(steps)) => Ok(steps.len() as u64),
        Some(Value::Object(steps)) => Ok(steps.len() as u64),
        Some(_) => Err("the plan's steps must be a list".into()),
    }
}

fn read_token(value: &Value) -> Result<IntentToken, String> {
    let fields = Fields(value.as_object().ok_or("expected an object")?);
    let missing = |name: &str| format!("{name} is missing");
    Ok(IntentToken {
        token_id: fields.required_text("token_id")?,
        plan_hash: fields.required_text("plan_hash")?,
        signature: fields.required_text("signature")?,
        issued_at: fields.number("issued_at")?.ok_or_else(|| missing("issued_at"))?,
        expires_at: fields.number("expires_at")?.ok_or_else(|| missing("expires_at"))?,
        raw_token: fields.object("raw_token")?.ok_or_else(|| missing("raw_token"))?,
        subtree_delegation: fields.object("subtree_delegation")?,
        ..with_what_there_is(&fields)?
    })
}

/// A token with every member that is there; what has to be there is up to the caller. Without an expiry it has expired.
fn with_what_there_is(fields: &Fields<'_>) -> Result<IntentToken, String> {
    Ok(IntentToken {
        token_id: fields.text_or_empty("token_id")?,
        plan_hash: fields.text_or_empty("plan_hash")?,
        plan_id: fields.optional_text("plan_id")?,
        signature: fields.text_or_empty("signature")?,
        issued_at: 0.0,
        expires_at: fields.number("expires_at")?.unwrap_or(0.0),
        policy: fields.object("policy")?.unwrap_or_default(),
        composite_identity: fields.text_or_empty("composite_identity")?,
        client_info: fields.object("client_info")?,
        policy_validation: fields.object("policy_validation")?,
        step_proofs: fields.list_or_empty("step_proofs")?,
        total_steps: fields.count("total_steps")?,
        raw_token: Map::new(),
        jwt_token: fields.optional_text("jwt_token")?,
        policy_snapshot: fields.objects("policy_snapshot")?,
        subtree_delegation: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn answer() -> Value {
        json!({
            "success": true,
            "token": {"plan_hash": "ph", "issued_at": 1700000000, "expires_at": 4102444800u64, "signature": "00"},
            "plan_id": "plan-1",
            "plan_hash": "ph",
            "merkle_root": "mr",
            "intent_reference": "ref-1",
            "composite_identity": "identity",
            "step_proofs": [[]],
            "client_info": {"org": "org-1"},
            "policy_validation": {"allowed_tools": ["t"]},
            "jwt_token": "h.p.s",
            "policy_snapshot": [{"policyName": "P"}],
        })
    }

    fn without(name: &str) -> Value {
        let mut answer = answer();
        answer.as_object_mut().unwrap().remove(name);
        answer
    }

    fn with(name: &str, value: Value) -> Value {
        let mut answer = answer();
        answer[name] = value;
        answer
    }

    fn read(answer: &Value) -> Result<IntentToken> {
        IntentToken::from_answer(answer, &json!({"goal": "g", "steps": [{}, {}]}), None, 60.0, 1000.0)
    }

    #[test]
    fn reads_an_answer_and_writes_the_token_in_the_documented_order() {
        let token = read(&answer()).unwrap();
        assert_eq!(
            token.to_json().to_string(),
            concat!(
                r#"{"token_id":"ref-1","plan_hash":"ph","plan_id":"plan-1","signature":"00","#,
                r#""issued_at":1700000000.0,"expires_at":4102444800.0,"policy":{},"composite_identity":"identity","#,
                r#""client_info":{"org":"org-1"},"policy_validation":{"allowed_tools":["t"]},"step_proofs":[[]],"#,
                r#""total_steps":2,"raw_token":{"plan":{"goal":"g","steps":[{},{}]},"plan_id":"plan-1","#,
                r#""token":{"plan_hash":"ph","issued_at":1700000000,"expires_at":4102444800,"signature":"00"},"#,
                r#""plan_hash":"ph","merkle_root":"mr","intent_reference":"ref-1","composite_identity":"identity","#,
                r#""step_proofs":[[]]},"jwt_token":"h.p.s","policy_snapshot":[{"policyName":"P"}],"#,
                r#""subtree_delegation":null}"#
            )
        );
    }

    #[test]
    fn comes_back_as_it_was_given_out() {
        let token = read(&answer()).unwrap();
        let text = token.to_json().to_string();
        assert_eq!(IntentToken::from_json(&json::parse(&text).unwrap()).unwrap(), token);
    }

    #[test]
    fn fills_in_what_an_answer_leaves_out() {
        let token = read(&json!({})).unwrap();
        assert_eq!((token.token_id.as_str(), token.plan_hash.as_str(), token.signature.as_str()), ("unknown", "", ""));
        assert_eq!((token.issued_at, token.expires_at), (1000.0, 1060.0));
        assert_eq!((token.plan_id(), token.signed()), (None, json!({})));
        assert_eq!(read(&with("intent_reference", json!(""))).unwrap().token_id, "unknown");
    }

    #[test]
    fn refuses_members_of_the_wrong_type() {
        for (name, value) in [
            ("plan_hash", json!(null)),
            ("plan_id", json!(7)),
            ("intent_reference", json!(7)),
            ("composite_identity", json!(null)),
            ("step_proofs", json!({})),
            ("client_info", json!("x")),
            ("policy_validation", json!([])),
            ("jwt_token", json!(false)),
            ("policy_snapshot", json!([1])),
            ("policy_snapshot", json!({})),
            ("token", json!("x")),
            ("token", json!({"expires_at": "soon"})),
        ] {
            let error = read(&with(name, value)).unwrap_err();
            let Error::InvalidToken { message, token_id: None } = error else { panic!("{name}: {error:?}") };
            assert!(message.starts_with("Failed to get intent token: "), "{message}");
        }
        assert!(read(&json!([])).is_err());
        let endless = json::parse(r#"{"token": {"expires_at": 1e400}}"#).unwrap();
        assert!(read(&endless).is_err());
    }

    #[test]
    fn what_is_no_token_is_an_invalid_argument() {
        for text in ["null", "[]", "{}", r#"{"token_id":"t"}"#] {
            let error = IntentToken::from_json(&json::parse(text).unwrap()).unwrap_err();
            assert!(matches!(error, Error::InvalidArgument(_)), "{text}");
        }
        let mut token = read(&answer()).unwrap().to_json();
        token["total_steps"] = json!(-1);
        assert_eq!(
            IntentToken::from_json(&token).unwrap_err().to_string(),
            "not an intent token: total_steps must be a count"
        );
    }

    #[test]
    fn reads_a_delegated_token() {
        let given = json!({"token_id": "t", "signature": "s", "expires_at": 2000, "jwt_token": "h.p.s"});
        let token = IntentToken::from_delegation(&given, 1000.0).unwrap();
        assert_eq!((token.token_id.as_str(), token.issued_at, token.expires_at), ("t", 1000.0, 2000.0));
        assert_eq!((token.jwt_token.as_deref(), token.plan_id()), (Some("h.p.s"), None));
        assert_eq!(token.csrg_token(), given);
        assert!(IntentToken::from_delegation(&json!({"token_id": "t"}), 1000.0).unwrap().is_expired(1000.0));
        for wrong in [json!("t"), json!({"expires_at": "soon"}), json!({"token_id": 1}), json!({"policy": []})] {
            assert!(IntentToken::from_delegation(&wrong, 1000.0).is_err(), "{wrong}");
        }
    }

    #[test]
    fn expires_after_its_last_second() {
        let token = read(&json!({})).unwrap();
        assert!(!token.is_expired(1060.0) && token.refuse_expired(1060.0).is_ok());
        assert!(token.is_expired(1060.1));
        assert_eq!(token.refuse_expired(1062.54).unwrap_err().to_string(), "Intent token expired 2.5s ago");
    }

    #[test]
    fn signs_later_calls_with_what_it_has() {
        let token = read(&answer()).unwrap();
        assert_eq!(token.signed().to_string(), r#"{"jwt_token":"h.p.s","plan_id":"plan-1"}"#);
        assert_eq!(read(&without("jwt_token")).unwrap().signed().to_string(), r#"{"plan_id":"plan-1"}"#);
        let token = IntentToken { plan_id: None, ..token };
        assert_eq!(token.signed().to_string(), r#"{"jwt_token":"h.p.s","plan_id":"plan-1"}"#);
    }

    #[test]
    fn shows_no_secret() {
        let shown = format!("{:?}", read(&answer()).unwrap());
        assert!(shown.contains("ref-1") && !shown.contains("h.p.s") && !shown.contains("4102444800,"), "{shown}");
    }
}
