//! What no answer of a source may do to a pool: pure functions of state, answer and time.
//!
//! ```text
//!   answer ─► refused? ─► the last list stays
//!      └─► wanted, once it is stable ─► joins now, leaves as the limits allow ─► in force
//! ```
//!
//! - **No answer is no list.** An error, silence, a list that breaks a limit and, without
//!   `allow_empty`, an empty one change nothing.
//! - **New servers join immediately**: their checks decide. **Removals are counted**: at most
//!   `max_removed` servers in any stretch of `removed_within`. The others leave later, and stay if the source
//!   lists them again.
//! - Removing a server that is down, or that already drains, harms no client and is not counted.
//! - A source that drains a server, with weight 0, says so of that one server: this is not counted. A
//!   list in which all servers drain counts as an empty one.
//! - **Weights follow in steps** (`weight_steps`), except to 0.
//! - A server that came and went too often leaves only once it has been absent for a while.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use self::steps::{hold, step};
use super::listed::{Answer, List, Listed, Place};
use crate::state::discovery::{Absent, Discovery};
use crate::state::health::{Threshold, WeightSteps};

/// A server that came or went more often than this within [`FLAP_WITHIN`] flaps.
const FLAPS: usize = 4;
const FLAP_WITHIN: Duration = Duration::from_secs(120);
/// How long a server that flaps must be absent before it leaves.
const FLAP_HOLD: Duration = Duration::from_secs(60);
/// How long a list stays refused that the service file had no place for.
const MISFIT_HOLD: Duration = Duration::from_secs(300);

/// A moment: the time since any fixed one.
pub(super) type Moment = Duration;

/// What the checks say of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Up,
    Down,
    /// It is not checked, or not yet.
    Unknown,
}

/// A pool's servers and what is to become of them.
#[derive(Debug)]
pub(super) struct Pool {
    rules: Discovery,
    /// In force.
    servers: BTreeMap<Place, Member>,
    /// The list that the servers approach; `None` before the first.
    wanted: Option<List>,
    pending: Option<Pending>,
    /// When servers left, within `removed_within`.
    left: VecDeque<Moment>,
    /// When the source began or ceased to list a server, within [`FLAP_WITHIN`].
    turns: BTreeMap<Place, VecDeque<Moment>>,
    /// The largest number of servers within `removed_within`, newest last; numbers fall.
    peaks: VecDeque<(Moment, usize)>,
    /// Why the last answer was rejected.
    refused: Option<String>,
    /// A list that the service file has no place for.
    misfit: Option<Misfit>,
}

/// A list that does not go together with the service file: two servers of one name, for example.
#[derive(Debug)]
struct Misfit {
    list: List,
    why: String,
    /// When it is tried again: the file may be another one by then.
    until: Moment,
}

/// A server in force.
#[derive(Debug, Clone)]
struct Member {
    listed: Listed,
    /// Since when the source does not list it.
    absent: Option<Moment>,
    /// When its weight changed last.
    stepped: Option<Moment>,
    /// Whether its weight has steps to go.
    is_stepping: bool,
}

/// A list that is not stable yet.
#[derive(Debug)]
struct Pending {
    list: List,
    first: Moment,
    last: Moment,
}

/// What changed in the list in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) joined: Vec<Place>,
    pub(super) left: Vec<Place>,
    /// Those whose weight, name or role changed.
    pub(super) altered: Vec<Place>,
}

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.joined.is_empty() && self.left.is_empty() && self.altered.is_empty()
    }
}

impl Pool {
    /// A pool with the list of an earlier process, if there is one.
    pub(super) fn new(rules: Discovery, list: Option<List>) -> Self {
        let servers = list.clone().unwrap_or_default().into_iter();
        let servers = servers.map(|(place, listed)| (place, Member::new(listed)));
        Self {
            rules,
            servers: servers.collect(),
            wanted: list,
            pending: None,
            left: VecDeque::new(),
            turns: BTreeMap::new(),
            peaks: VecDeque::new(),
            refused: None,
            misfit: None,
        }
    }

    /// Goes back to the list before, because the service file has no place for this one.
    pub(super) fn go_back(&mut self, before: List, why: String, now: Moment) {
        let list = self.wanted.replace(before.clone());
        let servers = before.into_iter();
        self.servers = servers
            .map(|(place, listed)| (place, Member::new(listed)))
            .collect();
        self.pending = None;
        self.refused = Some(why.clone());
        self.misfit = list.map(|list| Misfit {
            list,
            why,
            until: now + MISFIT_HOLD,
        });
    }

    /// Other limits from now on; the servers stay.
    pub(super) fn set_rules(&mut self, rules: Discovery) {
        self.rules = rules;
    }

    /// The list in force.
    pub(super) fn list(&self) -> List {
        let members = self.servers.iter();
        let listed = members.map(|(place, member)| (*place, member.listed.clone()));
        listed.collect()
    }

    /// The number of servers in force.
    pub(super) fn len(&self) -> usize {
        self.servers.len()
    }

    /// The servers in force that the source does not list.
    pub(super) fn absent(&self) -> impl Iterator<Item = Place> {
        let absent = self.servers.iter();
        let absent = absent.filter(|(_, member)| member.absent.is_some());
        absent.map(|(place, _)| *place)
    }

    /// Why the last answer was rejected.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Takes an answer in.
    pub(super) fn answer(&mut self, answer: Answer, now: Moment) {
        self.refused = None;
        let list = match self.checked(answer) {
            Ok(list) => list,
            Err(why) => {
                // A list that was waiting was one: it is taken when its time has come.
                self.refused = Some(why);
                return;
            }
        };
        let misfit = self.misfit.take_if(|it| it.list != list || now >= it.until);
        if let (Some(misfit), None) = (&self.misfit, misfit) {
            self.refused = Some(misfit.why.clone());
            return;
        }
        if self.wanted.as_ref() == Some(&list) {
            self.pending = None;
            return;
        }
        match &mut self.pending {
            Some(pending) if pending.list == list => {}
            Some(pending) => {
                pending.list = list;
                pending.last = now;
            }
            None => {
                self.pending = Some(Pending {
                    list,
                    first: now,
                    last: now,
                });
            }
        }
    }

    /// Does what is due.
    pub(super) fn act(&mut self, now: Moment, health: impl Fn(Place) -> Health) -> Change {
        self.forget(now);
        let settle = self.rules.settle;
        let is_due = |pending: &mut Pending| {
            now >= pending.last + settle.min || now >= pending.first + settle.max
        };
        let is_first = self.wanted.is_none();
        let mut change = Change::default();
        match self.pending.take_if(|pending| is_first || is_due(pending)) {
            Some(pending) => {
                self.turn(&pending.list, now);
                self.take(&pending.list, now, &mut change);
                self.wanted = Some(pending.list);
            }
            None => self.go_on(now, &mut change),
        }
        if self.wanted.is_none() {
            return Change::default();
        }
        self.note_size(now);
        for place in self.leaving(now) {
            let health = health(place);
            if self.rules.absent == Absent::WhileHealthy && health == Health::Up {
                continue;
            }
            let drains = self.servers.get(&place);
            let drains = drains.is_some_and(|member| !takes_clients(&member.listed));
            if health != Health::Down && !drains {
                if self.left.len() >= self.limit() {
                    continue;
                }
                self.left.push_back(now);
            }
            self.servers.remove(&place);
            change.left.push(place);
        }
        change
    }

    /// The list that the servers approach from now on.
    fn take(&mut self, wanted: &List, now: Moment, change: &mut Change) {
        for (place, listed) in wanted {
            match self.servers.get_mut(place) {
                Some(member) => {
                    if member.follow(listed, &self.rules.weight_steps, now) {
                        change.altered.push(*place);
                    }
                }
                None => {
                    // A port that is new, or no longer said: no other server.
                    let other = other_spelling(&self.servers, *place);
                    other.map(|other| self.servers.remove(&other));
                    self.servers.insert(*place, Member::new(listed.clone()));
                    match other {
                        Some(_) => change.altered.push(*place),
                        None => change.joined.push(*place),
                    }
                }
            }
        }
        self.give_up_names(change);
    }

    /// Between two lists only weights change that have steps to go.
    fn go_on(&mut self, now: Moment, change: &mut Change) {
        let Some(wanted) = &self.wanted else { return };
        let stepping = self.servers.iter_mut();
        for (place, member) in stepping.filter(|(_, member)| member.is_stepping) {
            let follows = wanted.get(place);
            if follows.is_some_and(|it| member.follow(it, &self.rules.weight_steps, now)) {
                change.altered.push(*place);
            }
        }
    }

    /// An absent server loses the name that another server has now.
    fn give_up_names(&mut self, change: &mut Change) {
        let is_named = |member: &Member| member.absent.is_some() && member.listed.name.is_some();
        if !self.servers.values().any(is_named) {
            return;
        }
        let listed = self
            .servers
            .values()
            .filter(|member| member.absent.is_none());
        let names: BTreeSet<String> = listed
            .filter_map(|member| member.listed.name.clone())
            .collect();
        let absent = self
            .servers
            .iter_mut()
            .filter(|(_, member)| member.absent.is_some());
        for (place, member) in absent {
            if member
                .listed
                .name
                .take_if(|name| names.contains(name))
                .is_some()
            {
                change.altered.push(*place);
            }
        }
    }

    /// Notes which servers the source begins and ceases to list.
    fn turn(&mut self, list: &List, now: Moment) {
        for (place, member) in &mut self.servers {
            let is_listed = list.contains_key(place);
            if is_listed == member.absent.is_none() {
                continue;
            }
            member.absent = (!is_listed).then_some(now);
            self.turns.entry(*place).or_default().push_back(now);
        }
        for place in list
            .keys()
            .filter(|place| !self.servers.contains_key(*place))
        {
            self.turns.entry(*place).or_default().push_back(now);
        }
    }

    /// The absent servers that may leave as far as they are concerned, the longest absent first.
    fn leaving(&self, now: Moment) -> Vec<Place> {
        let absent = self.servers.iter();
        let flaps = |place: &Place| {
            self.turns
                .get(place)
                .is_some_and(|turns| turns.len() > FLAPS)
        };
        let mut absent: Vec<(Moment, Place)> = absent
            .filter_map(|(place, member)| Some((member.absent?, *place)))
            .filter(|(since, place)| !flaps(place) || now >= *since + FLAP_HOLD)
            .collect();
        absent.sort_unstable();
        absent.into_iter().map(|(_, place)| place).collect()
    }

    /// The most servers that may leave within `removed_within`.
    fn limit(&self) -> usize {
        match self.rules.max_removed {
            Threshold::Count(most) => usize::try_from(most).unwrap_or(usize::MAX),
            share @ Threshold::Part(_) => {
                let base = self.peaks.front().map_or(0, |(_, size)| *size);
                share.of(base).max(1)
            }
        }
    }

    fn note_size(&mut self, now: Moment) {
        let size = self.servers.len();
        while self.peaks.back().is_some_and(|(_, peak)| *peak <= size) {
            self.peaks.pop_back();
        }
        self.peaks.push_back((now, size));
    }

    /// Forgets what is too long ago to count.
    fn forget(&mut self, now: Moment) {
        let within = self.rules.removed_within;
        let is_old = |at: &Moment| *at + within <= now;
        while self.left.front().is_some_and(is_old) {
            self.left.pop_front();
        }
        // A peak lasts until the next lower one begins.
        while self.peaks.get(1).is_some_and(|(next, _)| is_old(next)) {
            self.peaks.pop_front();
        }
        self.turns.retain(|_, turns| {
            while turns.front().is_some_and(|at| *at + FLAP_WITHIN <= now) {
                turns.pop_front();
            }
            !turns.is_empty()
        });
    }

    /// When something may be due without another answer; `None` if nothing waits.
    pub(super) fn next(&self, now: Moment) -> Option<Moment> {
        let settle = self.rules.settle;
        let pending = self.pending.as_ref();
        let pending =
            pending.map(|pending| (pending.last + settle.min).min(pending.first + settle.max));
        // Whether a server that is absent may leave also depends on its health.
        let waits = self.absent().next().is_some();
        let later = waits.then(|| now + Duration::from_secs(1));
        let steps = &self.rules.weight_steps;
        let steps = self
            .servers
            .values()
            .filter_map(|member| member.next(steps));
        pending.into_iter().chain(later).chain(steps).min()
    }
}

impl Member {
    fn new(listed: Listed) -> Self {
        Self {
            listed,
            absent: None,
            stepped: None,
            is_stepping: false,
        }
    }

    /// Becomes as listed, but for a weight that has steps to go. Returns whether anything changed.
    fn follow(&mut self, listed: &Listed, steps: &WeightSteps, now: Moment) -> bool {
        let before = self.listed.weight;
        let is_early = self.stepped.is_some_and(|at| now < at + steps.every);
        let weight = match is_early {
            true => hold(before, listed.weight),
            false => step(before, listed.weight, steps.step),
        };
        self.is_stepping = weight != listed.weight;
        if weight != before {
            self.stepped = Some(now);
        }
        let (is, should) = (&self.listed, listed);
        let changes =
            weight != is.weight || should.name != is.name || should.is_backup != is.is_backup;
        if changes {
            self.listed = Listed {
                weight,
                ..listed.clone()
            };
        }
        changes
    }

    /// When its weight takes its next step.
    fn next(&self, steps: &WeightSteps) -> Option<Moment> {
        let stepped = self.stepped.filter(|_| self.is_stepping)?;
        Some(stepped + steps.every)
    }
}

/// The server in force with the same address, if exactly one of the two places has a port. The other
/// one gets its port from the pool or the service, so both may mean the same server.
fn other_spelling(servers: &BTreeMap<Place, Member>, (address, port): Place) -> Option<Place> {
    let first = (address, None);
    let last = (address, Some(u16::MAX));
    let mut there = servers.range(first..=last).map(|(place, _)| *place);
    there.find(|(_, other)| other.is_some() != port.is_some())
}

/// Whether a server gets new clients as far as its source is concerned.
fn takes_clients(listed: &Listed) -> bool {
    listed.weight != Some(0)
}

/// A place as people write it.
pub fn shown((address, port): Place) -> String {
    match (address, port) {
        (address, None) => address.to_string(),
        (address, Some(port)) => SocketAddr::new(address, port).to_string(),
    }
}

mod checked;
mod steps;
#[cfg(test)]
mod tests;
