//! What a scalar is: by its tag, else a text if it is quoted, else what YAML 1.1 takes such a word for.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Yaml;

const TAG_PREFIX: &str = "tag:yaml.org,2002:";
const NOT_OF_ITS_TAG: &str = "a value that its tag does not allow";
const NOT_FINITE: &str = "a number that is not finite";
const NOT_A_STRING: &str = "a key that is not a string";

/// A tag, from `!!null` on; `!` is [`Tag::Unspecific`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Null,
    Boolean,
    Integer,
    Float,
    Text,
    Binary,
    List,
    Map,
    Merge,
    Value,
    Unspecific,
    Unknown,
}

impl Tag {
    /// The tag without regard to how it is written: `!!int`, `!int` and `!<tag:yaml.org,2002:int>` are one.
    pub fn of(tag: &granit_parser::Tag) -> Self {
        let tag = [tag.handle(), tag.suffix()].concat();
        let (name, is_local) = match (tag.strip_prefix(TAG_PREFIX), tag.strip_prefix('!')) {
            (Some("merge"), _) => return Self::Merge,
            (Some("value"), _) => return Self::Value,
            (Some(name), _) => (name, false),
            (None, Some(name)) => (name, true),
            (None, None) => return Self::Unknown,
        };
        match name.strip_prefix('!').unwrap_or(name) {
            "null" => Self::Null,
            "bool" => Self::Boolean,
            "int" => Self::Integer,
            "float" => Self::Float,
            "str" => Self::Text,
            "binary" => Self::Binary,
            "seq" => Self::List,
            "map" => Self::Map,
            "" if is_local => Self::Unspecific,
            _ => Self::Unknown,
        }
    }

    /// Whether a scalar of this text can have the tag, there where it is.
    pub fn is_for(self, text: &str, is_key: bool) -> bool {
        match self {
            Self::Merge => is_key && text == "<<",
            Self::Value => is_key && text == "=",
            Self::List | Self::Map | Self::Unknown => false,
            _ => true,
        }
    }
}

pub(super) struct Scalar<'t> {
    pub text: Cow<'t, str>,
    /// Neither quoted nor a block.
    pub is_plain: bool,
    pub tag: Option<Tag>,
}

impl<'t> Scalar<'t> {
    /// The value, or what is wrong with it.
    pub fn value(&self) -> Result<Yaml, &'static str> {
        let text = trimmed(&self.text);
        match self.tag {
            Some(Tag::Null) => Ok(Yaml::Null),
            Some(Tag::Boolean) => boolean(text).map(Yaml::Boolean).ok_or(NOT_OF_ITS_TAG),
            Some(Tag::Integer) => whole(text).ok_or(NOT_OF_ITS_TAG),
            Some(Tag::Float) => float(text).ok_or(NOT_OF_ITS_TAG)?,
            Some(Tag::Binary) => self.decoded().map(Yaml::Text),
            None if self.is_plain => self.plain(),
            _ => Ok(Yaml::Text(self.text.clone().into_owned())),
        }
    }

    /// The value as a key, or what is wrong with it. A number is the string that it is written as.
    pub fn key(&self) -> Result<Cow<'_, str>, &'static str> {
        match self.tag {
            Some(Tag::Text | Tag::Unspecific) => Ok(Cow::Borrowed(&self.text)),
            Some(Tag::Null | Tag::Boolean | Tag::Integer | Tag::Float) => Err(NOT_A_STRING),
            _ if self.is_plain && is_null(&self.text) => Err(NOT_A_STRING),
            Some(Tag::Binary) => self.decoded().map(Cow::Owned),
            _ => Ok(Cow::Borrowed(&self.text)),
        }
    }

    /// The sign and the magnitude of a key that is a number, which are the same however it is written.
    pub fn key_number(&self) -> Option<(bool, u64)> {
        let (is_negative, magnitude) = integer(&self.text).filter(|_| self.is_plain && self.tag.is_none())?;
        Some((is_negative && magnitude > 0, magnitude))
    }

    pub fn is_null(&self) -> bool {
        self.tag == Some(Tag::Null) || self.tag.is_none() && self.is_plain && is_null(&self.text)
    }

    /// Whether, as a key, it merges its value into the map.
    pub fn is_merge_key(&self) -> bool {
        self.text == "<<" && (self.tag == Some(Tag::Merge) || self.tag.is_none() && self.is_plain)
    }

    fn plain(&self) -> Result<Yaml, &'static str> {
        let text: &str = &self.text;
        if is_null(text) {
            return Ok(Yaml::Null);
        }
        if let Some(value) = boolean(text).or_else(|| boolean_word(text)) {
            return Ok(Yaml::Boolean(value));
        }
        match whole(text) {
            Some(value) => Ok(value),
            None => float(text).unwrap_or_else(|| Ok(Yaml::Text(text.to_owned()))),
        }
    }

    fn decoded(&self) -> Result<String, &'static str> {
        let encoded: Vec<u8> = self.text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let decoded = STANDARD.decode(encoded).map_err(|_| NOT_OF_ITS_TAG)?;
        String::from_utf8(decoded).map_err(|_| NOT_OF_ITS_TAG)
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// The words that are booleans in YAML 1.1 only.
fn boolean_word(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// An integer, or a float where an integer of 64 bits has no room for it.
fn whole(text: &str) -> Option<Yaml> {
    match integer(text)? {
        (true, magnitude) => 0_i64.checked_sub_unsigned(magnitude).map(Yaml::Integer),
        (false, magnitude) => Some(i64::try_from(magnitude).map_or(Yaml::Float(magnitude as f64), Yaml::Integer)),
    }
}

/// Whether it is negative, and its magnitude: decimal, `0x1F`, `0o17`, `017` or `0b11`, with `_` between digits.
fn integer(text: &str) -> Option<(bool, u64)> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.strip_prefix('0') {
        None | Some("") => (10, digits),
        Some(rest) => {
            let (radix, digits) = match rest.as_bytes() {
                [b'x' | b'X', ..] => (16, rest.get(1..)?),
                [b'o' | b'O', ..] => (8, rest.get(1..)?),
                [b'b' | b'B', ..] => (2, rest.get(1..)?),
                _ => (8, rest),
            };
            (radix, digits.strip_prefix('_').unwrap_or(digits))
        }
    };
    let mut magnitude = 0_u64;
    for group in digits.split('_') {
        if group.is_empty() {
            return None;
        }
        for digit in group.chars() {
            magnitude = magnitude.checked_mul(radix.into())?.checked_add(digit.to_digit(radix)?.into())?;
        }
    }
    Some((is_negative, magnitude))
}

/// The number, which is refused if it is not finite.
fn float(text: &str) -> Option<Result<Yaml, &'static str>> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Some(Err(NOT_FINITE));
    }
    match text.parse::<f64>().ok()? {
        value if value.is_finite() => Some(Ok(Yaml::Float(value))),
        // Too large. Rust's own words, such as `inf`, are texts.
        _ if unsigned.starts_with(|first: char| first.is_ascii_digit()) => Some(Err(NOT_FINITE)),
        _ => None,
    }
}
