//! The methods that can be submitted, by their names.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

use crate::client::{Answer, Client, Params};
use crate::config::{Reader, ReportOptions};
use crate::session::{ApprovalOptions, Session};
use crate::{Error, Result};

/// A client method. What is wrong with its params comes with its outcome.
pub(super) type ClientMethod = for<'a> fn(&'a Client, Params<'a>) -> Answer<'a>;

/// A session method: it reads its params, and then runs.
pub(super) type SessionMethod = fn(Session, &Params<'_>) -> Result<SessionAnswer>;

pub(super) type SessionAnswer = Pin<Box<dyn Future<Output = Result<Value>> + Send>>;

const CLIENT_METHODS: &[(&str, ClientMethod)] = &[
    ("bootstrap", |client, params| Box::pin(client.bootstrap(params))),
    ("refresh_bootstrap", |client, params| Box::pin(client.refresh_bootstrap(params))),
];

const SESSION_METHODS: &[(&str, SessionMethod)] =
    &[("start_plan", start_plan), ("report", report), ("await_approval", await_approval)];

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
    let (tool_calls, goal) =
        params.read(|reader| Ok((required_json(reader, "tool_calls")?, reader.string("goal")?)))?;
    Ok(Box::pin(async move { session.start_plan_async(&tool_calls, goal.as_deref()).await }))
}

fn report(session: Session, params: &Params<'_>) -> Result<SessionAnswer> {
    let (tool, args, result, options) = params.read(|reader| {
        let tool = reader.required_string("tool")?;
        let args = reader.value("args").map_or_else(|| String::from("{}"), Value::to_string);
        let result = reader.value("result").map(Value::to_string);
        Ok((tool, args, result, reader.object("options", ReportOptions::read)?.unwrap_or_default()))
    })?;
    Ok(Box::pin(async move { session.report_async(&tool, &args, result.as_deref(), &options).await }))
}

fn await_approval(session: Session, params: &Params<'_>) -> Result<SessionAnswer> {
    let (delegation_id, options) =
        params.read(|reader| Ok((reader.required_string("delegation_id")?, ApprovalOptions::read(reader)?)))?;
    Ok(Box::pin(async move { session.await_approval_async(&delegation_id, &options).await }))
}

/// A parameter that is any JSON, as text.
fn required_json(reader: &mut Reader<'_>, name: &'static str) -> Result<String> {
    let value = reader.value(name).map(Value::to_string);
    reader.required(name, value)
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
