//! Policies held against the tools that there are: rules for none of them, and tools without rules.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::names::Names;
use super::problem::{Place, Problem, Severity, quoted};
use super::siblings::meaning;
use super::view::{DocumentView, StatementView};
use super::{fields, schema::Schema};
use crate::policy::Budget;
use crate::policy::document::Expiry;
use crate::policy::glob::{Glob, is_glob, utf16_len};
use crate::policy::verdict::Verdict;
use crate::tool_definition::ToolDefinition;

/// A tool that could be read.
#[derive(Debug)]
pub(super) struct Tool {
    pub place: Place,
    pub definition: ToolDefinition,
}

impl Tool {
    pub(super) fn action(&self) -> &str {
        self.definition.action()
    }

    pub(super) fn schema(&self) -> Option<Schema<'_>> {
        self.definition.input_schema.as_ref().map(Schema::new)
    }
}

/// A tool key of a scope, with the tools that it fits.
struct Key<'a> {
    document: usize,
    scope: Option<String>,
    text: &'a str,
    /// The first statement under it.
    first: &'a StatementView<'a>,
    /// It has a statement that never expires.
    lasts: bool,
    tools: Vec<usize>,
}

pub(super) fn check(documents: &[DocumentView<'_>], tools: &[Value], budget: &Budget, problems: &mut Vec<Problem>) {
    let tools = read(tools, problems);
    let keys = keys(documents, &tools, budget);
    unmatched(&keys, &tools, problems);
    overruled(&keys, problems);
    ungoverned(documents, &keys, &tools, problems);
    let by_key: HashMap<&str, &[usize]> = keys.iter().map(|key| (key.text, key.tools.as_slice())).collect();
    for statement in documents.iter().flat_map(|document| &document.statements) {
        let fitting = statement.matched.tool.and_then(|key| by_key.get(key)).copied().unwrap_or_default();
        let fitting: Vec<&Tool> = fitting.iter().filter_map(|&tool| tools.get(tool)).collect();
        if !fitting.is_empty() {
            fields::check(statement, &fitting, budget, problems);
        }
    }
}

fn read(tools: &[Value], problems: &mut Vec<Problem>) -> Vec<Tool> {
    let mut read = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let place = Place::root("tools").index(index);
        match ToolDefinition::read(tool) {
            Ok(definition) => read.push(Tool { place, definition }),
            Err(error) => problems.push(Problem::error(place, "malformed-tool", error.to_string())),
        }
    }
    read
}

/// The keys of each document and subject, in document order.
fn keys<'a>(documents: &'a [DocumentView<'a>], tools: &[Tool], budget: &Budget) -> Vec<Key<'a>> {
    let mut keys: Vec<Key<'_>> = Vec::new();
    let mut known: HashMap<(usize, Option<String>, &str), usize> = HashMap::new();
    let mut fitting = Fitting { tools, budget, known: HashMap::new() };
    for (document, view) in documents.iter().enumerate() {
        for statement in &view.statements {
            let Some(text) = statement.matched.tool else { continue };
            let scope = statement.subject.map(|subject| Value::Object(subject.clone()).to_string());
            let index = *known.entry((document, scope.clone(), text)).or_insert(keys.len());
            if index == keys.len() {
                keys.push(Key { document, scope, text, first: statement, lasts: false, tools: fitting.of(text) });
            }
            if let Some(key) = keys.get_mut(index) {
                key.lasts |= statement.expiry == Expiry::Never;
            }
        }
    }
    keys
}

/// Which tools keys fit.
struct Fitting<'a, 't> {
    tools: &'t [Tool],
    budget: &'t Budget,
    known: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Fitting<'a, '_> {
    fn of(&mut self, key: &'a str) -> Vec<usize> {
        let glob = is_glob(key).then(|| Glob::new(key));
        // A tool may be called so in full, or by what follows its server.
        let fits = |tool: &Tool| match &glob {
            None => tool.action() == key || tool.definition.name == key,
            // Where matching takes too long, the key may fit.
            Some(glob) => [tool.action(), &tool.definition.name]
                .iter()
                .any(|name| glob.matches(name, self.budget).unwrap_or(true)),
        };
        let tools = self.tools.iter().enumerate().filter(|(_, tool)| fits(tool)).map(|(index, _)| index);
        self.known.entry(key).or_insert_with(|| tools.collect()).clone()
    }
}

fn unmatched(keys: &[Key<'_>], tools: &[Tool], problems: &mut Vec<Problem>) {
    let mut reported = HashSet::new();
    let names = Names::new(tools.iter().map(Tool::action));
    for key in keys.iter().filter(|key| key.tools.is_empty()) {
        if !reported.insert((key.document, key.text)) {
            continue;
        }
        let message = match is_glob(key.text) {
            true => format!("no tool fits {}", quoted(key.text)),
            false => format!("there is no tool {}", quoted(key.text)),
        };
        let place = key.first.place.key("match").key("tool");
        problems.push(Problem::warning(place, "no-such-tool", message).suggest(names.nearest(key.text)));
    }
}

/// Patterns that lose every tool that they fit to another key.
fn overruled(keys: &[Key<'_>], problems: &mut Vec<Problem>) {
    for key in keys.iter().filter(|key| is_glob(key.text) && !key.tools.is_empty()) {
        let rivals = keys.iter().filter(|rival| {
            rival.document == key.document && rival.scope == key.scope && rival.lasts && wins(rival, key)
        });
        let mut lost: HashSet<usize> = HashSet::new();
        let mut winners: Vec<&str> = Vec::new();
        for rival in rivals {
            let before = lost.len();
            lost.extend(rival.tools.iter().filter(|tool| key.tools.contains(tool)));
            winners.extend((lost.len() > before).then_some(rival.text));
        }
        if lost.len() == key.tools.len() {
            let of =
                if key.tools.len() == 1 { "the one tool".to_owned() } else { format!("all {} tools", key.tools.len()) };
            let winners: Vec<String> = winners.iter().take(3).map(|winner| quoted(winner)).collect();
            let message = format!(
                "{} decides about none of the present tools: {of} that it fits are decided by keys that come before it, \
                 such as {}",
                quoted(key.text),
                winners.join(", ")
            );
            problems.push(Problem::hint(key.first.place.key("match").key("tool"), "overruled-key", message));
        }
    }
}

/// Whether a key comes before another that fits the same tool.
fn wins(rival: &Key<'_>, key: &Key<'_>) -> bool {
    if !is_glob(rival.text) {
        return true;
    }
    utf16_len(rival.text) > utf16_len(key.text)
}

/// Tools that no rule is about, and those among them whose siblings have one.
fn ungoverned(documents: &[DocumentView<'_>], keys: &[Key<'_>], tools: &[Tool], problems: &mut Vec<Problem>) {
    let Some((document, default)) = documents.first().and_then(|document| Some((document, document.default?))) else {
        return;
    };
    // Which capabilities a tool has, its definition does not say.
    let statements = documents.iter().flat_map(|document| &document.statements);
    if statements.into_iter().any(|statement| statement.matched.capability.is_some()) {
        return;
    }
    let governed: HashSet<usize> = keys.iter().flat_map(|key| &key.tools).copied().collect();
    let mut siblings: HashMap<Vec<String>, &Key<'_>> = HashMap::new();
    for key in keys {
        for tool in key.tools.iter().filter_map(|&tool| tools.get(tool)) {
            siblings.entry(meaning(tool.action())).or_insert(key);
        }
    }
    for (_, tool) in tools.iter().enumerate().filter(|(index, _)| !governed.contains(index)) {
        let shown = quoted(tool.action());
        let severity = if default == Verdict::Allow { Severity::Warning } else { Severity::Hint };
        let message = format!("no rule is about {shown}, so the {}'s default decides: {default}", document.bound_as);
        problems
            .push(Problem::new(tool.place.clone(), "only-default", severity, message).detail("tool", tool.action()));
        let meaning = meaning(tool.action());
        if let Some(key) = siblings.get(&meaning).filter(|_| !meaning.is_empty()) {
            let message = format!(
                "{shown} seems to do what {} is about, but is not under that rule: the default decides about it ({default})",
                quoted(key.text)
            );
            let place = key.first.place.key("match").key("tool");
            problems.push(Problem::hint(place, "sibling-outside-rule", message).detail("tool", tool.action()));
        }
    }
}
