//! Random declarations with few keys, so that they collide.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use director::state::{Desired, DesiredServer, DesiredService};
use ipvs::{
    Family, ForwardMethod, Fwmark, Name, Netmask, Server, ServerKey, Service, ServiceFlags,
    ServiceKey, Tunnel, TunnelFlags, Weight,
};
use proptest::collection::btree_map;
use proptest::prelude::*;

fn key() -> impl Strategy<Value = ServiceKey> {
    prop::sample::select(vec![
        ServiceKey::tcp([192, 0, 2, 1], 80),
        ServiceKey::tcp([192, 0, 2, 1], 443),
        ServiceKey::udp([192, 0, 2, 1], 53),
        ServiceKey::sctp([192, 0, 2, 1], 80),
        ServiceKey::tcp(Ipv6Addr::LOCALHOST, 80),
        ServiceKey::fwmark(Family::V4, Fwmark::new(7).unwrap()),
        ServiceKey::fwmark(Family::V6, Fwmark::new(7).unwrap()),
    ])
}

fn service(key: ServiceKey) -> impl Strategy<Value = Service> {
    let schedulers = ["rr", "wrr", "wlc", "sh", "mh", "dh", "none"];
    let scheduler = prop::sample::select(schedulers.map(Name::from_static).to_vec());
    let flags = prop::bits::u32::masked(0x3d).prop_map(ServiceFlags::from_bits_retain);
    let engine = prop::option::of(Just(Name::from_static("sip")));
    (scheduler, flags, 0u32..3, 8u32..33, engine).prop_map(
        move |(scheduler, flags, timeout, prefix, engine)| {
            let netmask = match key.family() {
                Family::V4 => Netmask::V4(Ipv4Addr::from(u32::MAX << (32 - prefix))),
                Family::V6 => Netmask::V6(prefix),
            };
            Service {
                key,
                scheduler,
                flags,
                timeout,
                netmask,
                engine,
            }
        },
    )
}

fn server(family: Family) -> impl Strategy<Value = Server> {
    let forward = prop::sample::select(vec![
        ForwardMethod::Masquerade,
        ForwardMethod::DirectRoute,
        ForwardMethod::Tunnel,
    ]);
    let tunnel = prop::sample::select(vec![
        Tunnel::IPIP,
        Tunnel::gue(6080, TunnelFlags::CSUM),
        Tunnel::gre(TunnelFlags::NONE),
    ]);
    (1u8..5, forward, 0u32..3, 0u32..3, tunnel).prop_map(
        move |(host, forward, weight, upper, tunnel)| {
            let address: IpAddr = match family {
                Family::V4 => Ipv4Addr::new(10, 0, 0, host).into(),
                Family::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host.into()).into(),
            };
            Server::new(ServerKey::new(address, 80), forward)
                .weight(Weight::new(weight).unwrap())
                .thresholds(upper, upper / 2)
                .tunnel(tunnel)
        },
    )
}

fn desired_service(key: ServiceKey) -> impl Strategy<Value = DesiredService> {
    let servers = prop::collection::vec(server(key.family()), 0..5);
    (service(key), servers, 0u64..2).prop_map(move |(service, servers, drain)| {
        let servers = servers
            .into_iter()
            .map(|server| (server.key, DesiredServer { name: None, server }));
        DesiredService {
            name: key.to_string().into(),
            service,
            servers: servers.collect(),
            drain: Duration::from_secs(drain * 30),
            dead: Vec::new(),
            allow: Default::default(),
        }
    })
}

pub(crate) fn arbitrary_desired() -> impl Strategy<Value = Desired> {
    let services = btree_map(key(), Just(()), 0..5).prop_flat_map(|keys| {
        keys.into_keys()
            .map(|key| desired_service(key).prop_map(move |service| (key, service.into())))
            .collect::<Vec<_>>()
    });
    services.prop_map(|services| Desired {
        services: services.into_iter().collect::<BTreeMap<_, _>>(),
        ..Desired::default()
    })
}

/// The declared configuration.
pub(crate) fn wanted(desired: &Desired) -> Vec<(Service, Vec<Server>)> {
    let servers = |service: &DesiredService| {
        service
            .servers
            .values()
            .map(|server| server.server)
            .collect()
    };
    desired
        .services
        .values()
        .map(|service| (service.service, servers(service)))
        .collect()
}
