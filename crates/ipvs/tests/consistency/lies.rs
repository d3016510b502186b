//! The ways in which a single dump of servers can be wrong and `consistent_servers` is not.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use ipvs::{Client, Error, Operation, Server, ServerEntry, Service, Weight};

use crate::meddler::{Hands, Meddler, Moment};
use crate::{configured, kernel_with, server, web};

/// The number of servers in the table; a dump of them takes three pieces, however it is cut.
const SERVERS: u32 = 250;

/// A client, and a meddler below it that changes the tables.
fn reading_past(
    servers: u32,
    meddle: impl FnMut(Moment, &mut Hands<'_>) + Send + 'static,
) -> (Client<Meddler>, Meddler) {
    let kernel = kernel_with(servers);
    let meddler = Meddler::new(&kernel, web(), meddle);
    (Client::over(meddler.clone()).unwrap(), meddler)
}

fn delete(number: u32) -> Operation {
    Operation::DeleteServer(web(), server(number).key)
}

fn add(number: u32) -> Operation {
    Operation::AddServer(web(), server(number).weight(Weight::new(number).unwrap()))
}

#[track_caller]
fn assert_was_true(entries: &[ServerEntry], meddler: &Meddler) {
    let list = configured(entries);
    assert!(
        meddler.history().contains(&list),
        "the list of {} servers was never the table's",
        list.len()
    );
}

/// Deletes the first server between the first two pieces of the first reading.
fn delete_one(moment: Moment, hands: &mut Hands<'_>) {
    if moment
        == (Moment {
            reading: 0,
            pieces: 1,
        })
    {
        hands.carry_out(&delete(SERVERS));
    }
}

#[test]
fn a_plain_list_can_miss_a_live_server() {
    let (mut client, meddler) = reading_past(SERVERS, delete_one);
    let seen: HashSet<Server> = configured(&client.servers(&web()).unwrap())
        .into_iter()
        .collect();
    let live = meddler.history().pop().unwrap();
    let missed: Vec<_> = live
        .iter()
        .filter(|server| !seen.contains(server))
        .collect();
    assert_eq!(
        missed.len(),
        1,
        "the race is real: one that lives was passed over"
    );
    assert!(seen.contains(&server(SERVERS).weight(Weight::new(SERVERS).unwrap())));
}

#[test]
fn a_consistent_list_does_not() {
    let (mut client, meddler) = reading_past(SERVERS, delete_one);
    let entries = client.consistent_servers(&web()).unwrap();
    assert_eq!(configured(&entries), meddler.history().pop().unwrap());
}

#[test]
fn a_server_added_at_a_cut_comes_twice_and_the_list_is_read_again() {
    let add_one = |moment: Moment, hands: &mut Hands<'_>| {
        if moment.reading == 0 && moment.pieces == 1 {
            hands.carry_out(&add(SERVERS + 1));
        }
    };
    let (mut client, meddler) = reading_past(SERVERS, add_one);
    let entries = client.servers(&web()).unwrap();
    assert_eq!(configured(&entries), meddler.history().pop().unwrap());
    assert_eq!(meddler.readings(), 2);
    let (mut client, meddler) = reading_past(SERVERS, add_one);
    let entries = client.consistent_servers(&web()).unwrap();
    assert_eq!(configured(&entries), meddler.history().pop().unwrap());
}

/// Deletes the service, and restores it with another list once the dump is over.
fn delete_all(moment: Moment, hands: &mut Hands<'_>) {
    if moment
        == (Moment {
            reading: 0,
            pieces: 2,
        })
    {
        hands.carry_out(&Operation::DeleteService(web()));
    }
}

#[test]
fn a_plain_list_of_a_service_deleted_during_the_dump_ends_early() {
    let (mut client, meddler) = reading_past(SERVERS, delete_all);
    let entries = client.servers(&web()).unwrap();
    assert!(
        !entries.is_empty() && entries.len() < 250,
        "{}",
        entries.len()
    );
    assert!(!meddler.history().contains(&configured(&entries)));
}

#[test]
fn a_consistent_list_of_it_is_empty() {
    let (mut client, _) = reading_past(SERVERS, delete_all);
    assert_eq!(client.consistent_servers(&web()).unwrap(), []);
}

/// Deletes so many servers between the first and the second piece that the second is empty.
fn delete_what_was_read(moment: Moment, hands: &mut Hands<'_>) {
    if moment
        == (Moment {
            reading: 0,
            pieces: 1,
        })
    {
        for number in 100..=130 {
            hands.carry_out(&delete(number));
        }
    }
}

#[test]
fn a_list_in_one_full_piece_can_lie_too() {
    let (mut client, meddler) = reading_past(130, delete_what_was_read);
    let entries = client.servers(&web()).unwrap();
    assert!(
        entries.len() < 130,
        "one piece holds {} of them",
        entries.len()
    );
    assert!(!meddler.history().contains(&configured(&entries)));
    let (mut client, meddler) = reading_past(130, delete_what_was_read);
    let entries = client.consistent_servers(&web()).unwrap();
    assert_eq!(configured(&entries), meddler.history().pop().unwrap());
}

#[test]
fn a_list_in_one_piece_with_room_to_spare_is_read_once() {
    for servers in [0, 1, 5, 40] {
        let (mut client, meddler) = reading_past(servers, |_, _| {});
        let entries = client.consistent_servers(&web()).unwrap();
        assert_eq!(configured(&entries), meddler.history()[0]);
        assert_eq!(meddler.readings(), 1, "{servers} servers");
    }
}

/// The number of pieces, including the end, in which the kernel writes the list on the first and
/// the second socket.
fn pieces() -> [usize; 2] {
    let counted = Arc::new(Mutex::new([0; 2]));
    let counts = Arc::clone(&counted);
    let (mut client, _) = reading_past(SERVERS, move |moment, _| {
        counts.lock().unwrap()[moment.reading] = moment.pieces;
    });
    client.consistent_servers(&web()).unwrap();
    let counted = counted.lock().unwrap();
    *counted
}

#[test]
fn a_meddler_that_repeats_its_lie_in_step_is_seen_through() {
    // At the first cut of every reading the first server is deleted, and it is back in front when
    // the end was written: every reading skips a live server, and each starts from the same table.
    let [first, second] = pieces();
    assert!(first > 2 && second > first, "{first} and {second} pieces");
    let lie = move |moment: Moment, hands: &mut Hands<'_>, plain: bool| {
        let last = if plain || moment.reading.is_multiple_of(2) {
            first
        } else {
            second
        };
        if moment.pieces == 1 {
            hands.carry_out(&delete(SERVERS));
        } else if moment.pieces == last {
            hands.carry_out(&add(SERVERS));
        }
    };
    let (mut client, meddler) =
        reading_past(SERVERS, move |moment, hands| lie(moment, hands, true));
    let plain = configured(&client.servers(&web()).unwrap());
    let again = configured(&client.servers(&web()).unwrap());
    assert_eq!(plain, again, "two plain readings agree");
    assert!(!meddler.history().contains(&plain), "and both lie");

    let (mut client, meddler) =
        reading_past(SERVERS, move |moment, hands| lie(moment, hands, false));
    match client.consistent_servers(&web()) {
        Ok(entries) => assert_was_true(&entries, &meddler),
        Err(error) => assert!(matches!(error, Error::Unsettled { .. }), "{error}"),
    }
}

#[test]
fn a_table_that_never_rests_is_said_to_be_unsettled() {
    let mut next = SERVERS;
    let (mut client, meddler) = reading_past(SERVERS, move |moment, hands| {
        if moment.pieces == 1 {
            next += 1;
            hands.carry_out(&add(next));
        }
    });
    let error = client.consistent_servers(&web()).unwrap_err();
    let Error::Unsettled { attempts, .. } = error else {
        panic!("{error}");
    };
    let attempts = usize::try_from(attempts).unwrap();
    assert_eq!(
        meddler.readings(),
        attempts,
        "as often as it says, and no more"
    );
    assert!(attempts < 100);
    assert!(
        error
            .to_string()
            .contains("list the servers of tcp://192.0.2.10:80")
    );
}

#[test]
fn it_settles_as_soon_as_the_table_rests() {
    let (mut client, meddler) = reading_past(SERVERS, |moment, hands| {
        if moment.pieces == 1 && moment.reading < 10 {
            hands.carry_out(&add(SERVERS + 1 + u32::try_from(moment.reading).unwrap()));
        }
    });
    let entries = client.consistent_servers(&web()).unwrap();
    assert_eq!(configured(&entries), meddler.history().pop().unwrap());
    assert_eq!(entries.len(), 260);
}

#[test]
fn counters_that_move_are_no_difference() {
    let kernel = kernel_with(SERVERS);
    let counting = kernel.clone();
    let meddler = Meddler::new(&kernel, web(), move |_, _| {
        counting.count(&web(), |service, servers| {
            service.stats.total.packets_in += 1;
            for server in servers {
                server.active += 1;
            }
        });
    });
    let mut client = Client::over(meddler.clone()).unwrap();
    assert_eq!(client.consistent_servers(&web()).unwrap().len(), 250);
    assert_eq!(meddler.readings(), 2);
}

#[test]
fn a_weight_that_changes_is_a_difference() {
    let (mut client, meddler) = reading_past(SERVERS, |moment, hands| {
        if moment.reading == 0 && moment.pieces == 2 {
            let changed = server(SERVERS).weight(Weight::ZERO);
            hands.carry_out(&Operation::UpdateServer(web(), changed));
            hands.carry_out(&Operation::UpdateServer(
                web(),
                server(1).weight(Weight::ZERO),
            ));
        }
    });
    let entries = client.consistent_servers(&web()).unwrap();
    assert_eq!(configured(&entries), meddler.history().pop().unwrap());
}

#[test]
fn services_settle_like_servers() {
    let kernel = kernel_with(1);
    let service = |number: u8| {
        let key = ipvs::ServiceKey::tcp([198, 51, 100, number], 80);
        Service::new(key, Service::RR)
    };
    for number in 1..=200 {
        kernel
            .meddle(&Operation::AddService(service(number)))
            .unwrap();
    }
    let meddler = Meddler::new(&kernel, web(), move |moment, hands| {
        if moment
            == (Moment {
                reading: 0,
                pieces: 1,
            })
        {
            hands.carry_out(&Operation::DeleteService(service(1).key));
        }
    });
    let mut client = Client::over(meddler.clone()).unwrap();
    assert_eq!(
        client.services().unwrap().len(),
        200,
        "one that lives is missing"
    );
    assert_eq!(client.services().unwrap().len(), 200, "200 there are");
    kernel.meddle(&Operation::AddService(service(1))).unwrap();
    let meddler = Meddler::new(&kernel, web(), move |moment, hands| {
        if moment
            == (Moment {
                reading: 0,
                pieces: 1,
            })
        {
            hands.carry_out(&Operation::DeleteService(service(1).key));
        }
    });
    let mut client = Client::over(meddler).unwrap();
    assert_eq!(client.consistent_services().unwrap(), kernel.services());
}
