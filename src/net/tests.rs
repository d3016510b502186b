//! Every warning as golden text, and short output for large tables.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

use super::*;
use crate::config::{Environment, Format, Memory, load_text};
use crate::state::Desired;

const ETH0: u32 = 2;
const ETH1: u32 = 3;

/// A director between two networks, correctly set up:
///
/// ```text
///   the Internet ── 198.51.100.1 ── eth0 198.51.100.2/24, 198.51.100.10
///                                   eth1 10.2.0.1/16, fd00:2::1/64 ── the servers
/// ```
fn machine() -> Machine {
    let own = [
        "198.51.100.2/24",
        "198.51.100.10/32",
        "10.2.0.1/16",
        "fd00:2::1/64",
    ];
    let addresses = own.map(|text| {
        let (address, length) = text.split_once('/').unwrap();
        InterfaceAddress {
            address: address.parse().unwrap(),
            prefix_length: length.parse().unwrap(),
            interface: if text.starts_with("198") { ETH0 } else { ETH1 },
            state: AddressState::Used,
        }
    });
    let mut routes: Vec<_> = addresses
        .iter()
        .map(|own| {
            route(
                255,
                &format!(
                    "{}/{}",
                    own.address,
                    if own.address.is_ipv4() { 32 } else { 128 }
                ),
                own.interface,
                RouteKind::Local,
            )
        })
        .collect();
    routes.push(route(254, "198.51.100.0/24", ETH0, RouteKind::Unicast));
    routes.push(route(254, "10.2.0.0/16", ETH1, RouteKind::Unicast));
    routes.push(route(254, "fd00:2::/64", ETH1, RouteKind::Unicast));
    let mut default = route(254, "0.0.0.0/0", ETH0, RouteKind::Unicast);
    default.gateway = true;
    routes.push(default);
    let interface = |name: &str| Interface {
        name: name.into(),
        forwarding: true,
        source_check: SourceCheck::Strict,
    };
    Machine {
        addresses: addresses.to_vec(),
        routes: Routes::all(routes),
        forwarding: Forwarding { v4: true, v6: true },
        interfaces: BTreeMap::from([(ETH0, interface("eth0")), (ETH1, interface("eth1"))]),
    }
}

fn route(table: u32, destination: &str, interface: u32, kind: RouteKind) -> Route {
    let (destination, prefix_length) = destination.split_once('/').unwrap();
    Route {
        table,
        destination: destination.parse().unwrap(),
        prefix_length: prefix_length.parse().unwrap(),
        kind,
        interface: Some(interface),
        gateway: false,
        metric: 0,
    }
}

/// One NAT service.
fn web(listen: &str, servers: &str) -> Desired {
    desired(&format!(
        "version = 1\n[defaults]\nforward = \"nat\"\n\
         [service.web]\nlisten = [{listen}]\nservers = [{servers}]\n"
    ))
}

fn desired(text: &str) -> Desired {
    let files = Memory::default();
    let environment = Environment::default();
    let bytes = text.as_bytes().to_vec();
    let outcome = load_text(
        "x.toml",
        bytes,
        Format::Toml,
        Path::new("."),
        &files,
        &environment,
        false,
    );
    outcome.desired.expect("the file is without a mistake")
}

#[track_caller]
fn says(desired: &Desired, machine: &Machine, expected: &str) {
    let warnings = advise(desired.services.values(), machine);
    let text: String = warnings
        .iter()
        .map(|warning| warning.render(false))
        .collect();
    assert_eq!(text, expected);
}

#[test]
fn nothing_where_all_is_well() {
    let desired = web(
        r#""tcp://198.51.100.10:80", "tcp://[fd00:2::1]:80", "fwmark://7""#,
        r#""10.2.0.11", "10.2.0.1", "203.0.113.9", "fd00:2::11""#,
    );
    says(&desired, &machine(), "");
}

#[test]
fn an_address_that_director_holds_itself_may_be_missing() {
    let desired = web(r#""tcp://198.51.100.77:80""#, r#""10.2.0.11""#);
    let advice = |held: &str| {
        let held = [held.parse().unwrap()].into();
        advise_holding(desired.services.values(), &machine(), &held).len()
    };
    assert_eq!(advice("198.51.100.77"), 0);
    assert_eq!(advice("198.51.100.78"), 1);
}

#[test]
fn an_address_that_is_not_here() {
    says(
        &web(
            r#""tcp://198.51.100.77:80", "udp://198.51.100.77:80""#,
            r#""10.2.0.11""#,
        ),
        &machine(),
        "\
warning[address-missing]: 198.51.100.77 (web) is not an address of this machine
  = note: IPVS only balances packets that the machine would receive itself
  = help: `ip address add 198.51.100.77/32 dev lo`, or `ip route add local` for a whole network; \
not on a standby director
",
    );
    let warnings = advise(
        web(r#""tcp://[fd00:9::1]:80""#, r#""fd00:2::11""#)
            .services
            .values(),
        &machine(),
    );
    assert!(
        warnings[0].help().contains("add fd00:9::1/128 dev lo"),
        "{warnings:?}"
    );
}

#[test]
fn an_address_that_another_host_has() {
    let mut machine = machine();
    let mut address = InterfaceAddress {
        address: "fd00:2::10".parse().unwrap(),
        prefix_length: 64,
        interface: ETH1,
        state: AddressState::Duplicate,
    };
    let desired = web(r#""tcp://[fd00:2::10]:80""#, r#""fd00:2::11""#);
    machine.addresses.push(address);
    says(
        &desired,
        &machine,
        "\
warning[address-taken]: fd00:2::10 (web) is used by another machine
  = note: duplicate address detection found it elsewhere on the network, so this machine receives \
nothing for it
  = help: remove fd00:2::10 from the other machine; if both need it, as under `dr`, the servers \
hold it on lo
",
    );
    address.state = AddressState::Tentative;
    *machine.addresses.last_mut().unwrap() = address;
    says(
        &desired,
        &machine,
        "\
warning[address-unready]: fd00:2::10 (web) is not in use yet
  = note: its interface is down, or duplicate address detection is not done
  = help: `ip address show to fd00:2::10` shows where it is, and which of the two
",
    );
}

#[test]
fn a_server_without_a_route() {
    says(
        &web(r#""tcp://[fd00:2::1]:80""#, r#""fd00:2::11", "fd00:3::11""#),
        &machine(),
        "warning[no-route]: no route to fd00:3::11 (web)
  = note: connections to such a server fail
  = help: `ip route get fd00:3::11` shows what the kernel would do
",
    );
}

#[test]
fn answers_that_are_not_forwarded() {
    let mut machine = machine();
    machine.forwarding = Forwarding {
        v4: false,
        v6: false,
    };
    for interface in machine.interfaces.values_mut() {
        interface.forwarding = false;
    }
    let both = web(
        r#""tcp://198.51.100.10:80", "tcp://[fd00:2::1]:80""#,
        r#""10.2.0.11", "10.2.0.12", "fd00:2::11", "10.2.0.1""#,
    );
    says(
        &both,
        &machine,
        "\
warning[not-forwarded]: net.ipv4.ip_forward is 0, and 2 servers use `nat`: 10.2.0.11 (web), \
10.2.0.12 (web)
  = note: replies come back to the director, which must forward them to the client
  = help: `sysctl -w net.ipv4.ip_forward=1`, and in /etc/sysctl.d to keep it
warning[not-forwarded]: net.ipv6.conf.all.forwarding is 0, and fd00:2::11 (web) uses `nat`
  = note: replies come back to the director, which must forward them to the client
  = help: `sysctl -w net.ipv6.conf.all.forwarding=1`, and in /etc/sysctl.d to keep it
",
    );
    // What counts is the interface where the replies come in.
    machine.forwarding = Forwarding { v4: true, v6: true };
    let warnings = advise(both.services.values(), &machine);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0]
            .help()
            .contains("`sysctl -w net.ipv4.conf.eth1.forwarding=1`"),
        "{warnings:?}"
    );
    if let Some(eth1) = machine.interfaces.get_mut(&ETH1) {
        eth1.forwarding = true;
    }
    machine.forwarding.v4 = false;
    says(&both, &machine, "");
}

#[test]
fn forwarding_is_for_nat_alone() {
    let mut machine = machine();
    machine.forwarding = Forwarding {
        v4: false,
        v6: false,
    };
    machine.interfaces.clear();
    for forward in ["dr", "tun"] {
        let text = format!(
            "version = 1\n[defaults]\nforward = \"{forward}\"\n[service.web]\n\
             listen = [\"tcp://198.51.100.10:80\", \"tcp://[fd00:2::1]:80\"]\n\
             servers = [\"10.2.0.11\", \"fd00:2::11\"]\n"
        );
        says(&desired(&text), &machine, "");
    }
}

#[test]
fn clients_that_come_in_where_no_way_leads_back() {
    let mut machine = machine();
    // A second Internet uplink without a route to it.
    let routes = |more: Option<Route>| {
        let mut routes = vec![
            route(255, "203.0.113.10/32", ETH1, RouteKind::Local),
            route(254, "203.0.113.0/24", ETH1, RouteKind::Unicast),
            route(254, "198.51.100.0/24", ETH0, RouteKind::Unicast),
            route(254, "0.0.0.0/0", ETH0, RouteKind::Unicast),
        ];
        routes.extend(more);
        Routes::all(routes)
    };
    machine.routes = routes(None);
    let desired = web(r#""tcp://203.0.113.10:80""#, r#""203.0.113.11""#);
    says(
        &desired,
        &machine,
        "\
warning[source-refused]: rp_filter is strict on eth1, where clients of 203.0.113.10 (web) come in
  = note: the reply to a client beyond its networks would not leave through eth1, so the kernel \
drops the client's packets as forged
  = help: `sysctl -w net.ipv4.conf.eth1.rp_filter=2`, or a route to the clients by eth1
",
    );
    let mut back = route(254, "0.0.0.0/1", ETH1, RouteKind::Unicast);
    back.gateway = true;
    machine.routes = routes(Some(back));
    says(&desired, &machine, "");
    machine.routes = routes(None);
    for interface in machine.interfaces.values_mut() {
        interface.source_check = SourceCheck::Loose;
    }
    says(&desired, &machine, "");
}

#[test]
fn clients_of_a_private_address_are_neighbours() {
    let mut machine = machine();
    machine.routes = Routes::all(vec![
        route(255, "10.2.0.1/32", ETH1, RouteKind::Local),
        route(254, "10.2.0.0/16", ETH1, RouteKind::Unicast),
        route(254, "0.0.0.0/0", ETH0, RouteKind::Unicast),
    ]);
    says(
        &web(r#""tcp://10.2.0.1:80""#, r#""10.2.0.11""#),
        &machine,
        "",
    );
}

#[test]
fn two_thousand_addresses_are_one_line() {
    let mut text = String::from("version = 1\n[defaults]\nforward = \"nat\"\n");
    for number in 0..2284_u32 {
        let (high, low) = (number / 256, number % 256);
        write!(
            text,
            "[service.s{number}]\nlisten = \"tcp://192.0.{high}.{low}:80\"\n\
             servers = [\"10.2.{high}.11\"]\n"
        )
        .unwrap();
    }
    let desired = desired(&text);
    let warnings = advise(desired.services.values(), &machine());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(
        warnings[0].to_string(),
        "more than 1000 listen addresses are not addresses of this machine: 192.0.0.0 (s0), \
         192.0.0.1 (s1), 192.0.0.2 (s2), …"
    );
    let json = warnings[0].to_json();
    assert_eq!(json["kind"], "address_missing");
    assert_eq!(
        (&json["count"], &json["more"]),
        (&1000.into(), &true.into())
    );
    assert_eq!(json["examples"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["examples"][1]["address"], "192.0.0.1");
    assert_eq!(json["examples"][1]["service"], "s1");
}

#[test]
fn what_is_not_known_is_not_warned_about() {
    let mut machine = machine();
    machine.routes = Routes::some([]);
    let desired = web(
        r#""tcp://198.51.100.77:80""#,
        r#""10.99.0.11", "10.99.0.12""#,
    );
    says(&desired, &machine, "");
    let asked: IpAddr = [10, 99, 0, 12].into();
    machine.routes = Routes::some([(asked, None)]);
    let warnings = advise(desired.services.values(), &machine);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].examples().count, 1);
}
