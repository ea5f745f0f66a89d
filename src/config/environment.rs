use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The environment variables and the home directory that a configuration is resolved against.
///
/// It is a copy, taken once: reading the process's environment later, while the host may be changing it in another
/// thread, is not safe, and a client whose settings drift under it is not predictable.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    home: Option<PathBuf>,
}

impl Environment {
    /// The environment of this process. A variable that is not UTF-8 counts as unset.
    pub fn process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { variables, home: std::env::home_dir() }
    }

    /// An environment made of the given variables, for tests and for hosts that keep their own.
    pub fn new<N, V>(variables: impl IntoIterator<Item = (N, V)>, home: Option<PathBuf>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect(), home }
    }

    /// The variable's value; an empty one counts as unset.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The variable's value without the space around it; a blank one counts as unset.
    pub(super) fn trimmed(&self, name: &str) -> Option<&str> {
        self.var(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The variables called `{prefix}…{suffix}`, as the part between the two and the value.
    pub(super) fn between<'a>(
        &'a self,
        prefix: &'a str,
        suffix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.variables.iter().filter(|(_, value)| !value.is_empty()).filter_map(move |(name, value)| {
            let part = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
            (!part.is_empty()).then_some((part, value.as_str()))
        })
    }

    pub(super) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }
}

/// Names no variable and no value: an environment holds secrets of every kind.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Environment").field("variables", &self.variables.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_unset() {
        let environment = Environment::new([("A", ""), ("B", " "), ("C", " c ")], None);
        assert_eq!(environment.var("A"), None);
        assert_eq!(environment.var("B"), Some(" "));
        assert_eq!(environment.trimmed("B"), None);
        assert_eq!(environment.trimmed("C"), Some("c"));
        assert_eq!(environment.var("D"), None);
    }

    #[test]
    fn reads_the_process() {
        let environment = Environment::process();
        assert_eq!(environment.var("CARGO_MANIFEST_DIR"), Some(env!("CARGO_MANIFEST_DIR")));
        assert!(environment.home().is_some());
    }

    #[test]
    fn finds_variables_by_both_ends() {
        let environment = Environment::new([("A_X_Z", "1"), ("A_Z", "2"), ("A__Z", "3"), ("A_Y_Z", "")], None);
        assert_eq!(environment.between("A_", "_Z").collect::<Vec<_>>(), [("X", "1")]);
    }

    #[test]
    fn debug_shows_nothing() {
        let environment = Environment::new([("ARMORIQ_API_KEY", "ak_live_secret")], None);
        assert_eq!(format!("{environment:?}"), "Environment { variables: 1, .. }");
    }
}
