//! Every refusal of the kernel, really provoked: the errno, the object, and the sentence that tells
//! what to do.

use caps::{CapSet, Capability};
use ipvs::{
    Client, DaemonRole, Errno, Error, ForwardMethod, Name, Netmask, Operation, Query, Request,
    Server, ServerKey, Service, ServiceKey, SyncDaemon, SyncId, Timeouts, Tunnel, TunnelFlags,
    TunnelKind, Weight,
};

use crate::lab::Netns;
use crate::library_rig::{at, connect, inside, web};

fn v6() -> ServiceKey {
    ServiceKey::tcp([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10], 80)
}

fn name(name: &str) -> Name {
    name.parse().expect("a name")
}

fn nat(address: &str) -> Server {
    Server::new(at(address), ForwardMethod::Masquerade)
}

fn master() -> SyncDaemon {
    SyncDaemon::new(DaemonRole::Master, name("d0"), SyncId(1))
}

/// A client whose namespace has the service `web` with the server 10.0.0.11, and the service `v6`.
fn with_services() -> Client {
    let mut client = connect();
    let setup = [
        Operation::AddService(Service::new(web(), Service::WLC)),
        Operation::AddService(Service::new(v6(), Service::WLC)),
        Operation::AddServer(web(), nat("10.0.0.11")),
    ];
    let report = client.execute(&setup);
    assert!(report.is_complete(), "{:?}", report.failures());
    client
}

/// Asserts that the operation is refused with this errno, that the sentence names the object and
/// contains these words, and that nothing was changed.
#[track_caller]
fn assert_refused(
    client: &mut Client,
    operation: Operation,
    errno: Errno,
    words: &[&str],
) -> Error {
    let before = client.table().expect("the table can be read");
    let error = client.apply(operation).expect_err("it is refused");
    let sentence = error.to_string();
    assert_eq!(error.errno(), Some(errno), "{sentence}");
    assert_eq!(error.operation(), Some(operation));
    assert_eq!(error.service_key(), operation.service_key());
    assert_eq!(error.server_key(), operation.server_key());
    assert!(!error.is_outcome_unknown());
    assert!(
        sentence.starts_with(&format!("cannot {operation}: ")),
        "{sentence}"
    );
    assert!(sentence.ends_with(&format!(" ({errno})")), "{sentence}");
    for word in words {
        assert!(sentence.contains(word), "'{word}' is not in: {sentence}");
    }
    assert_eq!(client.table().expect("the table can be read"), before);
    error
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn services_that_are_there_or_not() {
    inside(|| {
        let mut client = with_services();
        let there = Service::new(web(), Service::RR);
        let absent = Service::new(ServiceKey::udp([192, 0, 2, 10], 80), Service::RR);
        let refused = |client: &mut _, operation, errno, words: &[_]| {
            let error = assert_refused(client, operation, errno, words);
            assert!(error.is_stale_view(), "{error}");
        };
        let add = Operation::AddService(there);
        refused(
            &mut client,
            add,
            Errno::EEXIST,
            &["already exists", "update it"],
        );
        for operation in [
            Operation::UpdateService(absent),
            Operation::DeleteService(absent.key),
            Operation::ZeroService(absent.key),
        ] {
            refused(&mut client, operation, Errno::ESRCH, &["no such service"]);
        }
        for operation in [
            Operation::AddServer(absent.key, nat("10.0.0.12")),
            Operation::UpdateServer(absent.key, nat("10.0.0.12")),
            Operation::DeleteServer(absent.key, at("10.0.0.12")),
        ] {
            refused(
                &mut client,
                operation,
                Errno::ESRCH,
                &["add the service before its servers"],
            );
        }
        let twice = Operation::AddServer(web(), nat("10.0.0.11"));
        refused(
            &mut client,
            twice,
            Errno::EEXIST,
            &["already has this server"],
        );
        for operation in [
            Operation::UpdateServer(web(), nat("10.0.0.12")),
            Operation::DeleteServer(web(), at("10.0.0.12")),
        ] {
            refused(&mut client, operation, Errno::ENOENT, &["no such server"]);
        }
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn schedulers_and_engines_that_the_kernel_does_not_have() {
    inside(|| {
        let mut client = with_services();
        let key = ServiceKey::udp([192, 0, 2, 10], 5060);
        for (service, words) in [
            (
                Service::new(key, name("nope")),
                ["`nope`", "modprobe ip_vs_nope"],
            ),
            (
                Service::new(key, Service::RR)
                    .persistent(9)
                    .engine(name("nope")),
                ["engine `nope`", "modprobe ip_vs_pe_nope"],
            ),
        ] {
            let add = Operation::AddService(service);
            let error = assert_refused(&mut client, add, Errno::ENOENT, &words);
            assert!(!error.is_stale_view());
            let change = Service {
                key: web(),
                ..service
            };
            let change = Operation::UpdateService(change);
            let error = assert_refused(&mut client, change, Errno::ENOENT, &words);
            assert!(!error.is_stale_view());
        }
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn names_longer_than_the_kernels() {
    inside(|| {
        let mut client = connect();
        // 16 bytes pass the library; the kernel's names have at most 15.
        let (long, longest) = (name("a-name-of-16-by."), name("fifteen-bytes-."));
        let scheduler = |name| Operation::AddService(Service::new(web(), name));
        let words = ["`a-name-of-16-by.`", "at most 15 bytes"];
        assert_refused(&mut client, scheduler(long), Errno::EINVAL, &words);
        let words = ["modprobe ip_vs_fifteen-bytes-."];
        assert_refused(&mut client, scheduler(longest), Errno::ENOENT, &words);
        let engine = Service::new(web(), Service::RR).engine(long);
        let words = ["engine `a-name-of-16-by.`"];
        assert_refused(
            &mut client,
            Operation::AddService(engine),
            Errno::ENOENT,
            &words,
        );
        let on = |interface| {
            Operation::StartDaemon(SyncDaemon {
                interface,
                ..master()
            })
        };
        assert_refused(&mut client, on(long), Errno::EINVAL, &["at most 15 bytes"]);
        assert_refused(
            &mut client,
            on(longest),
            Errno::ENODEV,
            &["interface `fifteen-bytes-.`"],
        );
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn invalid_services() {
    inside(|| {
        let mut client = with_services();
        for prefix in [0, 129, u32::MAX] {
            let service = Service::new(
                ServiceKey::udp([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 53),
                Service::RR,
            )
            .persistent(9)
            .netmask(Netmask::V6(prefix));
            let words = [&*prefix.to_string(), "outside 1 to 128"];
            assert_refused(
                &mut client,
                Operation::AddService(service),
                Errno::EINVAL,
                &words,
            );
        }
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn invalid_servers() {
    inside(|| {
        let mut client = with_services();
        let gue = |port| {
            let server = Server::new(at("10.0.0.12"), ForwardMethod::Tunnel);
            server.tunnel(Tunnel::gue(port, TunnelFlags::NONE))
        };
        let other = Tunnel {
            kind: TunnelKind::Other(9),
            port: 0,
            flags: TunnelFlags::NONE,
        };
        for (key, server, errno, words) in [
            (
                web(),
                nat("2001:db8:1::12"),
                Errno::EINVAL,
                "needs tunnelling",
            ),
            (v6(), nat("10.0.0.12"), Errno::EINVAL, "needs tunnelling"),
            (web(), gue(0), Errno::EINVAL, "GUE needs the UDP port"),
            (web(), nat("224.0.0.5"), Errno::EINVAL, "must be unicast"),
            (web(), nat("0.0.0.0"), Errno::EINVAL, "must be unicast"),
            (v6(), nat("ff02::5"), Errno::EINVAL, "must be unicast"),
            (
                web(),
                nat("10.0.255.255"),
                Errno::EINVAL,
                "broadcast address",
            ),
            (
                web(),
                nat("10.0.0.12").thresholds(3, 4),
                Errno::ERANGE,
                "threshold",
            ),
        ] {
            let operation = Operation::AddServer(key, server);
            assert_refused(&mut client, operation, errno, &[words]);
        }
        let change = Operation::UpdateServer(web(), nat("10.0.0.11").thresholds(3, 4));
        assert_refused(&mut client, change, Errno::ERANGE, &["threshold"]);
        // An older kernel stores a tunnel type of a later one unchanged.
        let strange = Server::new(at("10.0.0.13"), ForwardMethod::Tunnel).tunnel(other);
        match client.add_server(&web(), &strange) {
            Ok(()) => {
                let entries = client.servers(&web()).expect("they can be read");
                assert_eq!(entries[0].server, strange);
            }
            Err(error) => assert!(error.to_string().contains("tunnel type 9"), "{error}"),
        }
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_namespace_whose_loopback_is_down() {
    Netns::new("lodown").enter(|| {
        let mut client = connect();
        client
            .add_service(&Service::new(web(), Service::WLC))
            .expect("it can be added");
        let add = Operation::AddServer(web(), nat("10.0.0.11"));
        assert_refused(&mut client, add, Errno::EINVAL, &["`ip link set lo up`"]);
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn daemons() {
    inside(|| {
        let mut client = with_services();
        let refused = |client: &mut Client, operation: Operation, errno, word: &str| {
            assert_refused(client, operation, errno, &[word]);
        };
        let start = Operation::StartDaemon;
        let nowhere = SyncDaemon {
            interface: name("nowhere"),
            ..master()
        };
        refused(
            &mut client,
            start(nowhere),
            Errno::ENODEV,
            "interface `nowhere`",
        );
        let unicast = SyncDaemon {
            group: Some([10, 0, 0, 9].into()),
            ..master()
        };
        refused(
            &mut client,
            start(unicast),
            Errno::EINVAL,
            "10.0.0.9 is not a multicast address",
        );
        let stop = Operation::StopDaemon(DaemonRole::Backup);
        refused(
            &mut client,
            stop,
            Errno::ESRCH,
            "no backup daemon is running",
        );

        // Servers of the other family and daemons exclude each other.
        let mixed = Server::new(at("2001:db8:1::12"), ForwardMethod::Tunnel);
        client.add_server(&web(), &mixed).expect("it can be added");
        refused(
            &mut client,
            start(master()),
            Errno::EINVAL,
            "servers of the other address family",
        );
        client
            .delete_server(&web(), &mixed.key)
            .expect("it is there");
        client.start_daemon(&master()).expect("it can be started");
        refused(
            &mut client,
            start(master()),
            Errno::EEXIST,
            "already running",
        );
        let add = Operation::AddServer(web(), mixed);
        refused(&mut client, add, Errno::EINVAL, "stop the daemon first");
        client.stop_daemon(DaemonRole::Master).expect("it runs");
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_weight_of_a_mixed_server_under_a_daemon_cannot_be_changed() {
    inside(|| {
        // Another namespace's daemon does not count.
        let mut client = with_services();
        let mixed = Server::new(at("2001:db8:1::12"), ForwardMethod::Tunnel);
        client.add_server(&web(), &mixed).expect("it can be added");
        let change = mixed.weight(Weight::ZERO);
        client
            .update_server(&web(), &change)
            .expect("it can be changed");
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn time_limits_out_of_range() {
    inside(|| {
        let mut client = with_services();
        let limits = Timeouts {
            tcp: i32::MAX.unsigned_abs(),
            ..Timeouts::default()
        };
        let set = Operation::SetTimeouts(limits);
        assert_refused(
            &mut client,
            set,
            Errno::EINVAL,
            &["outside the kernel's range"],
        );
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn without_the_capability() {
    inside(|| {
        // Only for this thread.
        caps::drop(None, CapSet::Effective, Capability::CAP_NET_ADMIN)
            .expect("a right can be given up");
        let mut client = Client::connect().expect("to look for IPVS takes no right");
        let operation = Operation::Flush;
        let mut errors = client.execute(&[operation; 3]).into_failures();
        assert_eq!(errors.len(), 3);
        let mut errors: Vec<Error> = errors.drain(..).map(|failure| failure.error).collect();
        errors.push(client.info().expect_err("it is refused"));
        errors.push(client.services().expect_err("it is refused"));
        errors.push(client.table().expect_err("it is refused"));
        errors.push(client.timeouts().expect_err("it is refused"));
        errors.push(client.daemons().expect_err("it is refused"));
        for error in errors {
            assert_eq!(error.errno(), Some(Errno::EPERM), "{error}");
            assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
            assert!(!error.is_stale_view() && !error.is_outcome_unknown());
        }
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_service_that_is_asked_for_and_not_there() {
    inside(|| {
        let mut client = with_services();
        let absent = ServiceKey::udp([192, 0, 2, 10], 80);
        assert_eq!(client.service(&absent).expect("it can be asked for"), None);
        assert_eq!(client.servers(&absent).expect("it can be asked for"), []);
        let request = Request::from(Query::Servers(absent));
        assert_eq!(
            request.to_string(),
            "list the servers of udp://192.0.2.10:80"
        );
        let port = ServerKey::new([10, 0, 0, 1], 65535);
        assert_eq!(port.to_string(), "10.0.0.1:65535");
    });
}
