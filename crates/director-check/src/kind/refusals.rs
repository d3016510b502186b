//! What silence means where a refusal may have been held back.
//!
//! A kernel refuses a datagram to a closed port with ICMP, but sparingly: to one destination at most
//! one a second after a burst of six, for all its ports and addresses together (`icmp_ratelimit`,
//! `icmpv6_xrlim_allow`). Of eleven dead ports that are asked every second one refuses and ten are
//! silent, as servers are that have nothing to say. So silence alone proves nothing:
//!
//! ```text
//!                     nothing else refused lately      a neighbour was refused just before
//!   never refused     well                             not counted, or well once it was
//!   refused, not down not counted                      failed
//!   refused, down     failed                           failed
//!                     the third time: well             (after two minutes as in the left column)
//! ```
//!
//! - **A neighbour** is any server in the same /24 or /64: ports and addresses of one host share its
//!   limit, and nothing tells which addresses are one host's.
//! - **Those that are down wait for each other**, so that their refusals, which they cost, leave room
//!   for those of others: together they are asked about once in [`TURN`].
//! - **A stricter limit is learnt.** A port that is refused, silent where nothing hides a refusal, and
//!   refused again was dead all the time: its host refuses less often than once a second.
//! - **An answer ends it all.** Any datagram does.
//!
//! A pure structure: time and chance are handed in.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// A refusal hides those that would follow within this time: Linux's default for both families.
const LIMIT: Duration = Duration::from_secs(1);

/// No stricter limit is learnt: what is farther apart are two failures rather.
const STRICTEST: Duration = Duration::from_secs(30);

/// What is refused again within this time was dead in between, if it happens twice in the longer one.
const AGAIN: Duration = Duration::from_secs(20);
const TWICE: Duration = Duration::from_secs(300);

/// Added to a round trip, for packets that overtake each other.
const SLACK: Duration = Duration::from_millis(100);

/// A longer round trip is none: the router gave up, or this machine was late.
const LONGEST_TRIP: Duration = Duration::from_millis(500);

/// One of the servers that are down is asked in this time, on average: longer than [`LIMIT`] and
/// twice the slack, so that others are heard in between.
const TURN: Duration = Duration::from_millis(2200);

/// Nobody waits longer for a turn.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Without a refusal for this time all may ask: they are probably back.
const QUIET: Duration = Duration::from_secs(5);

/// So many times in a row silence has to be a silence that means something, after a refusal.
const PROOFS: u8 = 3;

/// So many silences in a row that may hide a refusal, in no less than this time, count as one that
/// does not: a neighbour that is refused every second must not keep a server from ever coming up.
const HIDDEN: u32 = 16;
const HIDDEN_FOR: Duration = Duration::from_secs(120);

/// More shadows of a subnet than any check is long.
const SHADOWS: usize = 64;

/// More subnets than a farm has.
const SUBNETS: usize = 4096;

/// What was heard of one target without `expect`, kept from one check to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Refused {
    /// When it was refused last, unless it has proved itself since.
    at: Option<Instant>,
    /// It has proved that it is there, and was not refused since.
    well: bool,
    /// Failures since it was well.
    failures: u32,
    /// Silences since the refusal that mean something.
    proofs: u8,
    /// Silences in a row that may hide a refusal, and since when there are.
    hidden: u32,
    hidden_since: Option<Instant>,
    /// While it is down it is not asked before.
    turn: Option<Instant>,
    /// When it was refused last, even if it has proved itself since, and when the last silence was
    /// after that which nothing hid.
    before: Option<Instant>,
    quiet: Option<Instant>,
}

/// What a silence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// The server is there.
    Well,
    /// Nothing.
    Unknown,
    /// The server is as dead as it was when it refused.
    Failed,
}

/// Who may have held a refusal back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shadow {
    /// Nobody.
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

    /// When it was refused last.
    pub(super) const fn at(&self) -> Option<Instant> {
        self.at
    }

    const fn is_down(&self, fall: u32) -> bool {
        self.at.is_some() && self.failures >= fall
    }

    /// A refusal was heard, the so many-th failure in a row.
    const fn refused(&mut self, now: Instant, failures: u32) {
        *self = Self {
            at: Some(now),
            failures,
            before: Some(now),
            ..Self::NEW
        };
    }

    /// Nothing came to what was sent at `sent`.
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
    /// Times at which a datagram's refusal may have been held back, in order.
    shadows: VecDeque<Cast>,
    /// The targets that are down, and when they were seen to be.
    down: HashMap<SocketAddr, Instant>,
    /// When the last refusal was heard.
    last: Option<Instant>,
    /// A refusal hides those that would follow within this time.
    limit: Duration,
    /// A longer one that was seen once, and when.
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
    /// A target was refused that was silent at `quiet`, and refused before that: it was dead then,
    /// and its refusal held back for longer than was known.
    fn learn(&mut self, quiet: Instant, now: Instant) {
        let earlier = self.shadows.iter().rev().find(|cast| cast.last < quiet);
        let Some(earlier) = earlier else { return };
        let hidden = quiet - earlier.last;
        if hidden <= self.limit || hidden > STRICTEST {
            return;
        }
        // Until it was asked again more would have been hidden.
        let held_back = hidden + hidden / 4;
        // Once may be a server that has died twice.
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
    /// When the last datagram was sent that was refused.
    last: Instant,
    /// Whose refusals they were; `None` for several targets'.
    by: Option<SocketAddr>,
}

impl Refusals {
    /// A datagram to `target` that was sent at `sent` was refused just now.
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

    /// Whether the refusal of a datagram that was sent then may have been held back.
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

    /// Whether a target may be asked now, or has to wait for its turn.
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

    /// What becomes of a target when a datagram to it was refused. `chance` is random.
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

    /// A target is well, or will not be asked again.
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
