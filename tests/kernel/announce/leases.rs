//! The interface, the addresses and the routes, and what others do to them.

use super::{Farm, VIRTUAL, becomes, file, has, holds, logs, usable};
use crate::daemon::Daemon;
use crate::lab::{Host, Tcp, eventually};

/// The line of an interface.
fn interface(host: &Host, name: &str) -> Option<String> {
    let found = host.run("ip -d -o link show");
    let mut lines = found
        .lines()
        .filter(|line| line.contains(&format!(": {name}: ")));
    lines.next().map(str::to_owned)
}

fn serve(farm: &Farm) -> Vec<crate::lab::Server> {
    farm.reals.iter().map(|real| real.serve(Tcp, 80)).collect()
}

#[test]
#[ignore = "needs the lab"]
fn what_others_delete_comes_back() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let _servers = serve(&farm);
    let daemon = Daemon::start(a, &file(""));
    becomes(&daemon, "announced");
    holds(&daemon, a, true);
    a.run("ip addr del 192.0.2.10/32 dev director0");
    logs(&daemon, "another program removed 192.0.2.10");
    holds(&daemon, a, true);
    a.run("ip link del director0");
    logs(&daemon, "another program removed `director0`");
    holds(&daemon, a, true);
    a.run("ip link set director0 down");
    holds(&daemon, a, true);
    a.run("ip route flush table local proto 114");
    usable(a, true);
    becomes(&daemon, "announced");
}

#[test]
#[ignore = "needs the lab"]
fn an_interface_of_director_goes_with_its_last_section_and_others_stay() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let _servers = serve(&farm);
    a.ip("link add mine type dummy\n");
    let daemon = Daemon::start(a, &file("interface = \"mine\"\nlinger = \"0s\""));
    logs(&daemon, "`mine` is down, and not director's");
    a.run("ip link set mine up");
    becomes(&daemon, "announced");
    holds(&daemon, a, true);
    assert_eq!(interface(a, "director0"), None);

    daemon.write(&file("linger = \"0s\""));
    eventually("another interface", || interface(a, "director0"));
    eventually("the addresses are there", || {
        a.run("ip -o addr show dev director0")
            .contains(VIRTUAL[0])
            .then_some(())
    });
    assert!(interface(a, "mine").is_some(), "it is not director's");
    assert!(!a.run("ip -o addr show dev mine").contains(VIRTUAL[0]));

    let without = file("");
    let (without, _) = without.split_once("[announce.front]").unwrap();
    daemon.write(without);
    eventually("the interface is gone", || {
        interface(a, "director0").is_none().then_some(())
    });
    assert!(!has(a, VIRTUAL[0]) && !has(a, VIRTUAL[1]));
}

#[test]
#[ignore = "needs the lab"]
fn an_address_that_another_program_added_is_left_alone() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let _servers = serve(&farm);
    a.ip("link add director0 up type dummy\naddr add 192.0.2.10/32 dev director0\n");
    let mut daemon = Daemon::start(a, &file(""));
    logs(
        &daemon,
        "192.0.2.10 is on `director0`, added by another program",
    );
    eventually("the other address", || has(a, VIRTUAL[1]).then_some(()));
    daemon.kill();
    eventually("the lease is over", || (!has(a, VIRTUAL[1])).then_some(()));
    assert!(has(a, VIRTUAL[0]));
    daemon.launch();
    a.run("ip addr del 192.0.2.10/32 dev director0");
    becomes(&daemon, "announced");
    holds(&daemon, a, true);
}

#[test]
#[ignore = "needs the lab"]
fn a_kernel_without_ipv6_on_the_interface_is_named() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let _servers = serve(&farm);
    a.sysctl("net.ipv6.conf.default.disable_ipv6", "1");
    let daemon = Daemon::start(a, &file(""));
    logs(&daemon, "net.ipv6.conf.director0.disable_ipv6");
    // The log is written before the snapshot.
    eventually("the trouble is shown", || {
        let status = daemon.get("/v1/status")?;
        let trouble = status["announce"][0]["trouble"].as_str()?;
        trouble.contains("cannot add 2001:db8::10").then_some(())
    });
    a.sysctl("net.ipv6.conf.director0.disable_ipv6", "0");
    becomes(&daemon, "announced");
    holds(&daemon, a, true);
    logs(&daemon, "the kernel refuses nothing any more");
}

#[test]
#[ignore = "needs the lab"]
fn director_withdraws_and_lingers_before_it_flushes_its_tables() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let _servers = serve(&farm);
    let mut daemon = Daemon::start_with(a, &file("linger = \"2s\""), &["--on-stop", "flush"]);
    becomes(&daemon, "announced");
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    eventually("withdrawn", || (!has(a, VIRTUAL[0])).then_some(()));
    assert!(
        a.run("ipvsadm -Ln").contains("192.0.2.10:80"),
        "it still forwards"
    );
    assert_eq!(daemon.stop(), 0);
    assert!(!a.run("ipvsadm -Ln").contains("192.0.2.10:80"));
    assert_eq!(interface(a, "director0"), None);
    usable(a, false);
}
