//! Health checks: the cost of a TCP check compared with keepalived's, and how late checks are.
//!
//! ```text
//!   accept     a process that takes connections on all of 127/8, and closes them when they end
//!   keepalived 100 virtual services with N/100 servers each, TCP_CHECK
//!   checks     our own, in a process that does nothing else
//! ```
//!
//! Each program runs alone against `accept` for the same time, at the same rate, in its own
//! namespace. A check's cost is the processor time of the process that makes it, including the
//! kernel's part.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use director::check::{Checks, Command as Order, Record, Target, TargetId, Verdict};
use director::state::Share;
use director::state::health::{CheckAt, CheckKind, CheckSpec, Pace, TcpCheck};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};

use crate::lab::Netns;
use crate::measure::{Figure, Reach};

/// Debian's program.
pub(crate) const KEEPALIVED: &str = "/usr/sbin/keepalived";

/// The duration of a measurement and of the warm-up before it, in seconds.
pub(crate) const MEASURED: u64 = 15;
const WARM_UP: u64 = 12;

/// The number of targets.
pub(crate) const TARGETS: u32 = 10_000;

pub(crate) const PORT: u16 = 8080;

/// Processor time and number of checks in the measured time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    seconds: f64,
    pub(crate) checks: f64,
    /// The largest resident size, in MB.
    pub(crate) memory: f64,
    /// In seconds; 0 if unknown.
    lateness: f64,
}

impl Cost {
    pub(crate) fn of_one(self) -> f64 {
        self.seconds / self.checks
    }
}

impl crate::Bench {
    pub(crate) fn checks(&self, figures: &mut Vec<Figure>) {
        for interval in [5u32, 2] {
            let rate = TARGETS / interval;
            let theirs = self.keepalived(interval);
            let ours = self.ours(interval);
            let made = |cost: Cost| cost.checks / MEASURED as f64;
            println!(
                "{rate}/s asked for: keepalived {:.0}/s, director {:.0}/s",
                made(theirs),
                made(ours)
            );
            let name = format!("CPU of a TCP check at {rate}/s: director / keepalived");
            figures.push(Figure::at_most(&name, ours.of_one(), theirs.of_one(), 1.0));
            if interval == 2 {
                println!("lateness, 99th percentile: {:.3} s", ours.lateness);
                let name = "memory with 10,000 checked servers, MB: director, keepalived";
                figures.push(Figure::below(
                    name,
                    ours.memory,
                    theirs.memory,
                    Reach::Below(30.0),
                ));
            }
        }
    }

    /// How late checks are with one processor for themselves. This needs a machine with two: the
    /// lab's guest has one, and the program that answers the checks needs as much of it as they do.
    pub(crate) fn lateness(&self, figures: &mut Vec<Figure>) {
        let alone = Self {
            apart: true,
            ..self.clone()
        };
        let cost = alone.ours(2);
        println!("{:.0}/s made", cost.checks / MEASURED as f64);
        let name = "lateness at 5,000/s on a processor of its own, 99th percentile";
        figures.push(Figure::below(name, cost.lateness, 1.0, Reach::Below(0.050)));
    }

    /// This program, on the processor with this number if the two are to be separated.
    fn program(&self, processor: u8) -> Command {
        if !self.apart {
            return Command::new(&self.myself);
        }
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &processor.to_string()]);
        command.arg(&self.myself);
        command
    }

    fn ours(&self, interval: u32) -> Cost {
        let net = crate::namespace();
        let accept = self.accept(&net);
        let mut child = net.enter(|| {
            self.program(0)
                .args(["check", &TARGETS.to_string(), &interval.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(child.wait().unwrap().success());
        let numbers: Vec<f64> = line.split(' ').map(|n| n.trim().parse().unwrap()).collect();
        let [seconds, checks, memory, lateness] = numbers[..] else {
            panic!("{line}");
        };
        accept.stop();
        Cost {
            seconds,
            checks,
            memory,
            lateness,
        }
    }

    pub(crate) fn keepalived(&self, interval: u32) -> Cost {
        let net = crate::namespace();
        let accept = self.accept(&net);
        let directory = std::env::temp_dir().join(format!("keepalived-{interval}"));
        fs::create_dir_all(&directory).unwrap();
        let configuration = directory.join("keepalived.conf");
        fs::write(&configuration, configured(interval)).unwrap();
        let pid_file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let daemon = net.enter(|| {
            Command::new(KEEPALIVED)
                .args(["--dont-fork", "--check", "--log-console", "--use-file"])
                .arg(&configuration)
                .args([
                    "--pid",
                    &pid_file("pid"),
                    "--checkers_pid",
                    &pid_file("checkers"),
                ])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        });
        let daemon = Running(daemon);
        warm_up(&net);
        let checker: i32 = fs::read_to_string(pid_file("checkers"))
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let before = (processor_seconds(checker), connections(&net));
        thread::sleep(Duration::from_secs(MEASURED));
        let after = (processor_seconds(checker), connections(&net));
        let memory = resident(checker);
        daemon.stop();
        accept.stop();
        Cost {
            seconds: after.0 - before.0,
            checks: after.1 - before.1,
            memory,
            lateness: 0.0,
        }
    }

    pub(crate) fn accept(&self, net: &Netns) -> Running {
        let child = net.enter(|| {
            self.program(1)
                .arg("accept")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        });
        let mut child = Running(child);
        let mut ready = [0];
        child
            .0
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut ready)
            .unwrap();
        child
    }
}

/// A process that ends when this is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        self.0.wait().unwrap();
    }
}

pub(crate) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number)
}

fn configured(interval: u32) -> String {
    let mut text = String::from("global_defs {\n  router_id bench\n}\n");
    for service in 0..100 {
        let _ = writeln!(
            text,
            "virtual_server 10.9.0.{} 80 {{\n delay_loop {interval}\n lb_algo rr\n lb_kind NAT\n protocol TCP",
            service + 1
        );
        for server in 0..TARGETS / 100 {
            let address = address(service * (TARGETS / 100) + server);
            let _ = writeln!(
                text,
                " real_server {address} {PORT} {{\n  TCP_CHECK {{\n   connect_timeout 2\n  }}\n }}"
            );
        }
        text.push_str("}\n");
    }
    text
}

/// `accept`: accepts connections and closes each once the other side has.
pub(crate) fn accept() -> ExitCode {
    // std's listen queue is too short for bursts.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let here: SocketAddr = (Ipv4Addr::UNSPECIFIED, PORT).into();
    listener.set_reuse_address(true).unwrap();
    listener.bind(&here.into()).unwrap();
    listener.listen(4096).unwrap();
    let listener = TcpListener::from(listener);
    std::io::stdout().write_all(b".").unwrap();
    std::io::stdout().flush().unwrap();
    for stream in listener.incoming() {
        // The other side is done by the time it is accepted.
        drop::<TcpStream>(stream.unwrap());
    }
    ExitCode::SUCCESS
}

/// `check TARGETS INTERVAL`: prints processor seconds, checks, peak MB, and the 99th percentile of
/// lateness in seconds.
pub(crate) fn check(targets: u32, interval: u64) -> ExitCode {
    let checks = Checks::start(|_| {}).unwrap();
    let pace = Pace {
        interval: Duration::from_secs(interval),
        fast_interval: Duration::from_secs(interval),
        timeout: Duration::from_secs(2),
        jitter: Share::percent(5),
        ..Pace::default()
    };
    let spec = Arc::new(CheckSpec {
        kind: CheckKind::Tcp(TcpCheck::default()),
        pace,
        at: CheckAt::default(),
    });
    let orders = (0..targets)
        .map(|number| {
            let address = IpAddr::V4(address(number));
            let target = Target {
                spec: Arc::clone(&spec),
                address,
                port: PORT,
                service: None,
                server: (address, PORT),
                service_name: None,
                server_name: None,
            };
            Order::Start {
                id: TargetId(number),
                target: Arc::new(target),
                verdict: Verdict::Up,
                record: Arc::new(Record::default()),
            }
        })
        .collect();
    checks.send(orders);
    thread::sleep(Duration::from_secs(WARM_UP));
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        let time = usage.user_time() + usage.system_time();
        time.num_microseconds() as f64 / 1e6
    };
    let (before, counted) = (used(), checks.statistics());
    let start = Instant::now();
    thread::sleep(Duration::from_secs(MEASURED));
    let (after, statistics) = (used(), checks.statistics());
    let number = statistics.started - counted.started;
    eprintln!(
        "{targets} targets, {:.0} checks a second: {statistics:?}",
        number as f64 / start.elapsed().as_secs_f64()
    );
    let memory = resident(i32::try_from(std::process::id()).unwrap());
    let lateness = statistics.lateness.p99.as_secs_f64();
    println!("{} {number} {memory} {lateness}", after - before);
    ExitCode::SUCCESS
}

/// User and system time of a process, in seconds.
pub(crate) fn processor_seconds(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = after.split_whitespace().collect();
    let ticks = |field: &str| field.parse::<u32>().unwrap();
    // proc(5): utime and stime, in hundredths of a second on all known systems.
    f64::from(ticks(fields[11]) + ticks(fields[12])) / 100.0
}

/// The largest resident size of a process, in MB.
pub(crate) fn resident(pid: i32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

/// Waits until every target was checked twice, and at least the time for that.
pub(crate) fn warm_up(net: &Netns) {
    thread::sleep(Duration::from_secs(WARM_UP));
    let end = Instant::now() + Duration::from_secs(120);
    while connections(net) < f64::from(2 * TARGETS) {
        assert!(Instant::now() < end, "the checks do not begin");
        thread::sleep(Duration::from_millis(500));
    }
}

/// The number of connections opened in a namespace so far (`ActiveOpens` of `/proc/net/snmp`).
pub(crate) fn connections(net: &Netns) -> f64 {
    let text = net.enter(|| fs::read_to_string("/proc/thread-self/net/snmp").unwrap());
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let place = names
        .split(' ')
        .position(|name| name == "ActiveOpens")
        .unwrap();
    values.split(' ').nth(place).unwrap().parse().unwrap()
}
