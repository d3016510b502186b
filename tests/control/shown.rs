//! Parts of what `status` shows: the kernel's counters, the connections that are left, and why a file
//! is not in force.

use std::net::IpAddr;
use std::sync::Arc;

use director::control::snapshot::{RejectedBy, ServerState};
use ipvs::{ServerKey, Service, ServiceKey, Stats};
use serde_json::Value;

use super::fake::{Running, run, run_with, snapshot};
use super::raw;
use super::screens::{golden, is_within, many, out, running, service, shown, three};
use super::verbs::{director, director_with};

/// The kernel's counters as a busy machine has them after a year.
fn busy(running: &Running) {
    let mut table = running.fake.table.lock().unwrap();
    let mut size = 7;
    for service in &mut table.as_mut().unwrap().services {
        let mut sum = Stats::default();
        for server in &mut service.servers {
            size = size * 31 % 1_000_003;
            server.active = u32::try_from(size % 70_000).unwrap();
            server.inactive = u32::try_from(size % 1_900_000).unwrap();
            let stats = &mut server.stats;
            stats.total.connections = size * 1_021;
            stats.total.packets_in = size * 130_003;
            stats.total.packets_out = size;
            stats.total.bytes_in = size * 100_000_007;
            stats.total.bytes_out = size * 70_000_000_001;
            stats.rate.connections = size % 9_999;
            stats.rate.packets_in = size;
            stats.rate.packets_out = size / 100_000;
            stats.rate.bytes_in = size * 1_000;
            stats.rate.bytes_out = size * 12_000;
            sum.total.connections += stats.total.connections;
            sum.total.bytes_out += stats.total.bytes_out;
            sum.rate.bytes_out += stats.rate.bytes_out;
        }
        service.entry.stats = sum;
    }
}

#[test]
fn counters_stay_within_80_columns_and_are_exact_where_there_is_room() {
    let mut snapshot = many(4, |number| 2 + number % 2);
    let long = "a-name-for-a-service-that-is-as-long-as-a-name-can-reasonably-be";
    let address: IpAddr = "2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap();
    let listen = ServiceKey::tcp(address, 8443);
    let mut one = service(0, 2);
    one.name = long.into();
    let wide = Service::new(listen, Service::WLC);
    (one.service, one.as_declared) = (wide, wide);
    for (server, last) in one.servers.iter_mut().zip(1..) {
        let address = format!("2001:db8:1234:5678:9abc:def0:1234:{last}");
        server.as_declared.key = ServerKey::new(address.parse::<IpAddr>().unwrap(), 8443);
        server.server = Some(server.as_declared);
        server.name = (last == 1).then(|| "app-with-a-long-name-of-its-own".into());
    }
    snapshot.services.insert(listen, Arc::new(one));
    let running = running(snapshot);
    busy(&running);
    golden("stats", &shown(&running, "status --stats"));
    golden("rate", &shown(&running, "status --rate"));
    for environment in [&[("COLUMNS", "300")][..], &[]] {
        let text = director_with(&running, "status --stats", environment).stdout;
        assert!(text.starts_with("SERVICE "), "{text}");
        assert!(text.contains("  InActConn "), "{text}");
        assert_eq!(text.lines().count(), 1 + 5 + 12, "a line each: {text}");
    }
}

#[test]
fn a_line_says_how_many_connections_of_drained_servers_are_left() {
    let wide = |running: &Running| director_with(running, "status --brief", &[]).stdout;
    let text = wide(&three());
    let said = "app1 drained, 12 connections left, by root (alice): kernel update";
    assert!(text.contains(said), "{text}");
    // Next to servers that are down.
    let mut snapshot = many(3, |_| 3);
    for one in snapshot.services.values_mut() {
        if &*one.name == "api" {
            let one = Arc::make_mut(one);
            one.up = 1;
            out(&mut one.servers[0], ServerState::Disabled, "in maintenance");
        }
    }
    let running = running(snapshot);
    let text = wide(&running);
    let said = "1 down, 1 disabled, 12 connections left; app2: status 500, expected 204";
    assert!(text.contains(said), "{text}");
    // At 80 columns the number stays.
    let text = shown(&running, "status --brief");
    assert!(text.contains("app1 drained, 12 connections"), "{text}");
    is_within(&text, 80);
}

#[test]
fn what_a_guard_or_the_kernel_refused_is_not_called_a_mistake() {
    let shown = |by, why: &str| {
        let mut snapshot = snapshot();
        snapshot.rejected = Some(why.into());
        snapshot.rejected_by = by;
        let running = run_with(snapshot);
        let json = raw::get(&running.socket(), "/v1/status").json();
        assert_eq!(json["rejected"], why);
        let text = director(&running, "status old").stdout;
        let lines: Vec<_> = text.lines().skip(1).take(3).map(str::to_owned).collect();
        (lines, json["rejected_by"].clone())
    };
    let why = "refused: web (tcp://192.0.2.10:80) would be left without a server; use --force to \
               override";
    let (lines, by) = shown(RejectedBy::Guard, why);
    assert_eq!(
        lines,
        [
            "REJECTED: a guard refused the newer file, which is not in force",
            "  web (tcp://192.0.2.10:80) would be left without a server",
            "  if this is intended, run `director reload --force`",
        ]
    );
    assert_eq!(by, "guard");
    // The command is there once.
    let why = "the file is empty; if this is intended, run `director reload --force`";
    let (lines, _) = shown(RejectedBy::Guard, why);
    assert_eq!(lines[1], format!("  {why}"));
    assert!(!lines[2].contains("director reload"), "{lines:?}");
    let (lines, by) = shown(RejectedBy::Failure, "the kernel has no scheduler `mh`");
    assert_eq!(
        lines,
        [
            "REJECTED: a newer file could not be put in force",
            "  the kernel has no scheduler `mh`",
            "  once the cause is gone, run `director reload`",
        ]
    );
    assert_eq!(by, "failure");
    let json = raw::get(&run().socket(), "/v1/status").json();
    assert_eq!(
        (&json["rejected"], &json["rejected_by"]),
        (&Value::Null, &Value::Null)
    );
}
