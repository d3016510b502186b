//! `mh`: Maglev's table of 4093 places.

use ipvs::hashing::{Hashed, Places};
use ipvs::{ForwardMethod, ServiceFlags};

use super::crowd;
use crate::{
    lab::{Family, Lan, Tcp, V4, V6},
    rig::{PORT, Rig, real, service},
};

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn mh_places_clients_by_their_address_and_by_weight() {
    let mut rig = crowd::rig();
    for (family, weights) in [(V4, [1, 1, 1]), (V6, [1, 2, 5])] {
        let web = rig.balance(Tcp, family, "mh", &weights);
        let places = Places::mh(&crowd::listed(&rig, &web, &weights));
        let answers = crowd::everybody(&rig, &web);
        assert_eq!(
            answers.sequence(),
            crowd::expected(&answers, |from| places.at(from, 0))
        );
        assert_eq!(
            crowd::everybody(&rig, &web),
            answers,
            "a client stays where it is"
        );
        // The table follows the weights exactly.
        let sum: u32 = weights.iter().sum();
        for (number, weight) in (1..).zip(weights) {
            let fair = 4093 * usize::try_from(weight).unwrap() / usize::try_from(sum).unwrap();
            let share = places.share(number);
            assert!(share.abs_diff(fair) <= 5, "real{number}: {share} of {fair}");
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn mh_moves_only_the_clients_of_the_server_that_leaves() {
    let mut rig = crowd::rig();
    for family in Family::BOTH {
        let web = rig.balance(Tcp, family, "mh", &[1, 1, 1]);
        let servers = crowd::listed(&rig, &web, &[1, 1, 1]);
        let before = crowd::everybody(&rig, &web);
        rig.remove(&web, 2);
        let left: Vec<Hashed> = servers.iter().copied().filter(|s| s.number != 2).collect();
        let places = Places::mh(&left);
        let after = crowd::everybody(&rig, &web);
        assert_eq!(
            after.sequence(),
            crowd::expected(&after, |from| places.at(from, 0))
        );
        let moved = before.0.iter().zip(&after.0).filter(|(b, a)| b != a);
        assert_eq!(moved.count(), before.by("real2"), "{before} -> {after}");
        // A few other places move with them, at most one in a hundred of the whole table.
        let all = Places::mh(&servers);
        let taken_along = all.differing(&places) - all.share(2);
        assert!(taken_along <= 40, "{taken_along} of 4093");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn mh_refuses_the_share_of_weight_0_unless_it_may_fall_back() {
    let mut rig = crowd::rig();
    let mut web = rig.balance(Tcp, V4, "mh", &[1, 1, 1]);
    let places = Places::mh(&crowd::listed(&rig, &web, &[1, 1, 1]));
    // The share stays: the table uses the last weight that was not 0.
    rig.weigh(&web, 2, 0);
    let refusing = crowd::everybody(&rig, &web);
    let home = |from| places.at(from, 0).filter(|number| *number != 2);
    assert_eq!(refusing.sequence(), crowd::expected(&refusing, home));
    assert!(!refusing.failures().is_empty(), "somebody is refused");

    web.flags = ServiceFlags::MH_FALLBACK;
    rig.ipvs.update_service(&web).unwrap();
    let falling = crowd::everybody(&rig, &web);
    let other = |from| places.fall_back(from, 0, |number| number != 2);
    assert_eq!(falling.sequence(), crowd::expected(&falling, other));
    for (before, after) in refusing.0.iter().zip(&falling.0) {
        assert!(before.by.is_err() || before == after);
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn mh_gives_no_share_to_a_server_that_is_added_at_weight_0() {
    let mut rig = crowd::rig();
    let web = rig.balance(Tcp, V4, "mh", &[1, 0, 1]);
    let places = Places::mh(&crowd::listed(&rig, &web, &[1, 0, 1]));
    assert_eq!(places.share(2), 0);
    let answers = crowd::everybody(&rig, &web);
    assert_eq!(
        answers.sequence(),
        crowd::expected(&answers, |from| places.at(from, 0))
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn mh_port_places_every_connection_by_its_port_too() {
    let mut rig = Rig::dr();
    let mut web = rig.balance(Tcp, V4, "mh", &[1, 1, 1]);
    let places = Places::mh(&crowd::listed(&rig, &web, &[1, 1, 1]));
    assert_eq!(rig.ask(&web).times(8).run().counts().len(), 1);
    web.flags = ServiceFlags::MH_PORT | ServiceFlags::MH_FALLBACK;
    rig.ipvs.update_service(&web).unwrap();
    for left in [vec![1, 2, 3], vec![1, 3]] {
        if !left.contains(&2) {
            rig.weigh(&web, 2, 0);
        }
        let (open, reached) = rig.hold(&web, 24);
        let expected = open.iter().map(|connection| {
            let from = connection.source();
            let number = places.fall_back(from.ip(), from.port(), |n| left.contains(&n));
            real(number.expect("somebody is left"))
        });
        assert_eq!(reached, expected.collect::<Vec<_>>());
    }
}

/// The order decides who is asked first, and so who gets a place that two servers prefer equally:
/// one in a thousand. Two directors with the same servers in another order place nearly all clients
/// alike, not all.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn mh_depends_on_the_order_of_servers_in_a_few_places_only() {
    let net = Lan::dr().virtual_addresses(2).build();
    let mut rig = Rig::new(net, ForwardMethod::DirectRoute);
    let services = [0, 1].map(|n| {
        let at = rig.net.nth_service(V4, n, PORT);
        service(Tcp, at, "mh").with_flags(ServiceFlags::MH_PORT)
    });
    rig.add_in_order(&services[0], &[1, 2, 3], &[1, 1, 1]);
    rig.add_in_order(&services[1], &[3, 2, 1], &[1, 1, 1]);
    let servers = crowd::listed(&rig, &services[0], &[1, 1, 1]);
    let reversed: Vec<Hashed> = servers.iter().rev().copied().collect();
    let tables = [Places::mh(&servers), Places::mh(&reversed)];
    let differing = tables[0].differing(&tables[1]);
    assert!((1..=8).contains(&differing), "{differing} of 4093");

    // Ports of the client: the last is at such a place, the others are not.
    let client = rig.net.client(1).address(V4);
    let at = |port| [0, 1].map(|table: usize| tables[table].at(client, port));
    let odd = (20_000..60_000)
        .find(|port| at(*port)[0] != at(*port)[1])
        .expect("40,000 ports meet 4093 places");
    let ports = odd - 11..=odd;
    for (table, service) in services.iter().enumerate() {
        let ask = |port| rig.ask(service).port(port).run().sequence();
        let reached: Vec<String> = ports.clone().flat_map(ask).collect();
        let expected: Vec<String> = ports
            .clone()
            .map(|port| real(at(port)[table].unwrap()))
            .collect();
        assert_eq!(reached, expected, "table {table}");
    }
}
