//! Every operation and every attribute, set by the library and read back by it and by Debian's
//! `ipvsadm`, and the other way round.

use ipvs::{
    DaemonRole, Errno, Family, ForwardMethod, Fwmark, Name, Netmask, Operation, Protocol, Server,
    ServerKey, Service, ServiceFlags, ServiceKey, SyncDaemon, SyncId, Timeouts, Tunnel,
    TunnelFlags, TunnelKind, Version, Weight,
};

use crate::lab::has_module;
use crate::library_rig::{at, configured, connect, inside, run, web};

fn mark(family: Family, mark: u32) -> ServiceKey {
    ServiceKey::fwmark(family, Fwmark::new(mark).expect("it is not 0"))
}

fn v6(port: u16) -> ServiceKey {
    ServiceKey::tcp([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10], port)
}

fn name(name: &str) -> Name {
    name.parse().expect("a name")
}

/// A service as a line of `ipvsadm -Sn`, its meaning, and the same for its servers.
type Entry = (&'static str, Service, Vec<(&'static str, Server)>);

/// The lines of `ipvsadm -Sn`, and their meanings.
fn dictionary() -> Vec<Entry> {
    let server = |address, method| Server::new(at(address), method);
    let tunnel = |address, tunnel| server(address, ForwardMethod::Tunnel).tunnel(tunnel);
    let flags = ServiceFlags::SCHED_1 | ServiceFlags::SCHED_2 | ServiceFlags::SCHED_3;
    let any_port = |address| {
        Server::new(
            ServerKey {
                port: 0,
                ..at(address)
            },
            ForwardMethod::DirectRoute,
        )
    };
    vec![
        (
            "-A -t 192.0.2.10:80 -s wlc -p 300 -M 255.255.255.0",
            Service::new(web(), Service::WLC)
                .persistent(300)
                .netmask(Netmask::V4([255, 255, 255, 0].into())),
            vec![
                (
                    "-r 10.0.0.1:80 -m -w 1",
                    server("10.0.0.1", ForwardMethod::Masquerade),
                ),
                (
                    "-r 10.0.0.11:80 -m -w 2147483647",
                    server("10.0.0.11", ForwardMethod::Masquerade).weight(Weight::MAX),
                ),
                (
                    "-r 10.0.0.12:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
                    tunnel("10.0.0.12", Tunnel::gue(6080, TunnelFlags::CSUM)),
                ),
                (
                    "-r 10.0.0.13:80 -i -w 1 --tun-type gre --tun-nocsum",
                    tunnel("10.0.0.13", Tunnel::gre(TunnelFlags::NONE)),
                ),
                (
                    "-r 10.0.0.14:80 -i -w 1 --tun-type ipip",
                    tunnel("10.0.0.14", Tunnel::IPIP),
                ),
                (
                    "-r 10.0.0.15:80 -g -w 0",
                    server("10.0.0.15", ForwardMethod::DirectRoute).weight(Weight::ZERO),
                ),
                (
                    "-r [2001:db8:1::12]:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
                    tunnel("2001:db8:1::12", Tunnel::gue(6080, TunnelFlags::REMCSUM)),
                ),
                (
                    "-r [2001:db8:1::13]:80 -i -w 1 --tun-type gre --tun-csum",
                    tunnel("2001:db8:1::13", Tunnel::gre(TunnelFlags::CSUM)),
                ),
            ],
        ),
        (
            "-A -u 192.0.2.10:5060 -s sh -p 300 --pe sip -o -b sh-fallback,sh-port",
            Service::new(ServiceKey::udp([192, 0, 2, 10], 5060), name("sh"))
                .persistent(300)
                .engine(name("sip"))
                .with_flags(ServiceFlags::ONE_PACKET)
                .with_flags(ServiceFlags::SH_FALLBACK | ServiceFlags::SH_PORT),
            vec![],
        ),
        (
            "-A --sctp-service 192.0.2.10:9 -s rr -b flag-1,flag-2,flag-3",
            Service::new(ServiceKey::sctp([192, 0, 2, 10], 9), Service::RR).with_flags(flags),
            vec![],
        ),
        (
            "-A -t [2001:db8::10]:443 -s mh -p 60 -M 64 -b mh-port",
            Service::new(v6(443), name("mh"))
                .persistent(60)
                .netmask(Netmask::V6(64))
                .with_flags(ServiceFlags::MH_PORT),
            vec![(
                "-r [2001:db8:1::12]:80 -m -w 1",
                server("2001:db8:1::12", ForwardMethod::Masquerade),
            )],
        ),
        (
            "-A -f 7 -s rr",
            Service::new(mark(Family::V4, 7), Service::RR),
            vec![("-r 10.0.0.12:0 -g -w 1", any_port("10.0.0.12"))],
        ),
        (
            "-A -f 8 -6 -s rr -o",
            Service::new(mark(Family::V6, 8), Service::RR).with_flags(ServiceFlags::ONE_PACKET),
            vec![("-r [2001:db8:1::12]:0 -g -w 1", any_port("2001:db8:1::12"))],
        ),
    ]
}

/// The dictionary's lines as `ipvsadm -Sn` prints them.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for (service, _, servers) in dictionary() {
        lines.push(service.to_owned());
        let (_, rest) = service.split_once(' ').expect("an option comes first");
        let (of, _) = rest.split_once(" -s ").expect("there is a scheduler");
        lines.extend(
            servers
                .iter()
                .map(|(server, _)| format!("-a {of} {server}")),
        );
    }
    lines
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn ipvsadm_shows_what_the_library_made() {
    let mut operations = Vec::new();
    for (_, service, servers) in dictionary() {
        operations.push(Operation::AddService(service));
        let add = |(_, server)| Operation::AddServer(service.key, server);
        operations.extend(servers.into_iter().map(add));
    }
    let (saved, listed) = inside(|| {
        let report = connect().execute(&operations);
        assert!(report.is_complete(), "{:?}", report.failures());
        (run("ipvsadm -Sn", ""), run("ipvsadm -Ln", ""))
    });
    let mut saved: Vec<_> = saved
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    let mut expected = lines();
    saved.sort();
    expected.sort();
    assert_eq!(saved, expected);
    assert!(
        listed.contains("UDP  192.0.2.10:5060 sh (sh-fallback,sh-port) persistent 300 pe sip ops")
    );
    assert!(
        listed.contains("  -> 10.0.0.11:80                 Masq    2147483647"),
        "{listed}"
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_library_shows_what_ipvsadm_made() {
    let table = inside(|| {
        run("ipvsadm -R", &(lines().join("\n") + "\n"));
        connect().table().expect("the table can be read")
    });
    let mut expected: Vec<(Service, Vec<Server>)> = dictionary()
        .into_iter()
        .map(|(_, service, servers)| {
            // The kernel lists the newest first.
            (
                service,
                servers
                    .into_iter()
                    .rev()
                    .map(|(_, server)| server)
                    .collect(),
            )
        })
        .collect();
    expected.sort_by_key(|(service, _)| service.key);
    assert_eq!(configured(&table), expected);
}

/// Services of every kind with every combination of settings.
fn all_services() -> Vec<Service> {
    let mut services = Vec::new();
    let mut port = 0u16;
    let schedulers = [
        "rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "sed", "nq", "mh",
        "none", "twos",
    ];
    // Debian's kernels have it since 6.12.
    let schedulers = schedulers
        .iter()
        .filter(|name| **name != "twos" || has_module("ip_vs_twos"));
    let mut add = |service: &dyn Fn(u16) -> Service| {
        port += 1;
        services.push(service(port));
    };
    let kinds: [&dyn Fn(u16) -> ServiceKey; 8] = [
        &|port| ServiceKey::tcp([192, 0, 2, 20], port),
        &|port| ServiceKey::udp([192, 0, 2, 20], port),
        &|port| ServiceKey::sctp([192, 0, 2, 20], port),
        &v6,
        &|port| ServiceKey::udp([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10], port),
        &|port| ServiceKey::sctp([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10], port),
        &|port| mark(Family::V4, u32::from(port)),
        &|port| mark(Family::V6, u32::MAX - u32::from(port)),
    ];
    for key in kinds {
        for scheduler in schedulers.clone() {
            add(&|port| Service::new(key(port), name(scheduler)));
        }
        for bits in [0, 1, 4, 8, 0x10, 0x20, 0x3d, 0x8000_0000] {
            let flags = ServiceFlags::from_kernel(bits);
            for timeout in [0, 1, 360, 2_000_000] {
                for engine in [None, Some(name("sip"))] {
                    add(&|port| Service {
                        flags,
                        timeout,
                        engine,
                        ..Service::new(key(port), Service::RR)
                    });
                }
            }
        }
        let masks = match key(1).family() {
            Family::V4 => [[255; 4], [255, 255, 255, 0], [0; 4], [255, 0, 255, 0]]
                .map(|mask| Netmask::V4(mask.into())),
            Family::V6 => [1, 64, 127, 128].map(Netmask::V6),
        };
        for mask in masks {
            add(&|port| {
                Service::new(key(port), Service::RR)
                    .persistent(9)
                    .netmask(mask)
            });
        }
    }
    services
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn every_kind_of_service_comes_back_as_it_was_set() {
    let services = all_services();
    let table = inside(|| {
        let mut client = connect();
        let add: Vec<_> = services
            .iter()
            .copied()
            .map(Operation::AddService)
            .collect();
        let report = client.execute(&add);
        assert!(report.is_complete(), "{:?}", report.failures());
        for service in &services {
            let entry = client.service(&service.key).expect("it can be read");
            assert_eq!(entry.map(|entry| entry.service), Some(*service));
        }
        client.table().expect("the table can be read")
    });
    let mut expected: Vec<_> = services
        .into_iter()
        .map(|service| (service, vec![]))
        .collect();
    expected.sort_by_key(|(service, _)| service.key);
    assert_eq!(configured(&table), expected);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn every_change_of_a_service_takes_the_place_of_all_that_was() {
    inside(|| {
        let mut client = connect();
        client
            .add_service(&Service::new(web(), Service::WLC))
            .expect("it can be added");
        for service in all_services() {
            let service = Service {
                key: web(),
                netmask: Netmask::V4([255, 255, 0, 0].into()),
                ..service
            };
            client.update_service(&service).expect("it can be changed");
            let entry = client.service(&web()).expect("it can be read");
            assert_eq!(entry.map(|entry| entry.service), Some(service));
        }
    });
}

/// Servers with every combination of settings, all of one service.
fn all_servers() -> Vec<Server> {
    let mut servers = Vec::new();
    let mut number = 0u16;
    let tunnels = [
        Tunnel::IPIP,
        Tunnel::gue(1, TunnelFlags::NONE),
        Tunnel::gue(65535, TunnelFlags::CSUM),
        Tunnel::gue(6080, TunnelFlags::REMCSUM),
        Tunnel::gre(TunnelFlags::NONE),
        Tunnel::gre(TunnelFlags::CSUM),
        // The kernel stores it without using it.
        Tunnel {
            kind: TunnelKind::Ipip,
            port: 7,
            flags: TunnelFlags::from_bits_retain(0xffff),
        },
    ];
    let mut add = |server: Server| {
        number += 1;
        let [high, low] = number.to_be_bytes();
        let v6 = [0x2001, 0xdb8, 1, 0, 0, 0, 0, number + 0x10];
        let keys = [
            ServerKey::new([10, 0, high + 1, low], number),
            ServerKey::new(v6, number),
        ];
        let mixed = server.forward == ForwardMethod::Tunnel;
        let count = if mixed { 2 } else { 1 };
        servers.extend(
            keys.into_iter()
                .take(count)
                .map(|key| Server { key, ..server }),
        );
    };
    let plain = Server::new(at("10.0.0.1"), ForwardMethod::Masquerade);
    for number in 0..8 {
        let forward = ForwardMethod::from_number(number);
        for tunnel in tunnels {
            add(Server { forward, ..plain }.tunnel(tunnel));
        }
    }
    for weight in [0, 1, 2, 65_535, 65_536, i32::MAX.unsigned_abs()] {
        add(plain.weight(Weight::new(weight).expect("it is below 2^31")));
    }
    for (upper, lower) in [
        (1, 0),
        (1, 1),
        (5000, 4000),
        (i32::MAX.unsigned_abs(), 0),
        (i32::MAX.unsigned_abs(), i32::MAX.unsigned_abs()),
    ] {
        add(plain.thresholds(upper, lower));
    }
    servers
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn every_kind_of_server_comes_back_as_it_was_set() {
    let mut servers = all_servers();
    let found = inside(|| {
        let mut client = connect();
        let mut operations = vec![Operation::AddService(Service::new(web(), Service::WLC))];
        operations.extend(
            servers
                .iter()
                .map(|server| Operation::AddServer(web(), *server)),
        );
        let report = client.execute(&operations);
        assert!(report.is_complete(), "{:?}", report.failures());
        client.consistent_servers(&web()).expect("they can be read")
    });
    servers.reverse();
    let found: Vec<_> = found.into_iter().map(|entry| entry.server).collect();
    assert_eq!(found, servers);
}

/// Kernels differ: older ones store it (`atomic_t` compared as unsigned), newer ones refuse it.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_threshold_beyond_31_bits_is_kept_or_refused_with_the_reason() {
    inside(|| {
        let mut client = connect();
        client
            .add_service(&Service::new(web(), Service::WLC))
            .expect("it can be added");
        let plain = Server::new(at("10.0.0.1"), ForwardMethod::Masquerade);
        let beyond = i32::MAX.unsigned_abs() + 1;
        for (upper, lower) in [(beyond, 0), (u32::MAX, u32::MAX)] {
            let server = plain.thresholds(upper, lower);
            let result = client.add_server(&web(), &server);
            let there = client.servers(&web()).expect("they can be read");
            match result {
                Ok(()) => {
                    assert_eq!(there[0].server, server, "kept as it was given");
                    client.delete_server(&web(), &server.key).expect("it goes");
                }
                Err(error) => {
                    assert_eq!(there, [], "nothing of it was done");
                    assert_eq!(error.errno(), Some(Errno::EINVAL));
                    assert!(error.to_string().contains("2147483647"), "{error}");
                }
            }
        }
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn every_change_of_a_server_takes_the_place_of_all_that_was() {
    inside(|| {
        let mut client = connect();
        let key = at("10.0.0.1");
        client
            .add_service(&Service::new(web(), Service::WLC))
            .and_then(|()| {
                let server = Server::new(key, ForwardMethod::DirectRoute);
                client.add_server(&web(), &server)
            })
            .expect("both can be added");
        for server in all_servers() {
            let server = Server { key, ..server };
            client
                .update_server(&web(), &server)
                .expect("it can be changed");
            let entries = client.servers(&web()).expect("they can be read");
            assert_eq!(entries.len(), 1);
            assert_eq!(entries[0].server, server);
        }
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn deleting_and_flushing() {
    inside(|| {
        let mut client = connect();
        let services: Vec<_> = (1..=5)
            .map(|port| Service::new(v6(port), Service::RR))
            .collect();
        let server = Server::new(at("2001:db8:1::12"), ForwardMethod::DirectRoute);
        for service in &services {
            client.add_service(service).expect("it can be added");
            client
                .add_server(&service.key, &server)
                .expect("it can be added");
        }
        let first = services[0].key;
        client
            .delete_server(&first, &server.key)
            .expect("it is there");
        assert_eq!(client.servers(&first).expect("they can be read"), []);
        client.delete_service(&first).expect("it is there");
        assert_eq!(client.service(&first).expect("it can be asked for"), None);
        assert_eq!(client.services().expect("they can be read").len(), 4);
        client.flush().expect("it can be flushed");
        assert_eq!(client.services().expect("they can be read"), []);
        assert_eq!(client.table().expect("it can be read").services, []);
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn time_limits_and_information() {
    inside(|| {
        let mut client = connect();
        let limits = |tcp, tcp_fin, udp| Timeouts { tcp, tcp_fin, udp };
        let defaults = limits(900, 120, 300);
        assert_eq!(client.timeouts().expect("they can be read"), defaults);
        client
            .set_timeouts(&limits(1000, 0, 5))
            .expect("they can be set");
        let now = client.timeouts().expect("they can be read");
        assert_eq!(now, limits(1000, 120, 5), "0 leaves one as it is");
        assert!(run("ipvsadm -Ln --timeout", "").contains("1000 120 5"));
        let info = client.info().expect("it can be read");
        assert!(
            info.version
                >= Version {
                    major: 1,
                    minor: 2,
                    patch: 0
                },
            "{}",
            info.version
        );
        let listed = run("ipvsadm -Ln", "");
        let head = format!(
            "IP Virtual Server version {} (size={})",
            info.version, info.connection_table_size
        );
        assert_eq!(listed.lines().next(), Some(head.as_str()));
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn daemons_with_everything_and_with_nothing() {
    inside(|| {
        let mut client = connect();
        let interface = name("d0");
        let full = SyncDaemon {
            max_length: 1400,
            group: Some([224, 0, 1, 2].into()),
            port: 8850,
            ttl: 3,
            ..SyncDaemon::new(DaemonRole::Master, interface, SyncId(255))
        };
        let plain = SyncDaemon::new(DaemonRole::Backup, interface, SyncId(0));
        assert_eq!(client.daemons().expect("they can be read"), []);
        client.start_daemon(&full).expect("it can be started");
        client.start_daemon(&plain).expect("it can be started");
        let defaults = SyncDaemon {
            group: Some(SyncDaemon::DEFAULT_GROUP.into()),
            port: SyncDaemon::DEFAULT_PORT,
            ttl: SyncDaemon::DEFAULT_TTL,
            // The interface's MTU minus the headers of IPv4 and UDP.
            max_length: 1500 - 28,
            ..plain
        };
        assert_eq!(
            client.daemons().expect("they can be read"),
            [full, defaults]
        );
        let listed = run("ipvsadm -Ln --daemon", "");
        assert!(
            listed.contains("master sync daemon (mcast=d0, syncid=255, maxlen=1400, group=224.0.1.2, port=8850, ttl=3)"),
            "{listed}"
        );
        client.stop_daemon(DaemonRole::Master).expect("it runs");
        client.stop_daemon(DaemonRole::Backup).expect("it runs");
        let v6 = SyncDaemon {
            group: Some([0xff02, 0, 0, 0, 0, 0, 0, 0x81].into()),
            ..full
        };
        client.start_daemon(&v6).expect("it can be started");
        assert_eq!(client.daemons().expect("they can be read"), [v6]);
        client.stop_daemon(DaemonRole::Master).expect("it runs");
        assert_eq!(client.daemons().expect("they can be read"), []);
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn sync_messages_are_as_long_as_the_kernel_lets_them() {
    inside(|| {
        let mut client = connect();
        for (role, asked, given) in [
            (DaemonRole::Master, 1, 1),
            (DaemonRole::Backup, 1, 1024),
            (DaemonRole::Master, 9000, 9000),
            (DaemonRole::Backup, 65_535, 65_507),
        ] {
            let daemon = SyncDaemon {
                max_length: asked,
                ..SyncDaemon::new(role, name("d0"), SyncId(1))
            };
            client.start_daemon(&daemon).expect("it can be started");
            let daemons = client.daemons().expect("they can be read");
            assert_eq!(daemons[0].max_length, given, "{role}, {asked} bytes");
            client.stop_daemon(role).expect("it runs");
        }
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_client_stays_in_its_namespace() {
    let mut client = inside(|| {
        let mut client = connect();
        client
            .add_service(&Service::new(web(), Service::RR))
            .expect("it can be added");
        client
    });
    // Its namespace lives as long as the socket.
    let services = client.services().expect("they can be read");
    assert_eq!(services.len(), 1);
    let protocol = services[0].service.key.protocol();
    assert_eq!(protocol, Some(Protocol::Tcp));
    inside(|| assert_eq!(connect().services().expect("they can be read"), []));
}
