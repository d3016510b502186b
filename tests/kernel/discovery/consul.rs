//! `type = "consul"`, as a fake answers.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::sources::consul::{Consul, Instead, check, instance};
use super::sources::http::Server;
use super::{SERVICE, file, pool, refused, said, verb};
use crate::daemon::Daemon;
use crate::lab::Lan;

fn start(net: &Lan, consul: &Arc<Consul>) -> Server {
    let at: SocketAddr = "127.0.0.1:8500".parse().unwrap();
    net.director
        .enter(|| Server::start(at, Arc::clone(consul), None))
}

fn server(host: u8) -> Value {
    instance(&format!("node{host}"), &format!("10.2.0.1{host}"), 80)
}

const SOURCE: &str = "discover = { type = \"consul\", service = \"web\", url = \"http://127.0.0.1:8500\" }\n\
                      max_removed = 100\n";

#[test]
#[ignore = "needs the lab"]
fn instances_come_and_go_drain_in_maintenance_and_stay_when_consul_dies() {
    let net = Lan::nat().real_servers(3).build();
    let consul = Arc::new(Consul::new("web", vec![server(1), server(2)]));
    let running = start(&net, &consul);
    let daemon = Daemon::start(&net.director, &file(SOURCE));
    daemon.weights(SERVICE, "1=1 2=1");
    let asked = verb(
        &net.director,
        &daemon,
        &["discover", "app", "services.toml"],
    );
    let expected = "10.2.0.11:80 name node1\n10.2.0.12:80 name node2\n2 servers\n";
    assert_eq!(said(&asked), expected);
    consul.list(vec![server(2), server(3)]);
    daemon.weights(SERVICE, "2=1 3=1");
    let mut weighted = server(2);
    weighted["Service"]["Weights"] = json!({ "Passing": 7, "Warning": 1 });
    let mut maintained = server(3);
    maintained["Checks"] = json!([check("_node_maintenance", "critical")]);
    consul.list(vec![weighted, maintained.clone()]);
    daemon.weights(SERVICE, "2=7 3=0");
    consul.list(vec![server(2)]);
    daemon.weights(SERVICE, "2=1");
    consul.list(vec![server(1), server(2)]);
    daemon.weights(SERVICE, "1=1 2=1");
    drop(running);
    refused(&daemon, "127.0.0.1:8500");
    daemon.weights(SERVICE, "1=1 2=1");
    // A Consul that starts anew.
    consul.change(|state| {
        state.index = 1;
        state.instances = vec![server(1), server(3)];
    });
    let _running = start(&net, &consul);
    daemon.weights(SERVICE, "1=1 3=1");
    daemon.becomes("nothing is refused", &true, || {
        pool(&daemon)["refused"].is_null()
    });
    assert_eq!(consul.refused(), [""; 0]);
}

#[test]
#[ignore = "needs the lab"]
fn a_consul_that_lies_changes_nothing_and_status_says_why() {
    let net = Lan::nat().real_servers(3).build();
    let consul = Arc::new(Consul::new("web", vec![server(1), server(2)]));
    let _running = start(&net, &consul);
    let daemon = Daemon::start(&net.director, &file(SOURCE));
    daemon.weights(SERVICE, "1=1 2=1");
    let at = |address: &str, port| vec![server(1), instance("x", address, port)];
    let mut all_maintained = server(1);
    all_maintained["Checks"] = json!([check("_service_maintenance:web", "critical")]);
    for (instances, words) in [
        (vec![], "an empty list: 2 servers stay"),
        (vec![all_maintained], "all have weight 0"),
        (at("10.2.0.11", 80), "10.2.0.11:80 twice"),
        (at("224.0.0.1", 80), "not a unicast address"),
        (at("10.2.0.13", 0), "port 0"),
        (at("10.2.0.13", 65_536), "port 65536"),
        (at("web3.example.org", 80), "`web3.example.org`"),
    ] {
        consul.list(instances);
        refused(&daemon, words);
        daemon.weights(SERVICE, "1=1 2=1");
    }
    let rest = [
        (
            Instead::Body(b"{\"a\": ".to_vec()),
            "not a list of instances",
        ),
        (Instead::Status(403, "ACL not found"), "ACL not found"),
        (Instead::Status(500, "No cluster leader"), "500"),
        (Instead::Half, "127.0.0.1:8500"),
    ];
    for (instead, words) in rest {
        consul.change(|state| state.instead = Some(instead));
        refused(&daemon, words);
        daemon.weights(SERVICE, "1=1 2=1");
    }
    consul.change(|state| {
        state.instead = None;
        state.instances = vec![server(2), server(3)];
    });
    daemon.weights(SERVICE, "2=1 3=1");
    assert_eq!(consul.refused(), [""; 0]);
}
