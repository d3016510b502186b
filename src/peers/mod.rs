//! The channel between directors: it advises, VRRP alone decides.
//!
//! ```text
//!   core ─ Command ─► Own ◄──────┬─ ask.rs, a thread `peer-NAME` for each peer: once a second
//!    ▲                           │     └─► resync.rs ─► inject.rs ─► own backup daemon ◄─ relay/
//!    └─ Report ──────────────────┴─ answer.rs, a thread `peer-listen`, and one for each connection
//! ```
//!
//! - **No thread waits for a peer without a limit.** Every step on a connection has a deadline, and no other thread
//!   ever waits for these: a dead channel delays no takeover.
//! - **A peer can put into the table only what belongs to services and servers of this director**,
//!   and nothing while this director holds the address.
//! - Each director asks over the connection that it opened. What one of them knows of the other does
//!   not depend on the other direction.

mod answer;
mod ask;
mod certificates;
mod greet;
pub mod inject;
mod link;
mod message;
mod own;
pub mod reading;
mod relay;
mod resync;
pub mod table;
mod tls;

use std::sync::Arc;
use std::thread;

use director_peer::served::Served;

pub use message::{Command, Report};

use message::Tell;
use own::Own;
use relay::{Followed, Hub};

use crate::state::DesiredService;
use crate::state::failover::Peer;

/// The threads of peers, from the first file that declares one on. They end with the process: none
/// of them has anything to lose.
pub struct Running {
    own: Own,
    hub: Hub,
    tell: Tell,
}

impl Running {
    /// None yet.
    pub fn new(tell: impl Fn(Report) + Send + Sync + 'static) -> Self {
        Self {
            own: Own::new(),
            hub: Hub::default(),
            tell: Arc::new(tell),
        }
    }

    /// Takes a command; never blocks. Threads start in the network namespace of the caller.
    pub fn send(&self, command: Command) {
        match command {
            Command::Declare(peers, relays) => self.declare(&peers, relays),
            Command::Serve(services, private) => self.serve(services, private),
            Command::Hold(sections) => self.own.hold(sections),
            Command::Arrive(addresses) => self.own.arrive(addresses),
        }
    }

    fn declare(&self, peers: &Arc<[Arc<Peer>]>, relays: bool) {
        let generation = self.own.declare(peers, relays);
        if peers.is_empty() {
            return;
        }
        let (all, own, tell) = (Arc::clone(peers), self.own.clone(), Arc::clone(&self.tell));
        let hub = self.hub.clone();
        self.spawn("peer-listen", move || {
            answer::listen(&all, &own, generation, &hub, &tell);
        });

        for peer in peers.iter().cloned() {
            let (all, own, tell) = (Arc::clone(peers), self.own.clone(), Arc::clone(&self.tell));
            let followed = Followed::default();
            if relays {
                self.follow(peers, &peer, generation, &followed);
            }
            self.spawn(&format!("peer-{}", peer.name), move || {
                ask::ask(&all, &peer, &own, generation, &followed, &tell);
            });
        }
    }

    /// Takes what a peer relays. The thread of the director itself waits for an offer in vain.
    fn follow(&self, all: &Arc<[Arc<Peer>]>, peer: &Arc<Peer>, generation: u64, to: &Followed) {
        let (all, peer) = (Arc::clone(all), Arc::clone(peer));
        let (own, followed, tell) = (self.own.clone(), to.clone(), Arc::clone(&self.tell));
        self.spawn(&format!("relay-{}", peer.name), move || {
            relay::follow(&all, &peer, &own, generation, &followed, &tell);
        });
    }

    /// Digests of a large file take too long for the core.
    fn serve(&self, services: Vec<Arc<DesiredService>>, private: (u32, u32)) {
        let own = self.own.clone();
        self.spawn("peer-digest", move || {
            let mut served = Served::default();
            for service in services {
                let servers = service.servers.iter();
                served.add(&service.service, servers.map(|(_, server)| &server.server));
            }
            own.serve(Arc::new(served), private);
        });
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) {
        let started = thread::Builder::new().name(name.to_owned()).spawn(run);
        if let Err(why) = started {
            let text = format!("cannot start the thread `{name}`: {why}");
            let kind = crate::control::event::EventKind::PeerRefused;
            (self.tell)(Report::Event(kind, text));
        }
    }
}

#[cfg(test)]
mod certificate_tests;
#[cfg(test)]
mod other_versions;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod tests;
