//! Real servers die in all the ways that servers die.

use std::time::Duration;

use super::{Asked, Daemon, asked_during, failed};
use crate::lab::{Lan, Tcp, V4};

/// Three servers, checked by TCP; a verdict takes three tries of 200 ms.
fn web(scheduler: &str, more: &str) -> String {
    format!(
        "
version = 1
[defaults.check]
type = \"tcp\"
interval = \"200ms\"
fast_interval = \"200ms\"
timeout = \"200ms\"
rise = 2
fall = 3
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
scheduler = \"{scheduler}\"
damping = false
servers = [\"10.2.0.11\", \"10.2.0.12\", \"10.2.0.13\"]
{more}"
    )
}

const SERVICE: &str = "tcp://10.1.0.100:80";

/// The failures that began more than `grace` after the first one.
fn late(asked: &[Asked], grace: Duration) -> Vec<&Asked> {
    let failed = failed(asked);
    let Some(first) = failed.first().map(|asked| asked.at) else {
        return Vec::new();
    };
    failed
        .into_iter()
        .filter(|asked| asked.at.duration_since(first) > grace)
        .collect()
}

#[test]
#[ignore = "needs the lab"]
fn a_process_that_dies_is_found_and_only_its_share_fails() {
    for scheduler in ["wlc", "sh", "mh"] {
        let net = Lan::nat().clients(1).addresses(4).real_servers(3).build();
        let mut servers = net.serve(Tcp, 80);
        let daemon = Daemon::start(&net.director, &web(scheduler, ""));
        daemon.weights(SERVICE, "1=1 2=1 3=1");
        let client = net.client(1);
        let ask = client
            .ask(Tcp, net.service(V4, 80))
            .from(client.addresses(V4))
            .patience(Duration::from_millis(500));
        let asked = asked_during(&ask, 2, || {
            drop(servers.remove(1));
            daemon.weights(SERVICE, "1=1 2=0 3=1");
            std::thread::sleep(Duration::from_secs(1));
            servers.push(net.real(2).serve(Tcp, 80));
            daemon.weights(SERVICE, "1=1 2=1 3=1");
        });
        assert!(asked.len() > 50, "{}", asked.len());
        // fall x interval + timeout, and as much again for a machine that is busy.
        let late = late(&asked, Duration::from_millis(2 * 800));
        assert!(late.is_empty(), "{scheduler}: {late:?}\n{}", daemon.log());
    }
}
