//! The lexical half of reading JSON: strings, numbers and what stands between them, each checked where it stands.

use std::borrow::Cow;

use super::ParseError;

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A string as it is written, without its quotes. Its escapes are valid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'a> {
    pub raw: &'a str,
    pub escaped: bool,
}

impl<'a> Quoted<'a> {
    #[inline]
    pub fn decode(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescaped(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// What was read since an earlier place.
    pub fn since(&self, start: usize) -> &'a str {
        self.slice(start, self.at)
    }

    pub fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    pub fn bytes(&self, start: usize, end: usize) -> &'a [u8] {
        self.text.as_bytes().get(start..end).unwrap_or_default()
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    pub fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    pub fn expect(&mut self, byte: u8, message: &str) -> Result<(), ParseError> {
        if self.take(byte) { Ok(()) } else { Err(self.error(message)) }
    }

    /// A string that starts here.
    pub fn string(&mut self, what: &str) -> Result<Quoted<'a>, ParseError> {
        let start = self.at + 1;
        let escaped = self.skip_string(what)?;
        Ok(Quoted { raw: self.slice(start, self.at - 1), escaped })
    }

    /// Reads over a string that starts here, and says whether there are escapes in it.
    #[inline(always)]
    pub fn skip_string(&mut self, what: &str) -> Result<bool, ParseError> {
        self.expect(b'"', what)?;
        self.skip_plain();
        if self.take(b'"') { Ok(false) } else { self.skip_rest_of_string() }
    }

    #[inline]
    fn skip_plain(&mut self) {
        self.at += plain_length(self.text.as_bytes().get(self.at..).unwrap_or_default());
    }

    fn skip_rest_of_string(&mut self) -> Result<bool, ParseError> {
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(true);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.error("control character in a string")),
                None => return Err(self.error("unterminated string")),
            }
            self.skip_plain();
        }
    }

    fn escape(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        match self.text.as_bytes().get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let first = self.unit(start)?;
                let second = if is_high(first) { self.unit(self.at).ok() } else { None };
                if char::decode_utf16([first].into_iter().chain(second)).any(|char| char.is_err()) {
                    self.at = start;
                    return Err(self.error("lone surrogate in a string"));
                }
            }
            _ => return Err(self.error("invalid escape in a string")),
        }
        Ok(())
    }

    /// The UTF-16 unit of the `\uXXXX` at this place.
    fn unit(&mut self, at: usize) -> Result<u16, ParseError> {
        let digits = self.text.get(at..).and_then(|rest| rest.strip_prefix("\\u")).and_then(|rest| rest.get(..4));
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.error("invalid \\u escape in a string"))?;
        self.at = at + 6;
        Ok(unit)
    }

    /// A number that starts here, as it is written.
    pub fn number(&mut self) -> Result<&'a str, ParseError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(self.since(start))
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("expected a digit")) } else { Ok(()) }
    }

    pub fn literal(&mut self, word: &str) -> Result<(), ParseError> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.error("expected a JSON value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Nothing but white space may follow.
    pub fn end(&mut self) -> Result<(), ParseError> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("unexpected text after the value")),
        }
    }

    /// An error at this place.
    #[cold]
    pub fn error(&self, message: &str) -> ParseError {
        ParseError::at(self.text, self.at, message.to_owned())
    }

    /// An error at an earlier place.
    pub fn error_at(&self, at: usize, message: String) -> ParseError {
        ParseError::at(self.text, at, message)
    }
}

/// How many bytes stand before the first that a string cannot hold as it is: a quote, a backslash or a control
/// character.
#[inline]
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8 + rest.iter().position(|&byte| is_special(byte)).unwrap_or(rest.len())
}

/// Whether a string can hold all of the text as it is.
#[inline]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else { return !bytes.iter().any(|&byte| is_special(byte)) };
    let (words, _) = bytes.as_chunks();
    let special = |word: &[u8; 8]| special_bytes(u64::from_le_bytes(*word));
    words.iter().fold(special(last), |found, word| found | special(word)) == 0
}

/// The highest bit of each byte that is special, of eight at a time. A byte after one that is special may be marked
/// without being so (a borrow): only the lowest mark counts.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = EACH << 7;
    let below = |word: u64, limit: u64| word.wrapping_sub(EACH * limit) & !word;
    // With this bit flipped the quote comes right after the control characters, which stay what they are.
    let control_or_quote = below(word ^ (EACH * 0x02), 0x21);
    let backslash = below(word ^ (EACH * u64::from(b'\\')), 1);
    (control_or_quote | backslash) & HIGHEST
}

#[inline]
fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

fn is_high(unit: u16) -> bool {
    (0xD800..0xDC00).contains(&unit)
}

/// What a string with valid escapes means.
fn unescaped(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (char, length) = escape_in(after);
        out.push(char);
        rest = after.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The character of a valid escape, and how many bytes it takes after its backslash.
fn escape_in(after: &str) -> (char, usize) {
    let plain = match after.as_bytes().first() {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let unit = |at: usize| after.get(at..at + 4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
            let first = unit(1).unwrap_or_default();
            let second = if is_high(first) { unit(7) } else { None };
            let char = char::decode_utf16([first].into_iter().chain(second)).next().and_then(Result::ok);
            return (char.unwrap_or(char::REPLACEMENT_CHARACTER), if second.is_some() { 11 } else { 5 });
        }
        Some(&other) => char::from(other),
        None => '\\',
    };
    (plain, 1)
}
