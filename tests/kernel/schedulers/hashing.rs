//! `dh` and `sh`: tables of 256 places, by destination and by source.

use ipvs::hashing::{Hashed, Places};
use ipvs::{ForwardMethod, ServiceFlags};

use super::crowd;
use crate::{
    lab::{Family, Lan, Tcp, Udp, V4, V6},
    rig::{PORT, Rig, marked, real, refused},
};

/// The number of virtual addresses.
const DESTINATIONS: u8 = 24;

/// The firewall mark of all packets of a family.
const MARKS: [(Family, u32); 2] = [(V4, 4), (V6, 6)];

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn sh_places_clients_by_their_address_and_by_the_order_of_servers() {
    let mut rig = crowd::rig();
    for family in Family::BOTH {
        let web = rig.balance(Tcp, family, "sh", &[1, 1, 1]);
        let servers = crowd::listed(&rig, &web, &[1, 1, 1]);
        let places = Places::sh(&servers);
        let answers = crowd::everybody(&rig, &web);
        let home = |from| places.at(from, 0);
        assert_eq!(answers.sequence(), crowd::expected(&answers, home));
        assert_eq!(answers.counts().len(), 3, "not all on one: {answers}");
        assert_eq!(
            crowd::everybody(&rig, &web),
            answers,
            "a client stays where it is"
        );

        // The same servers, added in reverse order: other places.
        rig.ipvs.delete_service(&web.key).unwrap();
        rig.add_in_order(&web, &[3, 2, 1], &[1, 1, 1]);
        let reversed: Vec<Hashed> = servers.iter().rev().copied().collect();
        let places = Places::sh(&reversed);
        let again = crowd::everybody(&rig, &web);
        let expected: Vec<String> = again
            .0
            .iter()
            .map(|a| real(places.at(a.from, 0).unwrap()))
            .collect();
        assert_eq!(again.sequence(), expected);
        assert_ne!(again, answers, "the order decides");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn sh_gives_places_by_weight() {
    let mut rig = crowd::rig();
    let weights = [1, 5, 2];
    let web = rig.balance(Tcp, V4, "sh", &weights);
    let places = Places::sh(&crowd::listed(&rig, &web, &weights));
    assert_eq!([1, 2, 3].map(|n| places.share(n)), [32, 160, 64]);
    let answers = crowd::everybody(&rig, &web);
    let home = |from| places.at(from, 0);
    assert_eq!(answers.sequence(), crowd::expected(&answers, home));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn sh_refuses_the_share_of_weight_0_unless_it_may_fall_back() {
    let mut rig = crowd::rig();
    let mut web = rig.balance(Tcp, V4, "sh", &[1, 1, 1]);
    let places = Places::sh(&crowd::listed(&rig, &web, &[1, 1, 1]));
    rig.weigh(&web, 2, 0);
    let answers = crowd::everybody(&rig, &web);
    let home = |from| places.at(from, 0).filter(|number| *number != 2);
    assert_eq!(answers.sequence(), crowd::expected(&answers, home));
    assert!(!answers.failures().is_empty(), "somebody is refused");

    web.flags = ServiceFlags::SH_FALLBACK;
    rig.ipvs.update_service(&web).unwrap();
    let with = crowd::everybody(&rig, &web);
    let other = |from| places.fall_back(from, 0, |number| number != 2);
    assert_eq!(with.sequence(), crowd::expected(&with, other));
    // Clients keep their servers.
    for (before, after) in answers.0.iter().zip(&with.0) {
        assert!(before.by.is_err() || before == after);
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn sh_port_places_every_connection_by_its_port_too() {
    let mut rig = Rig::dr();
    let mut web = rig.balance(Tcp, V4, "sh", &[1, 1, 1]);
    let places = Places::sh(&crowd::listed(&rig, &web, &[1, 1, 1]));
    assert_eq!(rig.ask(&web).times(8).run().counts().len(), 1);
    web.flags = ServiceFlags::SH_PORT | ServiceFlags::SH_FALLBACK;
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

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn dh_places_destinations_by_their_address() {
    let net = Lan::dr().virtual_addresses(DESTINATIONS).build();
    for (family, mark) in MARKS {
        net.director.mark(family, "-p udp --dport 80", mark);
    }
    let mut rig = Rig::new(net, ForwardMethod::DirectRoute);
    for (family, mark) in MARKS {
        let farm = marked(family, mark, "dh");
        // Weights count only if 0.
        rig.add(&farm, &[1, 9, 3]);
        let places = Places::dh(&crowd::listed(&rig, &farm, &[1, 9, 3]));
        for quiesced in [None, Some(2)] {
            if let Some(number) = quiesced {
                rig.weigh(&farm, number, 0);
            }
            let mut refusals = 0;
            for n in 0..DESTINATIONS {
                let at = rig.net.nth_service(family, n, PORT);
                let number = places.at(at.ip(), 0).unwrap();
                let expected = if quiesced == Some(number) {
                    refusals += 1;
                    refused()
                } else {
                    real(number)
                };
                let answers = rig.net.client(1).ask(Udp, at).run();
                assert_eq!(answers.sequence(), [expected], "{at}");
            }
            assert_eq!(refusals > 0, quiesced.is_some());
        }
    }
}
