//! A kernel that refuses as Linux does, with many targets, and the resulting knowledge.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const FALL: u32 = 3;
const RISE: u32 = 2;

/// `inet_peer_xrlim_allow`: a token per second, or per `icmp_ratelimit`, at most six.
struct Kernel {
    limit: Duration,
    tokens: Duration,
    at: Instant,
    sent: u32,
}

impl Kernel {
    fn refuses(&mut self, now: Instant) -> bool {
        let grown = self.tokens + now.saturating_duration_since(self.at);
        self.tokens = grown.min(self.limit * 6);
        self.at = now;
        let allowed = self.tokens >= self.limit;
        if allowed {
            self.tokens -= self.limit;
            self.sent += 1;
        }
        allowed
    }
}

/// One port of the host.
struct Port {
    target: SocketAddr,
    open: bool,
    known: Refused,
    next: Instant,
    /// Consecutive results: successes above 0, failures below.
    row: i64,
    up: Option<bool>,
    flaps: u32,
}

impl Port {
    fn hear(&mut self, passed: bool) {
        self.row = match (passed, self.row) {
            (true, row @ 1..) => row + 1,
            (true, _) => 1,
            (false, row @ ..=-1) => row - 1,
            (false, _) => -1,
        };
        let said = if self.row >= RISE.into() {
            Some(true)
        } else if self.row <= -i64::from(FALL) {
            Some(false)
        } else {
            None
        };
        if said.is_some() && said != self.up {
            self.flaps += 1;
            self.up = said;
        }
    }
}

struct Host {
    kernel: Kernel,
    refusals: Refusals,
    ports: Vec<Port>,
    now: Instant,
    interval: Duration,
    chance: u64,
}

impl Host {
    /// A host with this many ports on each of its `addresses` addresses.
    fn new(ports: u16, addresses: u8, interval: Duration) -> Self {
        let now = Instant::now() + Duration::from_secs(3600);
        let port = |number: u16| {
            let address =
                Ipv4Addr::from_bits(0x0a00_0001 + u32::from(number % u16::from(addresses)));
            Port {
                target: (address, 9000 + number).into(),
                open: false,
                known: Refused::default(),
                next: now + interval * u32::from(number) / u32::from(ports),
                row: 0,
                up: None,
                flaps: 0,
            }
        };
        Self {
            kernel: Kernel {
                limit: LIMIT,
                tokens: LIMIT * 6,
                at: now,
                sent: 0,
            },
            refusals: Refusals::default(),
            ports: (0..ports).map(port).collect(),
            now,
            interval,
            chance: 1,
        }
    }

    fn random(&mut self) -> u64 {
        self.chance = self
            .chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.chance >> 40
    }

    /// Checks all ports for this many seconds, each at its interval.
    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            let next = (0..self.ports.len())
                .min_by_key(|n| self.ports[*n].next)
                .unwrap();
            self.now = self.ports[next].next;
            if self.now > end {
                self.now = end;
                return;
            }
            let (random, jitter) = (self.random(), self.random());
            let port = &mut self.ports[next];
            let jitter = self.interval * u32::try_from(jitter % 50).unwrap() / 1000;
            port.next = self.now + self.interval + jitter;
            let now = self.now;
            if !self.refusals.may_ask(port.target, &port.known, FALL, now) {
                port.hear(false);
            } else if !port.open && self.kernel.refuses(now) {
                let heard = now + Duration::from_millis(1);
                self.refusals.note(port.target, now, heard);
                let chance = u8::try_from(random % 256).unwrap();
                self.refusals
                    .refused(port.target, &mut port.known, FALL, chance, heard);
                port.hear(false);
            } else {
                // The check's result is known at its end; only datagrams sent slightly earlier
                // matter here.
                let shadow = self.refusals.shadow(port.target, now);
                match port.known.silent(shadow, FALL, now) {
                    Silence::Well => {
                        self.refusals.forget(port.target);
                        port.hear(true);
                    }
                    Silence::Failed => port.hear(false),
                    Silence::Unknown => {}
                }
            }
        }
    }

    fn up(&self, up: bool) -> usize {
        self.ports.iter().filter(|port| port.up == Some(up)).count()
    }
}

#[test]
fn eleven_dead_ports_of_one_host_are_found_and_stay_dead() {
    for (addresses, interval) in [(1, 1000), (11, 1000), (1, 2000), (1, 200), (3, 2200)] {
        let mut host = Host::new(11, addresses, Duration::from_millis(interval));
        host.run(90);
        assert_eq!(host.up(false), 11, "{addresses} addresses, {interval} ms");
        host.run(3600);
        assert!(host.ports.iter().all(|port| port.flaps == 1), "none flaps");
        assert_eq!(host.up(false), 11);
        for port in &mut host.ports {
            port.open = true;
        }
        host.run(90);
        assert_eq!(host.up(true), 11, "all come back, though they say nothing");
    }
}

#[test]
fn dead_ports_of_a_host_that_refuses_less_often_than_usual_are_found_and_stay_dead() {
    for (limit, interval) in [(2, 1000), (5, 1000), (10, 1000), (10, 2000), (10, 200)] {
        let mut host = Host::new(11, 1, Duration::from_millis(interval));
        host.kernel.limit = Duration::from_secs(limit);
        host.kernel.tokens = host.kernel.limit * 6;
        host.run(900);
        assert_eq!(
            host.up(false),
            11,
            "one in {limit} s, asked every {interval} ms"
        );
        let flaps = |host: &Host| host.ports.iter().map(|port| port.flaps).sum::<u32>();
        let before = flaps(&host);
        host.run(3600);
        assert!(flaps(&host) < before + 5, "the limit is known now");
        for port in &mut host.ports {
            port.open = true;
        }
        host.run(90);
        assert_eq!(host.up(true), 11, "all come back, though they say nothing");
    }
}

#[test]
fn a_silent_server_that_restarts_again_and_again_beside_a_dead_one_comes_back_each_time() {
    let mut host = Host::new(2, 1, Duration::from_secs(1));
    host.ports[0].open = true;
    host.run(60);
    for n in 0..20 {
        host.ports[0].open = false;
        host.run(3);
        host.ports[0].open = true;
        host.run(30);
        assert_eq!(host.up(true), 1, "the restart {n}");
        host.run(57);
    }
}

#[test]
fn rolling_restarts_of_silent_servers_of_one_host_teach_no_limit() {
    let mut host = Host::new(5, 1, Duration::from_secs(1));
    for port in &mut host.ports[..4] {
        port.open = true;
    }
    host.run(60);
    for n in 0..12 {
        host.ports[n % 4].open = false;
        host.run(2);
        host.ports[n % 4].open = true;
        host.run(8);
    }
    host.run(30);
    assert_eq!((host.up(true), host.up(false)), (4, 1));
    assert!(
        host.refusals
            .0
            .borrow()
            .values()
            .all(|subnet| subnet.limit == LIMIT)
    );
}

#[test]
fn one_port_that_comes_back_among_ten_dead_ones_is_found() {
    let mut host = Host::new(11, 1, Duration::from_secs(1));
    host.run(90);
    host.ports[4].open = true;
    host.run(120);
    assert_eq!((host.up(true), host.up(false)), (1, 10));
    assert_eq!(host.ports[4].up, Some(true));
    host.ports[4].open = false;
    host.run(90);
    assert_eq!(host.up(false), 11, "and its death is");
}

#[test]
fn silent_servers_beside_dead_ones_come_up_and_stay_up() {
    let mut host = Host::new(20, 1, Duration::from_secs(2));
    for port in &mut host.ports[..10] {
        port.open = true;
    }
    host.run(120);
    assert_eq!((host.up(true), host.up(false)), (10, 10));
    host.run(3600);
    assert!(host.ports.iter().all(|port| port.flaps == 1));
}

#[test]
fn a_refusal_outweighs_the_silence_that_follows() {
    let (fall, now) = (2, Instant::now());
    let target: SocketAddr = ([10, 0, 0, 1], 53).into();
    let (refusals, mut known) = (Refusals::default(), Refused::default());
    assert_eq!(known.silent(Shadow::None, fall, now), Silence::Well);
    refusals.refused(target, &mut known, fall, 0, now);
    assert_eq!(known.silent(Shadow::Neighbour, fall, now), Silence::Failed);
    for _ in 1..PROOFS {
        assert_eq!(known.silent(Shadow::None, fall, now), Silence::Failed);
        assert_eq!(known.silent(Shadow::Neighbour, fall, now), Silence::Failed);
    }
    assert_eq!(known.silent(Shadow::None, fall, now), Silence::Well);
}

#[test]
fn a_server_that_has_proved_itself_stays_well_beside_neighbours_that_are_refused() {
    let (mut known, now) = (Refused::default(), Instant::now());
    assert_eq!(known.silent(Shadow::Neighbour, 3, now), Silence::Unknown);
    assert_eq!(known.silent(Shadow::None, 3, now), Silence::Well);
    assert_eq!(known.silent(Shadow::Neighbour, 3, now), Silence::Well);
}

#[test]
fn a_service_that_restarts_is_not_taken_out_by_one_refusal() {
    let now = Instant::now();
    let target: SocketAddr = ([10, 0, 0, 1], 53).into();
    let (refusals, mut known) = (Refusals::default(), Refused::default());
    refusals.note(target, now, now);
    refusals.refused(target, &mut known, 2, 0, now);
    let shadow = |millis| refusals.shadow(target, now + Duration::from_millis(millis));
    assert_eq!((shadow(1000), shadow(1300)), (Shadow::Own, Shadow::None));
    assert_eq!(known.silent(shadow(1000), 2, now), Silence::Unknown);
    for _ in 1..PROOFS {
        assert_eq!(known.silent(shadow(2000), 2, now), Silence::Unknown);
    }
    assert_eq!(known.silent(shadow(2000), 2, now), Silence::Well);
}

#[test]
fn a_neighbour_that_never_stops_refusing_keeps_no_server_down_for_ever() {
    let (mut known, now) = (Refused::default(), Instant::now());
    let mut said = |second| known.silent(Shadow::Neighbour, 3, now + Duration::from_secs(second));
    let row: Vec<_> = (0..=120).map(&mut said).collect();
    let (last, others) = row.split_last().unwrap();
    assert!(others.iter().all(|said| *said == Silence::Unknown));
    assert_eq!(*last, Silence::Well);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_dead_port_of_any_host_is_ever_up_for_long(
        ports in 1u16..40, addresses in 1u8..5, interval in 300u64..5000, seed: u64,
    ) {
        let mut host = Host::new(ports, addresses, Duration::from_millis(interval));
        host.chance = seed;
        host.run(60 + u64::from(ports) * 10);
        prop_assert_eq!(host.up(false), usize::from(ports));
        prop_assert!(host.ports.iter().all(|port| port.flaps == 1));
    }
}
