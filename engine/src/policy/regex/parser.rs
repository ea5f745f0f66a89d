//! The portable subset's grammar. Reading a pattern only builds a small tree; the automaton is made from it when the
//! pattern is first searched with.

use std::borrow::Cow;

use regex_syntax::hir::Look;

use super::super::EvaluationError;
use super::hir::{UnitRange, complement};

/// How deep groups may nest.
const MAX_NESTING: usize = 200;
/// The largest pattern, counted in the states that it makes when its repetitions are written out.
const MAX_SIZE: usize = 1 << 15;
/// Repeat counts from here on are refused by the official evaluator too.
const REPEAT_LIMIT: u64 = 0xFFFF_FFFF;

/// A pattern of the portable subset.
#[derive(Debug)]
pub(super) struct Pattern {
    pub root: Node,
    /// About how many states its automaton has.
    pub size: usize,
    /// Whether it has an assertion that could hold in the middle of a unit.
    pub needs_unit_steps: bool,
}

#[derive(Debug)]
pub(super) enum Node {
    Unit(u16),
    /// One unit out of these.
    Set(Cow<'static, [UnitRange]>),
    Assertion(Look),
    Sequence(Vec<Node>),
    Alternatives(Vec<Node>),
    /// So many times, without end where there is no `max`.
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
    },
}

impl Node {
    fn size(&self) -> usize {
        const STATES_PER_RANGE: usize = 3;
        let sum = |nodes: &[Self]| nodes.iter().fold(1, |sum: usize, node| sum.saturating_add(node.size()));
        match self {
            Self::Unit(_) | Self::Assertion(_) => 1,
            Self::Set(ranges) if ranges.iter().all(|&(_, high)| high < 0x80) => 1,
            Self::Set(ranges) => ranges.len().saturating_mul(STATES_PER_RANGE),
            Self::Sequence(nodes) | Self::Alternatives(nodes) => sum(nodes),
            Self::Repeat { node, min, max } => {
                let copies = usize::try_from(max.unwrap_or(*min).max(1)).unwrap_or(usize::MAX);
                node.size().saturating_mul(copies).saturating_add(1)
            }
        }
    }
}

pub(super) fn parse(pattern: &str) -> Result<Pattern, EvaluationError> {
    let units: Vec<u16> = pattern.encode_utf16().collect();
    if units.len() > MAX_SIZE {
        return Err(EvaluationError::malformed("pattern too large"));
    }
    let mut parser = Parser { units, at: 0, has_not_boundary: false, invalid: None };
    let root = parser.pattern()?;
    if let Some(message) = parser.invalid {
        return Err(EvaluationError::NotEvaluable(message));
    }
    let size = root.size();
    if size > MAX_SIZE {
        return Err(EvaluationError::malformed("pattern too large"));
    }
    Ok(Pattern { root, size, needs_unit_steps: parser.has_not_boundary })
}

/// An open group: its finished alternatives and the parts of the one being read.
#[derive(Default)]
struct Group {
    alternatives: Vec<Node>,
    parts: Vec<Node>,
}

impl Group {
    fn end_alternative(&mut self) {
        self.alternatives.push(Node::Sequence(std::mem::take(&mut self.parts)));
    }

    fn finish(mut self) -> Node {
        self.end_alternative();
        match self.alternatives.len() {
            1 => self.alternatives.remove(0),
            _ => Node::Alternatives(self.alternatives),
        }
    }
}

struct Parser {
    units: Vec<u16>,
    at: usize,
    has_not_boundary: bool,
    /// What is portable but means nothing, told only when nothing is found that is not portable.
    invalid: Option<String>,
}

/// What one item of a class stands for.
#[derive(Clone, Copy)]
enum Item {
    Unit(u16),
    Set(&'static [UnitRange]),
}

const DIGITS: &[UnitRange] = &[(0x30, 0x39)];
const WORD: &[UnitRange] = &[(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)];
const SPACE: &[UnitRange] = &[
    (0x09, 0x0D),
    (0x20, 0x20),
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
    (0xFEFF, 0xFEFF),
];
const LINE_TERMINATORS: &[UnitRange] = &[(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)];

impl Parser {
    fn pattern(&mut self) -> Result<Node, EvaluationError> {
        let mut open: Vec<Group> = Vec::new();
        let mut group = Group::default();
        while let Some(unit) = self.next() {
            match ascii(unit) {
                b'(' => {
                    if self.peek() == Some(b'?') && !self.take_all(b"?:") {
                        return Err(self.not_portable());
                    }
                    if open.len() == MAX_NESTING {
                        return Err(EvaluationError::malformed("groups are nested too deeply in a pattern"));
                    }
                    open.push(std::mem::take(&mut group));
                }
                b')' => {
                    let outer = open.pop().ok_or_else(|| refused_at(self.at.saturating_sub(1)))?;
                    let inner = std::mem::replace(&mut group, outer).finish();
                    let part = self.quantified(inner)?;
                    group.parts.push(part);
                }
                b'|' => group.end_alternative(),
                _ => {
                    let part = self.atom(unit)?;
                    group.parts.push(part);
                }
            }
        }
        if open.is_empty() { Ok(group.finish()) } else { Err(refused_at(self.at.saturating_add(1))) }
    }

    fn atom(&mut self, unit: u16) -> Result<Node, EvaluationError> {
        let node = match ascii(unit) {
            b'^' => return self.assertion(Look::Start),
            b'$' => return self.assertion(Look::End),
            b']' | b'{' | b'}' | b'*' | b'+' | b'?' => return Err(self.not_portable()),
            b'.' => Node::Set(complement(LINE_TERMINATORS).into()),
            b'[' => Node::Set(self.class()?.into()),
            b'\\' => match self.peek() {
                Some(b'b') => {
                    self.at += 1;
                    return self.assertion(Look::WordAscii);
                }
                Some(b'B') => {
                    self.at += 1;
                    self.has_not_boundary = true;
                    return self.assertion(Look::WordAsciiNegate);
                }
                Some(b'D') => self.negated_escape(DIGITS),
                Some(b'W') => self.negated_escape(WORD),
                Some(b'S') => self.negated_escape(SPACE),
                _ => match self.escape()? {
                    Item::Unit(unit) => Node::Unit(unit),
                    Item::Set(ranges) => Node::Set(ranges.into()),
                },
            },
            _ => Node::Unit(unit),
        };
        self.quantified(node)
    }

    fn negated_escape(&mut self, ranges: &[UnitRange]) -> Node {
        self.at += 1;
        Node::Set(complement(ranges).into())
    }

    fn assertion(&mut self, look: Look) -> Result<Node, EvaluationError> {
        if self.is_at_quantifier() { Err(self.not_portable()) } else { Ok(Node::Assertion(look)) }
    }

    /// Reads an escape that stands for units, inside a class or outside.
    fn escape(&mut self) -> Result<Item, EvaluationError> {
        let unit = self.expect_unit()?;
        Ok(match ascii(unit) {
            b'd' => Item::Set(DIGITS),
            b'w' => Item::Set(WORD),
            b's' => Item::Set(SPACE),
            _ => Item::Unit(self.escaped_unit(unit)?),
        })
    }

    fn escaped_unit(&mut self, unit: u16) -> Result<u16, EvaluationError> {
        Ok(match ascii(unit) {
            b't' => 0x09,
            b'n' => 0x0A,
            b'r' => 0x0D,
            b'f' => 0x0C,
            b'v' => 0x0B,
            b'x' => self.hex(2)?,
            b'u' => self.hex(4)?,
            byte if br"\/.*+?()[]{}|^$-".contains(&byte) => unit,
            _ => return Err(self.not_portable()),
        })
    }

    fn hex(&mut self, digits: usize) -> Result<u16, EvaluationError> {
        let start = self.at;
        let mut value = 0;
        for _ in 0..digits {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let digit = digit.ok_or_else(|| refused_at(start))?;
            self.at += 1;
            value = value << 4 | digit as u16;
        }
        Ok(value)
    }

    fn class(&mut self) -> Result<Vec<UnitRange>, EvaluationError> {
        let is_negated = self.take(b'^');
        if self.peek() == Some(b']') {
            return Err(self.not_portable());
        }
        let mut ranges = Vec::new();
        // What the next `-` would start a range from: nothing, where it is the first item or follows a range.
        let mut before = None;
        while !self.take(b']') {
            before = match before {
                Some(low) if self.is_at_range() => {
                    self.at += 1;
                    ranges.pop();
                    self.range_from(low, &mut ranges)?;
                    None
                }
                _ => {
                    let item = self.class_item()?;
                    match item {
                        Item::Unit(unit) => ranges.push((unit, unit)),
                        Item::Set(set) => ranges.extend_from_slice(set),
                    }
                    Some(item)
                }
            };
        }
        Ok(if is_negated { complement(&ranges) } else { ranges })
    }

    /// Whether a `-` comes next that is not the last item of its class.
    fn is_at_range(&self) -> bool {
        let after = self.units.get(self.at.saturating_add(1));
        self.peek() == Some(b'-') && after.is_none_or(|&unit| ascii(unit) != b']')
    }

    fn range_from(&mut self, low: Item, ranges: &mut Vec<UnitRange>) -> Result<(), EvaluationError> {
        if self.peek().is_none() {
            return Err(EvaluationError::malformed("a character range has no end"));
        }
        let high = self.class_item()?;
        let (Item::Unit(low), Item::Unit(high)) = (low, high) else { return Err(self.not_portable()) };
        if low > high {
            self.invalid.get_or_insert_with(|| format!("a character range is reversed at {}", self.at));
        } else {
            ranges.push((low, high));
        }
        Ok(())
    }

    fn class_item(&mut self) -> Result<Item, EvaluationError> {
        let unit = self.expect_unit()?;
        match ascii(unit) {
            b'\\' => self.escape(),
            b'[' => Err(self.not_portable()),
            _ if (0xD800..=0xDFFF).contains(&unit) => Err(self.not_portable()),
            _ => Ok(Item::Unit(unit)),
        }
    }

    fn quantified(&mut self, atom: Node) -> Result<Node, EvaluationError> {
        let Some((min, max)) = self.quantifier()? else { return Ok(atom) };
        self.take(b'?');
        if self.is_at_quantifier() {
            return Err(refused_at(self.at.saturating_add(1)));
        }
        if max.is_some_and(|max| max < min) {
            self.invalid.get_or_insert_with(|| format!("a repeat count is reversed at {}", self.at));
            return Ok(atom);
        }
        if min.max(max.unwrap_or(0)) >= REPEAT_LIMIT {
            self.invalid.get_or_insert_with(|| "the repetition number is too large".to_owned());
            return Ok(atom);
        }
        let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Node::Repeat { node: Box::new(atom), min: narrow(min), max: max.map(narrow) })
    }

    /// Reads a quantifier if one starts here, without its lazy mark.
    fn quantifier(&mut self) -> Result<Option<(u64, Option<u64>)>, EvaluationError> {
        let (min, max) = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => return self.counts().map(Some),
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some((min, max)))
    }

    fn counts(&mut self) -> Result<(u64, Option<u64>), EvaluationError> {
        let start = self.at;
        self.at += 1;
        let min = self.count().ok_or_else(|| refused_at(start))?;
        let max = if self.take(b',') { self.count() } else { Some(min) };
        if self.take(b'}') { Ok((min, max)) } else { Err(refused_at(start)) }
    }

    fn is_at_quantifier(&self) -> bool {
        matches!(self.peek(), Some(b'*' | b'+' | b'?' | b'{'))
    }

    /// A decimal number, saturating; `None` where there is no digit.
    fn count(&mut self) -> Option<u64> {
        let mut count = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            self.at += 1;
            count = Some(count.unwrap_or(0_u64).saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        }
        count
    }

    fn expect_unit(&mut self) -> Result<u16, EvaluationError> {
        self.next().ok_or_else(|| refused_at(self.at.saturating_add(1)))
    }

    fn next(&mut self) -> Option<u16> {
        let unit = self.units.get(self.at).copied()?;
        self.at += 1;
        Some(unit)
    }

    /// The next unit where it is ASCII, else 0 standing for any other.
    fn peek(&self) -> Option<u8> {
        self.units.get(self.at).map(|&unit| ascii(unit))
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn take_all(&mut self, bytes: &[u8]) -> bool {
        let rest = self.units.get(self.at..).unwrap_or_default();
        let found = rest.len() >= bytes.len() && rest.iter().zip(bytes).all(|(&unit, &byte)| ascii(unit) == byte);
        self.at += if found { bytes.len() } else { 0 };
        found
    }

    fn not_portable(&self) -> EvaluationError {
        refused_at(self.at)
    }
}

/// Positions count as the official evaluator's do: mostly one past the unit that is refused.
fn refused_at(position: usize) -> EvaluationError {
    EvaluationError::NotPortable(format!("pattern outside the portable subset at {position}"))
}

/// The unit as an ASCII byte; 0, which has no meaning in a pattern, for every other.
fn ascii(unit: u16) -> u8 {
    u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(0)
}
