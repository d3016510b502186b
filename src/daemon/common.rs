//! Finds changes of verdicts that have a common cause, so that they say nothing about single
//! servers.
//!
//! ```text
//!   cause      x  a switch, a link, the director's own interface
//!   app1       ├──────┤ change          each check needs its own time to see it: its span
//!   app2       ├────────────┤ change    spans that reach back to one moment may have one cause
//!   app3       ├───┤ change
//! ```
//!
//! A change is recorded with the earliest moment of its cause. Once many servers of a service, or
//! many addresses over all services, have changed in the same direction within the span of the
//! newest change, all those changes are *excused*: they count for no server's damping. Since the
//! first of them have been counted by then, excuses apply retroactively.
//!
//! Pure: time is an argument.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipvs::{ServerKey, ServiceKey};

use super::messages::Member;
use crate::control::Now;
use crate::state::BootTime;
use crate::state::health::Pace;

/// The longest span. Changes farther apart are never grouped.
const LONGEST: Duration = Duration::from_secs(3600);

/// The most changes remembered, per service and in all.
const REMEMBERED: usize = 65_536;

/// The recent changes.
#[derive(Debug, Default)]
pub(super) struct Causes {
    services: HashMap<ServiceKey, Group<ServerKey>>,
    all: Group<IpAddr>,
    /// The last excused change of an address, in each direction: a change at about that time has
    /// the same cause, in whatever service and by whatever check.
    known: [HashMap<IpAddr, BootTime>; 2],
    /// The number of addresses of the servers of all services.
    addresses: usize,
    told: Told,
}

/// A change of a target's verdict, from the view of its services.
#[derive(Debug, Clone)]
pub(super) struct Changed {
    /// The target's address.
    pub(super) address: IpAddr,
    /// The servers that changed with it; an address may be in several services.
    pub(super) members: Arc<[Member]>,
    /// Whether it changed to up.
    pub(super) up: bool,
    pub(super) now: Now,
    /// How long before it its cause may lie: see [`span`].
    pub(super) span: Duration,
}

/// The excused changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Excused {
    /// The servers, and when each of them changed.
    pub(super) changes: Vec<(Member, BootTime)>,
    /// Services in which many servers changed, with their number; each cause is named once.
    pub(super) services: Vec<(ServiceKey, usize)>,
    /// The same for addresses of all services.
    pub(super) addresses: Option<usize>,
}

/// The causes named so far: by service, `None` for all of them, and by direction; when, and how far
/// from there its effects may be.
#[derive(Debug, Default)]
struct Told(HashMap<(Option<ServiceKey>, bool), (BootTime, Duration)>);

impl Told {
    fn has(&self, of: Option<ServiceKey>, changed: &Changed) -> bool {
        let told = self.0.get(&(of, changed.up));
        told.is_some_and(|(at, span)| at.after(changed.span.max(*span)) >= changed.now.boot)
    }

    /// Names a cause; returns whether that is news.
    fn tell(&mut self, of: Option<ServiceKey>, changed: &Changed) -> bool {
        let news = !self.has(None, changed) && !self.has(of, changed);
        if news {
            let told = (changed.now.boot, changed.span);
            self.0.insert((of, changed.up), told);
        }
        news
    }
}

impl Causes {
    /// Records a change. `servers` is the number of servers of a service.
    pub(super) fn note(
        &mut self,
        changed: &Changed,
        servers: impl Fn(&ServiceKey) -> usize,
    ) -> Excused {
        let mut excused = Excused::default();
        let up = changed.up;
        let mut found = Vec::new();
        for (service, server) in changed.members.iter() {
            let group = self.services.entry(*service).or_default();
            let many = many_servers(servers(service));
            let common = group.side(up).note(*server, changed, many);
            if common.len() > 1 && self.told.tell(Some(*service), changed) {
                excused.services.push((*service, common.len()));
            }
            found.extend(common);
        }
        let side = self.all.side(up);
        let common = side.note(changed.address, changed, many(self.addresses, 3));
        // Services that were named had this cause.
        let mut members = common.iter().flat_map(|open| open.members.iter());
        let is_news = members.any(|(service, _)| !self.told.has(Some(*service), changed));
        if common.len() > 1 && is_news && self.told.tell(None, changed) {
            excused.addresses = Some(common.len());
        }
        found.extend(common);
        let known = &mut self.known[usize::from(up)];
        if known.len() >= REMEMBERED {
            known.clear();
        }
        for one in &found {
            let at = known.entry(one.address).or_default();
            *at = one.at.max(*at);
        }
        let is_known = |one: &Open| {
            let near = |at: &BootTime| {
                let apart = at.until(one.at).max(one.at.until(*at));
                apart <= one.span.max(changed.span)
            };
            known.get(&one.address).is_some_and(near)
        };
        if !found.is_empty() || known.contains_key(&changed.address) {
            found.extend(side.take(is_known));
        }
        for one in found {
            let changes = one.members.iter().map(|member| (*member, one.at));
            excused.changes.extend(changes);
        }
        excused
    }

    /// Another file is in force: the services it declares, and the number of addresses of their
    /// servers.
    pub(super) fn in_force(&mut self, is_declared: impl Fn(&ServiceKey) -> bool, addresses: usize) {
        self.addresses = addresses;
        self.services.retain(|key, _| is_declared(key));
        let is_declared = |of: Option<ServiceKey>| of.is_none_or(|key| is_declared(&key));
        self.told.0.retain(|(of, _), _| is_declared(*of));
    }
}

/// How long before a change of verdict its cause may lie: until the next check, for as long as
/// `rise` or `fall` of them take, and one interval more for what recovers gradually.
pub(super) fn span(pace: &Pace) -> Duration {
    let jitter = pace.interval * u32::from(pace.jitter.get()) / 100;
    let answers = pace.rise.max(pace.fall).max(1);
    let each = pace.fast_interval.max(pace.timeout);
    let checks = each.saturating_mul(answers);
    let span = pace.interval.saturating_mul(2).saturating_add(jitter);
    span.saturating_add(checks).min(LONGEST)
}

/// The number of servers from which a change is one of many in a service of `all`.
pub(super) fn many_servers(all: usize) -> usize {
    many(all, 2)
}

/// The number from which a change is one of many of `all`: the square root, so two of two to four,
/// three of nine, ten of a hundred; at least `least`.
fn many(all: usize, least: usize) -> usize {
    let root = all.isqrt();
    let root = if root * root < all { root + 1 } else { root };
    root.max(least)
}

/// Changes in both directions; `K` identifies servers.
#[derive(Debug)]
struct Group<K> {
    up: Side<K>,
    down: Side<K>,
}

impl<K> Default for Group<K> {
    fn default() -> Self {
        Self {
            up: Side::default(),
            down: Side::default(),
        }
    }
}

impl<K> Group<K> {
    const fn side(&mut self, up: bool) -> &mut Side<K> {
        if up { &mut self.up } else { &mut self.down }
    }
}

/// Changes in one direction, in order of time.
#[derive(Debug)]
struct Side<K> {
    /// The longest span of a change so far. Older changes have nothing in common with a new one.
    longest: Duration,
    recent: VecDeque<(BootTime, K)>,
    /// The changes that are not excused.
    open: VecDeque<Open>,
}

/// A change that is not excused, or not yet.
#[derive(Debug)]
struct Open {
    at: BootTime,
    span: Duration,
    address: IpAddr,
    members: Arc<[Member]>,
}

impl<K> Default for Side<K> {
    fn default() -> Self {
        Self {
            longest: Duration::ZERO,
            recent: VecDeque::new(),
            open: VecDeque::new(),
        }
    }
}

impl<K: Hash + Eq> Side<K> {
    /// Records a change; returns the changes that it excuses, if it is one of `many`.
    fn note(&mut self, key: K, changed: &Changed, many: usize) -> Vec<Open> {
        let now = changed.now.boot;
        self.longest = self.longest.max(changed.span);
        let longest = self.longest;
        let is_old = |at: BootTime| at.after(longest) < now;
        while let Some((at, _)) = self.recent.front()
            && (is_old(*at) || self.recent.len() >= REMEMBERED)
        {
            self.recent.pop_front();
        }
        while let Some(open) = self.open.front()
            && (is_old(open.at) || self.open.len() >= REMEMBERED)
        {
            self.open.pop_front();
        }
        self.recent.push_back((now, key));
        self.open.push_back(Open {
            at: now,
            span: changed.span,
            address: changed.address,
            members: Arc::clone(&changed.members),
        });
        let is_within = |at: BootTime| at.after(changed.span) >= now;
        let mut different = HashSet::new();
        for (at, key) in self.recent.iter().rev() {
            if different.len() >= many || !is_within(*at) {
                break;
            }
            different.insert(key);
        }
        if different.len() < many {
            return Vec::new();
        }
        let first = self.open.partition_point(|open| !is_within(open.at));
        self.open.drain(first..).collect()
    }

    /// Removes changes excused for another reason.
    fn take(&mut self, is_excused: impl Fn(&Open) -> bool) -> Vec<Open> {
        let (taken, left) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(is_excused);
        self.open = left;
        Vec::from(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(last: u8) -> ServiceKey {
        ServiceKey::tcp([192, 0, 2, last], 80)
    }

    fn server(last: u8) -> ServerKey {
        ServerKey::new([10, 0, 0, last], 80)
    }

    fn change(members: &[(u8, u8)], up: bool, at: u64, span: u64) -> Changed {
        let of = |(of, last): &(u8, u8)| (service(*of), server(*last));
        let members: Arc<[Member]> = members.iter().map(of).collect();
        Changed {
            address: members[0].1.address,
            members,
            up,
            now: Now {
                boot: BootTime(Duration::from_secs(at)),
                wall: std::time::SystemTime::UNIX_EPOCH,
            },
            span: Duration::from_secs(span),
        }
    }

    /// Which servers are excused, and changes at what time, with services of `servers` servers
    /// each.
    fn note(causes: &mut Causes, change: &Changed, servers: usize) -> Vec<(u8, u64)> {
        causes.in_force(|_| true, 20);
        let excused = causes.note(change, |_| servers);
        // A change may be excused for two reasons.
        let changes: std::collections::BTreeSet<_> = excused.changes.iter().collect();
        let shown = changes.into_iter().map(|((_, server), at)| {
            let std::net::IpAddr::V4(address) = server.address else {
                unreachable!("IPv4 here")
            };
            (address.octets()[3], at.0.as_secs())
        });
        shown.collect()
    }

    #[test]
    fn the_second_of_three_excuses_the_first_as_well_and_the_third_comes_alone() {
        let mut causes = Causes::default();
        assert_eq!(note(&mut causes, &change(&[(1, 11)], false, 10, 5), 3), []);
        let second = note(&mut causes, &change(&[(1, 12)], false, 13, 5), 3);
        assert_eq!(second, [(11, 10), (12, 13)]);
        let third = note(&mut causes, &change(&[(1, 13)], false, 14, 5), 3);
        assert_eq!(third, [(13, 14)]);
    }

    #[test]
    fn one_cause_is_named_once() {
        let mut causes = Causes::default();
        causes.in_force(|_| true, 3);
        let mut named = |of: u8, last: u8, at: u64, span: u64| {
            let excused = causes.note(&change(&[(of, last)], false, at, span), |_| 3);
            (excused.services.len(), excused.addresses)
        };
        assert_eq!(named(1, 11, 10, 9), (0, None));
        assert_eq!(named(1, 12, 11, 2), (1, None));
        // All three addresses, but of the service that was named.
        assert_eq!(named(1, 13, 12, 9), (0, None));
        assert_eq!(named(1, 11, 14, 9), (0, None));
        assert_eq!(named(1, 12, 15, 9), (0, None));
        // Another service is news, and what is long over is another cause.
        assert_eq!(named(2, 11, 16, 9), (0, None));
        assert_eq!(named(2, 12, 17, 9), (1, None));
        assert_eq!(named(1, 11, 60, 9), (0, None));
        assert_eq!(named(1, 12, 61, 9), (1, None));
    }

    #[test]
    fn a_cause_in_all_services_is_not_named_again_for_each() {
        let mut causes = Causes::default();
        causes.in_force(|_| true, 4);
        let mut named = |of: u8, last: u8| {
            let excused = causes.note(&change(&[(of, last)], false, 10, 9), |_| 3);
            (excused.services.len(), excused.addresses)
        };
        assert_eq!(named(1, 11), (0, None));
        assert_eq!(named(2, 12), (0, None));
        assert_eq!(named(3, 13), (0, Some(3)));
        assert_eq!(named(1, 12), (0, None));
        assert_eq!(named(2, 11), (0, None));
    }

    #[test]
    fn what_is_farther_apart_or_goes_the_other_way_has_no_common_cause() {
        let mut causes = Causes::default();
        assert_eq!(note(&mut causes, &change(&[(1, 11)], false, 10, 5), 2), []);
        assert_eq!(note(&mut causes, &change(&[(1, 12)], true, 11, 5), 2), []);
        assert_eq!(note(&mut causes, &change(&[(1, 12)], false, 16, 5), 2), []);
    }

    #[test]
    fn one_that_is_checked_slowly_follows_late_and_reaches_back_as_far_as_its_own_span() {
        let mut causes = Causes::default();
        assert_eq!(note(&mut causes, &change(&[(1, 11)], false, 10, 2), 2), []);
        let slow = note(&mut causes, &change(&[(1, 12)], false, 35, 30), 2);
        assert_eq!(slow, [(11, 10), (12, 35)]);
    }

    #[test]
    fn one_server_that_flaps_is_not_many() {
        let mut causes = Causes::default();
        for at in 0..50 {
            assert_eq!(note(&mut causes, &change(&[(1, 11)], false, at, 9), 3), []);
        }
    }

    #[test]
    fn two_of_ten_are_not_many_and_four_are() {
        let mut causes = Causes::default();
        for last in [11, 12, 13] {
            let found = note(&mut causes, &change(&[(1, last)], true, 10, 9), 10);
            assert_eq!(found, []);
        }
        let found = note(&mut causes, &change(&[(1, 14)], true, 12, 9), 10);
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_server_of_each_of_many_services_counts_and_an_address_counts_once() {
        let mut causes = Causes::default();
        // In three services, but still one address of twenty.
        let three = change(&[(1, 11), (2, 11), (3, 11)], false, 10, 9);
        assert_eq!(note(&mut causes, &three, 2), []);
        for of in [4, 5, 6] {
            let one = change(&[(of, 10 + of)], false, 11, 9);
            assert_eq!(note(&mut causes, &one, 2), []);
        }
        let fifth = note(&mut causes, &change(&[(7, 17)], false, 12, 9), 2);
        let of_first = fifth.iter().filter(|(last, _)| *last == 11).count();
        assert_eq!((fifth.len(), of_first), (7, 3), "{fifth:?}");
    }

    #[test]
    fn what_is_excused_in_one_service_is_in_all_others_of_that_address() {
        let mut causes = Causes::default();
        assert_eq!(note(&mut causes, &change(&[(2, 11)], false, 9, 5), 4), []);
        assert_eq!(note(&mut causes, &change(&[(1, 11)], false, 10, 5), 2), []);
        let second = note(&mut causes, &change(&[(1, 12)], false, 12, 5), 2);
        assert_eq!(second, [(11, 10), (12, 12), (11, 9)]);
        let later = note(&mut causes, &change(&[(3, 11)], false, 13, 5), 4);
        assert_eq!(later, [(11, 13)]);
        assert_eq!(note(&mut causes, &change(&[(3, 11)], true, 14, 5), 4), []);
    }

    #[test]
    fn the_span_covers_what_the_checks_need() {
        let default = span(&Pace::default());
        assert_eq!(default, Duration::from_millis(10_100));
        let slow = Pace {
            interval: Duration::from_secs(86_400),
            ..Pace::default()
        };
        assert_eq!(span(&slow), LONGEST);
    }

    #[test]
    fn ten_thousand_that_fall_together_cost_little_each() {
        let mut causes = Causes::default();
        causes.in_force(|_| true, 10_000);
        for number in 0..10_000u32 {
            let address: IpAddr = std::net::Ipv4Addr::from(0x0a00_0000 + number).into();
            let changed = Changed {
                address,
                members: Arc::from([(service(1), ServerKey { address, port: 80 })]),
                ..change(&[(1, 1)], false, 10, 9)
            };
            let excused = causes.note(&changed, |_| 10_000);
            assert!(excused.changes.len() <= 200);
        }
        assert_eq!(causes.all.down.open.len(), 0);
    }
}
