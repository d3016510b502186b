use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn lists_tables_and_texts_are_those_of_json() {
    let text = "# a comment\na: [x, 'true', ~]\nb:\n- c: true\n  d: \"e: f\"\n- {}\nn: 007\nlong: |\n  one\n  two\n";
    let expected = json!({
        "a": ["x", "true", null], "b": [{ "c": true, "d": "e: f" }, {}], "n": "007", "long": "one\ntwo\n",
    });
    assert_eq!(value(text), Ok(expected));
    assert_eq!(
        value("{\"a\": [\"b\", null]}"),
        Ok(json!({ "a": ["b", null] }))
    );
}

#[test]
fn what_could_grow_or_mean_several_things_is_an_error() {
    let deep = "[".repeat(100) + &"]".repeat(100);
    for (text, words) in [
        ("a: &x [1]\nb: *x", "line 2: director reads no aliases"),
        ("a: !!binary aGk=", "line 1: director reads no tags"),
        ("a: 1\na: 2", "line 2: a key that is there twice"),
        ("[a]: b", "a key that is no text"),
        ("a: 1\n---\nb: 2", "a second document"),
        (&*deep, "nested too deeply"),
        ("", "it is empty"),
        ("a: [", ""),
        ("a: b: c", ""),
        ("\t- :", ""),
    ] {
        let why = value(text).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "[-a\\[\\]{}:,&*!|>'\"#%@ \n\t~]{0,60}") {
        let _ = value(&text);
    }
}
