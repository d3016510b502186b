//! When announce sections are announced and withdrawn.

use super::announcing::{Command, Position};
use super::scenarios::{THREE, running};
use super::*;
use crate::control::announce::{AnnounceState, AnnounceStatus};
use crate::control::operator::{AnnounceDo, AnnounceRequest};

/// Three servers of a service on 192.0.2.10, and a section for the address.
fn with(section: &str) -> String {
    format!("{THREE}\n[announce.front]\naddresses = [\"192.0.2.10\"]\n{section}\n")
}

impl Sim {
    /// Where the section was put, one after the other.
    fn positions(&self) -> Vec<Position> {
        let commands = self.told_announce.iter();
        let positions = commands.filter_map(|command| match command {
            Command::Set { to, .. } => Some(*to),
            Command::Declare(_) => None,
        });
        positions.collect()
    }

    fn announcement(&mut self) -> Arc<AnnounceStatus> {
        self.seconds(1);
        Arc::clone(&self.published.snapshot().announced["front"])
    }

    fn farm(&mut self, alive: bool) {
        for server in ["10.0.0.11", "10.0.0.12", "10.0.0.13"] {
            if alive {
                self.revive(server);
            } else {
                self.kill(server);
            }
        }
        self.seconds(8);
    }

    fn announce(&mut self, action: AnnounceDo, for_seconds: Option<u64>) -> Answer {
        let note = Note {
            by: "root".to_owned(),
            reason: None,
            for_seconds,
        };
        self.ask(Request::Announce(AnnounceRequest {
            section: None,
            action,
            note,
        }))
        .unwrap()
    }
}

use Position::{Announced, Fallback, Withdrawn};

#[test]
fn nothing_is_announced_before_the_first_verdicts() {
    let mut sim = Sim::start(&with(""));
    assert_eq!(sim.positions(), []);
    sim.seconds(10);
    assert_eq!(sim.positions(), [Announced]);
    assert_eq!(sim.announcement().state, AnnounceState::Announced);
}

#[test]
fn one_healthy_service_is_enough_and_none_is_too_little() {
    let mut sim = running(&with(""));
    sim.kill("10.0.0.11");
    sim.kill("10.0.0.12");
    sim.seconds(8);
    assert_eq!(sim.positions(), [Announced]);
    sim.kill("10.0.0.13");
    sim.seconds(8);
    assert_eq!(sim.positions(), [Announced, Withdrawn]);
    let status = sim.announcement();
    assert_eq!(&*status.why, "0 of 1 service healthy, 1 needed");
    sim.farm(true);
    assert_eq!(sim.positions(), [Announced, Withdrawn, Announced]);
}

#[test]
fn a_share_of_the_servers_is_rounded_up() {
    let follow = "follow = { by = \"servers\", need = \"50%\" }";
    let mut sim = running(&with(follow));
    sim.kill("10.0.0.11");
    sim.seconds(8);
    assert_eq!(sim.positions(), [Announced]);
    sim.kill("10.0.0.12");
    sim.seconds(8);
    assert_eq!(sim.positions(), [Announced, Withdrawn]);
    assert_eq!(&*sim.announcement().why, "1 of 3 servers healthy, 2 needed");
}

#[test]
fn a_route_with_a_fallback_metric_is_withdrawn_by_operators_only() {
    let mut sim = running(&with("via = \"route\"\nfallback_metric = 500"));
    sim.farm(false);
    assert_eq!(sim.positions(), [Announced, Fallback]);
    sim.announce(AnnounceDo::Withdraw, None);
    sim.farm(true);
    assert_eq!(sim.positions(), [Announced, Fallback, Withdrawn]);
    assert_eq!(sim.announcement().state, AnnounceState::TakenOut);
    sim.announce(AnnounceDo::Resume, None);
    assert_eq!(sim.positions().last(), Some(&Announced));
}

#[test]
fn what_changes_too_often_is_held_for_longer_each_time() {
    let damping = "damping = { changes = 2, within = \"5m\", hold = \"1m\", max_hold = \"4m\" }";
    let mut sim = running(&with(damping));
    sim.farm(false);
    sim.farm(true);
    sim.farm(false);
    sim.farm(true);
    let status = sim.announcement();
    assert_eq!(status.state, AnnounceState::Damped);
    assert!(status.until.is_some());
    assert_eq!(
        sim.positions(),
        [Announced, Withdrawn, Announced, Withdrawn]
    );
    sim.seconds(70);
    assert_eq!(sim.positions().last(), Some(&Announced));
    assert_eq!(sim.announcement().until, None);
    // An hour of flapping: each hold is at most four minutes.
    let before = sim.positions().len();
    for _ in 0..200 {
        sim.farm(false);
        sim.farm(true);
    }
    let changes = sim.positions().len() - before;
    assert!(changes < 60, "{changes} changes of 400");
    // An operator ends it.
    sim.announce(AnnounceDo::Resume, None);
    assert_eq!(sim.announcement().state, AnnounceState::Announced);
}

#[test]
fn a_withdrawal_ends_by_itself_and_survives_a_restart() {
    let mut sim = running(&with(""));
    sim.announce(AnnounceDo::Withdraw, Some(600));
    assert_eq!(sim.positions(), [Announced, Withdrawn]);
    let mut sim = sim.restart();
    sim.seconds(10);
    assert_eq!(sim.positions(), [Withdrawn]);
    sim.seconds(600);
    assert_eq!(sim.positions(), [Withdrawn, Announced]);
}

#[test]
fn a_server_that_is_new_in_the_file_changes_nothing_until_it_is_judged() {
    let mut sim = running(&with("follow = { by = \"servers\", need = \"all\" }"));
    assert_eq!(sim.positions(), [Announced]);
    let more = with("follow = { by = \"servers\", need = \"all\" }")
        .replace("\"10.0.0.13\"", "\"10.0.0.13\", \"10.0.0.14\"");
    assert!(more.contains("10.0.0.14"));
    sim.edit(&more);
    sim.seconds(20);
    assert_eq!(sim.positions(), [Announced]);
}

#[test]
fn services_do_not_go_while_routers_still_send_packets_for_them() {
    // `max_removed_services` lets one of two go.
    let other = "[service.other]\nlisten = \"tcp://192.0.2.20:80\"\n\
                 servers = [\"10.0.0.11\"]\ncheck = false\n";
    let mut sim = running(&with(&format!("linger = \"20s\"\n{other}")));
    let without = format!("version = 1\n{other}");
    std::fs::write(sim.file(), without).unwrap();
    let reload = || Request::Reload { force: false };
    let refusal = sim.ask(reload()).unwrap_err().message;
    assert!(
        refusal.contains("director announce withdraw front --wait"),
        "{refusal}"
    );
    sim.announce(AnnounceDo::Withdraw, None);
    sim.seconds(5);
    sim.ask(reload()).unwrap_err();
    sim.seconds(20);
    sim.ask(reload()).unwrap();
    assert!(!sim.published.snapshot().announced.contains_key("front"));
}
