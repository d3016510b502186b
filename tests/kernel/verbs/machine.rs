//! Warnings about the machine: each appears when clients really are not served, and disappears when
//! they are.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Desk;
use crate::lab::{Drawing, Family, Host, Lan, Sketch, Tcp, V4, V6};

const PORT: u16 = 80;

/// The warnings of `plan` for a file, one kind after the other; whatever they are, the exit code is
/// that of the plan.
fn warnings(desk: &Desk<'_>, file: &str) -> Vec<String> {
    let outcome = desk.director(&format!("plan --format json {file}"));
    assert!(matches!(outcome.code, 0 | 2), "{outcome}");
    let plan: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        outcome.code == 0,
        plan["steps"].as_array().unwrap().is_empty(),
        "{outcome}"
    );
    let warnings = plan["warnings"].as_array().unwrap();
    for warning in warnings {
        // The text form says the same.
        assert!(
            outcome.stderr.contains(warning["text"].as_str().unwrap()),
            "{outcome}"
        );
    }
    let kind = |warning: &serde_json::Value| warning["kind"].as_str().unwrap().to_owned();
    warnings.iter().map(kind).collect()
}

/// Either the client is served and there is no warning, or it is not and there is this one.
#[track_caller]
fn agree(desk: &Desk<'_>, client: &Host, service: SocketAddr, expected: Option<&str>) {
    let said = warnings(desk, "one.toml");
    assert_eq!(said, expected.into_iter().collect::<Vec<_>>());
    let ask = client.ask(Tcp, service);
    let answers = if expected.is_some() {
        ask.patience(Duration::from_secs(1)).run()
    } else {
        ask.run()
    };
    assert_eq!(
        answers.failures().values().sum::<usize>(),
        usize::from(expected.is_some()),
        "{answers}"
    );
}

/// Makes this the only service.
fn apply(desk: &Desk<'_>, listen: &str, forward: &str, servers: &[IpAddr]) {
    let servers: Vec<_> = servers
        .iter()
        .map(|server| format!("\"{server}\""))
        .collect();
    let text = format!(
        "version = 1\n[service.web]\nlisten = \"{listen}\"\nforward = \"{forward}\"\n\
         servers = [{}]\ndrain = \"0s\"\n",
        servers.join(", ")
    );
    desk.write("one.toml", &text);
    // The previous service is removed immediately, whatever connections it has.
    desk.done("apply --yes --force one.toml");
}

fn listening(service: SocketAddr) -> String {
    format!("tcp://{service}")
}

fn servers(net: &Lan, family: Family) -> Vec<IpAddr> {
    net.reals()
        .iter()
        .map(|real| real.address(family))
        .collect()
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn an_address_that_is_not_here() {
    let net = Lan::nat().real_servers(1).build();
    let _web = net.serve(Tcp, PORT);
    let (desk, client) = (Desk::on(&net.director), net.client(1));
    client.ip("route add 10.77.0.0/24 via 10.1.0.1\nroute add fd00:77::/64 via fd00:1::1\n");
    for (address, family, whole) in [
        ("10.77.0.9", V4, "10.77.0.0/24"),
        ("fd00:77::9", V6, "fd00:77::/64"),
    ] {
        let service = SocketAddr::new(address.parse().unwrap(), PORT);
        apply(&desk, &listening(service), "nat", &servers(&net, family));
        agree(&desk, client, service, Some("address_missing"));
        let bits = if family == V4 { 32 } else { 128 };
        let fixes = [
            (
                format!("addr add {address}/{bits} dev lo"),
                format!("addr del {address}/{bits} dev lo"),
            ),
            (
                format!("route add local {whole} dev lo"),
                format!("route del local {whole} dev lo"),
            ),
        ];
        for (fix, back) in fixes {
            net.director.ip(&fix);
            agree(&desk, client, service, None);
            net.director.ip(&back);
        }
        agree(&desk, client, service, Some("address_missing"));
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn an_address_on_an_interface_that_is_down() {
    let net = Lan::nat().real_servers(1).build();
    let _web = net.serve(Tcp, PORT);
    let (desk, client, director) = (Desk::on(&net.director), net.client(1), &net.director);
    client.ip("route add 10.77.0.0/24 via 10.1.0.1\nroute add fd00:77::/64 via fd00:1::1\n");
    // With duplicate address detection, which an interface that is down does not start.
    director.sysctl("net.ipv6.conf.all.accept_dad", "1");
    director.ip(
        "link add spare type veth peer name spare2\naddr add 10.77.0.9/32 dev spare\n\
         addr add fd00:77::9/128 dev spare\n",
    );
    // For IPv4 that makes no difference.
    let service = SocketAddr::new([10, 77, 0, 9].into(), PORT);
    apply(&desk, &listening(service), "nat", &servers(&net, V4));
    agree(&desk, client, service, None);

    let service = SocketAddr::new("fd00:77::9".parse().unwrap(), PORT);
    apply(&desk, &listening(service), "nat", &servers(&net, V6));
    agree(&desk, client, service, Some("address_unready"));
    director.ip("link set spare2 up\nlink set spare up\n");
    crate::lab::eventually("the address is in use", || {
        warnings(&desk, "one.toml").is_empty().then_some(())
    });
    agree(&desk, client, service, None);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_firewall_mark_has_no_address() {
    let net = Lan::nat().real_servers(1).build();
    let _web = net.serve(Tcp, PORT);
    let desk = Desk::on(&net.director);
    net.director.mark(V4, "-d 10.1.0.100", 7);
    apply(&desk, "fwmark://7", "nat", &servers(&net, V4));
    agree(&desk, net.client(1), net.service(V4, PORT), None);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn an_address_that_another_host_has() {
    let host = |name: &str, address: &str| {
        Sketch::new(name)
            .sysctl("net.ipv6.conf.default.accept_dad", "1")
            .plug("lan", &[address])
    };
    let drawing = Drawing::new()
        .host(host("one", "fd00::1/64"))
        .host(host("other", "fd00::2/64"));
    let (hosts, _switch) = drawing.build();
    let (one, other) = (&hosts[0], &hosts[1]);
    other.ip("addr add fd00::9/64 dev eth0 nodad\n");
    one.ip("addr add fd00::9/64 dev eth0\n");
    let desk = Desk::on(one);
    apply(&desk, "tcp://[fd00::9]:80", "nat", &[one.address(V6)]);
    crate::lab::eventually("the address is found to be taken", || {
        (warnings(&desk, "one.toml") == ["address_taken"]).then_some(())
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_without_a_route() {
    let net = Lan::tun().real_servers(1).build();
    let _web = net.serve(Tcp, PORT);
    let (desk, client) = (Desk::on(&net.director), net.client(1));
    for (family, route) in [
        (V4, "10.2.0.0/24 via 10.1.0.254"),
        (V6, "fd00:2::/64 via fd00:1::254"),
    ] {
        let service = net.service(family, PORT);
        apply(&desk, &listening(service), "tun", &servers(&net, family));
        agree(&desk, client, service, None);
        net.director.ip(&format!("route del {route}\n"));
        agree(&desk, client, service, Some("no_route"));
        // A route that rejects packets is not a route.
        let (network, _) = route.split_once(' ').unwrap();
        net.director
            .ip(&format!("route add unreachable {network}\n"));
        agree(&desk, client, service, Some("no_route"));
        net.director.ip(&format!(
            "route del unreachable {network}\nroute add {route}\n"
        ));
        agree(&desk, client, service, None);
    }
    // Rules may select the table with the route.
    net.director.ip("route del 10.2.0.0/24 via 10.1.0.254\n");
    net.director
        .ip("route add 10.2.0.0/24 via 10.1.0.254 table 77\nrule add lookup 77\n");
    let service = net.service(V4, PORT);
    apply(&desk, &listening(service), "tun", &servers(&net, V4));
    agree(&desk, client, service, None);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn forwarding_off_stops_nat() {
    let net = Lan::nat().real_servers(1).build();
    let _web = net.serve(Tcp, PORT);
    let (desk, client, director) = (Desk::on(&net.director), net.client(1), &net.director);
    let service = net.service(V4, PORT);
    apply(&desk, &listening(service), "nat", &servers(&net, V4));
    agree(&desk, client, service, None);
    director.sysctl("net.ipv4.ip_forward", "0");
    agree(&desk, client, service, Some("not_forwarded"));
    // What counts is the interface where the replies come in.
    director.sysctl("net.ipv4.conf.eth0.forwarding", "1");
    agree(&desk, client, service, Some("not_forwarded"));
    director.sysctl("net.ipv4.conf.eth1.forwarding", "1");
    director.sysctl("net.ipv4.conf.eth0.forwarding", "0");
    agree(&desk, client, service, None);
    director.sysctl("net.ipv4.ip_forward", "1");
    director.sysctl("net.ipv4.conf.eth1.forwarding", "0");
    agree(&desk, client, service, Some("not_forwarded"));

    let service = net.service(V6, PORT);
    apply(&desk, &listening(service), "nat", &servers(&net, V6));
    agree(&desk, client, service, None);
    director.sysctl("net.ipv6.conf.all.forwarding", "0");
    agree(&desk, client, service, Some("not_forwarded"));
    director.sysctl("net.ipv6.conf.eth1.forwarding", "1");
    agree(&desk, client, service, Some("not_forwarded"));
    director.sysctl("net.ipv6.conf.all.forwarding", "1");
    agree(&desk, client, service, None);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_on_the_director_needs_no_forwarding() {
    let net = Lan::nat().real_servers(1).build();
    let desk = Desk::on(&net.director);
    not_forwarding(&net.director);
    for family in [V4, V6] {
        let own = net.director.address(family);
        let _own = net.director.serve_at(Tcp, &[(own, PORT).into()]);
        let service = net.service(family, PORT);
        apply(&desk, &listening(service), "nat", &[own]);
        agree(&desk, net.client(1), service, None);
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn forwarding_off_does_not_stop_direct_routing_and_tunnels() {
    for (net, forward) in [(Lan::dr(), "dr"), (Lan::tun(), "tun")] {
        let net = net.real_servers(1).build();
        let _web = net.serve(Tcp, PORT);
        let desk = Desk::on(&net.director);
        not_forwarding(&net.director);
        for family in [V4, V6] {
            let service = net.service(family, PORT);
            apply(&desk, &listening(service), forward, &servers(&net, family));
            agree(&desk, net.client(1), service, None);
        }
    }
}

fn not_forwarding(host: &Host) {
    host.sysctls(&[
        ("net.ipv4.ip_forward", "0"),
        ("net.ipv6.conf.all.forwarding", "0"),
    ]);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_strict_source_check_stops_no_method() {
    for (net, forward) in [(Lan::nat(), "nat"), (Lan::dr(), "dr"), (Lan::tun(), "tun")] {
        let net = net.real_servers(1).build();
        let _web = net.serve(Tcp, PORT);
        let desk = Desk::on(&net.director);
        net.director.sysctl("net.ipv4.conf.all.rp_filter", "1");
        let service = net.service(V4, PORT);
        apply(&desk, &listening(service), forward, &servers(&net, V4));
        agree(&desk, net.client(1), service, None);
    }
}

/// Two lines to the router, with the service on the one without a default route:
///
/// ```text
///   client 198.51.100.7 ─ far ─ router ┬ line1 10.9.0.0/24    ─ eth0 director   default
///                                      └ line2 203.0.113.0/24 ─ eth1 director   203.0.113.10
///                                                             └ eth0 real
/// ```
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_strict_source_check_refuses_clients_of_the_other_line() {
    let service = SocketAddr::new([203, 0, 113, 10].into(), PORT);
    let client = Sketch::new("client")
        .plug("far", &["198.51.100.7/24"])
        .line("route add default via 198.51.100.1");
    let router = Sketch::new("router")
        .sysctl("net.ipv4.ip_forward", "1")
        .plug("far", &["198.51.100.1/24"])
        .plug("line1", &["10.9.0.1/24"])
        .plug("line2", &["203.0.113.1/24"]);
    let director = Sketch::new("director")
        .plug("line1", &["10.9.0.2/24"])
        .plug("line2", &["203.0.113.2/24"])
        .virtual_address(service.ip(), "eth1")
        .line("route add default via 10.9.0.1");
    let real = Sketch::new("real")
        .sysctl("net.ipv4.conf.all.arp_ignore", "1")
        .sysctl("net.ipv4.conf.all.arp_announce", "2")
        .plug("line2", &["203.0.113.11/24"])
        .virtual_address(service.ip(), "lo")
        .line("route add default via 203.0.113.1");
    let drawing = Drawing::new()
        .host(client)
        .host(router)
        .host(director)
        .host(real);
    let (hosts, _switch) = drawing.build();
    let [client, _router, director, real] = hosts.as_slice() else {
        panic!("four hosts were drawn");
    };
    let _web = real.serve(Tcp, PORT);
    let desk = Desk::on(director);
    apply(&desk, &listening(service), "dr", &[real.address(V4)]);
    agree(&desk, client, service, None);
    director.sysctl("net.ipv4.conf.eth1.rp_filter", "1");
    agree(&desk, client, service, Some("source_refused"));
    // The larger of both counts, and 2 is loose.
    director.sysctl("net.ipv4.conf.all.rp_filter", "2");
    agree(&desk, client, service, None);
    director.sysctl("net.ipv4.conf.all.rp_filter", "1");
    director.sysctl("net.ipv4.conf.eth1.rp_filter", "0");
    agree(&desk, client, service, Some("source_refused"));
    director.ip("route add 198.51.100.0/24 via 203.0.113.1\n");
    agree(&desk, client, service, None);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn more_routes_than_are_worth_reading() {
    let net = Lan::nat().real_servers(1).build();
    let _web = net.serve(Tcp, PORT);
    let (desk, client) = (Desk::on(&net.director), net.client(1));
    let mut routes = String::new();
    for number in 0..20_100_u32 {
        let (high, low) = (number / 256, number % 256);
        routes.push_str(&format!("route add 100.{high}.{low}.0/24 via 10.1.0.254\n"));
    }
    net.director.ip(&routes);
    let service = net.service(V4, PORT);
    apply(&desk, &listening(service), "nat", &servers(&net, V4));
    agree(&desk, client, service, None);
    net.director.ip("addr del 10.1.0.100/32 dev eth0\n");
    agree(&desk, client, service, Some("address_missing"));
    net.director.ip("addr add 10.1.0.100/32 dev lo\n");
    net.director.sysctl("net.ipv4.ip_forward", "0");
    agree(&desk, client, service, Some("not_forwarded"));
    net.director.sysctl("net.ipv4.ip_forward", "1");
    net.director.ip("route add unreachable 10.2.0.11/32\n");
    agree(&desk, client, service, Some("no_route"));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn apply_says_so_and_goes_on() {
    let net = Lan::nat().real_servers(1).build();
    let desk = Desk::on(&net.director);
    desk.write(
        "one.toml",
        &super::web("tcp://10.88.0.1:80", "\"10.99.0.1\", \"10.99.0.2\"", ""),
    );
    let checked = desk.ends("check one.toml", 0);
    assert_eq!(checked.stderr, "", "{checked}");
    for line in ["apply --yes one.toml", "plan one.toml"] {
        let outcome = desk.ends(line, 0);
        for said in [
            "warning[address-missing]: 10.88.0.1 (web) is not an address of this machine",
            "warning[no-route]: 2 servers have no route: 10.99.0.1 (web), 10.99.0.2 (web)",
        ] {
            assert!(outcome.stderr.contains(said), "{line}: {outcome}");
        }
        assert!(!outcome.stdout.contains("warning"), "{outcome}");
    }
}
