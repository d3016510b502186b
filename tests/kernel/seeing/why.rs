//! `director why` is right: asked before each request of real clients, it names the server that
//! then answers.

use std::fs::{self, Permissions};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use ipvs::{ForwardMethod, Netmask, Service, ServiceFlags};
use serde_json::Value;

use crate::daemon::Daemon;
use crate::lab::{Family, Lan, Outcome, Tcp, V4, V6};
use crate::rig::{Rig, family, real, refused};

/// Direct routing, three servers, and a client with this many addresses in each family.
fn rig() -> Rig {
    let net = Lan::dr().addresses(24).build();
    Rig::new(net, ForwardMethod::DirectRoute)
}

/// The answer of `director why`.
#[track_caller]
fn why(rig: &Rig, service: &Service, client: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
    command.args(["why", &service.key.to_string(), client]);
    // No director runs.
    command.args(["--format", "json", "--socket", "/nowhere"]);
    let outcome = rig.net.director.command(command, &[]);
    assert!(outcome.success(), "{outcome}");
    let answers: Value = serde_json::from_str(&outcome.stdout).unwrap();
    answers[0].clone()
}

/// The server that `why` names, by its name in the lab; a refusal in the lab's words.
fn named(rig: &Rig, service: &Service, answer: &Value) -> String {
    let Some(server) = answer["chosen"]["server"].as_str() else {
        let because = answer["because"].as_str();
        assert!(matches!(because, Some("refused" | "no-server")), "{answer}");
        return refused();
    };
    let number = (1..=3).find(|number| rig.key(service, *number).to_string() == server);
    real(number.unwrap_or_else(|| panic!("{answer}")))
}

/// Asks `why` for each address of the client, then sends a request from it; returns the number of
/// clients.
#[track_caller]
fn compare(rig: &Rig, service: &Service) -> usize {
    let addresses = rig.net.client(1).addresses(family(service));
    let named = |from: &IpAddr| named(rig, service, &why(rig, service, &from.to_string()));
    let named: Vec<String> = addresses.iter().map(named).collect();
    let answers = rig
        .ask(service)
        .times(addresses.len())
        .from(addresses)
        .run();
    assert_eq!(named, answers.sequence(), "{service:?}");
    named.len()
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn why_names_the_server_of_every_client_of_a_hash_scheduler() {
    let mut rig = rig();
    let mut clients = 0;
    for family in Family::BOTH {
        for (scheduler, weights) in [("sh", [1, 2, 5]), ("mh", [1, 2, 5])] {
            let mut web = rig.balance(Tcp, family, scheduler, &weights);
            clients += compare(&rig, &web);
            // A server of weight 1 goes to 0: its clients are refused, or fall back.
            rig.weigh(&web, 1, 0);
            clients += compare(&rig, &web);
            web.flags = ServiceFlags::SH_FALLBACK;
            rig.ipvs.update_service(&web).unwrap();
            clients += compare(&rig, &web);
            rig.ipvs.delete_service(&web.key).unwrap();
        }
    }
    assert!(clients >= 200, "{clients}");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn why_names_the_server_of_a_connection_whose_port_counts() {
    let mut rig = rig();
    for family in Family::BOTH {
        // Ports of their own: the connections of the first stay in the table.
        for (scheduler, ports) in [("sh", 40_000..40_024), ("mh", 41_000..41_024)] {
            let mut web = rig.balance(Tcp, family, scheduler, &[1, 2, 5]);
            // A server takes no clients: the hash leads some of them there, and on to another.
            rig.weigh(&web, 1, 0);
            web.flags = ServiceFlags::SH_PORT | ServiceFlags::SH_FALLBACK;
            rig.ipvs.update_service(&web).unwrap();
            let client = rig.net.client(1).address(family);
            let answer = why(&rig, &web, &client.to_string());
            assert_eq!(answer["because"], "needs-port", "{answer}");
            let mut fell_back = 0;
            for port in ports {
                let connection = SocketAddr::new(client, port).to_string();
                let answer = why(&rig, &web, &connection);
                fell_back += usize::from(answer["because"] == "fallback");
                let reached = rig.ask(&web).port(port).run().sequence();
                assert_eq!(reached, [named(&rig, &web, &answer)], "{connection}");
                // Now the connection exists.
                let after = why(&rig, &web, &connection);
                assert_eq!(after["because"], "connection", "{after}");
                assert_eq!(after["chosen"], answer["chosen"]);
            }
            assert!((1..24).contains(&fell_back), "{scheduler} {fell_back}");
            rig.ipvs.delete_service(&web.key).unwrap();
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn why_names_the_server_of_every_client_of_a_persistent_hash_scheduler() {
    let mut rig = rig();
    for (family, mask) in [
        (V4, Netmask::V4([255, 255, 255, 252].into())),
        (V6, Netmask::V6(126)),
    ] {
        // Clients of their own: the templates of the first may outlive its service.
        let addresses = rig.net.client(1).addresses(family);
        let (first, second) = addresses.split_at(addresses.len() / 2);
        for (scheduler, addresses) in [("sh", first), ("mh", second)] {
            let mut web = rig.balance(Tcp, family, scheduler, &[1, 2, 5]);
            rig.weigh(&web, 1, 0);
            web = web.persistent(300).netmask(mask);
            web.flags |= ServiceFlags::SH_FALLBACK;
            rig.ipvs.update_service(&web).unwrap();
            // Of each four clients the first is hashed, and the others follow its template.
            let mut templates = 0;
            for address in addresses {
                let answer = why(&rig, &web, &address.to_string());
                templates += usize::from(answer["because"] == "template");
                let reached = ask(&rig, &web, *address);
                assert_eq!(reached, named(&rig, &web, &answer), "{address}: {answer}");
            }
            assert!(
                (addresses.len() / 2..addresses.len()).contains(&templates),
                "{templates}"
            );
            rig.ipvs.delete_service(&web.key).unwrap();
        }
    }
}

/// The server that answers a request from this address.
fn ask(rig: &Rig, service: &Service, from: IpAddr) -> String {
    rig.ask(service).from([from]).run().sequence()[0].clone()
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn why_finds_the_template_of_a_client_and_of_its_network() {
    let mut rig = rig();
    for (family, mask) in [
        (V4, Netmask::V4([255, 255, 255, 0].into())),
        (V6, Netmask::V6(64)),
    ] {
        let mut web = rig.balance(Tcp, family, "rr", &[1, 1, 1]);
        web = web.persistent(300);
        rig.ipvs.update_service(&web).unwrap();
        let addresses = rig.net.client(1).addresses(family);
        let answer = why(&rig, &web, &addresses[0].to_string());
        assert_eq!(answer["because"], "open", "{answer}");
        assert_eq!(answer["among"].as_array().unwrap().len(), 3);
        let first = ask(&rig, &web, addresses[0]);
        let answer = why(&rig, &web, &addresses[0].to_string());
        assert_eq!(answer["because"], "template", "{answer}");
        assert_eq!(named(&rig, &web, &answer), first);
        let other = why(&rig, &web, &addresses[1].to_string());
        assert_eq!(other["because"], "open", "{other}");

        web = web.netmask(mask);
        rig.ipvs.update_service(&web).unwrap();
        let first = ask(&rig, &web, addresses[2]);
        let answer = why(&rig, &web, &addresses[3].to_string());
        assert_eq!(answer["because"], "template", "{answer}");
        assert_eq!(named(&rig, &web, &answer), first);
        assert_eq!(ask(&rig, &web, addresses[3]), first);
        rig.ipvs.delete_service(&web.key).unwrap();
    }
}

/// `nobody` and `nogroup`.
const OTHER: u32 = 65534;

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_user_who_may_not_read_the_kernels_tables_asks_the_director() {
    let net = Lan::nat().real_servers(2).build();
    let mut daemon = Daemon::start_with(
        &net.director,
        "version = 1\n[service.web]\nlisten = \"tcp://10.1.0.100:80\"\nforward = \"nat\"\nscheduler = \"sh\"\n\
         check = false\nservers = [{ name = \"one\", address = \"10.2.0.11\" }, \"10.2.0.12\"]\n",
        &["--view-group", "nogroup"],
    );
    fs::set_permissions(daemon.path("."), Permissions::from_mode(0o755)).unwrap();
    let socket = daemon.path("control.sock");
    let run = |words: &[&str], user: u32| -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
        command.args(words).arg("--socket").arg(&socket);
        command.uid(user).gid(user);
        net.director.command(command, &[])
    };
    let client = net.client(1).address(V4).to_string();
    for words in [
        &["why", "web", &client][..],
        &["why", "web", &format!("{client}:4000"), "--format", "json"],
        &["connections", "--service", "web"],
        &["connections", "--top", "clients"],
    ] {
        let (root, other) = (run(words, 0), run(words, OTHER));
        assert!(root.success(), "{root}");
        assert_eq!(other.stdout, root.stdout, "{words:?}: {other}");
        assert_eq!(other.stderr, root.stderr, "{words:?}: {other}");
    }
    let unknown = run(&["why", "shop", &client], OTHER);
    assert!(unknown.stderr.contains("no service `shop`"), "{unknown}");
    daemon.stop();
    let denied = run(&["why", "tcp://10.1.0.100:80", &client], OTHER);
    assert_eq!(denied.code, 1, "{denied}");
    assert!(denied.stderr.contains("needs CAP_NET_ADMIN"), "{denied}");
}
