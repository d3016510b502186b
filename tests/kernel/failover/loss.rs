//! A link that loses, reorders and duplicates packets (netem), and one that carries them one way only.

use super::{Keepalived, Link, VIRTUAL, active_pair, becomes, counter, has, holds, role, sends};
use crate::daemon::operator::verb;
use crate::lab::{Host, eventually};

const TENTH: &str = "interval = \"100ms\"\npreempt = true";

/// What both machines send suffers this.
fn suffer(link: &Link, how: &str) {
    for host in [&link.a, &link.b] {
        host.run(&format!("tc qdisc replace dev eth0 root netem {how}"));
    }
}

fn heal(link: &Link) {
    for host in [&link.a, &link.b] {
        host.run("tc qdisc del dev eth0 root");
    }
}

/// A keepalived pair on a link of its own, with the same times.
struct Theirs {
    link: Link,
    _a: Keepalived,
    b: Keepalived,
}

impl Theirs {
    fn start() -> Self {
        let link = Link::new();
        let start = |host: &Host, priority: u8| {
            let instance = format!(
                "    version 3
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 0.1
    virtual_ipaddress {{
        {VIRTUAL}
    }}"
            );
            Keepalived::start(host, &instance)
        };
        let (a, b) = (start(&link.a, 150), start(&link.b, 100));
        holds(&link.a, &link.b, VIRTUAL);
        Self { link, _a: a, b }
    }

    /// How often the backup took over.
    fn takeovers(&self) -> usize {
        self.b.log().matches("Entering MASTER STATE").count()
    }
}

/// Three adverts in a sequence are lost now and then: the backup takes over, as the protocol says,
/// and gives way to the next advert. The active one, of higher priority, never lets go.
#[test]
#[ignore = "needs the lab"]
fn the_active_one_keeps_the_address_while_a_third_of_the_adverts_is_lost() {
    let link = Link::new();
    let (a, b) = active_pair(&link, TENTH);
    let theirs = Theirs::start();
    let before = theirs.takeovers();
    suffer(&link, "loss 30%");
    suffer(&theirs.link, "loss 30%");
    let start = counter(&a, "sent");
    eventually("300 adverts", || {
        assert!(has(&link.a, VIRTUAL), "{}", a.log());
        assert_eq!(role(&a), "active", "{}", a.log());
        (counter(&a, "sent") > start + 300).then_some(())
    });
    heal(&link);
    heal(&theirs.link);
    becomes(&b, "backup");
    holds(&link.a, &link.b, VIRTUAL);
    holds(&theirs.link.a, &theirs.link.b, VIRTUAL);
    let settled = counter(&b, "became_active");
    sends(&a, 20);
    assert_eq!(counter(&b, "became_active"), settled, "{}", b.log());
    assert_eq!(counter(&a, "became_active"), 1, "{}", a.log());
    eprintln!(
        "30 % loss, 300 adverts: the backup took over {settled} times; keepalived's {}",
        theirs.takeovers() - before
    );
}

#[test]
#[ignore = "needs the lab"]
fn adverts_in_another_order_and_twice_cause_no_transition() {
    let link = Link::new();
    let (a, b) = active_pair(&link, "interval = \"200ms\"\npreempt = true");
    // 100 to 400 ms: an advert can overtake the one before it.
    suffer(&link, "delay 250ms 150ms duplicate 30%");
    sends(&a, 75);
    heal(&link);
    sends(&a, 5);
    for (daemon, role, times) in [(&a, "active", 1), (&b, "backup", 0)] {
        assert_eq!(super::role(daemon), role, "{}", daemon.log());
        assert_eq!(counter(daemon, "became_active"), times, "{}", daemon.log());
        assert_eq!(counter(daemon, "discarded"), 0, "{}", daemon.log());
    }
    holds(&link.a, &link.b, VIRTUAL);
}

/// The active one does not hear the other one, which is no reason to do anything; but a handover
/// cannot be seen to succeed, so that it stays.
#[test]
#[ignore = "needs the lab"]
fn a_handover_to_one_that_is_not_heard_is_taken_back() {
    let link = Link::new();
    let (a, b) = active_pair(&link, TENTH);
    let rule = "INPUT -p 112 -j DROP";
    link.a.run(&format!("iptables-legacy -A {rule}"));
    sends(&a, 10);
    assert_eq!(counter(&b, "became_active"), 0, "{}", b.log());
    let outcome = verb(&a, "failover switchover front --wait");
    assert_ne!(outcome.code, 0, "{outcome}");
    let said = "`front` stays active: no other router has taken over";
    assert!(outcome.stderr.contains(said), "{outcome}");
    becomes(&b, "backup");
    holds(&link.a, &link.b, VIRTUAL);
    link.a.run(&format!("iptables-legacy -D {rule}"));
    let outcome = verb(&a, "failover switchover front --wait");
    assert!(outcome.success(), "{outcome}");
    holds(&link.b, &link.a, VIRTUAL);
}
