//! Two directors with a channel: connections of the active one before a takeover, differences,
//! strangers, other keys.
//!
//! ```text
//!   client ──┬── a: 10.1.0.1, priority 150 ──┐ channel, TCP 8849
//!            ├── b: 10.1.0.2, priority 100 ──┘
//!            ├── real1, real2, real3: direct routing
//! ```

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::daemon::Daemon;
use crate::lab::{Connection, Host, Lan, Protocol::Tcp, eventually};

pub(super) const VIRTUAL: &str = "10.1.0.100";

/// The network, and the directory of keys.
pub(super) struct Pair {
    pub(super) net: Lan,
    keys: tempfile::TempDir,
}

impl Pair {
    pub(super) fn new() -> Self {
        let net = Lan::dr().backup().virtual_addresses(0).build();
        for real in net.reals() {
            real.ip(&format!("addr add {VIRTUAL}/32 dev lo\n"));
        }
        let keys = tempfile::tempdir().unwrap();
        Self { net, keys }
    }

    /// A key of this digit.
    pub(super) fn key(&self, digits: &str) -> PathBuf {
        let path = self.keys.path().join(digits);
        fs::write(&path, digits.repeat(64 / digits.len())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub(super) fn b(&self) -> &Host {
        self.net.backup()
    }

    /// A file with these servers' weights.
    pub(super) fn file(&self, priority: u8, key: &Path, weights: [u32; 3]) -> String {
        let servers: Vec<String> = (1..=3)
            .zip(weights)
            .map(|(number, weight)| {
                format!("{{ address = \"10.1.0.1{number}\", weight = {weight} }}")
            })
            .collect();
        let (servers, key) = (servers.join(", "), key.display());
        format!(
            "version = 1
sync = {{ role = \"backup\", interface = \"lo\" }}
[service.web]
listen = \"tcp://{VIRTUAL}:80\"
forward = \"dr\"
scheduler = \"rr\"
servers = [{servers}]
[failover.front]
id = 51
interface = \"eth0\"
priority = {priority}
interval = \"100ms\"
addresses = [\"{VIRTUAL}\"]
preempt = {{ when = \"synced\", deadline = \"1h\" }}
[peer.a]
address = \"10.1.0.1\"
key_file = \"{key}\"
resync = \"5s\"
[peer.b]
address = \"10.1.0.2\"
key_file = \"{key}\"
resync = \"5s\"
"
        )
    }

    /// Connections, each with the server that answered it.
    pub(super) fn open(&self, times: usize) -> Vec<(Connection, String)> {
        let service = format!("{VIRTUAL}:80").parse().unwrap();
        let ask = self.net.client(1).ask(Tcp, service).times(times);
        let held = ask.connect_all().unwrap();
        held.into_iter()
            .map(|mut connection| {
                let by = connection.ask().unwrap();
                (connection, by)
            })
            .collect()
    }
}

pub(super) fn alive(open: &mut [(Connection, String)]) -> usize {
    let answered = |(connection, by): &mut (Connection, String)| {
        usize::from(connection.ask().as_ref() == Ok(by))
    };
    open.iter_mut().map(answered).sum()
}

pub(super) fn peer(daemon: &Daemon<'_>) -> Value {
    let status = daemon.get("/v1/status").expect("the director answers");
    status["peers"][0].clone()
}

#[track_caller]
pub(super) fn becomes(daemon: &Daemon<'_>, role: &str) {
    eventually(&format!("the role is {role}"), || {
        let status = daemon.get("/v1/status")?;
        (status["failover"][0]["role"] == role).then_some(())
    });
}

/// Waits until the status names these differences.
#[track_caller]
fn differs(daemon: &Daemon<'_>, expected: &Value) {
    eventually("the status says what differs", || {
        (peer(daemon)["differs"] == *expected).then_some(())
    });
}

/// Waits for an event whose text contains this.
#[track_caller]
pub(super) fn happens(daemon: &Daemon<'_>, kind: &str, part: &str) {
    eventually(&format!("{kind}: {part}"), || {
        let log = daemon.log();
        log.lines()
            .any(|line| line.contains(kind) && line.contains(part))
            .then_some(())
    });
}

#[test]
#[ignore = "needs the lab"]
fn a_director_that_comes_back_has_the_connections_before_it_takes_over() {
    let pair = Pair::new();
    let key = pair.key("0123456789abcdef");
    let service = format!("{VIRTUAL}:80").parse().unwrap();
    let reals = pair.net.reals().iter();
    let _web: Vec<_> = reals.map(|real| real.serve_at(Tcp, &[service])).collect();
    let mut a = Daemon::start(&pair.net.director, &pair.file(150, &key, [1, 1, 1]));
    becomes(&a, "active");
    let b = Daemon::start(pair.b(), &pair.file(100, &key, [1, 1, 1]));
    becomes(&b, "backup");
    let mut first = pair.open(100);
    eventually("b has them", || {
        (peer(&b)["resync"]["entries"].as_u64()? >= 100).then_some(())
    });
    assert_eq!(peer(&b)["holds"], serde_json::json!(["front"]));
    // It dies; the other one goes on with all of them.
    a.kill();
    becomes(&b, "active");
    assert_eq!(alive(&mut first), 100);
    happens(&b, "peer-down", "`a`");
    // What happens meanwhile only b knows.
    let mut second = pair.open(100);
    a.launch();
    happens(&a, "resync-done", "`b` sent");
    happens(&a, "failover-synced", "connections of `b`");
    becomes(&a, "active");
    becomes(&b, "backup");
    assert_eq!((alive(&mut first), alive(&mut second)), (100, 100));
}

#[test]
#[ignore = "needs the lab"]
fn a_director_says_what_its_peer_serves_otherwise() {
    let pair = Pair::new();
    let key = pair.key("0123456789abcdef");
    let a = Daemon::start(&pair.net.director, &pair.file(150, &key, [1, 1, 1]));
    let b = Daemon::start(pair.b(), &pair.file(100, &key, [1, 1, 2]));
    let named = format!("tcp://{VIRTUAL}:80: other weights");
    for daemon in [&a, &b] {
        happens(daemon, "peer-differs", &named);
        differs(daemon, &serde_json::json!([named]));
    }
    b.write(&pair.file(100, &key, [1, 1, 1]));
    for daemon in [&a, &b] {
        happens(daemon, "peer-agrees", "serves the same");
        differs(daemon, &serde_json::json!([]));
    }
}

#[test]
#[ignore = "needs the lab"]
fn nobody_without_the_key_is_answered() {
    let pair = Pair::new();
    let (key, other) = (pair.key("0123456789abcdef"), pair.key("fedcba9876543210"));
    let a = Daemon::start(&pair.net.director, &pair.file(150, &key, [1, 1, 1]));
    let b = Daemon::start(pair.b(), &pair.file(100, &other, [1, 1, 1]));
    happens(&b, "peer-down", "`a` is not connected");
    happens(&a, "peer-down", "`b` is not connected");
    happens(&a, "peer-refused", "`b`");
    assert_eq!(peer(&b)["up"], false);
    assert_eq!(peer(&b)["resync"], Value::Null);
    // The addresses are VRRP's business: both know their roles.
    becomes(&a, "active");
    becomes(&b, "backup");
    // A machine that is no peer at all.
    let port = pair.net.client(1).enter(|| {
        let mut stream = TcpStream::connect("10.1.0.1:8849").unwrap();
        let _ = stream.write_all(&[0; 64]);
        stream.local_addr().unwrap().port()
    });
    happens(&a, "peer-refused", &format!(":{port} is no declared peer"));
    // The right key: the channel comes up by itself.
    b.write(&pair.file(100, &key, [1, 1, 1]));
    happens(&b, "peer-up", "`a` is connected");
    happens(&a, "peer-up", "`b` is connected");
}
