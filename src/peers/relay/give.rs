//! Sends a peer what the hub reads, over the connection on which it asked.

use std::time::{Duration, Instant};

use director_peer::wire::{ENTRIES, Frame, Relayed};
use ipvs_sync::{Encoder, Entry};

use super::super::link::Link;
use super::super::message::{Report, Tell};
use super::super::own::Own;
use super::Hub;
use super::hub::Subscription;
use crate::control::event::EventKind;
use crate::words::count;

/// The time between two words about what was sent.
const PERIOD: Duration = Duration::from_secs(1);

/// The time between two events.
const QUIET: Duration = Duration::from_secs(60);

/// Gives entries to a peer of this name, until another list of peers is declared.
pub(in crate::peers) fn give(
    link: &mut Link,
    own: &Own,
    generation: u64,
    hub: &Hub,
    name: &str,
    tell: &Tell,
) -> anyhow::Result<()> {
    if !own.relays() {
        return refuse(link, "it does not relay its connections");
    }
    let subscription = hub.subscribe(own)?;
    let mut relayed = Relayed::default();
    let mut drops = Drops::default();
    let mut said = None::<Instant>;
    while own.is_current(generation) {
        let now = Instant::now();
        if said.is_none_or(|at| now >= at + PERIOD) {
            said = Some(now);
            relayed.dropped = subscription.dropped();
            link.send(&Frame::Relayed(relayed))?;
            if let Some(text) = drops.note(relayed.dropped, now) {
                tell(Report::Event(
                    EventKind::RelayDropped,
                    format!("`{name}` did not get {text}"),
                ));
            }
        }
        match subscription.next(PERIOD) {
            Ok(Some(first)) => {
                let (message, entries) = message(first, &subscription);
                link.send_bytes(&Frame::of_entries(&message).unwrap_or_default())?;
                relayed.sent += entries;
            }
            Ok(None) => {}
            Err(why) => return refuse(link, &format!("{why:#}")),
        }
    }
    Ok(())
}

fn refuse(link: &mut Link, why: &str) -> anyhow::Result<()> {
    link.send(&Frame::Refused(why.to_owned()))?;
    anyhow::bail!("{why}")
}

/// A message of what waits, and how many entries it has.
pub(super) fn message(first: Entry, subscription: &Subscription) -> (Vec<u8>, u64) {
    let mut encoder = Encoder::new(0, ENTRIES);
    let mut entries = 0;
    let mut next = Some(first);
    while let Some(entry) = next {
        // What was decoded can be encoded, and this many entries fit.
        entries += u64::from(encoder.push(&entry).is_ok());
        next = (entries < MOST).then(|| subscription.more()).flatten();
    }
    (encoder.finish().unwrap_or_default(), entries)
}

/// The most entries of a message. An entry has 372 bytes at most.
pub(super) const MOST: u64 = 40;

/// When to say that entries were dropped.
#[derive(Debug, Default)]
pub(super) struct Drops {
    said: u64,
    quiet: Option<Instant>,
}

impl Drops {
    /// What to say, when this many were dropped until now.
    pub(super) fn note(&mut self, dropped: u64, now: Instant) -> Option<String> {
        if dropped == self.said || self.quiet.is_some_and(|until| now < until) {
            return None;
        }
        let more = dropped - std::mem::replace(&mut self.said, dropped);
        self.quiet = Some(now + QUIET);
        let more = count(more, "new connection", "new connections");
        Some(format!("{more}: it or this director is too slow"))
    }
}
