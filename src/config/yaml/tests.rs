use super::*;

fn member(yaml: &str) -> Yaml {
    match parse(yaml).unwrap().value {
        Yaml::Map(members) => members.into_iter().next().unwrap().value.value,
        _ => panic!("{yaml}"),
    }
}

#[test]
fn types_plain_words_as_yaml_1_1_does() {
    for yaml in ["a: yes", "a: On # so", "a: true", "b: &x YES"] {
        assert!(matches!(member(yaml), Yaml::Boolean(true)), "{yaml}");
    }
    for yaml in ["a: no", "a: OFF", "a: False"] {
        assert!(matches!(member(yaml), Yaml::Boolean(false)), "{yaml}");
    }
    for yaml in ["a: 'yes'", "a: \"on\"", "a: |\n  no\n", "a: |-\n  no", "a: n", "a: y", "a: yes no", "a: !!str 5"] {
        assert!(matches!(member(yaml), Yaml::Text(_)), "{yaml}");
    }
    for (yaml, expected) in [("a: 1_000", 1000), ("a: 012", 10), ("a: 0x1F", 31), ("a: -3", -3)] {
        assert!(matches!(member(yaml), Yaml::Integer(value) if value == expected), "{yaml}");
    }
}

#[test]
fn an_absent_document_is_an_empty_map() {
    for yaml in ["", "# nothing\n", "---\n", "null"] {
        assert!(matches!(parse(yaml).unwrap().value, Yaml::Map(members) if members.is_empty()), "{yaml:?}");
    }
}

#[test]
fn says_where_and_what_without_quoting_the_text() {
    for (yaml, message) in [
        ("a: 1\nb: 2\na: 3\n", "duplicate key \"a\" at line 3 column 1"),
        ("ak_live_1: 1\nak_live_1: 2\n", "duplicate key at line 2 column 1"),
        ("a: @ak_live_1", "unexpected character at line 1 column 4"),
        ("a: 'ak_live_1", "unclosed quote at line 1 column 4"),
        ("a: 1\n---\nb: 2\n", "more than one document at line 3 column 1"),
        ("a: *ak_live_1", "an alias of an unknown anchor at line 1 column 4"),
        ("a: &ak_live_1 [*ak_live_1]", "an alias inside its own anchor at line 1 column 16"),
        ("a: !ak_live_1 x", "an unknown tag at line 1 column 15"),
        ("a: .inf", "a number that is not finite at line 1 column 4"),
        ("[ak_live_1]: 1", "a key that is not a string at line 1 column 1"),
        ("~: 1", "a key that is not a string at line 1 column 1"),
    ] {
        assert_eq!(parse(yaml).err().unwrap().to_string(), message, "{yaml}");
    }
}

#[test]
fn refuses_bombs_quickly() {
    let mut aliases = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..10 {
        let inner = vec![format!("*a{}", level - 1); 9].join(",");
        aliases.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    for (name, yaml) in [
        ("aliases", aliases),
        ("flow", "[".repeat(100_000)),
        ("block", "- ".repeat(100_000)),
        ("wide", "- x\n".repeat(100_000)),
    ] {
        let started = std::time::Instant::now();
        assert!(parse(&yaml).is_err(), "{name}");
        assert!(started.elapsed().as_secs() < 5, "{name}");
    }
}

/// The tree on one line. A place is shown with `@`, where asked for.
fn shown(node: &Node, places: bool) -> String {
    let at = |place: Place| if places { format!("@{}:{}", place.line, place.column) } else { String::new() };
    let value = match &node.value {
        Yaml::Null => "null".to_owned(),
        Yaml::Boolean(value) => value.to_string(),
        Yaml::Integer(value) => value.to_string(),
        Yaml::Float(value) => format!("{value:?}"),
        Yaml::Text(text) => format!("'{text}'"),
        Yaml::List(items) => {
            let items: Vec<String> = items.iter().map(|item| shown(item, places)).collect();
            format!("[{}]", items.join(" "))
        }
        Yaml::Map(members) => {
            let member =
                |member: &Member| format!("{}{}={}", member.key, at(member.place), shown(&member.value, places));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(" "))
        }
    };
    value + &at(node.place)
}

fn check(cases: &[(&str, &str)]) {
    for (yaml, expected) in cases {
        let got = match parse(yaml) {
            Ok(root) => shown(&root, expected.contains('@')),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, *expected, "{yaml:?}");
    }
}

#[test]
fn reads_numbers_as_yaml_1_1_does() {
    check(&[
        ("[0, -0, +7, 00, 017, -017, 0o17, 0O17, 0_17]", "[0 0 7 0 15 -15 15 15 15]"),
        ("[0xff, 0XFF, -0x_f, 0b101, 1_0_0]", "[255 255 -15 5 100]"),
        ("[9223372036854775807, -9223372036854775808]", "[9223372036854775807 -9223372036854775808]"),
        ("[9223372036854775808, -9223372036854775809]", "[9.223372036854776e18 -9.223372036854776e18]"),
        ("[1.5, -1.5, .5, 5., 1e3, 1E-3, 089]", "[1.5 -1.5 0.5 5.0 1000.0 0.001 89.0]"),
        (
            "[0x, 0b2, 1__0, 1_, _1, 1_0.5, inf, nan, e5, 1:30]",
            "['0x' '0b2' '1__0' '1_' '_1' '1_0.5' 'inf' 'nan' 'e5' '1:30']",
        ),
        ("1e999", "a number that is not finite at line 1 column 1"),
        ("- -.INF", "a number that is not finite at line 1 column 3"),
        ("a: .NaN", "a number that is not finite at line 1 column 4"),
        ("['1', \"0x1\", '1.5', '.inf', '~', 'null', '']", "['1' '0x1' '1.5' '.inf' '~' 'null' '']"),
        ("[~, null, Null, NULL, nULL]", "[null null null null 'nULL']"),
        ("- !!int &a '1'\n-\n- a", "[1 null 'a']"),
    ]);
}

#[test]
fn takes_tags_at_their_word() {
    check(&[
        (
            "[!!str 1, !!str yes, !!str ~, ! 1, !str 1.5, !<tag:yaml.org,2002:str> true]",
            "['1' 'yes' '~' '1' '1.5' 'true']",
        ),
        ("[!!int '0x1F', !int -3, !!float '1', !!bool \"true\", !!null x]", "[31 -3 1.0 true null]"),
        ("[!!binary aGVsbG8=, !!binary '  aG Vs\n  bG8= ', !!binary eWVz]", "['hello' 'hello' 'yes']"),
        ("[!!seq [], !!map {}, ! [], ! {}]", "[[] {} [] {}]"),
        ("%TAG !y! tag:yaml.org,2002:\n--- !y!int '5'", "5"),
        ("!!int x", "a value that its tag does not allow at line 1 column 7"),
        ("!!int 99999999999999999999", "a value that its tag does not allow at line 1 column 7"),
        ("!!float x", "a value that its tag does not allow at line 1 column 9"),
        ("!!float .inf", "a number that is not finite at line 1 column 9"),
        ("!!bool yes", "a value that its tag does not allow at line 1 column 8"),
        ("!!binary '*'", "a value that its tag does not allow at line 1 column 10"),
        ("!!binary '/w=='", "a value that its tag does not allow at line 1 column 10"),
        ("!!timestamp 2001-01-01", "an unknown tag at line 1 column 13"),
        ("!!seq {}", "an unknown tag at line 1 column 7"),
        ("!!map []", "an unknown tag at line 1 column 7"),
        ("!!str []", "an unknown tag at line 1 column 7"),
        ("!!map x", "an unknown tag at line 1 column 7"),
        ("!other {}", "an unknown tag at line 1 column 8"),
        ("- !!merge <<", "an unknown tag at line 1 column 11"),
        ("!!value =: 1", "{==1}"),
    ]);
}

#[test]
fn keys_are_unique_strings() {
    check(&[
        ("1: a\nyes: b\n0x5: c\n1.5: d\n'': e\n!!str ~: f", "{1='a' yes='b' 0x5='c' 1.5='d' ='e' ~='f'}"),
        ("? k\n: v\n? only\n", "{k='v' only=null}"),
        ("!!binary aw==: v", "{k='v'}"),
        ("11: a\n0xB: b", "duplicate key \"0xB\" at line 2 column 1"),
        ("'11': a\n11: b", "duplicate key \"11\" at line 2 column 1"),
        ("'11': a\n'0xB': b", "{11='a' 0xB='b'}"),
        ("a: {b: 1, b: 2}", "duplicate key \"b\" at line 1 column 11"),
        ("a b: 1\na b: 2", "duplicate key at line 2 column 1"),
        ("{a: 1}: 2", "a key that is not a string at line 1 column 1"),
        ("!!int 5: a", "a key that is not a string at line 1 column 7"),
        ("? \n: a", "a key that is not a string at line 2 column 1"),
    ]);
}

#[test]
fn aliases_are_where_they_stand() {
    check(&[
        ("a: &x {k: [1]}\nb: *x", "{a@1:1={k@1:8=[1@1:12]@1:11}@1:7 b@2:1={k@2:4=[1@2:4]@2:4}@2:4}@1:1"),
        ("- &x k\n- *x : v\n- &x w\n- *x", "['k' {k='v'} 'w' 'w']"),
        ("- &x 0x1\n- *x : *x", "[1 {0x1=1}]"),
        ("- &x [&y a, *y]\n- [*x]", "[['a'@1:10 'a'@1:13]@1:6 [['a'@2:4 'a'@2:4]@2:4]@2:3]@1:1"),
        ("- &x {a: .inf}\n- *x", "a number that is not finite at line 1 column 10"),
        ("- &x [1]\n- *x : 2", "a key that is not a string at line 2 column 3"),
        ("&x a: {b: *x}\n*x : 1", "duplicate key \"a\" at line 2 column 1"),
        ("&x {*x : 1}", "an alias inside its own anchor at line 1 column 5"),
        ("&x {a: [{b: *x}]}", "an alias inside its own anchor at line 1 column 13"),
        ("&x {<<: *x}", "an alias inside its own anchor at line 1 column 9"),
        ("a: &x 1\n---\nb: *x", "more than one document at line 3 column 1"),
    ]);
}

#[test]
fn merges_what_a_map_does_not_have() {
    check(&[
        ("<<: {a: 1, b: 2}\na: 3\nc: 4", "{a=3 c=4 b=2}"),
        ("x: &x {a: 1}\ny: {<<: *x, b: 2}", "{x={a=1} y={b=2 a=1}}"),
        ("<<: [{a: 1}, {a: 2, b: 3}]", "{a=1 b=3}"),
        ("<<: {a: 1}\n!!merge <<: {a: 2, b: 3}", "{a=1 b=3}"),
        ("<<: {<<: {a: 1, b: 2}, a: 3}", "{a=3 b=2}"),
        ("5: a\n<<: [{0x5: b, c: d}, {'0x5': e}]", "{5='a' c='d' 0x5='e'}"),
        ("<<:\n<<: [~]\n<<: []\n<<: {}", "{}"),
        ("'<<': 1", "{<<=1}"),
        ("!!str <<: 1", "{<<=1}"),
        ("<<: {a: 1}", "{a@1:5=1@1:5}@1:1"),
        ("x: &x {a: 1}\n<<: *x", "{x@1:1={a@1:8=1@1:11}@1:7 a@2:5=1@2:5}@1:1"),
        ("x: &x 1\n<<: {a: *x, b: 2}", "{x@1:1=1@1:7 a@2:5=1@2:9 b@2:5=2@2:5}@1:1"),
        ("x: &x {<<: {a: 1}}\ny: *x", "{x@1:1={a@1:12=1@1:12}@1:7 y@2:1={a@2:4=1@2:4}@2:4}@1:1"),
        ("- &m <<\n- *m : {a: 1}", "['<<' {a=1}]"),
        ("a: 1\n<<: {a: .inf}", "{a=1}"),
        ("<<: {a: .inf}", "a number that is not finite at line 1 column 9"),
        ("<<: 1", "a merge of what is not a map at line 1 column 5"),
        ("<<: [{a: 1}, b]", "a merge of what is not a map at line 1 column 14"),
        ("<<: {a: 1, a: 2}", "duplicate key \"a\" at line 1 column 12"),
    ]);
}

#[test]
fn reads_one_document() {
    check(&[
        ("\u{feff}a: 1", "{a=1}"),
        ("%YAML 1.1\n---\na: 1\n...\n# end\n", "{a=1}"),
        ("a: 1\n---\n", "more than one document at line 2 column 4"),
        ("--- a\n--- !other [", "more than one document at line 2 column 12"),
        ("a: 1\n...\n]", "misplaced bracket at line 3 column 1"),
    ]);
}

#[test]
fn holds_to_its_bounds() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let too_much = |text: &str| {
        let problem = parse(text).err().unwrap().problem;
        assert_eq!(problem, "too many or too deeply nested values");
    };
    assert!(parse(&nested(32)).is_ok());
    too_much(&nested(33));
    assert!(parse(&format!("- &x {}\n- [[*x]]", nested(29))).is_ok());
    too_much(&format!("- &x {}\n- [[*x]]", nested(30)));

    assert!(parse(&"- x\n".repeat(19_999)).is_ok());
    too_much(&"- x\n".repeat(20_000));
    let hundred = "x,".repeat(99);
    assert!(parse(&format!("- &x [{hundred}]\n{}", "- *x\n".repeat(198))).is_ok());
    too_much(&format!("- &x [{hundred}]\n{}", "- *x\n".repeat(199)));

    too_much(&format!("- &x {}\n{}", "x".repeat(1024 * 1024), "- *x\n".repeat(64)));
}

#[test]
fn every_beginning_of_a_text_is_read_or_refused() {
    let text = "\u{feff}%TAG !y! tag:yaml.org,2002:\n--- &r\na: &x !!str 'ä' # so\n? [*x, {<<: *x}]\n: |2-\n   b\n\"\\u00e4\": *x\n<<: {b: >\n x\n}\n...\n---\n- !y!int 0x1\n";
    for (end, _) in text.char_indices() {
        let _ = parse(&text[..end]);
        let _ = parse(&text[end..]);
    }
}
