//! The table of a peer into the own kernel.
//!
//! ```text
//!   entries ─► Intake: declared? held here? ─► messages ─► own backup daemon ─► own table
//!                                                   ▲                              │
//!                                                   └───────── missing ◄───────────┘
//! ```

use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use director_peer::incoming::{Intake, Refused, Taken};
use director_peer::wire::{Frame, Request};
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

/// What became of a table.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The entries that are in the own table now.
    pub(super) entries: u64,
    /// The entries that should be, and are not.
    pub(super) missing: u64,
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
    let (taken, left_out) = match receive(link, intake)? {
        Ok(received) => received,
        Err(why) => return Ok(Err(why)),
    };
    let (mut outcome, _) = (put(taken, own, daemon)?, ());
    outcome.refused.extend(left_out);
    Ok(Ok(outcome))
}

/// What a table is made of, and what the peer left out of it.
type Received = (Taken, Vec<String>);

fn receive(link: &mut Link, mut intake: Intake) -> anyhow::Result<anyhow::Result<Received>> {
    link.send(&Frame::Request(Request::Table))?;
    loop {
        match link.receive(PATIENCE * 6)? {
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
                let left_out = end.left_out.into_iter();
                let left_out = left_out.map(|(why, number)| format!("{number} {why} stay there"));
                return Ok(Ok((taken, left_out.take(8).collect())));
            }
            _ => bail!("an answer to another question"),
        }
    }
}

/// Puts entries into the own table, until all of them are there or it does not help any more.
fn put(mut taken: Taken, own: &Own, daemon: &SyncDaemon) -> anyhow::Result<Outcome> {
    let injector = Injector::open(daemon).context("cannot reach the own sync daemon")?;
    let held = own.held();
    let send = |messages: &[Vec<u8>]| -> anyhow::Result<()> {
        // An old state must never come over the table of an active director.
        if own.held() != held {
            bail!("this director's role changed during the transfer");
        }
        Ok(injector.send(messages)?)
    };
    send(&taken.messages)?;
    if !taken.expiring.is_empty() {
        send(&taken.expiring)?;
        thread::sleep(EXPIRY);
        send(&taken.deferred)?;
    }
    let mut missing = 0;
    for round in 0..ROUNDS {
        thread::sleep(SETTLE * 2_u32.pow(round));
        let found = taken.compare(table::own()?);
        missing = found.len();
        if missing == 0 || round + 1 == ROUNDS {
            break;
        }
        send(&taken.again(&found))?;
    }
    let refused = taken.refused().map(|(why, count, first)| match why {
        Refused::LeftOut(why) => format!("{count} {why} here are refused, the first one {first}"),
        Refused::Held => format!("{count} of addresses that this director holds are refused"),
    });
    let refused = refused.collect();
    let wanted = taken.len();
    Ok(Outcome {
        entries: (wanted - missing) as u64,
        missing: missing as u64,
        refused,
    })
}
