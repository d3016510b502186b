//! When a section may take over that waits for the connections of the active director.

use super::scenarios::{THREE, running};
use super::*;
use crate::control::failover::{
    FailoverCounters, FailoverRole, FailoverStatus, VirtualRouterStatus,
};
use crate::control::peer::{PeerStatus, Resync};
use crate::peers as channel;

const FILE: &str = "
[failover.front]
id = 51
interface = \"eth0\"
priority = 150
addresses = [\"192.0.2.10\"]
preempt = { when = \"synced\", deadline = \"2m\" }
[peer.b]
address = \"10.0.0.2\"
key_file = \"/etc/director/peer.key\"
resync = \"30s\"
";

pub(super) fn waiting() -> Sim {
    let mut sim = running(&format!("{THREE}{FILE}"));
    sim.role(FailoverRole::Backup);
    sim.seconds(2);
    assert_eq!(sim.may(), None);
    sim
}

impl Sim {
    /// The section's role changes.
    pub(super) fn role(&mut self, role: FailoverRole) {
        let router = VirtualRouterStatus {
            id: 51,
            version: 3,
            interface: "eth0".to_owned(),
            source: None,
            interval_ms: 1000,
            addresses: vec!["192.0.2.10".parse().unwrap()],
            virtual_mac: None,
            fault: None,
        };
        let status = FailoverStatus {
            name: Arc::from("front"),
            role,
            since: self.now.boot,
            why: Arc::from("a test"),
            declared_priority: 150,
            priority: 150,
            hold: None,
            set: None,
            peer: None,
            routers: Arc::from([router]),
            counters: Arc::new(FailoverCounters::default()),
        };
        self.handle(Input::Failover(runtime::Report::Status(Box::new(status))));
    }

    /// The peer's connections have been transferred, except for these.
    pub(super) fn transferred(&mut self, missing: u64, holds: bool) {
        let address = "10.0.0.2".parse().unwrap();
        let mut status = PeerStatus::new(&Arc::from("b"), address, 8849, self.now.boot);
        status.up = true;
        if holds {
            status.held.insert("192.0.2.10".parse().unwrap());
        }
        status.resync = Some(Resync {
            at: self.now.boot,
            entries: 200,
            missing,
            short: match missing {
                0 => Vec::new(),
                missing => vec![format!("{missing} of 200 missing at 10.0.0.11:80")],
            },
            whole: Some(true),
            took_ms: 10,
            refused: Vec::new(),
        });
        self.handle(Input::Peer(channel::Report::Status(Box::new(status))));
    }

    /// The peer hands the addresses over, or only holds them.
    pub(super) fn leaving(&mut self, leaving: bool) {
        let address = "10.0.0.2".parse().unwrap();
        let mut status = PeerStatus::new(&Arc::from("b"), address, 8849, self.now.boot);
        let front = "192.0.2.10".parse().unwrap();
        status.up = true;
        status.held.insert(front);
        if leaving {
            status.leaving.insert(front);
        }
        self.handle(Input::Peer(channel::Report::Status(Box::new(status))));
    }

    /// Whether the section may take over, as it was told last; and not before it was.
    fn may(&self) -> Option<bool> {
        let commands = self.told_failover.iter().rev();
        let mut told = commands.filter_map(|command| match command {
            runtime::Command::MayPreempt { may, .. } => Some(*may),
            _ => None,
        });
        told.next().filter(|may| *may)
    }
}

#[test]
fn a_section_takes_over_when_it_has_the_connections_of_the_active_one() {
    let mut sim = waiting();
    // Of another address, and not all of them.
    sim.transferred(0, false);
    assert_eq!(sim.may(), None);
    sim.transferred(3, true);
    assert_eq!(sim.may(), None);
    sim.transferred(0, true);
    assert_eq!(sim.may(), Some(true));
    let said = "`front` is caught up, 200 connections of `b`, counters and digest equal; it takes over \
                if its priority is higher";
    assert_eq!(sim.events("failover-synced"), [said]);
    // While it is active, it has nothing to wait for; afterwards they are stale.
    sim.role(FailoverRole::Active);
    sim.seconds(2);
    assert_eq!(sim.may(), None);
    sim.role(FailoverRole::Backup);
    sim.seconds(2);
    assert_eq!(sim.may(), None);
    sim.transferred(0, true);
    assert_eq!(sim.may(), Some(true));
    // The peer is gone, and what it sent grows old.
    sim.seconds(70);
    assert_eq!(sim.may(), None);
}

#[test]
fn a_section_takes_over_without_connections_after_its_deadline() {
    let mut sim = waiting();
    sim.seconds(100);
    assert_eq!(sim.may(), None);
    sim.transferred(11, true);
    sim.seconds(30);
    assert_eq!(sim.may(), Some(true));
    let said = "`front` reached its deadline of 2m: of the connections of `b`, 11 of 200 missing at \
                10.0.0.11:80; it takes over if its priority is higher";
    assert_eq!(sim.events("failover-synced"), [said]);
}
