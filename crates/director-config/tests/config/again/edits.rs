//! Random edits of service files, valid and invalid.

use proptest::prelude::*;
use proptest::sample::Index;

/// A line of a service file, not always valid or in a valid place.
fn line() -> impl Strategy<Value = String> {
    let name = prop_oneof![8 => "[abc]", 1 => "\"[ab]\"", 1 => "[a-c]\\.check"];
    let rare = prop_oneof![
        2 => "[\\[\\]{}\"'#,=\\\\\r\n]{1,3}",
        1 => Just("x = [".to_owned()),
        1 => Just("]".to_owned()),
        1 => Just("\"\"\"".to_owned()),
        1 => Just("'''".to_owned()),
        1 => Just("[service]".to_owned()),
        1 => Just("[[service.a.x]]".to_owned()),
        1 => Just("service.c.drain = \"5s\"".to_owned()),
        1 => Just("[ service . a ]".to_owned()),
        1 => Just("\u{feff}".to_owned()),
        1 => Just("# [service.a]".to_owned()),
        1 => Just(String::new()),
    ];
    prop_oneof![
        6 => name.prop_map(|name| format!("[service.{name}]")),
        2 => "[pq]".prop_map(|name| format!("[pool.{name}]")),
        4 => (0..6_u8).prop_map(|host| format!("listen = \"tcp://192.0.2.{host}:80\"")),
        4 => (0..6_u8, 1..3_u8).prop_map(|(host, weight)| format!(
            "servers = [\n\"10.0.0.{host}:80\",\n{{ address = \"10.0.1.1\", weight = {weight} }}]"
        )),
        1 => "pool = \"[pq]\"",
        1 => Just("[defaults]".to_owned()),
        1 => Just("scheduler = \"wrr\"".to_owned()),
        1 => Just("type = \"tcp\"".to_owned()),
        1 => Just("persistence = \"5m\"".to_owned()),
        1 => Just("check = { type = \"https\", tls = { ca = \"f/x.toml\" } }".to_owned()),
        1 => Just("name = \"${NAME}\"".to_owned()),
        2 => rare,
    ]
}

/// A whole service, usually valid.
fn good() -> impl Strategy<Value = String> {
    let more = prop_oneof![
        8 => Just(""),
        1 => Just("check = \"tcp\"\n"),
        1 => Just("check = { type = \"https\", tls = { ca = \"f/x.toml\" } }\n"),
        1 => Just("drain = \"5s\"\n"),
    ];
    let own = (1..4_u8, 1..4_u8).prop_map(|(host, weight)| {
        format!(
            "servers = [\n \"10.0.0.{host}:80\",\n \
             {{ address = \"10.0.1.1\", port = 80, weight = {weight} }},\n]\n"
        )
    });
    let servers = prop_oneof![5 => own, 1 => Just("pool = \"p\"\n".to_owned())];
    (0..12_u8, servers, more).prop_map(|(number, servers, more)| {
        let name = char::from(b'a' + number);
        format!("[service.{name}]\nlisten = \"tcp://192.0.2.{number}:80\"\n{servers}{more}")
    })
}

#[derive(Debug, Clone)]
pub(super) enum Edit {
    /// Inserts a line.
    Insert(Index, String),
    /// Inserts a service before some section.
    Add(Index, String),
    /// Removes a line.
    Cut(Index),
    /// Removes a section.
    Remove(Index),
    /// Moves a section.
    Move(Index, Index),
    /// Replaces a digit.
    Digit(Index, u8),
    /// Replaces some text by a character.
    Character(Index, usize, char),
    /// Restores the last valid text.
    Mend,
    /// Deletes the file.
    Unlink,
}

pub(super) fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    let special = prop::sample::select("[]\"'\n\r#{}=,".chars().collect::<Vec<_>>());
    let character = prop_oneof![any::<char>(), special];
    prop_oneof![
        3 => (at(), line()).prop_map(|(at, line)| Edit::Insert(at, line)),
        4 => (at(), good()).prop_map(|(at, text)| Edit::Add(at, text)),
        2 => at().prop_map(Edit::Cut),
        3 => at().prop_map(Edit::Remove),
        3 => (at(), at()).prop_map(|(from, to)| Edit::Move(from, to)),
        6 => (at(), b'0'..=b'9').prop_map(|(at, digit)| Edit::Digit(at, digit)),
        2 => (at(), 0..3_usize, character).prop_map(|(at, length, character)| {
            Edit::Character(at, length, character)
        }),
        4 => Just(Edit::Mend),
        1 => Just(Edit::Unlink),
    ]
}

/// Applies an edit to a text.
pub(super) fn edited(text: &str, edit: &Edit) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let starts = text.match_indices("[service.").map(|(at, _)| at);
    let starts: Vec<usize> = starts.chain([text.len()]).collect();
    let section = |at: &Index| {
        let index = at.index(starts.len());
        starts[index]..starts.get(index + 1).copied().unwrap_or(text.len())
    };
    match edit {
        Edit::Insert(at, line) => {
            let line = line.clone() + "\n";
            lines.insert(at.index(lines.len() + 1), &line);
            lines.concat()
        }
        Edit::Add(at, service) => {
            let at = section(at).start;
            format!("{}{service}{}", &text[..at], &text[at..])
        }
        Edit::Cut(at) => {
            if !lines.is_empty() {
                lines.remove(at.index(lines.len()));
            }
            lines.concat()
        }
        Edit::Remove(at) => {
            let section = section(at);
            text[..section.start].to_owned() + &text[section.end..]
        }
        Edit::Move(from, to) => {
            let from = section(from);
            let moved = &text[from.clone()];
            let to = section(to).start;
            let (before, after) = (&text[..from.start], &text[from.end..]);
            if to <= from.start {
                return [&before[..to], moved, &before[to..], after].concat();
            }
            let to = to - from.end;
            [before, &after[..to], moved, &after[to..]].concat()
        }
        Edit::Digit(at, digit) => {
            let digits = text.match_indices(|one: char| one.is_ascii_digit());
            let digits: Vec<usize> = digits.map(|(at, _)| at).collect();
            let mut text = text.to_owned();
            if !digits.is_empty() {
                let at = digits[at.index(digits.len())];
                text.replace_range(at..=at, &char::from(*digit).to_string());
            }
            text
        }
        Edit::Character(at, length, character) => {
            let mut characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len() + 1);
            let end = characters.len().min(at + length);
            characters.splice(at..end, [*character]);
            characters.into_iter().collect()
        }
        Edit::Mend | Edit::Unlink => text.to_owned(),
    }
}
