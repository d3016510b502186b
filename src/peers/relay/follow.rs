//! Takes what a peer relays, and puts it into the own table.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use director_peer::outgoing::Known;
use director_peer::wire::{Frame, Request};
use ipvs_sync::{Encoder, Entry};

use super::super::greet::greet;
use super::super::inject::Injector;
use super::super::link::PATIENCE;
use super::super::message::{Report, Tell};
use super::super::own::Own;
use super::super::{resync, table};
use crate::apply::boot_time;
use crate::control::event::EventKind;
use crate::control::peer::Relay;
use crate::state::failover::Peer;

/// The time between two looks whether the peer offers to relay, and between two attempts.
const LOOK: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_secs(2);

/// How long the own services are taken to be as they were; and how long at least, when something is
/// refused that they may have by now.
const FRESH: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(1);

/// Shared with the thread that asks the peer for its state.
#[derive(Debug, Clone, Default)]
pub(in crate::peers) struct Followed {
    is_offered: Arc<AtomicBool>,
    relay: Arc<Mutex<Option<Relay>>>,
}

impl Followed {
    /// The peer says whether it relays.
    pub(in crate::peers) fn offer(&self, relays: bool) {
        self.is_offered.store(relays, Ordering::Relaxed);
        let mut relay = self.lock();
        if relays && relay.is_none() {
            *relay = Some(Relay {
                up: false,
                since: boot_time(),
                reason: "it has just offered to".to_owned(),
                entries: 0,
                refused: 0,
                dropped: 0,
            });
        } else if !relays && relay.as_ref().is_some_and(|relay| !relay.up) {
            *relay = None;
        }
    }

    /// What comes.
    pub(in crate::peers) fn relay(&self) -> Option<Relay> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Relay>> {
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_offered(&self) -> bool {
        self.is_offered.load(Ordering::Relaxed)
    }

    fn update(&self, change: impl FnOnce(&mut Relay)) {
        if let Some(relay) = &mut *self.lock() {
            change(relay);
        }
    }
}

/// Follows a peer while it offers to relay, until another list of peers is declared.
pub(in crate::peers) fn follow(
    peers: &[Arc<Peer>],
    peer: &Peer,
    own: &Own,
    generation: u64,
    followed: &Followed,
    tell: &Tell,
) {
    while own.is_current(generation) {
        if !followed.is_offered() {
            thread::sleep(LOOK);
            continue;
        }
        let failed = session(peers, peer, own, generation, followed, tell).err();
        let why = failed.map_or(String::new(), |why| format!("{why:#}"));
        let mut was_up = false;
        followed.update(|relay| {
            was_up = std::mem::replace(&mut relay.up, false);
            if was_up || relay.reason != why {
                (relay.since, relay.reason) = (boot_time(), why.clone());
            }
        });
        if was_up && own.is_current(generation) {
            let text = format!("`{}` does not relay its connections: {why}", peer.name);
            tell(Report::Event(EventKind::RelayStopped, text));
        }
        thread::sleep(PAUSE);
    }
}

/// One connection.
fn session(
    peers: &[Arc<Peer>],
    peer: &Peer,
    own: &Own,
    generation: u64,
    followed: &Followed,
    tell: &Tell,
) -> anyhow::Result<()> {
    let (mut intake, mut rate) = (Intake::new(own)?, Rate::new(Instant::now()));
    let (mut link, hello) = greet(peers, peer, own)?;
    own.check(&hello).map_err(anyhow::Error::msg)?;
    link.send(&Frame::Request(Request::Relay))?;
    while own.is_current(generation) {
        match link.receive(PATIENCE)? {
            Frame::Entries(entries) => {
                let may = rate.take(entries.len(), Instant::now());
                let taken = intake.take(&entries[..may], own)?;
                let refused = entries.len() as u64 - taken;
                followed.update(|relay| {
                    relay.entries += taken;
                    relay.refused += refused;
                });
            }
            Frame::Relayed(relayed) => {
                let mut is_first = false;
                followed.update(|relay| {
                    is_first = !std::mem::replace(&mut relay.up, true);
                    if is_first {
                        (relay.since, relay.reason) = (boot_time(), "connected".to_owned());
                    }
                    relay.dropped = relayed.dropped;
                });
                if is_first {
                    let text = format!("`{}` relays its new connections", peer.name);
                    tell(Report::Event(EventKind::RelayStarted, text));
                }
                // Also when nothing comes, the daemon may be another one by now.
                intake.freshen(own, FRESH)?;
            }
            _ => bail!("an answer to another question"),
        }
    }
    Ok(())
}

/// How many entries a peer may send: a table must not fill faster than a busy director fills it.
#[derive(Debug)]
pub(super) struct Rate {
    since: Instant,
    left: usize,
}

impl Rate {
    /// The most entries in a second.
    pub(super) const MOST: usize = 100_000;

    pub(super) const fn new(now: Instant) -> Self {
        Self {
            since: now,
            left: Self::MOST,
        }
    }

    /// How many of these entries may come.
    pub(super) fn take(&mut self, wanted: usize, now: Instant) -> usize {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        let taken = wanted.min(self.left);
        self.left -= taken;
        taken
    }
}

/// The way into the own table.
struct Intake {
    known: Known,
    injector: Injector,
    encoder: Encoder,
    read: Instant,
}

impl Intake {
    fn new(own: &Own) -> anyhow::Result<Self> {
        let daemon = resync::daemon()?.context("this machine has no backup sync daemon")?;
        Ok(Self {
            known: table::known(own.is_private())?,
            injector: Injector::open(&daemon).context("cannot reach the own sync daemon")?,
            encoder: Encoder::new(daemon.sync_id.0, Encoder::ETHERNET),
            read: Instant::now(),
        })
    }

    /// Reads services and daemon again, if they were read longer ago than this.
    fn freshen(&mut self, own: &Own, age: Duration) -> anyhow::Result<()> {
        if self.read.elapsed() >= age {
            *self = Self::new(own)?;
        }
        Ok(())
    }

    /// Puts entries into the table. Returns how many.
    fn take(&mut self, entries: &[Entry], own: &Own) -> anyhow::Result<u64> {
        self.freshen(own, FRESH)?;
        if entries
            .iter()
            .any(|entry| self.known.admits(entry).is_err())
        {
            self.freshen(own, AGAIN)?;
        }
        let held = own.held();
        let (messages, taken) = admitted(entries, &self.known, &held, &mut self.encoder);
        self.injector.send(&messages)?;
        Ok(taken)
    }
}

/// The messages for the own daemon: of what is declared here, and not held here. An entry that this
/// director has made itself is newer than what a peer says of it.
pub(super) fn admitted(
    entries: &[Entry],
    known: &Known,
    held: &std::collections::HashSet<std::net::IpAddr>,
    encoder: &mut Encoder,
) -> (Vec<Vec<u8>>, u64) {
    let (mut messages, mut taken) = (Vec::new(), 0);
    for entry in entries {
        if held.contains(&entry.virtual_service.ip()) || known.admits(entry).is_err() {
            continue;
        }
        if let Ok(full) = encoder.push(entry) {
            messages.extend(full);
            taken += 1;
        }
    }
    messages.extend(encoder.finish());
    (messages, taken)
}
