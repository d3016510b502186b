//! The health settings of a service besides its checks.

use super::check::checks;
use super::service::servers;
use super::vocabulary;
use super::{
    INT_MAX, Key, Shape, all_of, key, pattern, patterned, required, text, time, whole, words,
};

/// Names for `check` in other programs.
pub(super) const CHECK_ALIASES: &[&str] = &[
    "checks",
    "checktype",
    "health",
    "health_check",
    "healthcheck",
    "monitor",
];

/// Names for `initial` in other programs.
pub(super) const INITIAL_ALIASES: &[&str] = &["alpha", "init_state"];

/// What a service inherits from `[defaults]`.
pub(super) fn inherited() -> Vec<Key> {
    vec![
        key(
            "check",
            checks(),
            "The health checks of its servers: a word such as \"tcp\", a table, a list of these, \
             or `false` for none. Keys missing here come from `[defaults.check]`.",
        )
        .alias(CHECK_ALIASES),
        key(
            "up_when",
            words(vocabulary::COMBINE),
            "A server with several checks is up when all of them pass, or any.",
        )
        .default("all")
        .alias(&["check_require", "combine"]),
        key(
            "on_fail",
            words(vocabulary::ON_FAIL),
            "What to do with a server that is down.",
        )
        .default("drain")
        .alias(&["inhibit_on_failure", "quiescent", "on-marked-down"]),
        key(
            "backup",
            servers(),
            "Servers that join when too few others are up.",
        ),
        key(
            "backup_below",
            threshold(1),
            "The backup servers join when fewer servers than this are up: a number, or a share of \
             all.",
        )
        .default(1),
        key(
            "sorry",
            servers(),
            "Servers that join when no other is left. They are not checked.",
        )
        .alias(&["sorry_server", "fallback"]),
        key(
            "min_healthy",
            threshold(0),
            "The number of servers that stay in, up or down: a number, or a share of all.",
        )
        .default(0)
        .alias(&["panic_threshold", "healthy_panic_threshold"]),
        key(
            "quorum",
            whole(1, INT_MAX),
            "The weights of the servers that are up must sum up to this; otherwise the service is \
             out: its sorry servers serve in place of all others, and failover sections follow. \
             Without sorry servers, those that are up go on serving.",
        ),
        key(
            "hysteresis",
            whole(0, INT_MAX),
            "The quorum is lost below `quorum` minus this, and met again from `quorum` plus this \
             on; less than `quorum`.",
        )
        .default(0),
        key(
            "initial",
            words(vocabulary::INITIAL),
            "How a new server starts.",
        )
        .default("down")
        .alias(INITIAL_ALIASES),
        key(
            "slow_start",
            time(),
            "How long a server that comes back takes to its full weight, beside others that have \
             theirs; at most 1d.",
        )
        .default("0s")
        .alias(&["slowstart", "warm_up"]),
        key(
            "damping",
            Shape::Either(vec![Shape::Off, Shape::Table(&DAMPING)]),
            "How a server whose state changes too often is held out, while enough others are up; \
             `false` for no damping.",
        ),
        key(
            "weight_steps",
            Shape::Table(&WEIGHT_STEPS),
            "How fast a weight reported by checks may change. 0 takes effect immediately.",
        ),
        key(
            "notify",
            Shape::OneOrMore(Box::new(Shape::Table(&NOTIFY))),
            "Commands to run on events.",
        )
        .alias(&[
            "notify_up",
            "notify_down",
            "quorum_up",
            "quorum_down",
            "emailalert",
        ]),
    ]
}

pub(super) fn threshold(least: i64) -> Shape {
    Shape::Either(vec![whole(least, INT_MAX), share("50%")])
}

/// A percentage.
pub(super) const fn share(example: &'static str) -> Shape {
    patterned(example, pattern::SHARE)
}

section!(
    DAMPING,
    "`damping`",
    "A server whose state changes too often is held out, if it changes by itself: what hits many \
     servers at about the same time, or comes of the director's own network, does not count. At \
     most half of the servers that pass their checks are held out, no more than `min_healthy` \
     leaves, and never the last one, unless a backup server is up.",
    [
        key("changes", whole(1, 1000), "More changes than this ...").default(4),
        key("within", time(), "... within this time, 1s to 1d ...").default("2m"),
        key(
            "hold",
            time(),
            "... hold it out for this long, 1s to 1d; each time twice as long ..."
        )
        .default("1m"),
        key("max_hold", time(), "... up to this, at most 7d.").default("30m"),
    ]
);

section!(
    WEIGHT_STEPS,
    "`weight_steps`",
    "How fast a weight reported by checks may change. A weight of 0 takes effect immediately; the \
     way back from 0 takes steps.",
    [
        key(
            "step",
            share("20%"),
            "The largest step, as a share of the declared weight, at least 1 ..."
        )
        .default("20%"),
        key("every", time(), "... in this time, 100ms to 1h.").default("5s"),
    ]
);

section!(
    NOTIFY,
    "`notify`",
    "A command to run on events.",
    [
        required(
            "command",
            Shape::OneOrMore(Box::new(text("/usr/local/bin/notify"))),
            "The program and its arguments. Its environment describes the event."
        ),
        key(
            "on",
            Shape::OneOrMore(Box::new(words(vocabulary::NOTIFY_ON))),
            "The events; all by default."
        )
        .default(all_of(vocabulary::NOTIFY_ON)),
        key(
            "timeout",
            time(),
            "The time after which it is killed, 100ms to 1h."
        )
        .default("10s"),
    ]
);
