//! `rr` and `wrr`: in turns.

use super::counted::Pool;
use crate::{
    lab::{Family, Tcp, V4, V6},
    rig::{Rig, real, refused},
};

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn rr_gives_every_server_its_turn_whatever_it_weighs() {
    let mut rig = Rig::dr();
    for family in Family::BOTH {
        let weights = [5, 1, 3];
        let web = rig.balance(Tcp, family, "rr", &weights);
        let answers = rig.ask(&web).times(30).run();
        assert_eq!(answers.to_string(), "real1=10 real2=10 real3=10");
        assert_eq!(answers.sequence(), Pool::new(&weights).rr(30));
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn rr_passes_over_weight_0_and_refuses_when_nothing_else_is_left() {
    let mut rig = Rig::dr();
    let web = rig.balance(Tcp, V4, "rr", &[1, 0, 1]);
    let answers = rig.ask(&web).times(20).run();
    assert_eq!(answers.sequence(), Pool::new(&[1, 0, 1]).rr(20));
    rig.weigh(&web, 1, 0);
    rig.weigh(&web, 3, 0);
    assert_eq!(rig.ask(&web).run().sequence(), [refused()]);
    rig.weigh(&web, 2, 1);
    assert_eq!(rig.ask(&web).run().sequence(), [real(2)]);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn wrr_gives_turns_exactly_by_weight() {
    let mut rig = Rig::dr();
    // With the greatest common divisors 1 and 2, a round is 7 turns, and 6.
    for (family, weights, spread) in [
        (V4, [4, 2, 1], "real1=16 real2=8 real3=4"),
        (V6, [6, 4, 2], "real1=12 real2=8 real3=4"),
    ] {
        let web = rig.balance(Tcp, family, "wrr", &weights);
        let times = if family == V4 { 28 } else { 24 };
        let answers = rig.ask(&web).times(times).run();
        assert_eq!(answers.to_string(), spread);
        assert_eq!(answers.sequence(), Pool::new(&weights).wrr(times));
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn wrr_never_chooses_weight_0() {
    let mut rig = Rig::dr();
    let web = rig.balance(Tcp, V4, "wrr", &[0, 3, 1]);
    let answers = rig.ask(&web).times(16).run();
    assert_eq!(answers.to_string(), "real2=12 real3=4");
    assert_eq!(answers.sequence(), Pool::new(&[0, 3, 1]).wrr(16));
    // The weights change while it runs: the new ones apply from the next round on.
    rig.weigh(&web, 2, 0);
    assert_eq!(rig.ask(&web).times(5).run().to_string(), "real3=5");
    rig.weigh(&web, 3, 0);
    assert_eq!(rig.ask(&web).run().sequence(), [refused()]);
}
