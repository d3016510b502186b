//! Texts in columns and lines of at most so many characters.

use comfy_table::{CellAlignment, ColumnConstraint, Row, Table, Width};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A column of a table. Cells of the first one are short and never empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    head: &'static str,
    right: bool,
    shrinks: bool,
}

impl Column {
    /// A column as wide as its longest cell.
    pub(super) const fn new(head: &'static str) -> Self {
        Self {
            head,
            right: false,
            shrinks: false,
        }
    }

    /// Numbers.
    pub(super) const fn right(self) -> Self {
        Self {
            right: true,
            ..self
        }
    }

    /// A column whose long cells are broken if the last column has no room otherwise.
    pub(super) const fn shrinks(self) -> Self {
        Self {
            shrinks: true,
            ..self
        }
    }
}

/// The width of the last column for which others give way.
const LEAST_LAST: usize = 24;
/// The width down to which columns shrink in any case.
const LEAST: usize = 16;
/// Cells up to this width are ordinary: they stay whole.
const ORDINARY: usize = 26;
/// Between two columns.
const GAP: usize = 2;

/// What does not fit into the last column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlong {
    /// Goes on in the next line.
    Wrap,
    /// Is left out.
    Cut,
}

/// A table.
pub(super) struct Grid<'a> {
    pub(super) columns: &'a [Column],
    /// The number of blanks before each line.
    pub(super) margin: usize,
    pub(super) overlong: Overlong,
    /// The most characters of a line.
    pub(super) width: usize,
}

impl Grid<'_> {
    /// The lines of the header and of each row.
    pub(super) fn lay(&self, mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
        let widths = self.widths(&rows);
        if self.overlong == Overlong::Cut {
            let last = self.columns.len() - 1;
            for cell in rows.iter_mut().filter_map(|row| row.get_mut(last)) {
                *cell = cut(cell, widths[last]);
            }
        }
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(self.columns.iter().map(|column| column.head));
        for row in rows {
            table.add_row(Row::from(row));
        }
        let columns = table.column_iter_mut().zip(self.columns).zip(widths);
        for ((column, spec), width) in columns {
            if spec.right {
                column.set_cell_alignment(CellAlignment::Right);
            }
            let width = u16::try_from(width + GAP).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
        let mut all: Vec<Vec<String>> = Vec::new();
        for line in table.lines() {
            let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
            let is_next = line.starts_with(' ') || line.is_empty();
            let line = format!("{:margin$}{line}", "", margin = self.margin);
            match all.last_mut() {
                Some(row) if is_next => row.push(line),
                _ => all.push(vec![line]),
            }
        }
        all
    }

    /// The width that the last column gets, and that it would like to have.
    pub(super) fn room(&self, rows: &[Vec<String>]) -> (usize, usize) {
        let last = |widths: &[usize]| widths.last().copied().unwrap_or(0);
        (
            last(&self.widths(rows)),
            last(&self.longest(rows, usize::MAX)),
        )
    }

    /// The widths of the longest cells that are at most so wide.
    fn longest(&self, rows: &[Vec<String>], most: usize) -> Vec<usize> {
        let heads = self.columns.iter().map(|column| column.head.width());
        let mut widths: Vec<usize> = heads.collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                let cell = cell.width();
                if cell <= most {
                    *width = cell.max(*width);
                }
            }
        }
        widths
    }

    fn widths(&self, rows: &[Vec<String>]) -> Vec<usize> {
        let mut widths = self.longest(rows, usize::MAX);
        let least = self.longest(rows, ORDINARY);
        let last = widths.len() - 1;
        let available = self.width.saturating_sub(self.margin + GAP * last);
        let wish = widths[last];
        loop {
            let others: usize = widths[..last].iter().sum();
            let rest = available.saturating_sub(others);
            let head = self.columns[last].head.width();
            let shrinking = widths[..last].iter_mut().zip(self.columns).zip(&least);
            let widest = shrinking
                .filter(|((width, column), least)| column.shrinks && **width > LEAST.max(**least))
                .max_by_key(|((width, _), _)| **width);
            match widest {
                Some(((widest, _), _)) if rest < wish.min(LEAST_LAST) => *widest -= 1,
                _ => {
                    widths[last] = wish.min(rest).max(head);
                    return widths;
                }
            }
        }
    }
}

/// A text of at most so many characters; `…` stands for what is left out.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let mut kept = String::new();
    for letter in text.chars() {
        let Some(rest) = left.checked_sub(letter.width().unwrap_or(0)) else {
            break;
        };
        left = rest;
        kept.push(letter);
    }
    if width > 0 {
        kept.truncate(kept.trim_end().len());
        kept.push('…');
    }
    kept
}

/// Lines made of parts, as many on each as fit; all but the first are indented. What is painted
/// counts by its plain text.
pub(super) fn flow(
    parts: &[(String, String)],
    separator: &str,
    indent: usize,
    width: usize,
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for (index, (plain, painted)) in parts.iter().enumerate() {
        let more = index + 1 < parts.len();
        // What separates parts also ends a line.
        let end = if more {
            separator.trim_end().width()
        } else {
            0
        };
        let wide = plain.width();
        match lines.last_mut() {
            Some(line) if used + separator.width() + wide + end <= width => {
                line.push_str(separator);
                line.push_str(painted);
                used += separator.width() + wide;
            }
            last => {
                let indent = if last.is_some() { indent } else { 0 };
                if let Some(line) = last {
                    line.push_str(separator.trim_end());
                }
                lines.push(format!("{:indent$}{painted}", ""));
                used = indent + wide;
            }
        }
    }
    lines
}

/// A text as lines, broken at blanks; a word that is longer than a line is broken, too.
pub(crate) fn wrap(text: &str, indent: usize, width: usize) -> Vec<String> {
    let room = width.saturating_sub(indent).max(1);
    let mut parts = Vec::new();
    for word in text.split(' ') {
        let mut part = String::new();
        for letter in word.chars() {
            if part.width() + letter.width().unwrap_or(0) > room {
                parts.push(std::mem::take(&mut part));
            }
            part.push(letter);
        }
        parts.push(part);
    }
    let parts: Vec<_> = parts.into_iter().map(|part| (part.clone(), part)).collect();
    flow(&parts, " ", indent, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[Vec<String>]) -> String {
        lines.concat().join("\n")
    }

    const COLUMNS: [Column; 4] = [
        Column::new("STATE"),
        Column::new("SERVER").shrinks(),
        Column::new("N").right(),
        Column::new("WHY"),
    ];

    fn row(state: &str, server: &str, number: &str, why: &str) -> Vec<String> {
        [state, server, number, why].map(str::to_owned).to_vec()
    }

    fn grid(width: usize, overlong: Overlong) -> Grid<'static> {
        Grid {
            columns: &COLUMNS,
            margin: 2,
            overlong,
            width,
        }
    }

    #[test]
    fn what_fits_is_as_wide_as_it_is() {
        let rows = vec![row("up", "a", "7", "fine"), row("down", "bb", "12", "")];
        assert_eq!(
            text(&grid(80, Overlong::Wrap).lay(rows)),
            "  STATE  SERVER   N  WHY\n  up     a        7  fine\n  down   bb      12"
        );
    }

    #[test]
    fn the_last_column_wraps_and_long_names_give_way_so_that_no_line_is_too_long() {
        let name = "a-name-that-somebody-liked-a-lot [2001:db8:1234:5678:9abc:def0:1234:5678]:8443";
        let why = "connection refused; drained by root (alice) 10m ago: kernel update (1h left)";
        for width in [60, 72, 80, 100, 140] {
            let rows = vec![row("drained", name, "1234567", why), row("up", "x", "", "")];
            let lines = grid(width, Overlong::Wrap).lay(rows);
            assert_eq!(lines.len(), 3, "a header and two rows");
            for line in lines.concat() {
                assert!(line.width() <= width, "{width}: {line}");
            }
            let all: String = lines[1].concat().split_whitespace().collect();
            for letter in ['1', 'k', 'x'] {
                assert!(all.contains(letter) || letter == 'x', "{all}");
            }
        }
    }

    #[test]
    fn what_is_cut_takes_one_line_and_says_so() {
        let why = "connection refused, and more than that";
        let rows = vec![row("down", "app1", "1", why)];
        let lines = grid(40, Overlong::Cut).lay(rows);
        assert_eq!(lines[1], ["  down   app1    1  connection refused,…"]);
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn parts_and_words_go_to_the_next_line() {
        let part = |text: &str| (text.to_owned(), format!("\x1b[1m{text}\x1b[0m"));
        let lines = flow(&[part("one"), part("two"), part("three")], ", ", 2, 9);
        let plain: Vec<_> = lines
            .iter()
            .map(|line| line.replace("\x1b[1m", "").replace("\x1b[0m", ""))
            .collect();
        assert_eq!(plain, ["one, two,", "  three"]);
        assert_eq!(wrap("a bc def", 1, 4), ["a bc", " def"]);
        assert_eq!(wrap("abcdefgh", 0, 4), ["abcd", "efgh"]);
        assert_eq!(wrap("", 0, 4), [""]);
    }
}
