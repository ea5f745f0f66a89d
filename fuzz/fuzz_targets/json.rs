//! The two readers of JSON against each other: the tree, and the tape of places. And what is written again.

#![no_main]

use armoriq::json::{self, Kind, Map, Node, Number, ParseError, Tape, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let parsed = json::parse_bytes(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(parsed.is_err(), "not UTF-8");
        return;
    };
    let tape = Tape::value(text);
    // Of two faults the readers may name another: the tape compares keys at an object's end.
    let fault = |error: &ParseError| Some(error.to_string()).filter(|fault| !fault.starts_with("duplicate key"));
    match (&parsed, &tape) {
        (Err(of_tree), Err(of_tape)) => {
            let faults = (fault(of_tree), fault(of_tape));
            assert!(faults.0.is_none() || faults.0 == faults.1, "{faults:?}");
        }
        _ => assert_eq!(parsed.is_err(), tape.is_err(), "one of them refuses it"),
    }
    let (Ok(tree), Ok(tape)) = (parsed, tape) else { return };
    let root = tape.root().expect("a value");
    assert_eq!(tree, built(root));
    assert_eq!(json::parse(root.json()).as_ref(), Ok(&tree), "what is forwarded means the same");
    assert_eq!(json::parse(&tree.to_string()).as_ref(), Ok(&tree), "what is written means the same");
    // serde_json refuses exponents that are too large for it.
    let others = serde_json::from_str::<serde::de::IgnoredAny>(text);
    assert!(others.is_ok() || text.contains(['e', 'E']), "others read it too");
    // Hashes are made as Python makes them, which writes what is too large for a double in a way of its own.
    json::parse(&json::canonical(&tree).replace("Infinity", "0")).expect("canonical text is JSON");
});

/// The tree of a place in the tape. Members are looked up by name too.
fn built(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::True => true.into(),
        Kind::False => false.into(),
        Kind::Number => Value::Number(Number::from_string_unchecked(node.raw().to_owned())),
        Kind::String => node.string().into(),
        Kind::Array => node.items().map(built).collect(),
        Kind::Object => Value::Object(Map::from_iter(node.members().map(|(key, value)| {
            let found = node.member(&key).expect("a member that is there");
            assert_eq!(found.json(), value.json());
            (key.into_owned(), built(value))
        }))),
    }
}
