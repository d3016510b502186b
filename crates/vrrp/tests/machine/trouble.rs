//! Stalls, failing sends, faults, floods, odd times.

use std::time::Duration;

use vrrp::Priority;
use vrrp::machine::{Action, Config, Fate, Input, Phase, State};

use super::bench::{Bench, member};

fn active() -> Bench {
    Bench::active(Config::new(Priority(100), member(51)))
}

#[test]
fn an_active_router_whose_claim_has_lapsed_says_nothing_and_listens() {
    // Its last advert was at 3,610 ms.
    let mut bench = active();
    assert_eq!(
        bench.input(6611, Input::Timer),
        "release; active -> backup: did not run: no advert for 3001 ms"
    );
    assert_eq!(bench.timer(), 6611 + 3610);
    assert_eq!(bench.machine.totals().stalls, 1);
    // Whatever wakes it, also an advert from the queue.
    let mut bench = active();
    assert_eq!(bench.hear(9000, 1, 90), Fate::DiscardedLower);
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn a_late_advert_within_the_claim_is_sent_and_counted() {
    let mut bench = active();
    assert_eq!(bench.input(6500, Input::Timer), "send 0 100");
    let totals = *bench.machine.totals();
    assert_eq!((totals.late, totals.stalls), (1, 0));
    assert_eq!(totals.latest.as_millis(), 1890);
    assert_eq!(bench.timer(), 7500);
}

#[test]
fn a_backup_that_was_stalled_listens_once_more() {
    let mut bench = Bench::new(100);
    bench.input(0, Input::Start);
    assert_eq!(
        bench.input(4700, Input::Timer),
        "(did not run for 1090 ms; listens first)"
    );
    assert_eq!(bench.timer(), 4700 + 3610);
    // By chance late is not stalled.
    assert!(
        bench
            .input(8400, Input::Timer)
            .starts_with("send 0 100; take")
    );
}

#[test]
fn the_bound_of_a_stall_can_be_set() {
    let mut config = Config::new(Priority(100), member(51));
    config.stall = Some(Duration::from_millis(200));
    let mut bench = Bench::active(config);
    assert!(bench.input(4900, Input::Timer).starts_with("release"));
    assert!(bench.input(8800, Input::Timer).starts_with("(did not run"));
}

#[test]
fn a_handover_that_was_stalled_is_over() {
    let mut bench = active();
    bench.input(4000, Input::Yield { until: None });
    assert!(
        bench
            .input(9000, Input::Timer)
            .starts_with("release; active -> backup")
    );
    let mut bench = active();
    bench.input(4000, Input::StopAfterHandover);
    assert!(
        bench
            .input(9000, Input::Timer)
            .starts_with("release; active -> initialize")
    );
}

#[test]
fn adverts_that_cannot_be_sent_are_tried_until_the_claim_lapses() {
    let mut bench = active();
    let failed = Input::SendFailed { member: 0 };
    // The firewall is reloaded: one is lost.
    bench.run(4700);
    assert_eq!(bench.input(4700, failed), "");
    assert_eq!(bench.run(6700), "send 0 100; send 0 100");
    // It is lost for good: the last one was at 6,609 ms.
    for at in [7610, 8610, 9608] {
        bench.run(at);
        bench.input(at, failed);
    }
    assert_eq!(
        bench.input(9620, Input::Timer),
        "release; active -> initialize: member 0 cannot send adverts"
    );
    assert_eq!(bench.phase(), Phase::Fault);
    assert_eq!(bench.machine.counters(0).unwrap().send_failures, 4);
    // It tries again later, and gives up at the first failure.
    assert_eq!(bench.run(19_619), "");
    assert_eq!(bench.run(19_620), "initialize -> backup: the fault is gone");
    bench.run(23_230);
    assert_eq!(bench.state(), State::Active);
    assert_eq!(
        bench.input(23_230, failed),
        "release; active -> initialize: member 0 cannot send adverts"
    );
    // Adverts that go out end the probation.
    bench.run(39_000);
    assert_eq!(bench.state(), State::Active);
    assert_eq!(bench.input(39_000, failed), "");
}

#[test]
fn the_first_advert_may_fail_as_well() {
    let mut bench = Bench::new(255);
    bench.input(50_000, Input::Start);
    bench.input(50_000, Input::SendFailed { member: 0 });
    assert_eq!(bench.input(51_000, Input::Timer), "send 0 255");
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn a_fault_before_or_during_the_start_delays_it() {
    let mut config = Config::new(Priority(100), member(51));
    config.startup_delay = Duration::from_secs(10);
    let mut bench = Bench::with(config);
    bench.input(0, Input::Fault { member: 0 });
    let started = bench.input(100, Input::Start);
    assert_eq!(started, "initialize -> initialize: started");
    assert_eq!(bench.phase(), Phase::Fault);
    bench.input(200, Input::Repaired { member: 0 });
    assert!(matches!(bench.phase(), Phase::Starting { .. }));
    let faulty = bench.input(300, Input::Fault { member: 0 });
    assert!(faulty.starts_with("initialize -> initialize: "), "{faulty}");
    bench.input(400, Input::Repaired { member: 0 });
    assert_eq!(
        bench.run(20_000).split("; ").next(),
        Some("initialize -> backup: started")
    );
}

#[test]
fn a_flood_of_lower_priorities_costs_four_answers_an_interval_and_no_advert() {
    let mut bench = active();
    let mut sent = 0;
    for tenth in 0..10_000_u64 {
        let at = 4000 + tenth / 10;
        sent += bench.run(at).matches("send").count();
        bench.hear(at, 1, u8::try_from(tenth % 90).unwrap());
        sent += bench.text().matches("send").count();
        assert!(bench.actions.len() <= 4);
    }
    assert!((5..=6).contains(&sent), "{sent}");
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn time_that_goes_back_or_to_the_end_does_no_harm() {
    let mut bench = active();
    bench.input(5, Input::Timer);
    assert_eq!(bench.state(), State::Active);
    let mut actions = Vec::new();
    for input in [
        Input::Timer,
        Input::Yield {
            until: Some(Duration::MAX),
        },
        Input::Claim {
            until: Some(Duration::ZERO),
        },
        Input::Timer,
        Input::Fault { member: 7 },
        Input::SendFailed { member: usize::MAX },
        Input::Repaired { member: 1 },
    ] {
        bench.machine.handle(Duration::MAX, input, &mut actions);
    }
    assert!(actions.contains(&Action::ReleaseAddresses));
}
