//! `lc`, `wlc`, `sed`, `nq`: by the connections held open.

use super::counted::Pool;
use crate::{
    lab::{Family, Tcp, V4, V6, eventually},
    rig::Rig,
};

/// Holds this many connections to a new service and compares them one by one with the model.
fn follows(
    rig: &mut Rig,
    family: Family,
    scheduler: &str,
    weights: &[u32],
    times: usize,
    choose: impl Fn(&Pool) -> Option<usize>,
) {
    let web = rig.balance(Tcp, family, scheduler, weights);
    let mut pool = Pool::new(weights);
    let expected = pool.hold(times, choose);
    let (_open, reached) = rig.hold(&web, times);
    assert_eq!(reached, expected, "{scheduler} with {weights:?}");
    for seen in pool.0 {
        let load = rig.load(&web, seen.number);
        assert_eq!(u64::from(load.0), seen.active, "active of {}", seen.number);
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn lc_takes_the_server_with_the_fewest_connections_whatever_it_weighs() {
    let mut rig = Rig::dr();
    follows(&mut rig, V4, "lc", &[9, 1, 3], 9, Pool::lc);
    follows(&mut rig, V6, "lc", &[9, 1, 0], 6, Pool::lc);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn wlc_takes_the_server_with_the_fewest_connections_for_its_weight() {
    let mut rig = Rig::dr();
    follows(&mut rig, V4, "wlc", &[4, 2, 1], 14, Pool::wlc);
    follows(&mut rig, V6, "wlc", &[4, 0, 1], 10, Pool::wlc);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn sed_counts_the_connection_to_come() {
    let mut rig = Rig::dr();
    // The heavy one gets the first three, where wlc gives the first to the last in the list.
    assert_eq!(
        Pool::new(&[4, 2, 1]).hold(3, Pool::sed),
        ["real1", "real2", "real1"]
    );
    assert_eq!(Pool::new(&[4, 2, 1]).hold(1, Pool::wlc), ["real3"]);
    follows(&mut rig, V4, "sed", &[4, 2, 1], 14, Pool::sed);
    follows(&mut rig, V6, "sed", &[0, 2, 1], 9, Pool::sed);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn nq_fills_idle_servers_before_it_goes_by_delay() {
    let mut rig = Rig::dr();
    assert_eq!(
        Pool::new(&[8, 2, 1]).hold(4, Pool::nq),
        ["real3", "real2", "real1", "real1"]
    );
    follows(&mut rig, V4, "nq", &[8, 2, 1], 14, Pool::nq);
    follows(&mut rig, V6, "nq", &[8, 2, 0], 10, Pool::nq);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn an_inactive_connection_counts_a_256th_for_lc_and_wlc_and_nothing_for_sed() {
    for (scheduler, choose) in [
        ("lc", Pool::lc as fn(&Pool) -> Option<usize>),
        ("wlc", Pool::wlc),
        ("sed", Pool::sed),
    ] {
        let mut rig = Rig::nat();
        let web = rig.balance(Tcp, V6, scheduler, &[1, 1, 1]);
        let mut pool = Pool::new(&[1, 1, 1]);
        let expected = pool.hold(3, choose);
        let (open, reached) = rig.hold(&web, 3);
        assert_eq!(reached, expected, "{scheduler}");
        // real3, the first in the list, has an inactive connection, the others an active one each.
        open[0].half_close().unwrap();
        pool.of(3).active = 0;
        pool.of(3).inactive = 1;
        eventually("the half-closed connection is inactive", || {
            (rig.load(&web, 3) == (0, 1)).then_some(())
        });
        let expected = pool.hold(4, choose);
        let (_more, reached) = rig.hold(&web, 4);
        assert_eq!(reached, expected, "{scheduler} after a half-close");
    }
}
