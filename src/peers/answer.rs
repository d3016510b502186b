//! Listens, and answers what peers ask.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use director_peer::wire::{Frame, NAMED, PAGE, Proof, Request, Services, TableEnd};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::certificates::identity;
use super::link::{Link, PATIENCE};
use super::message::{Report, Tell};
use super::own::{Own, itself};
use super::relay::{self, Hub};
use super::table;
use super::tls::Identity;
use crate::apply::boot_time;
use crate::control::event::EventKind;
use crate::state::BootTime;
use crate::state::failover::Peer;

/// The most connections of one peer: one on which it asks, one for the relay, and of each another one
/// that it has not noticed to be dead.
const CONNECTIONS: usize = 4;

/// A peer asks once a second; after this time without a request its connection is dead.
const IDLE: Duration = Duration::from_secs(30);

/// The pause after each answer: a hundred a second at most.
const PAUSE: Duration = Duration::from_millis(10);

/// The time between two attempts to listen, and between two events about strangers.
const RETRY: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_secs(60);

/// How often a thread looks whether it is still wanted.
const LOOK: u16 = 500;

/// The connections of each peer.
type Open = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Listens for these peers, until another list is declared.
pub(super) fn listen(peers: &Arc<[Arc<Peer>]>, own: &Own, generation: u64, hub: &Hub, tell: &Tell) {
    let mut said = String::new();
    let mut listener = None;
    let mut strangers = Strangers::default();
    let open = Open::default();
    while own.is_current(generation) {
        let Some(socket) = &listener else {
            match start(peers) {
                Ok(started) => listener = Some(started),
                Err(why) => {
                    let why = format!("does not listen for peers: {why:#}");
                    if said != why {
                        said.clone_from(&why);
                        tell(Report::Event(EventKind::PeerRefused, why));
                    }
                    thread::sleep(RETRY);
                }
            }
            continue;
        };
        let mut waits = [PollFd::new(TcpListener::as_fd(socket), PollFlags::POLLIN)];
        if !matches!(poll(&mut waits, PollTimeout::from(LOOK)), Ok(1..)) {
            continue;
        }
        let Ok((stream, from)) = socket.accept() else {
            thread::sleep(PAUSE);
            continue;
        };
        let Some(peer) = peers
            .iter()
            .find(|peer| peer.address == from.ip().to_canonical())
        else {
            strangers.note(from, "is no declared peer", tell);
            continue;
        };
        if !admit(&open, peer.address) {
            strangers.note(from, "has too many connections", tell);
            continue;
        }
        let (peer, place, tell) = (Arc::clone(peer), Arc::clone(&open), Arc::clone(tell));
        let address = peer.address;
        let serving = Serving {
            own: own.clone(),
            hub: hub.clone(),
            generation,
            name: Arc::clone(&peer.name),
            address,
            tell: Arc::clone(&tell),
        };
        let served = thread::Builder::new()
            .name("peer-answer".to_owned())
            .spawn(move || {
                let served = identity(&peer).and_then(|identity| serving.serve(stream, &identity));
                if let Err(why) = served {
                    // An end between two requests is normal.
                    if !is_closed(&why) {
                        let text = format!("refuses `{}` ({from}): {why:#}", peer.name);
                        tell(Report::Refused(address, text));
                    }
                }
                leave(&place, address);
            });
        if served.is_err() {
            leave(&open, address);
        }
    }
}

fn start(peers: &[Arc<Peer>]) -> anyhow::Result<TcpListener> {
    let Some(own) = itself(peers) else {
        bail!("no [peer.NAME] has an address of this machine");
    };
    identity(&own)?;
    Ok(TcpListener::bind((own.address, own.port))?)
}

pub(super) fn admit(open: &Open, address: IpAddr) -> bool {
    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
    let count = open.entry(address).or_default();
    let has_room = *count < CONNECTIONS;
    *count += usize::from(has_room);
    has_room
}

pub(super) fn leave(open: &Open, address: IpAddr) {
    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(count) = open.get_mut(&address) {
        *count = count.saturating_sub(1);
    }
}

/// Whether the other end has just gone.
pub(super) fn is_closed(why: &anyhow::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof};
    let kind = why
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind);
    matches!(
        kind,
        Some(UnexpectedEof | ConnectionReset | BrokenPipe | TimedOut)
    )
}

/// Events about others, not more than one a minute.
#[derive(Default)]
struct Strangers {
    until: Option<Instant>,
}

impl Strangers {
    fn note(&mut self, from: SocketAddr, what: &str, tell: &Tell) {
        let now = Instant::now();
        if self.until.is_some_and(|until| now < until) {
            return;
        }
        self.until = Some(now + QUIET);
        let text = format!("refuses a connection: {from} {what}");
        tell(Report::Event(EventKind::PeerRefused, text));
    }
}

/// What connections of a peer need.
pub(super) struct Serving {
    pub(super) own: Own,
    pub(super) hub: Hub,
    pub(super) generation: u64,
    pub(super) name: Arc<str>,
    pub(super) address: IpAddr,
    pub(super) tell: Tell,
}

impl Serving {
    /// One connection.
    pub(super) fn serve(&self, stream: TcpStream, identity: &Identity) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let own = &self.own;
        let mut link = Link::server(stream, identity)?;
        let Frame::Hello(hello) = link.receive(PATIENCE)? else {
            bail!("it does not begin with a hello");
        };
        if let Err(why) = own.check(&hello) {
            link.send(&Frame::Refused(why.clone()))?;
            bail!(why);
        }
        link.send(&Frame::Hello(own.hello()))?;
        let mut table: Option<BootTime> = None;
        let mut rest = Instant::now();
        while own.is_current(self.generation) {
            let Frame::Request(request) = link.receive(IDLE)? else {
                bail!("it sends something else than requests");
            };
            // It asks the next question once the last answer is in its own table.
            if let Some(asked) = table.take() {
                self.told(asked, true);
            }
            match request {
                Request::State => link.send(&Frame::State(own.state()))?,
                Request::Services { after } => {
                    let (served, _) = own.served();
                    let (services, more) = served.page(after.as_deref(), PAGE);
                    link.send(&Frame::Services(Services { services, more }))?;
                }
                Request::Table => {
                    // A table costs the kernel most: half of the time at most.
                    thread::sleep(rest.saturating_duration_since(Instant::now()));
                    let (asked, start) = (boot_time(), Instant::now());
                    self.told(asked, false);
                    let end = send_table(&mut link, own)?;
                    link.send(&Frame::TableEnd(end))?;
                    table = Some(asked);
                    rest = Instant::now() + start.elapsed();
                }
                Request::Relay => {
                    let Self {
                        hub, name, tell, ..
                    } = self;
                    return relay::give(&mut link, own, self.generation, hub, name, tell);
                }
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// The peer asks for the table, or has it.
    fn told(&self, asked: BootTime, done: bool) {
        (self.tell)(Report::Told {
            to: self.address,
            asked,
            done,
        });
    }
}

/// Sends the table, as fast as the peer takes it.
fn send_table(link: &mut Link, own: &Own) -> anyhow::Result<TableEnd> {
    let mut end = TableEnd {
        entries: 0,
        left_out: std::collections::BTreeMap::new(),
        failed: None,
        proof: None,
    };
    let mut broken = None;
    let told = table::known(own.is_private()).and_then(|known| {
        table::tell(&known, |message| {
            let frame = Frame::of_entries(&message).unwrap_or_default();
            broken = link.send_bytes(&frame).err();
            broken.is_none()
        })
    });
    if let Some(why) = broken {
        return Err(why);
    }
    match told {
        Ok(told) => {
            end.entries = told.entries;
            end.proof = Some(Proof {
                digest: told.digest.value(),
                whole: told.is_whole,
                short: told.short.into_iter().take(NAMED).collect(),
            });
            let left_out = told.left_out.iter();
            end.left_out = left_out
                .map(|(why, count)| (why.to_string(), *count))
                .collect();
        }
        Err(why) => end.failed = Some(why.to_string()),
    }
    Ok(end)
}
