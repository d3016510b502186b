//! ldirectord's words: ldirectord(8).

use super::{Foreign, ForeignValue, about, near, same, word};
use crate::keys::{CHECK, PERSISTENCE, ROOT, SERVICE};
use crate::kinds::sections::{EXEC_CHECK, HTTP_CHECK, REDIS_CHECK, TCP_CHECK};

const MAIL: &str =
    "notify = { command = \"/usr/local/bin/mail-it\" }: a command that sends the mail";
const BANNER: &str = "that protocol has no check of its own: { type = \"tcp\", expect = \"220\" } waits for a \
                      greeting, `exec` runs a program";

pub(super) static KEYS: &[Foreign] = &[
    same(
        &["virtual", "virtual6"],
        &SERVICE,
        "listen",
        "[service.NAME] with listen = \"tcp://192.0.2.10:80\"",
    ),
    same(
        &["real", "real6"],
        &SERVICE,
        "servers",
        "servers = [\"10.0.0.11\", { address = \"10.0.0.12\", weight = 3 }]",
    ),
    same(
        &["gate", "masq", "ipip"],
        &SERVICE,
        "forward",
        "forward = \"dr\" is `gate`, \"nat\" `masq`, \"tun\" `ipip`",
    ),
    same(
        &["checktimeout", "negotiatetimeout"],
        &CHECK,
        "timeout",
        "check = { type = \"http\", timeout = \"5s\" }",
    ),
    same(
        &["checkinterval"],
        &CHECK,
        "interval",
        "check = { type = \"http\", interval = \"10s\" }",
    ),
    same(
        &["checkcount", "failurecount"],
        &CHECK,
        "fall",
        "check = { type = \"http\", fall = 3 }",
    ),
    near(
        &["autoreload"],
        &ROOT,
        "daemon",
        "always on: a running director looks at the file once a second",
    ),
    near(
        &[
            "callback",
            "execute",
            "supervised",
            "fork",
            "maintenancedir",
        ],
        &ROOT,
        "daemon",
        "no such thing: see `director drain` for maintenance, and `include` for shared files",
    ),
    same(&["fallback"], &SERVICE, "sorry", "sorry = [\"10.0.0.99\"]"),
    same(
        &["fallbackcommand"],
        &SERVICE,
        "notify",
        "notify = { command = \"/usr/local/bin/notify\", on = [\"service-below\"] }",
    ),
    near(
        &["logfile"],
        &ROOT,
        "daemon",
        "director logs to stderr, which systemd keeps: `journalctl -u director`",
    ),
    same(
        &["quiescent"],
        &SERVICE,
        "on_fail",
        "on_fail = \"drain\" is `quiescent = yes`, \"remove\" is `no`",
    ),
    near(
        &["readdquiescent"],
        &SERVICE,
        "on_fail",
        "nothing to set: a server that director sees again keeps its state",
    ),
    same(
        &[
            "emailalert",
            "emailalertfrom",
            "emailalertfreq",
            "emailalertstatus",
            "emailalertsmtp",
            "smtp",
        ],
        &SERVICE,
        "notify",
        MAIL,
    ),
    same(
        &["service", "checktype"],
        &SERVICE,
        "check",
        "check = { type = \"http\", path = \"/healthz\" }; or \"tcp\", \"ping\", \"exec\", ...; `false` for none",
    ),
    same(
        &["checkport"],
        &CHECK,
        "port",
        "check = { type = \"http\", port = 8080 }",
    ),
    same(
        &["checkcommand"],
        &EXEC_CHECK,
        "command",
        "check = { type = \"exec\", command = \"/usr/local/bin/check\" }",
    ),
    same(
        &["request"],
        &HTTP_CHECK,
        "path",
        "check = { type = \"http\", path = \"/healthz\" }; `send` of a tcp check",
    ),
    same(
        &["receive"],
        &HTTP_CHECK,
        "body",
        "check = { type = \"http\", body = \"ok\" }; `expect` of a tcp check",
    ),
    same(
        &["receive", "request"],
        &TCP_CHECK,
        "expect",
        "check = { type = \"tcp\", send = \"PING\\r\\n\", expect = \"PONG\" }",
    ),
    same(
        &["httpmethod"],
        &HTTP_CHECK,
        "method",
        "check = { type = \"http\", method = \"HEAD\" }",
    ),
    same(
        &["virtualhost"],
        &HTTP_CHECK,
        "host",
        "check = { type = \"http\", host = \"www.example.org\" }",
    ),
    same(
        &["login"],
        &REDIS_CHECK,
        "user",
        "check = { type = \"mysql\", user = \"check\" }",
    ),
    same(
        &["passwd", "secret"],
        &REDIS_CHECK,
        "password",
        "check = { type = \"mysql\", user = \"check\", password = \"${CHECK_PASSWORD}\" }",
    ),
    same(
        &["database"],
        &REDIS_CHECK,
        "database",
        "check = { type = \"mysql\", user = \"check\", database = \"app\" }",
    ),
    same(
        &["netmask"],
        &PERSISTENCE,
        "mask",
        "persistence = { timeout = \"10m\", mask = \"255.255.255.0\" }",
    ),
    same(
        &["persistent"],
        &SERVICE,
        "persistence",
        "persistence = \"10m\"",
    ),
    same(
        &["load"],
        &SERVICE,
        "check",
        "check = [\"tcp\", { type = \"agent\", port = 9777 }]: the agent reports the weight",
    ),
    same(
        &["monitorfile"],
        &SERVICE,
        "check",
        "check = { type = \"file\", path = \"/run/out/{server}\" }: the file takes the server out",
    ),
    near(
        &["cleanstop"],
        &SERVICE,
        "drain",
        "nothing to set: a director that stops leaves its services in the kernel",
    ),
];

pub(super) static VALUES: &[ForeignValue] = &[
    about(
        &["negotiate", "on"],
        "http",
        "`type` names the protocol: what `service` does there",
    ),
    word(&["connect", "simpletcp"], "tcp"),
    word(&["external", "externalperl"], "exec"),
    word(&["pgsql"], "postgres"),
    word(&["submission"], "smtp"),
    word(&["httpproxy"], "http"),
    about(
        &[
            "ftp", "imap", "imaps", "pop", "pops", "nntp", "ldap", "ldaps", "oracle",
        ],
        "tcp",
        BANNER,
    ),
    about(
        &["sip", "radius"],
        "udp",
        "{ type = \"udp\", send = \"...\", expect = \"...\" }; or a program by `exec`",
    ),
    word(&["gate"], "dr"),
    word(&["masq"], "nat"),
    word(&["ipip"], "tun"),
];
