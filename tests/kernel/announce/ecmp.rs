//! Three directors that are active at once, behind a router with several next hops.

use super::routing::Bird;
use super::{Farm, VIRTUAL, becomes, file};
use crate::daemon::Daemon;
use crate::daemon::operator::done;
use crate::lab::{Connection, Tcp};

/// Open connections, half of them of each family.
const OPEN: usize = 100;

/// Uses every connection once; returns how many are broken.
fn broken(connections: &mut [(String, Connection)]) -> usize {
    let answers = connections
        .iter_mut()
        .map(|(server, connection)| connection.ask().is_ok_and(|by| by == *server));
    answers.filter(|well| !well).count()
}

/// Opens connections while three directors are active, takes one out and back, and counts the open
/// connections that broke each time.
fn leave_and_return(change: impl Fn(&str) -> String) -> (usize, usize) {
    let farm = Farm::new(3);
    let _router = Bird::router(&farm.router);
    let _servers: Vec<_> = farm.reals.iter().map(|real| real.serve(Tcp, 80)).collect();
    let birds = farm.directors.iter().zip(1..);
    let _birds: Vec<_> = birds
        .map(|(host, number)| Bird::direct(host, number))
        .collect();
    let text = change(&file("damping = false"));
    let daemons: Vec<_> = farm
        .directors
        .iter()
        .map(|host| Daemon::start(host, &text))
        .collect();
    for daemon in &daemons {
        becomes(daemon, "announced");
    }
    farm.routed_by(&daemons[0], &[1, 2, 3]);
    let mut open = Vec::new();
    for address in VIRTUAL {
        let service = (address.parse::<std::net::IpAddr>().unwrap(), 80).into();
        for _ in 0..OPEN / 2 {
            let mut connection = farm.client.connect(Tcp, service).unwrap();
            open.push((connection.ask().unwrap(), connection));
        }
    }
    done(&daemons[1], "announce withdraw front --wait");
    farm.routed_by(&daemons[0], &[1, 3]);
    let left = broken(&mut open);
    done(&daemons[1], "announce resume front");
    farm.routed_by(&daemons[0], &[1, 2, 3]);
    (left, broken(&mut open))
}

#[test]
#[ignore = "needs the lab"]
fn no_connection_breaks_when_a_director_leaves_and_comes_back() {
    let (left, returned) = leave_and_return(str::to_owned);
    println!(
        "mh and sloppy_tcp: {left} of {OPEN} broke when one left, {returned} when it came back"
    );
    assert_eq!((left, returned), (0, 0));
}

#[test]
#[ignore = "needs the lab"]
fn without_mh_and_sloppy_tcp_connections_that_move_break() {
    let (left, returned) = leave_and_return(|text| {
        text.replace(
            "{ name = \"mh\", flags = [\"port\", \"fallback\"] }",
            "\"rr\"",
        )
        .replace("sloppy_tcp = true", "sloppy_tcp = false")
    });
    println!("rr: {left} of {OPEN} broke when one left, {returned} when it came back");
    assert!(left > 0, "some of them moved");
}
