//! The second act: two directors hold the virtual address. The active one loses power under traffic
//! and comes back; then the address moves on purpose.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::lab::{Connection, Failure, Host, Lan, Outcome, Process, Tcp, V4, eventually};
use super::show::Show;

/// The same file on both. It hashes the client's address and port, so that both choose the same
/// server.
const FILE: &str = r#"version = 1
sync = "eth0"

[service.web]
listen = "tcp://10.1.0.100:80"
scheduler = { name = "mh", flags = ["port", "fallback"] }
servers = ["10.1.0.11", "10.1.0.12", "10.1.0.13"]

[failover.front]
id = 51
interface = "eth0"
addresses = ["10.1.0.100"]
interval = "100ms"
"#;

/// How long the client waits for an answer.
const PATIENCE: Duration = Duration::from_millis(150);

pub(super) struct Pair<'s> {
    show: &'s Show,
    net: Lan,
    directory: PathBuf,
}

/// What the client saw.
#[derive(Default)]
struct Traffic {
    asked: usize,
    failed: usize,
    gap: Duration,
}

impl<'s> Pair<'s> {
    /// Two directors without addresses, three real servers by direct routing.
    pub(super) fn new(show: &'s Show, directory: PathBuf) -> Self {
        let net = Lan::dr().real_servers(3).backup().build();
        net.director.run("ip address flush to 10.1.0.100 dev eth0");
        fs::write(directory.join("pair.toml"), FILE).unwrap();
        Self {
            show,
            net,
            directory,
        }
    }

    pub(super) fn play(&self) {
        let _web = self.net.serve(Tcp, 80);
        let (one, two) = (&self.net.director, self.net.backup());
        self.picture();
        let first = self.start(one, "director1", "active");
        let _second = self.start(two, "director2", "backup");
        let mut connection = self.net.client(1).connect(Tcp, self.service()).unwrap();
        let server = connection.ask().unwrap();

        self.show
            .scene("director1 loses power under traffic: no farewell, its cable is dead");
        let traffic = self.traffic(|| {
            self.power_off(first);
            self.becomes(two, "active");
        });
        self.show.note(&traffic.to_string());
        assert!(traffic.failed * 2 < traffic.asked, "{traffic}");
        self.still_answers(&mut connection, &server);

        self.show
            .scene("director1 comes back, and does not take the address away again");
        self.net.turn("director-eth0", true);
        let mut back = None;
        let traffic = self.traffic(|| {
            back = Some(self.start(one, "director1", "backup"));
            self.switch_over(two);
        });
        assert_eq!(traffic.failed, 0, "{traffic}");
        self.show.note(&traffic.to_string());
        self.still_answers(&mut connection, &server);
        drop(back);
    }

    fn picture(&self) {
        self.show
            .scene("Two directors hold the address together, by VRRP with ten adverts a second");
        self.show.text(
            "
               client ──┬── director1 ─┐ 10.1.0.100 is on one of them
                        ├── director2 ─┘
                        └── real1, real2, real3
            ",
        );
        self.show.output(FILE);
    }

    /// A planned switchover to the first director.
    fn switch_over(&self, active: &Host) {
        self.show.scene("A planned switchover, still under traffic");
        let said = self.verb(active, "failover switchover --wait", true);
        assert!(said.success(), "{said}");
        self.show.output(&said.stdout);
        self.becomes(&self.net.director, "active");
        // What it forwards now is part of the traffic.
        thread::sleep(Duration::from_secs(1));
    }

    fn service(&self) -> std::net::SocketAddr {
        self.net.service(V4, 80)
    }

    /// Connections are synchronised, and both choose alike.
    fn still_answers(&self, connection: &mut Connection, server: &str) {
        assert_eq!(connection.ask().as_deref(), Ok(server));
        self.show.note(&format!(
            "{server} still answers on a connection opened before"
        ));
    }

    /// Starts a director, and waits for its role.
    fn start(&self, host: &Host, name: &str, role: &str) -> Process {
        self.show.command(name, "director run pair.toml &");
        let log = fs::File::create(self.directory.join(name)).unwrap();
        let mut command = self.command(host);
        command.args(["run", "pair.toml"]).stderr(log);
        let daemon = host.spawn_command(command);
        self.becomes(host, role);
        self.show.note(role);
        daemon
    }

    /// The process ends without a word, and nothing of the kernel's is left.
    fn power_off(&self, mut process: Process) {
        self.net.turn("director-eth0", false);
        process.signal(nix::sys::signal::Signal::SIGKILL);
        eventually("director1 has ended", || process.ended());
        let host = &self.net.director;
        host.run("ip address flush to 10.1.0.100 dev eth0");
        let ipvsadm = env::var("DIRECTOR_IPVSADM").unwrap_or_else(|_| "ipvsadm".to_owned());
        for line in ["-C", "--stop-daemon master", "--stop-daemon backup"] {
            host.run(&format!("{ipvsadm} {line}"));
        }
    }

    fn becomes(&self, host: &Host, role: &str) {
        let expected = format!("front: {role} since ");
        eventually(&format!("{} is {role}", host.name()), || {
            let said = self.verb(host, "failover", false);
            said.stdout.contains(&expected).then_some(())
        });
    }

    fn verb(&self, host: &Host, words: &str, shown: bool) -> Outcome {
        if shown {
            let name = if host.name() == "backup" {
                "director2"
            } else {
                "director1"
            };
            self.show.command(name, &format!("director {words}"));
        }
        let mut command = self.command(host);
        command.args(["--color", "never"]).args(words.split(' '));
        host.command(command, b"")
    }

    /// director with files of its own: both run in one file system here.
    fn command(&self, host: &Host) -> Command {
        let program = env::var("DIRECTOR_BIN")
            .unwrap_or_else(|_| panic!("DIRECTOR_BIN must name director: use scripts/demo"));
        let path = |end: &str| self.directory.join(format!("{}.{end}", host.name()));
        let mut command = Command::new(program);
        command
            .current_dir(&self.directory)
            .env("DIRECTOR_SOCKET", path("sock"))
            .env("DIRECTOR_STATE_DIR", path("state"));
        command
    }

    /// Requests, one after the other, while something happens.
    fn traffic(&self, happening: impl FnOnce()) -> Traffic {
        let over = AtomicBool::new(false);
        let client = self.net.client(1);
        let ask = client.ask(Tcp, self.service()).patience(PATIENCE);
        thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let (mut traffic, mut last) = (Traffic::default(), Instant::now());
                while !over.load(Ordering::Relaxed) {
                    traffic.count(&ask.run().0.swap_remove(0).by, &mut last);
                    // One processor forwards, answers and elects.
                    thread::sleep(Duration::from_millis(5));
                }
                traffic
            });
            // Also if the scene fails.
            let over = Over(&over);
            thread::sleep(Duration::from_millis(500));
            happening();
            drop(over);
            asking.join().unwrap()
        })
    }
}

/// Ends the traffic when dropped.
struct Over<'f>(&'f AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Traffic {
    fn count(&mut self, answer: &Result<String, Failure>, last: &mut Instant) {
        self.asked += 1;
        if answer.is_err() {
            self.failed += 1;
            return;
        }
        self.gap = self.gap.max(last.elapsed());
        *last = Instant::now();
    }
}

impl std::fmt::Display for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (asked, gap) = (self.asked, self.gap.as_secs_f64());
        match self.failed {
            0 => write!(f, "{asked} requests, none lost"),
            1 => write!(f, "{asked} requests, 1 lost; {gap:.2} s without an answer"),
            lost => write!(
                f,
                "{asked} requests, {lost} lost; {gap:.2} s without an answer"
            ),
        }
    }
}
