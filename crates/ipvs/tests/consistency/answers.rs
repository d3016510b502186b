//! Answers that are lost, late, truncated, wrong or refused lead to an error or the truth.

use ipvs::fake::{FakeKernel, Fault};
use ipvs::transport::{Transport, Wait};
use ipvs::wire::Encoder;
use ipvs::{
    Client, DaemonRole, DecodeError, Errno, Error, Name, OnFailure, Operation, Query, Service,
    SyncDaemon, SyncId, Timeouts,
};

use crate::faulty::{Faulty, Spoil};
use crate::{kernel_with, server, web};

/// A client whose datagrams fail according to a plan. It has already resolved the family.
fn over(
    kernel: &FakeKernel,
    mut plan: impl FnMut(usize) -> Option<Spoil> + Send + 'static,
) -> (Client<Faulty>, Faulty) {
    let faulty = Faulty::new(kernel, move |call| call.checked_sub(1).and_then(&mut plan));
    (Client::over(faulty.clone()).unwrap(), faulty)
}

/// A plan that spoils one datagram.
fn at(place: usize, spoil: Spoil) -> impl FnMut(usize) -> Option<Spoil> + Send + 'static {
    move |call| (call == place).then(|| spoil.clone())
}

fn adding(count: u32) -> Vec<Operation> {
    (1..=count)
        .map(|number| Operation::AddServer(web(), server(number)))
        .collect()
}

#[test]
fn a_piece_of_a_dump_that_is_lost_is_read_again_with_all_others() {
    let kernel = kernel_with(250);
    for place in 0..4 {
        for spoil in [Spoil::Lose, Spoil::Error(Errno::ENOBUFS)] {
            let (mut client, _) = over(&kernel, at(place, spoil.clone()));
            assert_eq!(client.servers(&web()).unwrap(), kernel.servers(&web()));
            let (mut client, _) = over(&kernel, at(place, spoil));
            let entries = client.consistent_servers(&web()).unwrap();
            assert_eq!(entries, kernel.servers(&web()));
        }
    }
}

#[test]
fn the_answer_to_a_query_that_is_lost_is_asked_for_again() {
    let kernel = kernel_with(2);
    let (mut client, _) = over(&kernel, at(0, Spoil::Lose));
    assert_eq!(client.timeouts().unwrap(), kernel.timeouts());
    let (mut client, _) = over(&kernel, at(0, Spoil::Lose));
    assert_eq!(client.service(&web()).unwrap(), kernel.services().pop());
}

#[test]
fn when_every_answer_is_lost_that_is_said_after_a_few_attempts() {
    let kernel = kernel_with(250);
    for call in [0, 1, 2] {
        let (mut client, faulty) = over(&kernel, |_| Some(Spoil::Error(Errno::ENOBUFS)));
        let error = match call {
            0 => client.timeouts().unwrap_err(),
            1 => client.servers(&web()).unwrap_err(),
            _ => client.consistent_servers(&web()).unwrap_err(),
        };
        assert!(matches!(error, Error::AnswerLost { .. }), "{error}");
        // Discarding leftovers takes up to 4096 calls each time.
        assert!(faulty.calls() < 50_000, "{} calls", faulty.calls());
    }
}

#[test]
fn a_batch_that_loses_answers_knows_what_was_refused_and_nothing_of_the_rest() {
    let kernel = kernel_with(3);
    // Three refusals arrive; then the kernel drops the acknowledgement.
    let (mut client, _) = over(&kernel, at(3, Spoil::Lose));
    let report = client.execute(&adding(10));
    for index in 0..3 {
        assert_eq!(report.error(index).unwrap().errno(), Some(Errno::EEXIST));
    }
    for index in 3..10 {
        let error = report.error(index).unwrap();
        assert!(matches!(error, Error::AnswerLost { .. }), "{error}");
        assert!(error.is_outcome_unknown());
    }
    assert_eq!(report.applied(), 0);
    assert_eq!(
        client.servers(&web()).unwrap().len(),
        10,
        "the next call is true"
    );
}

#[test]
fn an_overrun_before_answers_that_are_there_still_reads_them() {
    let kernel = kernel_with(3);
    let (mut client, _) = over(&kernel, at(0, Spoil::Error(Errno::ENOBUFS)));
    let report = client.execute(&adding(3));
    // All three refusals are known although the kernel reported lost answers.
    assert!(
        report
            .failures()
            .iter()
            .all(|failure| failure.error.errno() == Some(Errno::EEXIST)),
        "{:?}",
        report.failures()
    );
}

#[test]
fn answers_to_earlier_requests_are_passed_over() {
    let kernel = kernel_with(250);
    let (mut client, _) = over(&kernel, |call| (call % 2 == 0).then_some(Spoil::Replay));
    for _ in 0..3 {
        assert_eq!(client.servers(&web()).unwrap(), kernel.servers(&web()));
        assert_eq!(client.timeouts().unwrap(), kernel.timeouts());
    }
    let (mut client, _) = over(&kernel, at(20, Spoil::Replay));
    assert_eq!(client.servers(&web()).unwrap(), kernel.servers(&web()));
    let report = client.execute(&adding(252));
    assert_eq!(report.failures().len(), 250);
    assert_eq!(kernel.servers(&web()).len(), 252);
}

/// Gives the message at the front a sequence number that was never used.
#[allow(clippy::ptr_arg, reason = "all edits are of one type")]
fn strange_sequence(datagram: &mut Vec<u8>) {
    datagram[8..12].copy_from_slice(&0xdead_beef_u32.to_ne_bytes());
}

#[test]
fn a_sequence_number_that_was_never_used_is_not_believed() {
    let kernel = kernel_with(250);
    for place in 0..3 {
        let (mut client, _) = over(&kernel, at(place, Spoil::Edit(strange_sequence)));
        let error = client.servers(&web()).unwrap_err();
        let Error::BadAnswer { source, .. } = &error else {
            panic!("{error}");
        };
        let found = DecodeError::Sequence { found: 0xdead_beef };
        assert_eq!(*source, found);
        assert_eq!(
            client.servers(&web()).unwrap(),
            kernel.servers(&web()),
            "afterwards"
        );
    }
    let (mut client, _) = over(&kernel, at(0, Spoil::Edit(strange_sequence)));
    assert!(matches!(client.info(), Err(Error::BadAnswer { .. })));
    assert!(client.info().is_ok(), "afterwards");
}

#[test]
fn a_short_answer_is_an_error_and_spoils_no_later_one() {
    let kernel = kernel_with(250);
    for place in 0..4 {
        let edit = |datagram: &mut Vec<u8>| datagram.truncate(datagram.len() - 3);
        let (mut client, _) = over(&kernel, at(place, Spoil::Edit(edit)));
        let error = client.servers(&web()).unwrap_err();
        assert!(matches!(error, Error::BadAnswer { .. }), "{error}");
        assert_eq!(client.servers(&web()).unwrap(), kernel.servers(&web()));
        let (mut client, _) = over(&kernel, at(place, Spoil::Edit(edit)));
        assert!(client.consistent_servers(&web()).is_err());
        assert_eq!(
            client.consistent_servers(&web()).unwrap(),
            kernel.servers(&web())
        );
    }
}

#[test]
fn a_datagram_that_does_not_fit_is_an_error() {
    let kernel = kernel_with(250);
    for place in 0..3 {
        let (mut client, _) = over(&kernel, at(place, Spoil::TooLong));
        let error = client.servers(&web()).unwrap_err();
        assert!(
            matches!(
                error,
                Error::BadAnswer {
                    source: DecodeError::Truncated { .. },
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(client.servers(&web()).unwrap(), kernel.servers(&web()));
    }
}

#[test]
fn an_answer_that_never_comes_is_said_with_the_time_waited() {
    let kernel = kernel_with(250);
    let (mut client, _) = over(&kernel, at(0, Spoil::Swallow));
    let error = client.timeouts().unwrap_err();
    assert!(
        matches!(error, Error::NoAnswer { seconds: 7, .. }),
        "{error}"
    );
    let (mut client, _) = over(&kernel, at(1, Spoil::Swallow));
    let error = client.servers(&web()).unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    assert_eq!(
        client.servers(&web()).unwrap(),
        kernel.servers(&web()),
        "afterwards"
    );
    let (mut client, _) = over(&kernel, at(0, Spoil::Swallow));
    let error = client.flush().unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    assert!(error.is_outcome_unknown());
}

#[test]
fn a_socket_that_fails_is_said_and_the_next_call_tries_again() {
    let kernel = kernel_with(250);
    let (mut client, _) = over(&kernel, at(1, Spoil::Error(Errno(5))));
    let error = client.servers(&web()).unwrap_err();
    assert!(matches!(error, Error::Socket { .. }), "{error}");
    assert_eq!(error.errno(), Some(Errno(5)));
    assert_eq!(client.servers(&web()).unwrap(), kernel.servers(&web()));
}

#[test]
fn a_dump_that_was_left_alone_does_not_keep_the_next_one_busy() {
    let kernel = kernel_with(250);
    let (mut client, faulty) = over(&kernel, |_| None);
    // Another caller starts a dump on this socket and reads one piece of it.
    let mut encoder = Encoder::new(0x1c);
    encoder.query(&Query::Servers(web()), 1);
    client.transport_mut().send(encoder.as_bytes()).unwrap();
    let mut piece = Vec::with_capacity(65_536);
    client
        .transport_mut()
        .receive(&mut piece, Wait::Poll)
        .unwrap();
    let error = client.servers(&web());
    match error {
        // The client cannot know of it, but reports the kernel's refusal correctly.
        Err(error) => assert_eq!(error.errno(), Some(Errno::EBUSY), "{error}"),
        Ok(entries) => assert_eq!(entries, kernel.servers(&web())),
    }
    // It does know of dumps that it interrupted itself: see the tests above, which list again
    // immediately.
    assert!(faulty.calls() < 20_000);
}

#[test]
fn a_chunk_too_long_to_send_is_sent_in_halves() {
    let kernel = kernel_with(0);
    let (mut client, faulty) = over(&kernel, |_| None);
    faulty.set_send_limit(5000);
    let report = client.execute(&adding(600));
    assert!(report.is_complete(), "{:?}", report.failures());
    assert_eq!(kernel.servers(&web()).len(), 600);
    assert!(faulty.sent().iter().all(|length| *length <= 5000));
    // The client learns from the first failure and tries only one size afterwards.
    assert!(faulty.sent().len() < 60, "{} sends", faulty.sent().len());
}

#[test]
fn one_operation_too_long_to_send_is_an_error_and_nothing_is_done() {
    let kernel = kernel_with(0);
    let (mut client, faulty) = over(&kernel, |_| None);
    faulty.set_send_limit(30);
    let report = client.execute(&adding(3));
    assert_eq!((report.sent(), report.applied()), (0, 0));
    assert_eq!(report.failures().len(), 1);
    assert_eq!(report.failures()[0].error.errno(), Some(Errno::EMSGSIZE));
    assert!(!report.is_complete());
    assert!(kernel.servers(&web()).is_empty());
    assert!(client.timeouts().is_ok(), "what is short enough still goes");
}

#[test]
fn a_refusal_stops_the_later_chunks_if_that_is_wanted() {
    let kernel = kernel_with(1);
    let (mut client, _) = over(&kernel, |_| None);
    let report = client.execute_with(&adding(600), OnFailure::Stop);
    assert_eq!(report.sent(), 256, "the chunk went as a whole");
    assert_eq!(report.applied(), 255);
    assert!(!report.is_complete());
}

#[test]
fn a_module_that_was_loaded_anew_answers_queries_under_its_new_number() {
    let kernel = kernel_with(3);
    let (mut client, _) = over(&kernel, |_| None);
    kernel.unload_module();
    kernel.load_module();
    assert_eq!(client.services().unwrap(), []);
    let service = Service::new(web(), Service::WLC);
    kernel.unload_module();
    kernel.load_module();
    let error = client.add_service(&service).unwrap_err();
    // The tables that the operation was meant for are gone; the caller decides.
    assert!(matches!(error, Error::NoIpvs { .. }), "{error}");
    client.add_service(&service).unwrap();
}

#[test]
fn a_module_that_goes_in_the_middle_of_a_batch() {
    let kernel = kernel_with(0);
    let unloading = kernel.clone();
    let (mut client, _) = over(&kernel, move |call| {
        if call == 0 {
            unloading.unload_module();
        }
        None
    });
    let report = client.execute(&adding(600));
    assert!(
        report.failures().len() >= 344,
        "{:?}",
        report.failures().len()
    );
    for failure in report.failures() {
        assert!(
            matches!(failure.error, Error::NoIpvs { .. }),
            "{}",
            failure.error
        );
    }
    assert!(matches!(client.info(), Err(Error::NoIpvs { .. })));
    assert!(matches!(client.daemons(), Err(Error::NoIpvs { .. })));
    let limits = client.set_timeouts(&Timeouts::default());
    assert!(matches!(limits, Err(Error::NoIpvs { .. })));
}

#[test]
fn the_kernel_s_own_mark_of_an_interrupted_dump_is_heeded() {
    let kernel = kernel_with(250);
    let interrupted = |datagram: &mut Vec<u8>| datagram[6] |= 0x10;
    let (mut client, _) = over(&kernel, at(1, Spoil::Edit(interrupted)));
    let before = kernel.log().len();
    assert_eq!(client.servers(&web()).unwrap(), kernel.servers(&web()));
    assert_eq!(kernel.log().len() - before, 2, "it was read again");
}

#[test]
fn strange_datagrams_before_the_answer_are_errors_or_nothing() {
    let kernel = kernel_with(5);
    for bytes in [
        vec![],
        vec![0],
        vec![0; 16],
        vec![255; 40],
        vec![16, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let (mut client, _) = over(&kernel, at(0, Spoil::Before(bytes.clone())));
        match client.servers(&web()) {
            Ok(entries) => assert_eq!(entries, kernel.servers(&web())),
            Err(error) => assert!(matches!(error, Error::BadAnswer { .. }), "{error}"),
        }
        assert_eq!(client.servers(&web()).unwrap(), kernel.servers(&web()));
    }
}

#[test]
fn a_daemon_that_the_kernel_stops_without_a_word_is_known_to_be_stopped() {
    // `kthread_stop` returns EINTR for a thread that never ran, and netlink does not answer it.
    let kernel = kernel_with(0);
    let (mut client, _) = over(&kernel, |_| None);
    let daemon = SyncDaemon::new(
        DaemonRole::Master,
        Name::from_static("eth0"),
        SyncId::default(),
    );
    for before in [0, 1, 3] {
        client.start_daemon(&daemon).unwrap();
        let mut operations = adding(before);
        operations.push(Operation::StopDaemon(DaemonRole::Master));
        kernel.inject(operations.len() - 1, Fault::Silence);
        let report = client.execute(&operations);
        let last = operations.len() - 1;
        assert!(report.error(last).is_none(), "{:?}", report.failures());
        assert_eq!(client.daemons().unwrap(), []);
    }
    let error = client.stop_daemon(DaemonRole::Master).unwrap_err();
    assert_eq!(
        error.errno(),
        Some(Errno::ESRCH),
        "a refusal is still heard"
    );
    kernel.inject(0, Fault::LoseAnswer);
    let error = client.stop_daemon(DaemonRole::Master).unwrap_err();
    assert!(matches!(error, Error::AnswerLost { .. }), "{error}");
}
