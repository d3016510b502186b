//! The director itself is delayed, as in a paused virtual machine.

use std::thread;

use nix::sys::signal::Signal;

use super::ailing::Ailing;
use super::{Daemon, SERVICE};
use crate::lab::{Lan, has_module, paced_ms};

/// One result makes a verdict, and usually a check is in progress.
const WEB: &str = r#"
version = 1
[service.web]
listen = "tcp://10.1.0.100:80"
forward = "nat"
scheduler = "rr"
servers = ["10.2.0.11", "10.2.0.12", "10.2.0.13"]
[service.web.check]
type = "http"
path = "/"
interval = "1s"
timeout = "4s"
rise = 1
fall = 1
"#;

#[test]
#[ignore = "needs the lab"]
fn time_in_which_it_did_not_run_is_not_held_against_servers() {
    if !has_module("sch_netem") {
        eprintln!("paused: this kernel has no netem, so no test");
        return;
    }
    let net = Lan::nat().real_servers(3).build();
    let mut servers: Vec<Ailing> = (1..=3).map(|n| Ailing::start(net.real(n), 80)).collect();
    let daemon = Daemon::start(&net.director, WEB);
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    let delay = paced_ms(400).as_millis();
    net.director.run(&format!(
        "tc qdisc replace dev eth1 root netem delay {delay}ms"
    ));
    for pause in 0..4 {
        daemon.signal(Signal::SIGSTOP);
        thread::sleep(paced_ms(5_000));
        daemon.signal(Signal::SIGCONT);
        // Enough time for the repeated checks to be answered: two delays in a row are not excused.
        thread::sleep(paced_ms(2_000 + pause * 170));
    }
    let log = daemon.log();
    assert!(!log.contains("server-down"), "{log}");
    servers.remove(1);
    daemon.weights(SERVICE, "1=1 2=0 3=1");
}
