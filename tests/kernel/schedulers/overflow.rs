//! `fo` and `ovf`: one server until it is full.

use super::counted::Pool;
use crate::{
    lab::{Failure, Tcp, V4},
    rig::Rig,
};

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn fo_uses_the_heaviest_alone() {
    let mut rig = Rig::dr();
    let web = rig.balance(Tcp, V4, "fo", &[1, 3, 2]);
    assert_eq!(Pool::new(&[1, 3, 2]).fo(&[]), Some(2));
    assert_eq!(rig.ask(&web).times(20).run().to_string(), "real2=20");
    // At weight 0 it is out, and only the next heaviest is left.
    rig.weigh(&web, 2, 0);
    assert_eq!(Pool::new(&[1, 0, 2]).fo(&[]), Some(3));
    assert_eq!(rig.ask(&web).times(10).run().to_string(), "real3=10");
    rig.weigh(&web, 2, 3);
    assert_eq!(rig.ask(&web).times(5).run().to_string(), "real2=5");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn fo_goes_on_to_the_next_when_the_heaviest_is_overloaded() {
    let mut rig = Rig::dr();
    let web = rig.balance(Tcp, V4, "fo", &[1, 3, 2]);
    for (number, upper) in [(2, 2), (3, 1)] {
        let server = rig.look(&web, number).server.thresholds(upper, 0);
        rig.ipvs.update_server(&web.key, &server).unwrap();
    }
    let mut pool = Pool::new(&[1, 3, 2]);
    let expected = pool.hold(6, |pool| {
        let full = |number: usize, upper: u64| {
            let seen = pool.0.iter().find(|seen| seen.number == number);
            seen.filter(|seen| seen.active >= upper).map(|_| number)
        };
        let overloaded: Vec<usize> = [full(2, 2), full(3, 1)].into_iter().flatten().collect();
        pool.fo(&overloaded)
    });
    assert_eq!(
        expected,
        ["real2", "real2", "real3", "real1", "real1", "real1"]
    );
    let (_open, reached) = rig.hold(&web, 6);
    assert_eq!(reached, expected);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn ovf_overflows_when_a_server_has_more_active_connections_than_its_weight() {
    let mut rig = Rig::dr();
    let web = rig.balance(Tcp, V4, "ovf", &[1, 3, 2]);
    let mut pool = Pool::new(&[1, 3, 2]);
    // One more than each weight: 4 + 3 + 2.
    let expected = pool.hold(9, Pool::ovf);
    let (open, reached) = rig.hold(&web, 9);
    assert_eq!(reached, expected);
    assert_eq!(pool.ovf(), None, "all are full");
    let refused = rig.ask(&web).connect().map(|_| ());
    assert_eq!(refused, Err(Failure::Refused));
    // One ends: its server is the heaviest with room again. Closed connections are inactive.
    let place = reached.iter().position(|name| name == "real3").unwrap();
    let mut open = open;
    open.remove(place).half_close().unwrap();
    crate::lab::eventually("real3 has room", || {
        (rig.load(&web, 3).0 == 2).then_some(())
    });
    assert_eq!(rig.ask(&web).run().to_string(), "real3=1");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn ovf_never_chooses_weight_0() {
    let mut rig = Rig::dr();
    let web = rig.balance(Tcp, V4, "ovf", &[1, 0, 2]);
    let mut pool = Pool::new(&[1, 0, 2]);
    let expected = pool.hold(5, Pool::ovf);
    let (_open, reached) = rig.hold(&web, 5);
    assert_eq!(reached, expected);
    let refused = rig.ask(&web).connect().map(|_| ());
    assert_eq!(refused, Err(Failure::Refused), "rather nobody than real2");
}
