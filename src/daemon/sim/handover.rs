//! A planned handover waits for the transfer of the connections.

use super::peers::waiting;
use super::*;
use crate::control::failover::FailoverRole;
use crate::control::operator::{FailoverDo, FailoverRequest, Note, Request};
use crate::peers as channel;

impl Sim {
    /// An operator's request.
    #[track_caller]
    fn failover(&mut self, action: FailoverDo) {
        let request = FailoverRequest {
            section: None,
            action,
            until_restart: false,
            note: Note {
                by: "root".into(),
                reason: None,
                for_seconds: None,
            },
        };
        let answer = self.ask(Request::Failover(request));
        assert!(answer.is_ok(), "{answer:?}");
    }

    /// What the section was told to do.
    fn told_operations(&self) -> Vec<runtime::Operation> {
        let commands = self.told_failover.iter();
        let operations = commands.filter_map(|command| match command {
            runtime::Command::Operate { operation, .. } => Some(*operation),
            _ => None,
        });
        operations.collect()
    }

    /// The last shield.
    fn shield(&self) -> Option<bool> {
        let mut commands = self.told_failover.iter().rev();
        commands.find_map(|command| match command {
            runtime::Command::Shield { up, .. } => Some(*up),
            _ => None,
        })
    }

    /// How many addresses the threads of peers believe to arrive.
    fn arriving(&self) -> usize {
        let mut commands = self.told_peers.iter().rev();
        let last = commands.find_map(|command| match command {
            channel::Command::Arrive(addresses) => Some(addresses.len()),
            _ => None,
        });
        last.unwrap_or_default()
    }

    /// The peer asks for the table now, or has it.
    fn table(&mut self, done: bool) {
        let to = "10.0.0.2".parse().unwrap();
        let asked = self.now.boot;
        self.handle(Input::Peer(channel::Report::Told { to, asked, done }));
    }

    /// Whether peers are told that the section leaves.
    fn leaves(&self) -> bool {
        let mut told = self.told_peers.iter().rev();
        let last = told.find_map(|command| match command {
            channel::Command::Hold(sections) => Some(sections.iter().any(|one| one.leaving)),
            _ => None,
        });
        last.unwrap_or_default()
    }
}

/// It holds the addresses, and its peer does not.
fn active() -> Sim {
    let mut sim = waiting();
    sim.role(FailoverRole::Active);
    sim.transferred(0, false);
    sim
}

const YIELD: [runtime::Operation; 1] = [runtime::Operation::Yield { time: None }];

#[test]
fn a_switchover_waits_until_the_peer_has_the_connections() {
    let mut sim = active();
    sim.failover(FailoverDo::Switchover);
    assert!(sim.leaves());
    assert_eq!(sim.told_operations(), []);
    sim.seconds(1);
    sim.table(false);
    // It takes longer than a peer has for the first question.
    sim.seconds(5);
    assert_eq!(sim.told_operations(), []);
    // The runtime reports in between: it is still the active one.
    sim.role(FailoverRole::Active);
    assert!(sim.leaves());
    sim.table(true);
    assert_eq!(sim.told_operations(), YIELD);
}

#[test]
fn a_table_that_was_read_before_the_switchover_does_not_count() {
    let mut sim = active();
    let asked = sim.now.boot;
    sim.seconds(1);
    sim.failover(FailoverDo::Switchover);
    let to = "10.0.0.2".parse().unwrap();
    let done = true;
    sim.handle(Input::Peer(channel::Report::Told { to, asked, done }));
    assert_eq!(sim.told_operations(), []);
}

#[test]
fn a_peer_that_does_not_ask_or_does_not_end_is_not_waited_for() {
    let mut sim = active();
    sim.failover(FailoverDo::Switchover);
    sim.seconds(2);
    assert_eq!(sim.told_operations(), []);
    sim.seconds(2);
    assert_eq!(sim.told_operations(), YIELD);

    let mut sim = active();
    sim.failover(FailoverDo::Switchover);
    sim.table(false);
    sim.seconds(8);
    assert_eq!(sim.told_operations(), []);
    sim.seconds(3);
    assert_eq!(sim.told_operations(), YIELD);
}

#[test]
fn without_a_connected_peer_nothing_waits() {
    let mut sim = waiting();
    sim.role(FailoverRole::Active);
    sim.failover(FailoverDo::Switchover);
    assert_eq!(sim.told_operations(), YIELD);
}

#[test]
fn the_end_of_a_yield_ends_what_waits() {
    let mut sim = active();
    sim.failover(FailoverDo::Switchover);
    sim.failover(FailoverDo::Auto);
    assert_eq!(sim.told_operations(), [runtime::Operation::Auto]);
    sim.role(FailoverRole::Active);
    assert!(!sim.leaves());
    sim.seconds(20);
    assert_eq!(sim.told_operations(), [runtime::Operation::Auto]);
}

#[test]
fn a_claim_waits_for_a_transfer_behind_a_shield() {
    let mut sim = waiting();
    sim.transferred(0, true);
    sim.seconds(20);
    sim.failover(FailoverDo::Switchover);
    assert_eq!((sim.told_operations(), sim.arriving()), (Vec::new(), 1));
    assert_eq!(sim.shield(), Some(true));
    sim.seconds(2);
    sim.transferred(0, true);
    let claim = runtime::Operation::Claim { time: None };
    assert_eq!(sim.told_operations(), [claim]);
    sim.role(FailoverRole::Active);
    assert_eq!((sim.arriving(), sim.shield()), (0, Some(true)));
    // What began since is here.
    sim.handle(Input::Peer(channel::Report::Caught));
    assert_eq!(sim.shield(), Some(false));
}

#[test]
fn a_peer_that_hands_over_is_believed_and_a_shield_does_not_stay() {
    let mut sim = waiting();
    sim.leaving(true);
    assert_eq!((sim.arriving(), sim.shield()), (1, Some(true)));
    sim.role(FailoverRole::Active);
    sim.seconds(3);
    assert_eq!((sim.arriving(), sim.shield()), (0, Some(true)));
    sim.seconds(3);
    assert_eq!(sim.shield(), Some(false));

    // It stays active after all.
    let mut sim = waiting();
    sim.leaving(true);
    sim.leaving(false);
    sim.seconds(6);
    assert_eq!((sim.arriving(), sim.shield()), (0, Some(false)));
}
