//! Random hours: servers die and return, files change, other programs change tables, the director
//! is killed; afterwards the tables match the file and the live servers.

use ipvs::fake::Fault;
use ipvs::{Errno, ForwardMethod, Operation, Server, ServerKey, Service, ServiceKey};
use proptest::prelude::*;

use super::*;

/// An event of the simulation.
#[derive(Debug, Clone)]
enum Happening {
    Die(u8),
    Return(u8),
    Edit {
        servers: u8,
        second: bool,
        weight: u8,
        scheduler: u8,
    },
    Break,
    DeleteServer(u8),
    DeleteService(u8),
    Flush,
    Stranger,
    Refuse(u8),
    LoseAnswer(u8),
    Restart,
    Drain(u8),
    Undrain(u8),
    Wait(u16),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        3 => (11u8..17).prop_map(Die),
        3 => (11u8..17).prop_map(Return),
        2 => (0u8..64, any::<bool>(), 1u8..9, 0u8..4)
            .prop_map(|(servers, second, weight, scheduler)| Edit { servers, second, weight, scheduler }),
        1 => Just(Break),
        2 => (11u8..17).prop_map(DeleteServer),
        1 => (0u8..2).prop_map(DeleteService),
        1 => Just(Flush),
        1 => Just(Stranger),
        1 => (0u8..4).prop_map(Refuse),
        1 => (0u8..4).prop_map(LoseAnswer),
        1 => Just(Restart),
        1 => (11u8..17).prop_map(Drain),
        1 => (11u8..17).prop_map(Undrain),
        6 => (10u16..4000).prop_map(Wait),
    ]
}

const SERVICES: [&str; 2] = ["tcp://192.0.2.10:80", "tcp://192.0.2.11:80"];
const SCHEDULERS: [&str; 4] = ["rr", "wlc", "sh", "mh"];

/// The contents of a file.
#[derive(Debug, Clone)]
struct File {
    servers: Vec<u8>,
    second: bool,
    weight: u8,
    scheduler: &'static str,
}

impl File {
    fn text(&self) -> String {
        let servers: Vec<String> = self
            .servers
            .iter()
            .map(|last| {
                format!(
                    "{{ address = \"10.0.0.{last}\", weight = {} }}",
                    self.weight
                )
            })
            .collect();
        let servers = servers.join(", ");
        let scheduler = self.scheduler;
        let mut text = format!(
            "version = 1\n[policy]\nmax_removed = \"100%\"\n[defaults]\ndrain = \"3s\"\ndamping = false\n\
             scheduler = \"{scheduler}\"\n\
             [defaults.check]\ntype = \"tcp\"\ninterval = \"1s\"\nrise = 2\nfall = 2\n\
             [service.one]\nlisten = \"{}\"\nservers = [{servers}]\n",
            SERVICES[0]
        );
        if self.second {
            text += &format!(
                "[service.two]\nlisten = \"{}\"\nservers = [{servers}]\n",
                SERVICES[1]
            );
        }
        text
    }
}

/// The expected tables once everything has settled.
fn expected(file: &File, dead: &BTreeSet<IpAddr>, drained: &BTreeSet<u8>) -> BTreeMap<u8, u32> {
    let mut weights = BTreeMap::new();
    for last in &file.servers {
        let address: IpAddr = [10, 0, 0, *last].into();
        let serves = !dead.contains(&address) && !drained.contains(last);
        if serves {
            weights.insert(*last, u32::from(file.weight));
        }
    }
    weights
}

fn is_dead(sim: &Sim, last: u8) -> bool {
    sim.dead.contains(&IpAddr::from([10, 0, 0, last]))
}

/// The servers of a service that accept clients.
fn serving(sim: &Sim, service: &str) -> BTreeMap<u8, u32> {
    let key: ServiceKey = service.parse().unwrap();
    let servers = sim.kernel.servers(&key);
    let weights = servers.iter().filter_map(|entry| {
        let IpAddr::V4(address) = entry.server.key.address else {
            return None;
        };
        let weight = entry.server.weight.get();
        (weight > 0).then_some((address.octets()[3], weight))
    });
    weights.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(96), ..ProptestConfig::default() })]

    #[test]
    fn it_always_comes_to_rest_where_it_should(
        happenings in prop::collection::vec(happening(), 1..60)
    ) {
        let mut file = File { servers: vec![11, 12, 13], second: true, weight: 2, scheduler: "rr" };
        let mut drained = BTreeSet::new();
        let mut stranger = false;
        let mut sim = Sim::start(&file.text());
        sim.seconds(4);
        for happening in happenings {
            match happening {
                Happening::Die(last) => sim.kill(&format!("10.0.0.{last}")),
                Happening::Return(last) => sim.revive(&format!("10.0.0.{last}")),
                Happening::Edit { servers, second, weight, scheduler } => {
                    let servers = (0..6).filter(|bit| servers & (1 << bit) != 0).map(|bit| 11 + bit);
                    let servers: Vec<u8> = servers.collect();
                    if servers.is_empty() {
                        continue;
                    }
                    let scheduler = SCHEDULERS[usize::from(scheduler)];
                    file = File { servers, second, weight, scheduler };
                    sim.edit(&file.text());
                }
                Happening::Break => {
                    std::fs::write(sim.file(), "version = 1\n[service.broken").unwrap();
                    sim.handle(Input::Reload);
                    sim.seconds(1);
                    std::fs::write(sim.file(), file.text()).unwrap();
                    sim.handle(Input::Reload);
                }
                Happening::DeleteServer(last) => {
                    let key: ServiceKey = SERVICES[0].parse().unwrap();
                    let server = ServerKey::new([10, 0, 0, last], 80);
                    let _ = sim.kernel.meddle(&Operation::DeleteServer(key, server));
                }
                Happening::DeleteService(which) => {
                    let key = SERVICES[usize::from(which)].parse().unwrap();
                    let _ = sim.kernel.meddle(&Operation::DeleteService(key));
                }
                Happening::Flush => {
                    stranger = false;
                    sim.meddle(Operation::Flush);
                }
                Happening::Stranger => {
                    stranger = true;
                    let key = ServiceKey::tcp([192, 0, 2, 99], 80);
                    let _ = sim.kernel.meddle(&Operation::AddService(Service::new(key, Service::RR)));
                    let server = Server::new(ServerKey::new([10, 0, 0, 99], 80), ForwardMethod::Masquerade);
                    let _ = sim.kernel.meddle(&Operation::AddServer(key, server));
                }
                Happening::Refuse(skip) => sim.kernel.inject(skip.into(), Fault::Refuse(Errno::ENOMEM)),
                Happening::LoseAnswer(skip) => sim.kernel.inject(skip.into(), Fault::LoseAnswer),
                Happening::Restart => {
                    sim.kernel.clear_faults();
                    sim = sim.restart();
                    sim.seconds(1);
                }
                Happening::Drain(last) => {
                    let request = Sim::request("one", &format!("10.0.0.{last}"));
                    if sim.ask(Request::Drain(request)).is_ok() {
                        drained.insert(last);
                    }
                }
                Happening::Undrain(last) => {
                    let request = Sim::request("one", &format!("10.0.0.{last}"));
                    if sim.ask(Request::Undrain(request)).is_ok() {
                        drained.remove(&last);
                    }
                }
                Happening::Wait(milliseconds) => sim.pass(Duration::from_millis(milliseconds.into())),
            }
        }
        sim.kernel.clear_faults();
        // The kernel or a guard may have refused a file: read it once more.
        let request = Request::Reload { force: true };
        sim.handle(Input::Request(request, Box::new(|_| {})));
        sim.seconds(90);
        let one = expected(&file, &sim.dead, &drained);
        let two = if file.second { expected(&file, &sim.dead, &BTreeSet::new()) } else { BTreeMap::new() };
        for (service, expected) in SERVICES.iter().zip([one, two]) {
            let mut serving = serving(&sim, service);
            for (server, weight) in expected {
                prop_assert_eq!(serving.remove(&server), Some(weight), "{} of {}", server, service);
            }
            // The remaining servers were replaced by ones that have not been up yet, and stay for
            // them.
            let waiting = file.servers.iter().filter(|last| is_dead(&sim, **last)).count();
            prop_assert!(serving.len() <= waiting, "{service}: {serving:?}");
            let wrong = serving.keys().any(|last| is_dead(&sim, *last) || file.servers.contains(last));
            prop_assert!(!wrong, "{serving:?} {:?} {:?}", sim.published.events(0), sim.published.snapshot());
        }
        sim.dead.clear();
        sim.seconds(20);
        let one = expected(&file, &sim.dead, &drained);
        prop_assert_eq!(serving(&sim, SERVICES[0]), one, "service one");
        let two = if file.second { expected(&file, &sim.dead, &BTreeSet::new()) } else { BTreeMap::new() };
        prop_assert_eq!(serving(&sim, SERVICES[1]), two, "service two");
        let foreign = serving(&sim, "tcp://192.0.2.99:80");
        prop_assert!(sim.core.failed_to_start().is_none());
        prop_assert_eq!(foreign.len(), usize::from(stranger), "the stranger is left alone");
        sim.kernel.clear_log();
        sim.seconds(30);
        prop_assert_eq!(sim.sent(), HashMap::new(), "and it stays at rest");
    }
}
