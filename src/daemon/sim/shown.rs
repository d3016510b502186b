//! What `status` shows: since when a server is in its state, and what differs from the file.

use ipvs::{ForwardMethod, Operation, Server, ServerKey, Service, ServiceKey, Weight};

use super::scenarios::{THREE, WEB, running};
use super::*;
use crate::control::snapshot::ServerStatus;
use crate::state::Sysctl;

fn server(sim: &Sim, last: u8) -> ServerStatus {
    let status = sim.status(WEB);
    let key = ServerKey::new([10, 0, 0, last], 80);
    let mut servers = status.servers.iter();
    servers.find(|server| server.key() == key).unwrap().clone()
}

/// For how many seconds a server has been in its state.
fn age(sim: &Sim, last: u8) -> u64 {
    let entered = server(sim, last).entered;
    sim.now.wall.duration_since(entered).unwrap().as_secs()
}

#[test]
fn the_age_is_that_of_the_state_whatever_brought_it_there() {
    let mut sim = running(&format!("{THREE}\nsorry = [\"10.0.0.99\"]\n"));
    sim.seconds(60);
    let since = server(&sim, 11).since;
    assert!(age(&sim, 11) >= 60 && age(&sim, 99) >= 60);
    sim.ask(Request::Drain(Sim::request("web", "10.0.0.11")))
        .unwrap();
    sim.seconds(10);
    assert_eq!(age(&sim, 11), 10, "drained for that long");
    assert_eq!(server(&sim, 11).since, since, "the verdict is the same");
    assert!(age(&sim, 12) >= 70, "the others are as they were");
    assert!(
        age(&sim, 99) >= 70,
        "a sorry server that is not needed, too"
    );
    assert_eq!(server(&sim, 99).since, server(&sim, 99).entered);
    // A reason or a weight is no other state.
    let mut again = Sim::request("web", "10.0.0.11");
    again.note.reason = Some("new disks".to_owned());
    sim.ask(Request::Drain(again)).unwrap();
    sim.seconds(10);
    assert_eq!(age(&sim, 11), 20);
    sim.ask(Request::Undrain(Sim::request("web", "10.0.0.11")))
        .unwrap();
    sim.seconds(5);
    // Judged anew, it was pending before it was up.
    let up = age(&sim, 11);
    assert!((1..5).contains(&up), "{up}");
    // A reload of what stays does not count either.
    sim.edit(&format!(
        "{THREE}\nmin_healthy = 1\nsorry = [\"10.0.0.99\"]\n"
    ));
    sim.seconds(5);
    assert_eq!(age(&sim, 11), up + 5);
    assert!(age(&sim, 99) >= 80);
}

#[test]
fn a_server_that_left_the_file_is_leaving_since_then() {
    let mut sim = running(THREE);
    sim.carry(WEB, "10.0.0.13", 7);
    sim.edit(&THREE.replace(", \"10.0.0.13\"", ""));
    sim.seconds(5);
    assert_eq!(sim.state(WEB, "10.0.0.13"), ServerState::Leaving);
    let before = age(&sim, 13);
    sim.seconds(10);
    assert_eq!(age(&sim, 13), before + 10);
    assert_eq!(server(&sim, 13).since, server(&sim, 13).entered);
}

#[test]
fn a_date_that_is_set_makes_no_state_younger_or_older() {
    let mut sim = running(THREE);
    sim.seconds(30);
    let before = age(&sim, 11);
    let hours = Duration::from_secs(3600 * 48);
    for date in [sim.now.wall + hours, sim.now.wall - hours] {
        sim.set_date(date);
        sim.seconds(2);
        assert!((before..before + 10).contains(&age(&sim, 11)));
    }
}

const REPORTS: &str = "\n[policy]\ndrift = \"report\"\n";

/// What differs, as `status` has it.
fn drift(sim: &Sim) -> Vec<String> {
    let snapshot = sim.published.snapshot();
    let all = snapshot.drift.iter();
    all.map(|one| {
        let name = one.name.as_deref().unwrap_or("settings");
        format!("{name}: {}", one.text)
    })
    .collect()
}

fn weighs(last: u8, weight: u32) -> Operation {
    let server = Server::new(
        ServerKey::new([10, 0, 0, last], 80),
        ForwardMethod::Masquerade,
    );
    Operation::UpdateServer(
        WEB.parse().unwrap(),
        server.weight(Weight::new(weight).unwrap()),
    )
}

#[test]
fn what_another_program_changed_is_shown_until_it_is_gone() {
    let mut sim = running(&format!("{THREE}{REPORTS}"));
    sim.seconds(20);
    let reconciled = |sim: &Sim| sim.published.snapshot().reconciled.unwrap();
    assert_eq!(drift(&sim), Vec::<String>::new());
    sim.meddle(weighs(12, 7));
    sim.seconds(6);
    let before = reconciled(&sim);
    let text = "web: weight of 10.0.0.12:80 7 instead of 1";
    assert_eq!(drift(&sim), [text]);
    // It is not what director believes to be right, however often it looks.
    sim.seconds(60);
    assert_eq!(drift(&sim), [text]);
    assert_eq!(reconciled(&sim), before, "not in sync");
    assert_eq!(sim.events("drift").len(), 1, "reported once");
    // Something else differs, too.
    let key: ServiceKey = WEB.parse().unwrap();
    sim.meddle(Operation::DeleteServer(
        key,
        ServerKey::new([10, 0, 0, 13], 80),
    ));
    sim.seconds(6);
    assert_eq!(drift(&sim), [format!("{text}, 10.0.0.13:80 is gone")]);
    // Who changed it changes it back.
    sim.meddle(weighs(12, 1));
    let back = Server::new(
        ServerKey::new([10, 0, 0, 13], 80),
        ForwardMethod::Masquerade,
    );
    sim.meddle(Operation::AddServer(key, back));
    sim.seconds(12);
    assert_eq!(drift(&sim), Vec::<String>::new());
    assert!(reconciled(&sim) > before);
}

#[test]
fn a_service_that_another_program_deleted_is_shown_and_not_made_again() {
    let mut sim = running(&format!("{THREE}{REPORTS}"));
    sim.seconds(10);
    sim.meddle(Operation::DeleteService(WEB.parse().unwrap()));
    sim.seconds(60);
    assert_eq!(drift(&sim), ["web: the service is gone"]);
    assert!(sim.kernel.services().is_empty(), "only reported");
    // Until the file says otherwise.
    sim.edit(THREE);
    sim.seconds(12);
    assert_eq!(drift(&sim), Vec::<String>::new());
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}

#[test]
fn a_drain_is_no_difference() {
    let mut sim = running(&format!("{THREE}{REPORTS}"));
    sim.carry(WEB, "10.0.0.13", 7);
    let file = THREE.replace(", \"10.0.0.13\"", "");
    sim.edit(&format!("{file}{REPORTS}"));
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=0");
    sim.meddle(weighs(12, 7));
    sim.seconds(6);
    assert_eq!(drift(&sim), ["web: weight of 10.0.0.12:80 7 instead of 1"]);
}

#[test]
fn what_is_repaired_is_not_shown() {
    let mut sim = running(THREE);
    sim.meddle(weighs(12, 7));
    sim.seconds(12);
    assert_eq!(drift(&sim), Vec::<String>::new());
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    let scheduler = Service::new(WEB.parse().unwrap(), Service::WLC);
    sim.meddle(Operation::UpdateService(scheduler));
    sim.seconds(12);
    assert_eq!(drift(&sim), Vec::<String>::new());
}

#[test]
fn sysctls_that_this_kernel_lacks_are_shown() {
    // The simulated kernel has the sysctls of the machine that runs the tests.
    let path = std::path::Path::new("/proc/sys/net/ipv4/vs/sync_retries");
    let lacks = !path.exists();
    let sim = running(&format!("{THREE}\n[kernel]\nsync_retries = 0\n"));
    let shown = sim.published.snapshot().lacking.to_vec();
    assert_eq!(shown.contains(&Sysctl::SyncRetries), lacks, "{shown:?}");
    let none = running(THREE);
    assert!(none.published.snapshot().lacking.is_empty());
}
