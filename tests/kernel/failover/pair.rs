//! The pair of every tutorial, with either side replaced; and a pair of directors.

use super::{Keepalived, Link, VIRTUAL, becomes, file, has, holds};
use crate::daemon::Daemon;
use crate::lab::eventually;

/// keepalived's side of the tutorial.
pub(super) fn tutorial(state: &str, priority: u8) -> String {
    format!(
        "state {state}
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 1
    authentication {{
        auth_type PASS
        auth_pass 1111
    }}
    virtual_ipaddress {{
        {VIRTUAL}
    }}"
    )
}

/// director's.
pub(super) fn ours(priority: u8) -> String {
    file(
        priority,
        "version = 2\npassword = \"1111\"\ninterval = \"1s\"\npreempt = true",
    )
}

#[test]
#[ignore = "needs the lab"]
fn director_replaces_the_backup_of_the_tutorial() {
    let link = Link::new();
    let mut master = Keepalived::start(&link.a, &tutorial("MASTER", 100));
    eventually("keepalived has the address", || {
        has(&link.a, VIRTUAL).then_some(())
    });
    let backup = Daemon::start(&link.b, &ours(90));
    becomes(&backup, "backup");
    holds(&link.a, &link.b, VIRTUAL);
    master.stop();
    becomes(&backup, "active");
    holds(&link.b, &link.a, VIRTUAL);
    // The master comes back and preempts.
    let master = Keepalived::start(&link.a, &tutorial("MASTER", 100));
    becomes(&backup, "backup");
    holds(&link.a, &link.b, VIRTUAL);
    assert!(!master.log().contains("rror"), "{}", master.log());
}

#[test]
#[ignore = "needs the lab"]
fn director_replaces_the_master_of_the_tutorial() {
    let link = Link::new();
    let backup = Keepalived::start(&link.b, &tutorial("BACKUP", 90));
    let mut master = Daemon::start(&link.a, &ours(100));
    becomes(&master, "active");
    holds(&link.a, &link.b, VIRTUAL);
    master.kill();
    // The addresses of the dead one are leases.
    holds(&link.b, &link.a, VIRTUAL);
    master.launch();
    becomes(&master, "active");
    holds(&link.a, &link.b, VIRTUAL);
    assert!(!backup.log().contains("rror"), "{}", backup.log());
}

#[test]
#[ignore = "needs the lab"]
fn two_directors_elect_take_over_and_preempt() {
    let link = Link::new();
    let settings = "interval = \"100ms\"\npreempt = true";
    let mut a = Daemon::start(&link.a, &file(150, settings));
    let b = Daemon::start(&link.b, &file(100, settings));
    becomes(&a, "active");
    becomes(&b, "backup");
    holds(&link.a, &link.b, VIRTUAL);
    link.switch.turn("a-eth0", false);
    becomes(&b, "active");
    becomes(&a, "fault");
    eventually("the faulty one has let go", || {
        (!has(&link.a, VIRTUAL)).then_some(())
    });
    link.switch.turn("a-eth0", true);
    becomes(&a, "active");
    becomes(&b, "backup");
    holds(&link.a, &link.b, VIRTUAL);
    a.kill();
    becomes(&b, "active");
    holds(&link.b, &link.a, VIRTUAL);
}

#[test]
#[ignore = "needs the lab"]
fn version_3_by_unicast_with_keepalived_and_equal_priorities() {
    let link = Link::new();
    let theirs = format!(
        "version 3
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 0.2
    unicast_peer {{
        10.0.0.1
    }}
    virtual_ipaddress {{
        {VIRTUAL}
    }}"
    );
    let mut keepalived = Keepalived::start(&link.b, &theirs);
    eventually("keepalived has the address", || {
        has(&link.b, VIRTUAL).then_some(())
    });
    // Equal priority does not preempt.
    let settings = "interval = \"200ms\"\npreempt = true\npeers = [\"10.0.0.1\", \"10.0.0.2\"]";
    let director = Daemon::start(&link.a, &file(100, settings));
    becomes(&director, "backup");
    let received = || {
        let status = director.get("/v1/status").unwrap();
        status["failover"][0]["counters"]["received"]
            .as_u64()
            .unwrap()
    };
    eventually("adverts are heard", || (received() > 10).then_some(()));
    holds(&link.b, &link.a, VIRTUAL);
    keepalived.stop();
    becomes(&director, "active");
    holds(&link.a, &link.b, VIRTUAL);
    let _back = Keepalived::start(&link.b, &theirs);
    let start = received();
    // It listens, and stays backup.
    eventually("director goes on", || {
        let status = director.get("/v1/status").unwrap();
        let sent = status["failover"][0]["counters"]["sent"].as_u64().unwrap();
        (sent > 40).then_some(())
    });
    assert_eq!(received(), start, "keepalived sends nothing");
    holds(&link.a, &link.b, VIRTUAL);
}

#[test]
#[ignore = "needs the lab"]
fn ipv6_with_keepalived() {
    let link = Link::new();
    let theirs = "version 3
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 0.2
    virtual_ipaddress {
        fe80::200:5eff:fe00:233
        fd00::100
    }";
    let keepalived = Keepalived::start(&link.b, theirs);
    eventually("keepalived has the address", || {
        has(&link.b, "fd00::100").then_some(())
    });
    let ours = "interval = \"200ms\"\npreempt = true";
    let ours = file(150, ours).replace(VIRTUAL, "fd00::100");
    let mut director = Daemon::start(&link.a, &ours);
    becomes(&director, "active");
    holds(&link.a, &link.b, "fd00::100");
    director.kill();
    holds(&link.b, &link.a, "fd00::100");
    assert!(!keepalived.log().contains("rror"), "{}", keepalived.log());
}
