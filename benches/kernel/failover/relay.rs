//! How old a connection may be that is lost with the machine of the active director.
//!
//! The client begins one every 50 ms; then the cable of the active director is cut, and what the other
//! one has in its table is compared with what was begun.

use std::collections::HashSet;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use ipvs::Connections;
use nix::sys::signal::Signal;

use super::VIRTUAL;
use super::pair::until;
use crate::director::Daemon;
use crate::lab::Link;
use crate::measure::{Figure, Reach};

/// The connections of a turn, and the time between two.
const CONNECTIONS: u16 = 60;
const PACE: Duration = Duration::from_millis(50);

const TURNS: usize = 5;

/// The ages to reach, in seconds.
const RELAY: f64 = 0.1;
const SYNC: f64 = 2.2;

/// The ports of the first connection, and of the service.
const FIRST: u16 = 20_000;
const SERVICE: u16 = 53;

pub(super) fn all(figures: &mut Vec<Figure>) {
    let key = std::env::temp_dir().join("bench-relay-key");
    fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let key = key.display().to_string();
    let kinds = [
        ("relay", "{ role = \"relay\", interface = \"lo\" }", RELAY),
        ("kernel's sync", "\"eth0\"", SYNC),
    ];
    for (name, sync, reach) in kinds {
        let ages: Vec<f64> = (0..TURNS).map(|_| turn(&key, sync)).collect();
        println!("lost with {name}, up to an age of, s: {ages:.3?}");
        let oldest = ages.into_iter().fold(0.0, f64::max);
        let name = format!("failover, power off with {name}: age of the oldest lost connection");
        figures.push(Figure::below(&name, oldest, f64::NAN, Reach::Below(reach)));
    }
}

fn file(priority: u8, key: &str, sync: &str) -> String {
    format!(
        "version = 1
sync = {sync}
[service.dns]
listen = \"udp://{VIRTUAL}:{SERVICE}\"
forward = \"dr\"
servers = [\"10.0.0.21\"]
[failover.front]
id = 51
interface = \"eth0\"
priority = {priority}
addresses = [\"{VIRTUAL}\"]
interval = \"100ms\"
[peer.a]
address = \"10.0.0.1\"
key_file = \"{key}\"
resync = \"1d\"
[peer.b]
address = \"10.0.0.2\"
key_file = \"{key}\"
resync = \"1d\"
"
    )
}

/// The age of the oldest connection that is lost, in seconds; 0 if there is none.
fn turn(key: &str, sync: &str) -> f64 {
    let link = Link::new();
    let mut a = Daemon::start(link.a.netns(), &file(150, key, sync));
    let role = |daemon: &Daemon| Some(daemon.status()?["failover"][0]["role"].clone());
    until("a is active", || {
        role(&a).is_some_and(|role| role == "active")
    });
    let mut b = Daemon::start(link.b.netns(), &file(100, key, sync));
    until("b has the table of a", || {
        b.status().is_some_and(|status| {
            let peer = &status["peers"][0];
            peer["resync"].is_object() && (peer["relay"]["up"] == true || peer["relay"].is_null())
        })
    });
    // `b` learns of the offer with the next answer.
    thread::sleep(Duration::from_secs(4));
    let begun = begin(&link);
    link.switch.turn("a-eth0", false);
    let cut = Instant::now();
    a.end(Signal::SIGKILL);
    until("b is active", || {
        role(&b).is_some_and(|role| role == "active")
    });
    let have = clients(&link);
    b.end(Signal::SIGKILL);
    let lost = begun.iter().filter(|(port, _)| !have.contains(port));
    let ages = lost.map(|(_, at)| cut.duration_since(*at).as_secs_f64());
    ages.fold(0.0, f64::max)
}

/// Begins connections, each of another port.
fn begin(link: &Link) -> Vec<(u16, Instant)> {
    link.client.enter(|| {
        let one = |number| {
            let port = FIRST + number;
            let socket = UdpSocket::bind(("0.0.0.0", port)).unwrap();
            socket
                .send_to(b"?", SocketAddr::new(VIRTUAL, SERVICE))
                .unwrap();
            let at = Instant::now();
            // The cable is not always cut after a whole pause.
            thread::sleep(PACE.mul_f64(f64::from(number % 5) / 2.0));
            (port, at)
        };
        (0..CONNECTIONS).map(one).collect()
    })
}

/// The clients' ports in the table of `b`.
fn clients(link: &Link) -> HashSet<u16> {
    let read = || Connections::open().unwrap().map(Result::unwrap);
    let ports = || read().map(|found| found.client.port()).collect();
    link.b.enter(ports)
}
