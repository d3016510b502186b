//! `type = "kubernetes"`, as a fake answers.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;

use super::sources::http::Server;
use super::sources::kubernetes::{Instead, Kubernetes, Line, READY, TERMINATING, endpoint, slice};
use super::{SERVICE, file, pool, refused, said, verb};
use crate::daemon::Daemon;
use crate::lab::Lan;

fn start(net: &Lan, api: &Arc<Kubernetes>) -> Server {
    let at: SocketAddr = "127.0.0.1:6443".parse().unwrap();
    net.director
        .enter(|| Server::start(at, Arc::clone(api), None))
}

/// A slice with these endpoints; a negative host terminates.
fn hosts(name: &str, hosts: &[i8]) -> Value {
    let endpoints = hosts.iter().map(|host| {
        let number = host.unsigned_abs();
        let conditions = if *host < 0 { TERMINATING } else { READY };
        endpoint(
            &format!("10.2.0.1{number}"),
            &format!("pod{number}"),
            conditions,
        )
    });
    let mut slice = slice(name, endpoints.collect());
    slice["ports"][0]["port"] = 80.into();
    slice
}

/// Servers that leave the list break off: only weight 0 lets one drain.
const SOURCE: &str = "discover = { type = \"kubernetes\", namespace = \"shop\", service = \"web\", \
                      url = \"http://127.0.0.1:6443\" }\nabsent = \"remove\"\nmax_removed = 100\n";

#[test]
#[ignore = "needs the lab"]
fn endpoints_come_and_go_drain_when_they_terminate_and_stay_when_the_api_server_dies() {
    let net = Lan::nat().real_servers(4).build();
    let api = Arc::new(Kubernetes::new("shop", vec![hosts("a", &[1, 2])]));
    let running = start(&net, &api);
    let daemon = Daemon::start(&net.director, &file(SOURCE));
    daemon.weights(SERVICE, "1=1 2=1");
    let asked = verb(
        &net.director,
        &daemon,
        &["discover", "app", "services.toml"],
    );
    let expected = "10.2.0.11:80 name pod1\n10.2.0.12:80 name pod2\n2 servers\n";
    assert_eq!(said(&asked), expected);
    api.put(hosts("b", &[3]));
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    api.put(hosts("a", &[-1, 2]));
    daemon.weights(SERVICE, "1=0 2=1 3=1");
    api.put(hosts("a", &[2]));
    daemon.weights(SERVICE, "2=1 3=1");
    // All terminate: the last weights stay, so that clients are served.
    api.put(hosts("a", &[-2]));
    daemon.weights(SERVICE, "2=0 3=1");
    api.put(hosts("b", &[-3]));
    refused(&daemon, "all have weight 0");
    daemon.weights(SERVICE, "2=0 3=1");
    api.put(hosts("a", &[1, -2]));
    daemon.weights(SERVICE, "1=1 2=0 3=0");
    drop(running);
    refused(&daemon, "127.0.0.1:6443");
    daemon.weights(SERVICE, "1=1 2=0 3=0");
    // What happened while it was away is no longer known.
    api.put(hosts("a", &[1, 2]));
    api.delete("b");
    api.compact();
    let _running = start(&net, &api);
    daemon.weights(SERVICE, "1=1 2=1");
    daemon.becomes("nothing is refused", &true, || {
        pool(&daemon)["refused"].is_null()
    });
    let status = daemon.get("/v1/services/web").unwrap().to_string();
    assert!(status.contains("pod1"), "{status}");
    assert_eq!(api.refused(), [""; 0]);
}

#[test]
#[ignore = "needs the lab"]
fn an_api_server_that_lies_changes_nothing_and_status_says_why() {
    let net = Lan::nat().real_servers(3).build();
    let api = Arc::new(Kubernetes::new("shop", vec![hosts("a", &[1, 2])]));
    let _running = start(&net, &api);
    let daemon = Daemon::start(&net.director, &file(SOURCE));
    daemon.weights(SERVICE, "1=1 2=1");
    let at = |address: &str| slice("b", vec![endpoint(address, "x", READY)]);
    let mut without_port = at("10.2.0.13");
    without_port["ports"][0]["port"] = 0.into();
    for (bad, words) in [
        (at("224.0.0.1"), "not a unicast address"),
        (at("web3"), "`web3` is not an address"),
        (without_port, "port 0"),
    ] {
        api.put(bad);
        refused(&daemon, words);
        daemon.weights(SERVICE, "1=1 2=1");
    }
    api.delete("b");
    daemon.becomes("nothing is refused", &true, || {
        pool(&daemon)["refused"].is_null()
    });
    api.put(hosts("a", &[]));
    refused(&daemon, "an empty list: 2 servers stay");
    api.put(hosts("a", &[1, 2]));
    api.change(|state| state.line = Some(Line::Raw("{\"type\": ")));
    refused(&daemon, "cannot read what the API server sends");
    api.change(|state| state.instead = Some(Instead::Status(403, "endpointslices is forbidden")));
    refused(&daemon, "403: endpointslices is forbidden");
    daemon.weights(SERVICE, "1=1 2=1");
    api.change(|state| state.instead = None);
    api.put(hosts("a", &[2, 3]));
    daemon.weights(SERVICE, "2=1 3=1");
    assert_eq!(api.refused(), [""; 0]);
}
