//! Real servers die in all ways that servers die: each death is detected in time, requests fail
//! only until then, and a server that recovers is let in again.

use std::net::IpAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::ailing::{Ailing, Health};
use super::{Asked, Daemon, SERVICE, asked_during, failed, weights};
use crate::lab::{Ask, Lan, Protocol, Tcp, Udp, V4, eventually, paced_ms};

const ALL: &str = "1=1 2=1 3=1";

/// `fall` x `interval` + `timeout` in [`file`], with jitter.
fn detection() -> Duration {
    paced_ms(3 * 210 + 200)
}

/// The machine that runs this may be busy with other work.
const BUSY: u32 = 5;

/// Three servers; a verdict takes three tries of 200 ms.
fn file(listen: &str, check: &str, service: &str) -> String {
    format!(
        "
version = 1
[kernel]
expire_nodest_conn = true
expire_quiescent_template = true
[defaults.check]
interval = \"200ms\"
fast_interval = \"200ms\"
timeout = \"200ms\"
rise = 2
fall = 3
[service.web]
listen = \"{listen}\"
forward = \"nat\"
damping = false
servers = [\"10.2.0.11\", \"10.2.0.12\", \"10.2.0.13\"]
check = {check}
{service}
"
    )
}

/// The ways to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// The process ends: connections are refused.
    Process,
    /// Its cable is pulled: silence.
    Link,
    /// It runs, but fails.
    Illness(Health),
}

/// Real servers, of which the second dies.
struct Farm {
    net: Lan,
    second: Mutex<Option<Ailing>>,
    _others: [Ailing; 2],
}

impl Farm {
    fn new() -> Self {
        let net = Lan::nat().addresses(16).real_servers(3).build();
        let start = |number| Ailing::start(net.real(number), 80);
        let (second, _others) = (Mutex::new(Some(start(2))), [start(1), start(3)]);
        Self {
            net,
            second,
            _others,
        }
    }

    fn strike(&self, death: Death) {
        let mut second = self.second.lock().unwrap();
        match death {
            Death::Process => *second = None,
            Death::Link => self.net.real(2).ip("link set eth0 down\n"),
            Death::Illness(health) => second.as_ref().unwrap().be(health),
        }
    }

    fn heal(&self, death: Death) {
        let mut second = self.second.lock().unwrap();
        let real = self.net.real(2);
        match death {
            Death::Process => *second = Some(Ailing::start(real, 80)),
            // The kernel has forgotten the routes through it.
            Death::Link => real.ip("link set eth0 up\nroute add default via 10.2.0.1\n"),
            Death::Illness(_) => second.as_ref().unwrap().be(Health::Well),
        }
    }
}

/// What clients saw of a death, and when the tables changed.
struct Course {
    asked: Vec<Asked>,
    /// Just before the failure, and when it was complete: pulling a cable takes time.
    before: Instant,
    struck: Instant,
    found: Instant,
}

/// Makes the server fail, waits until the tables are `without`, heals it, and waits until they are
/// [`ALL`] again.
fn course(
    daemon: &Daemon<'_>,
    ask: &Ask<'_>,
    threads: usize,
    service: &str,
    without: &str,
    act: impl Fn(bool),
) -> Course {
    let (mut before, mut struck, mut found) = (Instant::now(), Instant::now(), Instant::now());
    let asked = asked_during(ask, threads, || {
        thread::sleep(paced_ms(300));
        before = Instant::now();
        act(true);
        struck = Instant::now();
        daemon.weights(service, without);
        found = Instant::now();
        thread::sleep(paced_ms(700));
        act(false);
        daemon.weights(service, ALL);
        thread::sleep(paced_ms(300));
    });
    Course {
        asked,
        before,
        struck,
        found,
    }
}

impl Course {
    #[track_caller]
    fn check(&self, what: &str, daemon: &Daemon<'_>) {
        let Self {
            asked,
            before,
            struck,
            found,
        } = self;
        let log = daemon.log();
        let took = found.duration_since(*struck);
        let failed = failed(asked);
        eprintln!(
            "{what}: struck in {} ms, found in {} ms (at most {}), {} of {} requests failed",
            struck.duration_since(*before).as_millis(),
            took.as_millis(),
            detection().as_millis(),
            failed.len(),
            asked.len()
        );
        assert!(
            took < BUSY * detection(),
            "{what}: found in {took:?}\n{log}"
        );
        assert!(!failed.is_empty(), "{what}: nobody noticed\n{log}");
        let early = failed.first().map(|first| first.at);
        // A request may have started before the failure and met it.
        let slack = paced_ms(600);
        assert!(
            early.is_some_and(|at| at + slack > *before),
            "{what}: failed before the blow: {failed:?}\n{log}"
        );
        let late: Vec<_> = failed.iter().filter(|asked| asked.at > *found).collect();
        assert!(
            late.is_empty(),
            "{what}: failed although it was out: {late:?}\n{log}"
        );
    }
}

/// The addresses of the client, in turns.
fn ask<'f>(net: &'f Lan, protocol: Protocol) -> Ask<'f> {
    let client = net.client(1);
    let addresses: Vec<IpAddr> = client.addresses(V4);
    client
        .ask(protocol, net.service(V4, 80))
        .from(addresses)
        .patience(paced_ms(500))
}

/// Makes the second server fail in this way, and checks what clients saw.
fn dies(farm: &Farm, death: Death, check: &str, service: &str, without: &str) {
    let daemon = Daemon::start(&farm.net.director, &file(SERVICE, check, service));
    daemon.weights(SERVICE, ALL);
    // Clients that stick to a server, by hash or by persistence, must be among those that send
    // requests.
    let ask = ask(&farm.net, Tcp);
    let answers = ask.clone().times(16).run().0;
    let (victims, others): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.by.as_deref() == Ok("real2"));
    assert!(!victims.is_empty(), "{service}: real2 has no client");
    let turns = victims.iter().take(1).chain(others.iter().take(1));
    let ask = ask.from(turns.map(|answer| answer.from));
    let course = course(&daemon, &ask, 2, SERVICE, without, |blow| {
        if blow {
            farm.strike(death);
        } else {
            farm.heal(death);
        }
    });
    course.check(&format!("{death:?}, {service}"), &daemon);
}

const TCP: &str = "\"tcp\"";
const HTTP: &str = "\"http\"";
const EXPECT: &str = "{ type = \"tcp\", send = \"?\\n\", expect = \"real\" }";

#[test]
#[ignore = "needs the lab"]
fn every_way_to_die_is_found() {
    let farm = Farm::new();
    for (death, check) in [
        (Death::Process, TCP),
        (Death::Link, TCP),
        (Death::Illness(Health::Broken), HTTP),
        (Death::Illness(Health::Hung), EXPECT),
        (Death::Illness(Health::Dripping), HTTP),
    ] {
        dies(&farm, death, check, "scheduler = \"rr\"", "1=1 2=0 3=1");
    }
}

#[test]
#[ignore = "needs the lab"]
fn clients_of_every_scheduler_are_spared() {
    let farm = Farm::new();
    for service in [
        "scheduler = \"wlc\"",
        "scheduler = \"sh\"",
        "scheduler = \"mh\"",
        "scheduler = \"rr\"\npersistence = \"5m\"",
    ] {
        dies(&farm, Death::Process, TCP, service, "1=1 2=0 3=1");
    }
    let remove = "scheduler = \"rr\"\non_fail = \"remove\"";
    dies(&farm, Death::Process, TCP, remove, "1=1 3=1");
}

#[test]
#[ignore = "needs the lab"]
fn datagrams_from_a_fixed_port_leave_a_dead_server() {
    let net = Lan::nat().addresses(16).real_servers(3).build();
    let others = [net.real(1).serve(Udp, 80), net.real(3).serve(Udp, 80)];
    let second = Mutex::new(Some(net.real(2).serve(Udp, 80)));
    let service = "udp://10.1.0.100:80";
    let check = "{ type = \"udp\", send = \"?\\n\", expect = \"real\" }";
    let file = file(service, check, "scheduler = \"rr\"");
    let daemon = Daemon::start(&net.director, &file);
    daemon.weights(service, ALL);
    // Weight 0 would keep their flows at the dead server: it has to be removed.
    let ask = ask(&net, Udp).port(5000);
    let course = course(&daemon, &ask, 1, service, "1=1 3=1", |blow| {
        let mut second = second.lock().unwrap();
        *second = (!blow).then(|| net.real(2).serve(Udp, 80));
    });
    course.check("udp from a fixed port", &daemon);
    drop(others);
}

#[test]
#[ignore = "needs the lab"]
fn only_its_share_of_the_clients_fails() {
    let farm = Farm::new();
    let file = file(SERVICE, TCP, "scheduler = \"rr\"");
    let daemon = Daemon::start(&farm.net.director, &file);
    daemon.weights(SERVICE, ALL);
    let course = course(
        &daemon,
        &ask(&farm.net, Tcp),
        1,
        SERVICE,
        "1=1 2=0 3=1",
        |blow| {
            if blow {
                farm.strike(Death::Process);
            } else {
                farm.heal(Death::Process);
            }
        },
    );
    course.check("its share", &daemon);
    let window = |asked: &&Asked| asked.at > course.before && asked.at < course.found;
    let asked = course.asked.iter().filter(window).count();
    let failed = failed(&course.asked).len();
    // Checks take their turns too; and one request at either end.
    assert!(failed <= asked / 3 + 2, "{failed} of {asked}");
}

#[test]
#[ignore = "needs the lab"]
fn a_server_that_comes_back_ramps_up() {
    let farm = Farm::new();
    let service = "scheduler = \"wrr\"\nslow_start = \"3s\"";
    let file = file(SERVICE, TCP, service)
        .replace("\"10.2.0.12\"", "{ address = \"10.2.0.12\", weight = 10 }");
    let daemon = Daemon::start(&farm.net.director, &file);
    eventually("the servers are in", || {
        let seen = weights(&farm.net.director, SERVICE);
        (seen == "1=1 2=10 3=1").then_some(())
    });
    // A ramp is measured against the servers next to it, which start with one of their own. While
    // all are equally far, no weight shows it.
    thread::sleep(paced_ms(4_000));
    farm.strike(Death::Process);
    daemon.weights(SERVICE, "1=1 2=0 3=1");
    farm.heal(Death::Process);
    let mut seen: Vec<u32> = Vec::new();
    eventually("it has its full weight", || {
        let all = weights(&farm.net.director, SERVICE);
        let second = all.split(' ').nth(1)?.strip_prefix("2=")?.parse().ok()?;
        if seen.last() != Some(&second) {
            seen.push(second);
        }
        (second == 10).then_some(())
    });
    eprintln!("a ramp: {seen:?}");
    assert!(
        seen.is_sorted(),
        "it never falls: {seen:?}\n{}",
        daemon.log()
    );
    assert!(seen.len() > 3, "it is no jump: {seen:?}\n{}", daemon.log());
}
