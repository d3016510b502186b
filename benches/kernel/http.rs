//! HTTP checks of `director run`: their cost compared with HAProxy's and keepalived's, and the
//! memory of a hanging check.
//!
//! ```text
//!   answer   a process that answers HTTP requests on all of 127/8, one connection after the other
//!   hang     a process that accepts there, and says nothing
//! ```
//!
//! Each of the three programs runs alone against `answer`, in its own namespace, at the same rate,
//! in turns. A check's cost is the processor time of the program's process, including all its
//! threads and the kernel's part, divided by the connections opened in the namespace.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::checks::{KEEPALIVED, PORT, Running, address, connections, processor_seconds};
use crate::daemon::median;
use crate::director::Daemon;
use crate::lab::Netns;
use crate::measure::{Figure, Reach};
use crate::{Bench, namespace};

/// Debian's program.
const HAPROXY: &str = "/usr/sbin/haproxy";

/// The number of services, with a hundred servers each.
const SERVICES: u32 = 10;
const SERVERS: u32 = SERVICES * 100;

/// The duration of a measurement in seconds, and the number of rounds.
const MEASURED: u64 = 10;
const TURNS: usize = 3;

/// The number of hanging servers.
const HANGING: u32 = 3_000;

/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(120);

impl Bench {
    pub(crate) fn http(&self, figures: &mut Vec<Figure>) {
        for rate in [500u32, 1_000] {
            self.cost(figures, rate);
        }
        self.hanging(figures);
    }

    /// The cost of a check at `rate` per second.
    fn cost(&self, figures: &mut Vec<Figure>, rate: u32) {
        let interval = Duration::from_secs(1) * SERVERS / rate;
        let (mut ours, mut theirs, mut keepalived) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            ours.push(self.of(|net| Checker::director(net, interval)));
            theirs.push(self.of(|net| Checker::haproxy(net, interval)));
            keepalived.push(self.of(|net| Checker::keepalived(net, interval)));
        }
        println!(
            "{rate}/s, ms: director {ours:.3?}, haproxy {theirs:.3?}, keepalived {keepalived:.3?}"
        );
        let name = |other: &str| {
            format!("daemon, CPU of an HTTP check at {rate}/s (ms): director / {other}")
        };
        let (ours, theirs) = (median(ours), median(theirs));
        figures.push(Figure::at_most(&name("HAProxy"), ours, theirs, 1.1));
        figures.push(Figure::at_most(
            &name("keepalived"),
            ours,
            median(keepalived),
            1.0,
        ));
    }

    /// The processor time of one check, in milliseconds.
    fn of(&self, start: impl FnOnce(&Netns) -> Checker) -> f64 {
        let net = namespace();
        let answer = self.server(&net, "answer");
        let checker = start(&net);
        // Each was checked, and again on its own schedule.
        until(|| connections(&net) >= f64::from(3 * SERVERS));
        let before = (
            processor_seconds(checker.pid),
            connections(&net),
            Instant::now(),
        );
        thread::sleep(Duration::from_secs(MEASURED));
        let after = (processor_seconds(checker.pid), connections(&net));
        let made = after.1 - before.1;
        println!(
            "  {} made {:.0}/s",
            checker.name,
            made / before.2.elapsed().as_secs_f64()
        );
        checker.stop();
        answer.stop();
        (after.0 - before.0) / made * 1e3
    }

    /// The director's memory for each of many servers whose checks wait for their answer, including
    /// everything it knows of the server.
    fn hanging(&self, figures: &mut Vec<Figure>) {
        let held = |servers: u32| {
            let net = namespace();
            let hang = self.server(&net, "hang");
            let daemon =
                Daemon::start(&net, &services(servers / 100, "50s", "timeout = \"45s\"\n"));
            until(|| connections(&net) >= f64::from(servers));
            // Until all requests are sent.
            thread::sleep(Duration::from_secs(3));
            let memory = resident_now(daemon.pid());
            daemon.stop();
            hang.stop();
            memory
        };
        let (few, many) = (held(100), held(HANGING));
        println!("kB with 100 checks that hang: {few:.0}, with {HANGING}: {many:.0}");
        let each = (many - few) / f64::from(HANGING - 100);
        let name = format!("daemon, memory of a server whose HTTP check hangs, of {HANGING} (kB)");
        figures.push(Figure::below(&name, each, 12.0, Reach::Below(12.0)));
    }

    fn server(&self, net: &Netns, what: &str) -> Running {
        let mut child = net.enter(|| {
            Command::new(&self.myself)
                .arg(what)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .map(Running)
                .unwrap()
        });
        child
            .0
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut [0])
            .unwrap();
        child
    }
}

/// A checking program.
struct Checker {
    name: &'static str,
    /// The process that makes the checks.
    pid: i32,
    stop: Box<dyn FnOnce()>,
}

impl Checker {
    fn director(net: &Netns, interval: Duration) -> Self {
        let daemon = Daemon::start(net, &services(SERVICES, &format!("{interval:?}"), ""));
        Self {
            name: "director",
            pid: daemon.pid(),
            stop: Box::new(|| daemon.stop()),
        }
    }

    fn haproxy(net: &Netns, interval: Duration) -> Self {
        let mut text = String::from(
            "global\n maxconn 4000\n nbthread 1\ndefaults\n mode http\n timeout connect 2s\n timeout client 2s\n \
             timeout server 2s\n timeout check 2s\nlisten none\n bind 127.0.0.1:9999\n",
        );
        for service in 0..SERVICES {
            let _ = writeln!(
                text,
                "backend b{service}\n option httpchk GET /\n default-server inter {}ms",
                interval.as_millis()
            );
            for server in 0..100 {
                let at = address(service * 100 + server);
                let _ = writeln!(text, " server s{server} {at}:{PORT} check");
            }
        }
        let file = scratch("haproxy.cfg");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(HAPROXY);
        command.arg("-db").arg("-f").arg(file);
        let process = started(net, command);
        Self {
            name: "haproxy",
            pid: process.pid().as_raw(),
            stop: Box::new(|| process.stop()),
        }
    }

    fn keepalived(net: &Netns, interval: Duration) -> Self {
        let mut text = String::from("global_defs {\n router_id bench\n}\n");
        for service in 0..SERVICES {
            let _ = writeln!(
                text,
                "virtual_server 10.9.0.{} 80 {{\n delay_loop {}\n lb_algo rr\n lb_kind NAT\n protocol TCP",
                service + 1,
                interval.as_secs()
            );
            for server in 0..100 {
                let at = address(service * 100 + server);
                let _ = writeln!(
                    text,
                    " real_server {at} {PORT} {{\n  HTTP_GET {{\n   url {{\n    path /\n    status_code 200\n   }}\n   \
                     connect_timeout 2\n  }}\n }}"
                );
            }
            text.push_str("}\n");
        }
        let file = scratch("keepalived.conf");
        fs::write(&file, text).unwrap();
        let checkers = scratch("checkers");
        let _ = fs::remove_file(&checkers);
        let mut command = Command::new(KEEPALIVED);
        command
            .args(["--dont-fork", "--check", "--log-console", "--use-file"])
            .arg(file)
            .arg("--pid")
            .arg(scratch("pid"))
            .arg("--checkers_pid")
            .arg(&checkers);
        let process = started(net, command);
        let written = || fs::read_to_string(&checkers).ok()?.trim().parse().ok();
        until(|| written().is_some());
        Self {
            name: "keepalived",
            pid: written().unwrap(),
            stop: Box::new(|| process.stop()),
        }
    }

    fn stop(self) {
        (self.stop)();
    }
}

fn started(net: &Netns, mut command: Command) -> Running {
    net.enter(|| {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Running)
            .unwrap()
    })
}

fn scratch(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join("http-checks");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

/// A service file with a hundred servers in each service.
fn services(number: u32, interval: &str, more: &str) -> String {
    let mut text = format!(
        "version = 1\n\n[defaults]\nscheduler = \"rr\"\nforward = \"nat\"\ninitial = \"up\"\n\n[defaults.check]\n\
         type = \"http\"\npath = \"/\"\ninterval = \"{interval}\"\nfast_interval = \"{interval}\"\n{more}"
    );
    for service in 0..number {
        let _ = write!(
            text,
            "\n[service.s{service}]\nlisten = \"tcp://10.9.0.{}:80\"\nservers = [\n",
            service + 1
        );
        for server in 0..100 {
            let _ = writeln!(text, "  \"{}:{PORT}\",", address(service * 100 + server));
        }
        text.push_str("]\n");
    }
    text
}

fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain");
        thread::sleep(Duration::from_millis(200));
    }
}

/// The resident size of a process, in kB.
fn resident_now(pid: i32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn listen() -> TcpListener {
    let here: SocketAddr = (Ipv4Addr::UNSPECIFIED, PORT).into();
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.set_reuse_address(true).unwrap();
    listener.bind(&here.into()).unwrap();
    listener.listen(4096).unwrap();
    std::io::stdout().write_all(b".").unwrap();
    std::io::stdout().flush().unwrap();
    listener.into()
}

/// `answer`: answers each connection's request and closes it.
pub(crate) fn answer() -> ExitCode {
    let mut request = [0; 4096];
    for stream in listen().incoming() {
        let Ok(mut stream) = stream else { continue };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        if matches!(stream.read(&mut request), Ok(1..)) {
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\
                  Connection: close\r\n\r\nok\n",
            );
        }
    }
    ExitCode::SUCCESS
}

/// `hang`: accepts, and sends nothing.
pub(crate) fn hang() -> ExitCode {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let listener = listen();
    let held: Vec<_> = listener.incoming().collect();
    drop(held);
    ExitCode::SUCCESS
}
