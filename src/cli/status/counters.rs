//! The kernel's counters, in the columns and units of `ipvsadm --stats` and `--rate`.

use comfy_table::{CellAlignment, Table};

use crate::http::api::{Counters, Stats};
use crate::plan::Style;
use crate::words::printable;

/// The kinds of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Totals since creation.
    Total,
    /// Rates per second.
    Rate,
}

/// A row for each service and server. Ends in a newline.
pub(super) fn render(stats: &Stats, column: Column, style: Style) -> String {
    let headers = match column {
        Column::Total => ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"],
        Column::Rate => ["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"],
    };
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    let mut header = vec!["SERVICE", "WEIGHT", "ActConn", "InActConn"];
    header.extend(headers);
    table.set_header(header);
    for service in &stats.services {
        let name = match &service.name {
            Some(name) => format!("{} {}", printable(name), service.listen),
            None => format!("{} (foreign)", service.listen),
        };
        let counters = pick(column, &service.total, &service.rate);
        let mut row = vec![name, String::new(), String::new(), String::new()];
        row.extend(cells(counters));
        table.add_row(row);
        for server in &service.servers {
            let name = match &server.name {
                Some(name) => format!("  -> {} {}", printable(name), server.address),
                None => format!("  -> {}", server.address),
            };
            let counters = pick(column, &server.total, &server.rate);
            let mut row = vec![
                name,
                server.weight.to_string(),
                server.active.to_string(),
                server.inactive.to_string(),
            ];
            row.extend(cells(counters));
            table.add_row(row);
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = String::new();
    for (index, line) in table.lines().enumerate() {
        let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
        // The header and the services.
        if index == 0 {
            text.push_str(&style.paint("2", line));
        } else if line.starts_with(' ') {
            text.push_str(line);
        } else {
            text.push_str(&style.paint("1", line));
        }
        text.push('\n');
    }
    text
}

fn pick<'c>(column: Column, total: &'c Counters, rate: &'c Counters) -> &'c Counters {
    match column {
        Column::Total => total,
        Column::Rate => rate,
    }
}

fn cells(counters: &Counters) -> [String; 5] {
    [
        counters.connections,
        counters.packets_in,
        counters.packets_out,
        counters.bytes_in,
        counters.bytes_out,
    ]
    .map(number)
}

/// Unabbreviated below a hundred million, then in thousands, millions and so on, rounded down, as
/// in ipvsadm.
fn number(value: u64) -> String {
    match value {
        0..100_000_000 => value.to_string(),
        100_000_000..1_000_000_000 => format!("{}K", value / 1000),
        1_000_000_000..100_000_000_000 => format!("{}M", value / 1_000_000),
        100_000_000_000..100_000_000_000_000 => format!("{}G", value / 1_000_000_000),
        _ => format!("{}T", value / 1_000_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        for (value, text) in [
            (0, "0"),
            (99_999_999, "99999999"),
            (100_000_000, "100000K"),
            (999_999_999, "999999K"),
            (1_000_000_000, "1000M"),
            (99_999_999_999, "99999M"),
            (100_000_000_000, "100G"),
            (u64::MAX, "18446744T"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
