//! A director without a kernel: a snapshot that never changes, and a record of what was asked.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use director::apply::Incarnation;
use director::check::{NotChecked, Record, Results, Seen, Statistics};
use director::control::event::{Event, EventKind};
use director::control::operator::{Answer, Refusal, RefusalKind, Request, Setting};
use director::control::snapshot::{
    Published, QuorumStatus, RejectedBy, Role, ServerState, ServerStatus, ServiceStatus, Snapshot,
};
use director::control::{Counted, Director, Entries, Identity, InForce, Reply};
use director::http::api::Overlay;
use director::http::{Options, Planner, Server, serve, serve_view};
use director::state::health::{
    CheckAt, CheckKind, CheckSpec, HistoryLimits, MarkRange, Pace, TcpCheck,
};
use ipvs::{
    Connection, Family, ForwardMethod, Fwmark, Name, Rates, ServerEntry, ServerKey, Service,
    ServiceEntry, ServiceFlags, ServiceKey, Stats, Table, TableService, Totals, Weight,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// 2026-11-21 12:00:00 UTC.
pub(crate) const NOON: u64 = 1_795_262_400;

/// How the fake answers requests.
pub(crate) enum Mood {
    /// Carries them out.
    Willing,
    /// Refuses them.
    Refuses(RefusalKind),
    /// Answers with this text.
    Says(&'static str),
    /// Drops the request.
    Stopping,
    /// Keeps the request without answering.
    Silent,
}

/// The connection table: the entry with this number, while there is one.
pub(crate) type Entry = Arc<dyn Fn(u64) -> Option<Connection> + Send + Sync>;

pub(crate) struct Fake {
    pub(crate) published: Published,
    pub(crate) mood: Mutex<Mood>,
    pub(crate) asked: Mutex<VecDeque<Request>>,
    kept: Mutex<Vec<Reply<Answer>>>,
    pub(crate) tables: Mutex<u32>,
    /// The kernel's side, if it is another than [`table`].
    pub(crate) table: Mutex<Option<Table>>,
    /// What a reload would change.
    pub(crate) plan: Arc<Mutex<Result<Value, String>>>,
    /// The connection table.
    pub(crate) entries: Mutex<Entry>,
    namespace: (u64, u64),
    boot: String,
    pub(crate) state_dir: Mutex<PathBuf>,
}

impl Director for Fake {
    fn identity(&self) -> Identity {
        Identity {
            state_dir: self.state_dir.lock().unwrap().clone(),
            incarnation: Incarnation {
                boot: self.boot.clone(),
                namespace: self.namespace,
                cookie: None,
            },
        }
    }

    fn published(&self) -> &Published {
        &self.published
    }

    fn private_marks(&self) -> MarkRange {
        MarkRange::DEFAULT
    }

    fn request(&self, request: Request, reply: Reply<Answer>) {
        self.asked.lock().unwrap().push_back(request);
        match *self.mood.lock().unwrap() {
            Mood::Willing => reply.send(Ok(Answer::done(vec![
                "tcp://192.0.2.10:80 10.0.0.11:80: drained by root: kernel update".to_owned(),
            ]))),
            Mood::Says(text) => reply.send(Ok(Answer::done(vec![text.to_owned()]))),
            Mood::Refuses(kind) => reply.send(Err(Refusal::new(kind, "no, and here is why"))),
            Mood::Stopping => drop(reply),
            Mood::Silent => self.kept.lock().unwrap().push(reply),
        }
    }

    fn checks(&self) -> Statistics {
        Statistics {
            targets: 7,
            by_kind: vec![(
                "http",
                Results {
                    passed: 40,
                    failed: 2,
                    not_asked: 1,
                },
            )],
            ..Statistics::default()
        }
    }

    fn table(&self, of: Option<Vec<ServiceKey>>, reply: Reply<Counted>) {
        *self.tables.lock().unwrap() += 1;
        let other = self.table.lock().unwrap().clone();
        let mut table = other.unwrap_or_else(table);
        if let Some(of) = of {
            let is_asked = |service: &TableService| of.contains(&service.entry.service.key);
            table.services.retain(is_asked);
        }
        reply.send(Ok(Counted {
            table,
            buckets: Some(4096),
        }));
    }

    fn connections(&self) -> ipvs::Result<Entries> {
        let entry = Arc::clone(&self.entries.lock().unwrap());
        Ok(Box::new(
            (0..).map_while(move |number| entry(number)).map(Ok),
        ))
    }

    fn files(&self, reply: Reply<InForce>) {
        let root = PathBuf::from("/etc/director/director.toml");
        let text = |text: &str| Arc::new(text.as_bytes().to_vec());
        let other = PathBuf::from("/etc/director/services.d/web.toml");
        let texts = [(root.clone(), text(ROOT)), (other, text(WEB))];
        reply.send(Ok(InForce {
            root,
            texts: texts.into(),
        }));
    }
}

/// Says what the file adds, or what is wrong with it.
#[derive(Debug)]
struct Plans(Arc<Mutex<Result<Value, String>>>);

impl Planner for Plans {
    fn plan(&self, now: &Overlay, in_force: InForce) -> Result<Value, String> {
        assert_eq!(in_force.root, Path::new("/etc/director/director.toml"));
        assert!(now.services.iter().any(|service| service.listen == web()));
        self.0.lock().unwrap().clone()
    }
}

/// A plan that adds a server, as `director plan --format json` prints it.
pub(crate) fn plan() -> Value {
    json!({
        "version": 1, "changes": true, "summary": { "add": 1, "change": 0, "remove": 0 },
        "steps": [{
            "phase": "make", "kind": "server", "action": "create", "service": "tcp://192.0.2.10:80",
            "name": "web", "server": "10.0.0.19:80", "before": null, "after": { "weight": 10 },
            "effects": [{ "kind": "weight_taken", "text": "takes 12% of new clients", "percent": 12 }],
            "text": "add 10.0.0.19:80 weight 10",
        }],
        "draining": [], "foreign": [], "lacking": [], "guards": [],
        "joining": [{ "service": "tcp://192.0.2.10:80", "servers": ["10.0.0.19:80"], "rise": 2, "stay": [] }],
        "without_checks": [], "addresses": [], "warnings": [], "diagnostics": [], "error": null,
    })
}

const ROOT: &str = "version = 1\ninclude = [\"services.d/*.toml\"]\n";
const WEB: &str = "[service.web]\nlisten = \"tcp://192.0.2.10:80\"\nservers = [\"10.0.0.11\"]\n\
                   check = { type = \"redis\", password = \"${REDIS}\" }\n";

/// A fake director that serves its socket.
pub(crate) struct Running {
    pub(crate) fake: Arc<Fake>,
    pub(crate) server: Option<Server>,
    #[allow(dead_code, reason = "the tests of the page stop it")]
    pub(crate) viewer: Option<Server>,
    pub(crate) directory: TempDir,
}

impl Running {
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    pub(crate) fn view(&self) -> PathBuf {
        self.directory.path().join("view.sock")
    }
}

/// With the canned snapshot.
pub(crate) fn run() -> Running {
    run_with(snapshot())
}

pub(crate) fn run_with(snapshot: Snapshot) -> Running {
    run_in(
        (4, 4_026_531_840),
        "0f0e0d0c-0b0a-0908-0706-050403020100",
        snapshot,
    )
}

/// Starts it in the network namespace of the test.
pub(crate) fn run_here() -> Running {
    let here = Incarnation::current().unwrap();
    run_in(here.namespace, &here.boot, snapshot())
}

fn run_in(namespace: (u64, u64), boot: &str, snapshot: Snapshot) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let published = Published::default();
    published.publish(snapshot);
    for event in events() {
        published.record(event);
    }
    let fake = Arc::new(Fake {
        published,
        mood: Mutex::new(Mood::Willing),
        asked: Mutex::default(),
        kept: Mutex::default(),
        tables: Mutex::default(),
        table: Mutex::default(),
        plan: Arc::new(Mutex::new(Ok(plan()))),
        entries: Mutex::new(Arc::new(|_| None)),
        namespace,
        boot: boot.to_owned(),
        state_dir: Mutex::new("/var/lib/director/net-4026531840".into()),
    });
    let server = serve_at(&directory.path().join("control.sock"), &fake);
    let viewer = serve_view_at(&directory.path().join("view.sock"), &fake);
    Running {
        fake,
        viewer: Some(viewer),
        server: Some(server),
        directory,
    }
}

pub(crate) fn serve_at(path: &Path, fake: &Arc<Fake>) -> Server {
    serve(&options(path, fake), fake.clone()).unwrap()
}

pub(crate) fn serve_view_at(path: &Path, fake: &Arc<Fake>) -> Server {
    serve_view(&options(path, fake), fake.clone()).unwrap()
}

fn options(path: &Path, fake: &Fake) -> Options {
    Options {
        path: path.to_owned(),
        group: None,
        of: None,
        planner: Arc::new(Plans(Arc::clone(&fake.plan))),
    }
}

pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) fn web() -> ServiceKey {
    ServiceKey::tcp([192, 0, 2, 10], 80)
}

pub(crate) fn server_key(last: u8) -> ServerKey {
    ServerKey::new([10, 0, 0, last], 80)
}

fn server(last: u8, weight: u32) -> ipvs::Server {
    ipvs::Server::new(server_key(last), ForwardMethod::DirectRoute)
        .weight(Weight::new(weight).unwrap())
}

pub(crate) fn check() -> Arc<CheckSpec> {
    Arc::new(CheckSpec {
        kind: CheckKind::Tcp(TcpCheck::default()),
        pace: Pace::default(),
        at: CheckAt::default(),
    })
}

pub(crate) fn found(passed: bool, text: &str, streak: u32) -> Arc<Record> {
    let record = Record::default();
    record.update(|seen| {
        *seen = Seen {
            at: Some(at(NOON - 1)),
            took: Duration::from_millis(3),
            text: Some(text.into()),
            passed,
            streak,
            successes: 1200,
            failures: 7,
            longest_gap: Duration::from_millis(2110),
            ..Seen::default()
        };
    });
    Arc::new(record)
}

fn status(last: u8, state: ServerState, now: Option<u32>, reason: &str) -> ServerStatus {
    let well = !matches!(state, ServerState::Down | ServerState::Panic);
    let found_text = if well { "connected" } else { reason };
    let found_text = found_text.rsplit("; ").next().unwrap();
    ServerStatus {
        name: Some(format!("app{}", last - 10).into()),
        role: Role::Regular,
        server: now.map(|weight| server(last, weight)),
        as_declared: server(last, 10),
        state,
        reason: reason.into(),
        since: at(NOON - 3661),
        entered: at(NOON - 600),
        until: None,
        drain: None,
        weight: None,
        checks: vec![(check(), found(well, found_text, 4))],
    }
}

/// Two services of the file: one with a server in every state, one that is leaving.
pub(crate) fn snapshot() -> Snapshot {
    let mut warming = status(12, ServerState::Warming, Some(3), "connected");
    warming.until = Some(at(NOON + 21));
    let mut drained = status(
        13,
        ServerState::Drained,
        Some(0),
        "drained by root (alice): kernel update",
    );
    drained.drain = Some(Box::new(Setting {
        value: (),
        by: "root (alice)".to_owned(),
        reason: Some("kernel update".to_owned()),
        at: at(NOON - 600),
        until: Some(at(NOON + 6630)),
        ends: None,
    }));
    let mut heavy = status(11, ServerState::Up, Some(40), "connected");
    heavy.weight = Some(Box::new(Setting {
        value: 40,
        by: "bob".to_owned(),
        reason: None,
        at: at(NOON - 60),
        until: None,
        ends: None,
    }));
    let mut held = status(
        15,
        ServerState::Held,
        Some(0),
        "changed too often; connected",
    );
    held.until = Some(at(NOON + 48));
    let mut backup = status(21, ServerState::Standby, None, "not needed");
    backup.role = Role::Backup;
    backup.name = None;
    let mut sorry = status(22, ServerState::Standby, None, "not needed");
    sorry.role = Role::Sorry;
    sorry.checks.clear();
    let unasked = status(17, ServerState::Pending, None, "not checked yet");
    unasked.checks[0].1.update(|seen| {
        seen.not_asked = 9;
        seen.not_checked = Some(Box::new(NotChecked {
            since: at(NOON - 300),
            streak: 9,
            why: "too many open files".into(),
        }));
    });
    let declared = Service::new(web(), Name::from_static("sh"));
    let service = ServiceStatus {
        name: "web".into(),
        service: declared.with_flags(ServiceFlags::SCHED_1),
        as_declared: declared,
        pool: None,
        servers: vec![
            heavy,
            warming,
            drained,
            status(14, ServerState::Down, Some(0), "connection refused"),
            held,
            status(
                16,
                ServerState::Disabled,
                Some(0),
                "in maintenance, by root: new disks",
            ),
            unasked,
            backup,
            sorry,
        ],
        up: 2,
        declared: 7,
        min_healthy: 2,
        panic: false,
        quorum: None,
        leaving: false,
    };
    let old_key = ServiceKey::fwmark(Family::V4, Fwmark::new(7).unwrap());
    let old = Service::new(old_key, Service::WLC).persistent(300);
    let mut gone = status(
        11,
        ServerState::Leaving,
        Some(0),
        "no longer declared; 12 connections are left",
    );
    gone.checks.clear();
    gone.until = Some(at(NOON + 30));
    let old = ServiceStatus {
        name: "old".into(),
        service: old,
        as_declared: old,
        pool: None,
        servers: vec![
            gone,
            status(
                12,
                ServerState::Panic,
                Some(10),
                "kept in because too few are left; timed out",
            ),
        ],
        up: 0,
        declared: 1,
        min_healthy: 1,
        panic: true,
        quorum: Some(QuorumStatus {
            weight: 1,
            needed: 2,
            hysteresis: 0,
            lost: true,
        }),
        leaving: true,
    };
    let maintenance = Setting {
        value: (),
        by: "root".to_owned(),
        reason: Some("new disks".to_owned()),
        at: at(NOON - 7200),
        until: None,
        ends: None,
    };
    Snapshot {
        revision: 42,
        at: None,
        file: "/etc/director/services.toml".into(),
        marks: MarkRange::DEFAULT,
        history: HistoryLimits::default(),
        started: Some(at(NOON - 90_000)),
        loaded: Some(at(NOON - 7300)),
        rejected: None,
        rejected_by: RejectedBy::default(),
        services: BTreeMap::from([(web(), Arc::new(service)), (old_key, Arc::new(old))]),
        foreign: Arc::new([ServiceKey::udp([192, 0, 2, 99], 53)]),
        failovers: BTreeMap::new(),
        peers: BTreeMap::new(),
        announced: BTreeMap::new(),
        discovered: BTreeMap::new(),
        disabled: BTreeMap::from([(IpAddr::from([10, 0, 0, 16]), maintenance)]),
        reconciled: Some(at(NOON - 2)),
        trouble: None,
        drift: Arc::default(),
        lacking: Arc::default(),
    }
}

/// An event of the file with this text.
pub(crate) fn event(text: &str) -> Event {
    Event {
        id: 0,
        at_ms: NOON * 1000,
        kind: EventKind::Rejected,
        service: Some(text.into()),
        listen: None,
        server: None,
        text: text.into(),
    }
}

pub(crate) fn events() -> Vec<Event> {
    let event = |ago: u64, kind, last: Option<u8>, text: &str| Event {
        id: 0,
        at_ms: (NOON - ago) * 1000 + 123,
        kind,
        service: last.map(|_| "web".into()),
        listen: last.map(|_| web()),
        server: last.map(server_key),
        text: text.into(),
    };
    vec![
        event(
            90_000,
            EventKind::Loaded,
            None,
            "in force: 2 services, 9 checks; 13 changes made",
        ),
        event(
            3661,
            EventKind::ServerDown,
            Some(14),
            "down: connection refused",
        ),
        event(
            600,
            EventKind::Drained,
            Some(13),
            "drained by root (alice): kernel update",
        ),
    ]
}

/// The kernel's side of [`snapshot`], with a foreign service and a private one.
pub(crate) fn table() -> Table {
    let stats = |factor: u64| Stats {
        total: Totals {
            connections: 7 * factor,
            packets_in: 70 * factor,
            packets_out: 0,
            bytes_in: 7_000 * factor,
            bytes_out: 0,
        },
        rate: Rates {
            connections: factor,
            packets_in: 10 * factor,
            packets_out: 0,
            bytes_in: 1_000 * factor,
            bytes_out: 0,
        },
    };
    let service = |key, servers: &[u8]| TableService {
        entry: ServiceEntry {
            service: Service::new(key, Service::WLC),
            stats: stats(servers.iter().map(|last| u64::from(*last)).sum()),
        },
        servers: servers
            .iter()
            .map(|last| ServerEntry {
                server: server(*last, 10),
                active: u32::from(*last) * 2,
                inactive: 5,
                persistent: 0,
                stats: stats(u64::from(*last)),
            })
            .collect(),
    };
    let private = Fwmark::new(MarkRange::DEFAULT.first + 3).unwrap();
    Table {
        services: vec![
            service(web(), &[12, 11]),
            service(ServiceKey::udp([192, 0, 2, 99], 53), &[]),
            service(ServiceKey::fwmark(Family::V4, private), &[14]),
        ],
    }
}

/// The same snapshot some seconds later: all its times are moved.
pub(crate) fn moved(mut snapshot: Snapshot, seconds: u64) -> Snapshot {
    let later = |time: SystemTime| time + Duration::from_secs(seconds);
    let shift = |time: &mut Option<SystemTime>| *time = time.map(later);
    shift(&mut snapshot.started);
    shift(&mut snapshot.loaded);
    shift(&mut snapshot.reconciled);
    for setting in snapshot.disabled.values_mut() {
        setting.at = later(setting.at);
        shift(&mut setting.until);
    }
    for service in snapshot.services.values_mut() {
        for server in &mut Arc::make_mut(service).servers {
            server.since = later(server.since);
            server.entered = later(server.entered);
            shift(&mut server.until);
            for (_, record) in &server.checks {
                record.update(|seen| {
                    if let Some(not) = &mut seen.not_checked {
                        not.since = later(not.since);
                    }
                });
            }
            if let Some(set) = &mut server.drain {
                set.at = later(set.at);
                shift(&mut set.until);
            }
            if let Some(set) = &mut server.weight {
                set.at = later(set.at);
                shift(&mut set.until);
            }
        }
    }
    snapshot
}
