//! The director is killed under traffic and restarted without any effect on clients.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use super::{Daemon, SERVICE, asked_during, failed, weights};
use crate::lab::{Host, Lan, Tcp, V4, paced_ms};

const WEB: &str = "
version = 1
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
scheduler = \"wlc\"
check = { type = \"tcp\", interval = \"200ms\", timeout = \"1s\" }
servers = [\"10.2.0.11\", \"10.2.0.12\", \"10.2.0.13\"]
";

/// All weights that a service's servers have while something happens.
fn seen_during(host: &Host, service: &str, happening: impl FnOnce()) -> BTreeSet<String> {
    let (seen, over) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let now = weights(host, service);
                seen.lock().unwrap().insert(now);
                thread::sleep(paced_ms(5));
            }
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(happening));
        over.store(true, Ordering::SeqCst);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    seen.into_inner().unwrap()
}

#[test]
#[ignore = "needs the lab"]
fn killed_under_traffic_it_goes_on_where_it_was() {
    let net = Lan::nat().addresses(4).real_servers(3).build();
    let _servers = net.serve(Tcp, 80);
    let mut daemon = Daemon::start(&net.director, WEB);
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    let body = json!({ "service": "web", "server": "10.2.0.13", "reason": "new disk" });
    daemon.post("/v1/drain", &body);
    daemon.weights(SERVICE, "1=1 2=1 3=0");
    let client = net.client(1);
    let mut held = client.connect(Tcp, net.service(V4, 80)).unwrap();
    let ask = client
        .ask(Tcp, net.service(V4, 80))
        .from(client.addresses(V4));
    let mut seen = BTreeSet::new();
    let asked = asked_during(&ask, 2, || {
        seen = seen_during(&net.director, SERVICE, || {
            for _ in 0..5 {
                daemon.kill();
                thread::sleep(paced_ms(200));
                daemon.launch();
                // Long enough for checks to take effect.
                thread::sleep(paced_ms(1_000));
            }
        });
    });
    let log = daemon.log();
    let failed = failed(&asked);
    assert!(failed.is_empty(), "{failed:?}\n{log}");
    assert_eq!(
        seen,
        BTreeSet::from(["1=1 2=1 3=0".to_owned()]),
        "the only weights ever seen\n{log}"
    );
    assert!(held.ask().is_ok(), "a connection lives on\n{log}");
    let status = daemon.get("/v1/status").unwrap();
    let servers = status["services"][0]["servers"].as_array().unwrap();
    let third = servers
        .iter()
        .find(|server| server["address"] == "10.2.0.13:80");
    assert_eq!(third.unwrap()["drain"]["reason"], "new disk");
    daemon.post("/v1/undrain", &body);
    daemon.weights(SERVICE, "1=1 2=1 3=1");
}

#[test]
#[ignore = "needs the lab"]
fn a_server_that_died_while_director_was_down_is_found_after_the_start() {
    let net = Lan::nat().real_servers(3).build();
    let mut servers = net.serve(Tcp, 80);
    let mut daemon = Daemon::start(&net.director, WEB);
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    daemon.kill();
    drop(servers.remove(1));
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=0 3=1");
    daemon.kill();
    servers.push(net.real(2).serve(Tcp, 80));
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    let answers = net.client(1).ask(Tcp, net.service(V4, 80)).times(30).run();
    assert!(answers.failures().is_empty(), "{answers}");
}
