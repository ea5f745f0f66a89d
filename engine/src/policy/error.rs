/// Why a policy gives no answer for a call. Whoever asked must refuse the call.
///
/// `Display` starts with the kind, as the C ABI promises; [`message`](Self::message) is the text without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// A regular expression outside the subset that every implementation reads alike.
    #[error("NotPortable: {0}")]
    NotPortable(String),
    /// A time that is not an ISO-8601 date-time.
    #[error("UnsupportedTime: {0}")]
    UnsupportedTime(String),
    /// No document governs the target.
    #[error("NoDocument: {}", NO_DOCUMENT)]
    NoDocument,
    /// An unknown operator, a malformed document or call, a reversed range, or more work than a check may cost.
    #[error("NotEvaluable: {0}")]
    NotEvaluable(String),
}

const NO_DOCUMENT: &str = "evaluate: no document is bound to the target";

impl EvaluationError {
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::NotEvaluable(message.into())
    }

    /// The error with the place that it comes from.
    pub(super) fn at(self, place: &str) -> Self {
        match self {
            Self::NotPortable(message) => Self::NotPortable(format!("{message} (at {place})")),
            Self::UnsupportedTime(message) => Self::UnsupportedTime(format!("{message} (at {place})")),
            Self::NotEvaluable(message) => Self::NotEvaluable(format!("{message} (at {place})")),
            Self::NoDocument => Self::NoDocument,
        }
    }

    /// The text without the kind.
    pub fn message(&self) -> &str {
        match self {
            Self::NotPortable(message) | Self::UnsupportedTime(message) | Self::NotEvaluable(message) => message,
            Self::NoDocument => NO_DOCUMENT,
        }
    }
}
