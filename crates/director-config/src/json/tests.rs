use proptest::prelude::*;
use serde_json::Value as Json;

use super::super::source::Sources;
use super::super::tree::Value;
use super::*;

/// The diagnostics of a text as `line:column message`, and the tree.
fn read(text: &str) -> (Vec<String>, Option<String>) {
    let mut sources = Sources::default();
    let file = sources.add("a.json".into(), text.to_owned());
    let mut findings = Findings::default();
    let tree = parse(file, text, &mut findings);
    let shown = tree.map(|tree| shown(&tree));
    let all = findings.into_sorted(&sources).into_iter();
    let said = all
        .filter(|found| found.code != Code::NotShown)
        .map(|found| {
            let (start, _) = sources.positions(found.labels[0].span);
            format!("{}:{} {}", start.line, start.column, found.message)
        });
    (said.collect(), shown)
}

/// The tree in short form.
fn shown(node: &Node<'_>) -> String {
    let all = |parts: Vec<String>| parts.join(" ");
    match &node.value {
        Value::Text(text) => format!("'{}'", text.value),
        Value::Integer(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Array(items) => format!("[{}]", all(items.iter().map(shown).collect())),
        Value::Table(table) => {
            let pairs = table.entries.iter();
            let pairs = pairs.map(|entry| format!("{}={}", entry.key, shown(&entry.node)));
            format!("{{{}}}", all(pairs.collect()))
        }
        Value::Unreadable => "?".to_owned(),
        other => other.kind().to_owned(),
    }
}

#[test]
fn every_mistake_is_said_and_the_rest_is_read() {
    for (text, said, tree) in [
        ("[1,\n2,\n]", "2:2 trailing commas are not allowed", "[1 2]"),
        (
            "{\"a\": 1\n \"b\": 2}",
            "2:2 a comma is missing before this",
            "{a=1 b=2}",
        ),
        ("[1,,2]", "1:4 there is nothing before this comma", "[1 2]"),
        ("{\"a\" 1}", "1:6 a colon is missing before this", "{a=1}"),
        (
            "{\"a\" = 1}",
            "1:6 a colon must separate key and value",
            "{a=1}",
        ),
        ("{\"a\":,\n\"b\":1}", "1:6 a value is missing", "{a=? b=1}"),
        ("{a: 1}", "1:2 a key must be in double quotes", "{a=1}"),
        ("{'a': 1}", "1:2 strings must be in double quotes", "{a=1}"),
        ("{\"a\": wlc}", "1:7 text must be in double quotes", "{a=?}"),
        ("[True]", "1:2 the word is `true`", "[?]"),
        ("[1] // x", "1:5 JSON has no comments", "[1]"),
        ("/* x */[1]", "1:1 JSON has no comments", "[1]"),
        (
            "[\"a\n, 1]",
            "1:2 the string is not closed on its line",
            "[? 1]",
        ),
        ("[\"a\\qb\"]", "1:4 unknown escape", "[?]"),
        ("[\"\\ud800\"]", "1:3 this escape is not a character", "[?]"),
        (
            "[\"a\tb\"]",
            "1:4 a control character must be written as an escape",
            "[?]",
        ),
        (
            "[01]",
            "1:2 a number consists of digits, and a fraction has some before its point",
            "[?]",
        ),
        ("[1}", "1:3 `}` cannot close what `[` opened", "[1]"),
        (
            "{\"a\": [1, 2}",
            "1:12 `}` cannot close what `[` opened",
            "{a=[1 2]}",
        ),
        (
            "{\"a\":\n[1,\n 2",
            "2:1 the list is not closed",
            "{a=[1 2]}",
        ),
        (
            "1 2",
            "1:3 a JSON text is one value, which ended before this",
            "1",
        ),
        ("[:]", "1:2 a value cannot start like this", "[?]"),
        ("\u{feff}{}", "1:1 a value cannot start like this", "?"),
    ] {
        let (found, read) = read(text);
        assert_eq!(
            found.first().map(String::as_str),
            Some(said),
            "{text:?}: {found:?}"
        );
        assert_eq!(read.as_deref(), Some(tree), "{text:?}");
    }
}

#[test]
fn several_at_once() {
    let text = "{\n \"a\": [1 2],\n b: 3,\n \"c\": nope,\n \"d\": 4,\n}";
    let (said, tree) = read(text);
    assert_eq!(said.len(), 4, "{said:?}");
    assert_eq!(tree.as_deref(), Some("{a=[1 2] b=3 c=? d=4}"));
}

#[test]
fn depth_and_mistakes_have_their_bounds() {
    let (said, _) = read(&"[".repeat(100_000));
    assert_eq!(said.len(), 1, "{said:?}");
    let (said, _) = read(&format!("[{}]", "x\n".repeat(100_000)));
    assert!(said.len() <= MAX_MISTAKES, "{}", said.len());
}

#[test]
fn keys_of_large_tables_are_told_apart_too() {
    let pairs: Vec<_> = (0..100)
        .map(|number| format!("\"k{}\": 1", number % 70))
        .collect();
    let (said, _) = read(&format!("{{{}}}", pairs.join(",\n")));
    assert_eq!(said.len(), 30, "{said:?}");
}

#[test]
fn nothing_is_read_behind_the_last_mistake_that_is_reported() {
    for (before, mistake) in [
        ("[", ","),
        ("[", "}"),
        ("[[", "}"),
        ("[", "// why\n"),
        ("[", "/* why */"),
        ("{", "\"a\" = 1,"),
        ("{", "\"a\" 1,"),
        ("{", "a: 1,"),
        ("{", "!"),
        ("[", "1 "),
        ("[", "'a',"),
        ("[", "\"\\x\","),
        ("[", "\"\n,"),
        ("[", "tru,"),
    ] {
        for count in [MAX_MISTAKES - 1, MAX_MISTAKES, MAX_MISTAKES + 1, 500] {
            let (said, tree) = read(&(before.to_owned() + &mistake.repeat(count)));
            assert!(!said.is_empty(), "{mistake}");
            assert!(tree.is_some(), "{mistake}");
        }
    }
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        "(?s).{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let key = "(?s).{0,4}";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((key, inner), 0..6)
                .prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Compares a tree with the expected value, and every span with the text.
fn same(node: &Node<'_>, value: &Json, text: &str) {
    let raw = &text[node.span.start as usize..node.span.end as usize];
    assert_eq!(serde_json::from_str::<Json>(raw).unwrap(), *value);
    match (&node.value, value) {
        (Value::Null, Json::Null) => {}
        (Value::Bool(read), Json::Bool(value)) => assert_eq!(read, value),
        (Value::Integer(read), Json::Number(value)) => assert_eq!(Some(*read), value.as_i64()),
        (Value::LargeInteger, Json::Number(value)) => assert_eq!(value.as_i64(), None),
        (Value::Text(read), Json::String(value)) => assert_eq!(read.value, *value),
        (Value::Array(read), Json::Array(values)) => {
            assert_eq!(read.len(), values.len());
            for (read, value) in read.iter().zip(values) {
                same(read, value, text);
            }
        }
        (Value::Table(read), Json::Object(values)) => {
            assert_eq!(read.entries.len(), values.len());
            for entry in &read.entries {
                let span = entry.key_span;
                let raw = &text[span.start as usize..span.end as usize];
                assert_eq!(serde_json::from_str::<String>(raw).unwrap(), entry.key);
                same(&entry.node, &values[&*entry.key], text);
            }
        }
        (read, value) => panic!("{read:?} is not {value}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_right_is_read_as_serde_json_reads_it(value in json(), pretty in any::<bool>()) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        let mut sources = Sources::default();
        let file = sources.add("a.json".into(), text.clone());
        let mut findings = Findings::default();
        let tree = parse(file, &text, &mut findings).unwrap();
        assert_eq!(findings.into_sorted(&sources), []);
        same(&tree, &value, &text);
    }

    /// Both reject the same texts, however they are damaged.
    #[test]
    fn what_is_wrong_is_wrong_to_serde_json_too(
        value in json(),
        at in any::<prop::sample::Index>(),
        with in prop::sample::select(vec!["", ",", "]", "}", "\"", ":", "0", "-", ".", "e", "\\", "\n", "/", "é", " "]),
    ) {
        let mut text = value.to_string();
        let places: Vec<_> = text.char_indices().map(|(place, _)| place).collect();
        let place = *at.get(&places);
        let length = text[place..].chars().next().unwrap().len_utf8();
        text.replace_range(place..place + length, with);
        let (said, _) = read(&text);
        let said: Vec<_> = said.iter().filter(|said| !said.contains("duplicate key")).collect();
        let refused = serde_json::from_str::<Json>(&text).is_err();
        // A number too large for any machine is a number here.
        let too_large = text.contains(['e', 'E']) && said.is_empty();
        prop_assert!(refused != said.is_empty() || too_large, "{text:?}: {said:?}");
    }
}
