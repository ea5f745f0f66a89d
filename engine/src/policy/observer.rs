use super::EvaluationError;
use super::document::Document;
use super::evaluate::Live;
use super::scope::{Key, Scope, SubjectKind};
use super::verdict::{Layer, Verdict};

/// Hears of the steps of an evaluation, in their order, and has no influence on them.
pub(super) trait Observer<'a> {
    /// A document is looked at; `None` where it has expired.
    fn document(&self, _bound_as: Layer, _document: &'a Document, _live: Option<Live<'a>>) {}

    /// No subject of the document means the member who calls.
    fn no_member_scope(&self) {}

    /// The statements of a scope are looked at, and those of this key, if any, are about the tool.
    fn scope(&self, _live: Live<'a>, _scope: &'a Scope, _selected_by: Option<SubjectKind>, _key: Option<&'a Key>) {}

    /// A statement is tried, because it is about the tool or else because it is about a capability.
    fn statement(&self, _index: usize, _is_by_tool: bool) {}

    /// The next condition of the statement was tested.
    fn condition(&self, _holds: &Result<bool, EvaluationError>) {}

    /// What the scope's rules for the tool and for capabilities said.
    fn decision(&self, _by_tool: Option<usize>, _by_capability: Option<usize>, _takes_capability: bool) {}

    /// No statement decided, so the document's default does.
    fn default(&self, _bound_as: Layer, _verdict: Verdict) {}

    /// What the floor says is held against the rest.
    fn floor(&self, _floor: Verdict, _rest: Option<Verdict>) {}
}

/// Hears nothing, and costs nothing.
pub(super) struct Unobserved;

impl Observer<'_> for Unobserved {}
