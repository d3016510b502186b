//! The table of a peer into the own kernel.
//!
//! ```text
//!   entries ─► Intake: declared? held here? ─► messages ─► own backup daemon ─► own table
//!                                                   ▲                              │
//!                                                   └──── missing, uncounted ◄──────┘
//! ```
//!
//! Four facts together make a director caught up, each with its own way to fail:
//!
//! - the peer's kernel counts no more entries of a server than the peer read (`table.rs`, `reading.rs`);
//! - the digest of what came is that of what was sent;
//! - every entry that was taken is in the own table, with the same server;
//! - the own kernel counts as many of each server: none is there without its server.
//!
//! What is younger than the peer's reading, or ends within seconds, does not count.

use std::collections::HashSet;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use director_peer::counts::Short;
use director_peer::incoming::{Intake, Missing, Refused, Taken};
use director_peer::wire::{Frame, NAMED, Proof, Request};
use ipvs::{Client, SyncDaemon};

use super::inject::{Injector, backup};
use super::link::{Link, PATIENCE};
use super::own::Own;
use super::table;
use crate::words::count;

/// How often what is missing is sent again.
const ROUNDS: u32 = 4;

/// The time that the daemon has until the table is read; doubled each round.
const SETTLE: Duration = Duration::from_millis(100);

/// The time after which a template with a timeout of a second is gone.
const EXPIRY: Duration = Duration::from_millis(2500);

/// The longest time for a table, which a slow peer must not stretch frame by frame.
const WHOLE: Duration = Duration::from_secs(600);

/// The entries were for a backup, or for an active director, and this one is that no longer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("this director's role changed during the transfer")]
pub(super) struct RoleChanged;

/// What became of a table.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The entries that are in the own table now.
    pub(super) entries: u64,
    /// The entries that should be, and are not.
    pub(super) missing: u64,
    /// Where entries are missing, for people.
    pub(super) short: Vec<String>,
    /// What the peer says that proves its table; none from an older version.
    pub(super) proof: Option<Proof>,
    /// What was refused, for people.
    pub(super) refused: Vec<String>,
}

/// The running backup daemon.
pub(super) fn daemon() -> anyhow::Result<Option<SyncDaemon>> {
    let daemons = Client::connect()?.daemons()?;
    Ok(backup(&daemons).copied())
}

/// Gets the table of a peer. The inner error: its table cannot be used.
pub(super) fn resync(
    link: &mut Link,
    own: &Own,
    daemon: &SyncDaemon,
) -> anyhow::Result<anyhow::Result<Outcome>> {
    let known = table::known(own.is_private())?;
    let intake = Intake::new(known, own.held(), daemon.sync_id.0, table::templates()?);
    transfer(link, intake, own, daemon)
}

/// Gets what began on a peer just before this director took these addresses over: what the own table
/// lacks. The inner error: its table cannot be used.
pub(super) fn late(
    link: &mut Link,
    own: &Own,
    daemon: &SyncDaemon,
    taken_over: &HashSet<IpAddr>,
) -> anyhow::Result<anyhow::Result<Outcome>> {
    let known = table::known(own.is_private())?;
    let held = own.held().difference(taken_over).copied().collect();
    let intake = Intake::new(known, held, daemon.sync_id.0, table::templates()?);
    transfer(link, intake.beside(table::own()?), own, daemon)
}

fn transfer(
    link: &mut Link,
    intake: Intake,
    own: &Own,
    daemon: &SyncDaemon,
) -> anyhow::Result<anyhow::Result<Outcome>> {
    let held = own.held();
    let received = match receive(link, intake)? {
        Ok(received) => received,
        Err(why) => return Ok(Err(why)),
    };
    let Received {
        taken,
        proof,
        left_out,
    } = received;
    let mut outcome = put(taken, own, &held, daemon)?;
    outcome.refused.extend(left_out);
    let short = proof.iter().flat_map(|proof| &proof.short);
    outcome.short.extend(short.map(|short| {
        let Short {
            server,
            missing,
            of,
        } = short;
        format!("{missing} of {of} at {server} were not read there")
    }));
    outcome.proof = proof;
    Ok(Ok(outcome))
}

/// A table that came.
#[derive(Debug)]
pub(super) struct Received {
    taken: Taken,
    pub(super) proof: Option<Proof>,
    /// What the peer left out, for people.
    left_out: Vec<String>,
}

pub(super) fn receive(
    link: &mut Link,
    mut intake: Intake,
) -> anyhow::Result<anyhow::Result<Received>> {
    link.send(&Frame::Request(Request::Table))?;
    let until = Instant::now() + WHOLE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match link.receive(left.min(PATIENCE * 6))? {
            Frame::Entries(entries) => {
                for entry in entries {
                    if let Err(why) = intake.take(entry) {
                        return Ok(Err(why.into()));
                    }
                }
            }
            Frame::TableEnd(end) => {
                let taken = intake.finish();
                if let Some(why) = end.failed {
                    return Ok(Err(
                        anyhow::Error::msg(why).context("it cannot read its table")
                    ));
                }
                if end.entries != taken.received() {
                    let came = count(taken.received(), "entry", "entries");
                    return Ok(Err(anyhow::anyhow!("{came} came of {}", end.entries)));
                }
                let digest = taken.digest().value();
                if end
                    .proof
                    .as_ref()
                    .is_some_and(|proof| proof.digest != digest)
                {
                    return Ok(Err(anyhow::anyhow!(
                        "what came is not what its digest is of"
                    )));
                }
                let left_out = end.left_out.into_iter();
                let left_out = left_out.map(|(why, number)| format!("{number} {why} stay there"));
                return Ok(Ok(Received {
                    taken,
                    proof: end.proof,
                    left_out: left_out.take(NAMED).collect(),
                }));
            }
            _ => bail!("an answer to another question"),
        }
    }
}

/// Puts entries into the own table, until all of them are there or it does not help any more.
fn put(
    mut taken: Taken,
    own: &Own,
    held: &HashSet<IpAddr>,
    daemon: &SyncDaemon,
) -> anyhow::Result<Outcome> {
    let injector = Injector::open(daemon).context("cannot reach the own sync daemon")?;
    let send = |messages: &[Vec<u8>]| -> anyhow::Result<()> {
        // An old state must never come over the table of an active director.
        if own.held() != *held {
            bail!(RoleChanged);
        }
        Ok(injector.send(messages)?)
    };
    send(&taken.messages)?;
    if !taken.expiring.is_empty() {
        send(&taken.expiring)?;
        thread::sleep(EXPIRY);
        send(&taken.deferred)?;
    }
    let (mut missing, mut short) = (taken.all(), Vec::new());
    for round in 0..ROUNDS {
        thread::sleep(SETTLE * 2_u32.pow(round));
        taken.find(&mut missing, table::own()?);
        // An entry without a server is in the table, and the kernel does not count it.
        short = table::counted()?.short_of(taken.counts());
        if missing.is_empty() && short.is_empty() || round + 1 == ROUNDS {
            break;
        }
        let servers: Vec<IpAddr> = short.iter().map(|short| short.server).collect();
        send(&taken.again(&missing, &servers))?;
    }
    let refused = taken.refused().map(|(why, count, first)| match why {
        Refused::LeftOut(why) => format!("{count} {why} here are refused, the first one {first}"),
        Refused::Held => format!("{count} of addresses that this director holds are refused"),
    });
    let refused = refused.collect();
    let wanted = taken.len();
    Ok(Outcome {
        entries: (wanted - missing.len()) as u64,
        missing: missing.len() as u64,
        short: said(&taken, &missing, &short),
        proof: None,
        refused,
    })
}

/// Where entries are missing: those that are not in the table, or else those that the kernel does not
/// count.
fn said(taken: &Taken, missing: &Missing, short: &[Short]) -> Vec<String> {
    let missing = taken.missing_at(missing).into_iter();
    let missing = missing.map(|(server, (lost, of))| format!("{lost} of {of} missing at {server}"));
    let said: Vec<String> = missing.take(NAMED).collect();
    if !said.is_empty() {
        return said;
    }
    let short = short.iter().take(NAMED).map(|short| {
        let Short {
            server,
            missing,
            of,
        } = short;
        format!("{missing} of {of} without their server {server}")
    });
    short.collect()
}
