//! Words of HAProxy, keepalived and ldirectord: wherever one stands in a service file, the message
//! names a key that exists.

use std::collections::BTreeSet;
use std::path::Path;

use director_config::{self as config, Code, Environment, Memory, Note, Parsed};
use serde_json::Value;

/// The lists, one word a line, as the programs' manuals spell them.
const LISTS: [(&str, &str); 3] = [
    ("HAProxy", include_str!("dialects/haproxy.txt")),
    ("keepalived", include_str!("dialects/keepalived.txt")),
    ("ldirectord", include_str!("dialects/ldirectord.txt")),
];

/// A file with a word as a key, at each level where a user would put it.
fn files(word: &str) -> Vec<(&'static str, String)> {
    let key = format!("\"{word}\" = \"x\"");
    let service = "[service.a]\nlisten = \"tcp://192.0.2.10:8080\"";
    let rest = "servers = [\"10.0.0.11\"]";
    let check = |kind: &str| format!("version = 1\n{service}\n{rest}\ncheck = {{ {kind}{key} }}\n");
    vec![
        ("file", format!("version = 1\n{key}\n{service}\n{rest}\n")),
        (
            "section",
            format!("version = 1\n{service}\n{rest}\n[\"{word}\".web]\n"),
        ),
        (
            "defaults",
            format!("version = 1\n[defaults]\n{key}\n{service}\n{rest}\n"),
        ),
        (
            "service",
            format!("version = 1\n{service}\n{rest}\n{key}\n"),
        ),
        (
            "server",
            format!("version = 1\n{service}\nservers = [{{ address = \"10.0.0.11\", {key} }}]\n"),
        ),
        (
            "pool",
            format!("version = 1\n[pool.p]\n{rest}\n{key}\n{service}\npool = \"p\"\n"),
        ),
        ("tcp check", check("type = \"tcp\", ")),
        ("http check", check("type = \"http\", ")),
        (
            "exec check",
            check("type = \"exec\", command = \"/bin/true\", "),
        ),
    ]
}

fn load(text: String) -> Parsed {
    let files = Memory::from_iter([("a.toml", text)]);
    config::load_from(Path::new("a.toml"), &files, &Environment::default())
}

/// All keys of all sections.
fn keys() -> BTreeSet<String> {
    let schema = config::schema();
    let definitions = schema["$defs"].as_object().unwrap().values();
    let sections: Vec<&Value> = definitions.chain([&schema]).collect();
    let keys = sections
        .iter()
        .flat_map(|section| section["properties"].as_object());
    keys.flatten().map(|(key, _)| key.clone()).collect()
}

/// The key that a label names.
fn named(label: &str, typed: &str) -> Option<String> {
    if label.starts_with("a key of ") {
        return Some(typed.to_owned());
    }
    label.split('`').nth(1).map(str::to_owned)
}

#[test]
fn every_word_of_other_programs_leads_to_a_key_of_ours() {
    let keys = keys();
    let mut lost = Vec::new();
    for (program, list) in LISTS {
        for word in list.lines() {
            for (level, text) in files(word) {
                let parsed = load(text);
                let mut found = parsed.diagnostics.iter();
                // If there is none, the word is a key of ours, too.
                let Some(found) = found.find(|found| found.code == Code::UnknownKey) else {
                    continue;
                };
                let label = &found.labels[0].text;
                // In sections about addresses, keepalived's words for VRRP have an example only.
                let example = found.notes.iter().find_map(|note| match note {
                    Note::Help(text) => text.split(" = ").next().map(str::to_owned),
                    Note::Reason(_) => None,
                });
                let known = [named(label, word), example].into_iter().flatten();
                let known = known.into_iter().any(|key| keys.contains(&key));
                if !known {
                    lost.push(format!("{program}: `{word}` in a {level}: {label}"));
                }
            }
        }
    }
    assert!(
        lost.is_empty(),
        "{} without a key:\n{}",
        lost.len(),
        lost.join("\n")
    );
}

/// What a value of another program comes to.
#[test]
fn schedulers_methods_and_checks_of_other_programs_lead_to_words_of_ours() {
    let schedulers = [
        ("roundrobin", "wrr"),
        ("round-robin", "wrr"),
        ("static-rr", "wrr"),
        ("leastconn", "wlc"),
        ("least_conn", "wlc"),
        ("source", "sh"),
        ("first", "ovf"),
        ("random", "twos"),
        ("random(2)", "twos"),
        ("uri", "mh"),
        ("hdr", "mh"),
        ("hash", "mh"),
        ("never-queue", "nq"),
        ("weighted least-connection", "wlc"),
    ];
    let methods = [
        ("DR", "dr"),
        ("NAT", "nat"),
        ("TUN", "tun"),
        ("gate", "dr"),
        ("masq", "nat"),
        ("ipip", "tun"),
    ];
    let checks = [
        ("HTTP_GET", "http"),
        ("http-get", "http"),
        ("SSL_GET", "https"),
        ("TCP_CHECK", "tcp"),
        ("tcp-check", "tcp"),
        ("MISC_CHECK", "exec"),
        ("DNS_CHECK", "dns"),
        ("UDP_CHECK", "udp"),
        ("PING_CHECK", "ping"),
        ("SMTP_CHECK", "smtp"),
        ("FILE_CHECK", "file"),
        ("BFD_CHECK", "ping"),
        ("httpchk", "http"),
        ("negotiate", "http"),
        ("connect", "tcp"),
        ("external", "exec"),
        ("external-perl", "exec"),
        ("pgsql", "postgres"),
        ("ldap", "tcp"),
        ("sip", "udp"),
        ("mysql-check", "mysql"),
    ];
    let all = [
        ("scheduler", &schedulers[..]),
        ("forward", &methods),
        ("check", &checks),
    ];
    for (key, words) in all {
        for (theirs, ours) in words {
            let text = format!(
                "version = 1\n[service.a]\nlisten = \"tcp://192.0.2.10:8080\"\n\
                 servers = [\"10.0.0.11\"]\n{key} = \"{theirs}\"\n"
            );
            let parsed = load(text);
            let label = &parsed.diagnostics[0].labels[0].text;
            assert_eq!(
                *label,
                format!("did you mean `{ours}`?"),
                "{key} = {theirs}"
            );
        }
    }
}

#[test]
fn a_kernels_own_scheduler_is_named_as_given() {
    let service = |scheduler: &str, more: &str| {
        load(format!(
            "version = 1\n[kernel]\nexpire_quiescent_template = true\n[service.a]\n\
             listen = \"tcp://192.0.2.10:8080\"\nservers = [\"10.0.0.11\"]\n\
             scheduler = \"{scheduler}\"\n{more}"
        ))
    };
    assert_eq!(service("quantum", "").errors(), 1);
    let as_is = service("quantum", "as_is = true\n");
    assert_eq!((as_is.errors(), as_is.warnings()), (0, 1));
    let given = service(
        "kernel:quantum",
        "persistence = { engine = \"kernel:imap\" }\n",
    );
    assert_eq!((given.errors(), given.warnings()), (0, 0));
    let desired = given.desired.unwrap();
    let service = &desired.services.values().next().unwrap().service;
    assert_eq!(service.scheduler, "quantum");
    assert_eq!(service.engine.unwrap(), "imap");
    // Exported so that the file can be read again.
    let text = config::export(&desired, config::Format::Toml);
    assert!(text.contains("scheduler = \"kernel:quantum\""), "{text}");
    assert!(text.contains("engine = \"kernel:imap\""), "{text}");
    assert!(!text.contains("as_is"), "{text}");
    assert_eq!(load(text).desired.unwrap(), desired);
}
