//! The whole daemon except its threads, over the in-memory kernel and simulated time.
//!
//! The core and the worker are the real ones. A list of live addresses answers the checks; hours
//! pass in milliseconds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod announce;
mod better_off;
mod causes;
mod chaos;
mod deploying;
mod disk;
mod failover;
mod files;
mod handover;
mod operator;
mod peers;
mod quorum;
mod reloads;
mod scenarios;
mod shown;
mod unchecked;
mod urgent;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use ipvs::fake::FakeKernel;
use ipvs::{Client, Operation, ServerKey, ServiceKey};

use super::core::Core;
use super::keeper;
use super::messages::{Done, Input, Job, ReadOrder, Recorded};
use super::private::Private;
use super::pulse::{Pulse, Stall};
use super::reader::FileReader;
use super::worker::Worker;
use crate::announce as announcing;
use crate::apply::{Incarnation, Kernel, Store};
use crate::check::{Command, Finding, Record, Target, TargetId, Verdict};
use crate::config::Disk;
use crate::control::Now;
use crate::control::event::Event;
use crate::control::operator::{Answer, Note, Refusal, Request, ServerRequest, Settings};
use crate::control::snapshot::{Published, ServerState, ServiceStatus};
use crate::failover as runtime;
use crate::state::BootTime;
use crate::words::chain;

/// A director, its kernel, and the servers that it checks.
struct Sim {
    kernel: FakeKernel,
    client: Client<FakeKernel>,
    directory: tempfile::TempDir,
    core: Core,
    files: FileReader,
    /// Whether the file system hangs, and the order that waits for it.
    hangs: bool,
    /// Whether the state directory does not answer.
    state_hangs: bool,
    waiting: Option<ReadOrder>,
    /// The hanging threads reported to the core.
    stalls: Vec<Stall>,
    worker: Worker<FakeKernel>,
    published: Arc<Published>,
    now: Now,
    /// Results of the worker, and when they arrive.
    coming: Vec<(BootTime, Done)>,
    /// How long the worker takes.
    pace: Duration,
    checks: BTreeMap<TargetId, Checked>,
    /// From which no check leaves.
    virtuals: BTreeSet<IpAddr>,
    /// Addresses that do not answer.
    dead: BTreeSet<IpAddr>,
    /// Whether these are behind an interface of the director that is down.
    cut_off: bool,
    /// Checks of different targets do not start together: a random seed.
    stagger: Option<u64>,
    /// The number of checks started and stopped so far.
    started: usize,
    /// What the core said to the threads of failover, which do not run here.
    told_failover: Vec<runtime::Command>,
    /// What the core said to the thread of announcements; everything succeeds.
    told_announce: Vec<announcing::Command>,
    /// What was said to the threads of peers.
    told_peers: Vec<crate::peers::Command>,
    kept: Settings,
}

/// The number of random cases: `scripts/test --quick` sets `DIRECTOR_QUICK` and runs an eighth of them.
fn cases(all: u32) -> u32 {
    match std::env::var_os("DIRECTOR_QUICK") {
        Some(_) => all.div_ceil(8),
        None => all,
    }
}

/// A target being checked.
struct Checked {
    target: Arc<Target>,
    record: Arc<Record>,
    verdict: Verdict,
    streak: u32,
    next: BootTime,
}

impl Sim {
    /// Starts a director with this file.
    fn start(file: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("services.toml"), file).unwrap();
        let now = Now {
            boot: BootTime(Duration::from_secs(1000)),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        };
        Self::boot(FakeKernel::new(), directory, now)
    }

    fn boot(kernel: FakeKernel, directory: tempfile::TempDir, now: Now) -> Self {
        let store = Store::new(directory.path().join("state"));
        let file = directory.path().join("services.toml");
        let incarnation = Incarnation {
            boot: "this one".to_owned(),
            namespace: (0, 1),
            cookie: None,
        };
        let settings = keeper::read(&store, &incarnation.boot, now).unwrap();
        let published = Arc::new(Published::default());
        let client = Client::over(kernel.clone()).unwrap();
        let own = Kernel::over(Client::over(kernel.clone()).unwrap());
        let worker = Worker::new(
            file.clone(),
            own,
            store,
            incarnation,
            Private::new(Arc::default()),
        );
        let files = FileReader::new(
            file.clone(),
            Disk,
            crate::config::Environment::of_process(),
            Pulse::default(),
        );
        let core = Core::new(file, settings.clone(), false, published.clone(), now);
        Self {
            kernel,
            client,
            directory,
            core,
            files,
            hangs: false,
            state_hangs: false,
            waiting: None,
            stalls: Vec::new(),
            worker,
            published,
            now,
            coming: Vec::new(),
            pace: Duration::from_millis(50),
            checks: BTreeMap::new(),
            virtuals: BTreeSet::new(),
            dead: BTreeSet::new(),
            cut_off: false,
            stagger: None,
            started: 0,
            told_failover: Vec::new(),
            told_announce: Vec::new(),
            told_peers: Vec::new(),
            kept: settings,
        }
    }

    /// Kills and restarts the director; the tables stay.
    fn restart(self) -> Self {
        let Self {
            kernel,
            directory,
            now,
            dead,
            pace,
            ..
        } = self;
        let mut sim = Self::boot(kernel, directory, now);
        (sim.dead, sim.pace) = (dead, pace);
        sim
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("services.toml")
    }

    /// Replaces the file, and reloads it.
    fn edit(&mut self, file: &str) {
        std::fs::write(self.file(), file).unwrap();
        self.handle(Input::Reload);
    }

    fn handle(&mut self, input: Input) {
        self.core.handle(input, &mut self.client, self.now);
        self.deliver();
    }

    /// Does the work of the threads around the core.
    fn deliver(&mut self) {
        loop {
            let out = std::mem::take(&mut self.core.out);
            self.told_failover.extend(out.failover);
            self.told_peers.extend(out.peers);
            for command in out.announce {
                if let announcing::Command::Set { section, to } = &command {
                    let (section, to) = (Arc::clone(section), *to);
                    let report = announcing::Report::Reached { section, to };
                    self.core
                        .handle(Input::Announce(report), &mut self.client, self.now);
                }
                self.told_announce.push(command);
            }
            for command in out.checks {
                match command {
                    Command::Start {
                        id,
                        target,
                        verdict,
                        record,
                    } => {
                        self.started += 1;
                        let mut next = self.now.boot;
                        if let Some(seed) = &mut self.stagger {
                            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                            let part = u32::try_from(*seed >> 54).unwrap();
                            next = next.after(target.spec.pace.interval * part / 1024);
                        }
                        let checked = Checked {
                            target,
                            record,
                            verdict,
                            streak: 0,
                            next,
                        };
                        assert!(self.checks.insert(id, checked).is_none(), "started twice");
                    }
                    Command::Anew(id) => {
                        let checked = self.checks.get_mut(&id).expect("it is checked");
                        if checked.verdict == Verdict::Up {
                            checked.verdict = Verdict::Open;
                        }
                        (checked.streak, checked.next) = (0, self.now.boot);
                    }
                    Command::Stop(id) => {
                        assert!(
                            self.checks.remove(&id).is_some(),
                            "stopped and was not there"
                        );
                    }
                    Command::Avoid(address) => {
                        assert!(self.virtuals.insert(address), "avoided twice");
                    }
                    Command::Allow(address) => {
                        assert!(
                            self.virtuals.remove(&address),
                            "allowed and was not avoided"
                        );
                    }
                }
            }
            self.waiting = out.read.or(self.waiting.take());
            if !self.hangs
                && let Some(order) = self.waiting.take()
            {
                let read = self.files.read(order);
                self.work(Job::Take(Box::new(read)));
            }
            for job in out.jobs {
                // The machine is the one that runs the tests.
                if matches!(job, Job::Advise) {
                    continue;
                }
                self.work(job);
            }
            if out.look && !self.state_hangs {
                let store = Store::new(self.directory.path().join("state"));
                let missing = Input::Missing(keeper::look(&store));
                self.core.handle(missing, &mut self.client, self.now);
            }
            if let Some(keep) = out.keep {
                let store = Store::new(self.directory.path().join("state"));
                let boot = self.worker.incarnation.boot.clone();
                let result = keeper::write(&store, &boot, &keep);
                if result.is_ok() {
                    self.kept = keep.settings;
                }
                let kept = Input::Kept(keep.number, result.map_err(|error| chain(&error)));
                self.core.handle(kept, &mut self.client, self.now);
                continue;
            }
            return;
        }
    }

    fn work(&mut self, job: Job) {
        self.worker.kernel.set_now(self.now.boot);
        if let Some(done) = self.worker.work(job) {
            self.coming.push((self.now.boot.after(self.pace), done));
        }
    }

    /// Lets time pass, in steps of ten milliseconds.
    fn pass(&mut self, time: Duration) {
        let end = self.now.boot.after(time);
        while self.now.boot < end {
            self.step();
            for _ in 0..64 {
                if !self.core.has_work() {
                    break;
                }
                self.core.work(&mut self.client, self.now);
                self.deliver();
            }
        }
    }

    /// Lets ten milliseconds pass, without a slice of the remaining work.
    fn step(&mut self) {
        self.now.boot = self.now.boot.after(Duration::from_millis(10));
        self.now.wall += Duration::from_millis(10);
        self.check();
        let now = self.now.boot;
        let (due, later) = std::mem::take(&mut self.coming)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.coming = later;
        let due: Vec<(BootTime, Done)> = due;
        for (_, done) in due {
            self.handle(Input::Done(done));
        }
        self.core.stalled(self.stalls.clone(), self.now);
        self.core.tick(&mut self.client, self.now);
        self.deliver();
    }

    fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    fn check(&mut self) {
        let mut found = Vec::new();
        for (id, checked) in &mut self.checks {
            if checked.next > self.now.boot {
                continue;
            }
            let pace = checked.target.spec.pace;
            let passed = !self.dead.contains(&checked.target.address);
            let after = if passed { Verdict::Up } else { Verdict::Down };
            let at = self.now.wall;
            checked.record.update(|seen| {
                (seen.at, seen.passed) = (Some(at), passed);
                seen.failed_at = (!passed).then_some(at).or(seen.failed_at);
            });
            checked.streak = if checked.verdict == after {
                0
            } else {
                checked.streak + 1
            };
            let needed = if passed { pace.rise } else { pace.fall };
            // The streak of an open verdict may be of either kind; the simulation has no mixed
            // ones.
            if checked.verdict != after && checked.streak >= needed {
                checked.verdict = after;
                checked.streak = 0;
                let reason = if passed { "it answers" } else { "no answer" };
                found.push(Finding::Judged {
                    target: *id,
                    verdict: after,
                    cut_off: !passed && self.cut_off,
                    reason: Arc::from(reason),
                });
            }
            checked.next = self.now.boot.after(pace.interval);
        }
        for finding in found {
            self.handle(Input::Finding(finding));
        }
    }

    /// Sends a request; returns its result.
    #[track_caller]
    fn ask(&mut self, request: Request) -> Result<Answer, Refusal> {
        let (sender, answer) = mpsc::channel();
        let reply = Box::new(move |answer| sender.send(answer).unwrap());
        self.handle(Input::Request(request, reply));
        for _ in 0..500 {
            if let Ok(answer) = answer.try_recv() {
                return answer;
            }
            self.pass(Duration::from_millis(10));
        }
        panic!("no answer within five seconds");
    }

    fn request(service: &str, server: &str) -> ServerRequest {
        ServerRequest {
            service: Some(service.to_owned()),
            server: server.to_owned(),
            force: false,
            note: Note {
                by: "anna".to_owned(),
                ..Note::default()
            },
        }
    }

    /// Changes the tables as another program would.
    fn meddle(&self, operation: Operation) {
        self.kernel.meddle(&operation).unwrap();
    }

    /// A service's servers and weights in the kernel, by the last number of their addresses: `11=1
    /// 12=0`.
    fn weights(&self, service: &str) -> String {
        let key: ServiceKey = service.parse().unwrap();
        let mut servers: Vec<(ServerKey, u32)> = self
            .kernel
            .servers(&key)
            .iter()
            .map(|entry| (entry.server.key, entry.server.weight.get()))
            .collect();
        servers.sort_unstable();
        let shown = servers.iter().map(|(server, weight)| {
            let address = server.address.to_string();
            format!("{}={weight}", address.rsplit(['.', ':']).next().unwrap())
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    fn status(&self, service: &str) -> Arc<ServiceStatus> {
        self.published.snapshot().services[&service.parse().unwrap()].clone()
    }

    /// A server's state in `status`.
    fn state(&self, service: &str, server: &str) -> ServerState {
        let status = self.status(service);
        let server: IpAddr = server.parse().unwrap();
        let found = status
            .servers
            .iter()
            .find(|one| one.key().address == server);
        found.unwrap().state
    }

    /// The events since the start, `kind: text`.
    fn events(&self, kind: &str) -> Vec<String> {
        let (events, _) = self.published.events(0);
        let of_kind = |event: &&Arc<Event>| event.kind.word() == kind;
        events
            .iter()
            .filter(of_kind)
            .map(|event| event.text.to_string())
            .collect()
    }

    /// Sets the connections of a server.
    fn carry(&self, service: &str, server: &str, active: u32) {
        let server: IpAddr = server.parse().unwrap();
        self.kernel.count(&service.parse().unwrap(), |_, servers| {
            for entry in servers
                .iter_mut()
                .filter(|entry| entry.server.key.address == server)
            {
                entry.active = active;
            }
        });
    }

    fn kill(&mut self, server: &str) {
        self.dead.insert(server.parse().unwrap());
    }

    fn revive(&mut self, server: &str) {
        self.dead.remove(&server.parse().unwrap());
    }

    /// How often each operation was sent since the last call.
    fn sent(&self) -> HashMap<&'static str, usize> {
        let mut counts = HashMap::new();
        for request in self.kernel.log() {
            if let ipvs::Request::Operation(operation) = request {
                let kind = match operation {
                    Operation::AddService(_) => "add-service",
                    Operation::UpdateService(_) => "update-service",
                    Operation::DeleteService(_) => "delete-service",
                    Operation::AddServer(..) => "add-server",
                    Operation::UpdateServer(..) => "update-server",
                    Operation::DeleteServer(..) => "delete-server",
                    _ => "other",
                };
                *counts.entry(kind).or_insert(0) += 1;
            }
        }
        self.kernel.clear_log();
        counts
    }
}
