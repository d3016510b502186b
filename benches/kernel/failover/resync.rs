//! The connections of the active director in the table of one that comes back.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use director::peers::inject::backup;
use ipvs::Client;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::pair::until;
use super::{VIRTUAL, said};
use crate::director::Daemon;
use crate::entries;
use crate::lab::{Host, Link};
use crate::measure::{Figure, Reach};

const CONNECTIONS: u32 = 50_000;
const SERVERS: u8 = 4;

/// The time to reach, in seconds, and the memory, in KiB.
const TIME: f64 = 3.0;
const MEMORY: f64 = 30.0 * 1024.0;

fn file(priority: u8, key: &str) -> String {
    let servers: Vec<String> = (0..SERVERS)
        .map(|number| format!("\"10.0.0.{}\"", 21 + number))
        .collect();
    format!(
        "version = 1
sync = {{ role = \"backup\", interface = \"lo\" }}
[service.web]
listen = \"tcp://{VIRTUAL}:80\"
forward = \"dr\"
scheduler = \"rr\"
servers = [{}]
[failover.front]
id = 51
interface = \"eth0\"
priority = {priority}
addresses = [\"{VIRTUAL}\"]
interval = \"{}\"
preempt = {{ when = \"synced\", deadline = \"1h\" }}
[peer.a]
address = \"10.0.0.1\"
key_file = \"{key}\"
[peer.b]
address = \"10.0.0.2\"
key_file = \"{key}\"
",
        servers.join(", "),
        said(super::INTERVALS[1].0),
    )
}

/// Open connections, as if their clients had come.
fn connect(host: &Host) {
    let daemons = host.enter(|| Client::connect().unwrap().daemons().unwrap());
    let daemon = backup(&daemons).unwrap();
    let servers: Vec<SocketAddr> = (0..SERVERS)
        .map(|number| SocketAddr::from(([10, 0, 0, 21 + number], 80)))
        .collect();
    let virtual_service = SocketAddr::new(VIRTUAL, 80);
    host.enter(|| entries::open(daemon, virtual_service, &servers, CONNECTIONS));
}

fn active(host: &Host) -> u32 {
    let table = host.enter(|| Client::connect().unwrap().table().unwrap());
    let servers = table.services.iter().flat_map(|service| &service.servers);
    servers.map(|server| server.active).sum()
}

/// The most memory that a process has had, in KiB.
fn peak(pid: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

fn resync(daemon: &Daemon) -> Option<Value> {
    let status = daemon.status()?;
    let found = status["peers"][0]["resync"].clone();
    (found["entries"].as_u64()? >= CONNECTIONS.into()).then_some(found)
}

pub(super) fn all(figures: &mut Vec<Figure>) {
    let link = Link::new();
    let key = std::env::temp_dir().join("bench-peer-key");
    fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let key = key.display().to_string();
    let mut a = Daemon::start(link.a.netns(), &file(150, &key));
    until("a has the address", || {
        a.status()
            .is_some_and(|status| status["failover"][0]["role"] == "active")
    });
    connect(&link.a);
    until("a has all connections", || active(&link.a) == CONNECTIONS);
    let late = |daemon: &Daemon| {
        let status = daemon.status().unwrap();
        status["failover"][0]["counters"]["late"].as_u64().unwrap()
    };
    let before = late(&a);
    let mut b = Daemon::start(link.b.netns(), &file(100, &key));
    let idle = peak(b.pid());
    let mut found = None;
    until("b has all connections", || {
        found = resync(&b);
        found.is_some()
    });
    let found = found.unwrap();
    let took = found["took_ms"].as_f64().unwrap() / 1e3;
    println!(
        "resync: {} entries in {took} s, {} missing; peak of a {} KiB, of b {} KiB ({idle} before)",
        found["entries"],
        found["missing"],
        peak(a.pid()),
        peak(b.pid())
    );
    let name = format!("failover, resync of {CONNECTIONS} connections");
    figures.push(Figure::below(&name, took, f64::NAN, Reach::Below(TIME)));
    let missing = u64::from(CONNECTIONS - active(&link.b));
    figures.push(Figure::zero(&format!("{name}: missing"), missing, None));
    figures.push(Figure::zero(
        &format!("{name}: late adverts"),
        late(&a) - before,
        None,
    ));
    let most = peak(a.pid()).max(peak(b.pid()));
    figures.push(Figure::count(
        &format!("{name}: memory of a director, KiB"),
        most,
        Reach::Below(MEMORY),
    ));
    a.end(Signal::SIGKILL);
    b.end(Signal::SIGKILL);
}
