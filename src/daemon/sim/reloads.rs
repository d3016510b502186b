//! What a new file changes, and what it leaves as it is.

use ipvs::{ForwardMethod, Operation, Server, ServerKey, Service, ServiceKey};

use super::scenarios::{THREE, WEB, running, with};
use super::*;

#[test]
fn a_service_built_by_hand_is_adopted_by_a_reload_as_it_is() {
    let mut sim = running(THREE);
    let other = "tcp://192.0.2.11:80";
    let key: ServiceKey = other.parse().unwrap();
    sim.meddle(Operation::AddService(Service::new(key, Service::RR)));
    for last in [21, 22] {
        let server = ServerKey::new([10, 0, 0, last], 80);
        let server = Server::new(server, ForwardMethod::Masquerade);
        sim.meddle(Operation::AddServer(key, server));
    }
    sim.seconds(10);
    sim.kernel.clear_log();
    let declared = "[service.other]\nlisten = \"tcp://192.0.2.11:80\"\nforward = \"nat\"\nscheduler = \"rr\"\n\
         servers = [\"10.0.0.21\", \"10.0.0.22\"]";
    // A rejected file leaves it to its creator.
    let too_few = with(declared).replace(", \"10.0.0.12\", \"10.0.0.13\"", "");
    sim.edit(&too_few);
    sim.seconds(10);
    assert!(sim.published.snapshot().rejected.is_some());
    assert_eq!(sim.published.snapshot().foreign.len(), 1);
    assert_eq!(sim.published.snapshot().services.len(), 1);
    sim.edit(&with(declared));
    for _ in 0..50 {
        sim.pass(Duration::from_millis(100));
        assert_eq!(sim.weights(other), "21=1 22=1");
    }
    assert_eq!(sim.sent(), HashMap::new());
}

#[test]
fn what_a_reload_adds_joins_first_and_what_it_replaces_leaves_then() {
    let mut sim = running(THREE);
    sim.carry(WEB, "10.0.0.13", 2);
    sim.kill("10.0.0.14");
    sim.edit(&THREE.replace("10.0.0.13", "10.0.0.14"));
    sim.seconds(10);
    assert_eq!(
        sim.weights(WEB),
        "11=1 12=1 13=1",
        "its successor is not up"
    );
    assert_eq!(sim.state(WEB, "10.0.0.13"), ServerState::Leaving);
    sim.revive("10.0.0.14");
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=0 14=1");
    sim.carry(WEB, "10.0.0.13", 0);
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 14=1");
    assert_eq!(sim.checks.len(), 3, "the check of what left has ended");
}

#[test]
fn a_change_by_a_reload_is_not_drift() {
    let mut sim = running(THREE);
    let heavier = THREE.replace("\"10.0.0.13\"", "{ address = \"10.0.0.13\", weight = 5 }");
    sim.edit(&heavier.replace("\"rr\"", "\"wrr\""));
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=5");
    assert_eq!(sim.events("drift"), Vec::<String>::new());
}

#[test]
fn a_server_that_never_came_replaces_only_what_left_with_its_coming() {
    let mut sim = running(THREE);
    sim.kill("10.0.0.14");
    let replaced = THREE.replace("10.0.0.13", "10.0.0.14");
    sim.edit(&replaced);
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    sim.edit(&replaced.replace("\"10.0.0.12\", ", ""));
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=1 13=1", "12 has no successor");
    sim.revive("10.0.0.14");
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=1 14=1");
}

#[test]
fn a_server_that_was_dead_before_the_start_replaces_nothing() {
    let removed = THREE.replace("[service.web]", "[service.web]\non_fail = \"remove\"");
    let mut sim = running(&removed);
    sim.kill("10.0.0.13");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1");
    std::fs::write(sim.file(), removed.replace("\"10.0.0.12\", ", "")).unwrap();
    let mut sim = sim.restart();
    sim.pass(Duration::from_millis(900));
    assert_eq!(sim.weights(WEB), "11=1 12=1", "13 may be new");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1", "but it is dead");
}

#[test]
fn a_reload_keeps_every_check_and_its_state() {
    let mut sim = running(THREE);
    sim.kill("10.0.0.12");
    sim.seconds(3);
    let (started, due): (usize, Vec<BootTime>) = (
        sim.started,
        sim.checks.values().map(|checked| checked.next).collect(),
    );
    sim.edit(&THREE.replace("drain = \"30s\"", "drain = \"40s\""));
    sim.pass(Duration::from_millis(300));
    assert_eq!(sim.started, started, "none was started again");
    let after: Vec<BootTime> = sim.checks.values().map(|checked| checked.next).collect();
    assert!(after.iter().zip(&due).all(|(after, due)| after >= due));
    assert_eq!(sim.weights(WEB), "11=1 12=0 13=1");
    assert_eq!(sim.sent().len(), 1);
}

#[test]
fn a_broken_file_keeps_the_old_one() {
    let mut sim = running(THREE);
    sim.edit(&THREE.replace("\"rr\"", "\"rrr\""));
    sim.seconds(2);
    assert_eq!(sim.sent(), HashMap::new());
    let rejected = sim.published.snapshot().rejected.clone().unwrap();
    assert!(rejected.contains("rrr"), "{rejected}");
    sim.kill("10.0.0.11");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1", "its checks go on");
    sim.edit(THREE);
    sim.seconds(2);
    assert!(sim.published.snapshot().rejected.is_none());
}

#[test]
fn a_reload_that_takes_too_much_is_refused_without_force() {
    let mut sim = running(THREE);
    let one = THREE
        .replace("\"10.0.0.12\", \"10.0.0.13\"", "\"10.0.0.11\"")
        .replace("\"10.0.0.11\", \"10.0.0.11\"", "\"10.0.0.11\"");
    sim.edit(&one);
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    assert!(
        sim.published
            .snapshot()
            .rejected
            .as_ref()
            .unwrap()
            .contains("max_removed")
    );
    let (sender, answer) = mpsc::channel();
    let reply = Box::new(move |answer| sender.send(answer).unwrap());
    sim.handle(Input::Request(Request::Reload { force: true }, reply));
    sim.seconds(5);
    assert!(answer.try_recv().unwrap().is_ok());
    assert_eq!(sim.weights(WEB), "11=1");
}

#[test]
fn after_a_refused_file_the_next_is_compared_with_what_is_in_force() {
    let two = with(
        "[service.two]\nlisten = \"tcp://192.0.2.11:80\"\nforward = \"nat\"\n\
         initial = \"up\"\nservers = [\"10.0.0.21\", \"10.0.0.22\"]",
    );
    let mut sim = running(&two);
    let refused = two.replace(", \"10.0.0.12\", \"10.0.0.13\"", "");
    let heavy = "{ address = \"10.0.0.22\", weight = 5 }";
    sim.edit(&refused);
    sim.seconds(3);
    // Its new parts are harmless, but not those from the previous one.
    sim.edit(&refused.replace("\"10.0.0.22\"", heavy));
    sim.seconds(3);
    assert!(sim.published.snapshot().rejected.is_some());
    assert_eq!(sim.weights("tcp://192.0.2.11:80"), "21=1 22=1");
    sim.edit(&two.replace("\"10.0.0.22\"", heavy));
    sim.seconds(3);
    assert_eq!(sim.published.snapshot().rejected, None);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    assert_eq!(sim.weights("tcp://192.0.2.11:80"), "21=1 22=5");
}

#[test]
fn a_file_that_the_kernel_refuses_changes_nothing() {
    let mut sim = running(THREE);
    let second = "[service.two]\nlisten = \"tcp://192.0.2.11:80\"\nservers = [\"10.0.0.21\"]\n";
    // The first operation of the transaction succeeds, the second does not.
    sim.kernel
        .inject(1, ipvs::fake::Fault::Refuse(ipvs::Errno::EPERM));
    sim.edit(&format!("{}{second}", THREE.replace("\"rr\"", "\"wlc\"")));
    sim.seconds(1);
    assert_eq!(sim.kernel.services().len(), 1);
    assert_eq!(sim.kernel.services()[0].service.scheduler, Service::RR);
    assert!(sim.published.snapshot().rejected.is_some());
    sim.seconds(10);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}
