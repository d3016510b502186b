//! The quorum of a service.

use super::scenarios::{THREE, WEB, running};
use super::*;

/// Three servers, a sorry server, and a quorum.
fn with(more: &str) -> String {
    format!("{THREE}\nsorry = [\"10.0.0.99\"]\n{more}\n")
}

fn lost_and_gained(sim: &Sim) -> (usize, usize) {
    (
        sim.events("quorum-lost").len(),
        sim.events("quorum-gained").len(),
    )
}

#[test]
fn below_the_quorum_the_sorry_servers_serve_in_place_of_all_others() {
    let mut sim = running(&with("quorum = 2"));
    sim.kill("10.0.0.11");
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    assert_eq!(lost_and_gained(&sim), (0, 0));
    sim.carry(WEB, "10.0.0.13", 2);
    sim.kill("10.0.0.12");
    sim.seconds(5);
    assert_eq!(
        sim.weights(WEB),
        "11=0 12=0 13=0 99=1",
        "the connections of the one that is up may end"
    );
    assert_eq!(sim.state(WEB, "10.0.0.13"), ServerState::Standby);
    assert_eq!(lost_and_gained(&sim), (1, 0));
    sim.revive("10.0.0.12");
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    assert_eq!(lost_and_gained(&sim), (1, 1));
}

#[test]
fn with_hysteresis_the_sum_has_to_go_beyond_the_quorum() {
    let file = with("quorum = 2\nhysteresis = 1");
    let mut sim = running(&file);
    for server in ["10.0.0.11", "10.0.0.12"] {
        sim.kill(server);
        sim.seconds(5);
    }
    assert_eq!(sim.weights(WEB), "11=0 12=0 13=1", "1 is not below 2 - 1");
    sim.kill("10.0.0.13");
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=0 12=0 13=0 99=1");
    for server in ["10.0.0.11", "10.0.0.12"] {
        sim.revive(server);
        sim.seconds(5);
        assert!(sim.weights(WEB).ends_with("99=1"), "2 is below 2 + 1");
    }
    // A restart does not forget on which side it was.
    let mut sim = sim.restart();
    sim.seconds(8);
    assert!(sim.weights(WEB).ends_with("99=1"), "{}", sim.weights(WEB));
    sim.revive("10.0.0.13");
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}

#[test]
fn weights_count_and_not_servers() {
    let heavy = "{ address = \"10.0.0.12\", weight = 3 }";
    let mut sim = running(&with("quorum = 3").replace("\"10.0.0.12\"", heavy));
    for server in ["10.0.0.11", "10.0.0.13"] {
        sim.kill(server);
    }
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=0 12=3 13=0");
    let of = Sim::request(WEB, "10.0.0.12:80");
    let weight = Some(2);
    sim.ask(Request::Weight { of, weight }).unwrap();
    sim.seconds(2);
    assert!(sim.weights(WEB).ends_with("99=1"), "{}", sim.weights(WEB));
    assert_eq!(lost_and_gained(&sim), (1, 0));
}

#[test]
fn a_server_that_an_operator_drains_does_not_count() {
    let mut sim = running(&with("quorum = 3"));
    // The guard asks: this leaves the service with its sorry server.
    let mut drain = Sim::request("web", "10.0.0.11");
    drain.force = true;
    sim.ask(Request::Drain(drain)).unwrap();
    sim.seconds(2);
    assert!(sim.weights(WEB).ends_with("99=1"), "{}", sim.weights(WEB));
    assert_eq!(sim.state(WEB, "10.0.0.11"), ServerState::Drained);
    sim.ask(Request::Undrain(Sim::request("web", "10.0.0.11")))
        .unwrap();
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}

#[test]
fn a_backup_server_counts_once_it_joins() {
    let mut sim = running(&with(
        "quorum = 2\nbackup = [\"10.0.0.21\"]\nbackup_below = 2",
    ));
    for server in ["10.0.0.11", "10.0.0.12"] {
        sim.kill(server);
    }
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=0 12=0 13=1 21=1");
    assert_eq!(lost_and_gained(&sim), (0, 0));
}

#[test]
fn without_sorry_servers_those_that_are_up_go_on_serving() {
    let mut sim = running(&format!("{THREE}\nquorum = 3\n"));
    sim.kill("10.0.0.11");
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    assert_eq!(lost_and_gained(&sim), (1, 0));
}

#[test]
fn what_min_healthy_keeps_in_does_not_count() {
    let mut sim = running(&format!("{THREE}\nquorum = 2\nmin_healthy = 2\n"));
    for server in ["10.0.0.11", "10.0.0.12"] {
        sim.kill(server);
        sim.seconds(5);
    }
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    assert_eq!(lost_and_gained(&sim), (1, 0));
    // With sorry servers the service is out, and nothing is kept in.
    let mut sim = running(&with("quorum = 2\nmin_healthy = 2"));
    for server in ["10.0.0.11", "10.0.0.12"] {
        sim.kill(server);
        sim.seconds(5);
    }
    assert!(sim.weights(WEB).ends_with("99=1"), "{}", sim.weights(WEB));
    assert!(!sim.weights(WEB).contains("12=1"), "{}", sim.weights(WEB));
}

#[test]
fn a_start_and_a_reload_lose_no_quorum() {
    let mut sim = running(&with("quorum = 3"));
    assert_eq!(lost_and_gained(&sim), (0, 0));
    sim.seconds(60);
    assert_eq!(lost_and_gained(&sim), (0, 0));
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}
