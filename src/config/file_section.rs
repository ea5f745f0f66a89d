use std::fmt;
use std::ops::RangeInclusive;

use secrecy::SecretString;

use super::words;
use super::yaml::{Member, Node, Place, Yaml};

/// What is wrong with a key of the file, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    path: String,
    problem: String,
    place: Place,
    hint: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.path.is_empty() { "" } else { ": " };
        write!(formatter, "{}{separator}{} at {}{}", self.path, self.problem, self.place, self.hint)
    }
}

/// A map of the file, read key by key.
pub(super) struct Section<'a> {
    /// The keys that lead here, each with its dot.
    prefix: String,
    place: Place,
    members: &'a [Member],
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Reads the file's outermost map.
    pub fn read_root<T>(root: &'a Node, read: impl FnOnce(&mut Self) -> Result<T, Invalid>) -> Result<T, Invalid> {
        Self::read(String::new(), root, read)
    }

    /// Reads a map. Keys that `read` does not ask for are refused by name.
    fn read<T>(path: String, node: &'a Node, read: impl FnOnce(&mut Self) -> Result<T, Invalid>) -> Result<T, Invalid> {
        let Yaml::Map(members) = &node.value else {
            return Err(invalid(path, "expected a map", node.place));
        };
        let prefix = if path.is_empty() { path } else { path + "." };
        let mut section = Self { prefix, place: node.place, members, known: Vec::new() };
        let value = read(&mut section)?;
        match members.iter().find(|member| !section.known.contains(&member.key.as_str())) {
            None => Ok(value),
            Some(member) => Err(section.unknown(member)),
        }
    }

    pub fn string(&mut self, name: &'static str) -> Result<String, Invalid> {
        let value = self.optional_string(name)?;
        self.required(name, value)
    }

    pub fn secret(&mut self, name: &'static str) -> Result<SecretString, Invalid> {
        self.string(name).map(SecretString::from)
    }

    pub fn optional_string(&mut self, name: &'static str) -> Result<Option<String>, Invalid> {
        self.converted(name, "a string", |value| match value {
            Yaml::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    pub fn nullable_string(&mut self, name: &'static str) -> Result<Option<String>, Invalid> {
        let value = self.converted(name, "a string or null", |value| match value {
            Yaml::Text(text) => Some(Some(text.clone())),
            Yaml::Null => Some(None),
            _ => None,
        })?;
        Ok(value.flatten())
    }

    pub fn whole(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Result<Option<i64>, Invalid> {
        let expected = match (*range.start(), *range.end()) {
            (i64::MIN, i64::MAX) => "a whole number".to_owned(),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        self.converted(name, &expected, |value| whole_number(value).filter(|whole| range.contains(whole)))
    }

    pub fn boolean(&mut self, name: &'static str) -> Result<Option<bool>, Invalid> {
        self.converted(name, "true or false", boolean)
    }

    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Result<Option<T>, Invalid> {
        let expected = words::alternatives(choices.iter().map(|(choice, _)| *choice));
        self.converted(name, &expected, |value| match value {
            Yaml::Text(word) => choices.iter().find(|(choice, _)| choice == word).map(|(_, choice)| *choice),
            _ => None,
        })
    }

    pub fn strings(&mut self, name: &'static str) -> Result<Vec<String>, Invalid> {
        self.items(name, |path, item| match &item.value {
            Yaml::Text(text) => Ok(text.clone()),
            _ => Err(invalid(path, "expected a string", item.place)),
        })
    }

    pub fn section<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Invalid> {
        let path = self.path(name);
        self.node(name).map(|node| Self::read(path, node, read)).transpose()
    }

    /// A map that may also be null or the word for none.
    pub fn nullable_section<T>(
        &mut self,
        name: &'static str,
        none: &str,
        read: impl FnOnce(&mut Self) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Invalid> {
        let path = self.path(name);
        let Some(node) = self.node(name) else { return Ok(None) };
        match &node.value {
            Yaml::Null => Ok(None),
            Yaml::Text(word) if word == none => Ok(None),
            Yaml::Map(_) => Self::read(path, node, read).map(Some),
            _ => Err(invalid(path, &format!("expected a map, null or \"{none}\""), node.place)),
        }
    }

    pub fn sections<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&mut Self) -> Result<T, Invalid>,
    ) -> Result<Vec<T>, Invalid> {
        self.items(name, |path, item| Self::read(path, item, &read))
    }

    pub fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, Invalid> {
        value.ok_or_else(|| invalid(self.path(name), "required", self.place))
    }

    /// The error about a key, at its place or, where it is absent, at the map's.
    pub fn invalid(&self, name: &str, problem: &str) -> Invalid {
        let member = self.members.iter().find(|member| member.key == name);
        invalid(self.path(name), problem, member.map_or(self.place, |member| member.value.place))
    }

    fn node(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        self.members.iter().find(|member| member.key == name).map(|member| &member.value)
    }

    fn converted<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        convert: impl FnOnce(&Yaml) -> Option<T>,
    ) -> Result<Option<T>, Invalid> {
        let Some(node) = self.node(name) else { return Ok(None) };
        match convert(&node.value) {
            Some(value) => Ok(Some(value)),
            None => Err(invalid(self.path(name), &format!("expected {expected}"), node.place)),
        }
    }

    fn items<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(String, &'a Node) -> Result<T, Invalid>,
    ) -> Result<Vec<T>, Invalid> {
        let path = self.path(name);
        let Some(node) = self.node(name) else { return Ok(Vec::new()) };
        match &node.value {
            Yaml::List(items) => {
                items.iter().enumerate().map(|(index, item)| read(format!("{path}[{index}]"), item)).collect()
            }
            _ => Err(invalid(path, "expected a list", node.place)),
        }
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn unknown(&self, member: &Member) -> Invalid {
        let name = words::showable(&member.key);
        let hint = name.and_then(|name| words::nearest(name, &self.known));
        Invalid {
            hint: hint.map(|hint| format!("; did you mean \"{hint}\"?")).unwrap_or_default(),
            ..invalid(self.path(name.unwrap_or("…")), "unknown key", member.place)
        }
    }
}

fn invalid(path: String, problem: &str, place: Place) -> Invalid {
    Invalid { path, problem: problem.to_owned(), place, hint: String::new() }
}

/// A whole number, also one that is written as a float or as a string.
fn whole_number(value: &Yaml) -> Option<i64> {
    match value {
        Yaml::Integer(value) => Some(*value),
        Yaml::Float(value) if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 => Some(*value as i64),
        Yaml::Text(text) => {
            let text = text.trim();
            let digits = text.split_once('.').filter(|(_, zeros)| zeros.bytes().all(|byte| byte == b'0'));
            digits.map_or(text, |(digits, _)| digits).parse().ok()
        }
        _ => None,
    }
}

/// A boolean, also one that is written as a word or as 0 or 1.
fn boolean(value: &Yaml) -> Option<bool> {
    match value {
        Yaml::Boolean(value) => Some(*value),
        Yaml::Integer(0) => Some(false),
        Yaml::Integer(1) => Some(true),
        Yaml::Float(value) if *value == 0.0 => Some(false),
        Yaml::Float(value) if *value == 1.0 => Some(true),
        Yaml::Text(word) => match word.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}
