//! Typed reading of the members of a JSON object that a caller wrote, so that every options object refuses the same
//! mistakes with the same words. No message shows a value: it could be a secret.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Number, Value};

use super::words;
use crate::error::{Error, Result};
use crate::json;

/// The longest time limit that an option may set: a day.
pub(super) const MAX_MILLISECONDS: i64 = 24 * 60 * 60 * 1000;

/// Reads members by name and type. `null` counts as absent, and so does an empty string.
pub struct Reader<'a> {
    /// What a member is called: an option, or a parameter.
    noun: &'static str,
    prefix: String,
    members: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    /// Reads an options object. Members that `read` does not ask for are refused by name.
    pub fn read<T>(members: &'a Map<String, Value>, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        Self::read_at("option", String::new(), members, read)
    }

    /// Reads the parameters of a method.
    pub fn read_params<T>(members: &'a Map<String, Value>, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        Self::read_at("parameter", String::new(), members, read)
    }

    fn read_at<T>(
        noun: &'static str,
        prefix: String,
        members: &'a Map<String, Value>,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut reader = Self { noun, prefix, members, known: Vec::new() };
        let value = read(&mut reader)?;
        match members.keys().find(|name| !reader.known.contains(&name.as_str())) {
            None => Ok(value),
            Some(name) => Err(reader.unknown(name)),
        }
    }

    /// The member as it is.
    pub fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// Text that is not empty.
    pub fn string(&mut self, name: &'static str) -> Result<Option<String>> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    /// Text that is not empty, not copied.
    pub fn text(&mut self, name: &'static str) -> Result<Option<&'a str>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.expected(name, "a string")),
        }
    }

    /// `true` or `false`, and nothing that only means it.
    pub fn boolean(&mut self, name: &'static str) -> Result<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(self.expected(name, "true or false")),
        }
    }

    /// A whole number within a range; `5.0` is one.
    pub fn whole(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Result<Option<i64>> {
        let expected = || format!("a whole number from {} to {}", range.start(), range.end());
        self.whole_of(name, expected, |whole| range.contains(&whole).then_some(whole))
    }

    /// A whole number that counts something.
    pub fn count(&mut self, name: &'static str) -> Result<Option<u64>> {
        self.whole_of(name, || "a whole number that is not negative", |whole| whole.try_into().ok())
    }

    fn whole_of<T, S: AsRef<str>>(
        &mut self,
        name: &'static str,
        expected: impl FnOnce() -> S,
        convert: impl FnOnce(i64) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.as_number().and_then(whole_number).and_then(convert) {
            Some(whole) => Ok(Some(whole)),
            None => Err(self.expected(name, expected().as_ref())),
        }
    }

    /// A time limit in whole milliseconds: at least one, at most a day.
    pub fn milliseconds(&mut self, name: &'static str) -> Result<Option<Duration>> {
        let limit = self.whole(name, 1..=MAX_MILLISECONDS)?;
        Ok(limit.map(|limit| Duration::from_millis(limit.unsigned_abs())))
    }

    /// A finite number that passes `accept`, with the text that it was written with.
    pub fn number(
        &mut self,
        name: &'static str,
        expected: &str,
        accept: impl FnOnce(f64) -> bool,
    ) -> Result<Option<Number>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let double = value.as_number().map(json::as_double).filter(|double| double.is_finite());
        match value.as_number() {
            Some(number) if double.is_some_and(accept) => Ok(Some(number.clone())),
            _ => Err(self.expected(name, expected)),
        }
    }

    /// A number of seconds, more than none.
    pub fn seconds(&mut self, name: &'static str) -> Result<Option<Number>> {
        self.number(name, "a positive number", |seconds| seconds > 0.0)
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.as_str().and_then(|word| choices.iter().find(|(choice, _)| *choice == word)) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => Err(self.expected(name, &words::alternatives(choices.iter().map(|(choice, _)| *choice)))),
        }
    }

    /// An object with members of its own.
    pub fn object<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(members)) => {
                Self::read_at(self.noun, format!("{}{name}.", self.prefix), members, read).map(Some)
            }
            Some(_) => Err(self.expected(name, "an object")),
        }
    }

    /// An object whose keys are the caller's own. Members that are `null` are left out.
    pub fn map<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        convert: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<Vec<(&'a str, T)>>> {
        let members = match self.value(name) {
            None => return Ok(None),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(self.expected(name, "an object")),
        };
        let converted = members.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| {
            let converted = convert(value).ok_or_else(|| {
                let key = words::showable(key).unwrap_or("…");
                self.expected(&format!("{name}.{key}"), expected)
            })?;
            Ok((key.as_str(), converted))
        });
        converted.collect::<Result<_>>().map(Some)
    }

    /// The error that says what a member should have been.
    pub fn expected(&self, name: &str, expected: &str) -> Error {
        Error::invalid_argument(format!("{} \"{}{name}\": expected {expected}", self.noun, self.prefix))
    }

    /// A member that must be there.
    pub fn required<T>(&self, name: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| Error::invalid_argument(format!("{} \"{}{name}\" is missing", self.noun, self.prefix)))
    }

    /// Text that must be there and not be empty.
    pub fn required_text(&mut self, name: &'static str) -> Result<&'a str> {
        let text = self.text(name)?;
        self.required(name, text)
    }

    /// The same as a copy.
    pub fn required_string(&mut self, name: &'static str) -> Result<String> {
        self.required_text(name).map(str::to_owned)
    }

    /// A JSON object as it is, whose members are the caller's own.
    pub fn members(&mut self, name: &'static str) -> Result<Option<&'a Value>> {
        match self.value(name) {
            Some(value) if !value.is_object() => Err(self.expected(name, "an object")),
            value => Ok(value),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        Error::invalid_argument(match words::showable(name) {
            None => format!("unknown {}{}: its name is not shown, since it may be a secret", self.noun, self.within()),
            Some(name) => match words::nearest(name, &self.known) {
                Some(nearest) => {
                    format!("unknown {1} \"{0}{name}\"; did you mean \"{0}{nearest}\"?", self.prefix, self.noun)
                }
                None => format!("unknown {} \"{}{name}\"", self.noun, self.prefix),
            },
        })
    }

    fn within(&self) -> String {
        match self.prefix.strip_suffix('.') {
            Some(parent) => format!(" in \"{parent}\""),
            None => String::new(),
        }
    }
}

fn whole_number(number: &Number) -> Option<i64> {
    if !json::is_float(number) {
        return number.as_str().parse().ok();
    }
    let double = json::as_double(number);
    let exact = double.fract() == 0.0 && double.abs() <= 9_007_199_254_740_992.0;
    exact.then_some(double as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(text: &str, read: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<T> {
        let members = json::parse_object(text).unwrap();
        Reader::read(&members, read)
    }

    fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
        match result.unwrap_err() {
            Error::InvalidArgument(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn null_and_empty_text_are_absent() {
        let result = read(r#"{"a":null,"b":"","c":"x"}"#, |r| Ok((r.string("a")?, r.string("b")?, r.string("c")?)));
        assert_eq!(result.unwrap(), (None, None, Some("x".into())));
    }

    #[test]
    fn whole_numbers() {
        for (text, expected) in
            [("5", 5), ("5.0", 5), ("5e3", 5000), ("-0", 0), ("9007199254740993", 9_007_199_254_740_993)]
        {
            assert_eq!(read(&format!(r#"{{"n":{text}}}"#), |r| r.whole("n", 0..=i64::MAX)).unwrap(), Some(expected));
        }
        for text in ["5.5", "-1", "1e400", "99999999999999999999", "\"5\"", "true", "[]"] {
            let result = read(&format!(r#"{{"n":{text}}}"#), |r| r.whole("n", 0..=10_000));
            assert_eq!(message(result), r#"option "n": expected a whole number from 0 to 10000"#, "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_text() {
        let number = |text: &str| read(&format!(r#"{{"n":{text}}}"#), |r| r.number("n", "more", |n| n > 0.0));
        assert_eq!(number("60.00").unwrap().unwrap().as_str(), "60.00");
        for text in ["0", "-1", "1e-400", "1e400", "\"1\""] {
            assert_eq!(message(number(text)), r#"option "n": expected more"#, "{text}");
        }
    }

    #[test]
    fn unknown_members_are_refused_by_name_with_a_suggestion() {
        let options = |text: &str| {
            message(read(text, |r| {
                r.milliseconds("timeout_ms")?;
                r.object("observability", |r| r.boolean("enabled"))
            }))
        };
        assert_eq!(options(r#"{"tiemout_ms":1}"#), r#"unknown option "tiemout_ms"; did you mean "timeout_ms"?"#);
        assert_eq!(options(r#"{"timeout":1}"#), r#"unknown option "timeout"; did you mean "timeout_ms"?"#);
        assert_eq!(options(r#"{"zzz":1}"#), r#"unknown option "zzz""#);
        assert_eq!(
            options(r#"{"timeout_ms":0}"#),
            r#"option "timeout_ms": expected a whole number from 1 to 86400000"#
        );
        assert_eq!(
            options(r#"{"observability":{"enable":true}}"#),
            r#"unknown option "observability.enable"; did you mean "observability.enabled"?"#
        );
        assert_eq!(
            options(r#"{"observability":{"ak_live_1234":true}}"#),
            r#"unknown option in "observability": its name is not shown, since it may be a secret"#
        );
        assert_eq!(options(r#"{"observability":[]}"#), r#"option "observability": expected an object"#);
    }

    #[test]
    fn choices_and_maps_say_what_they_take() {
        let result = read(r#"{"mode":"prxy"}"#, |r| r.choice("mode", &[("a", 1), ("b", 2), ("c", 3)]));
        assert_eq!(message(result), r#"option "mode": expected "a", "b" or "c""#);
        let members = json::parse_object(r#"{"m":{"x":"1","y":2}}"#).unwrap();
        let result = Reader::read(&members, |r| r.map("m", "a string", Value::as_str));
        assert_eq!(message(result), r#"option "m.y": expected a string"#);
        let members = json::parse_object(r#"{"m":{"x":"1","y":null}}"#).unwrap();
        let map = Reader::read(&members, |r| r.map("m", "a string", Value::as_str)).unwrap();
        assert_eq!(map, Some(vec![("x", "1")]));
    }
}
