//! Pools, and how they find their servers.

use super::super::discovery::SECTIONS;
use super::super::vocabulary;
use super::health::{WEIGHT_STEPS, threshold};
use super::service::{of_each_server, servers};
use super::{Key, Shape, key, time, whole, words};

section!(
    POOL,
    "a pool",
    "A set of real servers that several services share.",
    {
        let mut keys = vec![
            key("servers", servers(), "The real servers."),
            key(
                "discover",
                Shape::Tagged("source", &SECTIONS),
                "Where the servers are listed, instead of `servers`. The keys of a server, such as \
                 `weight`, are then what each of them gets unless the list says otherwise.",
            )
            .alias(&["discovery", "sd", "server_template", "resolve"]),
        ];
        keys.extend(about_lists());
        keys.extend(of_each_server());
        keys
    }
);

/// What no list may do.
fn about_lists() -> Vec<Key> {
    vec![
        key(
            "absent",
            words(vocabulary::ABSENT),
            "With `discover`: what happens to a server that is no longer listed.",
        )
        .default("drain"),
        key(
            "allow_empty",
            Shape::Bool,
            "With `discover`: whether a list without servers is one. By default the last list stays.",
        )
        .default(false),
        key(
            "settle",
            Shape::Table(&SETTLE),
            "With `discover`: how long a list has to be stable before it is taken.",
        )
        .alias(&["hold", "wait", "debounce"]),
        key(
            "max_servers",
            whole(1, 100_000),
            "With `discover`: a list with more servers is refused.",
        )
        .default(500),
        key(
            "max_removed",
            threshold(1),
            "With `discover`: the most servers that leave within `removed_within`: a number, or a \
             share of the largest list within that time, rounded up. More of them leave later.",
        )
        .default("50%"),
        key(
            "removed_within",
            time(),
            "With `discover`: the time for which leaving servers are counted, 1s to 1d.",
        )
        .default("10m"),
        key(
            "weight_steps",
            Shape::Table(&WEIGHT_STEPS),
            "With `discover`: how fast a server's weight follows that of the list. 0 takes effect \
             immediately.",
        ),
    ]
}

section!(
    SETTLE,
    "`settle`",
    "How long a list has to be stable.",
    [
        key("min", time(), "Without a further change; at most 1h.").default("2s"),
        key(
            "max",
            time(),
            "At the most, if changes do not end; at most 1h."
        )
        .default("10s"),
    ]
);
