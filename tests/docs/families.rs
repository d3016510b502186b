//! The table of metric families in `docs/metrics.md` is generated from an exposition.
//!
//! `UPDATE_GOLDEN=1 cargo test --test docs families` rewrites it.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::page;

const PAGE: &str = "docs/metrics.md";
const BEGIN: &str =
    "<!-- families: written by UPDATE_GOLDEN=1 cargo test --test docs families -->\n";
const END: &str = "<!-- end of families -->\n";

/// The exposition of a director, without the families of the process.
const EXPOSITION: &str = include_str!("../control/metrics.txt");

#[test]
fn the_table_of_metrics_has_every_family() {
    page::generated(PAGE, BEGIN, END, &table());
}

fn table() -> String {
    let lines = || EXPOSITION.lines();
    let kinds: BTreeMap<&str, &str> = lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let mut table = "\n| family | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for line in lines() {
        let Some((name, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|it| it.split_once(' '))
        else {
            continue;
        };
        let sample = lines().find(|line| line.starts_with(&format!("{name}{{")));
        let labels: Vec<String> = sample
            .and_then(|line| line.split_once('{')?.1.split_once('}'))
            .map(|(labels, _)| labels.split(',').filter_map(|it| it.split_once('=')))
            .into_iter()
            .flatten()
            .map(|(label, _)| format!("`{label}`"))
            .collect();
        let (kind, labels) = (kinds[name], labels.join(", "));
        writeln!(table, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    table.push('\n');
    table
}
