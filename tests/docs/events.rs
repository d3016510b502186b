//! The table of events in `docs/api.md` is generated from `src/control/event.rs`.
//!
//! `UPDATE_GOLDEN=1 cargo test --test docs events` rewrites it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use director::control::event::EventKind;

use super::page;

const PAGE: &str = "docs/api.md";
const BEGIN: &str = "<!-- events: written by UPDATE_GOLDEN=1 cargo test --test docs events -->\n";
const END: &str = "<!-- end of events -->\n";

#[test]
fn the_table_of_events_has_every_kind() {
    let text = page::text(Path::new(PAGE));
    let (head, rest) = text.split_once(BEGIN).expect("the table has a begin");
    let (shown, tail) = rest.split_once(END).expect("the table has an end");
    let table = table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
        fs::write(path, [head, BEGIN, &table, END, tail].concat()).unwrap();
        return;
    }
    assert!(
        shown == table,
        "{PAGE}: run with UPDATE_GOLDEN=1; expected:\n{table}\nfound:\n{shown}"
    );
}

fn table() -> String {
    let mut table = "\n| kind | level | about | happens when |\n|---|---|---|---|\n".to_owned();
    for kind in EventKind::ALL {
        let (level, about) = (kind.level().word(), kind.about().words());
        let summary = kind.summary();
        writeln!(table, "| `{kind}` | {level} | {about} | {summary} |").unwrap();
    }
    table.push('\n');
    table
}
