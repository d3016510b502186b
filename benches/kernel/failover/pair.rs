//! A pair of directors and a pair of keepalived, behind the same few words.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{VIRTUAL, said};
use crate::checks::{KEEPALIVED, Running, processor_seconds};
use crate::director::Daemon;
use crate::lab::{Host, Link, has_now};

/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(90);

/// The priority of `a`.
pub(super) const FIRST: u8 = 254;

/// Two routers: `a` is active unless something happens to it.
pub(super) trait Pair<'l> {
    fn network(&self) -> &'l Link;
    /// Ends `a` by a signal.
    fn end(&mut self, signal: Signal);
    /// Starts `a` again.
    fn start(&mut self);
    /// Ends `b`.
    fn end_b(&mut self);
    /// Lets `a` read another file, in which nothing of the router has changed.
    fn reload(&mut self);
    /// How often `a` and `b` became active.
    fn takeovers(&self) -> (u64, u64);
    /// The processes of `a` and of `b`.
    fn processes(&self) -> (Vec<i32>, Vec<i32>);

    /// Waits until `a` alone has had the address for some intervals.
    fn settle(&self, interval: Duration) {
        until("a alone is active", || self.a_has() && !self.b_has());
        thread::sleep(2 * interval + Duration::from_millis(200));
        until("a alone is active", || self.a_has() && !self.b_has());
    }

    fn a_has(&self) -> bool {
        has_now(&self.network().a, VIRTUAL)
    }

    fn b_has(&self) -> bool {
        has_now(&self.network().b, VIRTUAL)
    }

    /// Waits until `b` has taken over.
    fn until_b_has(&self) {
        until("b takes over", || self.b_has());
    }

    /// Waits until `a` has no address any more.
    fn until_a_has_not(&self) {
        until("a lets go", || !self.a_has());
    }
}

#[track_caller]
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The processor time of processes.
pub(super) fn seconds_of(processes: &[i32]) -> f64 {
    processes.iter().copied().map(processor_seconds).sum()
}

/// Two directors.
pub(super) struct Ours<'l> {
    link: &'l Link,
    pub(super) a: Daemon,
    pub(super) b: Daemon,
    file: String,
    serial: u32,
}

impl<'l> Ours<'l> {
    pub(super) fn start(link: &'l Link, interval: Duration, second: u8) -> Self {
        let file = |priority| {
            format!(
                "version = 1\n[failover.front]\nid = 51\ninterface = \"eth0\"\n\
                 priority = {priority}\naddresses = [\"{VIRTUAL}\"]\ninterval = \"{}\"\n\
                 preempt = true\n",
                said(interval)
            )
        };
        let own = file(FIRST);
        Self {
            a: Daemon::start(link.a.netns(), &own),
            b: Daemon::start(link.b.netns(), &file(second)),
            link,
            file: own,
            serial: 0,
        }
    }

    /// The state of `a`'s section, or of `b`'s.
    pub(super) fn section(daemon: &Daemon) -> Value {
        let status = daemon.status().expect("the director answers");
        status["failover"][0].clone()
    }

    pub(super) fn counter(daemon: &Daemon, name: &str) -> u64 {
        Self::section(daemon)["counters"][name].as_u64().unwrap()
    }

    /// The file of `a`, to which a table may be added.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Replaces the program of `a` on disk.
    pub(super) fn upgrade(&self) {
        self.a.replace_program();
    }

    /// Moves the address to `b`, and back.
    pub(super) fn switch_over_and_back(&self) {
        let (a, b) = (self.link.a.netns(), self.link.b.netns());
        self.a.verb(a, "failover switchover front --wait");
        until("b takes over", || self.b_has() && !self.a_has());
        self.b.verb(b, "failover switchover front --wait");
        until("a takes over", || self.a_has() && !self.b_has());
        self.a.verb(a, "failover auto front");
        self.b.verb(b, "failover auto front");
    }
}

impl<'l> Pair<'l> for Ours<'l> {
    fn network(&self) -> &'l Link {
        self.link
    }

    fn end_b(&mut self) {
        self.b.end(Signal::SIGKILL);
    }

    fn end(&mut self, signal: Signal) {
        self.a.end(signal);
    }

    fn start(&mut self) {
        self.a.start_again(self.link.a.netns());
    }

    fn reload(&mut self) {
        self.serial += 1;
        let more = format!(
            "{}\n[service.web]\nlisten = \"tcp://{VIRTUAL}:80\"\nservers = [\"10.0.0.{}\"]\n",
            self.file,
            20 + self.serial
        );
        self.a.replace(&more);
    }

    fn takeovers(&self) -> (u64, u64) {
        // One that was ended on purpose does not answer.
        let of = |daemon: &Daemon| {
            let status = daemon.status()?;
            status["failover"][0]["counters"]["became_active"].as_u64()
        };
        (of(&self.a).unwrap_or(0), of(&self.b).unwrap_or(0))
    }

    fn processes(&self) -> (Vec<i32>, Vec<i32>) {
        (vec![self.a.pid()], vec![self.b.pid()])
    }
}

/// Two of Debian's keepalived.
pub(super) struct Theirs<'l> {
    link: &'l Link,
    a: Keepalived,
    b: Keepalived,
}

impl<'l> Theirs<'l> {
    pub(super) fn start(link: &'l Link, interval: Duration, second: u8) -> Self {
        Self {
            a: Keepalived::start(&link.a, interval, FIRST),
            b: Keepalived::start(&link.b, interval, second),
            link,
        }
    }
}

impl<'l> Pair<'l> for Theirs<'l> {
    fn network(&self) -> &'l Link {
        self.link
    }

    fn end_b(&mut self) {
        self.b.end(Signal::SIGKILL);
    }

    fn end(&mut self, signal: Signal) {
        self.a.end(signal);
    }

    fn start(&mut self) {
        self.a.process = self.a.run(&self.link.a);
    }

    fn reload(&mut self) {
        self.a.process.signal(Signal::SIGHUP);
    }

    fn takeovers(&self) -> (u64, u64) {
        (self.a.takeovers(), self.b.takeovers())
    }

    fn processes(&self) -> (Vec<i32>, Vec<i32>) {
        (self.a.processes(), self.b.processes())
    }
}

struct Keepalived {
    directory: PathBuf,
    process: Running,
}

impl Keepalived {
    fn start(host: &Host, interval: Duration, priority: u8) -> Self {
        let name = format!("keepalived-{}", host.netns().name());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let text = format!(
            "vrrp_instance front {{\n version 3\n state BACKUP\n interface eth0\n \
             virtual_router_id 51\n priority {priority}\n advert_int {}\n \
             virtual_ipaddress {{\n  {VIRTUAL}\n }}\n}}\n",
            interval.as_secs_f64()
        );
        fs::write(directory.join("keepalived.conf"), text).unwrap();
        let process = run(&directory, host);
        Self { directory, process }
    }

    fn run(&self, host: &Host) -> Running {
        run(&self.directory, host)
    }

    /// The process that speaks VRRP, which the other one started.
    fn speaker(&self) -> Option<i32> {
        let written = fs::read_to_string(self.directory.join("vrrp")).ok()?;
        written.trim().parse().ok()
    }

    fn processes(&self) -> Vec<i32> {
        let mut all = vec![self.process.pid().as_raw()];
        all.extend(self.speaker());
        all
    }

    /// Ends both processes. The parent ends its child, unless it is killed.
    fn end(&mut self, signal: Signal) {
        let speaker = self.speaker();
        self.process.signal(signal);
        if let (Signal::SIGKILL, Some(speaker)) = (signal, speaker) {
            // It may have ended with its parent.
            let _ = kill(Pid::from_raw(speaker), signal);
        }
        self.process.0.wait().unwrap();
        for name in ["pid", "vrrp"] {
            let _ = fs::remove_file(self.directory.join(name));
        }
    }

    fn takeovers(&self) -> u64 {
        let log = fs::read_to_string(self.directory.join("log")).unwrap();
        log.matches("Entering MASTER STATE").count() as u64
    }
}

fn run(directory: &std::path::Path, host: &Host) -> Running {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .unwrap();
    let path = |name: &str| directory.join(name);
    host.enter(|| {
        Command::new(KEEPALIVED)
            .args(["--dont-fork", "--log-console", "--vrrp", "--use-file"])
            .arg(path("keepalived.conf"))
            .arg("--pid")
            .arg(path("pid"))
            .arg("--vrrp_pid")
            .arg(path("vrrp"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .map(Running)
            .unwrap()
    })
}
