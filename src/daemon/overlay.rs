//! The overlay over the file: what a service should be in the kernel at this moment.
//!
//! ```text
//!   declared service ┐
//!   its servers' states ├─► overlay ─► the same service with other weights, without some servers
//!   operator's settings │             and a word on each server, for `status`
//!   what is there       ┘
//! ```
//!
//! Pure. Equal states always give the same service, so that a reconcile finds nothing to do if
//! nothing happened.
//!
//! # Who serves
//!
//! 1. Servers that are up, or found in and without a verdict; minus those taken out by an operator
//!    or their agent, which applies even to all servers of a service.
//! 2. Of those that are up and held for flapping, as many as the others need ([`holds`]): a service
//!    with a server that is up has one that serves.
//! 3. If these are fewer than `min_healthy`: as many of the failed ones as are missing, last failed
//!    first. A failure that would go below that is therefore not acted upon.
//! 4. If fewer than `backup_below` are up: the backup servers that are up.
//! 5. If none is left: the sorry servers. Also if the servers that are up weigh less than the
//!    `quorum`; then all others are out.
//!
//! # Where weight 0 does harm
//!
//! A failed server keeps its connections at weight 0, unless `on_fail` says otherwise or weight 0
//! would send it new clients or refuse them (see [`plan`](crate::plan)): then it is deleted. `sh`
//! and `mh` are lent their fallback flag instead.

mod holds;
mod ramps;

use ipvs::{Server, ServerKey, ServiceFlags, ServiceKey, Weight};

use super::server::{Reload, ServerState};
use super::service::ServiceState;
use crate::check::{Admin, Verdict};
use crate::control::operator::{ServerSettings, Settings};
use crate::control::snapshot::{QuorumStatus, Role, ServerState as State};
use crate::plan::{can_drain, fallback};
use crate::state::health::{OnFail, Quorum, Threshold};
use crate::state::{BootTime, DesiredServer, DesiredService, ObservedService, Servers};

/// The input of an overlay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation<'a> {
    pub(super) service: &'a ServiceState,
    /// The service in the kernel, as far as known.
    pub(super) there: Option<&'a ObservedService>,
    pub(super) settings: &'a Settings,
    /// Whether persistent clients leave a server of weight 0 (`expire_quiescent_template`).
    pub(super) quiescent: bool,
    pub(super) now: BootTime,
}

/// The wanted state of a service now.
#[derive(Debug, Clone)]
pub(super) struct Overlaid {
    /// What the kernel should have.
    pub(super) wanted: DesiredService,
    /// All its servers: for clients, backup, sorry, held over; in this order.
    pub(super) seats: Vec<Seat>,
    /// How many of the servers for clients are up and serve.
    pub(super) up: usize,
    /// How many servers must stay in.
    pub(super) min_healthy: usize,
    /// Whether failed servers are kept in because too few are left.
    pub(super) panic: bool,
    /// What the servers that are up weigh, if the service has a quorum, and whether that is too
    /// little.
    pub(super) quorum: Option<QuorumStatus>,
}

/// The decision about one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) key: ServerKey,
    pub(super) role: Role,
    pub(super) state: State,
    /// The configuration for the kernel; `None` if it should not be there.
    pub(super) server: Option<Server>,
}

/// Computes the overlay.
pub(super) fn overlay(situation: &Situation<'_>) -> Overlaid {
    let ServiceState {
        declared, watch, ..
    } = situation.service;
    let mut candidates: Vec<Candidate<'_>> = declared
        .servers
        .iter()
        .map(|(key, server)| candidate(situation, Role::Regular, *key, server))
        .collect();
    let mut backup: Vec<Candidate<'_>> = watch
        .backup
        .iter()
        .map(|(key, server)| candidate(situation, Role::Backup, *key, server))
        .collect();
    let min_healthy = watch
        .min_healthy
        .map_or(0, |least| least.of(candidates.len()));
    let below = watch.backup_below.unwrap_or(Threshold::Count(1));
    let below = below.of(declared.servers.len());
    let mut over = held_over(situation, &candidates);
    let spare = below > 0 && backup.iter().any(Candidate::serves);
    let mut regular: Vec<&mut Candidate<'_>> = candidates.iter_mut().chain(&mut over).collect();
    holds::decide(&mut regular, min_healthy, spare);
    let up = candidates
        .iter()
        .filter(|candidate| candidate.serves())
        .count();
    let needs_backup = up < below;
    let quorum = watch.quorum.map(|quorum| {
        let joined = backup.iter().filter(|_| needs_backup);
        let all = candidates.iter().chain(&over).chain(joined);
        judged(quorum, situation.service.quorum_lost, all)
    });
    let is_out = !watch.sorry.is_empty() && quorum.is_some_and(|quorum| quorum.lost);
    let missing = min_healthy.saturating_sub(up);
    let panic = !is_out && missing > 0 && keep_in(situation, &mut candidates, missing);

    let alone = !candidates.iter().chain(&over).any(Candidate::serves);
    let mut spares: Vec<&mut Candidate<'_>> = backup.iter_mut().collect();
    holds::decide(&mut spares, usize::from(alone && needs_backup), !alone);
    for candidate in &mut backup {
        // One that waits for its verdict may turn out to be dead.
        let would_serve = matches!(candidate.fate, Fate::In { .. } | Fate::Failed(State::Held));
        if !needs_backup && would_serve {
            candidate.fate = Fate::Standby;
        }
    }
    candidates.append(&mut backup);
    candidates.append(&mut over);
    if is_out {
        candidates.iter_mut().for_each(Candidate::stand_by);
    }
    ramps::weigh(&mut candidates, situation.now);

    let serves = candidates.iter().any(Candidate::serves);
    let undecided = candidates.iter().any(|candidate| {
        let is_needed = candidate.role == Role::Regular || needs_backup;
        is_needed && candidate.fate == Fate::Waiting
    });
    candidates.extend(watch.sorry.iter().map(|(key, server)| {
        let there = situation
            .there
            .is_some_and(|there| there.servers.contains_key(key));
        let needed = is_out || !serves && (!undecided || there);
        let fate = if situation.settings.disabled.contains_key(&key.address) {
            Fate::Drained(State::Disabled)
        } else if needed {
            Fate::In {
                weight: server.server.weight,
                state: State::Up,
            }
        } else {
            Fate::Standby
        };
        Candidate {
            key: *key,
            role: Role::Sorry,
            declared: server,
            state: None,
            fate,
        }
    }));
    let strength = Strength {
        up,
        min_healthy,
        panic,
        quorum,
    };
    seat(situation, candidates, strength)
}

/// How much of a service is up.
#[derive(Clone, Copy)]
struct Strength {
    up: usize,
    min_healthy: usize,
    panic: bool,
    quorum: Option<QuorumStatus>,
}

/// The state of a quorum; `before` says whether it was lost.
///
/// What a failed server weighs that stays in, or one that an operator drains, does not count; a
/// server without a verdict counts if it is in. While one is out and without a verdict, nothing is
/// lost: at the start that would be every service.
fn judged<'c>(
    quorum: Quorum,
    before: bool,
    candidates: impl Iterator<Item = &'c Candidate<'c>>,
) -> QuorumStatus {
    let mut sum = 0;
    let mut undecided = false;
    for candidate in candidates {
        match candidate.fate {
            Fate::In { weight, .. } => sum += u64::from(weight.get()),
            Fate::Waiting => undecided = true,
            _ => {}
        }
    }
    QuorumStatus {
        weight: sum,
        needed: quorum.weight,
        hysteresis: quorum.hysteresis,
        lost: (before || !undecided) && quorum.is_lost(before, sum),
    }
}

/// A server whose weight and state are being decided.
#[derive(Debug)]
struct Candidate<'a> {
    key: ServerKey,
    role: Role,
    declared: &'a DesiredServer,
    state: Option<&'a ServerState>,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// In, with this weight.
    In { weight: Weight, state: State },
    /// Would be in as up, but its verdict changed too often: see [`holds`].
    Held { weight: Weight, state: State },
    /// Without a verdict, and out until there is one.
    Waiting,
    /// Failed: at weight 0, or removed.
    Failed(State),
    /// Taken out on request: at weight 0, or removed where that does harm.
    Drained(State),
    /// Not needed.
    Standby,
    /// Was held over, and no longer is.
    Over,
}

impl Fate {
    /// In, without a verdict.
    const fn is_open(&self) -> bool {
        matches!(
            self,
            Self::In {
                state: State::Pending,
                ..
            }
        )
    }
}

impl Candidate<'_> {
    /// The service is out: what would serve does not.
    const fn stand_by(&mut self) {
        if let Fate::In { .. } | Fate::Held { .. } | Fate::Waiting = self.fate {
            self.fate = Fate::Standby;
        }
    }

    fn serves(&self) -> bool {
        matches!(self.fate, Fate::In { weight, .. } if weight != Weight::ZERO)
    }
}

fn candidate<'a>(
    situation: &Situation<'a>,
    role: Role,
    key: ServerKey,
    declared: &'a DesiredServer,
) -> Candidate<'a> {
    let state = situation.service.servers.get(&key);
    let fate = match state {
        Some(state) => fate(situation, key, declared, state),
        None => Fate::Waiting,
    };
    Candidate {
        key,
        role,
        declared,
        state,
        fate,
    }
}

fn fate(
    situation: &Situation<'_>,
    key: ServerKey,
    declared: &DesiredServer,
    state: &ServerState,
) -> Fate {
    let now = situation.now;
    let service = situation.service.key();
    let set = settings(situation.settings, service, key);
    if situation.settings.disabled.contains_key(&key.address) || state.admin == Admin::Maint {
        return Fate::Drained(State::Disabled);
    }
    let drained = set.is_some_and(|set| set.drain.is_some()) || state.admin == Admin::Drain;
    if drained {
        return Fate::Drained(State::Drained);
    }
    if state.verdict == Verdict::Down {
        return Fate::Failed(State::Down);
    }
    if state.verdict == Verdict::Open && !state.in_while_open {
        return Fate::Waiting;
    }
    let full = state.stepper.weight(base_weight(situation, key, declared));
    if full == 0 && base_weight(situation, key, declared) > 0 {
        return Fate::Drained(State::Drained);
    }
    let weight = Weight::new(full).unwrap_or(Weight::MAX);
    match state.verdict {
        Verdict::Open => Fate::In {
            weight,
            state: State::Pending,
        },
        _ if full > 0 && state.damper.is_holding(now) => Fate::Held {
            weight,
            state: State::Up,
        },
        _ => Fate::In {
            weight,
            state: State::Up,
        },
    }
}

/// The operator's weight, or else the declared one.
fn base_weight(situation: &Situation<'_>, key: ServerKey, declared: &DesiredServer) -> u32 {
    let set = settings(situation.settings, situation.service.key(), key);
    let by_operator = set.and_then(|set| set.weight.as_ref());
    by_operator.map_or(declared.server.weight.get(), |set| set.value)
}

fn settings(
    settings: &Settings,
    service: ServiceKey,
    server: ServerKey,
) -> Option<&ServerSettings> {
    settings.servers.get(&(service, server))
}

/// Keeps so many of those that failed in; whether there was one.
fn keep_in(
    situation: &Situation<'_>,
    candidates: &mut [Candidate<'_>],
    mut missing: usize,
) -> bool {
    let weight =
        |candidate: &Candidate<'_>| base_weight(situation, candidate.key, candidate.declared);
    let mut failed: Vec<&mut Candidate<'_>> = candidates
        .iter_mut()
        .filter(|candidate| {
            let was_in = candidate.state.is_some_and(|state| state.was_in);
            matches!(candidate.fate, Fate::Failed(_)) && was_in && weight(candidate) > 0
        })
        .collect();
    // The last one to fail first.
    failed.sort_by_key(|candidate| {
        let since = candidate.state.map(|state| state.since);
        (std::cmp::Reverse(since), candidate.key)
    });
    let mut kept = false;
    for candidate in failed {
        if missing == 0 {
            break;
        }
        candidate.fate = Fate::In {
            weight: Weight::new(weight(candidate)).unwrap_or(Weight::MAX),
            state: State::Panic,
        };
        missing -= 1;
        kept = true;
    }
    kept
}

/// The servers that were replaced: as many stay as their successors are not up yet.
fn held_over<'a>(situation: &Situation<'a>, candidates: &[Candidate<'a>]) -> Vec<Candidate<'a>> {
    let mut awaited: Vec<Reload> = candidates
        .iter()
        .filter_map(|candidate| candidate.state.and_then(|state| state.successor))
        .collect();
    let held_over = situation.service.held_over.iter();
    let found = held_over.map(|(key, held)| {
        let found = fate(situation, *key, &held.server, &held.state);
        let successor = awaited.iter().position(|added| *added >= held.since);
        let stays = successor.is_some() && matches!(found, Fate::In { .. } | Fate::Held { .. });
        if let (true, Some(taken)) = (stays, successor) {
            awaited.swap_remove(taken);
        }
        let state = State::Leaving;
        Candidate {
            key: *key,
            role: Role::Regular,
            declared: &held.server,
            state: Some(&held.state),
            fate: match found {
                Fate::In { weight, .. } if stays => Fate::In { weight, state },
                Fate::Held { weight, .. } if stays => Fate::Held { weight, state },
                Fate::Failed(_) => Fate::Failed(state),
                _ => Fate::Over,
            },
        }
    });
    found.collect()
}

/// Turns fates into the configuration for the kernel.
fn seat(situation: &Situation<'_>, candidates: Vec<Candidate<'_>>, strength: Strength) -> Overlaid {
    let declared = &situation.service.declared;
    let mut wanted = DesiredService {
        name: declared.name.clone(),
        service: declared.service,
        servers: Servers::new(),
        drain: declared.drain,
        dead: Vec::new(),
        allow: declared.allow,
    };
    let persistent = declared.service.flags.contains(ServiceFlags::PERSISTENT);
    let can_drain = can_drain(&declared.service);
    let can_fail_at_zero = can_drain
        && situation.service.watch.on_fail == OnFail::Drain
        && (!persistent || situation.quiescent);
    let mut lowered = false;
    let mut seats = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let is_there = situation
            .there
            .is_some_and(|there| there.servers.contains_key(&candidate.key));
        let at_zero = candidate.declared.server.weight(Weight::ZERO);
        let (state, server) = match candidate.fate {
            Fate::In { weight, state } => (state, Some(candidate.declared.server.weight(weight))),
            // One that was found at weight 0 stays so until it is judged. (What is held was decided
            // before.)
            Fate::Waiting | Fate::Held { .. } => {
                (State::Pending, (is_there && can_drain).then_some(at_zero))
            }
            // No longer declared and failed: there is nothing to keep.
            Fate::Failed(State::Leaving) => {
                wanted.dead.push(candidate.key);
                (State::Leaving, None)
            }
            Fate::Failed(state) if can_fail_at_zero => (state, is_there.then_some(at_zero)),
            Fate::Failed(state) => {
                wanted.dead.push(candidate.key);
                (state, None)
            }
            Fate::Drained(state) => (state, (is_there && can_drain).then_some(at_zero)),
            Fate::Standby => (State::Standby, None),
            Fate::Over => (State::Leaving, None),
        };
        if let Some(server) = server {
            lowered |=
                server.weight == Weight::ZERO && server.weight != candidate.declared.server.weight;
            let entry = DesiredServer {
                server,
                ..candidate.declared.clone()
            };
            wanted.servers.insert(candidate.key, entry);
        }
        seats.push(Seat {
            key: candidate.key,
            role: candidate.role,
            state,
            server,
        });
    }
    if lowered {
        wanted.service.flags |= fallback(&wanted.service).unwrap_or_default();
    }
    Overlaid {
        wanted,
        seats,
        up: strength.up,
        min_healthy: strength.min_healthy,
        panic: strength.panic,
        quorum: strength.quorum,
    }
}
