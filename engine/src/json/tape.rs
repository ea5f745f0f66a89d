//! Reads JSON without building a tree: one pass checks all of the text and notes where each value stands.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;

use serde_json::Value;

use super::scanner::{Quoted, Scanner};
use super::{MAX_BYTES, MAX_DEPTH, ParseError};

/// Beyond so many members, an object's keys are compared by hashing instead of each with each.
const FEW_MEMBERS: usize = 16;

/// JSON that was checked but not built: its text, and where its values are. The strictness is that of
/// [`parse`](super::parse).
pub struct Tape<'a> {
    text: &'a str,
    entries: Vec<Entry>,
}

/// A value, or a key, of the text. The entries stand in the order of the text; a member is its key's entry and then its
/// value's.
#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: Kind,
    escaped: bool,
    /// Where it is written: a string's or a key's without the quotes.
    start: u32,
    end: u32,
    /// The entry after all that is inside this one.
    next: u32,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Null,
    True,
    False,
    Number,
    String,
    Array,
    Object,
}

/// A value in a tape.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    tape: &'t Tape<'t>,
    at: usize,
    entry: &'t Entry,
}

impl<'a> Tape<'a> {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// Where it is no JSON, or not an object.
    pub fn object(text: &'a str) -> Result<Self, ParseError> {
        Self::of_kind(text, Kind::Object, "expected a JSON object")
    }

    /// Reads a JSON list.
    ///
    /// # Errors
    /// Where it is no JSON, or not a list.
    pub fn list(text: &'a str) -> Result<Self, ParseError> {
        Self::of_kind(text, Kind::Array, "expected a JSON list")
    }

    fn of_kind(text: &'a str, kind: Kind, what: &str) -> Result<Self, ParseError> {
        let tape = Self::value(text)?;
        if tape.entries.first().is_none_or(|entry| entry.kind != kind) {
            return Err(ParseError::at(text, 0, what.to_owned()));
        }
        Ok(tape)
    }

    /// Reads any JSON value.
    ///
    /// # Errors
    /// Where it is no JSON.
    pub fn value(text: &'a str) -> Result<Self, ParseError> {
        let mut writer = Writer { scanner: Scanner::new(text), entries: spare_entries() };
        if text.len() > MAX_BYTES {
            return Err(writer.scanner.error("more than 16 MiB of JSON"));
        }
        writer.scanner.skip_space();
        let read = writer.value(0).and_then(|()| writer.scanner.end());
        let tape = Self { text, entries: writer.entries };
        read.map(|()| tape)
    }

    /// The text, without white space around it.
    pub fn text(&self) -> &'a str {
        self.text.trim_ascii()
    }

    /// A member of the object as it is written, where the member is an object itself.
    pub fn object_text(&self, key: &str) -> Option<&'a str> {
        let entry = self.root()?.member(key)?.entry;
        self.text.get(entry.start as usize..entry.end as usize).filter(|_| entry.kind == Kind::Object)
    }

    /// The whole value.
    pub fn root(&self) -> Option<Node<'_>> {
        self.node(0)
    }

    fn node(&self, at: usize) -> Option<Node<'_>> {
        self.entries.get(at).map(|entry| Node { tape: self, at, entry })
    }
}

thread_local! {
    /// The memory of this thread's last tape, for its next one.
    static SPARE: Cell<Vec<Entry>> = const { Cell::new(Vec::new()) };
}

/// How many entries a thread keeps the memory of.
const MOST_SPARE: usize = 2048;

fn spare_entries() -> Vec<Entry> {
    SPARE.try_with(Cell::take).unwrap_or_default()
}

impl Drop for Tape<'_> {
    fn drop(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        if entries.capacity() <= MOST_SPARE {
            entries.clear();
            // Where the thread ends, its memory is gone already.
            let _ = SPARE.try_with(|spare| spare.set(entries));
        }
    }
}

impl<'t> Node<'t> {
    #[inline]
    pub fn kind(self) -> Kind {
        self.entry.kind
    }

    /// The value as it is written, a string without its quotes.
    #[inline]
    pub fn raw(self) -> &'t str {
        self.tape.text.get(self.entry.start as usize..self.entry.end as usize).unwrap_or_default()
    }

    /// The value as JSON text: as it is written.
    pub fn json(self) -> &'t str {
        let quote = u32::from(self.entry.kind == Kind::String);
        let place = self.entry.start.saturating_sub(quote) as usize..(self.entry.end + quote) as usize;
        self.tape.text.get(place).unwrap_or_default()
    }

    /// What a string says.
    #[inline]
    pub fn string(self) -> Cow<'t, str> {
        Quoted { raw: self.raw(), escaped: self.entry.escaped }.decode()
    }

    /// What the value says, where it is a string.
    pub fn text(self) -> Option<Cow<'t, str>> {
        (self.entry.kind == Kind::String).then(|| self.string())
    }

    /// A number as an IEEE double; what is too large is an infinity.
    pub fn double(self) -> f64 {
        self.raw().parse().unwrap_or(f64::NAN)
    }

    /// The member of an object.
    #[inline]
    pub fn member(self, key: &str) -> Option<Node<'t>> {
        if self.entry.kind != Kind::Object {
            return None;
        }
        let (text, entries) = (self.tape.text, &*self.tape.entries);
        let mut inside = entries.get(..self.entry.next as usize)?.get(self.at + 1..)?;
        let mut at = self.at + 1;
        while let Some([name, value]) = inside.first_chunk() {
            if name.says(text, key) {
                return Some(Node { tape: self.tape, at: at + 1, entry: value });
            }
            inside = inside.get((value.next as usize).checked_sub(at)?..)?;
            at = value.next as usize;
        }
        None
    }

    /// The members of an object.
    pub fn members(self) -> impl Iterator<Item = (Cow<'t, str>, Node<'t>)> {
        let end = if self.entry.kind == Kind::Object { self.entry.next as usize } else { 0 };
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let (key, value) = if at < end { (self.tape.node(at)?, self.tape.node(at + 1)?) } else { return None };
            at = value.entry.next as usize;
            Some((key.string(), value))
        })
    }

    /// The items of a list.
    pub fn items(self) -> impl Iterator<Item = Node<'t>> {
        let end = if self.entry.kind == Kind::Array { self.entry.next } else { 0 };
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let child = if at < end as usize { self.tape.node(at)? } else { return None };
            at = child.entry.next as usize;
            Some(child)
        })
    }
}

impl Entry {
    /// Whether a string, or a key, of the text says this.
    #[inline]
    fn says(&self, text: &str, wanted: &str) -> bool {
        let place = self.start as usize..self.end as usize;
        if self.escaped {
            let raw = text.get(place).unwrap_or_default();
            Quoted { raw, escaped: true }.decode() == wanted
        } else {
            place.len() == wanted.len() && text.as_bytes().get(place) == Some(wanted.as_bytes())
        }
    }
}

struct Writer<'a> {
    scanner: Scanner<'a>,
    entries: Vec<Entry>,
}

impl Writer<'_> {
    fn value(&mut self, depth: usize) -> Result<(), ParseError> {
        let start = self.scanner.position();
        match self.scanner.peek() {
            Some(b'{') => return self.object(start, depth),
            Some(b'[') => return self.array(start, depth),
            Some(b'"') => return self.string("").map(drop),
            Some(b'-' | b'0'..=b'9') => {
                self.scanner.number()?;
                self.leaf(Kind::Number, start);
            }
            Some(b't') => {
                self.scanner.literal("true")?;
                self.leaf(Kind::True, start);
            }
            Some(b'f') => {
                self.scanner.literal("false")?;
                self.leaf(Kind::False, start);
            }
            Some(b'n') => {
                self.scanner.literal("null")?;
                self.leaf(Kind::Null, start);
            }
            Some(_) => return Err(self.scanner.error("expected a JSON value")),
            None => return Err(self.scanner.error("unexpected end of the JSON text")),
        }
        Ok(())
    }

    fn object(&mut self, start: usize, depth: usize) -> Result<(), ParseError> {
        let at = self.open(Kind::Object, start, depth)?;
        self.scanner.skip_space();
        if !self.scanner.take(b'}') {
            let mut members = 0;
            let mut keys = Keys::default();
            loop {
                self.scanner.skip_space();
                self.string("expected a key")?;
                if let Some(key) = self.entries.last() {
                    keys.add(self.scanner.bytes(key.start as usize, key.end as usize), key.escaped);
                }
                members += 1;
                self.scanner.skip_space();
                self.scanner.expect(b':', "expected ':' after a key")?;
                self.scanner.skip_space();
                self.value(depth + 1)?;
                self.scanner.skip_space();
                if !self.scanner.take(b',') {
                    self.scanner.expect(b'}', "expected ',' or '}' in an object")?;
                    break;
                }
            }
            if keys.may_repeat {
                self.refuse_duplicates(at, members)?;
            }
        }
        self.close(at);
        Ok(())
    }

    fn array(&mut self, start: usize, depth: usize) -> Result<(), ParseError> {
        let at = self.open(Kind::Array, start, depth)?;
        self.scanner.skip_space();
        if !self.scanner.take(b']') {
            loop {
                self.scanner.skip_space();
                self.value(depth + 1)?;
                self.scanner.skip_space();
                if !self.scanner.take(b',') {
                    self.scanner.expect(b']', "expected ',' or ']' in an array")?;
                    break;
                }
            }
        }
        self.close(at);
        Ok(())
    }

    #[inline]
    fn string(&mut self, what: &str) -> Result<(), ParseError> {
        let start = self.scanner.position() + 1;
        let escaped = self.scanner.skip_string(what)?;
        self.push(Kind::String, escaped, start, self.scanner.position() - 1);
        Ok(())
    }

    fn leaf(&mut self, kind: Kind, start: usize) {
        self.push(kind, false, start, self.scanner.position());
    }

    /// Texts are at most 16 MiB, so that every place in them, and every entry, fits 32 bits.
    fn push(&mut self, kind: Kind, escaped: bool, start: usize, end: usize) {
        let next = self.entries.len() as u32 + 1;
        self.entries.push(Entry { kind, escaped, start: start as u32, end: end as u32, next });
    }

    fn open(&mut self, kind: Kind, start: usize, depth: usize) -> Result<usize, ParseError> {
        if depth == MAX_DEPTH {
            return Err(self.scanner.error("more than 128 levels of JSON"));
        }
        let at = self.entries.len();
        self.push(kind, false, start, start);
        let bracket = if kind == Kind::Object { b'{' } else { b'[' };
        self.scanner.take(bracket);
        Ok(at)
    }

    fn close(&mut self, at: usize) {
        let (end, next) = (self.scanner.position() as u32, self.entries.len() as u32);
        if let Some(entry) = self.entries.get_mut(at) {
            (entry.end, entry.next) = (end, next);
        }
    }

    /// Compares the keys of the object at `at`, which has just been read to its end.
    fn refuse_duplicates(&self, at: usize, members: usize) -> Result<(), ParseError> {
        let mut seen = HashSet::new();
        let mut key_at = at + 1;
        while let Some(key) = self.entries.get(key_at) {
            let is_double = if members > FEW_MEMBERS {
                !seen.insert(self.text_of(key))
            } else {
                self.keys_between(at + 1, key_at).any(|earlier| self.same(earlier, key))
            };
            if is_double {
                let message = format!("duplicate key {}", Value::from(self.text_of(key)));
                return Err(self.scanner.error_at((key.start as usize).saturating_sub(1), message));
            }
            key_at = self.after_member(key_at);
        }
        Ok(())
    }

    fn keys_between(&self, from: usize, to: usize) -> impl Iterator<Item = &Entry> {
        let mut at = from;
        std::iter::from_fn(move || {
            let key = if at < to { self.entries.get(at)? } else { return None };
            at = self.after_member(at);
            Some(key)
        })
    }

    /// The entry after the member whose key is at `key_at`.
    fn after_member(&self, key_at: usize) -> usize {
        self.entries.get(key_at + 1).map_or(usize::MAX, |value| value.next as usize)
    }

    fn same(&self, one: &Entry, other: &Entry) -> bool {
        let same_length = one.end - one.start == other.end - other.start;
        (same_length || one.escaped || other.escaped) && self.text_of(one) == self.text_of(other)
    }

    fn text_of(&self, entry: &Entry) -> Cow<'_, str> {
        let raw = self.scanner.slice(entry.start as usize, entry.end as usize);
        Quoted { raw, escaped: entry.escaped }.decode()
    }
}

/// Tells of most objects, and cheaply, that no two of their keys are the same.
#[derive(Default)]
struct Keys {
    /// Two bits for each key so far, by its length and its ends.
    seen: [u64; 2],
    may_repeat: bool,
}

impl Keys {
    #[inline]
    fn add(&mut self, key: &[u8], escaped: bool) {
        let end = |byte: Option<&u8>| u64::from(byte.copied().unwrap_or_default());
        let ends = end(key.first()) << 8 | end(key.last());
        let mixed = (ends << 32 | key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (one, other) = (1 << (mixed >> 58), 1 << (mixed >> 52 & 63));
        let [ones, others] = &mut self.seen;
        self.may_repeat |= escaped || (*ones & one != 0 && *others & other != 0);
        *ones |= one;
        *others |= other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn at<'t>(tape: &'t Tape<'_>, path: &[&str]) -> Option<Node<'t>> {
        path.iter().try_fold(tape.root()?, |node, key| node.member(key))
    }

    #[test]
    fn finds_what_is_there() {
        let text = r#" {"a": {"b\u0063": [1, {"x": null}, "z"]}, "n": 1e400, "s": "\ud83d\ude00\n", "t": true} "#;
        let tape = Tape::object(text).unwrap();
        assert_eq!(tape.text(), text.trim());
        let list = at(&tape, &["a", "bc"]).unwrap();
        assert_eq!(list.kind(), Kind::Array);
        assert_eq!(list.raw(), r#"[1, {"x": null}, "z"]"#);
        assert_eq!(list.items().map(Node::kind).collect::<Vec<_>>(), [Kind::Number, Kind::Object, Kind::String]);
        assert_eq!(at(&tape, &["n"]).unwrap().double(), f64::INFINITY);
        assert_eq!(at(&tape, &["s"]).unwrap().string(), "😀\n");
        assert_eq!(at(&tape, &["s"]).unwrap().text().as_deref(), Some("😀\n"));
        assert_eq!(at(&tape, &["n"]).unwrap().text(), None);
        assert_eq!(at(&tape, &["t"]).unwrap().kind(), Kind::True);
        assert_eq!(at(&tape, &["s"]).unwrap().json(), r#""\ud83d\ude00\n""#);
        assert_eq!(at(&tape, &["n"]).unwrap().json(), "1e400");
        assert_eq!(tape.object_text("a").unwrap(), r#"{"b\u0063": [1, {"x": null}, "z"]}"#);
        assert!(tape.object_text("s").is_none() && tape.object_text("x").is_none());
        assert!(at(&tape, &["x"]).is_none() && at(&tape, &["n", "x"]).is_none() && at(&tape, &["1e400"]).is_none());
    }

    #[test]
    fn refuses_exactly_what_the_reader_refuses() {
        let many = |last: &str| {
            let members: Vec<String> = (0..40).map(|n| format!("\"k{n}\":{n}")).collect();
            format!("{{{},\"{last}\":0}}", members.join(","))
        };
        let nested = |levels: usize| "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
        let mut texts: Vec<String> = [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"abc":1,"adc":2,"a":3,"":4,"aa":5}"#,
            r#"{"abc":1,"adc":2,"abc":3}"#,
            r#"{"":1,"":2}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":[{"b":1,"c":{},"b":1}]}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00x"}"#,
            r#"{"a":"\ud800\u0041"}"#,
            r#"{"a":"\ud83d\ude0g"}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12g4"}"#,
            "{\"a\":\"\t\"}",
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":NaN}"#,
            r#"{"a":tru}"#,
            r#"{"a" 1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1,}"#,
            r#"{"a":[1,]}"#,
            r#"{1:2}"#,
            r#"{"a":1} x"#,
            r#"{"a":"b"#,
            "[1]",
            "7",
            "{",
            "",
            "{}",
            r#"{"a":[],"b":{},"c":-0.5e-7,"d":"é\/"}"#,
        ]
        .map(String::from)
        .into();
        texts.extend([many("k7"), many("k40"), nested(128), nested(129)]);
        for text in &texts {
            let tape = Tape::object(text).map(|_| ());
            assert_eq!(tape, json::parse_object(text).map(|_| ()), "{text}");
            assert_eq!(Tape::value(text).map(|_| ()), json::parse(text).map(|_| ()), "{text}");
        }
    }
}
