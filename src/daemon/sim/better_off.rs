//! Two directors that tell each other how they are: addresses move to the one that is better off.

use super::scenarios::{THREE, running};
use super::*;
use crate::control::failover::{
    FailoverCounters, FailoverRole, FailoverStatus, VirtualRouterStatus,
};
use crate::control::peer::PeerStatus;
use crate::peers as channel;

const FRONT: &str = "192.0.2.10";

fn file(priority: u8) -> String {
    format!(
        "{THREE}
[service.other]
listen = \"tcp://192.0.2.10:443\"
forward = \"nat\"
scheduler = \"rr\"
servers = [\"10.0.0.21\"]
[failover.front]
id = 51
interface = \"eth0\"
priority = {priority}
addresses = [\"{FRONT}\"]
follow = {{ services = [\"web\", \"other\"], step = 60, fall = 1, rise = 1 }}
[peer.other]
address = \"10.0.0.2\"
key_file = \"/etc/director/peer.key\"
"
    )
}

/// A director of the pair.
struct One {
    sim: Sim,
    declared: u8,
    holds: bool,
}

impl One {
    fn start(priority: u8) -> Self {
        let mut one = Self {
            sim: running(&file(priority)),
            declared: priority,
            holds: false,
        };
        one.role(FailoverRole::Backup);
        one
    }

    /// What is taken off its priority.
    fn lowered(&self) -> u8 {
        let mut told = self.sim.told_failover.iter().rev();
        let last = told.find_map(|command| match command {
            runtime::Command::Lower { by, .. } => Some(*by),
            _ => None,
        });
        u8::try_from(last.unwrap_or(0)).unwrap()
    }

    fn priority(&self) -> u8 {
        self.declared.saturating_sub(self.lowered()).max(1)
    }

    /// How its services are, as it tells its peer.
    fn told(&self) -> Option<u32> {
        let mut told = self.sim.told_peers.iter().rev();
        told.find_map(|command| match command {
            channel::Command::Hold(sections) => sections.first()?.lowered,
            _ => None,
        })
    }

    fn role(&mut self, role: FailoverRole) {
        self.holds = role == FailoverRole::Active;
        let router = VirtualRouterStatus {
            id: 51,
            version: 3,
            interface: "eth0".to_owned(),
            source: None,
            interval_ms: 1000,
            addresses: vec![FRONT.parse().unwrap()],
            virtual_mac: None,
            fault: None,
        };
        let status = FailoverStatus {
            name: Arc::from("front"),
            role,
            since: self.sim.now.boot,
            why: Arc::from("a test"),
            declared_priority: self.declared,
            priority: self.declared,
            hold: None,
            set: None,
            peer: None,
            routers: Arc::from([router]),
            counters: Arc::new(FailoverCounters::default()),
        };
        let report = runtime::Report::Status(Box::new(status));
        self.sim.handle(Input::Failover(report));
    }

    /// The other director says how it is; `None`: the connection is down.
    fn hears(&mut self, lowered: Option<u32>) {
        let address = "10.0.0.2".parse().unwrap();
        let mut status = PeerStatus::new(&Arc::from("other"), address, 8849, self.sim.now.boot);
        status.up = lowered.is_some();
        status.lowered = lowered
            .map(|by| (FRONT.parse().unwrap(), by))
            .into_iter()
            .collect();
        let report = channel::Report::Status(Box::new(status));
        self.sim.handle(Input::Peer(report));
    }
}

/// Two directors; the one with the higher priority holds the address.
struct Pair {
    directors: [One; 2],
    connected: bool,
    moves: u32,
}

impl Pair {
    fn start() -> Self {
        let mut pair = Self {
            directors: [One::start(150), One::start(100)],
            connected: true,
            moves: 0,
        };
        pair.seconds(10);
        assert!(pair.directors[0].holds);
        pair.moves = 0;
        pair
    }

    fn seconds(&mut self, seconds: u32) {
        for _ in 0..seconds {
            let told = [1, 0].map(|other: usize| self.directors[other].told());
            for (one, told) in self.directors.iter_mut().zip(told) {
                one.hears(told.filter(|_| self.connected));
                one.sim.seconds(1);
            }
            let [first, second] = [0, 1].map(|one: usize| self.directors[one].priority());
            let holder = usize::from(second > first);
            if !self.directors[holder].holds {
                self.moves += 1;
                self.directors[1 - holder].role(FailoverRole::Backup);
                self.directors[holder].role(FailoverRole::Active);
            }
        }
    }

    fn kill(&mut self, of: &[usize], servers: &[&str]) {
        for one in of {
            for server in servers {
                self.directors[*one].sim.kill(server);
            }
        }
    }

    fn revive(&mut self, of: &[usize], servers: &[&str]) {
        for one in of {
            for server in servers {
                self.directors[*one].sim.revive(server);
            }
        }
    }

    fn holder(&self) -> usize {
        usize::from(self.directors[1].holds)
    }
}

const WEB: [&str; 3] = ["10.0.0.11", "10.0.0.12", "10.0.0.13"];

#[test]
fn what_both_find_moves_no_address_whoever_finds_it_first() {
    for first in [0, 1] {
        let mut pair = Pair::start();
        pair.kill(&[first], &WEB);
        // The check of the other one came just before.
        pair.seconds(1);
        pair.kill(&[1 - first], &WEB);
        pair.seconds(60);
        assert_eq!((pair.moves, pair.holder()), (0, 0), "{first} first");
        pair.revive(&[0, 1], &WEB);
        pair.seconds(60);
        assert_eq!((pair.moves, pair.holder()), (0, 0), "{first} first");
    }
}

#[test]
fn addresses_move_once_to_the_director_that_is_better_off_and_once_back() {
    let mut pair = Pair::start();
    pair.kill(&[0], &WEB);
    pair.seconds(60);
    assert_eq!((pair.moves, pair.holder()), (1, 1));
    // The new one is not well either: it is the best of bad ones.
    pair.kill(&[1], &["10.0.0.21"]);
    pair.seconds(60);
    assert_eq!((pair.moves, pair.holder()), (1, 1));
    let kept = pair.directors[1].sim.events("failover-kept");
    assert_eq!(kept.len(), 1, "{kept:?}");
    pair.revive(&[0], &WEB);
    pair.seconds(60);
    assert_eq!((pair.moves, pair.holder()), (2, 0));
}

#[test]
fn without_a_connection_each_lowers_its_priority_by_its_own_health() {
    let mut pair = Pair::start();
    pair.connected = false;
    pair.kill(&[0], &WEB);
    // Two checks make a verdict, and health is looked at once a second.
    pair.seconds(4);
    assert_eq!((pair.moves, pair.holder()), (1, 1));
    // As soon as there is one, what a backup takes off stays.
    pair.connected = true;
    pair.kill(&[1], &WEB);
    pair.seconds(60);
    assert_eq!((pair.moves, pair.holder()), (1, 1));
}

#[test]
fn a_peer_that_holds_the_same_addresses_is_a_conflict_that_vrrp_does_not_see() {
    let mut one = One::start(150);
    one.role(FailoverRole::Active);
    let address = "10.0.0.2".parse().unwrap();
    let mut status = PeerStatus::new(&Arc::from("other"), address, 8849, one.sim.now.boot);
    status.up = true;
    status.held.insert(FRONT.parse().unwrap());
    let report =
        |status: &PeerStatus| Input::Peer(channel::Report::Status(Box::new(status.clone())));
    one.sim.handle(report(&status));
    // A takeover takes a moment.
    one.sim.seconds(3);
    assert_eq!(one.sim.events("failover-conflict"), [""; 0]);
    one.sim.seconds(60);
    let said = one.sim.events("failover-conflict");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("`other` holds 192.0.2.10 as well"),
        "{said:?}"
    );
    status.held.clear();
    one.sim.handle(report(&status));
    one.sim.seconds(2);
    assert_eq!(one.sim.events("failover-agrees").len(), 1);
}

/// Hours of failures, which both directors see a little apart: an address never leaves a director
/// that is as well off as the other one.
#[test]
fn for_hours_no_address_moves_to_a_director_that_is_no_better_off() {
    let mut pair = Pair::start();
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    let hours = super::cases(2);
    let groups: [&[&str]; 2] = [&WEB, &["10.0.0.21"]];
    for _ in 0..hours * 40 {
        let group = groups[usize::try_from(random(2)).unwrap()];
        let first = usize::try_from(random(2)).unwrap();
        let dies = random(2) == 0;
        for one in [first, 1 - first] {
            match dies {
                true => pair.kill(&[one], group),
                false => pair.revive(&[one], group),
            }
            pair.seconds(u32::try_from(random(2)).unwrap());
        }
        pair.seconds(88);
    }
    assert_eq!((pair.moves, pair.holder()), (0, 0));
}
