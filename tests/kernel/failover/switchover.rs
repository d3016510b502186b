//! Planned: switchover, stop, restart and reload lose no packet.

use super::probe::probe;
use super::{
    Link, VIRTUAL, active_pair, becomes, file, holds, loses_no_more_than_a_fixed_address, role,
};
use crate::daemon::Daemon;
use crate::daemon::operator::verb;
use crate::lab::eventually;

const SETTINGS: &str = "interval = \"100ms\"\npreempt = true";

fn operate(daemon: &Daemon<'_>, action: &str) {
    let body = serde_json::json!({ "section": "front", "action": action });
    let answer = daemon.post("/v1/failover", &body);
    assert!(answer["done"].is_array(), "{answer}");
}

#[test]
#[ignore = "needs the lab"]
fn a_switchover_and_the_way_back_lose_no_packet() {
    let link = Link::new();
    let (a, b) = active_pair(&link, SETTINGS);
    let probed = probe(&link.client, VIRTUAL, &[&link.a, &link.b], || {
        operate(&a, "switchover");
        becomes(&b, "active");
        becomes(&a, "backup");
        holds(&link.b, &link.a, VIRTUAL);
        operate(&b, "switchover");
        becomes(&a, "active");
        becomes(&b, "backup");
        holds(&link.a, &link.b, VIRTUAL);
    });
    assert!(probed.sent > 50, "{probed:?}");
    assert_eq!(probed.lost, [0_u32; 0], "of {}", probed.sent);
}

#[test]
#[ignore = "needs the lab"]
fn a_stop_loses_no_packet() {
    let link = Link::new();
    let (mut a, b) = active_pair(&link, SETTINGS);
    let probed = probe(&link.client, VIRTUAL, &[&link.a, &link.b], || {
        a.stop();
        becomes(&b, "active");
        holds(&link.b, &link.a, VIRTUAL);
    });
    assert_eq!(probed.lost, [0_u32; 0], "of {}", probed.sent);
}

#[test]
#[ignore = "needs the lab"]
fn a_restart_loses_no_packet_and_changes_no_role() {
    let link = Link::new();
    let (mut a, b) = active_pair(&link, SETTINGS);
    let changes = |daemon: &Daemon<'_>| {
        let status = daemon.get("/v1/status").unwrap();
        status["failover"][0]["counters"]["became_active"]
            .as_u64()
            .unwrap()
    };
    let before = changes(&b);
    let probed = probe(&link.client, VIRTUAL, &[&link.a, &link.b], || {
        a.stop();
        a.launch();
        becomes(&a, "active");
        let sent = |a: &Daemon<'_>| {
            let status = a.get("/v1/status").unwrap();
            status["failover"][0]["counters"]["sent"].as_u64().unwrap()
        };
        let start = sent(&a);
        eventually("adverts go on", || (sent(&a) > start + 20).then_some(()));
    });
    assert_eq!(probed.lost, [0_u32; 0], "of {}", probed.sent);
    assert_eq!((role(&b).as_str(), changes(&b)), ("backup", before));
}

/// Its kernel forwards until the lease ends, and by then the peer has announced itself.
#[test]
#[ignore = "needs the lab"]
fn a_killed_process_loses_no_packet() {
    let link = Link::new();
    let (mut a, b) = active_pair(&link, SETTINGS);
    loses_no_more_than_a_fixed_address(&link, || {
        a.kill();
        becomes(&b, "active");
        holds(&link.b, &link.a, VIRTUAL);
    });
}

#[test]
#[ignore = "needs the lab"]
fn an_address_added_on_one_node_and_then_the_other_neither_splits_nor_flaps() {
    let link = Link::new();
    let (a, b) = active_pair(&link, SETTINGS);
    let more = |priority| {
        file(priority, SETTINGS).replace("[\"10.0.0.100\"]", "[\"10.0.0.100\", \"10.0.0.101\"]")
    };
    let probed = probe(&link.client, VIRTUAL, &[&link.a, &link.b], || {
        a.write(&more(150));
        holds(&link.a, &link.b, "10.0.0.101");
        eventually("b has heard of it", || {
            b.log().contains("they differ").then_some(())
        });
        b.write(&more(100));
        eventually("b has the new list", || {
            let status = b.get("/v1/status")?;
            let addresses = status["failover"][0]["routers"][0]["addresses"]
                .as_array()?
                .len();
            (addresses == 2).then_some(())
        });
    });
    assert_eq!(probed.lost, [0_u32; 0], "of {}", probed.sent);
    holds(&link.a, &link.b, VIRTUAL);
    holds(&link.a, &link.b, "10.0.0.101");
    let status = b.get("/v1/status").unwrap();
    assert_eq!(
        status["failover"][0]["counters"]["became_active"], 0,
        "{status}"
    );
}

#[test]
#[ignore = "needs the lab"]
fn a_cut_cable_costs_three_intervals() {
    let link = Link::new();
    let (_a, b) = active_pair(&link, SETTINGS);
    let probed = probe(&link.client, VIRTUAL, &[&link.a, &link.b], || {
        link.switch.turn("a-eth0", false);
        becomes(&b, "active");
        holds(&link.b, &link.a, VIRTUAL);
    });
    assert!(!probed.lost.is_empty(), "the cable was cut");
    eprintln!("outage of a cut cable at 100 ms: {:?}", probed.outage());
}

#[test]
#[ignore = "needs the lab"]
fn plan_and_reload_say_what_an_edit_moves_and_refuse_what_splits_the_pair() {
    let link = Link::new();
    let (a, b) = active_pair(&link, SETTINGS);
    let lower = file(90, SETTINGS);
    a.write_as("next.toml", &lower);
    let text = "[failover.front]: the priority falls from 150 to 90: this edit moves 10.0.0.100 to \
                the other director if its priority is higher";
    let plan = verb(&a, "plan next.toml");
    assert_eq!(plan.code, 2, "{plan}");
    assert!(plan.stdout.contains(text), "{plan}");
    let plan = verb(&a, "plan --format json next.toml");
    let json: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(json["changes"], true, "{json}");
    assert_eq!(json["addresses"][0]["effect"], "moves", "{json}");
    // Nothing changes, nothing is said.
    let same = verb(&a, "plan services.toml");
    assert_eq!(same.code, 0, "{same}");
    assert!(!same.stdout.contains("failover"), "{same}");

    let other = file(150, SETTINGS).replace("id = 51", "id = 52");
    a.write_as("next.toml", &other);
    let plan = verb(&a, "plan next.toml");
    assert!(
        plan.stdout
            .contains("`director reload` refuses it without --force"),
        "{plan}"
    );
    a.write(&other);
    let refused = verb(&a, "reload");
    assert_eq!(refused.code, 1, "{refused}");
    let why = "the id changes from 51 to 52 on `eth0`";
    assert!(refused.stderr.contains(why), "{refused}");
    assert_eq!((role(&a).as_str(), role(&b).as_str()), ("active", "backup"));
    holds(&link.a, &link.b, VIRTUAL);

    // The director notices it by itself.
    a.write(&lower);
    eventually("the log says what moves", || {
        a.log().contains(text).then_some(())
    });
    becomes(&b, "active");
    holds(&link.b, &link.a, VIRTUAL);
}
