//! Calls of tools with what the gateway needs to know of their money, and with a human's approval where one is needed.

use std::time::Duration;

use serde_json::{Value, json};

use super::invoke::Target;
use super::{Call, Client, DelegationRequest, DelegationStatus, Params, ReviewedCall, used_before};
use crate::clock::{deadline_after, since_1970};
use crate::config::Reader;
use crate::error::PolicyRefusal;
use crate::json::{self, ObjectWriter, Tape, is_truthy, python_float, string_member};
use crate::log::{info, warning};
use crate::{Error, Result};

/// Members of the arguments that the gateway takes for the client's own word.
const OWN_MEMBERS: [&str; 3] = ["_policy_context", "_delegation_id", "_approvals"];

const FIRST_WAIT: Duration = Duration::from_secs(3);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

struct Options {
    wait_for_approval: bool,
    delegation_timeout: Duration,
    user_email: Option<String>,
    requester_role: Option<String>,
    requester_limit: f64,
}

impl Options {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            wait_for_approval: reader.boolean("wait_for_approval")?.unwrap_or(false),
            delegation_timeout: reader.milliseconds("delegation_timeout_ms")?.unwrap_or(Duration::from_secs(1800)),
            user_email: reader.string("user_email")?,
            requester_role: reader.string("requester_role")?,
            requester_limit: reader
                .number("requester_limit", "a number", |_| true)?
                .map_or(0.0, |limit| json::as_double(&limit)),
        })
    }
}

/// The call, with what the gateway is told of it.
struct PolicyCall<'a> {
    target: &'a Target,
    /// The arguments as the caller wrote them.
    arguments: &'a str,
    /// JSON text.
    context: String,
    amount: Option<f64>,
    options: &'a Options,
}

impl Client {
    /// Calls a tool through the proxy and tells the gateway what it moves. With `wait_for_approval`, a held call waits for
    /// a human and is then made.
    pub async fn invoke_with_policy(&self, params: Params<'_>) -> Result<Value> {
        let (target, options) = params.read(|reader| {
            reader.value("params");
            let target = Target::read(reader)?;
            let options = reader.object("options", Options::read)?;
            Ok((target, options.map_or_else(|| Reader::read(&json::Map::new(), Options::read), Ok)?))
        })?;
        let text = params.object_text("params")?;
        let arguments = Tape::object(text).map_err(|error| Error::Internal(error.to_string()))?;
        let root = arguments.root().ok_or_else(|| Error::Internal("an object has a root".into()))?;
        if let Some(own) = OWN_MEMBERS.iter().find(|own| root.member(own).is_some()) {
            return Err(Error::invalid_argument(format!("params must not have {own}: the library writes it")));
        }
        let metadata = self.tool_metadata(&target.mcp).await?;
        let (context, amount) = policy_context(&metadata, &target.action, &arguments)?;
        let call = PolicyCall { target: &target, arguments: arguments.text(), context, amount, options: &options };
        match (self.make(&call, None).await, &options.user_email) {
            (Err(Error::PolicyHold(held)), Some(email)) if options.wait_for_approval => {
                self.make_once_approved(&call, *held, email).await
            }
            (outcome, _) => outcome,
        }
    }

    /// Makes the call, under an approval where there is one.
    async fn make(&self, call: &PolicyCall<'_>, delegation_id: Option<&str>) -> Result<Value> {
        let mut own = ObjectWriter::new();
        own.raw("_policy_context", &call.context);
        if let Some(delegation_id) = delegation_id {
            own.value("_delegation_id", delegation_id).value("_approvals", &999);
        }
        let arguments = joined(call.arguments, &own.finish());
        self.invoke_timed(&call.target.invocation(&arguments, call.options.user_email.as_deref()), None).await
    }

    async fn make_once_approved(&self, call: &PolicyCall<'_>, held: PolicyRefusal, email: &str) -> Result<Value> {
        let Target { mcp, action, token } = call.target;
        let context = held.delegation_context.clone().unwrap_or_default();
        let said = |name: &str| string_member(&context, name).filter(|said| !said.is_empty());
        let plan_id = said("planId").or(token.plan_id());
        let (role, limit) = match &call.options.requester_role {
            Some(role) => (role.clone(), call.options.requester_limit),
            None => self.requester_role(email).await,
        };
        let amount = call.amount.unwrap_or(0.0);
        let reviewed =
            ReviewedCall { server: mcp, tool: action, arguments: call.arguments, user_email: email, plan_id, amount };
        let request = DelegationRequest {
            tool: action,
            action: "execute",
            arguments: Some(call.arguments),
            amount: Some(amount),
            requester_email: email,
            requester_role: Some(&role),
            requester_limit: Some(limit),
            domain: Some(said("domain").unwrap_or(mcp)),
            target_url: said("targetUrl"),
            plan_id,
            intent_reference: said("intentReference").or(Some(&token.token_id)),
            merkle_root: said("merkleRoot").or(Some(&token.plan_hash)),
            reason: Some(held.reason.as_deref().unwrap_or(&held.message)),
        };
        let delegation_id = match self.request_approval(&request, &reviewed, None).await {
            Ok(delegation_id) => delegation_id,
            Err(error) => return Err(not_requested(held, &error)),
        };
        info!("the call of {action} on {mcp} is held: it waits for the approval {delegation_id}");
        self.approval(&delegation_id, call.options.delegation_timeout).await?;
        token.refuse_expired(since_1970().as_secs_f64())?;
        // From here on the approval is used, whatever becomes of the call: it may have been made even where it failed.
        self.claim_approval(&delegation_id, Some(&reviewed))?.spend();
        let mut outcome = self.make(call, Some(&delegation_id)).await?;
        if let Err(error) = self.mark_executed(email, &delegation_id, token.plan_id(), None).await {
            let warning = format!("the call was made, but its approval {delegation_id} is not marked as used: {error}");
            warning!("{warning}");
            if let Some(Value::Object(metadata)) = outcome.get_mut("metadata") {
                metadata.insert("warning".into(), Value::from(warning));
            }
        }
        Ok(outcome)
    }

    /// Waits until the approval is given.
    async fn approval(&self, delegation_id: &str, timeout: Duration) -> Result<()> {
        let mut waiter = self.wait_for(delegation_id, deadline_after(Some(timeout)));
        let mut wait = FIRST_WAIT;
        loop {
            let news = waiter.pause(wait).await;
            if waiter.is_over() && news.is_none() {
                let message = format!("Delegation approval timed out after {:.0}s", timeout.as_secs_f64());
                return Err(failed(message, delegation_id));
            }
            let status = match news {
                Some(news) => news,
                None => waiter.look().await,
            };
            match status {
                Ok(DelegationStatus::Approved) => return Ok(()),
                Ok(DelegationStatus::Rejected) => return Err(failed("Delegation rejected", delegation_id)),
                Ok(DelegationStatus::Expired) => return Err(failed("Delegation expired", delegation_id)),
                Ok(DelegationStatus::Executed) => return Err(used_before(delegation_id)),
                Ok(DelegationStatus::Pending) => wait = wait.mul_f64(1.5).min(LONGEST_WAIT),
                // The end of the time is found above.
                Err(Error::Timeout(_)) if waiter.is_over() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The role of a user and the limit of what they may decide themselves, as far as the service tells.
    async fn requester_role(&self, email: &str) -> (String, f64) {
        let call = Call::get(self.backend_url("/delegation/my-role", &[])).user_email(email).limit(5);
        let answer = call.send(self).await.ok().filter(|response| response.is_success());
        let answer = answer.and_then(|response| response.json().ok()).unwrap_or_default();
        let limit = answer.get("limit").and_then(Value::as_number).map(json::as_double).filter(|it| it.is_finite());
        match (string_member(&answer, "role"), limit) {
            (Some(role), Some(limit)) => (role.to_owned(), limit),
            _ => (String::from("agent_user"), 0.0),
        }
    }
}

/// What the gateway is told of the call, as JSON text, and the amount in it.
fn policy_context(metadata: &Value, action: &str, arguments: &Tape<'_>) -> Result<(String, Option<f64>)> {
    let tool = metadata.get("tool_metadata").and_then(|tools| tools.get(action)).unwrap_or(&Value::Null);
    let mut context = ObjectWriter::new();
    if !tool.get("is_financial").is_some_and(is_truthy) {
        context.value("is_financial", &false);
        for unknown in ["transaction_type", "amount", "recipient_id"] {
            context.value(unknown, &Value::Null);
        }
        return Ok((context.finish(), None));
    }
    let argument = |name: &str| arguments.root()?.member(name);
    let fields = tool.get("amount_fields").and_then(Value::as_array).into_iter().flatten();
    let amount = fields.filter_map(Value::as_str).find_map(|field| python_float(argument(field)?));
    let amount =
        amount.map(|amount| if string_member(tool, "amount_unit") == Some("cents") { amount / 100.0 } else { amount });
    if amount.is_some_and(|amount| !amount.is_finite()) {
        return Err(Error::invalid_argument("the amount in params is not finite"));
    }
    let recipient = string_member(tool, "recipient_field").and_then(argument);
    let kind = string_member(tool, "transaction_type").filter(|kind| !kind.is_empty()).unwrap_or(action);
    context
        .value("is_financial", &true)
        .value("transaction_type", kind)
        .value("amount", &amount)
        .raw("recipient_id", recipient.map_or("null", |recipient| recipient.json()));
    Ok((context.finish(), amount))
}

/// The members of two JSON objects in one; those of the first stay as they are written.
fn joined(first: &str, second: &str) -> String {
    let head = first.strip_suffix('}').unwrap_or(first);
    let separator = if head.trim_ascii() == "{" { "" } else { "," };
    [head, separator, second.strip_prefix('{').unwrap_or(second)].concat()
}

/// The hold, with the reason why nobody was asked.
fn not_requested(mut held: PolicyRefusal, error: &Error) -> Error {
    let mut metadata = held.metadata.take().unwrap_or_else(|| json!({}));
    if let Value::Object(members) = &mut metadata {
        members.insert("delegationError".into(), Value::from(error.to_string()));
    }
    held.metadata = Some(metadata);
    Error::PolicyHold(Box::new(held))
}

fn failed(message: impl Into<String>, delegation_id: &str) -> Error {
    Error::delegation(message, Some(delegation_id), None)
}
