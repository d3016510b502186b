//! Event sequences, one story per test.

use ipvs::{ForwardMethod, Operation, Server, ServerKey, Service, ServiceKey, Weight};

use super::*;

pub(super) const WEB: &str = "tcp://192.0.2.10:80";

/// Three servers, checked every second; two results make a verdict.
pub(super) const THREE: &str = r#"
version = 1
[defaults.check]
type = "tcp"
interval = "1s"
rise = 2
fall = 2
[service.web]
listen = "tcp://192.0.2.10:80"
forward = "nat"
scheduler = "rr"
drain = "30s"
servers = ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
"#;

pub(super) fn with(more: &str) -> String {
    format!("{THREE}\n{more}\n")
}

/// Runs until all servers are in.
pub(super) fn running(file: &str) -> Sim {
    let mut sim = Sim::start(file);
    sim.seconds(5);
    assert!(sim.core.is_ready(), "{:?}", sim.core.failed_to_start());
    sim.kernel.clear_log();
    sim
}

#[test]
fn on_empty_tables_servers_join_when_their_checks_say_so() {
    let mut sim = Sim::start(THREE);
    sim.kill("10.0.0.13");
    sim.pass(Duration::from_millis(500));
    assert_eq!(
        sim.weights(WEB),
        "",
        "the service is there, its servers are not judged yet"
    );
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1");
    sim.revive("10.0.0.13");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}

#[test]
fn a_verdict_is_one_operation() {
    let mut sim = running(THREE);
    sim.kill("10.0.0.12");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=0 13=1");
    assert_eq!(sim.sent(), HashMap::from([("update-server", 1)]));
    assert_eq!(sim.state(WEB, "10.0.0.12"), ServerState::Down);
    sim.revive("10.0.0.12");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    assert_eq!(sim.sent(), HashMap::from([("update-server", 1)]));
    assert_eq!(sim.events("server-down"), ["down: no answer"]);
    assert_eq!(sim.events("server-up").len(), 4);
}

#[test]
fn where_weight_0_does_harm_a_failed_server_is_removed() {
    let udp = THREE.replace("tcp://192.0.2.10:80", "udp://192.0.2.10:53");
    let dh = THREE.replace("\"rr\"", "\"dh\"");
    let remove = with("on_fail = \"remove\"");
    let persistent = with("persistence = \"6m\"");
    for (file, service) in [
        (udp.as_str(), "udp://192.0.2.10:53"),
        (dh.as_str(), WEB),
        (remove.as_str(), WEB),
        (persistent.as_str(), WEB),
    ] {
        let mut sim = running(file);
        sim.carry(service, "10.0.0.12", 5);
        sim.kill("10.0.0.12");
        sim.seconds(3);
        assert_eq!(sim.weights(service), "11=1 13=1", "{file}");
        sim.revive("10.0.0.12");
        sim.seconds(3);
        assert_eq!(sim.weights(service), "11=1 12=1 13=1", "{file}");
    }
    let quiescent = persistent + "[kernel]\nexpire_quiescent_template = true\n";
    let mut sim = running(&quiescent);
    sim.kill("10.0.0.12");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=0 13=1");
}

#[test]
fn a_hash_scheduler_is_lent_its_fallback_flag() {
    let mut sim = running(&THREE.replace("\"rr\"", "\"sh\""));
    let flags = |sim: &Sim| sim.kernel.services()[0].service.flags;
    let before = flags(&sim);
    sim.kill("10.0.0.12");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=0 13=1");
    assert!(flags(&sim).contains(ipvs::ServiceFlags::SH_FALLBACK));
    sim.revive("10.0.0.12");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    assert_eq!(flags(&sim), before);
}

#[test]
fn sorry_servers_join_when_no_server_is_left_and_leave_again() {
    let mut sim = running(&with("sorry = [\"10.0.0.99\"]"));
    for server in ["10.0.0.11", "10.0.0.12"] {
        sim.kill(server);
    }
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=0 12=0 13=1");
    sim.kill("10.0.0.13");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=0 12=0 13=0 99=1");
    sim.carry(WEB, "10.0.0.99", 3);
    sim.revive("10.0.0.12");
    sim.seconds(3);
    assert_eq!(
        sim.weights(WEB),
        "11=0 12=1 13=0 99=0",
        "its three connections may end"
    );
    sim.carry(WEB, "10.0.0.99", 0);
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=0");
}

#[test]
fn backup_servers_join_when_too_few_are_up() {
    let mut sim = running(&with("backup = [\"10.0.0.21\"]\nbackup_below = 2"));
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    sim.kill("10.0.0.11");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    sim.kill("10.0.0.12");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=0 12=0 13=1 21=1");
    sim.revive("10.0.0.12");
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
}

#[test]
fn below_min_healthy_no_server_is_taken_out() {
    let mut sim = running(&with("min_healthy = 2"));
    sim.kill("10.0.0.11");
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    assert!(sim.events("service-below").is_empty());
    sim.kill("10.0.0.12");
    sim.seconds(5);
    assert_eq!(
        sim.weights(WEB),
        "11=0 12=1 13=1",
        "the last one to fail stays"
    );
    assert_eq!(sim.state(WEB, "10.0.0.12"), ServerState::Panic);
    assert_eq!(sim.events("service-below").len(), 1);
    sim.revive("10.0.0.11");
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=1 12=0 13=1");
    assert_eq!(sim.events("service-above").len(), 1);
}

#[test]
fn a_server_that_comes_back_ramps_up() {
    let file = THREE.replace("\"10.0.0.12\"", "{ address = \"10.0.0.12\", weight = 100 }");
    let mut sim = running(&format!("{file}slow_start = \"20s\"\n"));
    sim.seconds(30);
    assert_eq!(sim.weights(WEB), "11=1 12=100 13=1");
    sim.kill("10.0.0.12");
    sim.seconds(3);
    sim.revive("10.0.0.12");
    let mut seen = Vec::new();
    for _ in 0..30 {
        sim.seconds(1);
        let weights = sim.weights(WEB);
        seen.push(
            weights
                .split(['=', ' '])
                .nth(3)
                .unwrap()
                .parse::<u32>()
                .unwrap(),
        );
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(
        seen.contains(&1)
            && seen
                .iter()
                .filter(|weight| (2..100).contains(*weight))
                .count()
                > 10
    );
    assert_eq!(seen.last(), Some(&100));
}

#[test]
fn a_kill_changes_nothing_and_a_start_takes_no_server_out() {
    let mut sim = running(THREE);
    sim.kill("10.0.0.12");
    sim.seconds(3);
    // While no director runs, 12 comes back and 13 dies.
    let mut sim = sim.restart();
    sim.revive("10.0.0.12");
    sim.kill("10.0.0.13");
    sim.kernel.clear_log();
    sim.pass(Duration::from_millis(900));
    assert_eq!(sim.weights(WEB), "11=1 12=0 13=1", "as it was found");
    assert_eq!(sim.sent(), HashMap::new());
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=0");
}

#[test]
fn a_service_built_by_hand_is_adopted_as_it_is() {
    let mut sim = Sim::start(THREE);
    let key: ServiceKey = WEB.parse().unwrap();
    sim.meddle(Operation::AddService(Service::new(key, Service::RR)));
    for last in [11, 12, 13] {
        let server = ServerKey::new([10, 0, 0, last], 80);
        let server = Server::new(server, ForwardMethod::Masquerade);
        sim.meddle(Operation::AddServer(key, server));
    }
    sim.kernel.clear_log();
    sim.seconds(10);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    assert_eq!(sim.sent(), HashMap::new());
}

#[test]
fn initial_up_joins_immediately() {
    let mut sim = running(&with("initial = \"up\""));
    sim.kill("10.0.0.14");
    let file = with("initial = \"up\"").replace("\"10.0.0.13\"", "\"10.0.0.13\", \"10.0.0.14\"");
    sim.edit(&file);
    sim.pass(Duration::from_millis(600));
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1 14=1");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1 14=0");
}

#[test]
fn drift_is_repaired_within_a_period_and_reported() {
    let mut sim = running(THREE);
    let key: ServiceKey = WEB.parse().unwrap();
    let server = ServerKey::new([10, 0, 0, 12], 80);
    let heavy = Server::new(server, ForwardMethod::Masquerade).weight(Weight::new(7).unwrap());
    let other = Service::new(ServiceKey::tcp([192, 0, 2, 99], 80), Service::RR);
    for (break_it, said) in [
        (Operation::DeleteServer(key, server), "10.0.0.12:80 is gone"),
        (
            Operation::UpdateServer(key, heavy),
            "weight of 10.0.0.12:80 7 instead of 1",
        ),
        (Operation::DeleteService(key), "the service is gone"),
        (Operation::Flush, "the service is gone"),
    ] {
        let told = sim.events("drift").len();
        sim.meddle(break_it);
        sim.seconds(6);
        assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
        let drift = sim.events("drift");
        assert!(
            drift[told..].iter().any(|text| text.contains(said)),
            "{drift:?}"
        );
    }
    sim.meddle(Operation::AddService(other));
    sim.seconds(20);
    assert_eq!(sim.events("foreign").len(), 1);
    assert_eq!(sim.published.snapshot().foreign.len(), 1);
    assert_eq!(sim.kernel.services().len(), 2, "it is left alone");
}

#[test]
fn a_change_that_a_verdict_meets_before_a_reading_does_is_reported_too() {
    let key: ServiceKey = WEB.parse().unwrap();
    let server = ServerKey::new([10, 0, 0, 12], 80);
    for (break_it, said) in [
        (Operation::DeleteServer(key, server), "10.0.0.12:80 is gone"),
        (Operation::DeleteService(key), "the service is gone"),
    ] {
        let period = "\n[daemon]\nreconcile = \"1h\"\n";
        let mut sim = running(&format!("{THREE}{period}"));
        sim.meddle(break_it);
        sim.kill("10.0.0.12");
        sim.seconds(5);
        let drift = sim.events("drift");
        assert_eq!(drift.len(), 1, "{drift:?}");
        assert!(drift[0].contains(said), "{drift:?}");
        assert_eq!(sim.published.meters.read().repairs, 1);
        sim.revive("10.0.0.12");
        sim.seconds(5);
        assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
        assert_eq!(sim.events("drift").len(), 1, "its own changes are none");
    }
}

#[test]
fn a_quiet_period_sends_nothing() {
    let mut sim = running(THREE);
    sim.seconds(60);
    assert_eq!(sim.sent(), HashMap::new());
    assert!(sim.published.snapshot().reconciled.is_some());
}

#[test]
fn drift_that_is_only_reported_stays() {
    let mut sim = running(&with("[policy]\ndrift = \"report\""));
    let key: ServiceKey = WEB.parse().unwrap();
    sim.meddle(Operation::DeleteServer(
        key,
        ServerKey::new([10, 0, 0, 12], 80),
    ));
    sim.seconds(20);
    assert_eq!(sim.weights(WEB), "11=1 13=1");
    assert_eq!(sim.events("drift").len(), 1);
}

#[test]
fn flapping_is_damped() {
    let mut sim = running(&with(
        "damping = { changes = 3, within = \"2m\", hold = \"60s\", max_hold = \"10m\" }",
    ));
    for _ in 0..20 {
        sim.kill("10.0.0.12");
        sim.seconds(3);
        sim.revive("10.0.0.12");
        sim.seconds(3);
    }
    let sent = sim.sent()["update-server"];
    assert!(sent <= 12, "{sent} writes in two minutes");
    assert!(!sim.events("server-held").is_empty());
    sim.seconds(200);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}

#[test]
fn a_server_of_many_services_is_checked_once() {
    let mut file = "version = 1\n[pool.p]\nservers = [\"10.0.0.11\", \"10.0.0.12\"]\n[defaults.check]\ntype = \"tcp\"\nport = 80\ninterval = \"1s\"\n".to_owned();
    for number in 1..=100 {
        file +=
            &format!("[service.s{number}]\nlisten = \"tcp://192.0.2.10:{number}\"\npool = \"p\"\n");
    }
    let mut sim = running(&file);
    sim.seconds(5);
    assert_eq!(sim.checks.len(), 2);
    sim.kill("10.0.0.11");
    sim.seconds(5);
    for number in 1..=100 {
        assert_eq!(
            sim.weights(&format!("tcp://192.0.2.10:{number}")),
            "11=0 12=1"
        );
    }
    assert_eq!(sim.sent(), HashMap::from([("update-server", 100)]));
}

#[test]
fn a_verdict_during_a_transaction_is_not_undone_by_it() {
    let mut sim = running(THREE);
    sim.pace = Duration::from_secs(2);
    sim.kill("10.0.0.12");
    sim.edit(&THREE.replace("\"10.0.0.12\"", "{ address = \"10.0.0.12\", weight = 9 }"));
    sim.seconds(8);
    assert_eq!(sim.weights(WEB), "11=1 12=0 13=1");
    sim.revive("10.0.0.12");
    sim.seconds(4);
    assert_eq!(sim.weights(WEB), "11=1 12=9 13=1");
}

#[test]
fn a_service_that_is_no_longer_declared_drains_and_goes() {
    let second = "[service.two]\nlisten = \"tcp://192.0.2.11:80\"\nservers = [\"10.0.0.21\"]\n";
    let mut sim = running(&with(second));
    sim.seconds(5);
    let two = "tcp://192.0.2.11:80";
    assert_eq!(sim.weights(two), "21=1");
    sim.edit(THREE);
    sim.seconds(3);
    assert_eq!(
        sim.kernel.services().len(),
        1,
        "{:?} {:?}",
        sim.published.events(0),
        sim.published.snapshot().rejected
    );
    assert_eq!(sim.checks.len(), 3);
    assert_eq!(sim.published.snapshot().services.len(), 1);
}

#[test]
fn what_the_kernel_refused_is_tried_again() {
    let mut sim = running(THREE);
    let key: ServiceKey = WEB.parse().unwrap();
    sim.meddle(Operation::DeleteService(key));
    sim.kernel
        .inject(0, ipvs::fake::Fault::Refuse(ipvs::Errno::ENOMEM));
    sim.kernel.inject(3, ipvs::fake::Fault::LoseAnswer);
    sim.seconds(6);
    sim.kill("10.0.0.11");
    sim.kernel.clear_faults();
    sim.seconds(15);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
}
