//! The kinds of checks, each a section of its own: common keys, and those of the kind.

use std::sync::LazyLock;

use serde_json::json;

use super::health::share;
use super::vocabulary;
use super::vocabulary::CHECKS as KINDS;
use super::{Key, Section, Shape, U32_MAX, key, required, text, time, whole, words};

/// All kinds of checks, in the order of [`KINDS`].
pub(crate) static CHECKS: [&Section; 14] = [
    &TCP_CHECK,
    &HTTP_CHECK,
    &HTTPS_CHECK,
    &GRPC_CHECK,
    &UDP_CHECK,
    &DNS_CHECK,
    &SMTP_CHECK,
    &REDIS_CHECK,
    &MYSQL_CHECK,
    &POSTGRES_CHECK,
    &PING_CHECK,
    &EXEC_CHECK,
    &FILE_CHECK,
    &AGENT_CHECK,
];

/// Another kind of check than this one that has a key of that name.
pub(crate) fn other_check(section: &Section, key: &str) -> Option<&'static Section> {
    let is_check = |known: &&&Section| std::ptr::eq(**known, section);
    CHECKS.iter().find(is_check)?;
    CHECKS
        .iter()
        .find(|other| other.key(key).is_some())
        .copied()
}

/// What stands behind `check`.
pub(super) fn checks() -> Shape {
    let one = Shape::Either(vec![words(KINDS), Shape::Tagged(&CHECKS)]);
    Shape::Either(vec![Shape::Off, Shape::OneOrMore(Box::new(one))])
}

/// The keys of a kind: its `type`, its own ones, and the common ones.
fn keys(kind: &str, own: impl IntoIterator<Item = Key>) -> Vec<Key> {
    let named = |word: &super::super::vocabulary::Word| word.name == kind;
    let only = KINDS
        .iter()
        .position(named)
        .map_or(KINDS, |at| &KINDS[at..=at]);
    let mut keys = vec![key_type(only)];
    keys.extend(own);
    keys.extend(common());
    keys
}

fn key_type(kinds: &'static [super::super::vocabulary::Word]) -> Key {
    key("type", words(kinds), "What kind of check it is.").alias(&["kind", "protocol"])
}

/// The keys that all checks have.
fn common() -> Vec<Key> {
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
            "So many successes in a row bring a server back.",
        )
        .default(2)
        .alias(&["healthy_threshold", "success_threshold"]),
        key(
            "fall",
            whole(1, 10_000),
            "So many failures in a row take it out.",
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
            share("5%"),
            "Each interval is longer or shorter by up to this share of it; at most 50%.",
        )
        .default("5%")
        .alias(&["spread"]),
        key(
            "address",
            text("10.0.1.11"),
            "Where to check instead of the server's address.",
        )
        .alias(&["addr", "connect_ip"]),
        key(
            "port",
            whole(1, 65535),
            "Which port to check instead of the server's.",
        )
        .alias(&["connect_port", "checkport", "misc_port", "agent_port"]),
        key(
            "source",
            Shape::OneOrMore(Box::new(text("10.0.0.2"))),
            "The address that checks come from; at most one of each family.",
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
            "Checks the virtual address on that very server, through the forwarding path: a \
             server that lost the address is found. For `dr` and `tun`.",
        )
        .default(false),
    ]
}

/// What is sent.
fn send() -> Vec<Key> {
    vec![
        key("send", text("PING\r\n"), "What is sent once connected.").alias(&["request"]),
        key(
            "send_hex",
            text("00 01 ff"),
            "The same, as hexadecimal digits.",
        ),
    ]
}

/// What has to come back.
fn expect() -> Vec<Key> {
    vec![
        key("expect", text("PONG"), "What the answer has to hold.").alias(&["receive"]),
        key(
            "expect_hex",
            text("00 01 ff"),
            "The same, as hexadecimal digits.",
        ),
        key(
            "expect_regex",
            text("^2[0-9]{2} "),
            "A regular expression that the answer has to match.",
        ),
    ]
}

fn send_and_expect() -> Vec<Key> {
    send().into_iter().chain(expect()).collect()
}

/// An HTTP request and its answer.
fn http() -> Vec<Key> {
    vec![
        key("path", text("/healthz"), "Path and query.")
            .default("/")
            .alias(&["url", "uri", "request"]),
        key(
            "method",
            text("GET"),
            "The method. A request has no body; with any but `GET`, `HEAD`, `OPTIONS` and `DELETE` it says so \
             (`Content-Length: 0`).",
        )
            .default("GET")
            .alias(&["httpmethod"]),
        key(
            "host",
            text("www.example.org"),
            "The `Host` header; the address by default.",
        )
        .alias(&["virtualhost", "vhost"]),
        key(
            "headers",
            Shape::Map(Box::new(text("yes"))),
            "Further headers, by their names. `host` sets `Host`; `Content-Length` can only be `0`, and \
             `Connection` only `close`.",
        )
        .alias(&["header", "hdr"]),
        key(
            "status",
            Shape::OneOrMore(Box::new(Shape::Either(vec![
                whole(100, 599),
                text("200-299"),
            ]))),
            "The status codes that are well, and ranges of them.",
        )
        .default(json!(["200-399"]))
        .alias(&["status_code", "expect"]),
        key("body", text("ok"), "What the body has to hold.").alias(&["receive", "string"]),
        key(
            "body_regex",
            text("^(ok|degraded)$"),
            "A regular expression that the body has to match.",
        )
        .alias(&["regex", "rstring"]),
        key(
            "weight_header",
            text("X-Weight"),
            "The header of the answer that holds the server's weight, in percent of the declared \
             one.",
        ),
        key(
            "weight_body",
            Shape::Bool,
            "The first word of the body is the server's weight, in percent of the declared one.",
        )
        .default(false),
    ]
}

/// A log-in.
fn login() -> Vec<Key> {
    vec![
        key("user", text("check"), "Who logs in.").alias(&["login", "username"]),
        key(
            "password",
            text("${CHECK_PASSWORD}"),
            "With which password.",
        )
        .alias(&["passwd", "pass"]),
        key("database", text("app"), "Into which database.").alias(&["dbname", "db"]),
    ]
}

macro_rules! kinds {
    ($($section:ident $name:literal $article:literal $summary:literal $keys:expr;)*) => {
        $(section!($section, $article, $summary, keys($name, $keys));)*
    };
}

kinds! {
    TCP_CHECK "tcp" "a tcp check"
        "The server accepts a connection, and says what it should." send_and_expect();
    HTTP_CHECK "http" "an http check"
        "The server answers an HTTP request. Any head that curl accepts is an answer; the body is read to its end, or as far as a mebibyte." http();
    HTTPS_CHECK "https" "an https check"
        "The server answers an HTTPS request. A body without a length ends with the connection, with or without `close_notify`." http().into_iter().chain([
            key("tls", Shape::Table(&TLS), "How the server is verified."),
        ]);
    GRPC_CHECK "grpc" "a grpc check"
        "`grpc.health.v1.Health/Check` says `SERVING`." [
            key("service", text("shop.Orders"), "Which service of the server; left out, the server as a whole."),
            key("authority", text("orders.example.org"), "The `:authority`; the address by default."),
            key(
                "tls",
                Shape::Either(vec![Shape::Bool, Shape::Table(&TLS)]),
                "gRPC over TLS, and how the server is verified.",
            ).default(false),
        ];
    UDP_CHECK "udp" "a udp check"
        "The server answers a datagram; without `expect`, which gets a warning, it does not refuse it." send_and_expect();
    DNS_CHECK "dns" "a dns check"
        "The server answers a DNS question." [
            required("name", text("example.org"), "The name asked for.").alias(&["request", "qname", "query"]),
            key("record", words(vocabulary::RECORDS), "The type of record asked for.")
                .default("A").alias(&["qtype", "rrtype", "record_type", "query_type"]),
            key(
                "rcode",
                Shape::Either(vec![words(vocabulary::RCODES), whole(0, 4095)]),
                "The response code that is well.",
            ).default("NOERROR"),
            key(
                "answer",
                Shape::Either(vec![Shape::Bool, text("192.0.2.1")]),
                "The data of a record that the answer has to hold, as in a zone file; `true` for any record.",
            ).default(false).alias(&["receive", "expect"]),
            key("tcp", Shape::Bool, "Over TCP.").default(false),
        ];
    SMTP_CHECK "smtp" "an smtp check"
        "The server greets, and takes a `HELO`." [
            key("hello", text("director.example.org"), "The name in `HELO`; this machine's by default.")
                .alias(&["helo", "helo_name", "ehlo"]),
        ];
    REDIS_CHECK "redis" "a redis check"
        "The server answers `PING`." login();
    MYSQL_CHECK "mysql" "a mysql check"
        "The server greets, and lets a user in where one is named. Without a user it refuses one called `director-health-check`, which proves that it lives." login();
    POSTGRES_CHECK "postgres" "a postgres check"
        "The server answers a start-up message, and lets a user in where one is named. Without a user the message names `postgres`, and a refusal proves that it takes connections." login();
    PING_CHECK "ping" "a ping check"
        "The server answers an ICMP echo request." [
            key("size", whole(0, 65_000), "How many bytes the request carries.").default(56),
        ];
    EXEC_CHECK "exec" "an exec check"
        "A program says whether the server is well: it ends with 0." [
            key(
                "command",
                Shape::OneOrMore(Box::new(text("/usr/local/bin/check"))),
                "The program, and its arguments where it has any.",
            ).alias(&["misc_path", "checkcommand", "program"]),
            key("shell", text("check.sh | grep -q ok"), "A line for `/bin/sh -c`, instead of `command`."),
            key(
                "weight",
                Shape::Bool,
                "The first line that it prints is the server's weight, in percent of the declared one.",
            ).default(false).alias(&["misc_dynamic", "dynamic"]),
        ];
    FILE_CHECK "file" "a file check"
        "The server is out while a file says so: an empty one, or one that says `drain`, `maint` or `down`." [
            required(
                "path",
                text("/run/director/out/{server}"),
                "Its path; `{service}`, `{server}`, `{address}` and `{port}` in it are replaced.",
            ).alias(&["file", "track_file"]),
        ];
    AGENT_CHECK "agent" "an agent check"
        "An agent on the server says how it is, in HAProxy's agent-check protocol." {
            let mut keys = send();
            keys[0].aliases = &["agent_send"];
            keys
        };
}

section!(
    CHECK,
    "`check` without `type`",
    "What all kinds of checks share.",
    {
        let mut keys = vec![key_type(KINDS)];
        keys.extend(common());
        keys
    }
);

section!(
    TLS,
    "`tls`",
    "How a server is verified, and what it is shown.",
    [
        key(
            "verify",
            Shape::Bool,
            "Whether the server's certificate is verified."
        )
        .default(true),
        key(
            "name",
            text("www.example.org"),
            "The name that is asked for and verified; `host` by default."
        )
        .alias(&["sni", "server_name"]),
        key(
            "ca",
            text("/etc/director/ca.pem"),
            "The authorities to trust (PEM) instead of the system's."
        )
        .alias(&["ca_file", "cafile"]),
        key(
            "certificate",
            text("/etc/director/client.pem"),
            "A client certificate (PEM), with its chain."
        )
        .alias(&["cert", "crt"]),
        key(
            "key",
            text("/etc/director/client.key"),
            "Its key (PEM); else it stands in the certificate's file."
        ),
    ]
);
