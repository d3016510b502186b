//! Service files, TOML and JSON: whatever the bytes are, nothing panics, what is reported can be
//! rendered, and a file is usable if and only if nothing in it is a mistake.
#![no_main]

use std::path::Path;

use director_config::{Environment, Memory, Style, load_from};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let environment = Environment::from_iter([("A", "1"), ("B", "\n\"")]);
    for name in ["a.toml", "a.json"] {
        let files = Memory::from_iter([(name, bytes)]);
        let outcome = load_from(Path::new(name), &files, &environment);
        assert_eq!(outcome.desired.is_none(), outcome.errors() > 0);
        let plain = outcome.render(Style::Plain);
        assert!(outcome.render(Style::Coloured).len() >= plain.len());
        let reported = outcome.report();
        let reported = reported.as_array().map_or(0, Vec::len);
        assert_eq!(reported, outcome.diagnostics.len());
    }
});
