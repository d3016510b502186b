//! A random meddler: whatever it does between the pieces, a consistent list is one that the table
//! really had.

use ipvs::{Client, Error, Operation, Weight};
use proptest::prelude::*;

use crate::meddler::{Hands, Meddler, Moment};
use crate::{configured, kernel_with, server, web};

/// The meddler's action at one cut; it goes through the same list again and again.
#[derive(Debug, Clone)]
enum Deed {
    Nothing,
    /// Deletes the server at this position, counted from the front.
    Delete(usize),
    /// Adds a server with this number in front unless it exists.
    Add(u32),
    /// Changes the weight of the server at this position.
    Weigh(usize, u32),
    /// Deletes this many servers from the front.
    DeleteMany(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => Just(Deed::Nothing),
        3 => (0usize..260).prop_map(Deed::Delete),
        3 => (200u32..330).prop_map(Deed::Add),
        1 => (0usize..260, 0u32..3).prop_map(|(place, weight)| Deed::Weigh(place, weight)),
        1 => (1usize..100).prop_map(Deed::DeleteMany),
    ]
}

fn carry_out(deed: &Deed, hands: &mut Hands<'_>) {
    let servers = hands.servers();
    match *deed {
        Deed::Nothing => {}
        Deed::Delete(place) => {
            if let Some(server) = servers.get(place) {
                hands.carry_out(&Operation::DeleteServer(web(), server.key));
            }
        }
        Deed::Add(number) => hands.carry_out(&Operation::AddServer(web(), server(number))),
        Deed::Weigh(place, weight) => {
            if let Some(server) = servers.get(place) {
                let weight = Weight::new(weight).unwrap();
                hands.carry_out(&Operation::UpdateServer(web(), server.weight(weight)));
            }
        }
        Deed::DeleteMany(count) => {
            for server in servers.iter().take(count) {
                hands.carry_out(&Operation::DeleteServer(web(), server.key));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_consistent_list_was_true_at_some_instant(
        servers in 60u32..280,
        deeds in prop::collection::vec(deed(), 1..24),
        rests in prop::option::of(0usize..12),
    ) {
        let kernel = kernel_with(servers);
        let mut turn = 0;
        let meddler = Meddler::new(&kernel, web(), move |moment: Moment, hands| {
            if rests.is_some_and(|rests| moment.reading > rests) {
                return;
            }
            carry_out(&deeds[turn % deeds.len()], hands);
            turn += 1;
        });
        let mut client = Client::over(meddler.clone()).unwrap();
        match client.consistent_servers(&web()) {
            Ok(entries) => {
                let list = configured(&entries);
                prop_assert!(
                    meddler.history().contains(&list),
                    "a list of {} that never was; the table had {:?}",
                    list.len(),
                    meddler.history().iter().map(Vec::len).collect::<Vec<_>>()
                );
            }
            Err(Error::Unsettled { .. }) => prop_assert!(rests.is_none(), "it rests"),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }
}
