//! The connection table of a real kernel: entries of each protocol and family, templates of
//! persistent clients, calls of a persistence engine, and the origin of entries.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipvs::{
    Connection as Entry, Connections, EngineData, Family as Of, ForwardMethod, Fwmark, Name,
    Netmask, Operation, Origin, Server, ServerKey, Service, ServiceKey,
};

use crate::lab::{
    Connection, Family,
    Family::{V4, V6},
    Host, Lan, Protocol,
    Protocol::{Sctp, Tcp, Udp},
};
use crate::library_rig::connect;

fn key(protocol: Protocol, at: SocketAddr) -> ServiceKey {
    match protocol {
        Tcp => ServiceKey::tcp(at.ip(), at.port()),
        Udp => ServiceKey::udp(at.ip(), at.port()),
        Sctp => ServiceKey::sctp(at.ip(), at.port()),
    }
}

/// Adds a service with the first real server, by NAT.
fn balance(net: &Lan, service: Service, server: SocketAddr) {
    let server = Server::new(
        ServerKey::new(server.ip(), server.port()),
        ForwardMethod::Masquerade,
    );
    let operations = [
        Operation::AddService(service),
        Operation::AddServer(service.key, server),
    ];
    let report = net.director.enter(|| connect().execute(&operations));
    assert!(report.is_complete(), "{:?}", report.failures());
}

/// The entries of the table, as many as it has lines.
fn entries(director: &Host) -> Vec<Entry> {
    let entries = director
        .enter(|| Connections::open()?.collect::<ipvs::Result<Vec<_>>>())
        .expect("the connection table can be read");
    let lines = director.proc_net("ip_vs_conn").expect("it is there");
    assert_eq!(entries.len(), lines.lines().count() - 1, "{lines}");
    entries
}

fn open(net: &Lan, protocol: Protocol, service: SocketAddr) -> Connection {
    let mut connection = net
        .client(1)
        .connect(protocol, service)
        .expect("the service is there");
    connection.ask().expect("it answers");
    connection
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn entries_of_each_protocol_and_family() {
    let net = Lan::nat().real_servers(1).build();
    let mut expected = Vec::new();
    // Kept open, so that their states stay.
    let (mut serving, mut open_ones) = (Vec::new(), Vec::new());
    for (protocol, name, state) in [
        (Tcp, "TCP", "ESTABLISHED"),
        (Udp, "UDP", "UDP"),
        (Sctp, "SCTP", "ESTABLISHED"),
    ] {
        serving.push(net.serve(protocol, 80));
        for family in Family::BOTH {
            let (service, server) = (net.service(family, 80), net.server(family, 1, 80));
            balance(
                &net,
                Service::new(key(protocol, service), Service::RR),
                server,
            );
            let connection = open(&net, protocol, service);
            expected.push((name, connection.source(), service, server, state));
            open_ones.push(connection);
        }
    }
    let found = entries(&net.director);
    assert_eq!(found.len(), expected.len());
    for (name, client, service, server, state) in expected {
        let entry = found
            .iter()
            .find(|entry| entry.client == client && entry.protocol == name)
            .unwrap_or_else(|| panic!("{name} from {client} is not in {found:?}"));
        assert_eq!((entry.virtual_service, entry.server), (service, server));
        assert!(entry.state == state, "{entry:?}");
        assert!(entry.expires.as_secs() > 0 && entry.expires.as_secs() <= 900);
        assert_eq!((&entry.engine, entry.origin), (&None, None));
    }
    let origins = net
        .director
        .enter(|| Connections::open_with_origin()?.collect::<ipvs::Result<Vec<_>>>())
        .expect("the table can be read");
    assert_eq!(origins.len(), found.len());
    assert!(
        origins
            .iter()
            .all(|entry| entry.origin == Some(Origin::Local)),
        "{origins:?}"
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn templates_of_persistent_clients() {
    let net = Lan::nat().real_servers(1).build();
    let _serving = net.serve(Tcp, 80);
    for (family, mask) in [
        (V4, Netmask::V4([255, 255, 255, 0].into())),
        (V6, Netmask::V6(64)),
    ] {
        let (service, server) = (net.service(family, 80), net.server(family, 1, 80));
        let persistent = Service::new(key(Tcp, service), Service::RR)
            .persistent(300)
            .netmask(mask);
        balance(&net, persistent, server);
        let connection = open(&net, Tcp, service);
        let masked: IpAddr = match connection.source().ip() {
            IpAddr::V4(client) => {
                let [a, b, c, _] = client.octets();
                [a, b, c, 0].into()
            }
            IpAddr::V6(client) => {
                let [a, b, c, d, ..] = client.segments();
                [a, b, c, d, 0, 0, 0, 0].into()
            }
        };
        let template = SocketAddr::new(masked, 0);
        let found = entries(&net.director);
        let template = found
            .iter()
            .find(|entry| entry.client == template)
            .unwrap_or_else(|| panic!("no template in {found:?}"));
        assert_eq!(
            (template.virtual_service, template.server),
            (service, server)
        );
        assert!(
            found
                .iter()
                .any(|entry| entry.client == connection.source())
        );
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn templates_of_a_marked_service_have_the_mark_for_an_address() {
    let net = Lan::nat().real_servers(1).build();
    let _serving = net.serve(Tcp, 80);
    let service = net.service(V4, 80);
    let matches = format!("-d {} -p tcp --dport 80", service.ip());
    net.director.mark(V4, &matches, 7);
    let mark = Fwmark::new(7).expect("it is not 0");
    let persistent = Service::new(ServiceKey::fwmark(Of::V4, mark), Service::RR).persistent(300);
    balance(&net, persistent, net.server(V4, 1, 0));
    let connection = open(&net, Tcp, service);
    let found = entries(&net.director);
    let template = found
        .iter()
        .find(|entry| entry.protocol == "IP")
        .unwrap_or_else(|| panic!("no template in {found:?}"));
    assert_eq!(
        template.client,
        SocketAddr::new(connection.source().ip(), 0)
    );
    let mark: IpAddr = Ipv4Addr::from_bits(7).into();
    assert_eq!(template.virtual_service.ip(), mark);
    assert_eq!(template.server.ip(), net.server(V4, 1, 0).ip());
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_call_of_the_sip_engine() {
    let net = Lan::nat().real_servers(1).build();
    let _serving = net.serve(Udp, 5060);
    let service = net.service(V4, 5060);
    let calls = Service::new(key(Udp, service), Service::RR)
        .persistent(60)
        .engine(Name::from_static("sip"));
    balance(&net, calls, net.server(V4, 1, 5060));
    let mut phone = net
        .client(1)
        .connect(Udp, service)
        .expect("a socket can be opened");
    phone
        .say(b"REGISTER sip:example.org SIP/2.0\r\nCall-ID: 7@phone.example.org\r\n\r\n")
        .expect("it answers");
    let found: Vec<_> = entries(&net.director)
        .into_iter()
        .filter_map(|entry| entry.engine)
        .collect();
    let call = EngineData {
        name: Name::from_static("sip"),
        data: b"7@phone.example.org".into(),
    };
    assert!(found.contains(&call), "{found:?}");
    assert!(found.iter().all(|engine| *engine == call), "{found:?}");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_namespace_without_connections_has_an_empty_table() {
    let found = crate::library_rig::inside(|| {
        connect();
        Connections::open()?.collect::<ipvs::Result<Vec<_>>>()
    });
    assert_eq!(found.expect("the table can be read"), []);
}
