//! `lblc` and `lblcr`: as in front of a farm of caches, one server (or set of servers) for each
//! destination address, until it is overloaded.
//!
//! A firewall-mark service takes several virtual addresses, which are the destinations.

use std::collections::BTreeMap;

use super::counted::Pool;
use crate::{
    lab::{Connection, Failure, Lan, Tcp, V4},
    rig::{Rig, marked, real},
};
use ipvs::{ForwardMethod, Service};

const DESTINATIONS: u8 = 6;

/// The servers of each destination, last chosen first.
#[derive(Default)]
struct Known(BTreeMap<u8, Vec<usize>>);

impl Known {
    /// Locality-based least-connection: the destination's server, or else `wlc`'s.
    fn lblc(&mut self, pool: &mut Pool, destination: u8) -> usize {
        let known = self.0.get(&destination).map(|set| set[0]);
        let good = known.filter(|n| pool.of(*n).weight > 0 && !overloaded(pool, *n));
        let number = good.unwrap_or_else(|| pool.wlc().expect("somebody has a weight"));
        self.0.insert(destination, vec![number]);
        number
    }

    /// With replication: the destination has a set of servers, which grows when the least loaded of
    /// it is overloaded.
    fn lblcr(&mut self, pool: &mut Pool, destination: u8) -> usize {
        let set = self.0.entry(destination).or_default();
        let known = Pool(set.iter().map(|n| *pool.of(*n)).collect()).wlc();
        let good = known.filter(|n| !overloaded(pool, *n));
        let number = good.unwrap_or_else(|| pool.wlc().expect("somebody has a weight"));
        if !set.contains(&number) {
            set.insert(0, number);
        }
        number
    }
}

/// More active connections than its weight, while another server has fewer than half of its own.
fn overloaded(pool: &mut Pool, number: usize) -> bool {
    let seen = *pool.of(number);
    seen.active > seen.weight && pool.0.iter().any(|other| other.active * 2 < other.weight)
}

/// A farm whose destinations are the virtual addresses.
fn farm(scheduler: &str, weights: &[u32]) -> (Rig, Service) {
    let net = Lan::dr().virtual_addresses(DESTINATIONS).build();
    net.director.mark(V4, "-p tcp --dport 80", 7);
    let mut rig = Rig::new(net, ForwardMethod::DirectRoute);
    let caches = marked(V4, 7, scheduler);
    rig.add(&caches, weights);
    (rig, caches)
}

/// Opens a connection to a destination and returns its server.
fn visit(rig: &Rig, destination: u8) -> Result<(Connection, String), Failure> {
    let at = rig.net.nth_service(V4, destination, 80);
    let mut open = rig.net.client(1).connect(Tcp, at)?;
    let name = open.ask()?;
    Ok((open, name))
}

/// Visits destinations, leaving all connections open, and compares each step with the model.
fn follows(
    rig: &Rig,
    pool: &mut Pool,
    visits: &[u8],
    mut choose: impl FnMut(&mut Pool, u8) -> usize,
) -> Vec<Connection> {
    let mut held = Vec::new();
    for (step, destination) in visits.iter().enumerate() {
        let number = choose(pool, *destination);
        pool.of(number).active += 1;
        let (open, name) = visit(rig, *destination).unwrap();
        held.push(open);
        assert_eq!(name, real(number), "visit {step}, to {destination}");
    }
    held
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn lblc_keeps_a_destination_on_its_server() {
    let (rig, _) = farm("lblc", &[9, 9, 9]);
    let mut pool = Pool::new(&[9, 9, 9]);
    let mut known = Known::default();
    let visits = [0, 1, 2, 3, 4, 5, 0, 0, 1, 1, 2, 3, 4, 5, 5];
    let _held = follows(&rig, &mut pool, &visits, |p, d| known.lblc(p, d));
    let servers: Vec<usize> = known.0.values().map(|set| set[0]).collect();
    assert_eq!(servers, [3, 2, 1, 3, 2, 1], "first visits go by wlc");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn lblc_moves_a_destination_from_an_overloaded_server() {
    let (rig, _) = farm("lblc", &[2, 2, 2]);
    let mut pool = Pool::new(&[2, 2, 2]);
    let mut known = Known::default();
    let visits = [0; 12];
    let _held = follows(&rig, &mut pool, &visits, |p, d| known.lblc(p, d));
    let actives: Vec<u64> = pool.0.iter().map(|seen| seen.active).collect();
    // Three each until none is idle enough, then the last one gets everything.
    assert_eq!(actives, [3, 3, 6]);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn lblcr_spreads_a_destination_over_a_set_that_grows_under_load() {
    let (rig, _) = farm("lblcr", &[2, 2, 2]);
    let mut pool = Pool::new(&[2, 2, 2]);
    let mut known = Known::default();
    let visits = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0];
    let _held = follows(&rig, &mut pool, &visits, |p, d| known.lblcr(p, d));
    assert!(known.0[&0].len() > 1, "the set of destination 0 has grown");
    assert_eq!(known.0[&1].len(), 1, "destination 1 has kept one server");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn neither_chooses_weight_0_and_both_move_its_destinations() {
    for scheduler in ["lblc", "lblcr"] {
        let (mut rig, caches) = farm(scheduler, &[9, 0, 9]);
        let mut pool = Pool::new(&[9, 0, 9]);
        let mut known = Known::default();
        let mut choose = |pool: &mut Pool, destination: u8| match scheduler {
            "lblc" => known.lblc(pool, destination),
            _ => known.lblcr(pool, destination),
        };
        let held = follows(&rig, &mut pool, &[0, 1, 2, 3, 0, 1], &mut choose);
        assert_eq!(pool.of(2).active, 0, "{scheduler}");
        // The server of destination 0 gets weight 0: the destination moves to another one.
        let before = visit(&rig, 0).unwrap().1;
        assert_eq!(before, real(3), "{scheduler}");
        drop(held);
        rig.weigh(&caches, 3, 0);
        for destination in [0, 0, 1, 2] {
            assert_eq!(visit(&rig, destination).unwrap().1, real(1), "{scheduler}");
        }
        rig.weigh(&caches, 1, 0);
        let refused = visit(&rig, 0).map(|(_, name)| name);
        assert_eq!(refused, Err(Failure::Refused), "{scheduler}");
    }
}
