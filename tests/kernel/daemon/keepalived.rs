//! Compared with Debian's keepalived: the same network, the same intervals, the same boot.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Daemon, Declared, SERVICE, asked_during, failed, listed, weights};
use crate::lab::{Failure, Host, Lan, Process, Server, Tcp, V4, paced_ms};

/// The number of deaths, for a median.
const DEATHS: usize = 20;

const RELOADS: usize = 10;

const ALL: Declared = &[(1, 1), (2, 1), (3, 1)];

/// The program that manages the tables of a network.
pub(super) enum Keeper<'h> {
    Director(Daemon<'h>),
    Keepalived {
        host: &'h Host,
        directory: tempfile::TempDir,
        process: Process,
    },
}

impl<'h> Keeper<'h> {
    fn director(host: &'h Host) -> Self {
        Self::director_with(host, &ours(ALL))
    }

    pub(super) fn director_with(host: &'h Host, text: &str) -> Self {
        Self::Director(Daemon::start(host, text))
    }

    pub(super) fn keepalived(host: &'h Host) -> Self {
        Self::keepalived_with(host, &theirs(ALL))
    }

    /// keepalived with a file of its own.
    pub(super) fn keepalived_with(host: &'h Host, text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keepalived.conf");
        fs::write(&file, text).unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let mut command = Command::new("/usr/sbin/keepalived");
        command
            .args(["--dont-fork", "--log-console", "--check", "--use-file"])
            .arg(&file)
            .arg("--pid")
            .arg(directory.path().join("pid"))
            .arg("--checkers_pid")
            .arg(directory.path().join("checkers"))
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(log);
        Self::Keepalived {
            host,
            directory,
            process: host.spawn_command(command),
        }
    }

    fn declare(&self, servers: Declared) {
        match self {
            Self::Director(daemon) => {
                daemon.write(&ours(servers));
                daemon.signal(Signal::SIGHUP);
            }
            Self::Keepalived {
                directory, process, ..
            } => {
                fs::write(directory.path().join("keepalived.conf"), theirs(servers)).unwrap();
                process.signal(Signal::SIGHUP);
            }
        }
    }

    fn weights(&self, expected: &str) {
        let host = match self {
            Self::Director(daemon) => daemon.host,
            Self::Keepalived { host, .. } => host,
        };
        let start = Instant::now();
        while weights(host, SERVICE) != expected {
            assert!(
                start.elapsed() < paced_ms(60_000),
                "the weights are {}, not {expected}; the log:\n{}",
                weights(host, SERVICE),
                self.log()
            );
            thread::sleep(paced_ms(10));
        }
    }

    pub(super) fn log(&self) -> String {
        match self {
            Self::Director(daemon) => daemon.log(),
            Self::Keepalived { directory, .. } => {
                fs::read_to_string(directory.path().join("log")).unwrap()
            }
        }
    }
}

/// Three tries, 200 ms apart, of 200 ms each.
fn ours(servers: Declared) -> String {
    let servers = listed(servers.iter().copied());
    format!(
        "
version = 1
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
scheduler = \"wrr\"
drain = \"2s\"
damping = false
check = {{ type = \"tcp\", interval = \"200ms\", fast_interval = \"200ms\", timeout = \"200ms\", \
         rise = 1, fall = 3 }}
servers = [{servers}]
"
    )
}

/// The same: the first try and two more.
fn theirs(servers: Declared) -> String {
    let tick = paced_ms(200).as_secs_f64();
    let mut text = format!(
        "
virtual_server 10.1.0.100 80 {{
    delay_loop {tick}
    lb_algo wrr
    lb_kind NAT
    protocol TCP
"
    );
    for (number, weight) in servers {
        text.push_str(&format!(
            "    real_server 10.2.0.1{number} 80 {{
        weight {weight}
        inhibit_on_failure
        TCP_CHECK {{
            connect_timeout {tick}
            retry 2
            delay_before_retry {tick}
        }}
    }}
"
        ));
    }
    text.push_str("}\n");
    text
}

/// The time from a server's death to the last failed request, many times.
fn deaths(net: &Lan, keeper: &Keeper<'_>, servers: &mut Vec<Server>) -> Vec<Duration> {
    keeper.weights("1=1 2=1 3=1");
    let ask = net.client(1).ask(Tcp, net.service(V4, 80));
    let ask = ask.patience(paced_ms(500));
    let one = |_| {
        let mut struck = Instant::now();
        let asked = asked_during(&ask, 1, || {
            thread::sleep(paced_ms(100));
            struck = Instant::now();
            drop(servers.remove(1));
            keeper.weights("1=1 2=0 3=1");
            thread::sleep(paced_ms(200));
        });
        servers.insert(1, net.real(2).serve(Tcp, 80));
        keeper.weights("1=1 2=1 3=1");
        let last = failed(&asked).last().map(|asked| asked.at);
        last.map_or(Duration::ZERO, |last| {
            last.saturating_duration_since(struck)
        })
    };
    let mut all: Vec<Duration> = (0..DEATHS).map(one).collect();
    all.sort_unstable();
    all
}

/// The failures of requests of a tenth of a second while servers join, change weight and leave,
/// with the number of the reload; and the number of requests.
fn reloads(net: &Lan, keeper: &Keeper<'_>) -> (Vec<(usize, Failure)>, usize) {
    const TURNS: [(Declared, &str); 2] = [
        (&[(1, 1), (2, 3), (3, 1), (4, 1)], "1=1 2=3 3=1 4=1"),
        (&[(1, 1), (2, 1), (4, 2)], "1=1 2=1 4=2"),
    ];
    let (over, lost) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let (reload, made) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ask = net.client(1).ask(Tcp, net.service(V4, 80));
    let ask = ask.patience(paced_ms(2_000));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let answer = ask.connect().and_then(|mut connection| {
                        thread::sleep(paced_ms(100));
                        connection.ask()
                    });
                    made.fetch_add(1, Ordering::SeqCst);
                    if let Err(failure) = answer {
                        let during = reload.load(Ordering::SeqCst);
                        lost.lock().unwrap().push((during, failure));
                    }
                }
            });
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 0..RELOADS {
                reload.store(number + 1, Ordering::SeqCst);
                let (servers, expected) = TURNS[number % 2];
                keeper.declare(servers);
                keeper.weights(expected);
                thread::sleep(paced_ms(200));
            }
        }));
        over.store(true, Ordering::SeqCst);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    (lost.into_inner().unwrap(), made.into_inner())
}

#[test]
#[ignore = "needs the lab"]
fn beside_keepalived_deaths_are_found_as_soon_and_reloads_lose_nothing() {
    if !std::path::Path::new("/usr/sbin/keepalived").exists() {
        eprintln!("there is no keepalived, so no test");
        return;
    }
    let mut figures = Vec::new();
    for name in ["keepalived", "director"] {
        let net = Lan::nat().real_servers(4).build();
        let mut servers = net.serve(Tcp, 80);
        let keeper = match name {
            "director" => Keeper::director(&net.director),
            _ => Keeper::keepalived(&net.director),
        };
        let deaths = deaths(&net, &keeper, &mut servers);
        let (lost, made) = reloads(&net, &keeper);
        let median = deaths[DEATHS / 2];
        eprintln!(
            "{name}: from death to last failed request {} ms (median of {DEATHS}; {} to {}); \
             {} of {made} requests lost in {RELOADS} reloads",
            median.as_millis(),
            deaths[0].as_millis(),
            deaths[DEATHS - 1].as_millis(),
            lost.len(),
        );
        if name == "director" {
            assert!(lost.is_empty(), "{lost:?}\n{}", keeper.log());
        }
        figures.push(median);
    }
    let (keepalived, director) = (figures[0], figures[1]);
    // The figure itself is printed; on a busy machine it means nothing.
    assert!(director < 2 * keepalived, "{director:?}, {keepalived:?}");
}
