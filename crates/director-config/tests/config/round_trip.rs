//! Exporting and loading gives the same table, whatever a kernel contains.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use director_config::state::{Desired, Observed, ObservedServer, ObservedService, Sysctl};
use director_config::{self as config, Environment, Format, Memory, Style};
use ipvs::{
    DaemonRole, Family, ForwardMethod, Fwmark, Name, Netmask, Protocol, Server, ServerKey, Service,
    ServiceFlags, ServiceKey, SyncDaemon, SyncId, Timeouts, Tunnel, TunnelFlags, TunnelKind,
    Weight,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn again(text: &str, format: Format) -> Desired {
    let name = match format {
        Format::Toml => "a.toml",
        Format::Json => "a.json",
    };
    let files = Memory::from_iter([(name, text)]);
    let outcome = config::load_from(Path::new(name), &files, &Environment::default());
    let said = outcome.render(Style::Plain);
    outcome.desired.unwrap_or_else(|| panic!("{said}\n{text}"))
}

fn comes_back(desired: &Desired) {
    for format in [Format::Toml, Format::Json] {
        let text = config::export(desired, format);
        assert_eq!(&again(&text, format), desired, "{text}");
    }
}

/// Few addresses, so that services share servers.
fn unicast(family: Family) -> impl Strategy<Value = IpAddr> {
    (1..6_u8).prop_map(move |host| match family {
        Family::V4 => Ipv4Addr::new(10, 0, 0, host).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()).into(),
    })
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![3 => Just(80), 1 => Just(0), 1 => any::<u16>()]
}

fn service_key() -> impl Strategy<Value = ServiceKey> {
    let protocol = prop_oneof![
        Just(Protocol::Tcp),
        Just(Protocol::Udp),
        Just(Protocol::Sctp)
    ];
    let any_address = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        family().prop_flat_map(unicast),
    ];
    let address = (protocol, any_address, port());
    let address = address.prop_map(|(protocol, address, port)| ServiceKey::Address {
        protocol,
        address,
        port,
    });
    // Some are from the range reserved for checks.
    let marks = prop_oneof![4 => 1..=u32::MAX, 1 => 0x6d00_0000..=0x6d00_ffff_u32];
    let mark = (marks, family());
    let mark =
        mark.prop_map(|(mark, family)| ServiceKey::fwmark(family, Fwmark::new(mark).unwrap()));
    prop_oneof![4 => address, 1 => mark]
}

fn tunnel() -> impl Strategy<Value = Tunnel> {
    let any_tunnel = (any::<u8>(), any::<u16>(), any::<u16>());
    let odd = any_tunnel.prop_filter_map("GUE has a port", |(kind, port, flags)| {
        let kind = TunnelKind::from_number(kind % 5);
        let flags = TunnelFlags::from_bits_retain(flags);
        (kind != TunnelKind::Gue || port != 0).then_some(Tunnel { kind, port, flags })
    });
    prop_oneof![
        3 => Just(Tunnel::IPIP),
        2 => Just(Tunnel::gue(6080, TunnelFlags::CSUM)),
        1 => Just(Tunnel::gue(6080, TunnelFlags::REMCSUM)),
        1 => Just(Tunnel::gre(TunnelFlags::CSUM)),
        1 => odd,
    ]
}

fn server(key: ServiceKey) -> impl Strategy<Value = ObservedServer> {
    let own_port = match key {
        ServiceKey::Address { port, .. } => port,
        ServiceKey::Fwmark { .. } => 0,
    };
    let same = (unicast(key.family()), 0..8_u32, tunnel()).prop_map(|(address, method, tunnel)| {
        (address, ForwardMethod::from_number(method), tunnel)
    });
    let mixed = (family().prop_flat_map(unicast), tunnel())
        .prop_map(|(address, tunnel)| (address, ForwardMethod::Tunnel, tunnel));
    let usual = unicast(key.family())
        .prop_map(|address| (address, ForwardMethod::DirectRoute, Tunnel::IPIP));
    let weight = prop_oneof![3 => Just(1), 1 => 0..=Weight::MAX.get()];
    let upper = prop_oneof![3 => Just(0), 1 => any::<u32>()];
    (
        prop_oneof![3 => usual, 1 => same, 1 => mixed],
        prop_oneof![3 => Just(own_port), 1 => port()],
        weight,
        upper,
        any::<u32>(),
    )
        .prop_map(
            |((address, forward, tunnel), port, weight, upper, lower)| ObservedServer {
                server: Server::new(ServerKey::new(address, port), forward)
                    .weight(Weight::new(weight).unwrap())
                    .thresholds(upper, lower.checked_rem(upper).unwrap_or(0))
                    .tunnel(tunnel),
                active: 3,
                inactive: 5,
                persistent: 0,
            },
        )
}

fn netmask(family: Family) -> BoxedStrategy<Netmask> {
    let usual = Just(Netmask::host(family));
    match family {
        Family::V4 => {
            let any_mask = any::<u32>().prop_map(|bits| Netmask::V4(bits.into()));
            prop_oneof![2 => usual, 1 => any_mask].boxed()
        }
        Family::V6 => prop_oneof![2 => usual, 1 => (1..=128_u32).prop_map(Netmask::V6)].boxed(),
    }
}

fn service(key: ServiceKey) -> impl Strategy<Value = ObservedService> {
    let schedulers = [
        "rr", "wlc", "sh", "mh", "dh", "none", "wlcx", "quantum", "a$b", "x\"\\y",
    ];
    let scheduler = prop::sample::select(schedulers.to_vec());
    let flags = prop_oneof![2 => Just(0), 2 => 0..64_u32, 1 => any::<u32>()];
    let timeout = prop_oneof![Just(0), Just(360), 0..=42_949_672_u32];
    let engine = prop_oneof![3 => Just(None), 1 => Just(Some("sip")), 1 => Just(Some("spi"))];
    let servers = vec(server(key), 0..6);
    (
        scheduler,
        flags,
        timeout,
        netmask(key.family()),
        engine,
        servers,
    )
        .prop_map(
            move |(scheduler, flags, timeout, netmask, engine, servers)| ObservedService {
                service: Service {
                    key,
                    scheduler: Name::new(scheduler).unwrap(),
                    flags: ServiceFlags::from_kernel(flags),
                    timeout,
                    netmask,
                    engine: engine.map(|engine| Name::new(engine).unwrap()),
                },
                order: Vec::new(),
                servers: servers.into_iter().collect(),
            },
        )
}

fn daemon(role: DaemonRole) -> impl Strategy<Value = SyncDaemon> {
    let group = prop_oneof![
        Just(IpAddr::V4(SyncDaemon::DEFAULT_GROUP)),
        Just(IpAddr::V4(Ipv4Addr::new(239, 1, 2, 3))),
        Just("ff02::81".parse().unwrap()),
    ];
    // The kernel raises a backup's length.
    let least = match role {
        DaemonRole::Master => 1,
        DaemonRole::Backup => 1024,
    };
    (
        any::<u8>(),
        least..=65507_u16,
        group,
        1..=u16::MAX,
        1..=u8::MAX,
    )
        .prop_map(move |(id, max_length, group, port, ttl)| SyncDaemon {
            role,
            interface: Name::from_static("eth0.$1"),
            sync_id: SyncId(id),
            max_length,
            group: Some(group),
            port,
            ttl,
        })
}

fn daemons() -> impl Strategy<Value = BTreeMap<DaemonRole, SyncDaemon>> {
    let role = prop_oneof![Just(DaemonRole::Master), Just(DaemonRole::Backup)];
    let daemon = role.prop_flat_map(|role| daemon(role).prop_map(move |daemon| (role, daemon)));
    vec(daemon, 0..3).prop_map(|daemons| daemons.into_iter().collect())
}

fn sysctls() -> impl Strategy<Value = BTreeMap<Sysctl, String>> {
    let value = prop_oneof![
        (-3..5_i64).prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
    ];
    btree_map(prop::sample::select(Sysctl::ALL), value, 0..10).prop_map(|mut sysctls| {
        sysctls.insert(Sysctl::SyncThreshold, "5 70".to_owned());
        sysctls
    })
}

fn observed() -> impl Strategy<Value = Observed> {
    let keys = vec(service_key(), 0..8);
    let services = keys.prop_flat_map(|keys| {
        let services = keys.into_iter().map(|key| (Just(key), service(key)));
        services.collect::<Vec<_>>()
    });
    let timeouts = (0..=21_474_836_u32, 0..=2_147_483_u32, 0..=2_147_483_u32);
    (services, timeouts, daemons(), sysctls()).prop_map(
        |(services, (tcp, tcp_fin, udp), daemons, sysctls)| {
            let services: BTreeMap<_, _> = services.into_iter().collect();
            let other = |(key, held): (&ServiceKey, &ObservedService)| {
                held.servers
                    .keys()
                    .any(|server| Family::of(server.address) != key.family())
            };
            // The kernel has no daemon together with mixed families.
            let mixed = services.iter().any(other);
            Observed {
                services,
                timeouts: Timeouts { tcp, tcp_fin, udp },
                daemons: if mixed { BTreeMap::new() } else { daemons },
                sysctls,
                private: std::collections::BTreeMap::new(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases(400)))]

    #[test]
    fn what_a_kernel_holds_comes_back(observed in observed()) {
        comes_back(&config::declared(&observed));
    }
}

#[test]
fn what_a_file_says_comes_back() {
    for name in ["everything.toml", "everything.json"] {
        let path = Path::new("tests/config").join(name);
        let outcome = config::load(&path, &Environment::default());
        let said = outcome.render(Style::Plain);
        let desired = outcome.desired.unwrap_or_else(|| panic!("{said}"));
        assert!(desired.services.len() > 10);
        comes_back(&desired);
    }
}

#[test]
fn names_that_no_file_can_have_given_are_made_anew() {
    let key = |port| ServiceKey::tcp([192, 0, 2, 1], port);
    let mut desired = Desired::default();
    for (port, scheduler) in [(80, "rr"), (81, "wlc"), (82, "wrr")] {
        let held = director_config::state::DesiredService {
            name: "one".into(),
            service: Service::new(key(port), Name::new(scheduler).unwrap()),
            servers: director_config::state::Servers::new(),
            drain: director_config::state::DesiredService::DEFAULT_DRAIN,
            dead: Vec::new(),
            allow: Default::default(),
        };
        desired.services.insert(key(port), held.into());
    }
    let text = config::export(&desired, Format::Toml);
    let loaded = again(&text, Format::Toml);
    let names: Vec<_> = loaded
        .services
        .values()
        .map(|service| &*service.name)
        .collect();
    assert_eq!(names, ["one", "tcp-192.0.2.1-81", "tcp-192.0.2.1-82"]);
}

#[test]
fn an_export_reads_like_a_file_that_a_person_wrote() {
    let path = Path::new("tests/config/everything.toml");
    let desired = config::load(path, &Environment::default()).desired.unwrap();
    let text = config::export(&desired, Format::Toml);
    let golden = Path::new("tests/config/everything.exported.toml");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(golden).unwrap());
}
