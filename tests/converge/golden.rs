//! Plans with every kind of step, effect and guard, as text and as JSON: `tests/converge/plans`. The
//! JSON is the contract of `docs/json.md`, and fits the schema that `director schema` prints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use director::config::{Environment, Memory, load_from};
use director::plan::{Beside, Change, Effect, Objection, Plan, Situation, Style, diff};
use director::state::{
    BootTime, Desired, Observed, ObservedServer, ObservedService, Ownership, Sysctl,
};
use ipvs::{Operation, ServiceKey, SyncDaemon, Timeouts};
use serde_json::Value;

#[path = "../../crates/director-config/tests/config/fits.rs"]
mod fits;

const NOW: BootTime = BootTime(Duration::from_secs(1000));

/// The tables as a file declares them.
const BEFORE: &str = r#"
version = 1
sync = { role = "master", interface = "eth0", id = 5 }
[kernel]
expire_nodest_conn = false
timeouts = { tcp = "15m", tcp_fin = "2m", udp = "5m" }
[defaults]
forward = "nat"
drain = "30s"
[service.changed]
listen = "tcp://192.0.2.10:80"
scheduler = "wlc"
persistence = { timeout = "5m" }
servers = [
  "10.0.0.11", { address = "10.0.0.12", weight = 5 }, "10.0.0.13", "10.0.0.14",
  { address = "10.0.0.15", max_connections = { upper = 500, lower = 400 } },
]
[service.tunnels]
listen = "tcp://192.0.2.11:80"
forward = "tun"
drain = "0s"
servers = ["198.51.100.7", "198.51.100.8", "198.51.100.9", "198.51.100.10"]
[service.emptied]
listen = "tcp://192.0.2.12:80"
servers = ["10.0.0.11"]
[service.halved]
listen = "tcp://192.0.2.13:80"
servers = ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
[service.gone]
listen = "udp://192.0.2.14:53"
servers = ["10.0.0.11", "10.0.0.12"]
[service.going]
listen = "tcp://[2001:db8::14]:443"
servers = ["2001:db8:1::11"]
"#;

/// What it should become.
const AFTER: &str = r#"
version = 1
sync = { role = "backup", interface = "eth1", id = 6 }
[kernel]
expire_nodest_conn = true
est_nice = 5
timeouts = { tcp = "20m" }
[defaults]
forward = "nat"
drain = "30s"
[service.changed]
listen = "tcp://192.0.2.10:80"
scheduler = { name = "mh", flags = ["fallback", "port"] }
persistence = { timeout = "10m", mask = "255.255.255.0" }
servers = [
  { address = "10.0.0.11", forward = "dr" }, { address = "10.0.0.12", weight = 7 }, "10.0.0.13",
  { address = "10.0.0.15", max_connections = { upper = 900, lower = 400 } }, "10.0.0.16",
]
[service.tunnels]
listen = "tcp://192.0.2.11:80"
forward = "tun"
drain = "0s"
servers = [
  { address = "198.51.100.7", tunnel = { type = "gue", port = 6080, checksum = true } },
  { address = "198.51.100.8", tunnel = { type = "gre" } }, "198.51.100.9",
]
[service.emptied]
listen = "tcp://192.0.2.12:80"
servers = [{ address = "10.0.0.11", weight = 0 }]
[service.halved]
listen = "tcp://192.0.2.13:80"
servers = ["10.0.0.11"]
[service.new]
listen = ["tcp://192.0.2.15:80", "fwmark://7"]
servers = ["10.0.0.11", { address = "10.0.0.12", weight = 3 }]
"#;

fn declared(text: &str) -> Desired {
    let files = Memory::from_iter([("a.toml", text.to_owned())]);
    let read = load_from(Path::new("a.toml"), &files, &Environment::default());
    let report = read.render(director::config::Style::Plain);
    read.desired.unwrap_or_else(|| panic!("{report}"))
}

/// A kernel whose tables are as declared. It has no `est_nice`, every server has connections, and
/// somebody added a service.
fn observed(desired: &Desired) -> Observed {
    let mut services = BTreeMap::new();
    for (key, service) in &desired.services {
        let mut there = ObservedService::new(service.service);
        for (server, number) in service.servers.values().zip(1..) {
            there.add(ObservedServer {
                active: 10 * number,
                inactive: number,
                persistent: 2 * number,
                ..ObservedServer::idle(server.server)
            });
        }
        services.insert(*key, there);
    }
    let foreign = ServiceKey::tcp([203, 0, 113, 99], 99);
    let foreign = ipvs::Service::new(foreign, ipvs::Service::RR);
    services.insert(foreign.key, ObservedService::new(foreign));
    let off = |sysctl| (sysctl, "0".to_owned());
    // What a file leaves to the kernel, a running daemon has.
    let mut daemons = desired.daemons.clone().unwrap_or_default();
    for daemon in daemons.values_mut() {
        daemon.group = Some(SyncDaemon::DEFAULT_GROUP.into());
        (daemon.port, daemon.ttl) = (SyncDaemon::DEFAULT_PORT, SyncDaemon::DEFAULT_TTL);
        daemon.max_length = 1400;
    }
    Observed {
        services,
        timeouts: Timeouts {
            tcp: 900,
            tcp_fin: 120,
            udp: 300,
        },
        daemons,
        sysctls: [Sysctl::ExpireNodestConn, Sysctl::ExpireQuiescentTemplate]
            .map(off)
            .into(),
        ..Observed::default()
    }
}

fn plan(desired: &Desired, observed: &Observed, ownership: &Ownership) -> Plan {
    diff(&Situation {
        desired,
        observed,
        ownership,
        now: NOW,
        beside: Beside::default(),
    })
}

/// The plan from [`BEFORE`] to this file.
fn to(after: &str) -> Plan {
    let before = declared(BEFORE);
    let owned = plan(&before, &Observed::default(), &Ownership::default()).ownership;
    plan(&declared(after), &observed(&before), &owned)
}

/// The name of a step's kind; `None` for what no plan does. A new one does not compile here, and
/// needs a place in the files above.
fn kind(change: &Change) -> Option<&'static str> {
    Some(match change {
        Change::Sysctl { .. } => "sysctl",
        Change::Operation(operation) => match operation {
            Operation::AddService(_) => "add service",
            Operation::UpdateService(_) => "update service",
            Operation::DeleteService(_) => "delete service",
            Operation::AddServer(..) => "add server",
            Operation::UpdateServer(..) => "update server",
            Operation::DeleteServer(..) => "delete server",
            Operation::SetTimeouts(_) => "timeouts",
            Operation::StartDaemon(_) => "start daemon",
            Operation::StopDaemon(_) => "stop daemon",
            Operation::ZeroService(_) | Operation::ZeroAll | Operation::Flush => return None,
        },
    })
}

const KINDS: usize = 10;

const fn effect(effect: &Effect) -> &'static str {
    match effect {
        Effect::Cut { .. } => "cut",
        Effect::Drained { .. } => "drained",
        Effect::PersistenceLost { .. } => "persistence_lost",
        Effect::WeightTaken { .. } => "weight_taken",
        Effect::NewRefusedBriefly => "new_refused_briefly",
        Effect::TemplatesKeepComing => "templates_keep_coming",
        Effect::OldMethodKept => "old_method_kept",
        Effect::TunnelSwitched => "tunnel_switched",
        Effect::ServiceGone => "service_gone",
    }
}

const EFFECTS: usize = 9;

const fn guard(objection: &Objection) -> &'static str {
    match objection {
        Objection::TooManyRemoved { .. } => "too_many_removed",
        Objection::LastServer { .. } => "last_server",
        Objection::ServiceInUse { .. } => "service_in_use",
        Objection::TooManyServicesRemoved { .. } => "too_many_services_removed",
        Objection::LastService { .. } => "last_service",
    }
}

const GUARDS: usize = 5;

/// Compares with a golden file; `UPDATE_GOLDEN=1` writes it.
fn golden(name: &str, text: &str) {
    let path = format!("{}/tests/converge/plans/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name}; UPDATE_GOLDEN=1 writes it");
}

/// The schema of a plan, as the program prints it.
fn schema() -> Value {
    let mut program = Command::new(env!("CARGO_BIN_EXE_director"));
    let output = program.args(["schema", "--of", "apply"]).output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_kind_of_step_effect_and_guard_reads_as_it_did() {
    let schema = schema();
    let few = BEFORE.split("[service.tunnels]").next().unwrap();
    let none = BEFORE.split("[service.changed]").next().unwrap();
    let (mut kinds, mut effects, mut guards) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (name, after) in [
        ("everything", AFTER),
        ("most-services", few),
        ("all-services", none),
        ("nothing", BEFORE),
    ] {
        let plan = to(after);
        for step in plan.steps.iter() {
            kinds.extend(kind(&step.change));
            effects.extend(step.effects().iter().map(effect));
        }
        guards.extend(plan.objections.iter().map(guard));
        golden(&format!("{name}.txt"), &plan.render(NOW, Style::default()));
        let json = plan.to_json(NOW);
        golden(&format!("{name}.json"), &format!("{json:#}\n"));
        let of_plan = &schema["$defs"]["plan"];
        assert_eq!(fits::fits(&json, of_plan, &schema), Ok(()), "{name}");
        let words = |list: &Value, key: &str| -> BTreeSet<String> {
            let list = list.as_array().unwrap().iter();
            list.map(|one| one[key].as_str().unwrap().to_owned())
                .collect()
        };
        // Each guard has the name in JSON that it has here.
        let named: BTreeSet<String> = plan
            .objections
            .iter()
            .map(|one| guard(one).into())
            .collect();
        assert_eq!(words(&json["guards"], "kind"), named, "{name}");
    }
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
    assert_eq!(effects.len(), EFFECTS, "{effects:?}");
    assert_eq!(guards.len(), GUARDS, "{guards:?}");
}
