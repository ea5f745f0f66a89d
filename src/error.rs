//! Everything that can go wrong, in one enum. The C status codes are mapped from it in `ffi::status`, by an
//! exhaustive match.

use serde_json::{Map, Value, json};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What stands in the place of a secret.
pub(crate) const CONCEALED: &str = "[redacted]";

/// What a call failed with. The attributes are those of the official SDK's exception of the same kind.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    InvalidArgument(String),
    #[error("{0}")]
    InvalidHandle(String),
    #[error("the program was built for ABI {}.{}, the library has {}.{}", requested >> 16, requested & 0xFFFF, library >> 16, library & 0xFFFF)]
    AbiMismatch { requested: u32, library: u32 },
    #[error("{0}")]
    InvalidState(String),
    #[error("{0}")]
    Configuration(String),
    #[error("{message}")]
    InvalidToken { message: String, token_id: Option<String> },
    #[error("{message}")]
    TokenExpired { message: String, token_id: Option<String>, expired_at: Option<f64> },
    #[error("{message}")]
    TokenRevoked { message: String, token_id: Option<String>, reason: Option<String> },
    #[error("{message}")]
    IntentMismatch { message: String, action: Option<String>, plan_hash: Option<String> },
    #[error("{message}")]
    IntentReanchor { message: String, status_code: Option<u16>, reason: Option<String>, plan_id: Option<String> },
    #[error("{}", .0.message)]
    PolicyBlocked(Box<PolicyRefusal>),
    #[error("{}", .0.message)]
    PolicyHold(Box<PolicyRefusal>),
    #[error("{message}")]
    Delegation {
        message: String,
        target_agent: Option<String>,
        delegation_id: Option<String>,
        status_code: Option<u16>,
    },
    #[error("{message}")]
    McpInvocation { message: String, mcp: Option<String>, action: Option<String>, status_code: Option<u16> },
    #[error("{message}")]
    Service { message: String, status_code: Option<u16> },
    #[error("{0}")]
    Timeout(String),
    #[error("the call was cancelled")]
    Cancelled,
    #[error("the queue is full: {0} calls are in flight or undelivered")]
    QueueFull(usize),
    #[error("the client is closed")]
    Closed,
    #[error("{0}")]
    Internal(String),
}

/// What a policy said when it refused or held a call.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyRefusal {
    pub message: String,
    pub enforcement_action: Option<String>,
    pub reason: Option<String>,
    pub matched_policy: Option<String>,
    pub metadata: Option<Value>,
    pub delegation_context: Option<Value>,
    pub delegation_id: Option<String>,
}

impl Error {
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::InvalidArgument(message.into())
    }

    pub fn configuration(message: impl Into<String>) -> Self {
        Self::Configuration(message.into())
    }

    pub fn delegation(message: impl Into<String>, delegation_id: Option<&str>, status_code: Option<u16>) -> Self {
        let delegation_id = delegation_id.map(str::to_owned);
        Self::Delegation { message: message.into(), target_agent: None, delegation_id, status_code }
    }

    /// The error with a secret taken out of what was said with it.
    pub(crate) fn concealing(mut self, secret: &str) -> Self {
        for text in self.said_mut().into_iter().flatten() {
            *text = text.replace(secret, CONCEALED);
        }
        self
    }

    /// The texts that may quote a service.
    fn said_mut(&mut self) -> [Option<&mut String>; 2] {
        match self {
            Self::TokenRevoked { message, reason, .. } | Self::IntentReanchor { message, reason, .. } => {
                [Some(message), reason.as_mut()]
            }
            Self::PolicyBlocked(refusal) | Self::PolicyHold(refusal) => {
                [Some(&mut refusal.message), refusal.reason.as_mut()]
            }
            Self::InvalidArgument(message)
            | Self::InvalidHandle(message)
            | Self::InvalidState(message)
            | Self::Configuration(message)
            | Self::InvalidToken { message, .. }
            | Self::TokenExpired { message, .. }
            | Self::IntentMismatch { message, .. }
            | Self::Delegation { message, .. }
            | Self::McpInvocation { message, .. }
            | Self::Service { message, .. }
            | Self::Timeout(message)
            | Self::Internal(message) => [Some(message), None],
            Self::AbiMismatch { .. } | Self::Cancelled | Self::QueueFull(_) | Self::Closed => [None, None],
        }
    }

    /// The attributes that the error has something to say about, by the official SDK's names.
    pub fn attributes(&self) -> Map<String, Value> {
        let attributes = match self {
            Self::InvalidToken { token_id, .. } => json!({ "token_id": token_id }),
            Self::TokenExpired { token_id, expired_at, .. } => {
                json!({ "token_id": token_id, "expired_at": expired_at })
            }
            Self::TokenRevoked { token_id, reason, .. } => json!({ "token_id": token_id, "reason": reason }),
            Self::IntentMismatch { action, plan_hash, .. } => json!({ "action": action, "plan_hash": plan_hash }),
            Self::IntentReanchor { status_code, reason, plan_id, .. } => {
                json!({ "status_code": status_code, "reason": reason, "plan_id": plan_id })
            }
            Self::PolicyBlocked(refusal) | Self::PolicyHold(refusal) => json!({
                "enforcement_action": refusal.enforcement_action,
                "reason": refusal.reason,
                "matched_policy": refusal.matched_policy,
                "metadata": refusal.metadata,
                "delegation_context": refusal.delegation_context,
                "delegation_id": refusal.delegation_id,
            }),
            Self::Delegation { target_agent, delegation_id, status_code, .. } => {
                json!({ "target_agent": target_agent, "delegation_id": delegation_id, "status_code": status_code })
            }
            Self::McpInvocation { mcp, action, status_code, .. } => {
                json!({ "mcp": mcp, "action": action, "status_code": status_code })
            }
            Self::Service { status_code, .. } => json!({ "status_code": status_code }),
            Self::InvalidArgument(_)
            | Self::InvalidHandle(_)
            | Self::AbiMismatch { .. }
            | Self::InvalidState(_)
            | Self::Configuration(_)
            | Self::Timeout(_)
            | Self::Cancelled
            | Self::QueueFull(_)
            | Self::Closed
            | Self::Internal(_) => Value::Null,
        };
        match attributes {
            Value::Object(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        }
    }
}
