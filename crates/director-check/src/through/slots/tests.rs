use std::net::SocketAddr;

use ipvs::fake::FakeKernel;
use ipvs::{Client, Tunnel};
use proptest::prelude::*;

use super::*;
use director_config::state::{Observed, ObservedServer};

const LIFETIME: Duration = Duration::from_secs(310);

fn at(seconds: u64) -> BootTime {
    BootTime(Duration::from_secs(seconds))
}

/// A check of server `server` at virtual address `address`, once per second.
fn wish(address: u8, server: u8) -> Wish {
    Wish {
        door: Door {
            to: ([192, 0, 2, address], 80).into(),
            server: [10, 0, 0, server].into(),
        },
        forward: ForwardMethod::DirectRoute,
        tunnel: Tunnel::IPIP,
        every: Some(Duration::from_secs(1)),
    }
}

fn small() -> Slots {
    let marks = MarkRange {
        first: 1000,
        last: 1031,
    };
    Slots::new(marks, (20_000, 20_000 + 8 * BLOCK - 1))
}

fn ports(slots: &Slots, door: &Door) -> BTreeSet<u16> {
    let passage = slots.passages(at(0)).remove(door).unwrap();
    (0..passage.ports()).map(|_| passage.next_port()).collect()
}

/// A kernel and its private services.
struct Kernel(Client<FakeKernel>);

impl Kernel {
    fn new() -> Self {
        Self(Client::over(FakeKernel::new()).unwrap())
    }

    fn private(&mut self) -> BTreeMap<ServiceKey, ObservedService> {
        let mut observed = Observed {
            services: Observed::services(self.0.table_of(ObservedServer::from).unwrap()),
            ..Observed::default()
        };
        observed.hide_private(&MarkRange {
            first: 1000,
            last: 1031,
        });
        assert!(observed.services.is_empty(), "nothing private is seen");
        observed.private
    }

    fn carry_out(&mut self, slots: &Slots) {
        let operations = slots.operations(&self.private());
        self.0.execute(&operations).into_result().unwrap();
        let again = slots.operations(&self.private());
        assert!(again.is_empty(), "nothing is left to do: {again:?}");
    }
}

#[test]
fn each_door_has_its_private_service_and_no_other_is_left() {
    let (mut slots, mut kernel) = (small(), Kernel::new());
    let wishes = [wish(1, 1), wish(1, 2), wish(2, 1)];
    assert_eq!(slots.assign(&wishes, LIFETIME, at(0)), []);
    kernel.carry_out(&slots);
    let private = kernel.private();
    assert_eq!(private.len(), 3);
    for (door, passage) in slots.passages(at(0)) {
        let key = ServiceKey::fwmark(Family::V4, Fwmark::new(passage.mark).unwrap());
        let [server] = private[&key].servers.values().copied().collect::<Vec<_>>()[..] else {
            panic!("one server");
        };
        assert_eq!(server.server.key.address, door.server);
        assert_eq!(server.server.forward, ForwardMethod::DirectRoute);
    }
    assert_eq!(slots.assign(&[], LIFETIME, at(1)), []);
    kernel.carry_out(&slots);
    assert!(kernel.private().is_empty());
}

#[test]
fn marks_and_ports_outlive_a_restart() {
    let (mut slots, mut kernel) = (small(), Kernel::new());
    // In an order in which hashing alone would place them differently.
    slots.assign(&[wish(1, 3)], LIFETIME, at(0));
    slots.assign(&[wish(1, 3), wish(1, 1), wish(2, 3)], LIFETIME, at(0));
    kernel.carry_out(&slots);
    let mut next = small();
    next.recover(&kernel.private());
    let wishes = [wish(1, 1), wish(1, 3), wish(2, 3), wish(1, 4)];
    assert_eq!(next.assign(&wishes, LIFETIME, at(5)), []);
    for wish in &wishes[..3] {
        let (before, after) = (slots.passages(at(0)), next.passages(at(0)));
        assert_eq!(before[&wish.door].mark, after[&wish.door].mark);
        assert_eq!(ports(&slots, &wish.door), ports(&next, &wish.door));
    }
    let operations = next.operations(&kernel.private());
    assert_eq!(operations.len(), 2, "the new one is made: {operations:?}");
}

#[test]
fn a_change_by_another_program_is_repaired() {
    let (mut slots, mut kernel) = (small(), Kernel::new());
    slots.assign(&[wish(1, 1), wish(1, 2)], LIFETIME, at(0));
    kernel.carry_out(&slots);
    let keys: Vec<_> = kernel.private().into_keys().collect();
    let stranger = Server::new(
        ServerKey::new([10, 0, 0, 9], 80),
        ForwardMethod::DirectRoute,
    );
    kernel.0.delete_service(&keys[0]).unwrap();
    let server = *kernel.private()[&keys[1]].servers.keys().next().unwrap();
    kernel.0.delete_server(&keys[1], &server).unwrap();
    kernel.0.add_server(&keys[1], &stranger).unwrap();
    kernel.carry_out(&slots);
    assert_eq!(kernel.private().len(), 2);
}

#[test]
fn ports_whose_service_was_away_are_not_used_again() {
    let (mut slots, mut kernel) = (small(), Kernel::new());
    let wishes = [wish(1, 1), wish(1, 2)];
    slots.assign(&wishes, LIFETIME, at(0));
    // Not created yet: nothing has gone astray.
    slots.spoil(&kernel.private(), LIFETIME, at(0));
    slots.assign(&wishes, LIFETIME, at(0));
    let before = wishes.each_ref().map(|wish| ports(&slots, &wish.door));
    kernel.carry_out(&slots);
    slots.opened();
    let mark = slots.passages(at(0))[&wishes[0].door].mark;
    let key = ServiceKey::fwmark(Family::V4, Fwmark::new(mark).unwrap());
    kernel.0.delete_service(&key).unwrap();
    slots.spoil(&kernel.private(), LIFETIME, at(1));
    slots.assign(&wishes, LIFETIME, at(1));
    kernel.carry_out(&slots);
    let after = wishes.each_ref().map(|wish| ports(&slots, &wish.door));
    assert!(before[0].is_disjoint(&after[0]));
    assert_eq!(before[1], after[1], "who was not touched stays");
}

#[test]
fn more_ports_do_not_interrupt_the_service() {
    let (mut slots, mut kernel) = (small(), Kernel::new());
    slots.assign(&[wish(1, 1)], LIFETIME, at(0));
    kernel.carry_out(&slots);
    let before = ports(&slots, &wish(1, 1).door);
    let often = Wish {
        every: Some(Duration::from_millis(200)),
        ..wish(1, 1)
    };
    slots.assign(&[often], LIFETIME, at(1));
    let operations = slots.operations(&kernel.private());
    assert!(
        matches!(operations[..], [Operation::UpdateServer(..)]),
        "{operations:?}"
    );
    kernel.carry_out(&slots);
    assert!(before.is_subset(&ports(&slots, &wish(1, 1).door)));
}

#[test]
fn a_changed_method_is_another_door() {
    let mut slots = small();
    slots.assign(&[wish(1, 1)], LIFETIME, at(0));
    let before = ports(&slots, &wish(1, 1).door);
    let tunnelled = Wish {
        forward: ForwardMethod::Tunnel,
        ..wish(1, 1)
    };
    slots.assign(std::slice::from_ref(&tunnelled), LIFETIME, at(1));
    let after = ports(&slots, &tunnelled.door);
    assert!(
        before.is_disjoint(&after),
        "old entries keep the old method"
    );
}

#[test]
fn a_range_that_is_too_small_is_explained() {
    let mut slots = small();
    let wishes: Vec<_> = (1..=9).map(|server| wish(1, server)).collect();
    let refused = slots.assign(&wishes, LIFETIME, at(0));
    let [(door, why)] = &refused[..] else {
        panic!("8 blocks, 9 servers: {refused:?}");
    };
    assert_eq!(*door, wish(1, 9).door);
    let words = "it needs 64 source ports, but 0 are free at 192.0.2.1:80: widen `check_ports`, or \
                 check less often";
    assert_eq!(why.to_string(), words);
    // Another address has room.
    let mut more = wishes[..8].to_vec();
    more.push(wish(2, 9));
    assert_eq!(slots.assign(&more, LIFETIME, at(0)), []);

    let often = Wish {
        every: Some(Duration::from_millis(10)),
        ..wish(3, 1)
    };
    let refused = small().assign(&[often], LIFETIME, at(0));
    assert!(matches!(
        refused[..],
        [(
            _,
            Refused::NoPorts {
                needed: 6336,
                free: 512,
                ..
            }
        )]
    ));
    let marks = MarkRange { first: 7, last: 7 };
    let mut one = Slots::new(marks, (20_000, 29_999));
    let refused = one.assign(&[wish(1, 1), wish(2, 1)], LIFETIME, at(0));
    assert!(matches!(refused[..], [(_, Refused::NoMark)]));
    let none = Slots::new(marks, (20_000, 20_010)).assign(&[wish(1, 1)], LIFETIME, at(0));
    assert!(matches!(none[..], [(_, Refused::NoPorts { free: 0, .. })]));
}

#[test]
fn a_mark_at_the_end_of_all_numbers_is_one() {
    let marks = MarkRange {
        first: u32::MAX - 1,
        last: u32::MAX,
    };
    let mut slots = Slots::new(marks, (65_000, 65_535));
    assert_eq!(slots.assign(&[wish(1, 1), wish(1, 2)], LIFETIME, at(0)), []);
    let used: BTreeSet<u16> = ports(&slots, &wish(1, 1).door);
    assert!(used.iter().all(|port| *port >= 65_000));
    let mut whole = Slots::new(
        MarkRange {
            first: 1,
            last: u32::MAX,
        },
        (1, 65_535),
    );
    assert_eq!(whole.assign(&[wish(1, 1)], LIFETIME, at(0)), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Through any sequence of loads and restarts: within a group, no port is given to a server
    /// while an entry of another one can be alive there.
    #[test]
    fn no_port_leads_to_two_servers(
        steps in proptest::collection::vec(
            (
                proptest::collection::btree_map((1_u8..4, 1_u8..8), 1_u64..40, 0..12),
                0_u64..400,
                any::<bool>(),
            ),
            1..12,
        )
    ) {
        let (mut slots, mut kernel) = (small(), Kernel::new());
        let mut now = 0;
        // The last user of each port of a group, and how long its entries may live.
        let mut lives: BTreeMap<(SocketAddr, u16), (IpAddr, u64)> = BTreeMap::new();
        for (wanted, pause, restart) in steps {
            if restart {
                // Returned slots are forgotten; those in the kernel are not.
                let doors = slots.passages(at(now)).into_keys();
                let held: BTreeSet<_> = doors
                    .flat_map(|door| ports(&slots, &door).into_iter().map(move |port| (door, port)))
                    .collect();
                lives.retain(|(to, port), (server, _)| {
                    held.contains(&(Door { to: *to, server: *server }, *port))
                });
                slots = small();
            }
            slots.recover(&kernel.private());
            let wishes: Vec<_> = wanted
                .iter()
                .map(|((address, server), tenths)| Wish {
                    every: Some(Duration::from_millis(tenths * 100)),
                    ..wish(*address, *server)
                })
                .collect();
            let refused = slots.assign(&wishes, LIFETIME, at(now));
            kernel.carry_out(&slots);
            let passages = slots.passages(at(now));
            prop_assert_eq!(passages.len() + refused.len(), wishes.len());
            let marks: BTreeSet<u32> = passages.values().map(|passage| passage.mark).collect();
            prop_assert_eq!(marks.len(), passages.len(), "a mark each");
            for door in passages.keys() {
                for port in ports(&slots, door) {
                    let used = (door.server, now + pause + LIFETIME.as_secs());
                    let before = lives.insert((door.to, port), used);
                    if let Some((server, until)) = before {
                        prop_assert!(server == door.server || until <= now);
                    }
                }
            }
            now += pause;
        }
    }

    #[test]
    fn a_fingerprint_is_a_timeout_that_the_kernel_keeps(address: [u8; 16], port: u16) {
        let print = fingerprint(&(address, port).into());
        prop_assert!(print > 0 && u64::from(print) * 1000 <= u64::from(u32::MAX));
    }
}
