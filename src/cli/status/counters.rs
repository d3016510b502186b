//! The kernel's counters, as `ipvsadm --stats` and `--rate` show them.
//!
//! ```text
//!   do exact numbers fit the screen? ─┬─ yes ─► ipvsadm's columns and units
//!                                     └─ no ──► 1.2M, two lines of headers; names that are longer
//!                                               than their column have a line of their own
//! ```

use unicode_width::UnicodeWidthStr;

use super::layout::wrap;
use super::page::{BOLD, DIM};
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

/// Weight, connections, and what the kernel counts.
const NUMBERS: usize = 8;
/// Before the name of a server.
const ARROW: &str = "  -> ";
/// Before the numbers below a name that has a line of its own, and the rest of such a name.
const BELOW: usize = 5;

/// A service or a server.
struct Row {
    name: String,
    is_service: bool,
    /// A service has neither a weight nor, in this table, connections of its own.
    weight: Option<u32>,
    connections: Option<[u64; 2]>,
    counters: [u64; 5],
}

/// A row for each service and server, in lines of at most so many characters. Ends in a newline.
pub(super) fn render(stats: &Stats, column: Column, style: Style, width: usize) -> String {
    let rows = rows(stats, column);
    let exact = Sheet::new(&rows, ipvsadm(column), exact);
    let sheet = if exact.width(2) <= width {
        exact
    } else {
        Sheet::new(&rows, short(column), rounded)
    };
    sheet.lay(style, width)
}

fn rows(stats: &Stats, column: Column) -> Vec<Row> {
    let mut rows = Vec::new();
    for service in &stats.services {
        rows.push(Row {
            name: match &service.name {
                Some(name) => format!("{} {}", printable(name), service.listen),
                None => format!("{} (foreign)", service.listen),
            },
            is_service: true,
            weight: None,
            connections: None,
            counters: pick(column, &service.total, &service.rate),
        });
        rows.extend(service.servers.iter().map(|server| Row {
            name: match &server.name {
                Some(name) => format!("{ARROW}{} {}", printable(name), server.address),
                None => format!("{ARROW}{}", server.address),
            },
            is_service: false,
            weight: Some(server.weight),
            connections: Some([server.active.into(), server.inactive.into()]),
            counters: pick(column, &server.total, &server.rate),
        }));
    }
    rows
}

fn pick(column: Column, total: &Counters, rate: &Counters) -> [u64; 5] {
    let counters = match column {
        Column::Total => total,
        Column::Rate => rate,
    };
    [
        counters.connections,
        counters.packets_in,
        counters.packets_out,
        counters.bytes_in,
        counters.bytes_out,
    ]
}

/// Lines of headers, the name's first; the last columns of a group share the header above them.
type Headers = Vec<[&'static str; NUMBERS + 1]>;

fn ipvsadm(column: Column) -> Headers {
    let [a, b, c, d, e] = match column {
        Column::Total => ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"],
        Column::Rate => ["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"],
    };
    vec![["SERVICE", "WEIGHT", "ActConn", "InActConn", a, b, c, d, e]]
}

fn short(column: Column) -> Headers {
    let (new, packets, bytes) = match column {
        Column::Total => ("NEW", "PACKETS", "BYTES"),
        Column::Rate => ("NEW/S", "PACKETS/S", "BYTES/S"),
    };
    vec![
        ["", "", "", "CONNS", "", "", packets, "", bytes],
        [
            "SERVICE", "WEIGHT", "ACT", "INACT", new, "IN", "OUT", "IN", "OUT",
        ],
    ]
}

/// The least width of the columns in and out, so that the header above two of them has room.
const LEAST: usize = 4;

/// A table whose cells are texts.
struct Sheet {
    headers: Headers,
    /// Whether it is a service, its name and its numbers.
    rows: Vec<(bool, String, [String; NUMBERS])>,
    name: usize,
    numbers: [usize; NUMBERS],
}

impl Sheet {
    fn new(rows: &[Row], headers: Headers, number: fn(u64) -> String) -> Self {
        let texts = |row: &Row| {
            let mut cells: [String; NUMBERS] = Default::default();
            cells[0] = row
                .weight
                .map_or(String::new(), |weight| weight.to_string());
            for (cell, value) in cells[1..3].iter_mut().zip(row.connections.iter().flatten()) {
                *cell = number(*value);
            }
            for (cell, value) in cells[3..].iter_mut().zip(row.counters) {
                *cell = number(value);
            }
            (row.is_service, row.name.clone(), cells)
        };
        let rows: Vec<_> = rows.iter().map(texts).collect();
        let last = headers.last().copied().unwrap_or_default();
        let names = rows.iter().map(|(_, name, _)| name.width());
        let mut numbers = [0; NUMBERS];
        for (index, width) in numbers.iter_mut().enumerate() {
            let cells = rows.iter().map(|(_, _, cells)| cells[index].width());
            let least = if index > 3 { LEAST } else { 0 };
            *width = cells
                .max()
                .unwrap_or(0)
                .max(last[index + 1].width())
                .max(least);
        }
        Self {
            name: names.max().unwrap_or(0).max(last[0].width()),
            headers,
            numbers,
            rows,
        }
    }

    /// Its width with so many blanks between two columns.
    fn width(&self, gap: usize) -> usize {
        self.name + self.numbers.iter().map(|width| gap + width).sum::<usize>()
    }

    fn lay(&self, style: Style, width: usize) -> String {
        // Blanks give way before names do.
        let gap = if self.width(2) <= width { 2 } else { 1 };
        let others = self.width(gap) - self.name;
        let name = self.name.min(width.saturating_sub(others)).max(BELOW);
        let mut text = String::new();
        let mut line = |colour: Option<&str>, line: &str| {
            let line = line.trim_end();
            match colour {
                Some(colour) => text.push_str(&style.paint(colour, line)),
                None => text.push_str(line),
            }
            text.push('\n');
        };
        for headers in &self.headers {
            line(Some(DIM), &self.header(headers, name, gap));
        }
        for (is_service, label, cells) in &self.rows {
            let colour = is_service.then_some(BOLD);
            let mut label = label.as_str();
            if label.width() > name {
                let indent = if *is_service {
                    BELOW
                } else {
                    BELOW + ARROW.len()
                };
                // The arrow is part of the first word, not a break.
                let start = label.len() - label.trim_start().len();
                for (index, part) in wrap(&label[start..], indent, width - start)
                    .iter()
                    .enumerate()
                {
                    let margin = if index == 0 { start } else { 0 };
                    line(colour, &format!("{:margin$}{part}", ""));
                }
                label = "";
            }
            let pad = name - label.width();
            line(
                colour,
                &format!("{label}{:pad$}{}", "", self.cells(cells, gap)),
            );
        }
        text
    }

    /// Numbers are to the right of their columns, and so are the headers.
    fn cells<T: AsRef<str>>(&self, cells: &[T], gap: usize) -> String {
        let cells = cells.iter().zip(&self.numbers);
        cells
            .map(|(cell, width)| format!("{:>1$}", cell.as_ref(), gap + width))
            .collect()
    }

    /// A header may reach over the empty ones to its left.
    fn header(&self, headers: &[&str], name: usize, gap: usize) -> String {
        let mut text = format!("{:<name$}", headers[0]);
        let mut end = name;
        for (header, width) in headers[1..].iter().zip(&self.numbers) {
            end += gap + width;
            if !header.is_empty() {
                let start = end.saturating_sub(header.width());
                let pad = start.saturating_sub(text.width());
                text.push_str(&format!("{:pad$}{header}", ""));
            }
        }
        text
    }
}

/// As in ipvsadm: unabbreviated below a hundred million, then in thousands, millions and so on,
/// rounded down.
fn exact(value: u64) -> String {
    match value {
        0..100_000_000 => value.to_string(),
        100_000_000..1_000_000_000 => format!("{}K", value / 1000),
        1_000_000_000..100_000_000_000 => format!("{}M", value / 1_000_000),
        100_000_000_000..100_000_000_000_000 => format!("{}G", value / 1_000_000_000),
        _ => format!("{}T", value / 1_000_000_000_000),
    }
}

/// In at most four characters: unabbreviated below ten thousand, then `12K`, `1.2M`, `345M`, rounded
/// down.
pub(crate) fn rounded(value: u64) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if value < 10_000 {
        return value.to_string();
    }
    let mut size = 1000;
    let mut units = UNITS.iter().peekable();
    while let Some(unit) = units.next() {
        if value / size < 1000 || units.peek().is_none() {
            let tenths = value / (size / 10);
            return match tenths {
                0..100 => format!("{}.{}{unit}", tenths / 10, tenths % 10),
                _ => format!("{}{unit}", value / size),
            };
        }
        size *= 1000;
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        for (value, long, short) in [
            (0, "0", "0"),
            (9_999, "9999", "9999"),
            (10_000, "10000", "10K"),
            (999_999, "999999", "999K"),
            (1_000_000, "1000000", "1.0M"),
            (9_999_999, "9999999", "9.9M"),
            (99_999_999, "99999999", "99M"),
            (100_000_000, "100000K", "100M"),
            (999_999_999, "999999K", "999M"),
            (3_499_999_999, "3499M", "3.4G"),
            (99_999_999_999, "99999M", "99G"),
            (100_000_000_000, "100G", "100G"),
            (1_200_000_000_000, "1200G", "1.2T"),
            (u64::MAX, "18446744T", "18E"),
        ] {
            assert_eq!((exact(value), rounded(value)), (long.into(), short.into()));
            assert!(rounded(value).len() <= 4);
        }
    }
}
