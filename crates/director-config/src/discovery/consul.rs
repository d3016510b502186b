//! `type = "consul"`: the instances of a service.

use std::path::PathBuf;
use std::time::Duration;

use super::http::{self, HttpServers};
use super::{Kind, Source};
use crate::code::Code;
use crate::decode::fields::{Field, Fields};
use crate::decode::time::{HOUR, within};
use crate::decode::word::word as word_of;
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::{Shape, key, required, section, text, time, words};
use crate::vocabulary::{Word, word};

/// The most tags.
const MAX_TAGS: usize = 32;

/// A service of Consul.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConsulSource {
    /// The agents or servers to ask.
    pub servers: HttpServers,
    /// The file with the token.
    pub token: Option<PathBuf>,
    /// The service.
    pub service: String,
    /// Tags that an instance must have, all of them.
    pub tags: Vec<String>,
    /// Which instances are listed.
    pub health: ConsulHealth,
    /// The datacenter, if it is not the agent's.
    pub datacenter: Option<String>,
    /// The namespace, if it is not the token's.
    pub namespace: Option<String>,
    /// How old an answer may be, if any server may give it and not only the leader.
    pub max_stale: Option<Duration>,
}

/// Which instances are listed, by their checks in Consul.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ConsulHealth {
    /// Those whose checks all pass.
    Passing,
    /// Those without a critical check.
    #[default]
    Warning,
    /// All.
    Any,
}

pub(super) static CONSUL: Kind = Kind {
    word: word("consul", "The instances of a service in Consul."),
    section: &SECTION,
    decode,
};

section!(
    SECTION,
    "a consul source",
    "The instances of a service in Consul.",
    http::keys(
        &CONSUL.word,
        "http://127.0.0.1:8500",
        [
            required("service", text("app"), "The service.").alias(&["name", "services"]),
            key(
                "tags",
                Shape::OneOrMore(Box::new(text("v2"))),
                "Tags that an instance must have, all of them; at most 32.",
            )
            .alias(&["tag"]),
            key(
                "health",
                words(HEALTH),
                "Which instances are listed, by their checks in Consul.",
            )
            .default("warning")
            .alias(&["passing", "status", "only_passing"]),
            key(
                "datacenter",
                text("dc1"),
                "The datacenter; by default that of the agent.",
            )
            .alias(&["dc"]),
            key(
                "namespace",
                text("team"),
                "The namespace (Consul Enterprise); by default that of the token.",
            )
            .alias(&["ns"]),
            key(
                "max_stale",
                time(),
                "Any server of Consul may answer, not only the leader, if it heard of the leader \
                 within this time; 100ms to 1h. By default only the leader answers.",
            )
            .alias(&["stale", "allow_stale"]),
            key(
                "token_file",
                text("/etc/director/consul.token"),
                "The file with the token; read for each question.",
            )
            .alias(&["token", "acl_token"]),
        ]
    )
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<Source> {
    let health = fields.get("health");
    let health = health.and_then(|field| word_of(&field, HEALTH, findings));
    let tags = fields.get("tags");
    let tags = tags.map_or_else(Vec::new, |field| tags_of(&field, findings));
    let datacenter = fields.get("datacenter");
    let datacenter = datacenter.and_then(|field| filled(&field, findings));
    let namespace = fields.get("namespace");
    let namespace = namespace.and_then(|field| filled(&field, findings));
    let max_stale = fields.get("max_stale");
    let max_stale = max_stale.and_then(|field| within(&field, 100, HOUR, findings));
    let servers = http::servers(fields, findings);
    let token = http::secret_file(fields, "token_file", findings);
    let service = fields.require("service", findings)?;
    Some(Source::Consul(ConsulSource {
        service: filled(&service, findings)?,
        servers: servers?,
        token,
        tags,
        health: match health {
            Some("passing") => ConsulHealth::Passing,
            Some("any") => ConsulHealth::Any,
            _ => ConsulHealth::Warning,
        },
        datacenter,
        namespace,
        max_stale: max_stale.map(|max| max.value),
    }))
}

fn tags_of(field: &Field<'_>, findings: &mut Findings) -> Vec<String> {
    let items = field.items(findings);
    if items.len() > MAX_TAGS {
        let message = format!("more than {MAX_TAGS} tags");
        findings.push(Diagnostic::new(Code::TooLarge, field.span(), message));
        return Vec::new();
    }
    items.filter_map(|item| filled(&item, findings)).collect()
}

/// A text that is not empty, and that a request can hold.
fn filled(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let text = field.text(findings)?;
    let problem = match text.value {
        "" => "it is empty",
        long if long.len() > 253 => "it has more than 253 bytes",
        odd if odd.contains(char::is_control) => "it has control characters",
        _ => return Some(text.value.to_owned()),
    };
    let message = format!("not a name of Consul: {problem}");
    findings.push(Diagnostic::new(Code::BadName, field.span(), message));
    None
}

const HEALTH: &[Word] = &[
    word("passing", "Those whose checks all pass."),
    word(
        "warning",
        "Those without a critical check, as in Consul's DNS.",
    ),
    word("any", "All: the checks of director decide alone.").alias(&["critical", "all"]),
];
