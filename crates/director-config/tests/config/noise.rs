//! No bytes cause a panic, and every diagnostic can be rendered.

use std::path::Path;

use director_config::{self as config, Environment, Memory, Style};
use proptest::prelude::*;

fn survives(name: &str, bytes: Vec<u8>) {
    let files = Memory::from_iter([(name, bytes)]);
    let environment = Environment::from_iter([("A", "1"), ("B", "\n\"")]);
    let outcome = config::load_from(Path::new(name), &files, &environment);
    assert_eq!(outcome.desired.is_none(), outcome.errors() > 0);
    let plain = outcome.render(Style::Plain);
    assert!(outcome.render(Style::Coloured).len() >= plain.len());
    let reported = outcome.report();
    assert_eq!(
        reported.as_array().unwrap().len(),
        outcome.diagnostics.len()
    );
}

/// A valid file with bytes changed, removed and inserted.
fn damaged(file: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let bytes = std::fs::read(Path::new("tests/config").join(file)).unwrap();
    let interesting = prop::sample::select(b"\"'{}[]=,.:\n\\$#-0aZ\xff\xc3\xa9 ".to_vec());
    let change = (0..bytes.len(), 0..3_u8, interesting);
    prop::collection::vec(change, 1..6).prop_map(move |changes| {
        let mut bytes = bytes.clone();
        for (at, how, byte) in changes {
            let at = at.min(bytes.len() - 1);
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases(300)))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives("a.toml", bytes.clone());
        survives("a.json", bytes);
    }

    #[test]
    fn any_text(text in "[ -~\n$\"{}é]{0,200}") {
        survives("a.toml", text.clone().into_bytes());
        survives("a.json", text.into_bytes());
    }

    #[test]
    fn a_damaged_file(toml in damaged("everything.toml"), json in damaged("everything.json")) {
        survives("a.toml", toml);
        survives("a.json", json);
    }

    #[test]
    fn any_listen_address(text in "(tcp|udp|fwmark|x)?(://)?[0-9a-f:.\\[\\]%/-]{0,30}") {
        survives("a.toml", format!("[service.a]\nlisten = '{text}'\nservers = ['{text}']").into_bytes());
    }
}

#[test]
fn depth_has_a_bound() {
    let deep = 100_000;
    survives("a.toml", format!("a = {}", "[".repeat(deep)).into_bytes());
    survives("a.toml", format!("a{} = 1", ".a".repeat(deep)).into_bytes());
    survives("a.toml", format!("[a{}]", ".a".repeat(deep)).into_bytes());
    survives("a.json", "[".repeat(deep).into_bytes());
    survives("a.json", "{\"a\":".repeat(deep).into_bytes());
}
