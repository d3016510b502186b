//! Rows as the pages have them, and what changed.

use std::collections::BTreeMap;

/// Rows of JSON by their keys.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<String, String>,
    /// Whether it was ever filled: an empty table is not one that is unknown.
    filled: bool,
}

impl Table {
    /// Takes the rows as they are now, and returns the members of an object that says what changed:
    /// `"rows":[...],"gone":[...]`; `None` if nothing did.
    pub(super) fn update(&mut self, now: BTreeMap<String, String>) -> Option<String> {
        if !std::mem::replace(&mut self.filled, true) {
            self.rows = now;
            return Some(self.whole());
        }
        let changed = now
            .iter()
            .filter(|(key, row)| self.rows.get(*key) != Some(row))
            .map(|(_, row)| row.as_str());
        let changed = list(changed);
        let gone = self.rows.keys().filter(|key| !now.contains_key(*key));
        let gone: Vec<String> = gone.map(|key| text(key)).collect();
        let gone = list(gone.iter().map(String::as_str));
        self.rows = now;
        (changed != "[]" || gone != "[]")
            .then(|| format!(r#""full":false,"rows":{changed},"gone":{gone}"#))
    }

    /// All rows, for a page that has none.
    pub(super) fn whole(&self) -> String {
        let rows = list(self.rows.values().map(String::as_str));
        format!(r#""full":true,"rows":{rows},"gone":[]"#)
    }

    pub(super) const fn is_filled(&self) -> bool {
        self.filled
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::from("[");
    for item in items {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(item);
    }
    text.push(']');
    text
}

/// A string of JSON.
pub(super) fn text(text: &str) -> String {
    // A string: this cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(key, row): &(&str, &str)| ((*key).to_owned(), (*row).to_owned());
        rows.iter().map(owned).collect()
    }

    #[test]
    fn only_what_changed_is_said() {
        let mut table = Table::default();
        let whole = r#""full":true,"rows":[1,2],"gone":[]"#;
        assert_eq!(
            table.update(rows(&[("a", "1"), ("b", "2")])).unwrap(),
            whole
        );
        assert_eq!(table.update(rows(&[("a", "1"), ("b", "2")])), None);
        let changed = r#""full":false,"rows":[3,4],"gone":["a"]"#;
        assert_eq!(
            table.update(rows(&[("b", "3"), ("c", "4")])).unwrap(),
            changed
        );
        assert_eq!(table.whole(), r#""full":true,"rows":[3,4],"gone":[]"#);
    }

    #[test]
    fn an_empty_table_is_said_once() {
        let mut table = Table::default();
        assert!(!table.is_filled());
        assert!(table.update(rows(&[])).is_some());
        assert_eq!(table.update(rows(&[])), None);
    }
}
