//! Settings of the whole namespace: sysctls, timeouts, sync daemons.

use std::collections::BTreeSet;

use ipvs::{Operation, SyncDaemon, Timeouts};

use super::change::{restart, restore_timeouts};
use super::{Change, Phase, Situation, Step};
use crate::state::{KernelSettings, Sysctl};

/// The sysctls that a plan for these settings reads.
#[must_use]
pub fn sysctls_for(settings: &KernelSettings) -> BTreeSet<Sysctl> {
    let declared = settings.sysctls.keys().copied();
    declared.chain([Sysctl::ExpireQuiescentTemplate]).collect()
}

/// Declared sysctls and timeouts that differ, and sysctls that do not exist.
pub(super) fn kernel(situation: &Situation<'_>, steps: &mut Vec<Step>, lacking: &mut Vec<Sysctl>) {
    let wanted = &situation.desired.kernel;
    for (sysctl, value) in &wanted.sysctls {
        let Some(before) = situation.observed.sysctls.get(sysctl) else {
            lacking.push(*sysctl);
            continue;
        };
        if before != value {
            let change = |value: &String| Change::Sysctl {
                sysctl: *sysctl,
                value: value.clone(),
            };
            steps.push(Step::new(
                Phase::Change,
                change(value),
                vec![change(before)],
            ));
        }
    }
    let before = situation.observed.timeouts;
    let after = Timeouts {
        tcp: wanted.tcp_timeout.unwrap_or(before.tcp),
        tcp_fin: wanted.tcp_fin_timeout.unwrap_or(before.tcp_fin),
        udp: wanted.udp_timeout.unwrap_or(before.udp),
    };
    if before != after {
        let undo = restore_timeouts(before);
        steps.push(Step::new(
            Phase::Change,
            Operation::SetTimeouts(after),
            undo,
        ));
    }
}

/// Sync daemons to start, to change or to stop.
///
/// Sync daemons and servers of the other address family exclude each other: a daemon is stopped
/// before anything is created (`first`), and started after everything was deleted (`last`). A
/// running daemon cannot be changed, so a change is a stop and a start.
pub(super) fn daemons(situation: &Situation<'_>, first: &mut Vec<Step>, last: &mut Vec<Step>) {
    let Some(wanted) = &situation.desired.daemons else {
        return;
    };
    let running = &situation.observed.daemons;
    for (role, daemon) in running {
        let stays = wanted
            .get(role)
            .is_some_and(|wanted| is_same(wanted, daemon));
        if !stays {
            let step = Step::new(Phase::Make, Operation::StopDaemon(*role), restart(daemon));
            first.push(step);
        }
    }
    for (role, daemon) in wanted {
        let runs = running
            .get(role)
            .is_some_and(|running| is_same(daemon, running));
        if !runs {
            let step = Step::create(Phase::Break, Operation::StartDaemon(*daemon));
            last.push(step);
        }
    }
}

/// Whether a running daemon matches the wanted one. Values left to the kernel match anything; a
/// backup rounds the message length up (`start_sync_thread`).
fn is_same(wanted: &SyncDaemon, running: &SyncDaemon) -> bool {
    let group = wanted.group.unwrap_or(SyncDaemon::DEFAULT_GROUP.into());
    let port = if wanted.port == 0 {
        SyncDaemon::DEFAULT_PORT
    } else {
        wanted.port
    };
    let ttl = if wanted.ttl == 0 {
        SyncDaemon::DEFAULT_TTL
    } else {
        wanted.ttl
    };
    let length = wanted.max_length == 0
        || wanted.max_length == running.max_length
        || (running.role == ipvs::DaemonRole::Backup && wanted.max_length < running.max_length);
    wanted.interface == running.interface
        && wanted.sync_id == running.sync_id
        && Some(group) == running.group
        && port == running.port
        && ttl == running.ttl
        && length
}
