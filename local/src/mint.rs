//! Minting: a plan becomes a signed intent token.

use armoriq::policy::Verdict;
use serde_json::{Value, json};

use crate::app::{App, new_id};
use crate::clock::Instant;
use crate::config::Agent;
use crate::engine::{Call, decide};
use crate::plan::ReadPlan;
use crate::state::plans::Plan;
use crate::state::storage::StorageError;

/// Who asks for a token, and how long it is to live.
pub struct Order<'a> {
    pub agent: &'a Agent,
    pub user_id: &'a str,
    pub user_email: Option<&'a str>,
    pub api_key_id: &'a str,
    pub validity_seconds: f64,
    /// The plan that this one is delegated from.
    pub parent: Option<&'a str>,
    pub now: Instant,
}

/// Signs a token for the plan, remembers the plan, and returns the answer of `POST /iap/sdk/token`.
pub fn mint(app: &App, order: &Order<'_>, plan: ReadPlan) -> Result<Value, StorageError> {
    let (plan_id, reference, token_id) = (new_id(), new_id(), new_id());
    let issued_at = order.now;
    let expires_at = issued_at.plus_seconds(order.validity_seconds.min(app.config.max_token_ttl_seconds));
    let (plan_hash, merkle_root, step_proofs) = (plan.hash(), plan.merkle_root(), plan.proofs());
    let identity = format!("{}:{}", order.agent.id, order.user_id);
    let policy = order.agent.policy.as_ref();

    let payload = json!({
        "plan_hash": plan_hash,
        "issued_at": issued_at.seconds(),
        "expires_at": expires_at.seconds(),
        "policy": policy.map_or_else(|| json!({}), |policy| json!({ "policy_id": policy.id, "name": policy.name })),
        "identity": identity,
        "public_key": app.signer.public_hex(),
        "version": "1.0",
    });
    let signature = app.signer.sign(&payload);
    let mut token = payload;
    token["token_id"] = json!(token_id);
    token["signature"] = json!(signature);

    let jwt = app.signer.jwt(&json!({
        "iss": "armoriq-csrg-iap",
        "sub": order.user_id,
        "aud": "armoriq-proxy",
        "jti": token_id,
        "iat": issued_at.whole_seconds(),
        // Whole seconds, as most readers of JWTs expect; the plan's own expiry is exact.
        "exp": expires_at.whole_seconds_up(),
        "plan_id": plan_id,
        "plan_hash": plan_hash,
        "merkle_root": merkle_root,
        "identity": { "user_id": order.user_id, "agent_id": order.agent.id, "api_key_id": order.api_key_id },
    }));

    let validation = validate(app, order, &plan);
    let answer = json!({
        "success": true,
        "intent_reference": reference,
        "plan_id": plan_id,
        "plan_hash": plan_hash,
        "merkle_root": merkle_root,
        "composite_identity": identity,
        "step_proofs": step_proofs,
        "client_info": { "org": app.config.organisation },
        "token": token,
        "jwt_token": jwt,
        "policy_validation": validation,
        "policy_snapshot": policy.map(|policy| json!([{ "policyId": policy.id, "policyName": policy.name }])),
    });
    let anchored = plan.into_new_plan();
    let plan = Plan {
        id: plan_id,
        reference,
        agent: order.agent.id.clone(),
        user_email: order.user_email.map(str::to_owned),
        plan: anchored.plan,
        steps: anchored.steps,
        plan_hash: anchored.plan_hash,
        merkle_root: anchored.merkle_root,
        signature,
        expires_at,
        reanchors: 0,
        trust_id: None,
        status: "active".into(),
        revoked: None,
        parent: order.parent.map(str::to_owned),
        subtrees: Vec::new(),
    };
    app.store.plans.insert(plan, issued_at)?;
    Ok(answer)
}

/// What the policy says at present about each step with the arguments that it was planned with. It is a forecast: a
/// plan is minted whatever it says, and each call is decided when it is made.
fn validate(app: &App, order: &Order<'_>, plan: &ReadPlan) -> Value {
    let (mut allowed, mut held, mut denied, mut reasons) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for step in plan.steps() {
        let call = Call {
            server: Some(&step.server),
            tool: &step.action,
            arguments: &step.arguments,
            user_email: order.user_email,
            now: order.now,
        };
        let decision = decide(&app.bundle, &order.agent.id, &call);
        let list = match decision.verdict {
            Verdict::Allow => &mut allowed,
            Verdict::Hold => &mut held,
            Verdict::Block => {
                reasons.push(format!("{}: {}", step.action, decision.reason));
                &mut denied
            }
        };
        if !list.contains(&step.action) {
            list.push(step.action.clone());
        }
    }
    let default = order.agent.policy.as_ref().map_or("allow", |policy| policy.default_effect());
    json!({
        "allowed_tools": allowed,
        "held_tools": held,
        "denied_tools": denied,
        "denied_reasons": reasons,
        "default_enforcement_action": default,
    })
}
