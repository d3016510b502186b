//! Routers, the network between them, and the order of events.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vrrp::codec::{Datagram, MULTICAST_V4, MULTICAST_V6};
use vrrp::machine::{Action, Config, Input, Machine, Member, Phase, State};
use vrrp::{Auth, Family, Interval, Password, Version, VirtualRouterId};

use super::chance::Chance;

/// What all routers of a world speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    V2,
    V3,
    V6,
}

/// Router `node`'s side of virtual router `member`. On the second link the order of addresses is
/// the opposite one.
pub(crate) fn member(kind: Kind, node: u8, member: u8, interval: Interval) -> Member {
    let last = if member == 0 { node + 1 } else { 100 - node };
    let id = VirtualRouterId::new(51 + member).unwrap();
    let mut settings = match kind {
        Kind::V6 => {
            let first: Ipv6Addr = "fe80::100".parse().unwrap();
            let source: Ipv6Addr = format!("fe80::{member}:{last}").parse().unwrap();
            Member::new(id, source.into(), [first].into_iter().collect())
        }
        Kind::V2 | Kind::V3 => {
            let addresses = [Ipv4Addr::new(192, 0, 2, 10)].into_iter().collect();
            Member::new(id, Ipv4Addr::new(10, 0, member, last).into(), addresses)
        }
    };
    settings.interval = interval;
    if kind == Kind::V2 {
        settings.version = Version::V2;
        settings.auth = Auth::Password(Password::new("1111").unwrap());
    }
    settings
}

/// How links behave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) delay: Duration,
    /// How late a router may be with a timer.
    pub(crate) lateness: Duration,
    pub(crate) loss: u8,
    pub(crate) duplicates: u8,
}

pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) machine: Option<Machine>,
    /// The addresses are on its interface.
    pub(crate) holds: bool,
    /// Stopped by a signal; packets wait in its socket.
    pub(crate) paused: bool,
    /// The whole machine is paused: packets are lost.
    pub(crate) asleep: bool,
    /// Its firewall refuses adverts.
    pub(crate) mute: bool,
    inbox: Vec<Packet>,
    pub(crate) changes: u32,
}

impl Node {
    /// Holds the addresses and says so, or is about to hand over.
    pub(crate) fn is_active(&self) -> bool {
        self.machine.as_ref().is_some_and(|machine| {
            machine.state() == State::Active && !matches!(machine.phase(), Phase::Lingering { .. })
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    member: usize,
    source: IpAddr,
    bytes: Vec<u8>,
}

/// In this order when they come at the same time: packets before timers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Deliver { to: usize, packet: Packet },
    Timer { node: usize },
}

pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) nodes: Vec<Node>,
    pub(crate) weather: Weather,
    /// From, to, member: nothing passes.
    pub(crate) cuts: Vec<(usize, usize, usize)>,
    chance: Chance,
    events: BinaryHeap<Reverse<(Duration, Event)>>,
    /// Since when more than one is active; since when none holds the addresses.
    overlap: Option<Duration>,
    gap: Option<Duration>,
    pub(crate) longest_overlap: Duration,
    pub(crate) longest_gap: Duration,
}

impl World {
    pub(crate) fn new(configs: Vec<Config>, weather: Weather, seed: u64) -> Self {
        let nodes = configs.into_iter().map(|config| Node {
            config,
            machine: None,
            holds: false,
            paused: false,
            asleep: false,
            mute: false,
            inbox: Vec::new(),
            changes: 0,
        });
        Self {
            now: Duration::from_secs(1),
            nodes: nodes.collect(),
            weather,
            cuts: Vec::new(),
            chance: Chance(seed),
            events: BinaryHeap::new(),
            overlap: None,
            gap: None,
            longest_overlap: Duration::ZERO,
            longest_gap: Duration::ZERO,
        }
    }

    /// The longest interval of all routers.
    pub(crate) fn interval(&self) -> Duration {
        let members = self.nodes.iter().flat_map(|node| &node.config.members);
        members
            .map(|member| member.interval.duration())
            .max()
            .unwrap()
    }

    /// The longest from the time when an advert is due until it is heard.
    pub(crate) fn slack(&self) -> Duration {
        self.weather.delay + self.weather.lateness
    }

    pub(crate) fn start(&mut self, node: usize) {
        if self.nodes[node].machine.is_none() {
            let config = self.nodes[node].config.clone();
            self.nodes[node].machine = Some(Machine::new(config).unwrap());
        }
        self.input(node, Input::Start);
    }

    /// The power goes.
    pub(crate) fn crash(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.machine = None;
        node.holds = false;
        node.paused = false;
        node.inbox.clear();
        self.watch();
    }

    pub(crate) fn resume(&mut self, node: usize) {
        self.nodes[node].paused = false;
        let inbox = std::mem::take(&mut self.nodes[node].inbox);
        for packet in inbox {
            self.deliver(node, packet);
        }
        self.timer(node);
    }

    pub(crate) fn input(&mut self, node: usize, input: Input) {
        if self.nodes[node].paused {
            return;
        }
        let mut actions = Vec::new();
        if let Some(machine) = &mut self.nodes[node].machine {
            machine.handle(self.now, input, &mut actions);
        }
        self.carry_out(node, &actions);
    }

    /// Lets this much time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(Reverse((at, _))) = self.events.peek()
            && *at <= end
        {
            let Some(Reverse((at, event))) = self.events.pop() else {
                break;
            };
            self.now = at;
            match event {
                Event::Deliver { to, packet } => self.deliver(to, packet),
                Event::Timer { node } => self.timer(node),
            }
        }
        self.now = end;
        self.watch();
    }

    /// Forgets what was seen up to now; what goes on now begins now.
    pub(crate) fn forget(&mut self) {
        self.watch();
        self.longest_overlap = Duration::ZERO;
        self.longest_gap = Duration::ZERO;
        self.overlap = self.overlap.map(|_| self.now);
        self.gap = self.gap.map(|_| self.now);
        for node in &mut self.nodes {
            node.changes = 0;
        }
    }

    pub(crate) fn until_timer(&self, node: usize) -> Duration {
        let machine = self.nodes[node].machine.as_ref();
        let timer = machine.and_then(Machine::timer).unwrap();
        timer.saturating_sub(self.now)
    }

    pub(crate) fn active(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|node| self.nodes[*node].is_active())
            .collect()
    }

    fn timer(&mut self, node: usize) {
        let machine = self.nodes[node].machine.as_ref();
        if machine
            .and_then(Machine::timer)
            .is_some_and(|timer| timer <= self.now)
        {
            self.input(node, Input::Timer);
        }
    }

    fn deliver(&mut self, to: usize, packet: Packet) {
        let node = &mut self.nodes[to];
        if node.paused {
            if !node.asleep {
                node.inbox.push(packet);
            }
            return;
        }
        let Some(machine) = &mut node.machine else {
            return;
        };
        let member = &node.config.members[packet.member];
        let own = [member.source];
        let datagram = Datagram {
            source: packet.source,
            destination: group(member.family()),
            hop_limit: 255,
            payload: &packet.bytes,
        };
        let received = member.expect(&own);
        let received = received.decode(&datagram).unwrap();
        let mut actions = Vec::new();
        machine.receive(self.now, packet.member, &received, &mut actions);
        self.carry_out(to, &actions);
    }

    fn carry_out(&mut self, node: usize, actions: &[Action]) {
        let mut failed = Vec::new();
        for action in actions {
            match *action {
                Action::Send { member, .. } if self.nodes[node].mute => failed.push(member),
                Action::Send { member, priority } => {
                    let sender = &self.nodes[node];
                    let source = sender.config.members[member].source;
                    let mut bytes = vec![0; 64];
                    let machine = sender.machine.as_ref().unwrap();
                    let group = group(Family::of(source));
                    let length = machine.encode(member, priority, group, &mut bytes);
                    bytes.truncate(length.unwrap());
                    self.send(
                        node,
                        &Packet {
                            member,
                            source,
                            bytes,
                        },
                    );
                }
                Action::TakeAddresses => self.nodes[node].holds = true,
                Action::ReleaseAddresses => self.nodes[node].holds = false,
                Action::SetTimer(Some(at)) => {
                    let at = at + self.chance.up_to(self.weather.lateness);
                    self.events.push(Reverse((at, Event::Timer { node })));
                }
                Action::Changed(_) => self.nodes[node].changes += 1,
                Action::SetTimer(None) | Action::Announce | Action::Linger | Action::Notice(_) => {}
            }
        }
        for member in failed {
            self.input(node, Input::SendFailed { member });
        }
        // A router holds the addresses exactly while it is active.
        if let Some(machine) = &self.nodes[node].machine {
            assert_eq!(machine.state() == State::Active, self.nodes[node].holds);
        }
        self.watch();
    }

    /// To all others, each with its own fate.
    fn send(&mut self, from: usize, packet: &Packet) {
        for to in 0..self.nodes.len() {
            if to == from || self.cuts.contains(&(from, to, packet.member)) {
                continue;
            }
            let copies = 1 + u8::from(self.chance.percent(self.weather.duplicates));
            for _ in 0..copies {
                if !self.chance.percent(self.weather.loss) {
                    let at = self.now + self.chance.up_to(self.weather.delay);
                    let packet = packet.clone();
                    self.events
                        .push(Reverse((at, Event::Deliver { to, packet })));
                }
            }
        }
    }

    /// Measures overlaps and gaps.
    fn watch(&mut self) {
        let now = self.now;
        let measure = |lasts: bool, since: &mut Option<Duration>, longest: &mut Duration| {
            if let Some(since) = since {
                *longest = (*longest).max(now - *since);
            }
            *since = lasts.then(|| since.unwrap_or(now));
        };
        let overlap = self.nodes.iter().filter(|node| node.is_active()).count() > 1;
        measure(overlap, &mut self.overlap, &mut self.longest_overlap);
        let gap = !self.nodes.iter().any(|node| node.holds);
        measure(gap, &mut self.gap, &mut self.longest_gap);
    }
}

fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => MULTICAST_V4.into(),
        Family::V6 => MULTICAST_V6.into(),
    }
}
