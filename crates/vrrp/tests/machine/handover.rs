//! Planned switchover and claims.

use std::time::Duration;

use vrrp::Priority;
use vrrp::machine::{Config, Fate, Input, Phase, State};

use super::bench::{Bench, member};

const YIELD: Input = Input::Yield { until: None };
const CLAIM: Input = Input::Claim { until: None };

fn active() -> Bench {
    Bench::active(Config::new(Priority(150), member(51)))
}

#[test]
fn the_addresses_stay_until_the_peer_has_been_heard_twice() {
    let mut bench = active();
    assert_eq!(bench.input(4000, YIELD), "send 0 0");
    assert_eq!(bench.run(4500), "");
    assert_eq!(bench.hear(4600, 1, 100), Fate::TookOver);
    assert_eq!(bench.text(), "linger; (10.0.0.1 has taken over)");
    assert_eq!(bench.state(), State::Active);
    // A copy of that advert proves nothing.
    assert_eq!(bench.hear(4610, 1, 100), Fate::TookOver);
    assert_eq!(bench.run(5500), "");
    assert_eq!(bench.hear(5600, 1, 100), Fate::TookOver);
    assert_eq!(
        bench.run(5600),
        "release; active -> backup: handed over to 10.0.0.1"
    );
    // It does not preempt, although it has the higher priority.
    for second in 6..60 {
        assert_eq!(bench.hear(second * 1000, 1, 100), Fate::Followed);
    }
    // It serves if no other router does, with priority 1.
    assert!(bench.run(65_000).starts_with("send 0 1; take"));
    // The peer comes back: it takes over immediately.
    assert_eq!(bench.hear(65_000, 1, 100), Fate::SteppedBack);
    // The yield ends; now it preempts.
    assert_eq!(
        bench.input(65_100, Input::EndHold),
        "(the yield or claim has ended)"
    );
    assert_eq!(bench.hear(66_000, 1, 100), Fate::DiscardedLower);
}

#[test]
fn a_peer_that_is_confirmed_late_is_no_stall() {
    let mut bench = active();
    bench.input(4000, YIELD);
    for at in [4600, 4700, 7500] {
        bench.hear(at, 1, 100);
    }
    assert_eq!(bench.timer(), 7500);
    assert_eq!(
        bench.run(7500),
        "release; active -> backup: handed over to 10.0.0.1"
    );
}

#[test]
fn a_longer_linger_is_kept() {
    let mut config = Config::new(Priority(150), member(51));
    config.linger = Duration::from_secs(3);
    let mut bench = Bench::active(config);
    bench.input(4000, YIELD);
    for at in [4600, 5600, 6600] {
        bench.hear(at, 1, 100);
        assert_eq!(bench.run(at + 900), "");
    }
    assert!(bench.run(7600).starts_with("release"));
}

#[test]
fn a_lost_question_is_asked_again_and_without_a_peer_nothing_is_given_up() {
    let mut bench = active();
    bench.input(4000, YIELD);
    assert_eq!(
        bench.run(10_000),
        "send 0 0; send 0 0; send 0 150; take; announce; \
         (no peer has taken over; still active)"
    );
    assert_eq!(bench.phase(), Phase::Active);
    assert!(!bench.machine.is_yielded());
    assert_eq!(bench.machine.totals().gave_up, 0);
}

#[test]
fn a_peer_that_falls_silent_does_not_get_it() {
    let mut bench = active();
    bench.input(4000, YIELD);
    bench.hear(4600, 1, 100);
    let end = bench.run(9000);
    assert!(
        end.starts_with("send 0 150; take; announce; (no peer has taken over"),
        "{end}"
    );
    // Or changes its mind.
    let mut bench = active();
    bench.input(4000, YIELD);
    bench.hear(4600, 1, 100);
    assert_eq!(bench.hear(4700, 2, 0), Fate::Stray);
    assert_eq!(bench.hear(4800, 1, 0), Fate::RivalReleased);
    assert_eq!(bench.phase(), Phase::Active);
}

#[test]
fn a_stop_after_handover_waits_for_the_peer_but_not_forever() {
    let mut bench = active();
    assert_eq!(bench.input(4000, Input::StopAfterHandover), "send 0 0");
    bench.hear(4600, 1, 100);
    bench.hear(5600, 1, 100);
    assert_eq!(
        bench.run(6000),
        "release; active -> initialize: handed over to 10.0.0.1"
    );

    let mut bench = active();
    bench.input(4000, Input::StopAfterHandover);
    assert!(
        bench
            .run(10_000)
            .ends_with("send 0 0; release; active -> initialize: stopped")
    );

    let mut bench = Bench::new(100);
    bench.input(0, Input::Start);
    assert_eq!(
        bench.input(10, Input::StopAfterHandover),
        "backup -> initialize: stopped"
    );
}

#[test]
fn a_yield_with_an_end_ends() {
    let mut bench = Bench::new(150);
    bench.input(0, Input::Start);
    let until = Some(Duration::from_secs(20));
    bench.input(100, Input::Yield { until });
    for second in 1..20 {
        assert_eq!(bench.hear(second * 1000, 1, 100), Fate::Followed);
    }
    assert_eq!(bench.run(20_000), "(the yield or claim has ended)");
    assert_eq!(bench.hear(20_100, 1, 100), Fate::DiscardedLower);
}

#[test]
fn a_claim_overrides_preempt_and_priority() {
    let mut bench = Bench::new(100);
    bench.input(0, Input::Start);
    bench.hear(1000, 1, 150);
    assert_eq!(
        bench.input(1500, CLAIM),
        "send 0 151; take; announce; backup -> active: claimed by an operator"
    );
    assert_eq!(bench.hear(1600, 1, 150), Fate::Answered);
    // It ends: the peer preempts.
    bench.run(3000);
    assert_eq!(
        bench.input(3000, Input::EndHold),
        "(the yield or claim has ended); send 0 100"
    );
    assert_eq!(bench.hear(3100, 1, 150), Fate::SteppedBack);
}

#[test]
fn a_claim_ends_when_it_is_outranked() {
    let mut bench = Bench::new(100);
    bench.input(0, Input::Start);
    bench.hear(1000, 1, 150);
    bench.input(1500, CLAIM);
    assert!(bench.machine.is_claimed());
    assert_eq!(bench.hear(1600, 2, 200), Fate::SteppedBack);
    assert_eq!(bench.machine.priority(), Priority(100));
}

#[test]
fn a_claim_before_the_first_advert_outbids_the_first_router_that_is_heard() {
    for rival in [150, 100] {
        let mut bench = Bench::new(100);
        bench.input(0, Input::Start);
        assert_eq!(
            bench.input(100, CLAIM),
            "send 0 100; take; announce; backup -> active: claimed by an operator"
        );
        assert_eq!(bench.hear(200, 1, rival), Fate::Answered);
        assert_eq!(bench.machine.priority(), Priority(rival + 1));
        // Only once: that one may have been told to claim, too.
        assert_eq!(bench.hear(1300, 1, rival + 2), Fate::SteppedBack);
        assert!(!bench.machine.is_claimed());
    }
    let mut bench = Bench::new(100);
    bench.input(0, Input::Start);
    bench.input(100, CLAIM);
    assert_eq!(bench.hear(200, 1, 254), Fate::SteppedBack, "none is higher");
}

#[test]
fn a_claim_that_cannot_win_is_refused() {
    let refused = "(claim refused: not running, or the active router cannot be outranked)";
    let mut bench = Bench::new(100);
    assert_eq!(bench.input(0, CLAIM), refused);
    bench.input(0, Input::Start);
    bench.hear(1000, 1, 254);
    assert_eq!(bench.input(1100, CLAIM), refused);
    assert_eq!(bench.state(), State::Backup);
    let mut bench = active();
    assert_eq!(bench.input(4000, CLAIM), "");
}

#[test]
fn a_claim_takes_a_yield_back() {
    let mut bench = active();
    bench.input(4000, YIELD);
    bench.hear(4600, 1, 100);
    assert_eq!(bench.input(4700, CLAIM), "send 0 150; take; announce");
    assert_eq!(bench.phase(), Phase::Active);
    let mut bench = active();
    bench.input(4000, YIELD);
    assert_eq!(
        bench.input(4100, Input::EndHold),
        "(the yield or claim has ended); send 0 150; take; announce"
    );
}

#[test]
fn a_router_that_is_started_again_while_it_hands_over_stays() {
    let mut bench = active();
    bench.input(4000, Input::StopAfterHandover);
    assert_eq!(
        bench.input(4100, Input::Start),
        "send 0 150; take; announce"
    );
    assert_eq!(bench.phase(), Phase::Active);
    // Or comes back, if the peer has it already.
    let mut bench = active();
    bench.input(4000, Input::StopAfterHandover);
    bench.hear(4600, 1, 100);
    assert_eq!(bench.input(4700, Input::Start), "");
    bench.hear(5600, 1, 100);
    assert_eq!(
        bench.run(5600),
        "release; active -> backup: handed over to 10.0.0.1"
    );
    assert_eq!(bench.hear(6600, 1, 100), Fate::DiscardedLower);
}

#[test]
fn a_yield_of_an_earlier_process_goes_on() {
    let mut bench = Bench::new(150);
    let until = Some(Duration::from_secs(60));
    assert_eq!(bench.input(0, Input::RestoreYield { until }), "");
    assert_eq!(
        bench.input(0, Input::Start),
        "initialize -> backup: started"
    );
    assert_eq!(bench.machine.priority(), Priority::LEAST);
    for second in 1..60 {
        assert_eq!(bench.hear(second * 1000, 1, 100), Fate::Followed);
    }
    assert_eq!(bench.hear(60_000, 1, 100), Fate::DiscardedLower);
    assert_eq!(bench.machine.priority(), Priority(150));
    // A running one has its own.
    bench.input(61_000, Input::RestoreYield { until: None });
    assert!(!bench.machine.is_yielded());
}

#[test]
fn a_claim_of_an_earlier_process_goes_on_with_its_role_only() {
    let claim = Input::RestoreClaim {
        priority: Priority(151),
        until: None,
    };
    let mut bench = Bench::new(100);
    bench.input(0, claim);
    let last_sent = Duration::ZERO;
    assert_eq!(
        bench.input(500, Input::Resume { last_sent }),
        "send 0 151; take; announce; initialize -> active: continues for the previous process"
    );
    assert_eq!(bench.hear(600, 1, 150), Fate::Answered);
    let mut bench = Bench::new(100);
    bench.input(0, claim);
    bench.input(5000, Input::Resume { last_sent });
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(bench.machine.priority(), Priority(100));
}
