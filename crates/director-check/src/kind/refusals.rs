//! Interprets silence where a refusal may have been suppressed.
//!
//! A kernel refuses datagrams to a closed port with ICMP, but rate-limited: to one destination at
//! most one per second after a burst of six, for all its ports and addresses together
//! (`icmp_ratelimit`, `icmpv6_xrlim_allow`). Of eleven dead ports that are checked every second,
//! one refuses and ten are silent, like servers that have nothing to answer. Silence alone
//! therefore proves nothing:
//!
//! ```text
//!                     nothing else refused lately      a neighbour was refused just before
//!   never refused     well                             not counted, or well once it was
//!   refused, not down not counted                      failed
//!   refused, down     failed                           failed
//!                     the third time: well             (after two minutes as in the left column)
//! ```
//!
//! - **A neighbour** is any server in the same /24 or /64: ports and addresses of one host share
//!   its limit, and nothing tells which addresses belong to one host.
//! - **Servers that are down take turns**, so that the refusals they cause leave room for others':
//!   together they are checked about once per [`TURN`].
//! - **A stricter limit is learnt.** A port that is refused, silent where nothing suppresses a
//!   refusal, and refused again was dead all the time: its host refuses less often than once a
//!   second.
//! - **Any answer ends this.** Any datagram counts.
//!
//! A pure data structure: time and randomness are arguments.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// A refusal suppresses those that follow within this time: Linux's default for both families.
const LIMIT: Duration = Duration::from_secs(1);

/// No stricter limit is learnt: refusals farther apart are rather two failures.
const STRICTEST: Duration = Duration::from_secs(30);

/// A port that is refused again within this time was dead in between, if that happens twice within
/// the longer one.
const AGAIN: Duration = Duration::from_secs(20);
const TWICE: Duration = Duration::from_secs(300);

/// Added to a round trip, for packets that overtake each other.
const SLACK: Duration = Duration::from_millis(100);

/// A longer time is no round trip: the router gave up, or this machine was late.
const LONGEST_TRIP: Duration = Duration::from_millis(500);

/// The average interval between checks of the servers that are down: longer than [`LIMIT`] and
/// twice the slack, so that others can be refused in between.
const TURN: Duration = Duration::from_millis(2200);

/// The longest wait for a turn.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// After this time without a refusal, all may be checked: they are probably back.
const QUIET: Duration = Duration::from_secs(5);

/// The number of consecutive meaningful silences required after a refusal.
const PROOFS: u8 = 3;

/// This many consecutive silences that may hide a refusal, in no less than this time, count as one
/// that does not: a neighbour that is refused every second must not keep a server down for ever.
const HIDDEN: u32 = 16;
const HIDDEN_FOR: Duration = Duration::from_secs(120);

/// The most shadows kept per subnet; more than any check lasts.
const SHADOWS: usize = 64;

/// The most subnets; more than a farm has.
const SUBNETS: usize = 4096;

/// The history of one target without `expect`, kept between checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Refused {
    /// The last refusal, unless the target has proved itself since.
    at: Option<Instant>,
    /// Whether it has proved to be up, and was not refused since.
    well: bool,
    /// Failures since it was up.
    failures: u32,
    /// Meaningful silences since the refusal.
    proofs: u8,
    /// Consecutive silences that may hide a refusal, and since when.
    hidden: u32,
    hidden_since: Option<Instant>,
    /// While it is down, it is not checked before this time.
    turn: Option<Instant>,
    /// The last refusal, even if the target has proved itself since, and the last silence after it
    /// that nothing hid.
    before: Option<Instant>,
    quiet: Option<Instant>,
}

/// The meaning of a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// The server is up.
    Well,
    /// Nothing is known.
    Unknown,
    /// The server is as dead as it was when it refused.
    Failed,
}

/// Whose refusal may have suppressed another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shadow {
    /// None.
    None,
    /// The target's own last refusal.
    Own,
    /// Another target's.
    Neighbour,
}

impl Refused {
    const NEW: Self = Self {
        at: None,
        well: false,
        failures: 0,
        proofs: 0,
        hidden: 0,
        hidden_since: None,
        turn: None,
        before: None,
        quiet: None,
    };

    /// The time of the last refusal.
    pub(super) const fn at(&self) -> Option<Instant> {
        self.at
    }

    const fn is_down(&self, fall: u32) -> bool {
        self.at.is_some() && self.failures >= fall
    }

    /// Records a refusal, the given number of failures in a row.
    const fn refused(&mut self, now: Instant, failures: u32) {
        *self = Self {
            at: Some(now),
            failures,
            before: Some(now),
            ..Self::NEW
        };
    }

    /// Records that the datagram sent at `sent` got no reaction.
    pub(super) fn silent(&mut self, shadow: Shadow, fall: u32, sent: Instant) -> Silence {
        if shadow != Shadow::None {
            self.hidden = self.hidden.saturating_add(1);
            let since = *self.hidden_since.get_or_insert(sent);
            if self.hidden < HIDDEN || sent < since + HIDDEN_FOR {
                return match shadow {
                    Shadow::Own if !self.is_down(fall) => Silence::Unknown,
                    _ if self.at.is_none() && self.well => Silence::Well,
                    _ if self.at.is_none() => Silence::Unknown,
                    _ => {
                        self.failures = self.failures.saturating_add(1);
                        Silence::Failed
                    }
                };
            }
        }
        (self.hidden, self.hidden_since) = (0, None);
        if shadow == Shadow::None && self.before.is_some() {
            self.quiet = Some(sent);
        }
        if self.at.is_none() {
            self.well |= shadow == Shadow::None;
            return Silence::Well;
        }
        self.proofs += 1;
        if self.proofs >= PROOFS {
            *self = Self {
                well: shadow == Shadow::None,
                before: self.before,
                quiet: self.quiet,
                ..Self::NEW
            };
            return Silence::Well;
        }
        if self.is_down(fall) {
            Silence::Failed
        } else {
            Silence::Unknown
        }
    }
}

/// Refusals by subnet, shared by the checks of all targets.
#[derive(Debug, Default)]
pub(crate) struct Refusals(RefCell<HashMap<IpAddr, Subnet>>);

#[derive(Debug)]
struct Subnet {
    /// Times at which a datagram's refusal may have been suppressed, in order.
    shadows: VecDeque<Cast>,
    /// The targets that are down, and since when.
    down: HashMap<SocketAddr, Instant>,
    /// The time of the last refusal.
    last: Option<Instant>,
    /// A refusal suppresses those that follow within this time.
    limit: Duration,
    /// A longer limit that was seen once, and when.
    suspected: Option<(Instant, Duration)>,
}

impl Default for Subnet {
    fn default() -> Self {
        Self {
            shadows: VecDeque::new(),
            down: HashMap::new(),
            last: None,
            limit: LIMIT,
            suspected: None,
        }
    }
}

impl Subnet {
    /// Learns from a target that was refused, silent at `quiet`, and refused before that: it was
    /// dead then, and its refusal suppressed for longer than known.
    fn learn(&mut self, quiet: Instant, now: Instant) {
        let earlier = self.shadows.iter().rev().find(|cast| cast.last < quiet);
        let Some(earlier) = earlier else { return };
        let hidden = quiet - earlier.last;
        if hidden <= self.limit || hidden > STRICTEST {
            return;
        }
        // More would have been hidden before the next check.
        let held_back = hidden + hidden / 4;
        // A single case may be a server that has died twice.
        match self.suspected.take() {
            Some((at, other)) if now < at + TWICE => self.limit = held_back.min(other),
            _ => self.suspected = Some((now, held_back)),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Cast {
    from: Instant,
    to: Instant,
    /// When the last refused datagram was sent.
    last: Instant,
    /// The target refused; `None` for several.
    by: Option<SocketAddr>,
}

impl Refusals {
    /// Records that a datagram sent to `target` at `sent` was refused just now.
    pub(super) fn note(&self, target: SocketAddr, sent: Instant, now: Instant) {
        let trip = now.saturating_duration_since(sent).min(LONGEST_TRIP) + SLACK;
        self.subnet(target, |subnet| {
            let cast = Cast {
                from: sent.checked_sub(trip).unwrap_or(sent),
                to: sent + subnet.limit + trip,
                last: sent,
                by: Some(target),
            };
            subnet.last = Some(now);
            match subnet.shadows.back_mut() {
                Some(last) if cast.from <= last.to => {
                    last.to = last.to.max(cast.to);
                    last.from = last.from.min(cast.from);
                    last.last = last.last.max(cast.last);
                    last.by = last.by.filter(|by| *by == target);
                }
                _ => subnet.shadows.push_back(cast),
            }
            if subnet.shadows.len() > SHADOWS {
                subnet.shadows.pop_front();
            }
        });
    }

    /// Whether the refusal of a datagram sent at this time may have been suppressed.
    pub(super) fn shadow(&self, target: SocketAddr, sent: Instant) -> Shadow {
        self.subnet(target, |subnet| {
            let at = |cast: &&Cast| cast.from <= sent && sent <= cast.to;
            match subnet.shadows.iter().rev().find(at) {
                None => Shadow::None,
                Some(cast) if cast.by == Some(target) => Shadow::Own,
                Some(_) => Shadow::Neighbour,
            }
        })
    }

    /// Whether a target may be checked now, or has to wait for its turn.
    pub(super) fn may_ask(
        &self,
        target: SocketAddr,
        known: &Refused,
        fall: u32,
        now: Instant,
    ) -> bool {
        if !known.is_down(fall) || known.proofs > 0 || known.turn.is_none_or(|turn| turn <= now) {
            return true;
        }
        self.subnet(target, |subnet| {
            subnet.down.insert(target, now);
            let quiet = QUIET.max(subnet.limit * 5);
            subnet.last.is_none_or(|last| last + quiet <= now)
        })
    }

    /// Handles a refused datagram to a target. `chance` is random.
    pub(super) fn refused(
        &self,
        target: SocketAddr,
        known: &mut Refused,
        fall: u32,
        chance: u8,
        now: Instant,
    ) {
        let again = known.before.is_some_and(|before| now < before + AGAIN);
        if let Some(quiet) = known.quiet.filter(|_| again) {
            self.subnet(target, |subnet| subnet.learn(quiet, now));
        }
        known.refused(now, known.failures.saturating_add(1));
        if !known.is_down(fall) {
            return;
        }
        let (down, turn) = self.subnet(target, |subnet| {
            subnet.down.insert(target, now);
            subnet.down.retain(|_, seen| *seen + LONGEST_WAIT * 2 > now);
            (subnet.down.len(), TURN.max(subnet.limit * 11 / 5))
        });
        let turns = turn * u32::try_from(down).unwrap_or(u32::MAX).min(1000);
        let wait = turns.min(LONGEST_WAIT);
        known.turn = Some(now + wait + wait * u32::from(chance) / 512);
    }

    /// A target is up, or will not be checked again.
    pub(super) fn forget(&self, target: SocketAddr) {
        self.subnet(target, |subnet| subnet.down.remove(&target));
    }

    fn subnet<T>(&self, target: SocketAddr, act: impl FnOnce(&mut Subnet) -> T) -> T {
        let mut all = self.0.borrow_mut();
        let subnet = subnet_of(target.ip());
        if all.len() >= SUBNETS && !all.contains_key(&subnet) {
            all.clear();
        }
        act(all.entry(subnet).or_default())
    }
}

fn subnet_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4((address.to_bits() & !0xff).into()),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
#[path = "refusals_tests.rs"]
mod tests;
