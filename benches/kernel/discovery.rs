//! Servers that etcd lists: from a change to the kernel, and what a hundred changes a second cost.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipvs::{Client, ServerKey, ServiceKey};
use serde_json::{Value, json};

use crate::checks::{PORT, Running, address};
use crate::daemon::median;
use crate::declared::large_file;
use crate::director::Daemon;
use crate::lab::Netns;
use crate::measure::{Figure, Reach};
use crate::seeing::scrapes::{buckets, checked, quantile};
use crate::threads::{spent, times};
use crate::{Bench, namespace};

/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// `settle.min` of the measured change.
const SETTLE: Duration = Duration::from_millis(100);
/// The number of measured changes.
const TURNS: u32 = 20;

/// Servers in etcd, and changes of them.
const SERVERS: u32 = 10_000;
const CHANGES_PER_SECOND: u32 = 100;
const SECONDS: u32 = 60;
/// The prefix of the pool, and one that no pool has.
const WATCHED: &str = "app";
const UNWATCHED: &str = "other";

impl Bench {
    pub(crate) fn discovery(&self, wanted: &dyn Fn(&str) -> bool, figures: &mut Vec<Figure>) {
        if wanted("discovery-delay") {
            change(figures);
        }
        if wanted("discovery-changes") {
            self.changes(figures);
        }
    }
}

/// etcd with one member.
struct Etcd<'n> {
    net: &'n Netns,
    process: Running,
}

impl<'n> Etcd<'n> {
    fn start(net: &'n Netns) -> Self {
        let directory = std::env::temp_dir().join(format!("etcd-{}", net.name()));
        fs::create_dir_all(&directory).unwrap();
        let child = net.enter(|| {
            Command::new("/usr/bin/etcd")
                .arg("--data-dir")
                .arg(&directory)
                .args(["--listen-peer-urls", "http://127.0.0.1:2380"])
                .args(["--log-level", "error"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        });
        let etcd = Self {
            net,
            process: Running(child),
        };
        let end = Instant::now() + PATIENCE;
        while etcd.ask("kv/range", &json!({ "key": "YQ==" })).is_none() {
            assert!(Instant::now() < end, "etcd does not answer");
            thread::sleep(Duration::from_millis(100));
        }
        etcd
    }

    fn ask(&self, path: &str, body: &Value) -> Option<Value> {
        let body = body.to_string();
        let request = format!(
            "POST /v3/{path} HTTP/1.0\r\nhost: etcd\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = self
            .net
            .enter(|| TcpStream::connect(("127.0.0.1", 2379)))
            .ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }

    fn put(&self, prefix: &str, server: Ipv4Addr, weight: u32) {
        let put = put(prefix, server, weight);
        self.ask("kv/put", &put).expect("etcd answers");
    }

    /// Many at a time.
    fn fill(&self, prefix: &str, servers: impl Iterator<Item = Ipv4Addr>) {
        let puts: Vec<Value> = servers
            .map(|server| json!({ "requestPut": put(prefix, server, 1) }))
            .collect();
        for some in puts.chunks(100) {
            let answer = self.ask("kv/txn", &json!({ "success": some }));
            let answer = answer.expect("etcd answers");
            assert!(answer.get("error").is_none(), "{answer}");
        }
    }
}

fn put(prefix: &str, server: Ipv4Addr, weight: u32) -> Value {
    let value = json!({ "address": server, "port": PORT, "weight": weight }).to_string();
    json!({ "key": key(prefix, server), "value": STANDARD.encode(value) })
}

fn key(prefix: &str, server: Ipv4Addr) -> String {
    STANDARD.encode(format!("{prefix}/{server}"))
}

/// The pool and its service.
fn pool(settle: &str, check: &str) -> String {
    format!(
        "\n[pool.app]\ndiscover = {{ type = \"etcd\", url = \"http://127.0.0.1:2379\", prefix = \"{WATCHED}\" }}\n\
         settle = {settle}\nmax_servers = 100000\nmax_removed = 100000\n\
         [service.app]\nlisten = \"tcp://10.99.0.2:80\"\nforward = \"nat\"\nscheduler = \"wrr\"\n\
         pool = \"app\"\ncheck = {check}\ndrain = \"0s\"\n"
    )
}

fn app() -> ServiceKey {
    ServiceKey::tcp(Ipv4Addr::new(10, 99, 0, 2), 80)
}

fn has(client: &mut Client, server: Ipv4Addr) -> bool {
    let key = ServerKey::new(server, PORT);
    let servers = client.servers(&app()).unwrap_or_default();
    servers.iter().any(|entry| entry.server.key == key)
}

/// From a new key until the kernel has the server, beside the large table.
fn change(figures: &mut Vec<Figure>) {
    let net = namespace();
    let etcd = Etcd::start(&net);
    etcd.put(WATCHED, address(0), 1);
    let settle = format!("{{ min = \"{}ms\", max = \"1s\" }}", SETTLE.as_millis());
    let daemon = Daemon::start(&net, &(large_file(None) + &pool(&settle, "false")));
    let latencies: Vec<f64> = net.enter(|| {
        let mut client = Client::connect().unwrap();
        until("the first server", || has(&mut client, address(0)));
        let turns = 1..=TURNS;
        turns
            .map(|turn| {
                thread::sleep(Duration::from_millis(1500));
                let began = Instant::now();
                etcd.put(WATCHED, address(turn), 1);
                until("the next server", || has(&mut client, address(turn)));
                began.elapsed().as_secs_f64()
            })
            .collect()
    });
    println!("etcd to kernel, s, with settle.min of 0.1 s: {latencies:.3?}");
    let name = "discovery, etcd to kernel beyond settle.min: median";
    let beyond = median(latencies) - SETTLE.as_secs_f64();
    figures.push(Figure::below(name, beyond, f64::NAN, Reach::Below(0.05)));
    daemon.stop();
    etcd.process.stop();
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what} is not there");
        thread::sleep(Duration::from_micros(500));
    }
}

impl Bench {
    /// A hundred changes a second among 10,000 servers, for a minute, beside checks.
    fn changes(&self, figures: &mut Vec<Figure>) {
        let net = namespace();
        let accept = self.accept(&net);
        let etcd = Etcd::start(&net);
        for prefix in [WATCHED, UNWATCHED] {
            etcd.fill(prefix, (0..SERVERS).map(server));
        }
        let settle = "{ min = \"2s\", max = \"10s\" }";
        let daemon = Daemon::start(
            &net,
            &(String::from("version = 1\n") + &checked() + &pool(settle, "false")),
        );
        net.enter(|| {
            let mut client = Client::connect().unwrap();
            until("every server", || {
                client
                    .servers(&app())
                    .is_ok_and(|servers| servers.len() == SERVERS as usize)
            });
        });
        // The same work for etcd and this process, but the director sees none of it.
        let mut elsewhere = Changes::default();
        let quiet = Seen::during(&daemon, || elsewhere.make(&etcd, UNWATCHED));
        let mut changes = Changes::default();
        let first = Seen::during(&daemon, || changes.make(&etcd, WATCHED));
        let second = Seen::during(&daemon, || changes.make(&etcd, WATCHED));
        println!(
            "changes elsewhere: {quiet:?}\nfirst minute: {first:?}\nsecond minute: {second:?}"
        );
        let name =
            "discovery, 100 changes a second, lateness of checks, p99: in the pool / elsewhere";
        // The width of the histogram's narrowest bucket is the noise.
        let late = (first.late + second.late) / 2.0;
        figures.push(Figure::at_most(name, late, quiet.late + 0.001, 1.0));
        let name = "discovery, 100 changes a second: growth of memory in the second minute, KiB";
        let growth = second.memory - first.memory;
        figures.push(Figure::count(name, growth, Reach::Below(2048.0)));
        let name = "discovery, 12,000 changes in two minutes: kernel operations";
        let operations = first.operations + second.operations;
        let most = Reach::Below(f64::from(changes.steps + 1));
        println!("the changes are {} steps", changes.steps);
        figures.push(Figure::count(name, operations, most));
        daemon.stop();
        etcd.process.stop();
        accept.stop();
    }
}

/// One in ten changes takes a server away or brings it back; the others change a weight.
#[derive(Default)]
struct Changes {
    made: u32,
    /// Those that are not 1.
    weights: BTreeMap<u32, u32>,
    /// What the kernel is told at most: a weight of 1 to 5 takes a step for each unit, and a server
    /// that leaves drains first.
    steps: u32,
}

impl Changes {
    /// For a minute.
    fn make(&mut self, etcd: &Etcd<'_>, prefix: &str) {
        let began = Instant::now();
        let all = CHANGES_PER_SECOND * SECONDS;
        for change in 1..=all {
            self.change(etcd, prefix);
            let due = began + Duration::from_secs(1) * change / CHANGES_PER_SECOND;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        println!("{all} changes in {:.1?}", began.elapsed());
    }

    fn change(&mut self, etcd: &Etcd<'_>, prefix: &str) {
        let number = |change: u32| change * 7919 % SERVERS;
        let change = self.made;
        match change % 20 {
            0 => {
                let key = key(prefix, server(number(change)));
                etcd.ask("kv/deleterange", &json!({ "key": key }))
                    .expect("etcd answers");
                self.steps += 2;
            }
            10 => self.put(etcd, prefix, number(change - 10), 1),
            // Another one each time that it is the server's turn.
            _ => self.put(
                etcd,
                prefix,
                number(change),
                1 + (change + change / SERVERS) % 5,
            ),
        }
        self.made += 1;
    }

    fn put(&mut self, etcd: &Etcd<'_>, prefix: &str, number: u32, weight: u32) {
        etcd.put(prefix, server(number), weight);
        let before = self.weights.insert(number, weight).unwrap_or(1);
        self.steps += before.abs_diff(weight).max(1);
    }
}

fn server(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 50, 0, 1)) + number)
}

/// What a director did during some work.
#[derive(Debug)]
struct Seen {
    /// The 99th percentile of how late checks were, in seconds.
    late: f64,
    /// In KiB, at the end.
    memory: f64,
    /// Changes sent to the kernel.
    operations: f64,
}

impl Seen {
    fn during(daemon: &Daemon, work: impl FnOnce()) -> Self {
        let before = daemon.get("/metrics").unwrap();
        let began = times(daemon.pid());
        work();
        println!(
            "the director's threads: {}",
            spent(&began, &times(daemon.pid()))
        );
        let after = daemon.get("/metrics").unwrap();
        let operations = |metrics: &str| {
            let line = "director_kernel_operations_total{outcome=\"done\"} ";
            let found = metrics.lines().find_map(|it| it.strip_prefix(line));
            found.unwrap().parse::<f64>().unwrap()
        };
        let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|line| line.split_whitespace().next());
        Self {
            late: quantile(&buckets(&before), &buckets(&after), 0.99),
            memory: memory.unwrap().parse().unwrap(),
            operations: operations(&after) - operations(&before),
        }
    }
}
