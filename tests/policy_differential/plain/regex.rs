//! Regular expressions of the portable subset over UTF-16 units: a tree, and the set of places that each of its nodes
//! can lead to.

use super::Refusal;

/// Whether the pattern matches anywhere in the text.
pub fn search(pattern: &[u16], text: &[u16]) -> Result<bool, Refusal> {
    let tree = parse(pattern)?;
    let everywhere = vec![true; text.len() + 1];
    Ok(ends(&tree, text, &everywhere).contains(&true))
}

enum Node {
    Start,
    End,
    /// At the edge of a word, or not at one.
    WordEdge(bool),
    /// One unit inside the ranges, or outside.
    Unit {
        ranges: Vec<(u16, u16)>,
        is_negated: bool,
    },
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: u64,
        max: Option<u64>,
    },
}

// --- Matching ------------------------------------------------------------------------------------------------------

/// A set of places in the text: the place before each of its units, and the end.
type Places = Vec<bool>;

/// Where a match of the node can end that starts at one of the places.
fn ends(node: &Node, text: &[u16], starts: &Places) -> Places {
    let stay_where = |holds: &dyn Fn(usize) -> bool| {
        starts.iter().enumerate().map(|(place, is_start)| *is_start && holds(place)).collect()
    };
    match node {
        Node::Start => stay_where(&|place| place == 0),
        Node::End => stay_where(&|place| place == text.len()),
        Node::WordEdge(wanted) => stay_where(&|place| {
            let before = place > 0 && is_word(text[place - 1]);
            let after = place < text.len() && is_word(text[place]);
            (before != after) == *wanted
        }),
        Node::Unit { ranges, is_negated } => {
            let mut ends = vec![false; starts.len()];
            for (place, unit) in text.iter().enumerate() {
                let is_inside = ranges.iter().any(|(low, high)| low <= unit && unit <= high);
                ends[place + 1] = starts[place] && is_inside != *is_negated;
            }
            ends
        }
        Node::Sequence(nodes) => nodes.iter().fold(starts.clone(), |places, node| ends(node, text, &places)),
        Node::Choice(nodes) => {
            nodes.iter().fold(vec![false; starts.len()], |all, node| union(&all, &ends(node, text, starts)))
        }
        Node::Repeat { node, min, max } => repeated(node, *min, *max, text, starts),
    }
}

/// Rounds that lead nowhere new need not be made: every further one would lead to the same places.
fn repeated(node: &Node, min: u64, max: Option<u64>, text: &[u16], starts: &Places) -> Places {
    let mut places = starts.clone();
    for _ in 0..min {
        let next = ends(node, text, &places);
        if next == places {
            break;
        }
        places = next;
    }
    for _ in min..max.unwrap_or(u64::MAX) {
        let next = union(&places, &ends(node, text, &places));
        if next == places {
            break;
        }
        places = next;
    }
    places
}

fn union(a: &Places, b: &Places) -> Places {
    a.iter().zip(b).map(|(a, b)| *a || *b).collect()
}

fn is_word(unit: u16) -> bool {
    u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

// --- Reading -------------------------------------------------------------------------------------------------------

const DIGITS: &[(u16, u16)] = &[(0x30, 0x39)];
const WORD: &[(u16, u16)] = &[(0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A), (0x5F, 0x5F)];
const SPACE: &[(u16, u16)] = &[
    (0x09, 0x09),
    (0x0A, 0x0A),
    (0x0B, 0x0B),
    (0x0C, 0x0C),
    (0x0D, 0x0D),
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
const LINE_ENDS: &[(u16, u16)] = &[(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2028), (0x2029, 0x2029)];
const TOO_MANY: u64 = 0xFFFF_FFFF;

fn parse(pattern: &[u16]) -> Result<Node, Refusal> {
    let mut reader = Reader { rest: pattern, makes_no_sense: false };
    let tree = reader.choice()?;
    if !reader.rest.is_empty() {
        return Err(Refusal::NotPortable);
    }
    if reader.makes_no_sense { Err(Refusal::NotEvaluable) } else { Ok(tree) }
}

struct Reader<'a> {
    rest: &'a [u16],
    /// A reversed range or count: refused once the whole pattern is known to be portable.
    makes_no_sense: bool,
}

impl Reader<'_> {
    fn choice(&mut self) -> Result<Node, Refusal> {
        let mut choices = vec![self.sequence()?];
        while self.take('|') {
            choices.push(self.sequence()?);
        }
        Ok(Node::Choice(choices))
    }

    fn sequence(&mut self) -> Result<Node, Refusal> {
        let mut nodes = Vec::new();
        while !self.rest.is_empty() && !self.sees('|') && !self.sees(')') {
            let node = self.atom()?;
            let is_assertion = matches!(node, Node::Start | Node::End | Node::WordEdge(_));
            nodes.push(match self.quantifier()? {
                Some(_) if is_assertion => return Err(Refusal::NotPortable),
                Some((min, max)) => Node::Repeat { node: Box::new(node), min, max },
                None => node,
            });
        }
        Ok(Node::Sequence(nodes))
    }

    fn atom(&mut self) -> Result<Node, Refusal> {
        let is_group = self.take('(');
        if is_group {
            if self.take('?') && !self.take(':') {
                return Err(Refusal::NotPortable);
            }
            let inside = self.choice()?;
            return if self.take(')') { Ok(inside) } else { Err(Refusal::NotPortable) };
        }
        let unit = self.next()?;
        let one_of = |ranges: &[(u16, u16)], is_negated| Ok(Node::Unit { ranges: ranges.to_vec(), is_negated });
        match ascii(unit) {
            '^' => Ok(Node::Start),
            '$' => Ok(Node::End),
            '.' => one_of(LINE_ENDS, true),
            '[' => self.class(),
            ']' | '{' | '}' | '*' | '+' | '?' => Err(Refusal::NotPortable),
            '\\' => {
                let escaped = self.next()?;
                match ascii(escaped) {
                    'b' => Ok(Node::WordEdge(true)),
                    'B' => Ok(Node::WordEdge(false)),
                    'd' => one_of(DIGITS, false),
                    'D' => one_of(DIGITS, true),
                    'w' => one_of(WORD, false),
                    'W' => one_of(WORD, true),
                    's' => one_of(SPACE, false),
                    'S' => one_of(SPACE, true),
                    _ => {
                        let unit = self.escaped_unit(escaped)?;
                        one_of(&[(unit, unit)], false)
                    }
                }
            }
            _ => one_of(&[(unit, unit)], false),
        }
    }

    /// A class, after its `[`.
    fn class(&mut self) -> Result<Node, Refusal> {
        let is_negated = self.take('^');
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        while !self.take(']') {
            let start = self.class_item()?;
            let is_dash = self.sees('-') && self.rest.get(1) != Some(&(b']' as u16));
            if is_dash {
                self.take('-');
                if self.rest.is_empty() {
                    return Err(Refusal::NotEvaluable);
                }
                let (Item::Unit(low), Item::Unit(high)) = (start, self.class_item()?) else {
                    return Err(Refusal::NotPortable);
                };
                self.makes_no_sense |= low > high;
                ranges.push((low, high));
            } else {
                match start {
                    Item::Unit(unit) => ranges.push((unit, unit)),
                    Item::Set(set) => ranges.extend(set),
                }
            }
        }
        if ranges.is_empty() { Err(Refusal::NotPortable) } else { Ok(Node::Unit { ranges, is_negated }) }
    }

    fn class_item(&mut self) -> Result<Item, Refusal> {
        let unit = self.next()?;
        match ascii(unit) {
            '[' => Err(Refusal::NotPortable),
            '\\' => {
                let escaped = self.next()?;
                match ascii(escaped) {
                    'd' => Ok(Item::Set(DIGITS)),
                    'w' => Ok(Item::Set(WORD)),
                    's' => Ok(Item::Set(SPACE)),
                    _ => self.escaped_unit(escaped).map(Item::Unit),
                }
            }
            _ if (0xD800..=0xDFFF).contains(&unit) => Err(Refusal::NotPortable),
            _ => Ok(Item::Unit(unit)),
        }
    }

    fn escaped_unit(&mut self, escaped: u16) -> Result<u16, Refusal> {
        match ascii(escaped) {
            't' => Ok(0x09),
            'n' => Ok(0x0A),
            'v' => Ok(0x0B),
            'f' => Ok(0x0C),
            'r' => Ok(0x0D),
            'x' => self.hex(2),
            'u' => self.hex(4),
            char if r"\/.*+?()[]{}|^$-".contains(char) => Ok(escaped),
            _ => Err(Refusal::NotPortable),
        }
    }

    fn hex(&mut self, count: usize) -> Result<u16, Refusal> {
        let mut value = 0;
        for _ in 0..count {
            let unit = self.next()?;
            let digit = ascii(unit).to_digit(16).ok_or(Refusal::NotPortable)?;
            value = value * 16 + digit;
        }
        Ok(value as u16)
    }

    /// How often the atom before may be repeated, where a quantifier follows. Laziness does not change what matches.
    fn quantifier(&mut self) -> Result<Option<(u64, Option<u64>)>, Refusal> {
        let Some((min, max)) = self.counts()? else { return Ok(None) };
        self.take('?');
        if self.counts()?.is_some() {
            return Err(Refusal::NotPortable);
        }
        self.makes_no_sense |= max.is_some_and(|max| max < min) || min.max(max.unwrap_or(0)) >= TOO_MANY;
        Ok(Some((min, max)))
    }

    fn counts(&mut self) -> Result<Option<(u64, Option<u64>)>, Refusal> {
        if self.take('*') {
            return Ok(Some((0, None)));
        }
        if self.take('+') {
            return Ok(Some((1, None)));
        }
        if self.take('?') {
            return Ok(Some((0, Some(1))));
        }
        if !self.take('{') {
            return Ok(None);
        }
        let min = self.number().ok_or(Refusal::NotPortable)?;
        let max = if self.take(',') { self.number() } else { Some(min) };
        if self.take('}') { Ok(Some((min, max))) } else { Err(Refusal::NotPortable) }
    }

    fn number(&mut self) -> Option<u64> {
        let count = self.rest.iter().take_while(|unit| ascii(**unit).is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        let digits = String::from_utf16(digits).unwrap();
        if digits.is_empty() { None } else { Some(digits.parse().unwrap_or(u64::MAX)) }
    }

    fn next(&mut self) -> Result<u16, Refusal> {
        let (first, rest) = self.rest.split_first().ok_or(Refusal::NotPortable)?;
        self.rest = rest;
        Ok(*first)
    }

    fn sees(&self, char: char) -> bool {
        self.rest.first().is_some_and(|unit| ascii(*unit) == char)
    }

    fn take(&mut self, char: char) -> bool {
        let found = self.sees(char);
        self.rest = &self.rest[usize::from(found)..];
        found
    }
}

/// What one item of a class stands for.
enum Item {
    Unit(u16),
    Set(&'static [(u16, u16)]),
}

/// The unit as a character where it is ASCII; U+FFFF, which means nothing in a pattern, where it is not.
fn ascii(unit: u16) -> char {
    u8::try_from(unit).ok().filter(u8::is_ascii).map_or('\u{FFFF}', char::from)
}
