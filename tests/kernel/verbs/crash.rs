//! SIGKILL at every step of an `apply`: before each request, and before each file is renamed into
//! place or removed. (Syncing matters for a power cut, not for a run after a kill.)

use std::collections::BTreeMap;
use std::fs;

use super::{DIRECTOR, Desk, Tables, lone};
use crate::lab::Outcome;

const A: &str = r#"
version = 1
[kernel]
timeouts = { tcp = "10m" }
expire_nodest_conn = false
[policy]
max_removed = "100%"
[defaults]
forward = "nat"
drain = "0s"
[service.web]
listen = "tcp://10.0.0.1:80"
servers = ["10.0.1.1", "10.0.1.2"]
[service.old]
listen = "udp://10.0.0.1:53"
servers = ["10.0.1.5"]
persistence = "5m"
"#;

const B: &str = r#"
version = 1
[kernel]
timeouts = { tcp = "11m" }
expire_nodest_conn = true
[policy]
max_removed = "100%"
[defaults]
forward = "nat"
drain = "0s"
[service.web]
listen = "tcp://10.0.0.1:80"
scheduler = "rr"
servers = [{ address = "10.0.1.1", weight = 5 }, "10.0.1.3"]
[service.new]
listen = "fwmark://9"
servers = ["10.0.1.1"]
"#;

const FOREIGN: &str = "-A -t 10.0.0.3:80 -s lc\n-a -t 10.0.0.3:80 -r 10.0.1.9 -m -w 9\n";

/// The system calls with effects outside the process.
const CALLS: [&str; 3] = ["sendto", "rename", "unlink"];

fn at_work(host: &crate::lab::Host) -> Desk<'_> {
    let desk = Desk::on(host);
    desk.write("a.toml", A);
    desk.write("b.toml", B);
    desk.applied("a.toml");
    host.ipvsadm(FOREIGN);
    desk
}

/// Applies B under strace with the options `more`; returns its calls too.
fn traced(desk: &Desk<'_>, more: &[&str]) -> (Outcome, String) {
    let calls = format!("trace={}", CALLS.join(","));
    let mut words = vec!["-o", "trace", "-e", &calls];
    words.extend(more);
    words.extend([DIRECTOR, "apply", "--yes", "b.toml"]);
    let outcome = desk.host.command(desk.command("strace", &words), b"");
    let trace = fs::read_to_string(desk.directory.path().join("trace")).unwrap();
    (outcome, trace)
}

/// A place to kill: before this call.
#[derive(Debug, Clone, Copy)]
struct Place {
    call: &'static str,
    /// The index among calls of its kind; for requests, counted from the journal on.
    nth: usize,
    /// The number of requests before the journal in the counted run; 0 for other calls.
    reads: usize,
}

/// The calls of a run, in order. The read requests before the journal are all alike, so the
/// journal's `rename` stands for them.
fn calls(trace: &str) -> Vec<Place> {
    let mut counts = BTreeMap::new();
    let mut places = Vec::new();
    let mut reads = None;
    for line in trace.lines() {
        let is_of = |call: &&str| line.starts_with(&format!("{call}("));
        let Some(call) = CALLS.into_iter().find(is_of) else {
            continue;
        };
        let count: &mut usize = counts.entry(call).or_default();
        *count += 1;
        let before = match (call, reads) {
            ("sendto", None) => continue,
            ("sendto", Some(reads)) => reads,
            _ => 0,
        };
        places.push(Place {
            call,
            nth: *count - before,
            reads: before,
        });
        if reads.is_none() && line.contains("journal.json") {
            reads = Some(counts.get("sendto").copied().unwrap_or_default());
        }
    }
    places
}

fn places(desk: &Desk<'_>) -> Vec<Place> {
    let (outcome, trace) = traced(desk, &[]);
    assert!(outcome.success(), "{outcome}{trace}");
    let places = calls(&trace);
    let begun = places.iter().any(|place| place.call == "sendto");
    assert!(begun, "{trace}");
    // The journal into its place; three phases; the ledger into its place; the journal removed.
    assert!(places.len() >= 6, "{places:?}: {trace}");
    places
}

/// From A, applies B and kills it there.
///
/// A list of routes or addresses that changed while it was read is marked (`NLM_F_DUMP_INTR`) and
/// read again, so a run may have more requests before its journal than the counted one. Then it is
/// repeated with the count of this run.
fn kill_at(desk: &Desk<'_>, place: Place) {
    let Place { call, nth, .. } = place;
    let mut reads = place.reads;
    let mut traces = Vec::new();
    let reached = (0..5).any(|_| {
        desk.done("apply --yes a.toml");
        let kill = format!("inject={call}:signal=SIGKILL:when={}", reads + nth);
        let (outcome, trace) = traced(desk, &["-e", &kill]);
        let calls = calls(&trace);
        let is_here = |last: &Place| last.call == call && last.nth == nth;
        if outcome.code == 128 + 9 && calls.last().is_some_and(is_here) {
            return true;
        }
        reads = match calls.iter().find(|sent| sent.call == call) {
            Some(sent) => sent.reads,
            None => reads + 1,
        };
        traces.push(format!("{outcome}{trace}"));
        false
    });
    assert!(reached, "{place:?}: {traces:#?}");
}

/// Every object is as in A or as it should be in B.
fn is_between(tables: &Tables, a: &Tables, b: &Tables) {
    let keys = [tables, a, b].map(|tables| tables.services.keys());
    for key in keys.into_iter().flatten() {
        let of = |tables: &Tables| tables.services.get(key).cloned();
        let (now, a, b) = (of(tables), of(a), of(b));
        let service = |service: &Option<_>| -> Option<ipvs::Service> {
            service
                .as_ref()
                .map(|(service, _): &(ipvs::Service, _)| *service)
        };
        let there = service(&now);
        assert!(
            there == service(&a) || there == service(&b),
            "{key}: {there:?}"
        );
        for (server, entry) in now.iter().flat_map(|(_, servers)| servers) {
            let in_file = |tables: &Option<(_, BTreeMap<_, _>)>| {
                tables
                    .as_ref()
                    .and_then(|(_, servers)| servers.get(server))
                    .copied()
            };
            assert!(
                in_file(&a) == Some(*entry) || in_file(&b) == Some(*entry),
                "{key} {server}: {entry:?}"
            );
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_tables_kept_the_next_run_ends_in_b() {
    let host = lone();
    let desk = at_work(&host);
    let a = desk.tables();
    let places = places(&desk);
    let b = desk.tables();
    let mut reported = 0;
    let mut half_done = 0;
    for place in places {
        kill_at(&desk, place);
        let now = desk.tables();
        is_between(&now, &a, &b);
        half_done += usize::from(now != a && now != b);

        let interrupted = desk.state("journal.json").is_some();
        let planned = desk.director("plan b.toml");
        assert!(matches!(planned.code, 0 | 2), "{place:?}: {planned}");
        let said = planned.stderr.contains("ended halfway");
        assert_eq!(said, interrupted, "{place:?}: {planned}");
        reported += usize::from(said);

        desk.done("apply --yes b.toml");
        assert_eq!(desk.tables(), b, "{place:?}");
        let planned = desk.ends("plan b.toml", 0);
        assert!(!planned.stderr.contains("ended halfway"), "{planned}");
    }
    assert!(reported >= 5 && half_done >= 2, "{reported} {half_done}");
    // Nothing created by the killed runs was forgotten, and no foreign object counts as such.
    desk.done("flush --yes");
    let left: Vec<_> = desk
        .tables()
        .services
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(left, ["tcp://10.0.0.3:80"]);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_tables_kept_the_next_run_can_also_go_back_to_a() {
    let host = lone();
    let desk = at_work(&host);
    let a = desk.tables();
    for place in places(&desk) {
        kill_at(&desk, place);
        desk.done("apply --yes a.toml");
        assert_eq!(desk.tables(), a, "{place:?}");
        desk.nothing_to_do("a.toml");
    }
}

/// As after a reboot: the tables are empty, the files are of another boot.
fn reboot(desk: &Desk<'_>) {
    desk.host.run("ipvsadm -C");
    desk.host.run("ipvsadm --set 900 120 300");
    desk.host.sysctl("net.ipv4.vs.expire_nodest_conn", "0");
    for name in ["ledger.json", "journal.json"] {
        let Some(path) = desk.state(name) else {
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut boot = 0;
        for part in ["incarnation", "after"] {
            let Some(part) = file.get_mut(part) else {
                continue;
            };
            let place = if part.get("boot").is_some() {
                part
            } else {
                &mut part["incarnation"]
            };
            place["boot"] = "00000000-0000-4000-8000-000000000000".into();
            boot += 1;
        }
        assert!(boot > 0, "{text}");
        fs::write(&path, file.to_string()).unwrap();
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn after_a_reboot_what_was_written_down_is_void() {
    let host = lone();
    let desk = at_work(&host);
    let places = places(&desk);
    let b = desk.tables();
    for place in places {
        kill_at(&desk, place);
        reboot(&desk);
        // A service created at boot by another program, where A had one of its own.
        host.ipvsadm(FOREIGN);
        host.ipvsadm("-A -u 10.0.0.1:53 -s rr\n");
        let planned = desk.ends("plan b.toml", 2);
        assert!(!planned.stderr.contains("ended halfway"), "{planned}");
        let foreign = "foreign, left alone: udp://10.0.0.1:53";
        assert!(planned.stdout.contains(foreign), "{planned}");
        desk.done("apply --yes b.toml");
        let mut now = desk.tables();
        now.services.remove(&super::key("udp://10.0.0.1:53"));
        assert_eq!(now, b, "{place:?}");
        host.ipvsadm("-D -u 10.0.0.1:53\n");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn what_is_disowned_after_a_kill_stays_disowned() {
    let host = lone();
    let desk = at_work(&host);
    // Everything is sent; the ledger does not know of it.
    kill_at(
        &desk,
        Place {
            call: "rename",
            nth: 2,
            reads: 0,
        },
    );
    let interrupted = desk.ends("plan b.toml", 0);
    assert!(
        interrupted.stderr.contains("ended halfway"),
        "{interrupted}"
    );
    desk.done("disown fwmark://9");
    desk.write("none.toml", "version = 1\n");
    let planned = desk.ends("plan none.toml", 2);
    assert!(
        planned.stdout.contains("foreign, left alone: fwmark://9"),
        "{planned}"
    );
    assert!(!planned.stderr.contains("ended halfway"), "{planned}");
    desk.fails("disown fwmark://9", &["does not own `fwmark://9`"]);
    // The rest of the interrupted run's ownership is known as before.
    desk.done("flush --yes");
    let left: Vec<_> = desk.tables().services.into_keys().collect();
    assert_eq!(left, ["tcp://10.0.0.3:80", "fwmark://9"].map(super::key));
}
