//! `director run`: its checks compared with keepalived's; reloads, reconciles and verdicts with a
//! large table.
//!
//! ```text
//!   checked   10,000 servers on 127/8, `accept` of checks.rs answers for all of them
//!   large     2,284 services with 37,298 servers that nobody checks
//!   verdicts  the same, and one server that is checked: it answers 200 or 503 as it is told
//! ```
//!
//! A daemon's cost is the processor time of its whole process; keepalived's is that of its checker.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ipvs::{Client, ServerKey, ServiceKey};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::time::TimeValLike;

use crate::answering::Answering;
use crate::checks::{
    KEEPALIVED, MEASURED, PORT, Running, TARGETS, address, connections, processor_seconds,
    resident, warm_up,
};
use crate::declared::large_file;
use crate::director::Daemon;
use crate::lab::Netns;
use crate::measure::{Figure, Reach, seconds};
use crate::{Bench, namespace, tables};

/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(120);

/// The interval of file changes while gaps between checks are measured, and their number.
const RELOAD_EVERY: Duration = Duration::from_secs(3);
const RELOADS: u32 = 10;

/// The interval of these checks, in seconds.
const CALM: u32 = 20;

/// The number of measured reloads.
const TURNS: usize = 5;

/// The number of measured verdicts.
const VERDICTS: u32 = 30;

impl Bench {
    pub(crate) fn daemon_checks(&self, figures: &mut Vec<Figure>) {
        self.checked(figures, 5);
        self.checked(figures, 2);
        self.gaps(figures);
    }

    /// 10,000 servers, each checked every `interval` seconds.
    fn checked(&self, figures: &mut Vec<Figure>, interval: u32) {
        let rate = TARGETS / interval;
        let theirs = self.keepalived(interval);
        let net = namespace();
        let accept = self.accept(&net);
        let daemon = Daemon::start(&net, &checked_file(interval, 1));
        warm_up(&net);
        let before = (processor_seconds(daemon.pid()), connections(&net));
        thread::sleep(Duration::from_secs(MEASURED));
        let after = (processor_seconds(daemon.pid()), connections(&net));
        let (used, made) = (after.0 - before.0, after.1 - before.1);
        println!(
            "{rate}/s asked for: keepalived {:.0}/s, director {:.0}/s",
            theirs.checks / MEASURED as f64,
            made / MEASURED as f64
        );
        figures.push(Figure::at_most(
            &format!("daemon, CPU of a TCP check at {rate}/s (ms): director / keepalived"),
            used / made * 1e3,
            theirs.of_one() * 1e3,
            1.0,
        ));
        if interval == 2 {
            figures.push(Figure::below(
                "daemon, 10,000 checked servers: peak MB, director, keepalived",
                resident(daemon.pid()),
                theirs.memory,
                Reach::Below(30.0),
            ));
        }
        daemon.stop();
        accept.stop();
    }

    /// The longest time between two checks of a server, with all checked every 20 s while the file
    /// changes every 3 s.
    fn gaps(&self, figures: &mut Vec<Figure>) {
        let net = namespace();
        let accept = self.accept(&net);
        let daemon = Daemon::start(&net, &checked_file(CALM, 1));
        warm_up(&net);
        for turn in 0..RELOADS {
            daemon.replace(&checked_file(CALM, 2 + turn % 2));
            thread::sleep(RELOAD_EVERY);
        }
        let gap = daemon.longest_gap();
        daemon.stop();
        accept.stop();
        figures.push(Figure::at_most(
            "daemon, reload every 3 s: longest gap / interval",
            gap,
            f64::from(CALM),
            1.05,
        ));
    }
}

/// All measurements of the large table.
pub(crate) fn tables(figures: &mut Vec<Figure>) {
    reconciles(figures);
    reloads(figures);
    verdicts(figures);
}

/// Nothing to do on the large table: the time of a comparison, next to that of the bare dump.
fn reconciles(figures: &mut Vec<Figure>) {
    let net = namespace();
    let daemon = Daemon::start(&net, &settled(&large_file(None), "1s"));
    let mut ratios = Vec::new();
    for _ in 0..TURNS {
        let before = (processor_seconds(daemon.pid()), daemon.readings());
        thread::sleep(Duration::from_secs(5));
        let after = (processor_seconds(daemon.pid()), daemon.readings());
        let (used, read) = (after.0 - before.0, after.1 - before.1);
        assert!(read > 0.0, "it does not look at the tables");
        let one = used / read;
        let bare = net.enter(|| {
            let mut client = Client::connect().unwrap();
            let before = own_seconds();
            for _ in 0..10 {
                for service in client.services().unwrap() {
                    client.servers(&service.service.key).unwrap();
                }
            }
            (own_seconds() - before) / 10.0
        });
        ratios.push((one, bare));
    }
    let (one, bare) = middle(ratios);
    let name = "daemon, CPU of a reconcile with nothing to do / of the bare dump";
    figures.push(Figure::at_most(name, one, bare, 1.3));
    println!("large table: peak {:.1} MB", resident(daemon.pid()));
    daemon.stop();
}

/// One changed weight in the large table: from the request to the kernel.
fn reloads(figures: &mut Vec<Figure>) {
    let net = namespace();
    let daemon = Daemon::start(&net, &weighted(1));
    let mut ours = Vec::new();
    for turn in 0..TURNS {
        let weight = 2 + u32::try_from(turn).unwrap() % 2;
        let file = weighted(weight);
        daemon.write(&file);
        ours.push(until_weight(&net, weight, || daemon.put_in_place()));
        // The file system's notification may follow the signal.
        thread::sleep(Duration::from_secs(3));
    }
    daemon.stop();
    let net = namespace();
    let keepalived = Keepalived::start(&net, &keepalived_large(1));
    let mut theirs = Vec::new();
    for turn in 0..TURNS.min(3) {
        let weight = 2 + u32::try_from(turn).unwrap() % 2;
        fs::write(&keepalived.file, keepalived_large(weight)).unwrap();
        theirs.push(until_weight(&net, weight, || {
            keepalived.process.signal(Signal::SIGHUP);
        }));
        thread::sleep(Duration::from_secs(3));
    }
    println!("reloads: director {ours:.3?}, keepalived {theirs:.3?}");
    keepalived.process.stop();
    let name = "daemon, reload of 2,284 with 37,298, one weight: director / keepalived";
    figures.push(Figure::at_most(name, median(ours), median(theirs), 0.1));
}

/// From the result that makes the verdict to the kernel's change, with the large table loaded, a
/// reload every second and a reconcile every 0.1 s.
fn verdicts(figures: &mut Vec<Figure>) {
    let net = namespace();
    let server = Answering::start(&net);
    let probe = format!(
        "\n[service.probe]\nlisten = \"tcp://10.99.0.1:80\"\nservers = [\"127.0.0.1:{PORT}\"]\n\
         check = {{ type = \"http\", path = \"/\", interval = \"100ms\", fast_interval = \"100ms\", \
         timeout = \"90ms\", rise = 1, fall = 1 }}\ndamping = false\n"
    );
    let with = |weight| settled(&weighted(weight), "100ms") + &probe;
    let daemon = Daemon::start(&net, &with(1));
    let key = ServiceKey::tcp(Ipv4Addr::new(10, 99, 0, 1), 80);
    let over = AtomicBool::new(false);
    let latencies = thread::scope(|scope| {
        scope.spawn(|| {
            let mut weight = 2;
            while !over.load(Ordering::SeqCst) {
                daemon.replace(&with(weight));
                weight = 5 - weight;
                thread::sleep(Duration::from_secs(1));
            }
        });
        let latencies = net.enter(|| {
            let mut client = Client::connect().unwrap();
            let mut latencies = Vec::new();
            for turn in 0..VERDICTS {
                let well = turn % 2 == 1;
                server.answer(well);
                let end = Instant::now() + PATIENCE;
                let changed = loop {
                    let servers = client.servers(&key).unwrap();
                    let weight = servers.first().map(|entry| entry.server.weight.get());
                    if weight == Some(u32::from(well)) {
                        break Instant::now();
                    }
                    assert!(Instant::now() < end, "no change: {weight:?}");
                    thread::sleep(Duration::from_micros(300));
                };
                latencies.push(changed.duration_since(server.said()).as_secs_f64());
                thread::sleep(Duration::from_millis(170));
            }
            latencies
        });
        over.store(true, Ordering::SeqCst);
        latencies
    });
    println!("verdict to kernel: {:.1?} ms", {
        let mut sorted: Vec<f64> = latencies.iter().map(|s| s * 1e3).collect();
        sorted.sort_by(f64::total_cmp);
        sorted
    });
    let name = "daemon, verdict to kernel, reloading: median";
    figures.push(Figure::below(
        name,
        median(latencies),
        1.0,
        Reach::Below(0.020),
    ));
    daemon.stop();
    server.stop(&net);
}

/// keepalived's checker with a large table.
struct Keepalived {
    process: Running,
    file: PathBuf,
}

impl Keepalived {
    fn start(net: &Netns, configuration: &str) -> Self {
        let directory = std::env::temp_dir().join("keepalived-large");
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("keepalived.conf");
        fs::write(&file, configuration).unwrap();
        let child = net.enter(|| {
            Command::new(KEEPALIVED)
                .args(["--dont-fork", "--check", "--log-console", "--use-file"])
                .arg(&file)
                .arg("--pid")
                .arg(directory.join("pid"))
                .arg("--checkers_pid")
                .arg(directory.join("checkers"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        });
        let keepalived = Self {
            process: Running(child),
            file,
        };
        let (last, servers) = tables::large_shape().last().unwrap();
        let key = tables::service_key(last);
        net.enter(|| {
            let mut client = Client::connect().unwrap();
            let end = Instant::now() + PATIENCE;
            while client.servers(&key).map_or(0, |found| found.len()) < servers as usize {
                assert!(Instant::now() < end, "keepalived is not ready");
                thread::sleep(Duration::from_millis(100));
            }
        });
        // It has told the kernel, but may have more to do.
        thread::sleep(Duration::from_secs(2));
        keepalived
    }
}

/// 100 services with 100 checked servers each; the first server has this weight.
fn checked_file(interval: u32, weight: u32) -> String {
    let mut text = format!(
        "version = 1\n\n[defaults]\nscheduler = \"rr\"\nforward = \"nat\"\n\
         initial = \"up\"\n\n[defaults.check]\ntype = \"tcp\"\ninterval = \"{interval}s\"\n\
         fast_interval = \"{interval}s\"\ntimeout = \"1500ms\"\n"
    );
    for service in 0..100 {
        let _ = write!(
            text,
            "\n[service.s{service}]\nlisten = \"tcp://10.9.0.{}:80\"\nservers = [\n",
            service + 1
        );
        for server in 0..TARGETS / 100 {
            let address = address(service * (TARGETS / 100) + server);
            let weight = if service + server == 0 { weight } else { 1 };
            let _ = writeln!(
                text,
                "  {{ address = \"{address}\", port = {PORT}, weight = {weight} }},"
            );
        }
        text.push_str("]\n");
    }
    text
}

/// The server of the large table whose weight is changed: its number, its service's, and its own
/// within that. The first services have 17 servers.
const CHANGED: (u32, u32, u32) = (1000, 58, 14);

fn weighted(weight: u32) -> String {
    large_file(Some((CHANGED.0, weight)))
}

/// The same file with another reconcile period.
pub(crate) fn settled(file: &str, period: &str) -> String {
    let head = format!("version = 1\n\n[daemon]\nreconcile = \"{period}\"\n");
    file.replacen("version = 1\n", &head, 1)
}

/// The large table for keepalived, without checks.
fn keepalived_large(weight: u32) -> String {
    let mut text = String::from("global_defs {\n router_id bench\n}\n");
    for (service, servers) in tables::large_shape() {
        let listen = tables::virtual_address(service).replace(':', " ");
        let _ = writeln!(
            text,
            "virtual_server {listen} {{\n delay_loop 20\n lb_algo wlc\n lb_kind NAT\n protocol TCP"
        );
        for server in 0..servers {
            let address = tables::real_address(server);
            let is_changed = (service, server) == (CHANGED.1, CHANGED.2);
            let weight = if is_changed { weight } else { 1 };
            let _ = writeln!(
                text,
                " real_server {address} 8080 {{\n  weight {weight}\n }}"
            );
        }
        text.push_str("}\n");
    }
    text
}

/// The time from a request until the changed server has its weight, in seconds.
fn until_weight(net: &Netns, weight: u32, order: impl FnOnce() + Send) -> f64 {
    let service = tables::service_key(CHANGED.1);
    let server = ServerKey::new(tables::real_address(CHANGED.2), 8080);
    net.enter(|| {
        let mut client = Client::connect().unwrap();
        let mut there = || {
            let servers = client.servers(&service).unwrap();
            let found = servers.iter().find(|entry| entry.server.key == server);
            found.is_some_and(|entry| entry.server.weight.get() == weight)
        };
        let end = Instant::now() + PATIENCE;
        seconds(|| {
            order();
            while !there() {
                assert!(Instant::now() < end, "the weight does not come");
                thread::sleep(Duration::from_millis(1));
            }
        })
    })
}

/// The processor time of this thread.
pub(crate) fn own_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The pair with the median ratio.
fn middle(mut pairs: Vec<(f64, f64)>) -> (f64, f64) {
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    pairs[pairs.len() / 2]
}
