//! Events: something that happened, as told to people and programs. They go to the log, to
//! `director events` and to `GET /v1/events`.
//!
//! # To add a kind
//!
//! Give it an entry in the table below; `UPDATE_GOLDEN=1 cargo test --test docs events` copies that
//! into `docs/api.md`. Where it happens, the core calls `self.event(EventKind::..., ...)`.

use std::fmt;
use std::sync::Arc;

use ipvs::{ServerKey, ServiceKey};
use serde::{Serialize, Serializer};

/// An event, as people and programs see it.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// The event's number; grows by one.
    pub id: u64,
    /// The time, in milliseconds since 1970.
    pub at_ms: u64,
    /// The kind of event.
    pub kind: EventKind,
    /// The service's name in the file, if the event is about a service that has one.
    pub service: Option<Arc<str>>,
    /// The service's listen address.
    pub listen: Option<ServiceKey>,
    /// The server, if the event concerns one.
    pub server: Option<ServerKey>,
    /// What happened, for people.
    pub text: Arc<str>,
}

/// What the operator has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Act now: traffic suffers, or soon will.
    Error,
    /// Look soon: it works, and something is wrong.
    Warn,
    /// Nothing: normal operation.
    Info,
}

impl Level {
    /// The name in options and documents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }
}

/// The subject of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Neither a service nor a server: a file, the machine, several services.
    None,
    /// A service.
    Service(ServiceKey),
    /// A server of a service.
    Server(ServiceKey, ServerKey),
}

impl Subject {
    /// The service, if the event concerns one.
    #[must_use]
    pub const fn service(self) -> Option<ServiceKey> {
        match self {
            Self::None => None,
            Self::Service(service) | Self::Server(service, _) => Some(service),
        }
    }

    /// The server, if the event concerns one.
    #[must_use]
    pub const fn server(self) -> Option<ServerKey> {
        match self {
            Self::None | Self::Service(_) => None,
            Self::Server(_, server) => Some(server),
        }
    }
}

impl fmt::Display for Subject {
    /// Followed by a blank unless empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Service(service) => write!(f, "{service} "),
            Self::Server(service, server) => write!(f, "{service} {server} "),
        }
    }
}

/// The possible subjects of a kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// [`Subject::None`].
    Nothing,
    /// Always a service.
    Service,
    /// A service, or nothing.
    ServiceOrNothing,
    /// Always a server.
    Server,
    /// A server, or nothing.
    ServerOrNothing,
}

impl About {
    /// The words for documents.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Service => "service",
            Self::ServiceOrNothing => "service or none",
            Self::Server => "server",
            Self::ServerOrNothing => "server or none",
        }
    }

    /// Whether an event of this kind can have this subject.
    #[must_use]
    pub const fn allows(self, subject: Subject) -> bool {
        match subject {
            Subject::None => !matches!(self, Self::Service | Self::Server),
            Subject::Service(_) => matches!(self, Self::Service | Self::ServiceOrNothing),
            Subject::Server(..) => matches!(self, Self::Server | Self::ServerOrNothing),
        }
    }
}

macro_rules! kinds {
    ($($kind:ident: $word:literal, $level:ident, $about:ident, $summary:literal;)*) => {
        /// A kind of event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $(#[doc = $summary] $kind,)*
        }

        impl EventKind {
            /// All kinds, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The name in the API and in the log.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }

            /// The level at which it is logged.
            #[must_use]
            pub const fn level(self) -> Level {
                match self { $(Self::$kind => Level::$level,)* }
            }

            /// The possible subjects of its events.
            #[must_use]
            pub const fn about(self) -> About {
                match self { $(Self::$kind => About::$about,)* }
            }

            /// When it happens, as a line of Markdown.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$kind => $summary,)* }
            }
        }
    };
}

// Name, level, subjects, when it happens.
kinds! {
    ServerUp: "server-up", Info, Server,
        "Its checks pass, or `damping` no longer holds it out.";
    ServerDown: "server-down", Warn, Server,
        "Its checks fail.";
    ServerHeld: "server-held", Warn, Server,
        "Its checks pass, but its state changed too often: `damping` holds it out.";
    ServerKept: "server-kept", Warn, Server,
        "Its state changed too often, but it serves, because too few others are up.";
    CommonCause: "common-cause", Info, ServiceOrNothing,
        "Several servers, of this service or of all, changed at about the same time. `damping` does not \
         count that.";
    NotChecked: "not-checked", Warn, Server,
        "director cannot run a check, so the server's state stays as it was. Reported once, for one \
         of the server's services.";
    Checked: "checked", Info, Server,
        "director can run the check again.";
    Agent: "agent", Info, Server,
        "The server's agent asks for another administrative state: ready, drain or maintenance.";
    ServiceBelow: "service-below", Error, Service,
        "Fewer servers are up than `min_healthy`; director takes out no more.";
    ServiceAbove: "service-above", Info, Service,
        "At least `min_healthy` servers are up again.";
    QuorumLost: "quorum-lost", Error, Service,
        "The servers that are up weigh less than `quorum`: the service is out, and its sorry servers \
         serve.";
    QuorumGained: "quorum-gained", Info, Service,
        "They weigh enough again.";
    Drift: "drift", Warn, ServiceOrNothing,
        "Another program changed the service or a setting. director repairs it, or only reports it \
         (`policy.drift`).";
    Foreign: "foreign", Warn, Service,
        "The kernel has a service that is neither in the file nor in the ledger. director leaves it \
         alone, or removes it (`policy.foreign`).";
    KernelRefused: "kernel-refused", Error, ServiceOrNothing,
        "The kernel rejected a change, or director could not read its tables.";
    Drained: "drained", Info, Server,
        "An operator drained it.";
    Undrained: "undrained", Info, Server,
        "An operator ended the drain.";
    Weight: "weight", Info, Server,
        "An operator set a weight, or the declared one again.";
    Disabled: "disabled", Info, Nothing,
        "An operator put a machine into maintenance; `text` has its address.";
    Enabled: "enabled", Info, Nothing,
        "An operator ended the maintenance of a machine.";
    Expired: "expired", Info, ServerOrNothing,
        "The time of an operator's setting is over; `text` says if it was the maintenance of a machine.";
    Forgotten: "forgotten", Info, Nothing,
        "director forgot the oldest settings of servers that are not in the file.";
    Reloading: "reloading", Info, Nothing,
        "director reads the service file again.";
    Loaded: "loaded", Info, Nothing,
        "The service file is in force.";
    ChecksRemoved: "checks-removed", Warn, Nothing,
        "The service file that is in force now has no checks for services that had some; `text` names \
         them. Their servers count as up.";
    Rejected: "rejected", Error, Nothing,
        "director rejected the service file; `text` says why: all mistakes, a line each, or what a \
         guard objects to.";
    NotKept: "not-kept", Error, Nothing,
        "director cannot write the state directory, so a setting or the ledger is not on disk, or the \
         newer file is not in force.";
    Kept: "kept", Info, Nothing,
        "director can write the state directory again.";
    StateDamaged: "state-damaged", Error, Nothing,
        "At the start, something was wrong with the state directory: a damaged file, for example.";
    Stalled: "stalled", Warn, Nothing,
        "A file system, a disk or the kernel has not answered for too long.";
    Answers: "answers", Info, Nothing,
        "What had stalled has answered.";
    Discovered: "discovered", Info, Nothing,
        "The list of a pool that finds its servers changed; `text` names the pool and the servers.";
    DiscoveryRefused: "discovery-refused", Warn, Nothing,
        "director rejected the answer of a source, or the source did not answer; the last list stays in \
         force. `text` begins with the pool's name and has the reason.";
    DiscoveryRestored: "discovery-restored", Info, Nothing,
        "director accepts its answers again.";
    HistoryPaused: "history-paused", Warn, Nothing,
        "director cannot write the history: a full disk, for example. It tries again; nothing else waits \
         for it.";
    HistoryResumed: "history-resumed", Info, Nothing,
        "The history goes on.";
    NamespaceGone: "namespace-gone", Error, Nothing,
        "The network namespace in which director works has lost its name.";
    Announced: "announced", Info, Nothing,
        "The addresses of an announce section are announced. `text` begins with the section's name and ends \
         with the reason.";
    Withdrawn: "withdrawn", Warn, Nothing,
        "They are withdrawn, or have the fallback metric: too little is healthy, or an operator wants it.";
    AnnounceDamped: "announce-damped", Warn, Nothing,
        "The health of an announce section changed too often: it stays withdrawn for a while.";
    AnnounceTrouble: "announce-trouble", Error, Nothing,
        "The kernel refuses an address, a route or an interface of an announce section.";
    AnnounceRestored: "announce-restored", Warn, Nothing,
        "Another program removed an address or the interface of an announce section, and director put it back; \
         or the kernel refuses nothing any more.";
    FailoverActive: "failover-active", Info, Nothing,
        "A failover section is active: this machine holds its addresses. `text` begins with the section's \
         name and ends with the reason.";
    FailoverBackup: "failover-backup", Info, Nothing,
        "It is backup: another router holds the addresses, or may.";
    FailoverFault: "failover-fault", Error, Nothing,
        "It cannot send or receive adverts, and holds nothing.";
    FailoverStopped: "failover-stopped", Info, Nothing,
        "It has stopped, or waits for the first verdicts.";
    FailoverConflict: "failover-conflict", Error, Nothing,
        "Another router is active too, does not hear this one, or is silent on one of several links.";
    FailoverAgrees: "failover-agrees", Info, Nothing,
        "A conflict is over, or both sides have the same addresses again.";
    FailoverPeer: "failover-peer", Warn, Nothing,
        "A peer has other settings: addresses, interval, checksum, password, TTL.";
    FailoverLate: "failover-late", Warn, Nothing,
        "This process did not run in time: own adverts were late, or it listens before it speaks.";
    FailoverAddress: "failover-address", Warn, Nothing,
        "Another program removed or added a virtual address, or the kernel refused one.";
    FailoverHold: "failover-hold", Info, Nothing,
        "An operator's yield or claim began, ended or failed.";
    FailoverSynced: "failover-synced", Info, Nothing,
        "A section that waits for the connections of the active director has them, or its `deadline` is \
         over: `text` says which.";
    PeerUp: "peer-up", Info, Nothing,
        "A peer is connected. `text` begins with its name.";
    PeerDown: "peer-down", Warn, Nothing,
        "A peer is not connected: `text` has the reason.";
    PeerDiffers: "peer-differs", Warn, Nothing,
        "A peer serves something else than this director; `text` names what.";
    PeerAgrees: "peer-agrees", Info, Nothing,
        "It serves the same again.";
    PeerRefused: "peer-refused", Warn, Nothing,
        "A connection to the channel of peers was refused, or this director does not listen for them.";
    ResyncStarted: "resync-started", Info, Nothing,
        "A peer begins to send its connections.";
    ResyncDone: "resync-done", Info, Nothing,
        "They are in the own table; `text` has their number, and what was refused.";
    ResyncFailed: "resync-failed", Warn, Nothing,
        "They cannot be taken.";
    RelayStarted: "relay-started", Info, Nothing,
        "A peer relays its new connections to this director.";
    RelayStopped: "relay-stopped", Warn, Nothing,
        "It does not: `text` has the reason.";
    RelayDropped: "relay-dropped", Warn, Nothing,
        "New connections were not relayed to a peer, because one of the two directors was too slow.";
    FailoverKept: "failover-kept", Info, Nothing,
        "Services of a section are not well, and it keeps its priority, as no peer is better off.";
    FailoverWeak: "failover-weak", Warn, Nothing,
        "Failover works, but without something that it wants: a real-time priority, locked memory.";
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own_in_kebab_case() {
        let words: BTreeSet<_> = EventKind::ALL.iter().map(|kind| kind.word()).collect();
        assert_eq!(words.len(), EventKind::ALL.len());
        for word in words {
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(word.chars().all(plain), "{word}");
        }
    }
}
