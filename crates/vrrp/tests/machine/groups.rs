//! Inside and outside network: two virtual routers with one state.

use vrrp::machine::{Config, Fate, Input, State};
use vrrp::{Interval, Priority};

use super::bench::{Bench, member};

/// Members 0 and 1, ids 52 and 51: in order the second comes first.
fn pair(priority: u8) -> Config {
    let mut config = Config::new(Priority(priority), member(52));
    config.members.push(member(51));
    config
}

#[test]
fn the_group_claims_when_all_members_are_silent() {
    let mut bench = Bench::with(pair(100));
    bench.input(0, Input::Start);
    for second in 1..=9 {
        bench.hear_on(second * 1000, 1, 1, 150);
        let expected = if second == 4 {
            "(member 0: no adverts from the active router, which is heard on other members)"
        } else {
            ""
        };
        assert_eq!(bench.text(), expected);
    }
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(
        bench.run(13_000),
        "send 0 100; send 1 100; take; announce; \
         backup -> active: no more adverts from 10.0.0.1"
    );
    assert_eq!(bench.run(13_700), "send 0 100; send 1 100");
}

#[test]
fn a_higher_priority_on_one_member_moves_all() {
    let mut bench = Bench::active(pair(100));
    assert_eq!(bench.hear_on(4000, 1, 1, 150), Fate::SteppedBack);
    assert_eq!(
        bench.text(),
        "release; active -> backup: 10.0.0.1 is active with the higher priority 150"
    );
}

#[test]
fn a_release_on_one_member_counts_for_all_until_another_speaks() {
    let mut bench = Bench::with(pair(100));
    bench.input(0, Input::Start);
    bench.hear_on(1000, 0, 1, 150);
    bench.hear_on(1000, 1, 1, 150);
    bench.hear_on(1100, 0, 1, 0);
    assert_eq!(bench.timer(), 1710);
    bench.hear_on(1500, 1, 1, 150);
    assert_eq!(bench.timer(), 1500 + 3610);
}

#[test]
fn the_tie_is_settled_by_the_lowest_id_at_which_both_hear_each_other() {
    let mut bench = Bench::active(pair(100));
    assert_eq!(bench.hear_on(4000, 0, 9, 100), Fate::Answered);
    assert_eq!(bench.hear_on(4000, 1, 1, 100), Fate::Answered);
    bench.run(5000);
    // The first in order says that we win; the higher address on the other does not count.
    assert_eq!(bench.hear_on(5000, 1, 1, 100), Fate::Answered);
    assert_eq!(bench.hear_on(5000, 0, 9, 100), Fate::Answered);
    // It falls silent there: now the other one does.
    for at in [6000, 6900] {
        bench.run(at);
        assert_eq!(bench.hear_on(at, 0, 9, 100), Fate::Answered);
    }
    bench.run(7000);
    assert_eq!(bench.hear_on(7000, 0, 9, 100), Fate::SteppedBack);

    let mut bench = Bench::active(pair(100));
    assert_eq!(bench.hear_on(4000, 1, 9, 100), Fate::SteppedBack);
}

#[test]
fn a_fault_of_one_member_releases_all_and_says_so_on_the_others() {
    let mut bench = Bench::active(pair(100));
    assert_eq!(
        bench.input(4000, Input::Fault { member: 0 }),
        "send 1 0; release; active -> initialize: member 0 is faulty"
    );
    assert_eq!(bench.input(4100, Input::Fault { member: 1 }), "");
    assert_eq!(bench.input(5000, Input::Repaired { member: 0 }), "");
    assert_eq!(
        bench.input(5000, Input::Repaired { member: 1 }),
        "initialize -> backup: the fault is gone"
    );
    assert_eq!(bench.timer(), 8610);
}

#[test]
fn a_handover_waits_for_the_peer_on_all_members() {
    let mut bench = Bench::active(pair(150));
    assert_eq!(
        bench.input(4000, Input::Yield { until: None }),
        "send 0 0; send 1 0"
    );
    bench.hear_on(4600, 0, 1, 100);
    assert_eq!(bench.text(), "");
    bench.hear_on(4601, 1, 1, 100);
    assert_eq!(bench.text(), "linger; (10.0.0.1 has taken over)");
    bench.hear_on(5600, 0, 1, 100);
    assert_eq!(bench.run(5600), "");
    bench.hear_on(5601, 1, 1, 100);
    assert!(bench.run(5601).starts_with("release"));
}

#[test]
fn members_keep_their_own_intervals() {
    let mut config = pair(100);
    config.members[1].interval = Interval::from_centiseconds(50).unwrap();
    let mut bench = Bench::active(config);
    assert_eq!(bench.run(4200), "send 1 100");
    assert_eq!(bench.run(4700), "send 0 100; send 1 100");
}
