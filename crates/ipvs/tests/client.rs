//! The client over the in-memory kernel: how it handles correct, lost and wrong answers.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use ipvs::fake::{FakeKernel, Fault};
use ipvs::{
    Client, DecodeError, Errno, Error, ForwardMethod, Operation, Server, ServerKey, Service,
    ServiceKey,
};

fn web() -> ServiceKey {
    ServiceKey::tcp([192, 0, 2, 10], 80)
}

fn server(number: u32) -> Server {
    let [_, a, b, c] = number.to_be_bytes();
    Server::new(ServerKey::new([10, a, b, c], 80), ForwardMethod::Masquerade)
}

fn connected() -> (FakeKernel, Client<FakeKernel>) {
    let kernel = FakeKernel::new();
    let client = Client::over(kernel.clone()).unwrap();
    (kernel, client)
}

fn with_servers(count: u32) -> (FakeKernel, Client<FakeKernel>) {
    let (kernel, mut client) = connected();
    let mut operations = vec![Operation::AddService(Service::new(web(), Service::WLC))];
    operations.extend((1..=count).map(|number| Operation::AddServer(web(), server(number))));
    let report = client.execute(&operations);
    assert!(report.is_complete(), "{:?}", report.failures());
    (kernel, client)
}

#[test]
fn a_long_dump_is_read_whole() {
    let (kernel, mut client) = with_servers(1000);
    let servers = client.servers(&web()).unwrap();
    assert_eq!(servers, kernel.servers(&web()));
    assert_eq!(servers.len(), 1000);
    assert_eq!(client.table().unwrap().services[0].servers, servers);
}

#[test]
fn failures_are_matched_to_their_operations() {
    let (_, mut client) = with_servers(3);
    let operations: Vec<_> = (1..=600)
        .map(|number| Operation::AddServer(web(), server(number)))
        .collect();
    let report = client.execute(&operations);
    let failed: Vec<_> = report
        .failures()
        .iter()
        .map(|failure| failure.index)
        .collect();
    assert_eq!(failed, [0, 1, 2]);
    assert_eq!(report.applied(), 597);
    let error = report.error(2).unwrap();
    assert_eq!(error.errno(), Some(Errno::EEXIST));
    assert_eq!(error.server_key(), Some(server(3).key));
    assert!(error.is_stale_view());
}

#[test]
fn more_refusals_than_the_buffer_holds_are_all_reported() {
    let (kernel, mut client) = with_servers(1);
    kernel.set_acknowledgement_room(7);
    let operations = vec![Operation::AddServer(web(), server(1)); 500];
    let report = client.execute(&operations);
    assert_eq!(report.failures().len(), 500);
    assert!(
        report
            .failures()
            .iter()
            .all(|failure| failure.error.errno() == Some(Errno::EEXIST))
    );
}

#[test]
fn a_lost_answer_is_said_to_be_unknown_and_nothing_else_is() {
    let (kernel, mut client) = with_servers(0);
    let operations: Vec<_> = (1..=10)
        .map(|number| Operation::AddServer(web(), server(number)))
        .collect();
    kernel.inject(9, Fault::LoseAnswer);
    let report = client.execute(&operations);
    // The chunk's only acknowledgement was lost, so every result is unknown.
    assert!(
        report
            .failures()
            .iter()
            .all(|failure| failure.error.is_outcome_unknown())
    );
    assert_eq!(report.failures().len(), 10);
    assert_eq!(client.servers(&web()).unwrap().len(), 10);
}

#[test]
fn an_answer_to_nothing_that_was_asked_is_not_believed() {
    let (kernel, mut client) = with_servers(0);
    kernel.inject(0, Fault::WrongSequence);
    let error = client.add_server(&web(), &server(1)).unwrap_err();
    let wrong = matches!(
        &error,
        Error::BadAnswer { source: DecodeError::Sequence { found }, .. } if *found > 1_000_000
    );
    assert!(wrong, "{error}");
    assert!(client.services().is_ok(), "the next call is not spoiled");
}

#[test]
fn a_short_answer_is_an_error_and_the_next_call_works() {
    let (kernel, mut client) = with_servers(0);
    kernel.inject(0, Fault::ShortAnswer);
    let error = client.add_server(&web(), &server(1)).unwrap_err();
    assert!(matches!(error, Error::BadAnswer { .. }), "{error}");
    assert_eq!(client.servers(&web()).unwrap().len(), 1);
}

#[test]
fn the_module_goes_and_comes_back() {
    let (kernel, mut client) = with_servers(2);
    kernel.unload_module();
    let error = client.add_server(&web(), &server(9)).unwrap_err();
    assert!(matches!(error, Error::NoIpvs { .. }), "{error}");
    assert!(error.to_string().contains("modprobe ip_vs"), "{error}");
    assert!(matches!(client.services(), Err(Error::NoIpvs { .. })));
    kernel.load_module();
    assert_eq!(client.services().unwrap(), []);
    client
        .add_service(&Service::new(web(), Service::RR))
        .unwrap();
}

#[test]
fn a_missing_server_is_not_taken_for_a_missing_module() {
    let (_, mut client) = with_servers(2);
    let error = client.delete_server(&web(), &server(9).key).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOENT));
    assert!(error.to_string().contains("no such server"), "{error}");
}

#[test]
fn the_scheduler_that_is_missing_is_named_with_its_module() {
    let (_, mut client) = connected();
    let service = Service::new(web(), "nope".parse().unwrap());
    let error = client.add_service(&service).unwrap_err().to_string();
    assert!(error.contains("modprobe ip_vs_nope"), "{error}");
    assert!(error.contains("tcp://192.0.2.10:80"), "{error}");
    assert!(error.ends_with("(ENOENT)"), "{error}");
}
