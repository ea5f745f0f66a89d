//! Reports: what became of a call, for the audit trail.

use std::sync::atomic::Ordering;

use serde_json::Value;

use super::Session;
use crate::client::{Call, delivery};
use crate::clock::{in_utc, since_1970};
use crate::config::{ReportOptions, is_uuid};
use crate::json::{self, ObjectWriter};
use crate::plan::{Resolution, names};
use crate::{Error, Result};

impl Session {
    /// Posts what became of a call. Arguments and results are looked at but never sent. A report that could not be
    /// delivered is no error: the answer says so.
    pub fn report(&self, tool: &str, args: &str, result: Option<&str>, options: &ReportOptions) -> Result<Value> {
        self.client().run(self.report_async(tool, args, result, options))
    }

    pub(crate) async fn report_async(
        &self,
        tool: &str,
        args: &str,
        result: Option<&str>,
        options: &ReportOptions,
    ) -> Result<Value> {
        json::parse_object(args).map_err(|error| Error::InvalidArgument(format!("args: {error}")))?;
        result.map(json::parse).transpose().map_err(|error| Error::InvalidArgument(format!("result: {error}")))?;
        let body = self.audit_body(tool, options)?;
        let sent = Call::post(self.client().backend_url("/iap/audit", &[]), body).limit(5).send(self.client()).await;
        Ok(delivery("a report", sent))
    }

    fn audit_body(&self, tool: &str, options: &ReportOptions) -> Result<String> {
        let plan = self.0.plan.load();
        let resolution = plan.as_ref().map(|plan| plan.plan.resolve(tool));
        let (server, action) = match resolution {
            Some(Resolution::Planned { server, action, .. }) => (server.to_owned(), action.to_owned()),
            _ => {
                let (server, action) = names::parse(tool, self.0.options.default_mcp_name.as_deref())?;
                (server.to_owned(), action.to_owned())
            }
        };
        let plan_id = plan.as_ref().and_then(|plan| plan.token.plan_id());
        let mut body = ObjectWriter::new();
        body.value("step_index", &self.0.step_index.fetch_add(1, Ordering::AcqRel))
            .value("action", &action)
            .value("tool", &action)
            .value("mcp", &server)
            .value("status", options.status.as_str())
            .value("duration_ms", &options.duration_ms)
            .value("is_delegated", &options.is_delegated)
            .value("executed_at", &now_in_microseconds())
            .raw("input", "{}")
            .optional("plan_id", plan_id.filter(|plan_id| is_plan_uuid(plan_id)));
        Ok(body.finish())
    }
}

fn now_in_microseconds() -> String {
    let now = since_1970();
    let utc = in_utc(now);
    let (date, time) = (utc.date(), utc.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        now.subsec_micros()
    )
}

/// A canonical UUID, or `plan-` and one in lower case: the only forms that the audit trail takes.
fn is_plan_uuid(plan_id: &str) -> bool {
    match plan_id.strip_prefix("plan-") {
        Some(rest) => is_uuid(rest) && !rest.bytes().any(|byte| byte.is_ascii_uppercase()),
        None => is_uuid(plan_id),
    }
}
