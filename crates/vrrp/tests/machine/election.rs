//! Who becomes active, when, and why.

use std::time::Duration;

use vrrp::machine::{Config, Fate, Input, Preempt, State};
use vrrp::{Interval, Priority, Version};

use super::bench::{Bench, member};

#[test]
fn alone_it_listens_for_three_intervals_and_the_skew_time() {
    let mut bench = Bench::new(100);
    assert_eq!(bench.state(), State::Initialize);
    assert_eq!(
        bench.input(0, Input::Start),
        "initialize -> backup: started"
    );
    assert_eq!(bench.timer(), 3610);
    assert_eq!(bench.run(3609), "");
    assert_eq!(
        bench.run(3610),
        "send 0 100; take; announce; backup -> active: no active router was heard"
    );
    // Then an advert a second, in step.
    assert_eq!(bench.run(6700), "send 0 100; send 0 100; send 0 100");
}

#[test]
fn the_owner_does_not_ask() {
    let mut bench = Bench::new(255);
    assert_eq!(
        bench.input(0, Input::Start),
        "send 0 255; take; announce; initialize -> active: owns the addresses"
    );
}

#[test]
fn a_backup_follows_and_takes_over_when_the_adverts_stop() {
    let mut bench = Bench::new(100);
    bench.input(0, Input::Start);
    for second in 1..20 {
        assert_eq!(bench.run(second * 1000), "");
        assert_eq!(bench.hear(second * 1000, 1, 150), Fate::Followed);
    }
    assert_eq!(bench.timer(), 19_000 + 3610);
    assert_eq!(
        bench.run(30_000).split("; ").nth(3),
        Some("backup -> active: no more adverts from 10.0.0.1")
    );
}

#[test]
fn priority_0_is_taken_over_after_the_skew_time() {
    let mut bench = Bench::new(100);
    bench.input(0, Input::Start);
    bench.hear(1000, 1, 150);
    assert_eq!(bench.hear(1200, 1, 0), Fate::Released);
    assert_eq!(bench.timer(), 1200 + 610);
    assert_eq!(
        bench.run(1810),
        "send 0 100; take; announce; backup -> active: 10.0.0.1 released the addresses"
    );
}

#[test]
fn version_2_skews_by_a_part_of_a_second() {
    let mut config = Config::new(Priority(100), member(51));
    config.members[0].version = Version::V2;
    config.members[0].interval = Interval::from_seconds(3).unwrap();
    let mut bench = Bench::with(config);
    bench.interval = Interval::from_seconds(3).unwrap();
    bench.input(0, Input::Start);
    assert_eq!(bench.timer(), 9610);
    bench.hear(1000, 1, 150);
    assert_eq!(bench.timer(), 10_610);
    bench.hear(1100, 1, 0);
    assert_eq!(bench.timer(), 1710);
}

#[test]
fn version_3_learns_the_interval_of_the_active_router() {
    let mut bench = Bench::new(100);
    bench.interval = Interval::from_centiseconds(10).unwrap();
    bench.input(0, Input::Start);
    bench.hear(1000, 1, 150);
    assert_eq!(
        bench.text(),
        "(member 0: the active router sends every 100 ms)"
    );
    assert_eq!(bench.timer(), 1361);
    // Its own adverts keep their own interval.
    bench.run(1361);
    assert_eq!(bench.timer(), 2361);
}

#[test]
fn a_higher_priority_preempts_when_the_timer_has_run_out() {
    let mut bench = Bench::new(150);
    bench.input(0, Input::Start);
    for second in 1..=3 {
        assert_eq!(bench.hear(second * 1000, 1, 100), Fate::DiscardedLower);
    }
    assert_eq!(
        bench.run(3500),
        "send 0 150; take; announce; \
         backup -> active: preempts 10.0.0.1, which has priority 100"
    );
    // The other one has not heard it yet: it is told immediately.
    assert_eq!(bench.hear(3600, 1, 100), Fate::Answered);
}

#[test]
fn without_preempt_it_follows_a_lower_priority() {
    let mut config = Config::new(Priority(150), member(51));
    config.preempt = Preempt::Never;
    let mut bench = Bench::with(config);
    bench.input(0, Input::Start);
    for second in 1..60 {
        assert_eq!(bench.hear(second * 1000, 1, 100), Fate::FollowedLower);
        assert_eq!(bench.run(second * 1000), "");
    }
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn preempt_after_a_delay_counts_from_the_first_advert_that_it_outranks() {
    let mut config = Config::new(Priority(150), member(51));
    config.preempt = Preempt::After(Duration::from_secs(10));
    let mut bench = Bench::with(config);
    bench.input(0, Input::Start);
    let mut first_discarded = 0;
    for second in 1..30 {
        bench.run(second * 1000);
        if bench.hear(second * 1000, 1, 100) == Fate::DiscardedLower && first_discarded == 0 {
            first_discarded = second;
        }
    }
    assert_eq!(first_discarded, 11);
    assert_eq!(bench.state(), State::Active);
    // A higher priority in between begins the count anew.
    let mut config = Config::new(Priority(150), member(51));
    config.preempt = Preempt::After(Duration::from_secs(10));
    let mut bench = Bench::with(config);
    bench.input(0, Input::Start);
    for second in 1..30 {
        let priority = if second % 8 == 0 { 200 } else { 100 };
        assert_ne!(bench.hear(second * 1000, 1, priority), Fate::DiscardedLower);
    }
}

#[test]
fn equal_priority_never_preempts() {
    let mut bench = Bench::new(100);
    bench.input(0, Input::Start);
    for second in 1..60 {
        // 10.0.0.1 is the lower address.
        assert_eq!(bench.hear(second * 1000, 1, 100), Fate::Followed);
    }
}

#[test]
fn two_active_ones_settle_it_by_priority_and_then_by_address() {
    let mut bench = Bench::active(Config::new(Priority(100), member(51)));
    assert_eq!(bench.hear(4000, 1, 100), Fate::Answered);
    assert_eq!(bench.hear(4010, 9, 99), Fate::AnsweredBefore);
    assert_eq!(bench.hear(4300, 9, 99), Fate::Answered);
    assert_eq!(bench.hear(4400, 9, 100), Fate::SteppedBack);
    assert_eq!(
        bench.text(),
        "release; active -> backup: \
         10.0.0.9 is active with the same priority and a higher address"
    );
    assert_eq!(bench.timer(), 4400 + 3610);

    let mut bench = Bench::active(Config::new(Priority(100), member(51)));
    assert_eq!(bench.hear(4400, 1, 101), Fate::SteppedBack);
    assert_eq!(
        bench.text(),
        "release; active -> backup: 10.0.0.1 is active with the higher priority 101"
    );
}

#[test]
fn a_stray_priority_0_of_the_former_active_router_is_ignored() {
    let mut bench = Bench::new(100);
    bench.input(0, Input::Start);
    bench.hear(1000, 1, 150);
    bench.hear(1100, 2, 120);
    assert_eq!(bench.hear(1150, 1, 0), Fate::Stray);
    assert_eq!(bench.timer(), 1100 + 3610);
}

#[test]
fn a_changed_priority_is_sent_immediately_and_moves_the_timer() {
    let mut bench = Bench::active(Config::new(Priority(150), member(51)));
    assert_eq!(
        bench.input(4000, Input::Priority(Priority(90))),
        "send 0 90"
    );
    assert_eq!(bench.input(4001, Input::Priority(Priority(90))), "");
    // The address stays until the peer speaks.
    assert_eq!(bench.state(), State::Active);
    assert_eq!(bench.hear(4500, 1, 100), Fate::SteppedBack);
    assert_eq!(bench.timer(), 4500 + 3649);
    bench.input(4600, Input::Priority(Priority(200)));
    assert_eq!(bench.timer(), 4500 + 3219);
    bench.input(4600, Input::Priority(Priority(0)));
    assert_eq!(bench.machine.priority(), Priority(1));
}

#[test]
fn it_claims_nothing_before_it_is_ready() {
    let mut config = Config::new(Priority(255), member(51));
    config.startup_delay = Duration::from_secs(30);
    let mut bench = Bench::with(config.clone());
    assert_eq!(bench.input(0, Input::Start), "");
    assert_eq!(bench.hear(1000, 1, 100), Fate::Observed);
    assert_eq!(bench.run(29_999), "");
    assert!(
        bench
            .run(30_000)
            .ends_with("initialize -> active: owns the addresses")
    );

    let mut bench = Bench::with(config);
    bench.input(0, Input::Start);
    let ready = bench.input(5000, Input::Ready);
    assert!(ready.ends_with("initialize -> active: owns the addresses"));
}

#[test]
fn a_stop_says_so_and_lets_go() {
    let mut bench = Bench::active(Config::new(Priority(100), member(51)));
    assert_eq!(
        bench.input(4000, Input::Stop),
        "send 0 0; release; active -> initialize: stopped"
    );
    assert_eq!(bench.machine.timer(), None);
    assert_eq!(bench.hear(4100, 1, 100), Fate::Observed);
    assert_eq!(
        bench.input(5000, Input::Start),
        "initialize -> backup: started"
    );
}

#[test]
fn a_process_that_takes_over_goes_on_as_the_active_router() {
    let mut bench = Bench::new(100);
    let last_sent = Duration::from_secs(1000);
    assert_eq!(
        bench.input(1_002_900, Input::Resume { last_sent }),
        "send 0 100; take; announce; \
         initialize -> active: continues for the previous process"
    );
    let mut bench = Bench::new(100);
    assert_eq!(
        bench.input(1_003_001, Input::Resume { last_sent }),
        "initialize -> backup: started"
    );
}
