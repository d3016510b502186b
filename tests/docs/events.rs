//! The table of events in `docs/api.md` is generated from `src/control/event.rs`.
//!
//! `UPDATE_GOLDEN=1 cargo test --test docs events` rewrites it.

use std::fmt::Write;

use director::control::event::EventKind;

use super::page;

const PAGE: &str = "docs/api.md";
const BEGIN: &str = "<!-- events: written by UPDATE_GOLDEN=1 cargo test --test docs events -->\n";
const END: &str = "<!-- end of events -->\n";

#[test]
fn the_table_of_events_has_every_kind() {
    page::generated(PAGE, BEGIN, END, &table());
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
