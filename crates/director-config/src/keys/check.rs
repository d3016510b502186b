//! `check`: its shape, and the keys of all kinds. The keys of one kind are in
//! [`kinds`](crate::kinds).

use super::{Key, Section, Shape, U32_MAX, key, pattern, patterned, time, whole, words};
use crate::kinds::{SECTIONS, WORDS};
use crate::vocabulary::Word;

/// The kinds of checks, those of `section` first if it is one of them.
pub(crate) fn kinds(section: &Section) -> (bool, &'static [&'static Section]) {
    let is_check = SECTIONS.iter().any(|known| std::ptr::eq(*known, section));
    (is_check, &SECTIONS)
}

/// The shape behind `check`.
pub(super) fn checks() -> Shape {
    let one = Shape::Either(vec![words(&WORDS), Shape::Tagged("check", &SECTIONS)]);
    Shape::Either(vec![Shape::Off, Shape::OneOrMore(Box::new(one))])
}

/// The key that selects the kind.
pub(crate) fn key_type(kinds: &'static [Word]) -> Key {
    key("type", words(kinds), "The kind of check.").alias(&["kind", "protocol"])
}

/// The keys that all checks have.
pub(crate) fn common() -> Vec<Key> {
    vec![
        key(
            "interval",
            time(),
            "From the start of a check to the start of the next, 10ms to 1d.",
        )
        .default("2s")
        .alias(&["inter", "delay_loop", "checkinterval", "every", "period"]),
        key(
            "fast_interval",
            time(),
            "The interval while the state is about to change; half the interval by default.",
        )
        .alias(&["fastinter", "delay_before_retry"]),
        key(
            "timeout",
            time(),
            "From connecting to the last byte, 1ms to 1h; the interval by default, but at most 2s.",
        )
        .alias(&[
            "connect_timeout",
            "checktimeout",
            "negotiatetimeout",
            "misc_timeout",
        ]),
        key(
            "rise",
            whole(1, 10_000),
            "The consecutive successes that bring a server back.",
        )
        .default(2)
        .alias(&["healthy_threshold", "success_threshold"]),
        key(
            "fall",
            whole(1, 10_000),
            "The consecutive failures that take it out.",
        )
        .default(3)
        .alias(&[
            "retry",
            "retries",
            "nb_get_retry",
            "checkcount",
            "failurecount",
            "failure_threshold",
            "unhealthy_threshold",
        ]),
        key(
            "jitter",
            patterned("5%", pattern::HALF),
            "The largest random deviation of each interval, as a share of it; at most 50%.",
        )
        .default("5%")
        .alias(&["spread"]),
        key(
            "address",
            patterned("10.0.1.11", pattern::ADDRESS),
            "The address to check instead of the server's.",
        )
        .alias(&["addr", "connect_ip"]),
        key(
            "port",
            whole(1, 65535),
            "The port to check instead of the server's.",
        )
        .alias(&["connect_port", "checkport", "misc_port", "agent_port"]),
        key(
            "source",
            Shape::OneOrMore(Box::new(patterned("10.0.0.2", pattern::ADDRESS))),
            "The source address of checks; at most one of each family.",
        )
        .alias(&["bindto", "bind", "source_ip"]),
        key(
            "mark",
            whole(1, U32_MAX),
            "The firewall mark of the check's packets.",
        )
        .alias(&["fwmark"]),
        key(
            "through",
            Shape::Bool,
            "Checks the virtual address on this server, through the forwarding path, which also \
             detects that the server lost the address. For `dr` and `tun`.",
        )
        .default(false),
    ]
}

section!(
    CHECK,
    "`check` without `type`",
    "The keys of all kinds of checks.",
    {
        let mut keys = vec![key_type(&WORDS)];
        keys.extend(common());
        keys
    }
);
