//! Asks one peer, once a second: who holds what, what differs, and for its table where that helps.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use director_peer::served::Served;
use director_peer::wire::{Frame, Hello, Request, State};

use super::certificates::{Print, identity, print};
use super::greet::greet;
use super::link::{Link, PATIENCE};
use super::message::{Report, Tell};
use super::own::{Own, held, itself};
use super::relay::Followed;
use super::resync::{self, Outcome, RoleChanged};
use crate::apply::boot_time;
use crate::control::event::EventKind;
use crate::control::peer::{PeerStatus, Relay, Resync};
use crate::state::failover::Peer;
use crate::words::count;

/// The time between two questions.
const PACE: Duration = Duration::from_secs(1);

/// The same while this director is about to take over.
const HASTE: Duration = Duration::from_millis(100);

/// The pause before a second attempt to connect; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// The delay before a transfer that failed, or that was incomplete, is requested again.
const BEHIND: Duration = Duration::from_secs(10);

/// The time between two looks at how many connections it relays.
const COUNTED: Duration = Duration::from_secs(10);

/// The most services of a peer.
const SERVICES: usize = 200_000;

/// The most differences that are named.
const NAMED: usize = 8;

/// Asks, until another list of peers is declared.
pub(super) fn ask(
    peers: &Arc<[Arc<Peer>]>,
    peer: &Peer,
    own: &Own,
    generation: u64,
    followed: &Followed,
    tell: &Tell,
) {
    if itself(peers).is_some_and(|itself| itself.name == peer.name) {
        return;
    }
    let mut asking = Asking {
        peer,
        own,
        generation,
        followed,
        tell,
        status: PeerStatus::new(&peer.name, peer.address, peer.port, boot_time()),
        compared: None,
        tried: None,
        fetched: HashSet::new(),
        theirs: HashSet::new(),
        hurries: None,
        failed: None,
        is_behind: false,
        complained: false,
        counted: Instant::now(),
    };
    asking.show();
    let mut pause = FIRST_PAUSE;
    while own.is_current(generation) {
        match asking.session(peers) {
            Ok(End::Others) => return,
            Ok(End::Renewed) => continue,
            Err(why) if asking.status.up => {
                pause = FIRST_PAUSE;
                asking.down(&format!("{why:#}"));
            }
            Err(why) => {
                asking.down(&format!("{why:#}"));
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        thread::sleep(pause);
    }
}

/// Why a connection ends without a failure.
enum End {
    /// There is another list of peers.
    Others,
    /// There are other certificates.
    Renewed,
}

/// What is known of a peer.
struct Asking<'a> {
    peer: &'a Peer,
    own: &'a Own,
    generation: u64,
    followed: &'a Followed,
    tell: &'a Tell,
    status: PeerStatus,
    /// The digests that were compared last, ours and the peer's.
    compared: Option<(u64, u64)>,
    /// When its table was asked for last.
    tried: Option<Instant>,
    /// The addresses that it held then.
    fetched: HashSet<IpAddr>,
    /// The addresses that it alone held when it was asked last.
    theirs: HashSet<IpAddr>,
    /// When this director was last about to take over.
    hurries: Option<Instant>,
    /// When a transfer last failed.
    failed: Option<Instant>,
    /// Whether something was missing after that.
    is_behind: bool,
    /// Whether it was said that there is no sync daemon.
    complained: bool,
    /// When it was last shown how many connections it relays.
    counted: Instant,
}

impl Asking<'_> {
    fn show(&self) {
        (self.tell)(Report::Status(Box::new(self.status.clone())));
    }

    fn event(&self, kind: EventKind, text: &str) {
        let text = format!("`{}` {text}", self.peer.name);
        (self.tell)(Report::Event(kind, text));
    }

    fn down(&mut self, why: &str) {
        let was_up = self.status.up;
        if was_up || *self.status.reason != *why {
            if was_up || self.status.reason.is_empty() {
                self.event(EventKind::PeerDown, &format!("is not connected: {why}"));
            }
            if was_up {
                self.status.since = boot_time();
            }
            self.status.up = false;
            self.status.holds.clear();
            self.status.lowered.clear();
            self.status.leaving.clear();
            self.status.reason = why.to_owned();
            self.show();
        }
        // The next one may be another process with another table, and another version.
        self.followed.offer(false);
        self.count();
        (self.compared, self.tried) = (None, None);
    }

    /// One connection.
    fn session(&mut self, peers: &[Arc<Peer>]) -> anyhow::Result<End> {
        let mut files = print(self.peer);
        let (mut link, hello) = greet(peers, self.peer, self.own)?;
        self.status.version.clone_from(&hello.version);
        self.own.check(&hello).map_err(anyhow::Error::msg)?;
        self.up(&hello);
        while self.own.is_current(self.generation) {
            if self.has_renewed(&mut files) {
                return Ok(End::Renewed);
            }
            link.send(&Frame::Request(Request::State))?;
            let Frame::State(state) = link.receive(PATIENCE)? else {
                bail!("an answer to another question");
            };
            self.compare(&mut link, &state)?;
            self.note(&state);
            self.followed.offer(state.relays);
            self.count();
            self.fetch(&mut link, &state)?;
            if self.own.arrives(&self.theirs) {
                self.hurries = Some(Instant::now());
            }
            // Also for a while after that: what is new is wanted right after the takeover.
            let hurries = self.hurries.is_some_and(|since| since.elapsed() < BEHIND);
            thread::sleep(if hurries { HASTE } else { PACE });
        }
        Ok(End::Others)
    }

    /// Whether there are other certificates, with which to connect again. Those that cannot be used leave the
    /// connection as it is.
    fn has_renewed(&self, files: &mut Vec<Print>) -> bool {
        let now = print(self.peer);
        if now == *files {
            return false;
        }
        *files = now;
        let usable = identity(self.peer);
        if let Err(why) = &usable {
            let text = format!("stays connected, and could not connect again: {why:#}");
            self.event(EventKind::PeerRefused, &text);
        }
        usable.is_ok()
    }

    fn up(&mut self, hello: &Hello) {
        let own = env!("CARGO_PKG_VERSION");
        let version = if hello.version == own {
            String::new()
        } else {
            format!("; it has version {}, this director {own}", hello.version)
        };
        self.status.up = true;
        self.status.since = boot_time();
        self.status.reason = "connected".to_owned();
        self.event(EventKind::PeerUp, &format!("is connected{version}"));
        self.show();
    }

    /// What it holds, and how it is.
    fn note(&mut self, state: &State) {
        let sections = state.sections.iter();
        let said = sections.filter_map(|one| Some((one.addresses.iter(), one.lowered?)));
        let lowered = said.flat_map(|(all, by)| all.map(move |address| (*address, by)));
        let lowered: BTreeMap<IpAddr, u32> = lowered.collect();
        let holding = state.sections.iter().filter(|section| section.holds);
        let holds: Vec<String> = holding.map(|section| section.name.clone()).collect();
        let leaving = state.sections.iter().filter(|section| section.leaving);
        let leaving = leaving.flat_map(|section| section.addresses.iter().copied());
        let leaving: BTreeSet<IpAddr> = leaving.collect();
        if self.status.holds != holds
            || self.status.lowered != lowered
            || self.status.leaving != leaving
        {
            self.status.holds = holds;
            self.status.lowered = lowered;
            self.status.held = held(&state.sections).into_iter().collect();
            self.status.leaving = leaving;
            self.show();
        }
    }

    /// What it relays. What only grows is shown from time to time.
    fn count(&mut self) {
        let relay = self.followed.relay();
        let what = |relay: &Option<Relay>| {
            let relay = relay.as_ref();
            relay.map(|relay| (relay.up, relay.reason.clone(), relay.dropped > 0))
        };
        let is_new = what(&relay) != what(&self.status.relay);
        let is_due = self.counted.elapsed() >= COUNTED && relay != self.status.relay;
        if is_new || is_due {
            self.counted = Instant::now();
            self.status.relay = relay;
            self.show();
        }
    }

    /// Compares what both serve, if one of them has changed.
    fn compare(&mut self, link: &mut Link, state: &State) -> anyhow::Result<()> {
        let (own, digest) = self.own.served();
        if self.compared == Some((digest, state.served)) {
            return Ok(());
        }
        let mut differs = Vec::new();
        if digest != state.served {
            differs = own.differences(&services(link)?, NAMED);
        }
        self.compared = Some((digest, state.served));
        if self.status.differs != differs {
            if differs.is_empty() {
                self.event(
                    EventKind::PeerAgrees,
                    "serves the same as this director again",
                );
            } else {
                let text = format!("serves something else: {}", differs.join("; "));
                self.event(EventKind::PeerDiffers, &text);
            }
            self.status.differs = differs;
            self.show();
        }
        Ok(())
    }

    /// Gets its table, if it holds addresses that this director does not, and it is time.
    fn fetch(&mut self, link: &mut Link, state: &State) -> anyhow::Result<()> {
        let Some(period) = self.peer.resync else {
            return Ok(());
        };
        let own = self.own.held();
        let theirs: HashSet<IpAddr> = held(&state.sections).difference(&own).copied().collect();
        let before = std::mem::replace(&mut self.theirs, theirs.clone());
        let taken_over: HashSet<IpAddr> = before.intersection(&own).copied().collect();
        if !taken_over.is_empty() {
            self.catch(link, &taken_over)?;
        }
        let hurries = self.own.arrives(&theirs);
        if !hurries && self.failed.is_some_and(|failed| failed.elapsed() < BEHIND) {
            return Ok(());
        }
        // What is missing is wanted earlier.
        let period = if self.is_behind {
            period.min(BEHIND)
        } else {
            period
        };
        let is_due = hurries || self.tried.is_none_or(|tried| tried.elapsed() >= period);
        if theirs.is_empty() || !is_due && theirs.is_subset(&self.fetched) {
            return Ok(());
        }
        let Some(daemon) = resync::daemon()? else {
            if !std::mem::replace(&mut self.complained, true) {
                let text = "could send its connections, but this machine has no backup sync daemon: \
                            `sync = { role = \"backup\", interface = \"lo\" }`";
                self.event(EventKind::ResyncFailed, text);
            }
            return Ok(());
        };
        let is_first = self.tried.is_none();
        self.tried = Some(Instant::now());
        self.fetched = theirs;
        if is_first {
            self.event(EventKind::ResyncStarted, "sends its connections");
        }
        let start = Instant::now();
        let failed = match resync::resync(link, self.own, &daemon) {
            Ok(Ok(outcome)) => {
                self.done(&outcome, start.elapsed(), is_first);
                return Ok(());
            }
            Ok(Err(why)) => format!("sent no usable table: {why:#}"),
            // What is missing comes after the takeover.
            Err(why) if why.is::<RoleChanged>() => return Ok(()),
            Err(why) => format!("did not send all of its table: {why:#}"),
        };
        self.event(EventKind::ResyncFailed, &failed);
        self.failed = Some(Instant::now());
        self.status.failed = Some(format!("it {failed}"));
        self.show();
        bail!("it {failed}");
    }

    /// Gets what began there just before this director took these addresses over.
    fn catch(&mut self, link: &mut Link, taken_over: &HashSet<IpAddr>) -> anyhow::Result<()> {
        let Some(daemon) = resync::daemon()? else {
            return Ok(());
        };
        let caught = resync::late(link, self.own, &daemon, taken_over);
        (self.tell)(Report::Caught);
        let failed = match caught {
            Ok(Ok(outcome)) if outcome.entries == 0 => return Ok(()),
            Ok(Ok(outcome)) => {
                let text = format!(
                    "sent {} that began just before this director took over",
                    count(outcome.entries, "connection", "connections")
                );
                self.event(EventKind::ResyncDone, &text);
                return Ok(());
            }
            Ok(Err(why)) | Err(why) => why,
        };
        let text = format!("did not send what began before this director took over: {failed:#}");
        self.event(EventKind::ResyncFailed, &text);
        bail!("it {text}");
    }

    fn done(&mut self, outcome: &Outcome, took: Duration, is_first: bool) {
        let refused: Vec<String> = outcome.refused.clone();
        let resync = Resync {
            at: boot_time(),
            entries: outcome.entries,
            missing: outcome.missing,
            short: outcome.short.clone(),
            whole: outcome.proof.as_ref().map(|proof| proof.whole),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            refused,
        };
        self.is_behind = !resync.is_caught_up();
        (self.failed, self.status.failed) = (None, None);
        let proof = resync.proof();
        let before = self.status.resync.replace(resync);
        let said = before
            .is_some_and(|before| before.refused == outcome.refused && before.proof() == proof);
        if is_first || !said {
            let mut text = format!(
                "sent {}: {proof}",
                count(outcome.entries, "connection", "connections")
            );
            for refused in &outcome.refused {
                text += &format!("; {refused}");
            }
            self.event(EventKind::ResyncDone, &text);
        }
        self.show();
    }
}

/// All that a peer serves.
fn services(link: &mut Link) -> anyhow::Result<Served> {
    let mut served = Served::default();
    let mut after = None;
    loop {
        link.send(&Frame::Request(Request::Services { after }))?;
        let Frame::Services(page) = link.receive(PATIENCE)? else {
            bail!("an answer to another question");
        };
        after = page.services.keys().next_back().cloned();
        served.extend(page.services);
        if !page.more || after.is_none() {
            return Ok(served);
        }
        if served.len() > SERVICES {
            bail!("it says that it serves more than {SERVICES} services");
        }
    }
}
