//! What a new process knows of the one before: the role, what operators set, and the file.

use super::pair::{ours, tutorial};
use super::{
    Keepalived, Link, VIRTUAL, active_pair, becomes, counter, file, has, holds, logs, role, sends,
};
use crate::daemon::Daemon;
use crate::daemon::operator::done;
use crate::lab::eventually;

const SETTINGS: &str = "interval = \"100ms\"\nlinger = \"100ms\"\npreempt = true";

/// The peer waits for three intervals, also on a slow machine.
const PATIENT: &str = "interval = \"3s\"\nlinger = \"100ms\"\npreempt = true";

#[test]
#[ignore = "needs the lab"]
fn a_restart_of_version_2_changes_no_role() {
    let link = Link::new();
    // The peer waits for three intervals, also on a slow machine.
    let settings = "version = 2\npassword = \"1111\"\ninterval = \"3s\"";
    let (mut a, b) = active_pair(&link, settings);
    a.stop();
    a.launch();
    becomes(&a, "active");
    sends(&a, 3);
    let log = a.log();
    assert!(log.contains("continues for the previous process"), "{log}");
    assert_eq!(role(&b), "backup");
    assert_eq!(counter(&b, "became_active"), 0);
    holds(&link.a, &link.b, VIRTUAL);
}

#[test]
#[ignore = "needs the lab"]
fn keepalived_does_not_notice_a_restart_of_version_2() {
    let link = Link::new();
    let theirs = tutorial("BACKUP", 90).replace("advert_int 1", "advert_int 3");
    let keepalived = Keepalived::start(&link.b, &theirs);
    let ours = ours(100).replace("interval = \"1s\"", "interval = \"3s\"");
    let mut a = Daemon::start(&link.a, &ours);
    becomes(&a, "active");
    holds(&link.a, &link.b, VIRTUAL);
    let before = keepalived.log().matches("MASTER STATE").count();
    a.stop();
    a.launch();
    becomes(&a, "active");
    sends(&a, 3);
    holds(&link.a, &link.b, VIRTUAL);
    let after = keepalived.log().matches("MASTER STATE").count();
    assert_eq!(after, before, "{}", keepalived.log());
}

#[test]
#[ignore = "needs the lab"]
fn a_yield_survives_a_restart_until_it_is_ended() {
    let link = Link::new();
    let (mut a, b) = active_pair(&link, SETTINGS);
    done(&a, "failover yield front --for 2h --reason kernel --wait");
    becomes(&b, "active");
    for crash in [false, true] {
        if crash {
            a.kill();
        } else {
            a.stop();
        }
        a.launch();
        becomes(&a, "backup");
        let status = done(&a, "failover");
        for part in [
            "priority  1 (150 in the file), yielded by root: kernel, until ",
            "front: backup",
        ] {
            assert!(status.contains(part), "{part}: {status}");
        }
        sends(&b, 10);
        assert_eq!((role(&a).as_str(), role(&b).as_str()), ("backup", "active"));
    }
    done(&a, "failover auto front");
    becomes(&a, "active");
    becomes(&b, "backup");
    a.stop();
    a.launch();
    becomes(&a, "active");
    assert!(!done(&a, "failover").contains("yielded"));
}

#[test]
#[ignore = "needs the lab"]
fn a_claim_survives_a_restart_and_ends_with_the_role() {
    let link = Link::new();
    let (a, mut b) = active_pair(&link, PATIENT);
    // A claim outranks the router that was heard last; before the first advert it knows of none.
    sends(&a, 2);
    done(&b, "failover claim front --reason test --wait");
    becomes(&a, "backup");
    b.stop();
    b.launch();
    becomes(&b, "active");
    let status = done(&b, "failover");
    let part = "priority  151 (100 in the file), claimed by root: test";
    assert!(status.contains(part), "{status}");
    sends(&b, 2);
    assert_eq!(role(&a), "backup");
    assert_eq!(counter(&a, "became_active"), 1);
    // A process that does not go on for the last one has lost the claim with the role.
    b.kill();
    becomes(&a, "active");
    holds(&link.a, &link.b, VIRTUAL);
    b.launch();
    becomes(&b, "backup");
    eventually("the claim is over", || {
        (!done(&b, "failover").contains("claimed")).then_some(())
    });
    holds(&link.a, &link.b, VIRTUAL);
}

#[test]
#[ignore = "needs the lab"]
fn a_file_that_was_edited_while_director_was_stopped_does_not_split_the_pair() {
    let link = Link::new();
    let (mut a, mut b) = active_pair(&link, SETTINGS);
    let other = |priority| file(priority, SETTINGS).replace("id = 51", "id = 52");
    a.stop();
    a.write(&other(150));
    a.launch();
    logs(
        &a,
        "while director was stopped: [failover.front]: the id changes from 51 to 52 on `eth0`",
    );
    // It does not go on with the new id: the other one, with the old one, takes over.
    becomes(&b, "active");
    becomes(&a, "fault");
    let why = "10.0.0.2 advertises 10.0.0.100 on `eth0`, with id 51, and the file has 52; this \
               director claims nothing until that ends";
    eventually("the status says why", || {
        let status = a.get("/v1/status")?;
        (status["failover"][0]["routers"][0]["fault"] == why).then_some(())
    });
    holds(&link.b, &link.a, VIRTUAL);
    // The other one follows. Neither was active twice.
    b.stop();
    b.write(&other(100));
    b.launch();
    becomes(&a, "active");
    becomes(&b, "backup");
    holds(&link.a, &link.b, VIRTUAL);
    // The next restart is a plain one.
    a.stop();
    a.launch();
    becomes(&a, "active");
    assert_eq!(a.log().matches("while director was stopped").count(), 1);
    becomes(&b, "backup");
}

#[test]
#[ignore = "needs the lab"]
fn a_director_that_others_do_not_understand_claims_nothing_while_they_are_there() {
    let wrong = file(200, SETTINGS).replace("id = 51", "id = 52");
    let old = file(200, "version = 2\npassword = \"1111\"");
    for (file, why) in [
        (wrong, "with id 51, and the file has 52"),
        (
            old,
            "which is discarded: VRRP version 3; this router speaks version 2",
        ),
    ] {
        let link = Link::new();
        let mut a = Daemon::start(&link.a, &super::file(150, SETTINGS));
        becomes(&a, "active");
        eventually("the address", || has(&link.a, VIRTUAL).then_some(()));
        let b = Daemon::start(&link.b, &file);
        becomes(&b, "fault");
        logs(&b, why);
        sends(&a, 60);
        assert_eq!(role(&b), "fault");
        holds(&link.a, &link.b, VIRTUAL);
        a.kill();
        becomes(&b, "active");
        holds(&link.b, &link.a, VIRTUAL);
    }
}
