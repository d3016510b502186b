//! Many operations at a time on a real kernel: each gets a result, whatever is refused or lost.

use ipvs::{
    Client, Errno, Error, ForwardMethod, OnFailure, Operation, Server, ServerKey, Service,
    ServiceKey, transport::Transport,
};

use crate::library_rig::{connect, inside, web};
use crate::library_socket::PlainSocket;

fn server(number: u32) -> Server {
    let [_, a, b, c] = number.to_be_bytes();
    Server::new(
        ServerKey::new([10, a + 1, b, c], 80),
        ForwardMethod::Masquerade,
    )
}

fn adding(numbers: impl Iterator<Item = u32>) -> Vec<Operation> {
    numbers
        .map(|number| Operation::AddServer(web(), server(number)))
        .collect()
}

/// A client on this socket whose namespace has the service `web` without servers.
fn on<T: Transport>(socket: T) -> Client<T> {
    let mut client = Client::over(socket).expect("there is IPVS");
    client
        .add_service(&Service::new(web(), Service::WLC))
        .expect("it can be added");
    client
}

/// The number of servers of `web`, as a separate client sees it.
fn live() -> usize {
    connect().servers(&web()).expect("they can be read").len()
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_chunk_of_256_and_ten_thousand_operations() {
    inside(|| {
        let mut client = connect();
        client
            .add_service(&Service::new(web(), Service::WLC))
            .expect("it can be added");
        let report = client.execute(&adding(1..=256));
        assert!(report.is_complete(), "{:?}", report.failures());
        assert_eq!(live(), 256);
        let services: Vec<_> = (0..10_000u16)
            .map(|number| {
                let [high, low] = number.to_be_bytes();
                let key = ServiceKey::tcp([192, 0, high, low], 8080);
                Operation::AddService(Service::new(key, Service::WLC))
            })
            .collect();
        let report = client.execute(&services);
        assert!(report.is_complete(), "{:?}", report.failures().first());
        assert_eq!((report.total(), report.applied()), (10_000, 10_000));
        assert_eq!(
            client.table().expect("it can be read").services.len(),
            10_001
        );
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_thousand_refusals_are_all_heard_with_the_kernels_default_buffer() {
    inside(|| {
        let mut client = on(PlainSocket::open(None).expect("a socket can be opened"));
        let operations = vec![Operation::DeleteServer(web(), server(1).key); 1000];
        let report = client.execute(&operations);
        let refused = report
            .failures()
            .iter()
            .filter(|failure| failure.error.errno() == Some(Errno::ENOENT))
            .count();
        assert_eq!(refused, 1000, "{:?}", report.failures().first());
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn answers_that_a_small_buffer_drops_are_said_to_be_unknown() {
    inside(|| {
        // The smallest buffer that the kernel allows: about three acknowledgements fit.
        let mut client = on(PlainSocket::open(Some(1)).expect("a socket can be opened"));
        let mut operations = adding(1..=100);
        // Every one of them is refused.
        operations.extend(adding(1..=100));
        let report = client.execute(&operations);
        let (mut refused, mut unknown) = (0, 0);
        for failure in report.failures() {
            match &failure.error {
                Error::Refused(refusal) => {
                    assert_eq!(refusal.errno, Errno::EEXIST);
                    assert!(failure.index >= 100, "a refusal of what was carried out");
                    refused += 1;
                }
                Error::AnswerLost { .. } => {
                    assert!(failure.error.is_outcome_unknown());
                    unknown += 1;
                }
                error => panic!("{error}"),
            }
        }
        assert!(
            refused > 0 && unknown > 0,
            "{refused} refused, {unknown} unknown"
        );
        assert_eq!(refused + unknown, 200, "none is said to be carried out");
        assert_eq!(report.applied(), 0);
        // Everything was carried out, and the same client sees it.
        assert_eq!(client.servers(&web()).expect("they can be read").len(), 100);
        assert!(client.execute(&adding(101..=101)).is_complete());
        assert_eq!(live(), 101);
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_dump_through_a_small_buffer_is_whole() {
    inside(|| {
        let mut client = on(PlainSocket::open(Some(1)).expect("a socket can be opened"));
        assert!(connect().execute(&adding(1..=500)).is_complete());
        for _ in 0..3 {
            assert_eq!(client.servers(&web()).expect("they can be read").len(), 500);
            let listed = client.consistent_servers(&web()).expect("they can be read");
            assert_eq!(listed.len(), 500);
        }
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_failure_in_the_middle_stops_what_it_should_and_nothing_else() {
    inside(|| {
        let mut client = on(ipvs::NetlinkSocket::open().expect("a socket can be opened"));
        let mut operations = adding(1..=600);
        operations[10] = operations[9];
        let report = client.execute(&operations);
        assert_eq!(report.failures().len(), 1);
        assert_eq!(report.failures()[0].index, 10);
        assert_eq!((report.applied(), live()), (599, 599));
    });
    inside(|| {
        let mut client = on(ipvs::NetlinkSocket::open().expect("a socket can be opened"));
        let mut operations = adding(1..=600);
        operations[10] = operations[9];
        let report = client.execute_with(&operations, OnFailure::Stop);
        assert_eq!((report.sent(), report.applied(), live()), (256, 255, 255));
    });
}
