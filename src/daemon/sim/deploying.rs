//! Servers that are taken out and put back one after the other, and what an operator reads after
//! each verb.

use std::fmt::Write;
use std::sync::Mutex;

use super::scenarios::{THREE, WEB, running};
use super::*;
use crate::control::operator::{HostRequest, RefusalKind};
use crate::control::snapshot::Snapshot;

const ONE: &str = "10.0.0.11";
const TWO: &str = "10.0.0.12";
const LAST: &str = "10.0.0.13";

/// An answer, and the snapshot that was published when it was given.
type Heard = (Result<Answer, Refusal>, Arc<Snapshot>);

impl Sim {
    /// Sends a request, and lets time pass until it is answered.
    #[track_caller]
    fn told(&mut self, request: Request) -> Heard {
        let told: Arc<Mutex<Option<Heard>>> = Arc::default();
        let (heard, published) = (told.clone(), self.published.clone());
        let reply = Box::new(move |answer| {
            *heard.lock().unwrap() = Some((answer, published.snapshot()));
        });
        self.handle(Input::Request(request, reply));
        for _ in 0..1000 {
            if let Some(told) = told.lock().unwrap().take() {
                return told;
            }
            self.pass(Duration::from_millis(10));
        }
        panic!("no answer within ten seconds");
    }

    /// A request that has to succeed.
    #[track_caller]
    fn carried_out(&mut self, request: Request) -> (Answer, Arc<Snapshot>) {
        let (answer, seen) = self.told(request);
        (answer.unwrap(), seen)
    }

    /// A request that the guard refuses; nothing is changed then.
    #[track_caller]
    fn guarded(&mut self, request: Request) -> String {
        let (kept, weights) = (self.kept.clone(), self.weights(WEB));
        let refusal = self.told(request).0.unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::LastServer, "{refusal}");
        assert_eq!(self.kept, kept, "{refusal}");
        assert_eq!(self.weights(WEB), weights, "{refusal}");
        refusal.message
    }
}

fn in_all(server: &str) -> ServerRequest {
    ServerRequest {
        service: None,
        ..Sim::request("", server)
    }
}

fn forced(request: ServerRequest) -> ServerRequest {
    ServerRequest {
        force: true,
        ..request
    }
}

fn machine(server: &str) -> HostRequest {
    HostRequest {
        server: server.to_owned(),
        force: false,
        note: Note {
            by: "anna".to_owned(),
            ..Note::default()
        },
    }
}

fn weight(server: &str, weight: u32) -> Request {
    Request::Weight {
        of: Sim::request("web", server),
        weight: Some(weight),
    }
}

/// Many services with two servers, all on the same two machines.
fn crowd(services: u32, weight: u32) -> String {
    let mut file = String::from("version = 1\n[defaults]\nforward = \"nat\"\ndrain = \"30s\"\n");
    for number in 0..services {
        let _ = write!(
            file,
            "[service.s{number}]\nlisten = \"tcp://192.0.2.10:{}\"\nservers = [\n\
             {{ address = \"10.0.0.11\", weight = {weight} }},\n\
             {{ address = \"10.0.0.12\", weight = {weight} }},\n]\n",
            1000 + number
        );
    }
    file
}

/// Every server's state and weight in a snapshot.
fn all_are(seen: &Snapshot, server: &str, state: ServerState, weight: u32) -> bool {
    let address: IpAddr = server.parse().unwrap();
    let servers = seen.services.values().flat_map(|status| &status.servers);
    let mut of_machine = servers.filter(|one| one.key().address == address);
    of_machine.all(|one| {
        let now = one.server.map(|server| server.weight.get());
        one.state == state && now == Some(weight)
    })
}

#[test]
fn thirty_of_thirty_reloads_are_in_the_snapshot_that_is_read_next() {
    let mut sim = running(&crowd(100, 1));
    for round in 0..30 {
        let new = 2 + round;
        std::fs::write(sim.file(), crowd(100, new)).unwrap();
        let before = sim.published.snapshot();
        let (answer, seen) = sim.carried_out(Request::Reload { force: false });
        assert!(answer.done[0].starts_with("in force"), "{answer:?}");
        assert!(seen.revision > before.revision && seen.loaded > before.loaded);
        assert_eq!(seen.services.len(), 100);
        for server in [ONE, TWO] {
            assert!(
                all_are(&seen, server, ServerState::Up, new),
                "round {round}"
            );
        }
    }
    // Services that come and go, and a file that changes nothing.
    for services in [40, 40, 160] {
        std::fs::write(sim.file(), crowd(services, 1)).unwrap();
        let force = services == 40;
        let (_, seen) = sim.carried_out(Request::Reload { force });
        let there = seen.services.values().filter(|status| !status.leaving);
        assert_eq!(there.count(), usize::try_from(services).unwrap());
    }
}

#[test]
fn a_reload_that_is_refused_shows_why_in_what_is_read_next() {
    let mut sim = running(THREE);
    std::fs::write(sim.file(), THREE.replace("scheduler", "shceduler")).unwrap();
    let (answer, seen) = sim.told(Request::Reload { force: false });
    let refusal = answer.unwrap_err();
    assert_eq!(seen.rejected.as_deref(), Some(refusal.message.as_str()));
    std::fs::write(sim.file(), THREE).unwrap();
    let (_, seen) = sim.carried_out(Request::Reload { force: false });
    assert_eq!(seen.rejected, None);
}

#[test]
fn a_machine_in_a_hundred_services_is_out_of_all_when_the_verb_returns() {
    let mut sim = running(&crowd(100, 3));
    let (answer, seen) = sim.carried_out(Request::Disable(machine(ONE)));
    assert_eq!(answer.done.len(), 1, "{answer:?}");
    assert!(answer.done[0].ends_with("(100 servers)"), "{answer:?}");
    assert!(all_are(&seen, ONE, ServerState::Disabled, 0));
    assert!(all_are(&seen, TWO, ServerState::Up, 3));
    assert!(seen.disabled.contains_key(&ONE.parse().unwrap()));
    for port in [1000, 1050, 1099] {
        assert_eq!(
            sim.weights(&format!("tcp://192.0.2.10:{port}")),
            "11=0 12=3"
        );
    }
    let (_, seen) = sim.carried_out(Request::Enable(machine(ONE)));
    assert!(all_are(&seen, ONE, ServerState::Up, 3), "it has no checks");
    let (answer, seen) = sim.carried_out(Request::Drain(in_all(TWO)));
    assert_eq!(answer.done.len(), 100);
    assert!(all_are(&seen, TWO, ServerState::Drained, 0));
    let (_, seen) = sim.carried_out(Request::Undrain(in_all("10.0.0.12")));
    assert!(all_are(&seen, TWO, ServerState::Up, 3));
}

#[test]
fn every_verb_is_in_the_snapshot_that_is_read_next() {
    let mut sim = running(THREE);
    let state = |seen: &Snapshot, server: &str| {
        let status = &seen.services[&WEB.parse().unwrap()];
        let of = |one: &&crate::control::snapshot::ServerStatus| {
            one.key().address == server.parse::<IpAddr>().unwrap()
        };
        let found = status.servers.iter().find(of).unwrap();
        (found.state, found.server.map(|server| server.weight.get()))
    };
    for _ in 0..10 {
        let (_, seen) = sim.carried_out(Request::Drain(Sim::request("web", ONE)));
        assert_eq!(state(&seen, ONE), (ServerState::Drained, Some(0)));
        let (_, seen) = sim.carried_out(weight(TWO, 7));
        assert_eq!(state(&seen, TWO), (ServerState::Up, Some(7)));
        let of = Sim::request("web", TWO);
        let (_, seen) = sim.carried_out(Request::Weight { of, weight: None });
        assert_eq!(state(&seen, TWO), (ServerState::Up, Some(1)));
        let (_, seen) = sim.carried_out(Request::Undrain(Sim::request("web", ONE)));
        assert_eq!(state(&seen, ONE), (ServerState::Pending, Some(0)));
        sim.seconds(3);
    }
}

#[test]
fn a_server_that_is_put_back_serves_when_rise_further_checks_have_passed() {
    let mut sim = running(THREE);
    sim.carried_out(Request::Drain(Sim::request("web", ONE)));
    sim.seconds(10);
    sim.carried_out(Request::Undrain(Sim::request("web", ONE)));
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1", "not on its old verdict");
    let status = sim.status(WEB).servers[0].clone();
    assert_eq!(status.state, ServerState::Pending);
    assert_eq!(&*status.reason, "put back, and not checked since");
    sim.pass(Duration::from_millis(500));
    assert_eq!(
        sim.weights(WEB),
        "11=0 12=1 13=1",
        "one check is not enough"
    );
    sim.seconds(1);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    assert_eq!(sim.state(WEB, ONE), ServerState::Up);

    // It died while it was out, and no check has noticed yet.
    sim.carried_out(Request::Disable(machine(ONE)));
    sim.seconds(2);
    sim.kill(ONE);
    sim.carried_out(Request::Enable(machine(ONE)));
    for _ in 0..20 {
        sim.seconds(1);
        assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    }
    assert_eq!(sim.state(WEB, ONE), ServerState::Down);
    // Known to be down, it stays so until it passes.
    sim.carried_out(Request::Drain(Sim::request("web", ONE)));
    sim.carried_out(Request::Undrain(Sim::request("web", ONE)));
    assert_eq!(sim.state(WEB, ONE), ServerState::Down);
    sim.revive(ONE);
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}

#[test]
fn the_end_of_a_drains_time_is_a_way_back_as_well() {
    let mut sim = running(THREE);
    let note = Note {
        for_seconds: Some(10),
        ..Note::default()
    };
    let drain = ServerRequest {
        note,
        ..Sim::request("web", ONE)
    };
    sim.carried_out(Request::Drain(drain));
    sim.pass(Duration::from_millis(9_500));
    sim.kill(ONE);
    for _ in 0..50 {
        sim.pass(Duration::from_millis(100));
        assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    }
    sim.revive(ONE);
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}

#[test]
fn restarts_during_maintenance_are_no_flapping() {
    let mut sim = running(THREE);
    for _ in 0..12 {
        sim.carried_out(Request::Drain(in_all(ONE)));
        sim.kill(ONE);
        sim.seconds(4);
        sim.revive(ONE);
        sim.carried_out(Request::Undrain(in_all(ONE)));
        sim.seconds(4);
        assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    }
    assert_eq!(sim.events("server-held"), Vec::<String>::new());
}

#[test]
fn another_service_of_the_same_server_goes_on_with_its_verdict() {
    let other = "tcp://192.0.2.10:81";
    let file = format!(
        "{THREE}[service.other]\nlisten = \"{other}\"\nforward = \"nat\"\nservers = [\n\
         \"10.0.0.11:80\", \"10.0.0.12:80\"]\n"
    );
    let mut sim = running(&file);
    sim.carried_out(Request::Drain(Sim::request("web", ONE)));
    sim.carried_out(Request::Undrain(Sim::request("web", ONE)));
    for _ in 0..30 {
        sim.pass(Duration::from_millis(100));
        assert_eq!(sim.weights(other), "11=1 12=1");
    }
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    sim.kill(ONE);
    sim.seconds(4);
    assert_eq!(sim.weights(other), "11=0 12=1");
}

#[test]
fn the_last_usable_server_stays_in_unless_forced() {
    let mut sim = running(THREE);
    sim.carried_out(Request::Drain(Sim::request("web", ONE)));
    sim.kill(TWO);
    sim.seconds(4);
    let said = sim.guarded(Request::Drain(Sim::request("web", LAST)));
    assert_eq!(
        said,
        format!(
            "refused: web ({WEB}) would be left without a usable server (10.0.0.11:80 is drained, \
             10.0.0.12:80 is down); nothing was changed; use --force to override"
        )
    );
    sim.guarded(weight(LAST, 0));
    sim.guarded(Request::Disable(machine(LAST)));
    sim.guarded(Request::Drain(in_all(LAST)));
    // What does not serve may be taken out, and a smaller weight is still one.
    sim.carried_out(Request::Drain(Sim::request("web", TWO)));
    sim.carried_out(weight(LAST, 1));
    // One that was put back and is not checked yet is no replacement.
    sim.carried_out(Request::Undrain(Sim::request("web", ONE)));
    sim.guarded(Request::Drain(Sim::request("web", LAST)));
    sim.seconds(3);
    sim.carried_out(Request::Drain(Sim::request("web", LAST)));
    let (answer, _) = sim.carried_out(Request::Drain(forced(Sim::request("web", ONE))));
    assert_eq!(sim.weights(WEB), "11=0 12=0 13=0");
    assert!(
        answer.done[1].starts_with(&format!("forced: web ({WEB}) is left without")),
        "{answer:?}"
    );
    // Nothing is left to lose.
    sim.carried_out(Request::Drain(Sim::request("web", ONE)));
}

#[test]
fn a_backup_server_that_steps_in_is_usable_and_a_sorry_server_is_not() {
    let one = THREE.replace(", \"10.0.0.12\", \"10.0.0.13\"", "");
    let mut sim = running(&format!("{one}backup = [\"10.0.0.21\"]\n"));
    sim.carried_out(Request::Drain(Sim::request("web", ONE)));
    assert_eq!(sim.weights(WEB), "11=0 21=1");
    let said = sim.guarded(Request::Drain(Sim::request("web", "10.0.0.21")));
    assert!(said.contains("(10.0.0.11:80 is drained)"), "{said}");

    let mut sim = running(&format!("{one}backup = [\"10.0.0.21\"]\n"));
    sim.kill("10.0.0.21");
    sim.seconds(4);
    sim.guarded(Request::Drain(Sim::request("web", ONE)));

    let mut sim = running(&format!("{one}sorry = [\"10.0.0.31\"]\n"));
    let said = sim.guarded(Request::Drain(Sim::request("web", ONE)));
    assert!(
        said.contains("would be left with its sorry servers only"),
        "{said}"
    );
    sim.carried_out(Request::Drain(forced(Sim::request("web", ONE))));
    assert_eq!(sim.weights(WEB), "11=0 31=1");
    // Its machine can be in maintenance, too.
    sim.carried_out(Request::Disable(machine("10.0.0.31")));
    assert_eq!(sim.state(WEB, "10.0.0.31"), ServerState::Disabled);
    assert_eq!(sim.weights(WEB), "11=0 31=0");
}

#[test]
fn a_drain_in_all_services_does_nothing_unless_it_can_do_everything() {
    let two = "tcp://192.0.2.20:80";
    let file = format!(
        "{THREE}[service.two]\nlisten = \"{two}\"\nforward = \"nat\"\nservers = [\n\
         {{ name = \"app1\", address = \"10.0.0.11\" }}]\n"
    );
    let mut sim = running(&file);
    for request in [
        Request::Drain(in_all(ONE)),
        Request::Disable(machine(ONE)),
        Request::Drain(in_all("10.0.0.11:80")),
    ] {
        let said = sim.guarded(request);
        assert!(
            said.starts_with(&format!("refused: two ({two}) would")),
            "{said}"
        );
        assert_eq!(sim.weights(two), "11=1");
    }
    // A name means the servers that have it.
    let (answer, _) = sim.carried_out(Request::Drain(forced(in_all("app1"))));
    assert_eq!(answer.done.len(), 2, "{answer:?}");
    assert_eq!(
        (&*sim.weights(WEB), &*sim.weights(two)),
        ("11=1 12=1 13=1", "11=0")
    );
    let (answer, _) = sim.carried_out(Request::Drain(in_all(ONE)));
    assert_eq!(answer.done.len(), 2, "{answer:?}");
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    let (answer, _) = sim.carried_out(Request::Undrain(in_all(ONE)));
    assert_eq!(answer.done.len(), 2);
    sim.seconds(3);
    assert_eq!(
        (&*sim.weights(WEB), &*sim.weights(two)),
        ("11=1 12=1 13=1", "11=1")
    );
}

#[test]
fn a_name_that_no_service_has_and_a_service_without_a_server_are_not_found() {
    let mut sim = running(THREE);
    for (server, said) in [
        (
            "10.0.0.99",
            "the file has no server `10.0.0.99`; there are: 10.0.0.11:80",
        ),
        ("web", "`web` is a service; name a server of it, too"),
        (WEB, "is a service; name a server of it, too"),
    ] {
        for request in [
            Request::Drain(in_all(server)),
            Request::Undrain(in_all(server)),
        ] {
            let refusal = sim.told(request).0.unwrap_err();
            assert_eq!(refusal.kind, RefusalKind::NotFound);
            assert!(refusal.message.contains(said), "{refusal}");
        }
    }
    for request in [Request::Disable, Request::Enable] {
        let refusal = sim.told(request(machine("10.0.0.99"))).0.unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::NotFound, "{refusal}");
    }
    let (answer, _) = sim.carried_out(Request::Enable(machine(ONE)));
    assert_eq!(answer.done, ["10.0.0.11: was not in maintenance"]);
}

#[test]
fn a_director_that_has_just_made_the_tables_says_that_they_are_in_sync() {
    let mut sim = Sim::start(THREE);
    for _ in 0..100 {
        sim.pass(Duration::from_millis(10));
        let seen = sim.published.snapshot();
        if seen.loaded.is_some() {
            assert_eq!(seen.reconciled, seen.loaded);
            return;
        }
    }
    panic!("the file is not in force");
}
