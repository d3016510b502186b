//! Secrets in a service file: which keys have them, and excerpts without them.
//!
//! Mistakes are shown with the lines in which they are, in logs, in `status` and on the page, to more
//! people than may read the file.

use std::borrow::Cow;

/// The keys whose values are secrets, in lower case, with their aliases.
const KEYS: [&str; 6] = [
    "password",
    "passwd",
    "pass",
    "token",
    "authorization",
    "cookie",
];

/// Whether the value of this key is a secret.
pub(super) fn is_secret(key: &str) -> bool {
    KEYS.iter().any(|secret| key.eq_ignore_ascii_case(secret))
}

/// Lines of a TOML or JSON text with a `*` for each byte of a secret, so that places stay where they are.
/// A reference to a variable stays: `${CHECK_PASSWORD}`.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    let mut hidden = Vec::new();
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        hidden.extend(values(line).map(|(start, end)| (from + start, from + end)));
        from += line.len();
    }
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut shown = 0;
    for (start, end) in hidden {
        masked.push_str(&text[shown..start]);
        masked.extend(std::iter::repeat_n('*', end - start));
        shown = end;
    }
    masked.push_str(&text[shown..]);
    Cow::Owned(masked)
}

/// Where the secret values of a line are, in bytes.
fn values(line: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < line.len() {
            let rest = &line[at..];
            let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
            let start = at + rest.find(is_word)?;
            let length = line[start..].find(|c| !is_word(c));
            at = length.map_or(line.len(), |length| start + length);
            if is_secret(&line[start..at])
                && let Some((from, to)) = value(&line[at..])
            {
                let found = (at + from, at + to);
                at = found.1;
                return Some(found);
            }
        }
        None
    })
}

/// Where the value is in the text behind a key; `None` if that is no key, or its value no secret.
fn value(behind: &str) -> Option<(usize, usize)> {
    let mut rest = behind.trim_start_matches(['"', '\'']).trim_start();
    rest = rest.strip_prefix(['=', ':'])?.trim_start();
    let end_of_line = behind.trim_end_matches(['\n', '\r']).len();
    let from = behind.len() - rest.len();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (from, to) = match quote {
        // A text of several lines.
        Some(quote) if rest.starts_with(&String::from_iter([quote; 3])) => {
            (from + 3, end_of_line.max(from + 3))
        }
        Some(quote) => {
            let inside = &rest[1..];
            let mut escaped = false;
            let end = inside.find(|c| {
                let ends = c == quote && !escaped;
                escaped = c == '\\' && quote == '"' && !escaped;
                ends
            });
            let end = end.map_or(end_of_line, |end| from + 1 + end);
            (from + 1, end.max(from + 1))
        }
        // Something else than a text, which is a mistake: up to what may follow it.
        None => {
            let end = rest.find([',', '}', ']', '\n', '\r']);
            (from, end.map_or(end_of_line, |end| from + end))
        }
    };
    let is_reference = behind[from..to].trim().starts_with("${");
    (from < to && !is_reference).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_become_stars_and_everything_stays_in_its_place() {
        for (text, shown) in [
            ("password = \"geheim\"\n", "password = \"******\"\n"),
            (
                "  \"password\": \"a\\\"b\", \"user\": \"x\"",
                "  \"password\": \"****\", \"user\": \"x\"",
            ),
            (
                "check = { type = \"redis\", pass = 'x', port = 1 }",
                "check = { type = \"redis\", pass = '*', port = 1 }",
            ),
            (
                "headers = { Authorization = \"Bearer ab\" }",
                "headers = { Authorization = \"*********\" }",
            ),
            ("password = 12345, x = 1", "password = *****, x = 1"),
            ("password = \"not closed", "password = \"**********"),
            ("password = \"\"\"abc\n", "password = \"\"\"***\n"),
            ("password = \"\u{e9}\"", "password = \"**\""),
            (
                "a = 1\npassword = 'p'\nb = 2\n",
                "a = 1\npassword = '*'\nb = 2\n",
            ),
        ] {
            assert_eq!(masked(text), shown, "{text}");
            assert_eq!(masked(text).len(), text.len());
        }
    }

    #[test]
    fn names_of_files_and_variables_and_other_words_stay() {
        for text in [
            "password_file = \"/etc/x\"",
            "password = \"${CHECK_PASSWORD}\"",
            "# the password is elsewhere",
            "passwords = \"no key\"",
            "password",
            "password =",
            "bypass = \"x\"",
        ] {
            assert_eq!(masked(text), text);
        }
    }
}
