//! Round trips through the whole library: the client's encoder, the in-memory kernel's decoder, its
//! encoder, the client's decoder.

use std::collections::BTreeMap;

use ipvs::fake::FakeKernel;
use ipvs::transport::Transport;
use ipvs::wire::Encoder;
use ipvs::{Client, Name, Operation, Request, Service, Timeouts, Weight};
use proptest::prelude::*;

use crate::any;

/// A service that the in-memory kernel accepts.
fn accepted(service: Service) -> Service {
    let netmask = match service.netmask {
        ipvs::Netmask::V6(length) => ipvs::Netmask::V6(length % 128 + 1),
        mask @ ipvs::Netmask::V4(_) => mask,
    };
    Service {
        scheduler: Service::WLC,
        engine: service.engine.map(|_| Name::from_static("sip")),
        netmask,
        ..service
    }
}

proptest! {
    #[test]
    fn any_operation_arrives_as_it_was_sent(
        operations in prop::collection::vec(any::operation(), 1..20),
    ) {
        let mut kernel = FakeKernel::new();
        let mut encoder = Encoder::new(0x1c);
        for (sequence, operation) in (1..).zip(&operations) {
            encoder.operation(operation, sequence, false);
        }
        kernel.send(encoder.as_bytes()).unwrap();
        let expected: Vec<_> = operations.into_iter().map(Request::from).collect();
        prop_assert_eq!(kernel.log(), expected);
    }

    #[test]
    fn any_query_arrives_as_it_was_asked(query in any::query()) {
        let mut kernel = FakeKernel::new();
        let mut encoder = Encoder::new(0x1c);
        encoder.query(&query, 1);
        kernel.send(encoder.as_bytes()).unwrap();
        prop_assert_eq!(kernel.log(), [Request::from(query)]);
    }

    #[test]
    fn any_service_comes_back_with_its_counters(entry in any::service_entry()) {
        let kernel = FakeKernel::new();
        let service = accepted(entry.service);
        let mut client = Client::over(kernel.clone()).unwrap();
        client.add_service(&service).unwrap();
        kernel.count(&service.key, |held, _| held.stats = entry.stats);
        let expected = ipvs::ServiceEntry { service, stats: entry.stats };
        prop_assert_eq!(client.services().unwrap(), [expected]);
        prop_assert_eq!(client.service(&service.key).unwrap(), Some(expected));
    }

    #[test]
    fn any_servers_come_back_with_their_counters_in_their_order(
        service in any::service(),
        entries in prop::collection::vec(any::server_entry(), 1..150),
    ) {
        let kernel = FakeKernel::new();
        let mut client = Client::over(kernel.clone()).unwrap();
        client.add_service(&accepted(service)).unwrap();
        let key = service.key;
        let mut kept = BTreeMap::new();
        for entry in entries {
            let mut entry = entry;
            entry.server.upper_threshold |= entry.server.lower_threshold;
            let report = client.execute(&[Operation::AddServer(key, entry.server)]);
            if report.is_complete() {
                kept.insert(entry.server.key, entry);
            }
        }
        kernel.count(&key, |_, servers| {
            for server in servers {
                *server = kept[&server.server.key];
            }
        });
        let expected = kernel.servers(&key);
        prop_assert_eq!(expected.len(), kept.len());
        prop_assert_eq!(client.servers(&key).unwrap(), expected.clone());
        prop_assert_eq!(client.consistent_servers(&key).unwrap(), expected);
    }

    #[test]
    fn any_time_limits_come_back(limits in any::timeouts()) {
        let kernel = FakeKernel::new();
        let mut client = Client::over(kernel.clone()).unwrap();
        let most = i32::MAX.unsigned_abs() / 100;
        let limits = Timeouts {
            tcp: limits.tcp % (most + 1),
            tcp_fin: limits.tcp_fin % (most + 1),
            udp: limits.udp % (most + 1),
        };
        client.set_timeouts(&limits).unwrap();
        let now = client.timeouts().unwrap();
        prop_assert_eq!(now, kernel.timeouts());
        // 0 leaves a timeout unchanged.
        prop_assert_eq!(now.tcp, if limits.tcp == 0 { 900 } else { limits.tcp });
        prop_assert_eq!(now.udp, if limits.udp == 0 { 300 } else { limits.udp });
    }

    #[test]
    fn names_keep_their_bytes(name in any::name(), weight in 0..=Weight::MAX.get()) {
        prop_assert_eq!(Name::new(name.as_bytes()).unwrap(), name);
        prop_assert_eq!(Weight::new(weight).unwrap().get(), weight);
        prop_assert!(Weight::new(weight | 0x8000_0000).is_none());
    }
}
