//! Parses TOML into the tree.
//!
//! ```text
//! text ─► plain ──────────────► tree      no mistake in it: nearly every file, nearly every time
//!           │ gives up
//!           └─► recovering ───► tree, and every syntax error
//! ```
//!
//! Two parsers for different purposes. [`plain`] makes one pass and keeps only the tree; it gives
//! up without a diagnostic at whatever it does not expect. [`recovering`], the crate `toml`, builds
//! tokens, events and a tree of its own before ours, takes several times as long, and finds all
//! mistakes. The first returns the same tree as the second would: the tests below compare them.

mod document;
mod plain;
mod recovering;
mod twice;

use super::diagnostic::Findings;
use super::source::FileId;
use super::tree::Node;

/// The tree of a TOML text, as far as it can be parsed; reports every syntax error.
pub(super) fn parse<'t>(file: FileId, text: &'t str, findings: &mut Findings) -> Node<'t> {
    plain::parse(file, text).unwrap_or_else(|from| recovering::parse(file, text, from, findings))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::source::Sources;
    use super::*;

    /// Checks that a text accepted by the plain parser gives the same tree with the other one;
    /// returns whether it was accepted.
    fn agree(text: &str) -> bool {
        let mut sources = Sources::default();
        let file = sources.add("a.toml".into(), text.to_owned());
        let Ok(plain) = plain::parse(file, text) else {
            return false;
        };
        let mut findings = Findings::default();
        let tree = recovering::parse(file, text, 0, &mut findings);
        let said = findings.into_sorted(&sources);
        assert_eq!(said, [], "{text:?}");
        // Lists that one of them leaves in the text are expanded.
        assert_eq!(plain.to_static(), tree.to_static(), "{text:?}");
        true
    }

    #[test]
    fn usual_files_are_read_the_plain_way() {
        let everything = std::fs::read_to_string("tests/config/everything.toml").unwrap();
        for text in [
            everything.as_str(),
            "",
            "\r\n# nothing\r\n\t",
            "a = 1 # one\nb = -7\nc=[]\n'd' = {}\n\"e\\u00e9\" = 'x'",
            "a.b.c = true\na.b.d = 0\n\"a\".e = \"t\\\"\\n\\U0001F600\"",
            "[a]\nx = 1\n[a.b]\ny = 2\n[c.d]\n[c.e]\n[[f.g]]\n[[f.g]]\nz = 1\n[f.g.h]",
            "a = [ # first\n 'x', \"y\"\n, [1,2,],\n]\nb = { c = 1, d.e = 2,\n f = [{}] }",
            "a = ['1', \"2\", # '\"\r\n '#',\"'é\"\n,'5','\"', \"\", '8',]\nb = [['1','2','3','4','5','6','7','8']]",
            "a = ['1', '2', '3', '4', '5', '6', '7', \"\\t\"]\nb = ['$1', '2', '3', '4', '5', '6', '7', '8']",
        ] {
            assert!(agree(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_rare_or_wrong_is_left_to_the_other_reader() {
        for text in [
            "a",
            "a =",
            "a = 1 b = 2",
            "a = 1\na = 2",
            "[a]\n[a]",
            "[a.b]\n[a]",
            "a.b = 1\n[a.c]",
            "a = {}\n[a.b]",
            "a = {}\na.b = 1",
            "a = []\n[[a]]",
            "[[a]]\n[a]",
            "[a]\n[[a]]",
            "a = 01",
            "a = 1.5",
            "a = 0x1f",
            "a = 1979-05-27",
            "a = \"\"\"x\"\"\"",
            "a = '''x'''",
            "a = \"\\q\"",
            "a = \"\\ud800\"",
            "a = \"x\ny\"",
            "a = \"\u{1}\"",
            "# \u{7f}",
            "a = 1\rb = 2",
            "a = [1 2]",
            "a = [1",
            "a = {b = 1",
            "a = {b = 1 c = 2}",
            "a = truex",
            "\u{feff}a = 1",
            &format!("a = {}{}", "[".repeat(1000), "]".repeat(1000)),
        ] {
            let mut sources = Sources::default();
            let file = sources.add("a.toml".into(), text.to_owned());
            assert!(plain::parse(file, text).is_err(), "{text:?}");
        }
    }

    /// A piece of TOML, not always valid.
    fn piece() -> impl Strategy<Value = String> {
        let key = prop_oneof!["[ab]", "[a-c]\\.[a-c]", "\"[a-b]\"", "'a'", "b \\. a"];
        let scalar = prop_oneof![
            "\"[a-z$é\\t]{0,4}\"",
            "\"(\\\\n|\\\\u00e9|\\\\\"|x|\\\\e|\\\\x41){1,3}\"",
            "'[a-z\\\\]{0,3}'",
            "-?[0-9]{1,20}",
            "true|false|nan|1\\.5|0xf|1_0|\\+1",
        ];
        let value = scalar.prop_recursive(3, 12, 4, move |inner| {
            let items = prop::collection::vec(inner.clone(), 0..4);
            let comma = prop_oneof![" ?, ?", "\n,", ", # c\n"];
            let pairs = prop::collection::vec(("[a-c](\\.[a-c])?", inner), 0..4);
            prop_oneof![
                (items, comma, "|,|\n")
                    .prop_map(|(items, comma, end)| { format!("[{}{end}]", items.join(&comma)) }),
                (pairs, "|,|\n").prop_map(|(pairs, end)| {
                    let pairs = pairs.iter().map(|(key, value)| format!("{key} = {value}"));
                    format!("{{{}{end}}}", pairs.collect::<Vec<_>>().join(", "))
                }),
            ]
        });
        prop_oneof![
            6 => (key, "=| = |\t=", value, "|[ \t]|# é").prop_map(|(key, is, value, end)| {
                format!("{key}{is}{value}{end}")
            }),
            2 => "\\[[a-c](\\.[a-c]){0,2}\\] ?",
            1 => "\\[\\[[a-c](\\.[a-c]){0,2}\\]\\]",
            1 => "[ \t]*(#.*)?",
            1 => ".{0,6}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn both_readers_see_the_same(
            pieces in prop::collection::vec((piece(), prop_oneof![9 => "\n", 1 => "\r\n", 1 => ""]), 0..8)
        ) {
            let text: String = pieces.into_iter().flat_map(|(piece, end)| [piece, end]).collect();
            agree(&text);
        }
    }
}
