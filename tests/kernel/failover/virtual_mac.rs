//! `virtual_mac = true`: the MAC address moves with the addresses.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::{Link, VIRTUAL, becomes, counter, file, has, holds, logs, role, sends};
use crate::daemon::Daemon;
use crate::daemon::operator::{done, verb};
use crate::lab::{Host, eventually};

const V6: &str = "fd00::100";

/// The addresses of id 51.
const MAC: &str = "00:00:5e:00:01:33";
const MAC_V6: &str = "00:00:5e:00:02:33";

fn settings(interval: &str) -> String {
    format!("virtual_mac = true\ninterval = \"{interval}\"\nlinger = \"100ms\"\npreempt = true")
}

fn both(priority: u8, interval: &str) -> String {
    let addresses = format!("\"{VIRTUAL}\", \"{V6}\"");
    file(priority, &settings(interval)).replace(&format!("\"{VIRTUAL}\""), &addresses)
}

fn pair<'l>(link: &'l Link, interval: &str) -> (Daemon<'l>, Daemon<'l>) {
    let a = Daemon::start(&link.a, &both(150, interval));
    becomes(&a, "active");
    let b = Daemon::start(&link.b, &both(100, interval));
    becomes(&b, "backup");
    for address in [VIRTUAL, V6] {
        holds(&link.a, &link.b, address);
    }
    (a, b)
}

/// What the host knows of the interface, empty if it is not there.
fn interface(host: &Host, name: &str) -> String {
    let found = host.attempt(&format!("ip -o link show dev {name}"));
    found.stdout
}

fn is_up(host: &Host, name: &str) -> bool {
    interface(host, name).contains(",UP")
}

fn sysctl(host: &Host, name: &str) -> String {
    let file = format!("/proc/sys/net/ipv4/conf/eth0/{name}");
    host.run(&format!("cat {file}")).trim().to_owned()
}

/// The MAC address in which the client believes.
fn believed(client: &Host, address: &str) -> String {
    let found = client.run(&format!("ip neigh show {address}"));
    let mut words = found.split_whitespace();
    words.find(|word| *word == "lladdr");
    words.next().unwrap_or_default().to_owned()
}

/// Whether the machine answers at the address: it refuses, as nothing listens there.
fn refuses(client: &Host, address: &str) -> bool {
    let to = SocketAddr::new(address.parse().unwrap(), 9);
    let patience = Duration::from_millis(500);
    let answer = client.enter(|| TcpStream::connect_timeout(&to, patience));
    answer.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[track_caller]
fn reaches_by_virtual_mac(client: &Host) {
    for (address, mac) in [(VIRTUAL, MAC), (V6, MAC_V6)] {
        eventually(&format!("{address} answers"), || {
            refuses(client, address).then_some(())
        });
        assert_eq!(believed(client, address), mac, "{address}");
    }
}

#[test]
#[ignore = "needs the lab"]
fn clients_believe_in_the_virtual_mac_before_and_after_a_takeover() {
    let link = Link::new();
    let (mut a, b) = pair(&link, "100ms");
    reaches_by_virtual_mac(&link.client);
    for name in ["vrrp.51", "vrrp6.51"] {
        assert!(is_up(&link.a, name), "{}", interface(&link.a, name));
        assert!(!is_up(&link.b, name), "{}", interface(&link.b, name));
    }
    a.kill();
    becomes(&b, "active");
    for (address, mac) in [(VIRTUAL, MAC), (V6, MAC_V6)] {
        holds(&link.b, &link.a, address);
        assert_eq!(believed(&link.client, address), mac, "{address}");
    }
    reaches_by_virtual_mac(&link.client);
    // The active one has to ask for the client itself, to answer from the virtual address.
    link.b.run("ip neigh flush all");
    reaches_by_virtual_mac(&link.client);
    // The client asks, and only the active one answers.
    link.client.run("ip neigh flush all");
    reaches_by_virtual_mac(&link.client);
    // Its own address is not behind the virtual MAC address.
    let to: SocketAddr = "10.0.0.2:9".parse().unwrap();
    link.client.enter(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.send_to(b"x", to).unwrap();
    });
    eventually("the client knows 10.0.0.2", || {
        let mac = believed(&link.client, "10.0.0.2");
        (!mac.is_empty()).then(|| assert_ne!(mac, MAC))
    });
    // The first one comes back, and takes over again.
    a.launch();
    becomes(&a, "active");
    becomes(&b, "backup");
    eventually("the backup's interface is down", || {
        (!is_up(&link.b, "vrrp.51")).then_some(())
    });
    reaches_by_virtual_mac(&link.client);
}

#[test]
#[ignore = "needs the lab"]
fn adverts_by_multicast_have_the_virtual_mac() {
    let link = Link::new();
    let (_a, _b) = pair(&link, "100ms");
    for (filter, mac) in [("vrrp", MAC), ("ip6 proto 112", MAC_V6)] {
        eventually(&format!("an advert from {mac}"), || {
            let dump = format!("timeout 5 tcpdump -enli eth0 -c 1 {filter}");
            let seen = link.client.attempt(&dump).stdout;
            seen.contains(&format!("{mac} > ")).then_some(())
        });
    }
}

#[test]
#[ignore = "needs the lab"]
fn adverts_by_unicast_leave_the_peer_its_neighbours() {
    let link = Link::new();
    let unicast = settings("100ms") + "\npeers = [\"10.0.0.1\", \"10.0.0.2\"]";
    let a = Daemon::start(&link.a, &file(150, &unicast));
    becomes(&a, "active");
    let b = Daemon::start(&link.b, &file(100, &unicast));
    becomes(&b, "backup");
    link.a.run("ip neigh flush all");
    sends(&a, 10);
    let mac = believed(&link.b, "10.0.0.1");
    assert!(!mac.is_empty());
    assert_ne!(mac, MAC);
    assert_eq!(role(&b), "backup");
    eventually("the address answers", || {
        refuses(&link.client, VIRTUAL).then_some(())
    });
    assert_eq!(believed(&link.client, VIRTUAL), MAC);
}

#[test]
#[ignore = "needs the lab"]
fn two_active_routers_with_one_mac_hear_each_other() {
    let link = Link::new();
    let (a, b) = pair(&link, "100ms");
    for host in [&link.a, &link.b] {
        host.run("tc qdisc replace dev eth0 root netem loss 100%");
    }
    becomes(&b, "active");
    assert_eq!(role(&a), "active");
    for name in ["vrrp.51", "vrrp6.51"] {
        assert!(is_up(&link.a, name) && is_up(&link.b, name), "{name}");
    }
    for host in [&link.a, &link.b] {
        host.run("tc qdisc del dev eth0 root");
    }
    becomes(&b, "backup");
    assert_eq!(role(&a), "active");
    assert_eq!(counter(&a, "became_active"), 1);
    for address in [VIRTUAL, V6] {
        holds(&link.a, &link.b, address);
    }
    reaches_by_virtual_mac(&link.client);
}

#[test]
#[ignore = "needs the lab"]
fn a_restart_keeps_the_interface_and_a_stop_removes_it() {
    let link = Link::new();
    let (mut a, mut b) = pair(&link, "3s");
    let before = interface(&link.a, "vrrp.51");
    assert!(before.contains(MAC), "{before}");
    assert_eq!(sysctl(&link.a, "arp_ignore"), "1");
    assert_eq!(sysctl(&link.a, "arp_announce"), "2");
    a.stop();
    let index = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    assert_eq!(index(&interface(&link.a, "vrrp.51")), index(&before));
    a.launch();
    becomes(&a, "active");
    sends(&a, 2);
    assert_eq!(index(&interface(&link.a, "vrrp.51")), index(&before));
    assert_eq!(role(&b), "backup");
    assert_eq!(counter(&b, "became_active"), 0);
    // A backup has nothing to leave behind.
    b.stop();
    assert_eq!(interface(&link.b, "vrrp.51"), "");
    assert_eq!(interface(&link.b, "vrrp6.51"), "");
    assert_eq!(sysctl(&link.b, "arp_ignore"), "0");
    assert_eq!(sysctl(&link.b, "arp_announce"), "0");
    b.launch();
    becomes(&b, "backup");
    done(&a, "failover yield front --wait");
    a.stop();
    assert_eq!(interface(&link.a, "vrrp.51"), "");
    assert_eq!(sysctl(&link.a, "arp_ignore"), "0");
    holds(&link.b, &link.a, VIRTUAL);
    // Without the key, the address is on the interface itself.
    b.write(&both(100, "3s").replace("virtual_mac = true", ""));
    eventually("the interface is gone", || {
        interface(&link.b, "vrrp.51").is_empty().then_some(())
    });
    eventually("the address is on eth0", || {
        let found = link.b.run("ip -o addr show dev eth0");
        found.contains(VIRTUAL).then_some(())
    });
}

#[test]
#[ignore = "needs the lab"]
fn an_interface_of_that_name_is_a_fault_until_it_is_gone() {
    let link = Link::new();
    link.a.run("ip link add vrrp.51 type dummy");
    let a = Daemon::start(&link.a, &file(150, &settings("100ms")));
    becomes(&a, "fault");
    logs(
        &a,
        "another program made the interface `vrrp.51`, which `virtual_mac` needs",
    );
    link.a.run("ip link del vrrp.51");
    becomes(&a, "active");
    eventually("the address", || has(&link.a, VIRTUAL).then_some(()));
    // It comes back when another program deletes it.
    link.a.run("ip link del vrrp.51");
    eventually("the interface and the address are back", || {
        (is_up(&link.a, "vrrp.51") && has(&link.a, VIRTUAL)).then_some(())
    });
    assert_eq!(role(&a), "active");
}

/// As `systemctl stop` does, without a peer that takes over.
#[test]
#[ignore = "needs the lab"]
fn a_stop_for_good_leaves_no_interface_and_neither_does_a_file_without_the_section() {
    let link = Link::new();
    let mut a = Daemon::start(&link.a, &file(150, &settings("100ms")));
    becomes(&a, "active");
    let shown = done(&a, "failover status");
    let expected = format!("virtual MAC {MAC} on vrrp.51");
    assert!(shown.contains(&expected), "{shown}");
    let status = a.get("/v1/status").unwrap();
    let mac = &status["failover"][0]["routers"][0]["virtual_mac"];
    assert_eq!(
        *mac,
        serde_json::json!({ "address": MAC, "interface": "vrrp.51" })
    );
    a.write_as(
        "next.toml",
        &file(150, &settings("100ms").replace("true\n", "false\n")),
    );
    let plan = verb(&a, "plan next.toml");
    let expected = format!("router 51 gives up the virtual MAC address {MAC}");
    assert!(plan.stdout.contains(&expected), "{plan}");

    // What the unit's `ExecStop=` sends: no other router is there.
    let leave = serde_json::json!({ "action": "yield", "until_restart": true });
    let answer = a.post("/v1/failover", &leave);
    assert!(answer["done"].is_array(), "{answer}");
    logs(&a, "no peer has taken over");
    becomes(&a, "active");
    a.stop();
    assert_eq!(interface(&link.a, "vrrp.51"), "");
    assert_eq!(sysctl(&link.a, "arp_ignore"), "0");
    assert!(!has(&link.a, VIRTUAL));

    // A killed process leaves it, and the next one has a file without the section.
    a.launch();
    becomes(&a, "active");
    eventually("the address", || has(&link.a, VIRTUAL).then_some(()));
    a.kill();
    assert!(is_up(&link.a, "vrrp.51"));
    a.write_as("services.toml", "version = 1\n");
    a.launch();
    eventually("the interface is gone", || {
        interface(&link.a, "vrrp.51").is_empty().then_some(())
    });
    assert!(!has(&link.a, VIRTUAL));
    assert_eq!(sysctl(&link.a, "arp_ignore"), "0");
}

/// The way back to clients is the interface below, which a strict check would not allow.
#[test]
#[ignore = "needs the lab"]
fn the_address_answers_with_a_strict_reverse_path_filter() {
    let link = Link::new();
    for name in ["all", "default", "eth0"] {
        link.a.run(&format!(
            "echo 1 > /proc/sys/net/ipv4/conf/{name}/rp_filter"
        ));
    }
    let a = Daemon::start(&link.a, &file(150, &settings("100ms")));
    becomes(&a, "active");
    holds(&link.a, &link.b, VIRTUAL);
    eventually("the address answers", || {
        refuses(&link.client, VIRTUAL).then_some(())
    });
    assert_eq!(believed(&link.client, VIRTUAL), MAC);
}
