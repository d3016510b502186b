//! What the machine lacks, and what a rolled-back `apply` left, appears in the log.

use super::Daemon;
use super::operator::{done, verb};
use crate::lab::{Lan, eventually, paced_ms};

fn file(weight: u32) -> String {
    format!(
        "
version = 1
[service.web]
listen = \"tcp://10.77.0.9:80\"
forward = \"nat\"
servers = [{{ address = \"10.2.0.11\", weight = {weight} }}]
"
    )
}

/// Waits until the log contains a text this many times.
#[track_caller]
fn said(daemon: &Daemon<'_>, what: &str, times: usize) {
    daemon.becomes(what, &times, || {
        let log = daemon.log();
        log.lines()
            .filter(|line| line.contains(" WARN ") && line.contains(what))
            .count()
    });
}

#[test]
#[ignore = "needs the lab"]
fn what_the_machine_lacks_is_said_when_it_is_new() {
    const MISSING: &str = "10.77.0.9 (web) is not an address of this machine";
    const FORWARD: &str = "net.ipv4.ip_forward is 0";
    let net = Lan::nat().real_servers(1).build();
    let daemon = Daemon::start(&net.director, &file(1));
    said(&daemon, MISSING, 1);
    let help = "`ip address add 10.77.0.9/32 dev lo`";
    assert!(daemon.log().contains(help), "{}", daemon.log());

    // The next file has the same problem, and there is a new one.
    net.director.sysctl("net.ipv4.ip_forward", "0");
    done(&daemon, "reload");
    said(&daemon, FORWARD, 1);
    said(&daemon, MISSING, 1);

    // Both are gone; one comes back.
    net.director.sysctl("net.ipv4.ip_forward", "1");
    net.director.ip("addr add 10.77.0.9/32 dev lo\n");
    daemon.write(&file(2));
    // A reload is answered before the log says what the machine lacks; the next one waits for that.
    for _ in 0..2 {
        done(&daemon, "reload");
    }
    daemon.weights("tcp://10.77.0.9:80", "1=2");
    net.director.sysctl("net.ipv4.ip_forward", "0");
    done(&daemon, "reload");
    said(&daemon, FORWARD, 2);
    said(&daemon, MISSING, 1);
}

#[test]
#[ignore = "needs the lab"]
fn what_an_undone_apply_left_is_said_and_settled() {
    const NEW: &str = "tcp://10.1.0.100:443";
    let net = Lan::nat().real_servers(1).build();
    let mut daemon = Daemon::idle(&net.director, &file(1));
    done(&daemon, "apply --yes services.toml");
    let two = format!(
        "{}[service.two]\nlisten = \"{NEW}\"\nforward = \"nat\"\nservers = [\"10.2.0.11\"]\n",
        file(1)
    );
    daemon.write(&two);
    let within = paced_ms(2_000).as_secs();
    done(
        &daemon,
        &format!("apply --yes --confirm-within {within}s services.toml"),
    );
    // What was created is gone before it can be rolled back.
    net.director.ipvsadm("-D -t 10.1.0.100:443\n");
    let left = "was rolled back";
    eventually("it is undone, but not all of it", || {
        let plan = verb(&daemon, "plan services.toml");
        plan.stderr.contains(left).then_some(())
    });
    daemon.launch();
    said(&daemon, left, 1);
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains(left)).unwrap();
    assert!(
        line.contains(NEW) && line.contains("cannot roll back"),
        "{line}"
    );
    daemon.stop();
    let plan = verb(&daemon, "plan services.toml");
    assert!(!plan.stderr.contains(left), "it is settled: {plan}");
    daemon.launch();
    said(&daemon, left, 1);
}
