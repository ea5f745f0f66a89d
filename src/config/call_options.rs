use std::time::{Duration, Instant};

use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::reader::Reader;
use crate::clock::deadline_after;
use crate::error::Result;

/// Where a session's checks are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionMode {
    /// In this process, by the policy bundle.
    #[default]
    Local,
    /// By the gateway.
    Proxy,
    /// By the control plane.
    Sdk,
}

impl SessionMode {
    const ALL: [Self; 3] = [Self::Local, Self::Proxy, Self::Sdk];

    /// The word for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Proxy => "proxy",
            Self::Sdk => "sdk",
        }
    }
}

/// The options of a new session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionOptions {
    pub mode: SessionMode,
    /// The server of tools that are named without one.
    pub default_mcp_name: Option<String>,
    /// How long intent tokens are to be valid, in seconds, as the program wrote it.
    pub validity_seconds: Number,
    /// The model that the plans are made by.
    pub llm: String,
    /// A UUID.
    pub session_id: Option<String>,
    /// The session's id where it is a UUID and there is no `session_id`.
    pub context_id: Option<String>,
    pub observability_enabled: bool,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            mode: SessionMode::default(),
            default_mcp_name: None,
            validity_seconds: Number::from(3600),
            llm: "agent".into(),
            session_id: None,
            context_id: None,
            observability_enabled: true,
        }
    }
}

impl SessionOptions {
    /// Reads the options object of a new session.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for an unknown option, a value of the wrong type, an unknown mode, or a `session_id`
    /// that is no UUID.
    pub fn from_json(members: &Map<String, Value>) -> Result<Self> {
        let default = Self::default();
        if members.is_empty() {
            return Ok(default);
        }
        let modes = SessionMode::ALL.map(|mode| (mode.as_str(), mode));
        Reader::read(members, |reader| {
            Ok(Self {
                mode: reader.choice("mode", &modes)?.unwrap_or(default.mode),
                default_mcp_name: reader.string("default_mcp_name")?,
                validity_seconds: reader.seconds("validity_seconds")?.unwrap_or(default.validity_seconds),
                llm: reader.string("llm")?.unwrap_or(default.llm),
                session_id: match reader.string("session_id")? {
                    Some(id) if !is_uuid(&id) => return Err(reader.expected("session_id", "a UUID")),
                    id => id,
                },
                context_id: reader.string("context_id")?,
                observability_enabled: reader
                    .boolean("observability_enabled")?
                    .unwrap_or(default.observability_enabled),
            })
        })
    }

    /// The id that a session with these options goes by: `session_id`, else a `context_id` that is a UUID, else a new
    /// random one.
    pub fn choose_session_id(&self) -> String {
        let given = self.session_id.as_ref().or(self.context_id.as_ref().filter(|id| is_uuid(id)));
        given.cloned().unwrap_or_else(|| Uuid::new_v4().to_string())
    }
}

/// Whether the text is a UUID in its usual form, 8-4-4-4-12 hexadecimal digits in either case.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The options of a check or a dispatch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CheckOptions {
    /// The user that the call is made for, where it is not the session's own.
    pub user_email: Option<String>,
    /// The option `timeout_ms`: a limit for all that the call does.
    pub timeout: Option<Duration>,
    /// The caller's W3C trace context. One that is malformed is left out, as the standard asks.
    pub traceparent: Option<String>,
}

impl CheckOptions {
    /// When a call that starts now has to be over.
    pub fn deadline(&self) -> Option<Instant> {
        deadline_after(self.timeout)
    }

    /// Reads the options object of a check.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for an unknown option or a value of the wrong type.
    pub fn from_json(members: &Map<String, Value>) -> Result<Self> {
        Reader::read(members, Self::read)
    }

    /// Reads the members of such an object.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let traceparent = reader.string("traceparent")?.filter(|text| is_traceparent(text));
        Ok(Self { traceparent, ..Self::of_dispatch(reader)? })
    }

    /// Reads the options object of a dispatch: those of a check without `traceparent`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for an unknown option or a value of the wrong type.
    pub fn dispatch_from_json(members: &Map<String, Value>) -> Result<Self> {
        Reader::read(members, Self::of_dispatch)
    }

    /// Reads the members of the options object of a dispatch.
    pub fn of_dispatch(reader: &mut Reader<'_>) -> Result<Self> {
        let (user_email, timeout) = (reader.string("user_email")?, reader.milliseconds("timeout_ms")?);
        Ok(Self { user_email, timeout, traceparent: None })
    }
}

/// `{version}-{trace id}-{parent id}-{flags}` in lower-case hexadecimal digits, neither id all zeros. A later version
/// may have more parts.
fn is_traceparent(text: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let id = |text: &str| hex(text) && text.bytes().any(|byte| byte != b'0');
    let mut parts = text.split('-');
    let mut part = |length: usize| parts.next().filter(|part| part.len() == length);
    let (Some(version), Some(trace), Some(parent), Some(flags)) = (part(2), part(32), part(16), part(2)) else {
        return false;
    };
    let rest_is_allowed = version != "00" || parts.next().is_none();
    let is_short = text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
    hex(version) && version != "ff" && id(trace) && id(parent) && hex(flags) && rest_is_allowed && is_short
}

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReportStatus {
    #[default]
    Success,
    Failed,
    Error,
}

impl ReportStatus {
    const ALL: [Self; 3] = [Self::Success, Self::Failed, Self::Error];

    /// The word for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Error => "error",
        }
    }
}

/// What a program reports of a tool call. Only the status, the duration and `is_delegated` are part of the audit; the
/// rest describes the call to telemetry.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportOptions {
    pub status: ReportStatus,
    pub error_message: Option<String>,
    /// In milliseconds, as the program wrote it.
    pub duration_ms: Option<Number>,
    pub is_delegated: Option<bool>,
    pub delegated_by: Option<String>,
    pub delegated_to: Option<String>,
    /// Which step of the plan it was, from 0 on.
    pub item_ordinal: Option<u64>,
    /// Whether telemetry is told.
    pub emit_otel: bool,
    pub operation_category: Option<String>,
    pub call_id: Option<String>,
    pub executable_name: Option<String>,
    pub exit_code: Option<i64>,
    pub retry_count: Option<u64>,
    /// Whether the call ran out of time.
    pub timeout: Option<bool>,
    pub killed: Option<bool>,
    pub stdout_bytes: Option<u64>,
    pub stderr_bytes: Option<u64>,
    pub output_truncated: Option<bool>,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self {
            status: ReportStatus::default(),
            error_message: None,
            duration_ms: None,
            is_delegated: None,
            delegated_by: None,
            delegated_to: None,
            item_ordinal: None,
            emit_otel: true,
            operation_category: None,
            call_id: None,
            executable_name: None,
            exit_code: None,
            retry_count: None,
            timeout: None,
            killed: None,
            stdout_bytes: None,
            stderr_bytes: None,
            output_truncated: None,
        }
    }
}

impl ReportOptions {
    /// Reads the options object of a report.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for an unknown option or a value of the wrong type.
    pub fn from_json(members: &Map<String, Value>) -> Result<Self> {
        Reader::read(members, Self::read)
    }

    /// Reads the options from an object that may be a part of another.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a value of the wrong type.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let statuses = ReportStatus::ALL.map(|status| (status.as_str(), status));
        Ok(Self {
            status: reader.choice("status", &statuses)?.unwrap_or_default(),
            error_message: reader.string("error_message")?,
            duration_ms: reader.number("duration_ms", "a number that is not negative", |ms| ms >= 0.0)?,
            is_delegated: reader.boolean("is_delegated")?,
            delegated_by: reader.string("delegated_by")?,
            delegated_to: reader.string("delegated_to")?,
            item_ordinal: reader.count("item_ordinal")?,
            emit_otel: reader.boolean("emit_otel")?.unwrap_or(true),
            operation_category: reader.string("operation_category")?,
            call_id: reader.string("call_id")?,
            executable_name: reader.string("executable_name")?,
            exit_code: reader.whole("exit_code", i64::MIN..=i64::MAX)?,
            retry_count: reader.count("retry_count")?,
            timeout: reader.boolean("timeout")?,
            killed: reader.boolean("killed")?,
            stdout_bytes: reader.count("stdout_bytes")?,
            stderr_bytes: reader.count("stderr_bytes")?,
            output_truncated: reader.boolean("output_truncated")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::json;

    const ID: &str = "11111111-1111-4111-8111-11111111111A";

    fn session(text: &str) -> Result<SessionOptions> {
        SessionOptions::from_json(&json::parse_object(text).unwrap())
    }

    fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
        match result.unwrap_err() {
            Error::InvalidArgument(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn session_defaults() {
        let options = session("{}").unwrap();
        assert_eq!(options, SessionOptions::default());
        assert_eq!((options.mode.as_str(), options.llm.as_str()), ("local", "agent"));
        assert_eq!(options.validity_seconds.as_str(), "3600");
        assert!(options.observability_enabled);
    }

    #[test]
    fn session_options_are_read() {
        let options = session(
            r#"{"mode":"sdk","default_mcp_name":"data-mcp","validity_seconds":60.50,"llm":"gpt-4o",
                "observability_enabled":false,"context_id":"c"}"#,
        )
        .unwrap();
        assert_eq!(options.mode, SessionMode::Sdk);
        assert_eq!(options.default_mcp_name.as_deref(), Some("data-mcp"));
        assert_eq!(options.validity_seconds.as_str(), "60.50");
        assert_eq!(options.llm, "gpt-4o");
        assert!(!options.observability_enabled);
    }

    #[test]
    fn session_options_refuse() {
        for (text, message) in [
            (r#"{"mode":"remote"}"#, r#"option "mode": expected "local", "proxy" or "sdk""#),
            (r#"{"mode":""}"#, r#"option "mode": expected "local", "proxy" or "sdk""#),
            (r#"{"validity_seconds":0}"#, r#"option "validity_seconds": expected a positive number"#),
            (r#"{"validity_seconds":"60"}"#, r#"option "validity_seconds": expected a positive number"#),
            (r#"{"session_id":"1"}"#, r#"option "session_id": expected a UUID"#),
            (r#"{"default_mcp":"x"}"#, r#"unknown option "default_mcp"; did you mean "default_mcp_name"?"#),
        ] {
            assert_eq!(refusal(session(text)), message, "{text}");
        }
    }

    #[test]
    fn session_id_is_the_given_one_or_a_context_that_is_a_uuid_or_new() {
        let id = |text: &str| session(text).unwrap().choose_session_id();
        assert_eq!(id(&format!(r#"{{"session_id":"{ID}","context_id":"c"}}"#)), ID);
        assert_eq!(id(&format!(r#"{{"context_id":"{ID}"}}"#)), ID);
        let (first, second) = (id(r#"{"context_id":"c"}"#), id("{}"));
        assert!(is_uuid(&first) && is_uuid(&second) && first != second);
        assert!(!is_uuid(&format!("{ID}\n")) && !is_uuid(&ID.replace('-', "0")));
    }

    #[test]
    fn check_options_are_read_and_refused() {
        let check = |text: &str| CheckOptions::from_json(&json::parse_object(text).unwrap());
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let options = check(&format!(r#"{{"user_email":"a@b.co","timeout_ms":250,"traceparent":"{trace}"}}"#)).unwrap();
        assert_eq!(options.user_email.as_deref(), Some("a@b.co"));
        assert_eq!(options.timeout, Some(Duration::from_millis(250)));
        assert_eq!(options.traceparent.as_deref(), Some(trace));
        assert_eq!(check(r#"{"user_email":"","timeout_ms":null}"#).unwrap(), CheckOptions::default());
        for text in [r#"{"timeout_ms":0}"#, r#"{"timeout_ms":86400001}"#, r#"{"traceparent":1}"#, r#"{"x":1}"#] {
            refusal(check(text));
        }
        let members = json::parse_object(r#"{"traceparent":"x"}"#).unwrap();
        assert_eq!(refusal(CheckOptions::dispatch_from_json(&members)), r#"unknown option "traceparent""#);
    }

    #[test]
    fn a_malformed_traceparent_is_left_out() {
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        assert!(is_traceparent(&format!("00-{trace}-{parent}-00")));
        assert!(is_traceparent(&format!("01-{trace}-{parent}-00-more")));
        for text in [
            String::new(),
            format!("00-{trace}-{parent}"),
            format!("00-{trace}-{parent}-00-more"),
            format!("ff-{trace}-{parent}-00"),
            format!("00-{}-{parent}-00", trace.to_uppercase()),
            format!("00-{}-{parent}-00", "0".repeat(32)),
            format!("00-{trace}-{}-00", "0".repeat(16)),
            format!("01-{trace}-{parent}-00-a\r\nb"),
        ] {
            assert!(!is_traceparent(&text), "{text}");
        }
    }

    #[test]
    fn report_options_are_read_and_refused() {
        let report = |text: &str| ReportOptions::from_json(&json::parse_object(text).unwrap());
        assert_eq!(report("{}").unwrap(), ReportOptions::default());
        let options = report(
            r#"{"status":"failed","error_message":"x","duration_ms":12.50,"is_delegated":true,"delegated_by":"a",
                "delegated_to":"b","item_ordinal":2,"emit_otel":false,"operation_category":"cli","call_id":"c",
                "executable_name":"ls","exit_code":-1,"retry_count":0,"timeout":false,"killed":true,
                "stdout_bytes":10,"stderr_bytes":0,"output_truncated":false}"#,
        )
        .unwrap();
        assert_eq!(options.status.as_str(), "failed");
        assert_eq!(options.duration_ms.unwrap().as_str(), "12.50");
        assert_eq!((options.exit_code, options.item_ordinal, options.killed), (Some(-1), Some(2), Some(true)));
        for (text, message) in [
            (r#"{"status":"ok"}"#, r#"option "status": expected "success", "failed" or "error""#),
            (r#"{"duration_ms":-1}"#, r#"option "duration_ms": expected a number that is not negative"#),
            (r#"{"timeout":5}"#, r#"option "timeout": expected true or false"#),
            (r#"{"retry_count":1.5}"#, r#"option "retry_count": expected a whole number that is not negative"#),
            (r#"{"durationms":1}"#, r#"unknown option "durationms"; did you mean "duration_ms"?"#),
        ] {
            assert_eq!(refusal(report(text)), message, "{text}");
        }
    }
}
