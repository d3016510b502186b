//! 210 open connections over each way in which the addresses move: switchover, failback, and the death of
//! the active director. Each connection is used after each of them.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Mutex, PoisonError};

use super::channel::{becomes, happens, peer};
use crate::daemon::Daemon;
use crate::lab::{
    Connection,
    Family::{self, V4, V6},
    Lan,
    Protocol::{self, Tcp, Udp},
    eventually,
};

/// Connections of a kind: how many, the protocol, the family, the port, and what the service is.
type Kind = (usize, Protocol, Family, u16, &'static str);

/// What the marks of packets to port 82 lead to.
const MARK: u32 = 7;

const KINDS: [Kind; 8] = [
    (50, Tcp, V4, 80, ""),
    (50, Tcp, V6, 80, ""),
    (30, Udp, V4, 53, ""),
    (20, Udp, V6, 53, ""),
    (20, Tcp, V4, 81, "persistence = \"5m\"\n"),
    (20, Tcp, V6, 81, "persistence = \"5m\"\n"),
    (10, Tcp, V4, 82, "fwmark"),
    (10, Tcp, V6, 82, "fwmark"),
];

const ALL: usize = 210;

/// One of each persistent service, as there is one client.
const TEMPLATES: usize = 2;

/// An open connection: its kind, and the server that answers it.
struct Open {
    kind: Kind,
    connection: Connection,
    by: String,
}

fn open(net: &Lan, kind: Kind, number: usize) -> Vec<Open> {
    let (_, protocol, family, port, _) = kind;
    let ask = net.client(1).ask(protocol, net.service(family, port));
    let held = ask.times(number).connect_all().unwrap();
    let answered = held.into_iter().map(|mut connection| {
        let by = connection.ask().unwrap();
        Open {
            kind,
            connection,
            by,
        }
    });
    answered.collect()
}

/// Uses each connection. The kinds of those that their server no longer answers.
fn broken(all: &mut [Open]) -> Vec<Kind> {
    let broken = all
        .iter_mut()
        .filter_map(|open| (open.connection.ask().as_ref() != Ok(&open.by)).then_some(open.kind));
    broken.collect()
}

/// The network of a method, in which two directors hold the addresses.
fn network(forward: &str) -> Lan {
    let lan = match forward {
        "nat" => Lan::nat(),
        "dr" => Lan::dr(),
        _ => Lan::tun(),
    };
    let net = lan.backup().build();
    net.director
        .ip("addr del 10.1.0.100/32 dev eth0\naddr del fd00:1::100/128 dev eth0\n");
    if forward == "nat" {
        for real in net.reals() {
            real.ip(
                "route replace default via 10.2.0.254\nroute replace default via fd00:2::254\n",
            );
        }
    }
    for host in [&net.director, net.backup()] {
        host.mark(V4, "-d 10.1.0.100 -p tcp --dport 82", MARK);
        host.mark(V6, "-d fd00:1::100 -p tcp --dport 82", MARK);
    }
    net
}

/// The file of both directors.
fn file(net: &Lan, forward: &str, priority: u8, sync: &str, peers: &str) -> String {
    let mut file = format!("version = 1\n{sync}\n");
    for (number, (_, protocol, family, port, more)) in KINDS.into_iter().enumerate() {
        let at = net.service(family, port);
        let (listen, more) = match (more, protocol) {
            ("fwmark", _) if family == V4 => (format!("fwmark://{MARK}"), ""),
            ("fwmark", _) => (format!("fwmark6://{MARK}"), ""),
            (more, Tcp) => (format!("tcp://{at}"), more),
            (more, _) => (format!("udp://{at}"), more),
        };
        let servers: Vec<String> = (1..=net.reals().len())
            .map(|real| server(net.server(family, real, port)))
            .collect();
        let servers = servers.join(", ");
        let _ = write!(
            file,
            "[service.s{number}]\nlisten = \"{listen}\"\nforward = \"{forward}\"\n\
             scheduler = \"rr\"\nservers = [{servers}]\n{more}"
        );
    }
    let _ = write!(
        file,
        "[failover.front]\nid = 51\ninterface = \"eth0\"\npriority = {priority}\n\
         interval = \"1s\"\naddresses = [\"10.1.0.100\", \"fd00:1::100\"]\n{peers}"
    );
    if forward == "nat" {
        file += "[[failover.front.members]]\nid = 52\ninterface = \"eth1\"\n\
                 addresses = [\"10.2.0.254\", \"fd00:2::254\"]\n";
    }
    file
}

fn server(at: SocketAddr) -> String {
    format!("{{ address = \"{}\", port = {} }}", at.ip(), at.port())
}

const CHANNEL: &str = "sync = { role = \"backup\", interface = \"lo\" }";

/// Sections of peers with this key. `preempt` comes first: it belongs to the section before.
fn peers(key: &str) -> [String; 2] {
    let of = |name: &str, last: u8| {
        format!(
            "[peer.{name}]\naddress = \"10.1.0.{last}\"\nkey_file = \"{key}\"\nresync = \"5s\"\n"
        )
    };
    let preempt = "preempt = { when = \"synced\", deadline = \"1h\" }\n".to_owned();
    [preempt, of("a", 1) + &of("b", 2)]
}

fn operate(daemon: &Daemon<'_>, action: &str) {
    let body = serde_json::json!({ "section": "front", "action": action });
    let answer = daemon.post("/v1/failover", &body);
    assert!(answer["done"].is_array(), "{answer}");
}

/// Waits until a director has so many connections of its peer, and what proves that. A transfer that
/// begins while they are opened has only some of them, and is caught up, too.
#[track_caller]
fn has(daemon: &Daemon<'_>, connections: usize) {
    eventually("it has the connections of its peer", || {
        let resync = peer(daemon)["resync"].clone();
        let is_caught_up = resync["caught_up"] == true && resync["whole"] == true;
        let all = (connections + TEMPLATES) as u64;
        (is_caught_up && resync["entries"].as_u64()? >= all).then_some(())
    });
}

/// Both ends of all connections are in this process, which may have 1,024 files: one network at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn all_survive(forward: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let net = network(forward);
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key");
    fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let [preempt, sections] = peers(&key.display().to_string());
    let of = |priority| file(&net, forward, priority, CHANNEL, &preempt) + &sections;
    let _servers: Vec<_> = [(Tcp, 80), (Tcp, 81), (Tcp, 82), (Udp, 53)]
        .into_iter()
        .map(|(protocol, port)| net.serve(protocol, port))
        .collect();
    let mut a = Daemon::start(&net.director, &of(150));
    becomes(&a, "active");
    let b = Daemon::start(net.backup(), &of(100));
    becomes(&b, "backup");
    let mut all: Vec<Open> = KINDS
        .into_iter()
        .flat_map(|kind| open(&net, kind, kind.0))
        .collect();
    assert_eq!(all.len(), ALL);
    has(&b, ALL);
    operate(&a, "switchover");
    becomes(&b, "active");
    becomes(&a, "backup");
    assert_eq!(broken(&mut all), [], "{forward}: switchover");
    // Only b knows these.
    all.extend(KINDS.into_iter().flat_map(|kind| open(&net, kind, 2)));
    has(&a, all.len());
    operate(&a, "auto");
    becomes(&a, "active");
    becomes(&b, "backup");
    happens(&a, "failover-synced", "counters and digest equal");
    assert_eq!(broken(&mut all), [], "{forward}: failback");
    has(&b, all.len());
    a.kill();
    becomes(&b, "active");
    assert_eq!(broken(&mut all), [], "{forward}: takeover");
}

#[test]
#[ignore = "needs the lab"]
fn connections_survive_every_move_of_the_addresses_with_direct_routing() {
    all_survive("dr");
}

#[test]
#[ignore = "needs the lab"]
fn connections_survive_every_move_of_the_addresses_with_nat() {
    all_survive("nat");
}

#[test]
#[ignore = "needs the lab"]
fn connections_survive_every_move_of_the_addresses_with_tunnels() {
    all_survive("tun");
}

/// Beside it: the kernel's synchronisation alone, and a director that was away.
#[test]
#[ignore = "needs the lab"]
fn the_kernels_synchronisation_alone_loses_what_was_idle_while_a_director_was_away() {
    let net = network("dr");
    let of = |priority| file(&net, "dr", priority, "sync = \"eth0\"", "preempt = true\n");
    let _servers = net.serve(Tcp, 80);
    let a = Daemon::start(&net.director, &of(150));
    becomes(&a, "active");
    let mut all = open(&net, KINDS[0], 50);
    let b = Daemon::start(net.backup(), &of(100));
    becomes(&b, "backup");
    operate(&a, "switchover");
    becomes(&b, "active");
    becomes(&a, "backup");
    // In another order: what is unknown goes to the next server, which must not be its own by chance.
    all.reverse();
    let lost = broken(&mut all).len();
    println!("{lost} of 50 connections are lost");
    assert!(lost > 10, "{lost}");
}
