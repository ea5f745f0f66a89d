//! Patterns as byte expressions, from which automata are built.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, Repetition};

use super::parser::{Node, Pattern};

/// An inclusive range of UTF-16 units.
pub(super) type UnitRange = (u16, u16);

const SURROGATES: UnitRange = (0xD800, 0xDFFF);

/// The units that no range covers. The ranges may overlap, in any order.
pub(super) fn complement(ranges: &[UnitRange]) -> Vec<UnitRange> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    let mut gaps = Vec::new();
    let mut next = Some(0_u16);
    for (low, high) in sorted {
        let Some(start) = next else { break };
        if low > start {
            gaps.push((start, low.saturating_sub(1)));
        }
        if high >= start {
            next = high.checked_add(1);
        }
    }
    gaps.extend(next.map(|start| (start, u16::MAX)));
    gaps
}

/// One unit out of the ranges.
fn class(ranges: &[UnitRange]) -> Hir {
    let mut characters = Vec::new();
    let mut surrogates = Vec::new();
    for &(low, high) in ranges {
        let below = (low, high.min(SURROGATES.0.saturating_sub(1)));
        let above = (low.max(SURROGATES.1.saturating_add(1)), high);
        for (low, high) in [below, above] {
            if let (Some(low), Some(high)) = (char::from_u32(low.into()), char::from_u32(high.into()))
                && low <= high
            {
                characters.push(ClassUnicodeRange::new(low, high));
            }
        }
        let within = (low.max(SURROGATES.0), high.min(SURROGATES.1));
        if within.0 <= within.1 {
            surrogates.extend(surrogate_sequences(within));
        }
    }
    let mut alternatives = Vec::new();
    if !characters.is_empty() || surrogates.is_empty() {
        alternatives.push(Hir::class(Class::Unicode(ClassUnicode::new(characters))));
    }
    alternatives.extend(surrogates);
    Hir::alternation(alternatives)
}

/// The whole pattern. Where it asks for that, it starts with any number of whole units, so that it is tried only where
/// a unit starts; it must then be searched anchored.
pub(super) fn pattern(pattern: &Pattern) -> Hir {
    let root = node(&pattern.root);
    if !pattern.needs_unit_steps {
        return root;
    }
    let skipped = Repetition { min: 0, max: None, greedy: false, sub: Box::new(class(&[(0, u16::MAX)])) };
    Hir::concat(vec![Hir::repetition(skipped), root])
}

/// It calls itself as deep as groups nest, which the parser bounds.
fn node(node: &Node) -> Hir {
    match node {
        Node::Unit(unit) => Hir::literal(unit_bytes(*unit)),
        Node::Set(ranges) => class(ranges),
        Node::Assertion(look) => Hir::look(*look),
        Node::Sequence(nodes) => sequence(nodes),
        Node::Alternatives(nodes) => Hir::alternation(nodes.iter().map(self::node).collect()),
        Node::Repeat { node, min, max } => {
            let sub = Box::new(self::node(node));
            Hir::repetition(Repetition { min: *min, max: *max, greedy: true, sub })
        }
    }
}

fn sequence(nodes: &[Node]) -> Hir {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    for part in nodes {
        if let Node::Unit(unit) = part {
            literal.extend(unit_bytes(*unit));
            continue;
        }
        parts.push(Hir::literal(std::mem::take(&mut literal)));
        parts.push(node(part));
    }
    parts.push(Hir::literal(literal));
    Hir::concat(parts)
}

fn unit_bytes(unit: u16) -> Vec<u8> {
    match char::from_u32(unit.into()) {
        Some(char) => char.encode_utf8(&mut [0; 4]).as_bytes().to_vec(),
        None => surrogate_bytes(unit).to_vec(),
    }
}

/// The three bytes that UTF-8 would give a surrogate.
pub(super) fn surrogate_bytes(unit: u16) -> [u8; 3] {
    [0xED, continuation(unit >> 6), continuation(unit)]
}

fn continuation(bits: u16) -> u8 {
    0x80 | (bits & 0x3F) as u8
}

/// Byte expressions that together match the surrogates of the range.
fn surrogate_sequences((low, high): UnitRange) -> impl Iterator<Item = Hir> {
    const LAST_BITS: u16 = 0x3F;
    let [_, low_middle, low_last] = surrogate_bytes(low);
    let [_, high_middle, high_last] = surrogate_bytes(high);
    let pieces = if low_middle == high_middle {
        vec![((low_middle, low_middle), (low_last, high_last))]
    } else {
        let first_whole = if low & LAST_BITS == 0 { low_middle } else { low_middle.saturating_add(1) };
        let last_whole = if high & LAST_BITS == LAST_BITS { high_middle } else { high_middle.saturating_sub(1) };
        let mut pieces = Vec::new();
        if first_whole > low_middle {
            pieces.push(((low_middle, low_middle), (low_last, 0xBF)));
        }
        if first_whole <= last_whole {
            pieces.push(((first_whole, last_whole), (0x80, 0xBF)));
        }
        if last_whole < high_middle {
            pieces.push(((high_middle, high_middle), (0x80, high_last)));
        }
        pieces
    };
    pieces
        .into_iter()
        .map(|(middle, last)| Hir::concat(vec![byte(0xED, 0xED), byte(middle.0, middle.1), byte(last.0, last.1)]))
}

fn byte(low: u8, high: u8) -> Hir {
    Hir::class(Class::Bytes(ClassBytes::new([ClassBytesRange::new(low, high)])))
}
