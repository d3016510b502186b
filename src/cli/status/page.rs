//! What all forms of the status have in common: its head with a summary, its tail, its colours.

use super::layout::{flow, wrap};
use crate::cli::{announce, failover};
use crate::control::announce::AnnounceState;
use crate::control::failover::FailoverRole;
use crate::control::snapshot::{RejectedBy, ServerState, ServiceState};
use crate::http::api::{DiscoveredPool, Drift, Head, Peer, Relay, Service, Status, Summary};
use crate::plan::Style;
use crate::state::Sysctl;
use crate::words::{count, length, printable};

/// ANSI colours.
pub(super) const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BLUE: &str = "34";
pub(super) const DIM: &str = "2";

/// The most foreign services and disabled machines listed below services of a line each.
const FEW: usize = 3;

/// A page of text that grows line by line.
pub(super) struct Page<'a> {
    pub(super) status: &'a Status,
    pub(super) style: Style,
    /// The most characters of a line.
    pub(super) width: usize,
    pub(super) text: String,
}

impl Page<'_> {
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    pub(super) fn paint(&self, colour: &str, text: &str) -> String {
        self.style.paint(colour, text)
    }

    /// Lines of words in one colour.
    fn words(&mut self, colour: Option<&str>, text: &str) {
        for line in wrap(text, 2, self.width) {
            let line = match colour {
                Some(colour) => self.paint(colour, &line),
                None => line,
            };
            self.line(&line);
        }
    }

    fn parts(&mut self, parts: Vec<String>, separator: &str) {
        let parts: Vec<_> = parts.into_iter().map(|part| (part.clone(), part)).collect();
        for line in flow(&parts, separator, 2, self.width) {
            self.line(&line);
        }
    }

    /// The director, what is wrong with it, and how many services and servers are in which state.
    pub(super) fn head(&mut self) {
        let head = &self.status.head;
        let mut parts = vec![printable(&head.file)];
        parts.extend(head.started.map(|at| format!("running {}", self.since(at))));
        parts.extend(
            head.loaded
                .map(|at| format!("file read {} ago", self.since(at))),
        );
        parts.push(self.sync(head));
        self.parts(parts, ", ");
        self.trouble(head);
        self.summary(&head.summary);
    }

    /// Another director.
    fn peer(&mut self, peer: &Peer) {
        let state = if peer.up {
            format!("connected {}", self.since(peer.since))
        } else {
            let (since, why) = (self.since(peer.since), printable(&peer.reason));
            format!("not connected {since}: {why}")
        };
        let resync = peer.resync.as_ref().map_or(String::new(), |resync| {
            let entries = count(resync.entries, "connection", "connections");
            let (ago, proof) = (self.since(resync.at), printable(&resync.proof));
            format!("; sent {entries} {ago} ago: {proof}")
        });
        let relay = peer.relay.as_ref().map_or(String::new(), |relay| {
            let Relay {
                entries,
                refused,
                dropped,
                ..
            } = relay;
            let entries = count(*entries, "connection", "connections");
            format!("; relays {entries}, {refused} refused, {dropped} dropped")
        });
        let line = format!("peer {}: {state}{resync}{relay}", printable(&peer.name));
        self.words(Some(if peer.up { GREEN } else { RED }), &line);
        for text in &peer.differs {
            self.words(Some(YELLOW), &format!("  differs: {}", printable(text)));
        }
        if let Some(text) = &peer.resync_failed {
            self.words(Some(RED), &format!("  resync failed: {}", printable(text)));
        }
        if let Some(relay) = peer.relay.as_ref().filter(|relay| !relay.up) {
            self.words(
                Some(RED),
                &format!("  no relay: {}", printable(&relay.reason)),
            );
        }
        let refused = peer.resync.iter().flat_map(|resync| &resync.refused);
        for text in refused {
            self.words(Some(YELLOW), &format!("  {}", printable(text)));
        }
    }

    /// How the kernel compares with what it should be.
    fn sync(&self, head: &Head) -> String {
        let lacking = match head.lacking.len() {
            0 => String::new(),
            lacking => format!(" except for {}", count(lacking, "sysctl", "sysctls")),
        };
        match head.reconciled {
            _ if !head.drift.is_empty() => "differs from the kernel".to_owned(),
            Some(at) => format!("in sync with the kernel {} ago{lacking}", self.since(at)),
            None => "not compared with the kernel yet".to_owned(),
        }
    }

    fn trouble(&mut self, head: &Head) {
        if let Some(trouble) = &head.trouble {
            self.words(Some(RED), &format!("TROUBLE: {}", printable(trouble)));
        }
        for section in &head.failover {
            let hold = failover::hold(section).map_or(String::new(), |hold| format!("; {hold}"));
            let line = format!(
                "failover {}: {} {}: {}; peer: {}{hold}",
                printable(&section.name),
                section.role.word(),
                self.since(section.since),
                printable(&section.reason),
                failover::peer(section)
            );
            let colour = match section.role {
                FailoverRole::Active => GREEN,
                FailoverRole::Fault => RED,
                _ => BLUE,
            };
            self.words(Some(colour), &line);
        }
        for peer in &head.peers {
            self.peer(peer);
        }
        for section in &head.announce {
            let line = announce::line(section, &self.since(section.since));
            let colour = match section.state {
                _ if section.trouble.is_some() => RED,
                AnnounceState::Announced => GREEN,
                AnnounceState::Withdrawn => RED,
                AnnounceState::Fallback | AnnounceState::Damped => YELLOW,
                AnnounceState::Waiting | AnnounceState::TakenOut => BLUE,
            };
            self.words(Some(colour), &line);
        }
        for pool in &head.discovered {
            self.discovered(pool);
        }
        if let Some(rejected) = &head.rejected {
            self.rejected(rejected, head.rejected_by.unwrap_or_default());
        }
        for drift in &head.drift {
            self.words(Some(YELLOW), &differs(drift));
        }
        for name in &head.lacking {
            let text = Sysctl::named(name).map_or_else(|| printable(name), Sysctl::lacking);
            self.words(Some(YELLOW), &format!("LACKING: {text}"));
        }
    }

    /// A pool that finds its servers.
    fn discovered(&mut self, pool: &DiscoveredPool) {
        let servers = count(pool.servers, "server", "servers");
        let absent = match pool.absent {
            0 => String::new(),
            absent => format!(", {absent} of them no longer listed"),
        };
        let answered = match pool.answered {
            Some(at) => format!("answered {} ago", self.since(at)),
            None => "no list since the start, so the last one stays".to_owned(),
        };
        let refused = match &pool.refused {
            Some(why) => format!("; rejected: {}", printable(why)),
            None => String::new(),
        };
        let line = format!(
            "pool {} ({}): {servers}{absent}; {answered}{refused}",
            printable(&pool.pool),
            printable(&pool.source)
        );
        let colour = match pool.refused {
            Some(_) => YELLOW,
            None => GREEN,
        };
        self.words(Some(colour), &line);
    }

    /// Why a newer file is not in force, and what to type if it should be.
    fn rejected(&mut self, why: &str, by: RejectedBy) {
        let (title, next) = match by {
            RejectedBy::Mistakes => ("a newer file has mistakes and is not in force", None),
            RejectedBy::Guard => (
                "a guard refused the newer file, which is not in force",
                Some("if this is intended, run `director reload --force`"),
            ),
            RejectedBy::Failure => (
                "a newer file could not be put in force",
                Some("once the cause is gone, run `director reload`"),
            ),
        };
        self.words(Some(RED), &format!("REJECTED: {title}"));
        // Told to somebody who had typed the command.
        let why = why.strip_suffix("; use --force to override").unwrap_or(why);
        let why = why.strip_prefix("refused: ").unwrap_or(why);
        for line in why.lines() {
            self.line(&format!("  {}", printable(line)));
        }
        let next = next.filter(|_| !why.contains("run `director reload"));
        if let Some(next) = next {
            self.line(&format!("  {next}"));
        }
    }

    fn summary(&mut self, summary: &Summary) {
        let states = ServiceState::ALL.into_iter();
        let services = states.map(|state| (state.word(), summary.services.get(&state)));
        let states = ServerState::WORST_FIRST.into_iter();
        let servers = states.map(|state| (state.word(), summary.servers.get(&state)));
        let services = tally(services, ["service", "services"]);
        let servers = tally(servers, ["server", "servers"]);
        let both = format!("{services}; {servers}");
        if both.len() <= self.width {
            self.line(&both);
        } else {
            self.words(None, &services);
            self.words(None, &servers);
        }
    }

    /// What is shown, if that is not everything.
    pub(super) fn shown(&mut self) {
        let services = &self.status.services;
        let servers: usize = services.iter().map(selected).sum();
        let summary = &self.status.head.summary;
        let all: usize = summary.services.values().sum();
        if services.len() < all || services.iter().any(|service| service.partial) {
            self.line(&format!(
                "shown: {}, {}",
                count(services.len(), "service", "services"),
                count(servers, "server", "servers")
            ));
        }
    }

    /// Machines in maintenance, and services that are not the director's. `brief`: one line each if
    /// there are many.
    pub(super) fn tail(&mut self, brief: bool) {
        let (disabled, foreign) = (&self.status.head.disabled, &self.status.head.foreign);
        if !disabled.is_empty() || !foreign.is_empty() {
            self.line("");
        }
        let few = if brief { FEW } else { usize::MAX };
        for machine in disabled.iter().take(few) {
            let text = self.setting(&machine.address.to_string(), &machine.setting);
            self.titled(YELLOW, "disabled:", &text);
        }
        if disabled.len() > few {
            let more = count(disabled.len() - few, "more machine", "more machines");
            self.titled(YELLOW, "disabled:", &more.to_string());
        }
        for service in foreign.iter().take(few) {
            self.titled(BLUE, "foreign:", &service.to_string());
        }
        if foreign.len() > few {
            let more = count(foreign.len() - few, "more service", "more services");
            self.titled(BLUE, "foreign:", &more.to_string());
        }
    }

    fn titled(&mut self, colour: &str, title: &str, text: &str) {
        for (index, line) in wrap(&format!("{title} {text}"), 2, self.width)
            .into_iter()
            .enumerate()
        {
            let line = match (index, line.strip_prefix(title)) {
                (0, Some(rest)) => format!("{}{rest}", self.paint(colour, title)),
                _ => line,
            };
            self.line(&line);
        }
    }

    pub(super) fn since(&self, at: u64) -> String {
        length(self.status.head.now.saturating_sub(at))
    }

    pub(super) fn left(&self, until: u64) -> String {
        let left = until.saturating_sub(self.status.head.now);
        format!("{} left", length(left))
    }
}

fn differs(drift: &Drift) -> String {
    let mut of = Vec::new();
    of.extend(drift.service.as_deref().map(printable));
    of.extend(drift.listen.map(|listen| listen.to_string()));
    if of.is_empty() {
        of.push("settings".to_owned());
    }
    format!(
        "DIFFERS: {}: {} (left, as policy.drift says)",
        of.join(" "),
        printable(&drift.text)
    )
}

/// `39 services: 1 failed, 2 degraded, 36 ok`.
fn tally<'s>(
    states: impl Iterator<Item = (&'static str, Option<&'s usize>)>,
    [one, many]: [&'static str; 2],
) -> String {
    let there: Vec<_> = states
        .filter_map(|(word, number)| Some((word, *number?)))
        .collect();
    let all: usize = there.iter().map(|(_, number)| number).sum();
    if all == 0 {
        return format!("no {many}");
    }
    let there = there
        .iter()
        .map(|(word, number)| format!("{number} {word}"));
    let there: Vec<_> = there.collect();
    format!("{}: {}", count(all, one, many), there.join(", "))
}

/// The number of selected servers of a service.
pub(super) fn selected(service: &Service) -> usize {
    service.states.values().sum()
}

pub(super) const fn colour(state: ServerState) -> &'static str {
    match state {
        ServerState::Up => GREEN,
        ServerState::Warming | ServerState::Pending => YELLOW,
        ServerState::Down | ServerState::Panic | ServerState::Held => RED,
        ServerState::Drained | ServerState::Disabled | ServerState::Leaving => BLUE,
        ServerState::Standby => DIM,
    }
}

pub(super) const fn service_colour(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Failed => RED,
        ServiceState::Degraded => YELLOW,
        ServiceState::Leaving => BLUE,
        ServiceState::Ok => GREEN,
    }
}
