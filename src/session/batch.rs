//! Several checks at once: the calls that a model emits in one turn.

use std::borrow::Cow;
use std::time::Instant;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::Session;
use super::check::{Gate, arguments_in, unasked};
use crate::client::Policies;
use crate::clock::since_1970;
use crate::config::{CheckOptions, SessionMode};
use crate::decision::{Decision, Verdict};
use crate::json::{Kind, Map, Node, Tape, Value};
use crate::{Error, Result};

/// How many calls a batch may have.
const MOST_CALLS: usize = 1000;
/// About how many calls the service is asked at a time.
const AT_A_TIME: usize = 8;

/// A call of a batch; without arguments there is nothing to see in them.
struct BatchCall<'t> {
    tool: Cow<'t, str>,
    arguments: Option<Node<'t>>,
}

impl Session {
    /// Decides each call of a list. The decisions are written as a JSON list, in the order of the calls; the result is the
    /// strictest of their verdicts.
    pub fn check_batch(&self, calls: &str, options: &CheckOptions, json: &mut String) -> Result<Verdict> {
        self.client().open()?;
        let tape = read(calls)?;
        let calls = calls_of(&tape)?;
        match self.mode() {
            SessionMode::Local => Ok(self.decide_all(&calls, &self.local_policies(options.timeout), options, json)),
            SessionMode::Sdk | SessionMode::Proxy => {
                let asked = self.client().run(self.ask_all(&calls, options));
                let decisions = asked.or_else(|error| unasked(error).map(|block| vec![block; calls.len()]))?;
                Ok(write_all(json, &calls, &decisions))
            }
        }
    }

    /// As [`Session::check_batch`], for a call that no thread waits in.
    pub(crate) async fn check_batch_async(&self, calls: &str, options: &CheckOptions) -> Result<String> {
        let tape = read(calls)?;
        let calls = calls_of(&tape)?;
        let mut json = String::new();
        match self.mode() {
            SessionMode::Local => {
                let policies = self.local_policies_async(options.timeout).await;
                self.decide_all(&calls, &policies, options, &mut json);
            }
            SessionMode::Sdk | SessionMode::Proxy => {
                let decisions = self.ask_all(&calls, options).await?;
                write_all(&mut json, &calls, &decisions);
            }
        }
        Ok(json)
    }

    fn decide_all(
        &self,
        calls: &[BatchCall<'_>],
        policies: &Policies,
        options: &CheckOptions,
        json: &mut String,
    ) -> Verdict {
        let none = Value::Object(Map::new());
        let (plan, now) = (self.0.plan.load(), since_1970());
        let mut strictest = Verdict::Allow;
        json.push('[');
        for call in calls {
            strictest = match self.gate(plan.as_ref(), now, &call.tool, options) {
                Gate::Refused(refusal) => write(json, strictest, call, &refusal),
                Gate::Planned(_, planned) => {
                    let then = |decision: &Decision<'_>| write(json, strictest, call, decision);
                    match &call.arguments {
                        Some(arguments) => self.decide_locally(policies, &planned, arguments, now, then),
                        None => self.decide_locally(policies, &planned, &none, now, then),
                    }
                }
            };
        }
        json.push(']');
        strictest
    }

    async fn ask_all(&self, calls: &[BatchCall<'_>], options: &CheckOptions) -> Result<Vec<Decision<'static>>> {
        let (plan, now, deadline) = (self.0.plan.load_full(), since_1970(), options.deadline());
        let mut decisions = Vec::with_capacity(calls.len());
        let (mut rest, mut asked) = (calls.iter().enumerate(), FuturesUnordered::new());
        loop {
            while asked.len() < AT_A_TIME
                && let Some((place, call)) = rest.next()
            {
                let gate = self.gate(plan.as_ref(), now, &call.tool, options);
                asked.push(self.ask_about(place, call, gate, deadline));
            }
            match asked.next().await {
                Some(decision) => decisions.push(decision?),
                None => break,
            }
        }
        decisions.sort_unstable_by_key(|(place, _)| *place);
        Ok(decisions.into_iter().map(|(_, decision)| decision).collect())
    }

    async fn ask_about(
        &self,
        place: usize,
        call: &BatchCall<'_>,
        gate: Gate<'_>,
        deadline: Option<Instant>,
    ) -> Result<(usize, Decision<'static>)> {
        let (plan, planned) = match gate {
            Gate::Planned(plan, planned) => (plan, planned),
            Gate::Refused(refusal) => return Ok((place, refusal)),
        };
        let arguments = arguments_in(call.arguments.map_or("{}", Node::raw))?;
        Ok((place, self.ask(plan, planned, &arguments, deadline).await?))
    }
}

fn write_all(json: &mut String, calls: &[BatchCall<'_>], decisions: &[Decision<'_>]) -> Verdict {
    json.push('[');
    let decided = calls.iter().zip(decisions);
    let strictest = decided.fold(Verdict::Allow, |strictest, (call, decision)| write(json, strictest, call, decision));
    json.push(']');
    strictest
}

/// Adds a decision to the list; the result is the stricter verdict.
fn write(json: &mut String, strictest: Verdict, call: &BatchCall<'_>, decision: &Decision<'_>) -> Verdict {
    if json.len() > 1 {
        json.push(',');
    }
    decision.write_json(&call.tool, json);
    strictest.max(decision.verdict)
}

fn read(calls: &str) -> Result<Tape<'_>> {
    Tape::list(calls).map_err(|error| Error::InvalidArgument(format!("calls: {error}")))
}

fn calls_of<'t>(tape: &'t Tape<'_>) -> Result<Vec<BatchCall<'t>>> {
    let calls = tape.root().into_iter().flat_map(Node::items).enumerate();
    let calls = calls.map(|(place, call)| read_call(call).map_err(|what| refused(format!("calls[{place}]: {what}"))));
    let calls = calls.collect::<Result<Vec<_>>>()?;
    match calls.len() {
        1..=MOST_CALLS => Ok(calls),
        count => Err(refused(format!("calls: expected 1 to {MOST_CALLS} calls, not {count}"))),
    }
}

fn read_call(call: Node<'_>) -> std::result::Result<BatchCall<'_>, &'static str> {
    if call.kind() != Kind::Object {
        return Err("expected an object");
    }
    let (mut tool, mut arguments) = (None, None);
    for (name, value) in call.members() {
        match (&*name, value.kind()) {
            ("tool", Kind::String) => tool = Some(value.string()),
            ("tool", _) => return Err("tool: expected a string"),
            ("args", Kind::Object) => arguments = Some(value),
            ("args", Kind::Null) => {}
            ("args", _) => return Err("args: expected a JSON object"),
            _ => return Err("a member that is neither tool nor args"),
        }
    }
    Ok(BatchCall { tool: tool.ok_or("tool is missing")?, arguments })
}

fn refused(message: String) -> Error {
    Error::InvalidArgument(message)
}
