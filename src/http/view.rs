//! The core's snapshot in the format of the API.

use std::collections::BTreeMap;
use std::time::SystemTime;

use ipvs::ServiceFlags;

use super::api;
use crate::control::InForce;
use crate::control::announce::AnnounceStatus;
use crate::control::discovery::PoolStatus;
use crate::control::failover::FailoverStatus;
use crate::control::operator::Setting;
use crate::control::peer::PeerStatus;
use crate::control::select::Selected;
use crate::control::snapshot::{Difference, ServerStatus, Snapshot};

pub(super) fn head(snapshot: &Snapshot, now: SystemTime) -> api::Head {
    let disabled = snapshot.disabled.iter();
    api::Head {
        revision: snapshot.revision,
        now: api::unix(now),
        file: snapshot.file.to_string(),
        started: snapshot.started.map(api::unix),
        loaded: snapshot.loaded.map(api::unix),
        reconciled: snapshot.reconciled.map(api::unix),
        rejected: snapshot.rejected.as_deref().map(str::to_owned),
        rejected_by: snapshot.rejected.as_ref().map(|_| snapshot.rejected_by),
        trouble: snapshot.trouble.as_deref().map(str::to_owned),
        foreign: snapshot.foreign.to_vec(),
        disabled: disabled
            .map(|(address, set)| api::Disabled {
                address: *address,
                setting: setting(set, None),
            })
            .collect(),
        drift: snapshot.drift.iter().map(drift).collect(),
        lacking: snapshot
            .lacking
            .iter()
            .map(|sysctl| sysctl.name().to_owned())
            .collect(),
        summary: summary(snapshot),
        failover: snapshot
            .failovers
            .values()
            .map(|one| failover(snapshot, one))
            .collect(),
        peers: snapshot
            .peers
            .values()
            .map(|one| peer(snapshot, one))
            .collect(),
        announce: snapshot
            .announced
            .values()
            .map(|one| announce(snapshot, one))
            .collect(),
        discovered: snapshot
            .discovered
            .values()
            .map(|one| discovered(snapshot, one))
            .collect(),
    }
}

fn peer(snapshot: &Snapshot, status: &PeerStatus) -> api::Peer {
    let date = |at| snapshot.date(at).map_or(0, api::unix);
    api::Peer {
        name: status.name.to_string(),
        address: status.address,
        port: status.port,
        up: status.up,
        since: date(status.since),
        reason: status.reason.clone(),
        version: status.version.clone(),
        holds: status.holds.clone(),
        differs: status.differs.clone(),
        resync: status.resync.as_ref().map(|resync| api::Resync {
            at: date(resync.at),
            entries: resync.entries,
            missing: resync.missing,
            caught_up: resync.is_caught_up(),
            whole: resync.whole,
            proof: resync.proof(),
            took_ms: resync.took_ms,
            refused: resync.refused.clone(),
        }),
        resync_failed: status.failed.clone(),
        relay: status.relay.as_ref().map(|relay| api::Relay {
            up: relay.up,
            since: date(relay.since),
            reason: relay.reason.clone(),
            entries: relay.entries,
            refused: relay.refused,
            dropped: relay.dropped,
        }),
    }
}

fn discovered(snapshot: &Snapshot, status: &PoolStatus) -> api::DiscoveredPool {
    api::DiscoveredPool {
        pool: status.pool.to_string(),
        source: status.source.to_owned(),
        servers: status.servers,
        absent: status.absent,
        answered: status
            .answered
            .and_then(|at| snapshot.date(at))
            .map(api::unix),
        refused: status.refused.as_deref().map(str::to_owned),
    }
}

fn announce(snapshot: &Snapshot, status: &AnnounceStatus) -> api::Announce {
    let date = |boot| snapshot.date(boot).map(api::unix);
    api::Announce {
        name: status.name.to_string(),
        state: status.state,
        in_place: status.in_place,
        since: date(status.since).unwrap_or_default(),
        reason: status.why.to_string(),
        until: status.until.and_then(date),
        withdrawn: status.set.as_ref().map(|set| setting(set, None)),
        interface: status.interface.to_string(),
        addresses: status.addresses.to_vec(),
        healthy: status.healthy,
        trouble: status.trouble.as_deref().map(str::to_owned),
    }
}

fn failover(snapshot: &Snapshot, status: &FailoverStatus) -> api::Failover {
    api::Failover {
        name: status.name.to_string(),
        role: status.role,
        since: snapshot.date(status.since).map_or(0, api::unix),
        reason: status.why.to_string(),
        declared_priority: status.declared_priority,
        priority: status.priority,
        hold: status.hold,
        hold_set: status.set.as_ref().map(|set| setting(set, None)),
        peer: status.peer,
        routers: status.routers.to_vec(),
        counters: status.counters.read(),
    }
}

fn drift(difference: &Difference) -> api::Drift {
    api::Drift {
        service: difference.name.as_deref().map(str::to_owned),
        listen: difference.listen,
        text: difference.text.to_string(),
    }
}

fn summary(snapshot: &Snapshot) -> api::Summary {
    let mut summary = api::Summary::default();
    for status in snapshot.services.values() {
        *summary.services.entry(status.state()).or_default() += 1;
        for server in &status.servers {
            *summary.servers.entry(server.state).or_default() += 1;
        }
    }
    summary
}

/// A service with its selected servers.
pub(super) fn service(selected: &Selected) -> api::Service {
    service_with(selected, |_| true)
}

/// The same without servers that have nothing to report.
pub(super) fn brief(selected: &Selected) -> api::Service {
    service_with(selected, |server| !server.state.is_well())
}

fn service_with(selected: &Selected, shown: impl Fn(&ServerStatus) -> bool) -> api::Service {
    let status = &selected.status;
    let service = &status.service;
    let mut states = BTreeMap::new();
    for server in selected.servers() {
        *states.entry(server.state).or_default() += 1;
    }
    let persistent = service.flags.contains(ServiceFlags::PERSISTENT);
    api::Service {
        name: status.name.to_string(),
        listen: selected.key,
        scheduler: service.scheduler.to_string(),
        persistence: persistent.then_some(service.timeout),
        pool: status.pool.as_deref().map(str::to_owned),
        up: status.up,
        declared: status.declared,
        min_healthy: status.min_healthy,
        panic: status.panic,
        quorum: status.quorum.map(|quorum| api::Quorum {
            weight: quorum.weight,
            needed: quorum.needed,
            hysteresis: quorum.hysteresis,
            lost: quorum.lost,
        }),
        leaving: status.leaving,
        state: status.state(),
        states,
        partial: selected.is_part(),
        servers: selected
            .servers()
            .filter(|one| shown(one))
            .map(server)
            .collect(),
    }
}

fn server(status: &ServerStatus) -> api::Server {
    let weight = status.weight.as_ref();
    api::Server {
        name: status.name.as_deref().map(str::to_owned),
        address: status.key(),
        role: status.role,
        state: status.state,
        weight: status.server.map(|server| server.weight.get()),
        declared_weight: status.as_declared.weight.get(),
        reason: status.reason.to_string(),
        since: api::unix(status.since),
        state_since: api::unix(status.entered),
        until: status.until.map(api::unix),
        drain: status.drain.as_ref().map(|set| setting(set, None)),
        weight_set: weight.map(|set| setting(set, Some(set.value))),
        checks: status
            .checks
            .iter()
            .map(|(spec, record)| {
                let seen = record.seen();
                api::Check {
                    kind: spec.kind.name().to_owned(),
                    passed: (seen.successes + seen.failures > 0).then_some(seen.passed),
                    text: seen.text.map(String::from),
                    at: seen.at.map(api::unix),
                    took_ms: milliseconds(seen.took),
                    streak: seen.streak,
                    successes: seen.successes,
                    failures: seen.failures,
                    not_asked: seen.not_asked,
                    not_checked: seen.not_checked.map(|not| api::NotChecked {
                        since: api::unix(not.since),
                        streak: not.streak,
                        reason: not.why.into(),
                    }),
                    interval_ms: milliseconds(spec.pace.interval),
                    longest_gap_ms: milliseconds(seen.longest_gap),
                }
            })
            .collect(),
    }
}

pub(super) fn files(in_force: &InForce) -> api::Files {
    let files = in_force.texts.iter();
    api::Files {
        root: in_force.root.to_string_lossy().into_owned(),
        files: files
            .map(|(path, text)| api::File {
                path: path.to_string_lossy().into_owned(),
                text: String::from_utf8_lossy(text).into_owned(),
            })
            .collect(),
    }
}

fn setting<T>(set: &Setting<T>, weight: Option<u32>) -> api::Setting {
    api::Setting {
        weight,
        by: set.by.clone(),
        reason: set.reason.clone(),
        at: api::unix(set.at),
        until: set.until.map(api::unix),
    }
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn overlay(selected: &Selected) -> api::OverlaidService {
    let status = &selected.status;
    let servers = status.servers.iter();
    api::OverlaidService {
        listen: selected.key,
        name: status.name.to_string(),
        declared: status.as_declared,
        now: status.service,
        leaving: status.leaving,
        checked: status
            .servers
            .iter()
            .any(|server| !server.checks.is_empty()),
        servers: servers
            .map(|server| api::OverlaidServer {
                address: server.key(),
                name: server.name.as_deref().map(str::to_owned),
                role: server.role,
                state: server.state,
                declared: server.as_declared,
                now: server.server,
                reason: server.reason.to_string(),
            })
            .collect(),
    }
}
