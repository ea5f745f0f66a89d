//! The methods that can be submitted, by their names.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

use crate::client::{Answer, Client, Params};
use crate::config::{CheckOptions, ReportOptions};
use crate::session::{ApprovalOptions, Session};
use crate::{Error, Result, json};

/// A client method. What is wrong with its params comes with its outcome.
pub(super) type ClientMethod = for<'a> fn(&'a Client, Params<'a>) -> Answer<'a>;

/// A session method: it reads its params, and then runs.
pub(super) type SessionMethod = fn(Session, &Params<'_>) -> Result<SessionAnswer>;

pub(super) type SessionAnswer = Pin<Box<dyn Future<Output = Result<Value>> + Send>>;

const CLIENT_METHODS: &[(&str, ClientMethod)] = &[
    ("bootstrap", |client, params| Box::pin(client.bootstrap(params))),
    ("refresh_bootstrap", |client, params| Box::pin(client.refresh_bootstrap(params))),
    ("list_mcps", |client, params| Box::pin(client.list_mcps(params))),
    ("resolve_user", |client, params| Box::pin(client.resolve_user(params))),
    ("invalidate_user", |client, params| Box::pin(client.invalidate_user(params))),
    ("invoke", |client, params| Box::pin(client.invoke(params))),
    ("invoke_with_policy", |client, params| Box::pin(client.invoke_with_policy(params))),
    ("get_intent_token", |client, params| Box::pin(client.get_intent_token(params))),
    ("verify_token", |client, params| Box::pin(client.verify_token(params))),
    ("delegate", |client, params| Box::pin(client.delegate(params))),
    ("delegate_subtree", |client, params| Box::pin(client.delegate_subtree(params))),
    ("revoke", |client, params| Box::pin(client.revoke(params))),
    ("reanchor", |client, params| Box::pin(client.reanchor(params))),
    ("refine", |client, params| Box::pin(client.refine(params))),
    ("create_delegation_request", |client, params| Box::pin(client.create_delegation_request(params))),
    ("check_approved_delegation", |client, params| Box::pin(client.check_approved_delegation(params))),
    ("get_delegation_status", |client, params| Box::pin(client.get_delegation_status(params))),
    ("mark_delegation_executed", |client, params| Box::pin(client.mark_delegation_executed(params))),
    ("complete_plan", |client, params| Box::pin(client.complete_plan(params))),
    ("update_plan_status", |client, params| Box::pin(client.update_plan_status(params))),
    ("get_mcp_tool_schemas", |client, params| Box::pin(client.get_mcp_tool_schemas(params))),
    ("fetch_tool_metadata", |client, params| Box::pin(client.fetch_tool_metadata(params))),
    ("resolve_role", |client, params| Box::pin(client.resolve_role(params))),
    ("declare_tools", |client, params| Box::pin(client.declare_tools(params))),
    ("record_token_usage", |client, params| Box::pin(client.record_token_usage(params))),
    ("initialize_usage_stream", |client, params| Box::pin(client.initialize_usage_stream(params))),
    ("reset_usage_stream", |client, params| Box::pin(client.reset_usage_stream(params))),
    ("record_token_usage_batch", |client, params| Box::pin(client.record_token_usage_batch(params))),
    ("report_usage_run", |client, params| Box::pin(client.report_usage_run(params))),
    ("capture_transcript_tokens", |client, params| Box::pin(client.capture_transcript_tokens(params))),
];

const SESSION_METHODS: &[(&str, SessionMethod)] = &[
    ("start_plan", start_plan),
    ("check_batch", check_batch),
    ("report", report),
    ("dispatch", dispatch),
    ("await_approval", await_approval),
];

pub(super) fn client_method(name: &str) -> Result<ClientMethod> {
    find(CLIENT_METHODS, name).ok_or_else(|| match find(SESSION_METHODS, name) {
        Some(_) => Error::invalid_argument(format!("method: {name} is the session's, not the client's")),
        None => unknown("client"),
    })
}

pub(super) fn session_method(name: &str) -> Result<SessionMethod> {
    find(SESSION_METHODS, name).ok_or_else(|| match find(CLIENT_METHODS, name) {
        Some(_) => Error::invalid_argument(format!("method: {name} is the client's, not the session's")),
        None => unknown("session"),
    })
}

fn find<M: Copy>(methods: &[(&str, M)], name: &str) -> Option<M> {
    methods.iter().find(|(known, _)| *known == name).map(|(_, method)| *method)
}

fn unknown(owner: &str) -> Error {
    Error::invalid_argument(format!("method: the {owner} has none of that name that can be submitted"))
}

fn start_plan(session: Session, params: &Params<'_>) -> Result<SessionAnswer> {
    let goal = params.read(|reader| {
        reader.value("tool_calls");
        reader.string("goal")
    })?;
    let tool_calls = params.required_json("tool_calls")?;
    Ok(Box::pin(async move { session.start_plan_async(&tool_calls, goal.as_deref()).await }))
}

fn check_batch(session: Session, params: &Params<'_>) -> Result<SessionAnswer> {
    let options = params.read(|reader| {
        reader.value("calls");
        Ok(reader.object("options", CheckOptions::read)?.unwrap_or_default())
    })?;
    let calls = params.required_json("calls")?;
    Ok(Box::pin(async move {
        let decisions = session.check_batch_async(&calls, &options).await?;
        json::parse(&decisions).map_err(|error| Error::Internal(error.to_string()))
    }))
}

fn report(session: Session, params: &Params<'_>) -> Result<SessionAnswer> {
    let (tool, result, options) = params.read(|reader| {
        let (tool, result) = (reader.required_string("tool")?, reader.value("result").map(Value::to_string));
        reader.value("args");
        Ok((tool, result, reader.object("options", ReportOptions::read)?.unwrap_or_default()))
    })?;
    let args = params.object_text("args")?.to_owned();
    Ok(Box::pin(async move { session.report_async(&tool, &args, result.as_deref(), &options).await }))
}

fn dispatch(session: Session, params: &Params<'_>) -> Result<SessionAnswer> {
    let (tool, options) = params.read(|reader| {
        let tool = reader.required_string("tool")?;
        reader.value("args");
        Ok((tool, reader.object("options", CheckOptions::of_dispatch)?.unwrap_or_default()))
    })?;
    let args = params.object_text("args")?.to_owned();
    Ok(Box::pin(async move { session.dispatch_async(&tool, &args, &options).await }))
}

fn await_approval(session: Session, params: &Params<'_>) -> Result<SessionAnswer> {
    let (delegation_id, options) =
        params.read(|reader| Ok((reader.required_string("delegation_id")?, ApprovalOptions::read(reader)?)))?;
    Ok(Box::pin(async move { session.await_approval_async(&delegation_id, &options).await }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every function of the ABI that goes through `method` is a client method, and so can be submitted.
    #[test]
    fn every_client_method_can_be_submitted() {
        let mut declared = BTreeSet::new();
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ffi")).unwrap() {
            let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for function in source.split("pub unsafe extern \"C\" fn armoriq_client_").skip(1) {
                let body = function.split("\n}\n").next().unwrap();
                if body.contains(" method(client, params, json, ") {
                    declared.insert(function.split('(').next().unwrap().to_owned());
                }
            }
        }
        assert!(declared.contains("bootstrap"));
        let table: BTreeSet<_> = CLIENT_METHODS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(table, declared);
        assert_eq!(table.len(), CLIENT_METHODS.len());
    }

    /// Of the session's functions, those that ask a service.
    #[test]
    fn every_session_method_can_be_submitted() {
        let names: Vec<_> = SESSION_METHODS.iter().map(|(name, _)| *name).collect();
        let source = include_str!("session.rs");
        for name in ["start_plan", "check_batch", "report", "dispatch", "await_approval"] {
            let declared = source.contains(&format!("fn armoriq_session_{name}("));
            assert_eq!(names.contains(&name), declared, "{name}");
        }
    }

    #[test]
    fn a_method_is_found_with_its_own_kind_of_handle_only() {
        let message = |error: Error| error.to_string();
        assert!(client_method("bootstrap").is_ok() && session_method("report").is_ok());
        assert!(message(client_method("report").unwrap_err()).contains("the session's"));
        assert!(message(session_method("bootstrap").unwrap_err()).contains("the client's"));
        for name in ["", "check", "Bootstrap", "bootstrap "] {
            assert!(client_method(name).is_err() && session_method(name).is_err(), "{name}");
        }
    }
}
