//! What an edit of the file does to the addresses, for people who decide.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use vrrp::Priority;

use super::{Announced, AnnouncedVia, Failover, Failovers, Held, VirtualRouter};

/// One consequence of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The section, as the file names it: `failover.front`.
    pub section: String,
    /// What happens.
    pub text: String,
    /// How grave it is.
    pub effect: Effect,
}

/// How grave a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// No address moves.
    None,
    /// Addresses come, go, or may move to another director.
    Moves,
    /// Directors with the old and the new file do not understand each other, so that both may
    /// become active. Refused without `--force`.
    Splits,
}

impl Effect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Moves, Self::Splits];

    /// The word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Moves => "moves",
            Self::Splits => "splits",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]: {}", self.section, self.text)
    }
}

/// Everything that an edit does to addresses, by section.
#[must_use]
pub fn changes(before: &Failovers, after: &Failovers) -> Vec<Change> {
    let mut found = Vec::new();
    failovers(before, after, &mut found);
    held(before, after, &mut found);
    announced(before, after, &mut found);
    found
}

/// The changes that need `--force`.
#[must_use]
pub fn splits(changes: &[Change]) -> Vec<&Change> {
    let is_split = |change: &&Change| change.effect == Effect::Splits;
    changes.iter().filter(is_split).collect()
}

fn failovers(before: &Failovers, after: &Failovers, into: &mut Vec<Change>) {
    let by_name = |all: &Failovers| -> BTreeMap<Arc<str>, Arc<Failover>> {
        let all = all.failovers.iter();
        all.map(|one| (Arc::clone(&one.name), Arc::clone(one)))
            .collect()
    };
    let (old, new) = (by_name(before), by_name(after));
    for (name, old) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        let mut say = Say::of("failover", name, into);
        say.moves(format!(
            "removed: this director gives up {}",
            listed(addresses(old))
        ));
    }
    for (name, new) in &new {
        let mut say = Say::of("failover", name, into);
        match old.get(name) {
            None => say.moves(format!(
                "new: this director takes part in {}, with priority {}",
                listed(addresses(new)),
                new.priority
            )),
            Some(old) if old != new => section(old, new, &mut say),
            Some(_) => {}
        }
    }
}

/// Collects the changes of one section.
struct Say<'c> {
    section: String,
    into: &'c mut Vec<Change>,
}

impl<'c> Say<'c> {
    fn of(kind: &str, name: &str, into: &'c mut Vec<Change>) -> Self {
        let section = format!("{kind}.{name}");
        Self { section, into }
    }

    fn push(&mut self, effect: Effect, text: String) {
        let change = Change {
            section: self.section.clone(),
            text,
            effect,
        };
        // The routers of both families have most settings in common.
        if !self.into.contains(&change) {
            self.into.push(change);
        }
    }

    fn moves(&mut self, text: String) {
        self.push(Effect::Moves, text);
    }

    fn splits(&mut self, text: String) {
        self.push(Effect::Splits, text);
    }

    fn quiet(&mut self, text: String) {
        self.push(Effect::None, text);
    }
}

fn section(old: &Failover, new: &Failover, say: &mut Say<'_>) {
    let by_key = |all: &Failover| -> BTreeMap<_, VirtualRouter> {
        let all = all.routers.iter();
        all.map(|router| (identity(router), router.clone()))
            .collect()
    };
    let (before, after) = (by_key(old), by_key(new));
    for (key, gone) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
        let same_place = |router: &&VirtualRouter| {
            (&router.interface, router.family) == (&key.0, key.1)
                && !before.contains_key(&identity(router))
        };
        match new.routers.iter().find(same_place) {
            Some(other) => say.splits(format!(
                "the id changes from {} to {} on `{}`: a director with the old id does not hear \
                 this one",
                gone.id, other.id, gone.interface
            )),
            None => say.moves(format!(
                "virtual router {} ({}) on `{}` is removed, with {}",
                gone.id,
                gone.family,
                gone.interface,
                listed(all(gone))
            )),
        }
    }
    for (key, new) in &after {
        match before.get(key) {
            Some(old) => router(old, new, say),
            None => say.moves(format!(
                "virtual router {} ({}) on `{}` is new, with {}",
                new.id,
                new.family,
                new.interface,
                listed(all(new))
            )),
        }
    }
    priority(old, new, say);
    let same_rest = |one: &Failover| Failover {
        routers: Vec::new(),
        priority: Priority::DEFAULT,
        name: Arc::from(""),
        ..one.clone()
    };
    if same_rest(old) != same_rest(new) {
        say.quiet("other settings change; no address moves by that".to_owned());
    }
}

fn identity(router: &VirtualRouter) -> (Arc<str>, vrrp::Family, vrrp::VirtualRouterId) {
    (Arc::clone(&router.interface), router.family, router.id)
}

fn router(old: &VirtualRouter, new: &VirtualRouter, say: &mut Say<'_>) {
    let id = new.id;
    if old.version != new.version {
        say.splits(format!(
            "router {id} changes from VRRP {} to {}: a director that still speaks the other one \
             discards its adverts",
            old.version, new.version
        ));
    }
    if old.auth != new.auth {
        say.splits(format!(
            "the password of router {id} changes: directors with another one discard its adverts"
        ));
    }
    match (old.is_unicast(), new.is_unicast()) {
        (true, false) => say.splits(format!(
            "router {id} changes from unicast to multicast: its peers listen for unicast"
        )),
        (false, true) => say.splits(format!(
            "router {id} changes from multicast to unicast: other directors listen for multicast"
        )),
        _ => peers(old, new, say),
    }
    if old.interval != new.interval {
        let text = format!(
            "router {id} sends every {} instead of every {}",
            new.interval, old.interval
        );
        match new.version {
            vrrp::Version::V2 => say.splits(format!(
                "{text}: in version 2, directors with another interval discard its adverts"
            )),
            vrrp::Version::V3 => say.quiet(text),
        }
    }
    virtual_mac(old, new, say);
    let (before, after): (BTreeSet<_>, BTreeSet<_>) = (all(old).collect(), all(new).collect());
    let added: Vec<_> = after.difference(&before).copied().collect();
    let removed: Vec<_> = before.difference(&after).copied().collect();
    if !added.is_empty() {
        say.moves(format!("adds {} to router {id}", listed(added.into_iter())));
    }
    if !removed.is_empty() {
        say.moves(format!(
            "removes {} from router {id}",
            listed(removed.into_iter())
        ));
    }
}

/// The addresses move to another interface of this machine, and clients have to learn.
fn virtual_mac(old: &VirtualRouter, new: &VirtualRouter, say: &mut Say<'_>) {
    let (id, mac) = (new.id, new.mac_text());
    match (old.virtual_interface(), new.virtual_interface()) {
        (None, Some(interface)) => say.quiet(format!(
            "router {id} gets the virtual MAC address {mac}: its addresses move to the interface \
             `{interface}` on this machine, and clients learn that"
        )),
        (Some(interface), None) => say.quiet(format!(
            "router {id} gives up the virtual MAC address {mac}: its addresses move from \
             `{interface}` to `{}`, and clients learn that",
            new.interface
        )),
        _ => {}
    }
}

/// Peers that stay silent because the file no longer names them.
fn peers(old: &VirtualRouter, new: &VirtualRouter, say: &mut Say<'_>) {
    let gone: Vec<_> = old
        .peers
        .iter()
        .filter(|peer| !new.peers.contains(peer))
        .collect();
    let came: Vec<_> = new
        .peers
        .iter()
        .filter(|peer| !old.peers.contains(peer))
        .collect();
    let id = new.id;
    if !came.is_empty() {
        say.quiet(format!(
            "router {id} has the new peers {}",
            listed(came.into_iter().copied())
        ));
    }
    if gone.is_empty() {
        return;
    }
    let stays = new.peers.iter().any(|peer| old.peers.contains(peer));
    let text = format!(
        "router {id} no longer hears {}",
        listed(gone.into_iter().copied())
    );
    if stays {
        say.quiet(text);
    } else {
        say.splits(format!("{text}, and none of its peers stays"));
    }
}

fn priority(old: &Failover, new: &Failover, say: &mut Say<'_>) {
    if old.priority == new.priority {
        return;
    }
    let (from, to) = (old.priority, new.priority);
    let moved = listed(addresses(new));
    say.moves(if to < from {
        format!(
            "the priority falls from {from} to {to}: this edit moves {moved} to the other \
             director if its priority is higher"
        )
    } else {
        format!(
            "the priority rises from {from} to {to}: this edit moves {moved} to this director if \
             the other's priority is lower"
        )
    });
}

fn held(before: &Failovers, after: &Failovers, into: &mut Vec<Change>) {
    let by_name = |all: &Failovers| -> BTreeMap<Arc<str>, Arc<Held>> {
        let all = all.held.iter();
        all.map(|one| (Arc::clone(&one.name), Arc::clone(one)))
            .collect()
    };
    let (old, new) = (by_name(before), by_name(after));
    let of = |held: Option<&Arc<Held>>| -> BTreeSet<(IpAddr, Arc<str>)> {
        let held = held.into_iter().flat_map(|held| {
            let on = |one: &super::VirtualAddress| {
                let own = one.interface.as_ref();
                (one.address, Arc::clone(own.unwrap_or(&held.interface)))
            };
            held.addresses.iter().map(on).collect::<Vec<_>>()
        });
        held.collect()
    };
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (before, after) = (of(old.get(name)), of(new.get(name)));
        let mut say = Say::of("address", name, into);
        for (address, interface) in after.difference(&before) {
            say.moves(format!("adds {address} to `{interface}`"));
        }
        for (address, interface) in before.difference(&after) {
            say.moves(format!("removes {address} from `{interface}`"));
        }
        if before == after && old.get(name) != new.get(name) {
            say.quiet("other settings change; no address moves by that".to_owned());
        }
    }
}

fn announced(before: &Failovers, after: &Failovers, into: &mut Vec<Change>) {
    let by_name = |all: &Failovers| -> BTreeMap<Arc<str>, Arc<Announced>> {
        let all = all.announced.iter();
        all.map(|one| (Arc::clone(&one.name), Arc::clone(one)))
            .collect()
    };
    let (old, new) = (by_name(before), by_name(after));
    for (name, old) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        let gone = listed(old.addresses.iter().copied());
        Say::of("announce", name, into).moves(format!("removed: this director withdraws {gone}"));
    }
    for (name, new) in &new {
        let mut say = Say::of("announce", name, into);
        let Some(old) = old.get(name) else {
            let all = listed(new.addresses.iter().copied());
            say.moves(format!(
                "new: this director announces {all} while its services are healthy"
            ));
            continue;
        };
        announcement(old, new, &mut say);
    }
}

fn announcement(old: &Announced, new: &Announced, say: &mut Say<'_>) {
    let (before, after): (BTreeSet<_>, BTreeSet<_>) = (
        old.addresses.iter().collect(),
        new.addresses.iter().collect(),
    );
    for address in after.difference(&before) {
        say.moves(format!("announces {address} as well"));
    }
    for address in before.difference(&after) {
        say.moves(format!("withdraws {address}"));
    }
    let place = |one: &Announced| (Arc::clone(&one.interface), one.via);
    if place(old) != place(new) {
        let described = |one: &Announced| match one.via {
            AnnouncedVia::Address => format!("addresses on `{}`", one.interface),
            AnnouncedVia::Route { table, metric, .. } => {
                format!("routes in table {table}, metric {metric}")
            }
        };
        let (before, after) = (described(old), described(new));
        let text = format!("{before} become {after}; the routing daemon has to be told");
        if before == after {
            say.quiet("the metric for too little health changes".to_owned());
        } else {
            say.moves(text);
        }
    }
    let rest = |one: &Announced| (one.follow.clone(), one.damping, one.linger);
    if rest(old) != rest(new) {
        say.quiet("other settings change; no address moves by that".to_owned());
    }
}

fn all(router: &VirtualRouter) -> impl Iterator<Item = IpAddr> + Clone {
    router.addresses.iter().map(|held| held.address)
}

fn addresses(failover: &Failover) -> impl Iterator<Item = IpAddr> {
    let routers = failover.routers.iter();
    let named = routers.flat_map(|router| router.addresses.iter().filter(|held| !held.derived));
    named.map(|held| held.address)
}

/// The most addresses in a message.
const SHOWN: usize = 4;

fn listed(addresses: impl Iterator<Item = IpAddr>) -> String {
    let all: Vec<_> = addresses.map(|address| address.to_string()).collect();
    let more = all.len().saturating_sub(SHOWN);
    let shown = all[..all.len().min(SHOWN)].join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
