//! Partitions: of the channel alone, of VRRP alone, of both. Adverts and the channel have addresses of
//! their own, so that each can be cut alone.

use super::channel::{Pair, becomes, happens};
use crate::daemon::Daemon;
use crate::lab::{Host, Protocol::Tcp};

/// For adverts: a's and b's address.
const ADVERTS: [&str; 2] = ["10.1.0.3", "10.1.0.4"];

/// For the channel.
const CHANNEL: [&str; 2] = ["10.1.0.1", "10.1.0.2"];

fn apart(pair: &Pair, priority: u8, own: usize) -> String {
    let (from, to) = (ADVERTS[own], ADVERTS[1 - own]);
    let file = pair.file(priority, &pair.key("0123456789abcdef"), [1, 1, 1]);
    file.replace(
        "preempt = { when = \"synced\", deadline = \"1h\" }\n",
        &format!("preempt = true\nsource = \"{from}\"\npeers = [\"{to}\"]\n"),
    )
}

/// No packet reaches the other one's address, and neither can tell: it goes to a machine that is not
/// there.
fn cut(hosts: [&Host; 2], addresses: [&str; 2]) {
    for (host, other) in [(hosts[0], addresses[1]), (hosts[1], addresses[0])] {
        host.ip(&format!(
            "neigh replace {other} lladdr 02:00:00:00:00:99 dev eth0 nud permanent\n"
        ));
    }
}

fn heal(hosts: [&Host; 2], addresses: [&str; 2]) {
    for (host, other) in [(hosts[0], addresses[1]), (hosts[1], addresses[0])] {
        host.ip(&format!("neigh del {other} dev eth0\n"));
    }
}

fn together(a: &Daemon<'_>, b: &Daemon<'_>) {
    becomes(a, "active");
    becomes(b, "backup");
}

#[test]
#[ignore = "needs the lab"]
fn a_cut_of_the_channel_moves_nothing_and_a_cut_of_the_adverts_is_said_by_the_channel() {
    let pair = Pair::new();
    let hosts = [&pair.net.director, pair.b()];
    for (host, address) in hosts.iter().zip(ADVERTS) {
        host.ip(&format!("addr add {address}/24 dev eth0\n"));
    }
    let _servers = pair.net.serve(Tcp, 80);
    let a = Daemon::start(hosts[0], &apart(&pair, 150, 0));
    becomes(&a, "active");
    let b = Daemon::start(hosts[1], &apart(&pair, 100, 1));
    together(&a, &b);
    happens(&a, "peer-up", "`b` is connected");
    happens(&b, "peer-up", "`a` is connected");

    cut(hosts, CHANNEL);
    happens(&a, "peer-down", "`b` is not connected");
    happens(&b, "peer-down", "`a` is not connected");
    together(&a, &b);
    assert!(!b.log().contains("active: "), "{}", b.log());
    heal(hosts, CHANNEL);
    happens(&a, "peer-up", "`b` is connected");

    cut(hosts, ADVERTS);
    becomes(&b, "active");
    becomes(&a, "active");
    happens(
        &a,
        "failover-conflict",
        "`b` holds 10.1.0.100 as well as this director",
    );
    happens(
        &b,
        "failover-conflict",
        "`a` holds 10.1.0.100 as well as this director",
    );
    heal(hosts, ADVERTS);
    together(&a, &b);
    happens(&a, "failover-agrees", "`b` no longer holds");

    cut(hosts, ADVERTS);
    cut(hosts, CHANNEL);
    becomes(&b, "active");
    heal(hosts, ADVERTS);
    heal(hosts, CHANNEL);
    together(&a, &b);
}
