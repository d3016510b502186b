//! Long lists of a real kernel, with forced races between their pieces.

use std::collections::HashSet;

use ipvs::{
    Client, Error, ForwardMethod, Operation, Server, ServerKey, Service, ServiceKey, Weight,
};

use crate::library_rig::{connect, inside, web};
use crate::library_socket::{PlainSocket, Watched};

/// The server with this number; the one with the highest was added last and comes first.
fn server(number: u32) -> Server {
    let [_, a, b, c] = number.to_be_bytes();
    Server::new(
        ServerKey::new([10, a + 1, b, c], 80),
        ForwardMethod::Masquerade,
    )
}

fn add(key: ServiceKey, numbers: impl Iterator<Item = u32>) -> Vec<Operation> {
    numbers
        .map(|number| Operation::AddServer(key, server(number)))
        .collect()
}

/// Adds the service `web` with this many servers.
fn fill(servers: u32) {
    let mut operations = vec![Operation::AddService(Service::new(web(), Service::WLC))];
    operations.extend(add(web(), 1..=servers));
    let report = connect().execute(&operations);
    assert!(report.is_complete(), "{:?}", report.failures());
}

/// The servers of `web` as a separate client sees them.
fn live() -> Vec<Server> {
    let entries = connect().servers(&web()).expect("they can be read");
    entries.into_iter().map(|entry| entry.server).collect()
}

/// A client during whose dumps `meddle` writes, through a client of its own.
fn past(mut meddle: impl FnMut(&mut Client, usize, usize) + Send + 'static) -> Client<Watched> {
    let mut other = connect();
    let watched = Watched::open(move |dumps, pieces| meddle(&mut other, dumps, pieces));
    Client::over(watched.expect("a socket can be opened")).expect("there is IPVS")
}

const SERVERS: u32 = 400;

/// Deletes the first server during the first dump.
fn delete_first(client: &mut Client, dumps: usize, pieces: usize) {
    if (dumps, pieces) == (1, 1) {
        client
            .delete_server(&web(), &server(SERVERS).key)
            .expect("it is there");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_plain_list_misses_a_live_server_when_another_is_deleted_during_the_dump() {
    inside(|| {
        fill(SERVERS);
        let listed = past(delete_first)
            .servers(&web())
            .expect("they can be read");
        let listed: HashSet<Server> = listed.into_iter().map(|entry| entry.server).collect();
        let live = live();
        assert_eq!(live.len(), 399);
        let missed = live
            .iter()
            .filter(|server| !listed.contains(server))
            .count();
        assert_eq!(
            missed, 1,
            "the kernel passed over one that lives, without a mark"
        );
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_consistent_list_and_the_table_do_not() {
    inside(|| {
        fill(SERVERS);
        let listed = past(delete_first)
            .consistent_servers(&web())
            .expect("they can be read");
        let listed: Vec<_> = listed.into_iter().map(|entry| entry.server).collect();
        assert_eq!(listed, live());
    });
    inside(|| {
        fill(SERVERS);
        // The first dump of a table is that of the services.
        let mut client = past(|other, dumps, pieces| delete_first(other, dumps - 1, pieces));
        let table = client.table().expect("it can be read");
        let listed: Vec<_> = table.services[0]
            .servers
            .iter()
            .map(|entry| entry.server)
            .collect();
        assert_eq!(listed, live());
        assert_eq!(listed.len(), 399);
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_service_deleted_during_a_dump_cuts_only_the_plain_list_short() {
    let delete = |client: &mut Client, dumps, pieces| {
        if (dumps, pieces) == (1, 2) {
            client.delete_service(&web()).expect("it is there");
        }
    };
    inside(|| {
        fill(SERVERS);
        let listed = past(delete).servers(&web()).expect("they can be read");
        assert!(!listed.is_empty() && listed.len() < 400, "{}", listed.len());
    });
    inside(|| {
        fill(SERVERS);
        let listed = past(delete)
            .consistent_servers(&web())
            .expect("they can be read");
        assert_eq!(listed, []);
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_list_in_one_full_piece_can_lie_too() {
    // So many are deleted that nothing is left for a second piece, and the first shows a state that
    // never existed.
    let delete_many = |client: &mut Client, dumps, pieces| {
        if (dumps, pieces) == (1, 1) {
            let deletions: Vec<_> = (71..=100)
                .map(|number| Operation::DeleteServer(web(), server(number).key))
                .collect();
            assert!(client.execute(&deletions).is_complete());
        }
    };
    inside(|| {
        fill(100);
        let listed = past(delete_many).servers(&web()).expect("they can be read");
        assert!((71..100).contains(&listed.len()), "{}", listed.len());
    });
    inside(|| {
        fill(100);
        let listed = past(delete_many)
            .consistent_servers(&web())
            .expect("they can be read");
        let listed: Vec<_> = listed.into_iter().map(|entry| entry.server).collect();
        assert_eq!(listed, live());
        assert_eq!(listed.len(), 70);
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_list_that_never_rests_is_said_to_be_unsettled() {
    inside(|| {
        fill(SERVERS);
        let mut weight = 0;
        let mut client = past(move |other, _, pieces| {
            if pieces == 1 {
                weight += 1;
                let changed = server(1).weight(Weight::new(weight).expect("it is small"));
                other.update_server(&web(), &changed).expect("it is there");
            }
        });
        let error = client
            .consistent_servers(&web())
            .expect_err("it never rests");
        assert!(matches!(error, Error::Unsettled { .. }), "{error}");
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_dump_broken_off_does_not_spoil_the_next_call() {
    inside(|| {
        fill(SERVERS);
        let mut client = connect();
        // A kernel cannot have a server that cannot be parsed; a timeout can occur.
        let mut broken = Client::over(BreaksOff {
            socket: PlainSocket::open(None).expect("a socket can be opened"),
            left: 3,
        })
        .expect("there is IPVS");
        let error = broken.servers(&web()).expect_err("it broke off");
        assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
        let listed = broken
            .servers(&web())
            .expect("the dump was read off, no EBUSY");
        assert_eq!(listed, client.servers(&web()).expect("they can be read"));
    });
}

/// Reports once that nothing was received.
struct BreaksOff {
    socket: PlainSocket,
    left: usize,
}

impl ipvs::transport::Transport for BreaksOff {
    fn send(&mut self, datagram: &[u8]) -> std::io::Result<()> {
        self.socket.send(datagram)
    }

    fn receive(
        &mut self,
        buffer: &mut Vec<u8>,
        wait: ipvs::transport::Wait,
    ) -> std::io::Result<usize> {
        self.left = self.left.wrapping_sub(1);
        if self.left == 0 {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        self.socket.receive(buffer, wait)
    }

    fn acknowledgement_room(&self) -> usize {
        277
    }

    fn time_limit(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }

    fn second(&self) -> std::io::Result<Option<Self>> {
        Ok(None)
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_thread_that_went_elsewhere_is_told_so() {
    let mut client = inside(|| {
        fill(SERVERS);
        connect()
    });
    // One socket is enough for an inconsistent list; the second would be in this thread's
    // namespace, and show other tables.
    assert_eq!(client.servers(&web()).expect("they can be read").len(), 400);
    let error = client
        .consistent_servers(&web())
        .expect_err("it would need a second socket");
    assert!(matches!(error, Error::OtherNamespace { .. }), "{error}");
    let error = client.table().expect_err("it would need a second socket");
    assert!(
        error
            .to_string()
            .contains("left the client's network namespace"),
        "{error}"
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn fifty_thousand_servers_are_all_there() {
    inside(|| {
        let service = |number: u8| ServiceKey::tcp([192, 0, 2, number], 80);
        let mut operations = Vec::new();
        for number in 1..=100 {
            operations.push(Operation::AddService(Service::new(
                service(number),
                Service::WLC,
            )));
            operations.extend(add(service(number), 1..=500));
        }
        let mut client = connect();
        let report = client.execute(&operations);
        assert!(report.is_complete(), "{:?}", report.failures().first());
        let table = client.table().expect("it can be read");
        assert_eq!(table.services.len(), 100);
        let expected: Vec<_> = (1..=500).rev().map(server).collect();
        for service in &table.services {
            let found: Vec<_> = service.servers.iter().map(|entry| entry.server).collect();
            assert_eq!(found, expected);
        }
        client.flush().expect("it can be flushed");
    });
}
