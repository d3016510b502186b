//! Arbitrary values of each type of the model, as far as the kernel's bytes can express them.

use std::net::IpAddr;

use ipvs::{
    DaemonRole, Family, ForwardMethod, Fwmark, Info, Name, Netmask, Operation, Protocol, Query,
    Rates, Server, ServerEntry, ServerKey, Service, ServiceEntry, ServiceFlags, ServiceKey, Stats,
    SyncDaemon, SyncId, Timeouts, Totals, Tunnel, TunnelFlags, TunnelKind, Version, Weight,
};
use proptest::prelude::*;

pub(crate) fn name() -> impl Strategy<Value = Name> {
    prop::collection::vec(1u8.., 1..=Name::MAX).prop_map(|bytes| Name::new(bytes).unwrap())
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

pub(crate) fn service_key() -> impl Strategy<Value = ServiceKey> {
    let protocol = prop_oneof![
        Just(Protocol::Tcp),
        Just(Protocol::Udp),
        Just(Protocol::Sctp)
    ];
    prop_oneof![
        (protocol, any::<IpAddr>(), any::<u16>()).prop_map(|(protocol, address, port)| {
            ServiceKey::Address {
                protocol,
                address,
                port,
            }
        }),
        (family(), 1u32..)
            .prop_map(|(family, mark)| ServiceKey::fwmark(family, Fwmark::new(mark).unwrap())),
    ]
}

pub(crate) fn service() -> impl Strategy<Value = Service> {
    (
        service_key(),
        name(),
        any::<u32>(),
        any::<u32>(),
        any::<[u8; 4]>(),
        prop::option::of(name()),
    )
        .prop_map(|(key, scheduler, flags, timeout, mask, engine)| Service {
            key,
            scheduler,
            flags: ServiceFlags::from_kernel(flags),
            timeout,
            netmask: match key.family() {
                Family::V4 => Netmask::V4(mask.into()),
                Family::V6 => Netmask::V6(u32::from_ne_bytes(mask)),
            },
            engine,
        })
}

pub(crate) fn server() -> impl Strategy<Value = Server> {
    let tunnel = (any::<u8>(), any::<u16>(), any::<u16>()).prop_map(|(kind, port, flags)| Tunnel {
        kind: TunnelKind::from_number(kind % 5),
        port,
        flags: TunnelFlags::from_bits_retain(flags),
    });
    (
        (any::<IpAddr>(), any::<u16>()),
        0u32..8,
        0..=Weight::MAX.get(),
        any::<[u32; 2]>(),
        prop_oneof![Just(Tunnel::IPIP), tunnel],
    )
        .prop_map(
            |((address, port), forward, weight, [upper, lower], tunnel)| Server {
                key: ServerKey { address, port },
                forward: ForwardMethod::from_number(forward),
                weight: Weight::new(weight).unwrap(),
                upper_threshold: upper,
                lower_threshold: lower,
                tunnel,
            },
        )
}

pub(crate) fn role() -> impl Strategy<Value = DaemonRole> {
    prop_oneof![Just(DaemonRole::Master), Just(DaemonRole::Backup)]
}

pub(crate) fn daemon() -> impl Strategy<Value = SyncDaemon> {
    (
        role(),
        name(),
        any::<u8>(),
        any::<[u16; 2]>(),
        prop::option::of(any::<IpAddr>()),
        any::<u8>(),
    )
        .prop_map(
            |(role, interface, sync_id, [max_length, port], group, ttl)| SyncDaemon {
                role,
                interface,
                sync_id: SyncId(sync_id),
                max_length,
                group,
                port,
                ttl,
            },
        )
}

pub(crate) fn timeouts() -> impl Strategy<Value = Timeouts> {
    any::<[u32; 3]>().prop_map(|[tcp, tcp_fin, udp]| Timeouts { tcp, tcp_fin, udp })
}

pub(crate) fn info() -> impl Strategy<Value = Info> {
    (any::<[u8; 3]>(), any::<u32>()).prop_map(|([major, minor, patch], size)| Info {
        version: Version {
            major,
            minor,
            patch,
        },
        connection_table_size: size,
    })
}

pub(crate) fn stats() -> impl Strategy<Value = Stats> {
    any::<[u64; 10]>().prop_map(|n| Stats {
        total: Totals {
            connections: n[0],
            packets_in: n[1],
            packets_out: n[2],
            bytes_in: n[3],
            bytes_out: n[4],
        },
        rate: Rates {
            connections: n[5],
            packets_in: n[6],
            packets_out: n[7],
            bytes_in: n[8],
            bytes_out: n[9],
        },
    })
}

pub(crate) fn service_entry() -> impl Strategy<Value = ServiceEntry> {
    (service(), stats()).prop_map(|(service, stats)| ServiceEntry { service, stats })
}

pub(crate) fn server_entry() -> impl Strategy<Value = ServerEntry> {
    (server(), any::<[u32; 3]>(), stats()).prop_map(
        |(server, [active, inactive, persistent], stats)| ServerEntry {
            server,
            active,
            inactive,
            persistent,
            stats,
        },
    )
}

pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        service().prop_map(Operation::AddService),
        service().prop_map(Operation::UpdateService),
        service_key().prop_map(Operation::DeleteService),
        (service_key(), server()).prop_map(|(key, server)| Operation::AddServer(key, server)),
        (service_key(), server()).prop_map(|(key, server)| Operation::UpdateServer(key, server)),
        (service_key(), server())
            .prop_map(|(key, server)| Operation::DeleteServer(key, server.key)),
        service_key().prop_map(Operation::ZeroService),
        Just(Operation::ZeroAll),
        Just(Operation::Flush),
        timeouts().prop_map(Operation::SetTimeouts),
        daemon().prop_map(Operation::StartDaemon),
        role().prop_map(Operation::StopDaemon),
    ]
}

pub(crate) fn query() -> impl Strategy<Value = Query> {
    prop_oneof![
        Just(Query::Family),
        Just(Query::Info),
        Just(Query::Services),
        service_key().prop_map(Query::Service),
        service_key().prop_map(Query::Servers),
        Just(Query::Daemons),
        Just(Query::Timeouts),
    ]
}
