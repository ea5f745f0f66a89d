//! Calls of tools through the proxy.

use std::time::Instant;

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::tokens::read_token;
use super::{Call, Client, Params, invocation_answer};
use crate::Result;
use crate::clock::{deadline_after, since_1970};
use crate::config::Reader;
use crate::json::ObjectWriter;
use crate::token::IntentToken;

/// A tool call that the proxy is to make.
#[derive(Clone, Copy)]
pub(crate) struct Invocation<'a> {
    pub mcp: &'a str,
    pub action: &'a str,
    pub token: &'a IntentToken,
    /// A JSON object that was read strictly. It is forwarded byte for byte.
    pub arguments: &'a str,
    pub user_email: Option<&'a str>,
}

/// What every way to call a tool is told.
pub(super) struct Target {
    pub mcp: String,
    pub action: String,
    pub token: IntentToken,
}

impl Target {
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (mcp, action) = (reader.required_string("mcp")?, reader.required_string("action")?);
        Ok(Self { mcp, action, token: read_token(reader)? })
    }

    pub fn invocation<'a>(&'a self, arguments: &'a str, user_email: Option<&'a str>) -> Invocation<'a> {
        Invocation { mcp: &self.mcp, action: &self.action, token: &self.token, arguments, user_email }
    }
}

impl Client {
    /// Calls a tool through the proxy, under an intent token.
    pub async fn invoke(&self, params: Params<'_>) -> Result<Value> {
        let (target, user_email, timeout) = params.read(|reader| {
            reader.value("params");
            Ok((Target::read(reader)?, reader.string("user_email")?, reader.milliseconds("timeout_ms")?))
        })?;
        let arguments = params.object_text("params")?;
        self.invoke_timed(&target.invocation(arguments, user_email.as_deref()), deadline_after(timeout)).await
    }

    /// Calls a tool; the result says besides how it went and how long it took.
    pub(super) async fn invoke_timed(&self, invocation: &Invocation<'_>, deadline: Option<Instant>) -> Result<Value> {
        let start = Instant::now();
        let result = self.call_tool(invocation, deadline).await?;
        let failed = invocation_answer::is_tool_error(&result);
        Ok(json!({
            "mcp": invocation.mcp,
            "action": invocation.action,
            "result": result,
            "status": if failed { "error" } else { "success" },
            "execution_time": start.elapsed().as_secs_f64(),
            "verified": true,
            "metadata": { "hasToolError": failed },
        }))
    }

    /// Calls a tool. The result is the tool's own.
    pub(crate) async fn call_tool(&self, invocation: &Invocation<'_>, deadline: Option<Instant>) -> Result<Value> {
        invocation.token.refuse_expired(since_1970().as_secs_f64())?;
        let url = format!("{}/invoke", self.config().proxy_for(invocation.mcp)?);
        let mut call = Call::post(url.clone(), self.invocation_body(invocation))
            .header("accept", "application/json, text/event-stream")
            .header("cache-control", "no-cache, no-store, must-revalidate")
            .header("x-request-id", &format!("sdk-{}", since_1970().as_millis()))
            .until(invocation_answer::ends_in_events)
            .conceal(invocation.token.jwt_token.as_deref())
            .conceal(Some(&invocation.token.signature).filter(|signature| signature.len() >= 64).map(String::as_str));
        if let Some(credential) = self.config().mcp_credentials.header(invocation.mcp) {
            let credential = credential.expose_secret();
            call = call.header("x-armoriq-mcp-auth", credential).conceal(Some(credential));
        }
        let response = call.deadline(deadline).send(self).await?;
        let result = invocation_answer::read(invocation, &url, &response);
        result.map_err(|error| {
            // The server that the proxy showed them to may have repeated them.
            let secrets = self.config().mcp_credentials.secrets(invocation.mcp);
            secrets.iter().fold(error, |error, secret| error.concealing(secret.expose_secret()))
        })
    }

    fn invocation_body(&self, invocation: &Invocation<'_>) -> String {
        let Invocation { mcp, action, token, arguments, user_email } = *invocation;
        let config = self.config();
        let csrg_token = token.csrg_token();
        let snapshot = token.policy_snapshot.as_ref().filter(|snapshot| !snapshot.is_empty());
        let mut body = ObjectWriter::new();
        body.value("mcp", mcp)
            .value("action", action)
            .value("tool", action)
            .raw("params", arguments)
            .raw("arguments", arguments)
            .value("intent_token", &token.signed())
            .value("plan", &token.raw_token.get("plan"))
            .value("_iam_context", &self.iam_context(invocation))
            .optional("user_email", user_email)
            .optional("agent_id", config.named_agent())
            .optional("policy_snapshot", snapshot)
            .value("token", &csrg_token)
            .value("csrg_token", &csrg_token);
        body.finish()
    }

    fn iam_context(&self, Invocation { token, user_email, .. }: &Invocation<'_>) -> Value {
        let own = |name: &str, unsaid: &str| token.raw_token.get(name).cloned().unwrap_or_else(|| json!(unsaid));
        let mut context = Map::new();
        if let Some(validation) = token.policy_validation.as_ref().filter(|validation| !validation.is_empty()) {
            let allowed = validation.get("allowed_tools").cloned().unwrap_or_else(|| json!([]));
            context.insert("allowed_tools".into(), allowed);
        }
        for name in ["email", "user_email"] {
            context.extend(user_email.map(|email| (name.to_owned(), json!(email))));
        }
        context.insert("user_id".into(), own("user_id", &self.config().user_id));
        context.insert("agent_id".into(), own("agent_id", &self.config().agent_id));
        Value::Object(context)
    }
}
