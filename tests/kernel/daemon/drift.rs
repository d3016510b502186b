//! Changes by other programs, and director's reaction.

use super::{Daemon, SERVICE};
use crate::lab::{Lan, Tcp, V4, eventually, paced_ms};

/// Two servers without checks, reconciled twice a second.
const WEB: &str = "
version = 1
daemon = { reconcile = \"500ms\" }
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
scheduler = \"rr\"
servers = [\"10.2.0.11\", \"10.2.0.12\"]
";

#[test]
#[ignore = "needs the lab"]
fn a_change_made_with_ipvsadm_is_repaired() {
    let net = Lan::nat().real_servers(2).build();
    let _servers = net.serve(Tcp, 80);
    let daemon = Daemon::start(&net.director, WEB);
    daemon.weights(SERVICE, "1=1 2=1");
    for (meddling, said) in [
        ("ipvsadm -C", "the service is gone"),
        (
            "ipvsadm -d -t 10.1.0.100:80 -r 10.2.0.11:80",
            "10.2.0.11:80 is gone",
        ),
        (
            "ipvsadm -e -t 10.1.0.100:80 -r 10.2.0.12:80 -m -w 7",
            "weight of 10.2.0.12:80 7 instead of 1",
        ),
        (
            "ipvsadm -a -t 10.1.0.100:80 -r 10.2.0.99:80 -m",
            "10.2.0.99:80 was added",
        ),
        ("ipvsadm -E -t 10.1.0.100:80 -s wlc", "its configuration"),
    ] {
        net.director.run(meddling);
        eventually(said, || daemon.log().contains(said).then_some(()));
        daemon.weights(SERVICE, "1=1 2=1");
    }
    net.director.run("ipvsadm -A -t 10.1.0.101:81 -s rr");
    let foreign = || {
        let status = daemon.get("/v1/status")?;
        (status["foreign"][0] == "tcp://10.1.0.101:81").then_some(())
    };
    eventually("it is reported as foreign", foreign);
    std::thread::sleep(paced_ms(1_000));
    assert!(
        net.director.run("ipvsadm -Ln").contains("10.1.0.101:81"),
        "and left alone"
    );
    let answers = net.client(1).ask(Tcp, net.service(V4, 80)).times(10).run();
    assert_eq!(answers.to_string(), "real1=5 real2=5");
}

#[test]
#[ignore = "needs the lab"]
fn a_sysctl_and_the_time_limits_are_kept() {
    let net = Lan::nat().real_servers(1).build();
    let file =
        format!("{WEB}[kernel]\nexpire_nodest_conn = true\ntimeouts = {{ tcp = \"10m\" }}\n");
    let daemon = Daemon::start(&net.director, &file);
    let limits = || net.director.run("ipvsadm -L --timeout");
    assert!(limits().contains("600"), "{}", limits());
    net.director.sysctl("net.ipv4.vs.expire_nodest_conn", "0");
    net.director.run("ipvsadm --set 700 0 0");
    eventually("they are set right", || {
        let sysctl = net.director.read_sysctl("net.ipv4.vs.expire_nodest_conn");
        (sysctl.trim() == "1" && limits().contains("600")).then_some(())
    });
    assert!(
        daemon
            .log()
            .contains("another program changed the settings")
    );
}

#[test]
#[ignore = "needs the lab"]
fn a_sysctl_that_this_kernel_lacks_is_said_once_and_is_no_drift() {
    let net = Lan::nat().real_servers(2).build();
    let file = format!("{WEB}\n[kernel]\nest_nice = 5\nsync_retries = 2\n");
    let daemon = Daemon::start(&net.director, &file);
    let sysctl = std::path::Path::new("/proc/sys/net/ipv4/vs/est_nice");
    let has = net.director.enter(|| sysctl.exists());
    eventually("the settings are set", || {
        (net.director.read_sysctl("net.ipv4.vs.sync_retries") == "2").then_some(())
    });
    let times = || {
        daemon
            .log()
            .matches("net.ipv4.vs.est_nice is declared")
            .count()
    };
    // It is compared twice a second.
    std::thread::sleep(paced_ms(2500));
    assert_eq!(times(), usize::from(!has), "{}", daemon.log());
    assert!(
        !daemon.log().contains("changed the settings"),
        "{}",
        daemon.log()
    );
}
