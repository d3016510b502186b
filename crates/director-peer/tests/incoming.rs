//! Which entries of a peer are taken.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::HashSet;
use std::net::SocketAddr;

use director_peer::incoming::{Intake, MOST, Refused};
use director_peer::outgoing::{Known, LeftOut};
use ipvs_sync::Entry;

fn entry() -> Entry {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    Entry::new(
        6,
        at("198.51.100.1:1024"),
        at("192.0.2.10:80"),
        at("10.0.0.11:80"),
    )
}

fn intake(held: &[&str]) -> Intake {
    let held: HashSet<_> = held.iter().map(|text| text.parse().unwrap()).collect();
    Intake::new(Known::default(), held, 0, std::iter::empty())
}

#[test]
fn an_entry_of_nothing_that_is_here_is_refused_and_named() {
    let mut intake = intake(&[]);
    for _ in 0..3 {
        intake.take(entry()).unwrap();
    }
    let taken = intake.finish();
    let refused: Vec<_> = taken.refused().collect();
    let first = "192.0.2.10:80 to 10.0.0.11:80";
    assert_eq!(refused, [(Refused::LeftOut(LeftOut::Service), 3, first)]);
    assert!(taken.is_empty() && taken.messages.is_empty() && taken.received() == 3);
}

#[test]
fn no_entry_comes_over_the_table_of_the_director_that_holds_its_address() {
    let mut intake = intake(&["192.0.2.10"]);
    intake.take(entry()).unwrap();
    let taken = intake.finish();
    let refused: Vec<_> = taken
        .refused()
        .map(|(why, count, _)| (why, count))
        .collect();
    assert_eq!(refused, [(Refused::Held, 1)]);
    assert!(taken.messages.is_empty());
}

#[test]
fn a_table_of_more_than_a_million_entries_is_refused() {
    let mut intake = intake(&["192.0.2.10"]);
    let entry = entry();
    for _ in 0..MOST {
        intake.take(entry.clone()).unwrap();
    }
    let why = intake.take(entry).unwrap_err().to_string();
    assert_eq!(why, "the table has more than 1000000 entries");
}
