//! Two directors that compare their health: a failure that both see moves no address.

use super::channel::{Pair, becomes, happens};
use crate::daemon::Daemon;
use crate::lab::{Protocol::Tcp, eventually};

/// The pair's file, with checks that the section follows. `follow` of two services: one is always
/// well.
fn followed(pair: &Pair, priority: u8) -> String {
    let key = pair.key("0123456789abcdef");
    let file = pair.file(priority, &key, [1, 1, 1]);
    file.replace(
        "scheduler = \"rr\"\n",
        "scheduler = \"rr\"\ncheck = { type = \"tcp\", interval = \"200ms\", fast_interval = \"200ms\", \
         timeout = \"500ms\", rise = 2, fall = 2 }\n",
    )
    .replace(
        "preempt = { when = \"synced\", deadline = \"1h\" }\n",
        "preempt = true\nfollow = { services = [\"web\"], step = 100, rise = 1, fall = 1 }\n",
    )
}

fn priority(daemon: &Daemon<'_>) -> Option<u64> {
    daemon.get("/v1/status")?["failover"][0]["priority"].as_u64()
}

#[track_caller]
fn has_priority(daemon: &Daemon<'_>, expected: u64) {
    eventually(&format!("its priority is {expected}"), || {
        (priority(daemon)? == expected).then_some(())
    });
}

#[test]
#[ignore = "needs the lab"]
fn a_failure_that_both_see_moves_no_address_and_one_that_one_sees_moves_it_once() {
    let pair = Pair::new();
    let servers = pair.net.serve(Tcp, 80);
    let a = Daemon::start(&pair.net.director, &followed(&pair, 150));
    becomes(&a, "active");
    let b = Daemon::start(pair.b(), &followed(&pair, 100));
    becomes(&b, "backup");
    for (daemon, other) in [(&a, "`b` is connected"), (&b, "`a` is connected")] {
        happens(daemon, "peer-up", other);
    }
    drop(servers);
    has_priority(&b, 1);
    happens(
        &a,
        "failover-kept",
        "`b`, the best of its peers, is no better off",
    );
    assert_eq!(priority(&a), Some(150));
    let _servers = pair.net.serve(Tcp, 80);
    has_priority(&b, 100);
    assert!(!b.log().contains("active: "), "{}", b.log());
    // Only one of them loses its way to the servers.
    for number in 1..=3 {
        pair.net
            .director
            .ip(&format!("route add blackhole 10.1.0.1{number}/32\n"));
    }
    becomes(&b, "active");
    assert_eq!(priority(&a), Some(50));
    for number in 1..=3 {
        pair.net
            .director
            .ip(&format!("route del blackhole 10.1.0.1{number}/32\n"));
    }
    becomes(&a, "active");
    becomes(&b, "backup");
}
