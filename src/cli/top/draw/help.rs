//! The keys.

use super::{Look, Pen};

const KEYS: [(&str, &str); 17] = [
    ("Up Down j k", "move"),
    ("PgUp PgDn", "a page"),
    ("Home End g G", "first, last"),
    ("Enter Right", "open: service, server"),
    ("Esc Left", "back"),
    ("/", "filter; Enter keeps it, Esc drops it"),
    ("e", "events"),
    ("s S", "sort by the next, previous column"),
    ("t", "sort by trouble"),
    ("n", "sort by name"),
    ("c", "sort by connections"),
    ("w", "sort by new connections a second"),
    ("b", "sort by bytes a second"),
    ("r", "reverse the order"),
    ("f Space", "freeze, go on"),
    ("Ctrl-L Ctrl-Z", "draw again, suspend"),
    ("q Ctrl-C", "quit"),
];

pub(super) fn draw(pen: &mut Pen<'_>) {
    pen.end = pen.area.height;
    pen.line(Look::Title, "Keys");
    for (keys, what) in KEYS {
        pen.line(Look::Plain, &format!("{keys:<14} {what}"));
    }
    pen.line(
        Look::Dim,
        "CONNS: active and inactive. IN, OUT: bytes a second.",
    );
    pen.line(
        Look::Dim,
        "OUT is 0 under direct routing and tunnelling: answers pass by.",
    );
    pen.line(Look::Title, "Any key goes back.");
}
