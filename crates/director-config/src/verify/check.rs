//! Checks and their destinations: ports, sources, the forwarding path.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipvs::{Family, ForwardMethod};

use super::super::code::Code;
use super::super::decode::shown;
use super::super::decode::tunnel::forward_word;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::model::{CheckDecl, Checked, ChecksDecl, Listen};
use super::super::source::{Span, Spanned};
use super::Builder;
use super::server::Settled;
use super::service::ports;
use crate::kinds::{CheckPort, MYSQL_PORTS};
use crate::state::health::MarkRange;

/// The servers under one listen address, as far as it matters to checks.
pub(super) struct CheckedServers<'a> {
    listen: &'a Spanned<Listen>,
    marks: MarkRange,
    /// The servers that have the service's checks.
    common: Checked<'a>,
    /// Servers with checks of their own.
    own: Vec<(&'a ChecksDecl, Checked<'a>)>,
}

impl<'a> CheckedServers<'a> {
    pub(super) const fn new(listen: &'a Spanned<Listen>, marks: MarkRange) -> Self {
        Self {
            listen,
            marks,
            common: Checked {
                any: false,
                v4: false,
                v6: false,
                portless: None,
                mysql: None,
                on_443: None,
                on_80: None,
                direct: None,
            },
            own: Vec::new(),
        }
    }

    /// Adds a server, with its own checks if it has any.
    pub(super) fn add(
        &mut self,
        server: &Settled<'a>,
        address: IpAddr,
        own: Option<&'a ChecksDecl>,
    ) {
        let mut alone = Checked::default();
        let summary = match own {
            Some(_) => &mut alone,
            None => &mut self.common,
        };
        let decl = server.decl;
        summary.any = true;
        match Family::of(address) {
            Family::V4 => summary.v4 = true,
            Family::V6 => summary.v6 = true,
        }
        let port = decl
            .port()
            .map_or(ports(&self.listen.value).0, |port| port.value);
        if port == 0 {
            summary.portless.get_or_insert(decl);
        }
        if MYSQL_PORTS.contains(&port) {
            summary.mysql.get_or_insert(decl);
        }
        if port == 443 {
            summary.on_443.get_or_insert(decl);
        } else if port == 80 {
            summary.on_80.get_or_insert(decl);
        }
        let forward = server.forward;
        if !matches!(forward, ForwardMethod::DirectRoute | ForwardMethod::Tunnel) {
            summary.direct.get_or_insert((decl, forward));
        }
        self.own.extend(own.map(|checks| (checks, alone)));
    }

    /// Reports impossible checks. Those that lack a port go to `portless` first: many services can
    /// have one check.
    pub(super) fn check(
        &self,
        name: &str,
        service: Option<&ChecksDecl>,
        portless: &mut Portless,
        findings: &mut Findings,
    ) {
        let common = service.iter().flat_map(|checks| &checks.checks);
        let common = common.map(|check| (check, &self.common));
        let own = self.own.iter();
        let own = own.flat_map(|(checks, summary)| checks.checks.iter().map(move |c| (c, summary)));
        for (check, summary) in common.chain(own) {
            self.one(check, summary, findings);
            if summary.any {
                portless.look(name, check, summary);
            }
        }
    }

    fn one(&self, check: &CheckDecl, servers: &Checked<'_>, findings: &mut Findings) {
        let at = &check.spec.at;
        if let Some(mark) = at.mark.filter(|mark| self.marks.contains(*mark)) {
            let message = format!("the mark {mark:#x} is reserved for checks");
            findings.push(
                Diagnostic::new(Code::CheckMark, check.table.place_of("mark"), message)
                    .label("within `check_marks`")
                    .help("another mark, or other `check_marks` in [daemon]"),
            );
        }
        if !servers.any {
            return;
        }
        if at.through {
            self.through(check, servers, findings);
        }
        (check.spec.kind.kind().verify)(check, servers, findings);
        let (v4, v6) = match at.address.map(Family::of) {
            Some(family) => (family == Family::V4, family == Family::V6),
            None => (servers.v4, servers.v6),
        };
        let usable = |source: &IpAddr| match Family::of(*source) {
            Family::V4 => v4,
            Family::V6 => v6,
        };
        if !at.source.is_empty() && !at.source.iter().any(usable) {
            let family = if v4 { Family::V4 } else { Family::V6 };
            let message = format!(
                "the check goes to {family} addresses, but has no {family} \
                                   source"
            );
            findings.push(
                Diagnostic::new(Code::CheckSource, check.table.place_of("source"), message)
                    .label(format!("no {family} address"))
                    .also(self.listen.span, format!("{family} servers here"))
                    .help("set one of each family: source = [\"10.0.0.2\", \"2001:db8::2\"]"),
            );
        }
    }

    fn through(&self, check: &CheckDecl, servers: &Checked<'_>, findings: &mut Findings) {
        let place = check.table.place_of("through");
        if let Listen::Fwmark { .. } = self.listen.value {
            let message = "a service of a firewall mark has no address to check";
            findings.push(
                Diagnostic::new(Code::CheckThrough, place, message)
                    .label("no destination")
                    .also(self.listen.span, "a mark, not an address"),
            );
            return;
        }
        if let Some((server, forward)) = servers.direct {
            let word = forward_word(forward);
            let message = format!("a server behind `{word}` does not have the virtual address");
            findings.push(
                Diagnostic::new(Code::CheckThrough, place, message)
                    .label("for `dr` and `tun`")
                    .also(server.span(), format!("`{word}` here"))
                    .help("leave out `through`: clients reach the server at its own address"),
            );
        }
    }
}

/// The checks without a port, by their place, and the services whose servers have none either.
#[derive(Default)]
pub(super) struct Portless(BTreeMap<Span, WithoutPort>);

struct WithoutPort {
    kind: &'static str,
    facts: CheckPort,
    /// A server without a port.
    server: Option<Span>,
    services: BTreeSet<String>,
}

impl Portless {
    fn look(&mut self, service: &str, check: &CheckDecl, servers: &Checked<'_>) {
        let spec = &check.spec;
        let facts = spec.kind.facts().port;
        let server = match facts {
            _ if spec.at.port.is_some() => return,
            CheckPort::None => return,
            CheckPort::Own { .. } => None,
            CheckPort::Server { .. } => match servers.portless {
                Some(server) => Some(server.span()),
                None => return,
            },
        };
        let found = self.0.entry(check.table.at).or_insert(WithoutPort {
            kind: spec.kind.name(),
            facts,
            server,
            services: BTreeSet::new(),
        });
        found.services.insert(service.to_owned());
    }

    /// Reports each check once, with all its services.
    pub(super) fn report(self, findings: &mut Findings) {
        for (at, found) in self.0 {
            let kind = found.kind;
            let (message, usual) = match found.facts {
                CheckPort::Own { why, usual } => (why.to_owned(), usual),
                CheckPort::Server { usual } => {
                    (format!("a check of type {kind} needs a port"), usual)
                }
                CheckPort::None => continue,
            };
            let is_shared = found.services.len() > 1;
            let message = match is_shared {
                true => {
                    let names = found
                        .services
                        .iter()
                        .map(|name| format!("`{}`", shown(name)));
                    let names: Vec<_> = names.collect();
                    format!("{message}, for the services {}", names.join(", "))
                }
                false => message,
            };
            let mut finding = Diagnostic::new(Code::CheckPort, at, message).label("no `port`");
            if let Some(server) = found.server {
                let text = match is_shared {
                    true => "this server has none either, as the first of them",
                    false => "this server has none either",
                };
                finding = finding.also(server, text);
            }
            findings.push(finding.help(format!("check = {{ type = \"{kind}\", port = {usual} }}")));
        }
    }
}

/// Reports missing files that checks need. It is no mistake: the service file may be for another
/// machine.
pub(super) fn files(checks: &ChecksDecl, builder: &mut Builder<'_>, findings: &mut Findings) {
    for check in &checks.checks {
        let Some(tls) = (check.spec.kind.kind().tls)(&check.spec.kind) else {
            continue;
        };
        let files = [
            ("ca", &tls.ca),
            ("certificate", &tls.certificate),
            ("key", &tls.key),
        ];
        for (key, path) in files {
            let Some(path) = path else { continue };
            let lacks = match builder.lacks.get(path) {
                Some(lacks) => *lacks,
                None => {
                    let lacks = builder.files.lacks(path);
                    builder.lacks.insert(path.clone(), lacks);
                    lacks
                }
            };
            if lacks {
                let shown = shown(&path.to_string_lossy());
                let message = format!("no file `{shown}` on this machine");
                let at = check.table.place_within("tls", key);
                findings.push(
                    Diagnostic::new(Code::FileMissing, at, message)
                        .label("not here")
                        .reason("director reads it at the start and on a reload"),
                );
            }
        }
    }
}
