//! From any table to any other.

#[path = "../../converge/tables.rs"]
mod generate;

use std::net::IpAddr;
use std::sync::Arc;

use director::apply::{ApplyError, Kernel, Ledger, Platform};
use director::plan::{Beside, Situation, diff};
use director::state::{Desired, DesiredService};
use ipvs::{Client, ForwardMethod, Name, Server, ServerKey, Service, ServiceKey};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::State;
use super::watched::{Watched, tables};
use crate::lab::Netns;

/// The number of pairs of tables per run.
const CASES: usize = 40;

/// Random tables from a seed that is printed, or from `$LAB_SEED`.
fn runner() -> TestRunner {
    let seed = std::env::var("LAB_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let seed: u64 = seed.unwrap_or(now.as_secs());
    println!("seed: LAB_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

fn director() -> Netns {
    let net = Netns::new("director");
    let up = net.enter(|| {
        std::process::Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status()
    });
    assert!(up.unwrap().success());
    net
}

/// Adds a service that no one owns; returns its contents.
fn add_foreign() -> (Service, Vec<Server>) {
    let mut client = Client::connect().unwrap();
    let service = Service::new(ServiceKey::tcp([203, 0, 113, 99], 99), Service::RR);
    let address: IpAddr = [10, 99, 0, 1].into();
    let server = Server::new(ServerKey::new(address, 99), ForwardMethod::Masquerade);
    client.add_service(&service).unwrap();
    client.add_server(&service.key, &server).unwrap();
    (service, vec![server])
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn from_any_table_to_any_other() {
    let mut runner = runner();
    let strategy = (generate::arbitrary_desired(), generate::arbitrary_desired());
    for case in 0..CASES {
        let (a, b) = strategy.new_tree(&mut runner).unwrap().current();
        director().enter(|| {
            let state = State::new();
            let foreign = add_foreign();
            state.apply(&a).unwrap();
            state.apply_on(&mut Watched::new(&a, &b), &b).unwrap();
            let mut expected = generate::wanted(&b);
            expected.push(foreign);
            expected.sort_by_key(|(service, _)| service.key);
            assert_eq!(tables(), expected, "case {case}");
            let mut kernel = Kernel::connect().unwrap();
            let observed = kernel.observe().unwrap();
            let ownership = Ledger::read(&state.store, &state.incarnation).unwrap();
            let now = kernel.now();
            let situation = Situation {
                desired: &b,
                observed: &observed,
                ownership: &ownership,
                now,
                beside: Beside::default(),
            };
            let again = diff(&situation);
            assert!(again.is_empty(), "case {case}: {:#?}", again.steps);
        });
    }
}

/// 200 services, with an unknown scheduler in the last one: nothing remains, and the report names
/// the cause.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_refusal_in_the_middle_gives_everything_back() {
    director().enter(|| {
        let state = State::new();
        let before = many(50, Service::WLC);
        state.apply(&before).unwrap();
        let tables_before = tables();

        let mut after = many(200, Service::RR);
        let last = after.services.values_mut().last().unwrap();
        let last = Arc::make_mut(last);
        last.service.scheduler = Name::from_static("nope");
        let culprit = last.service.key;
        let error = state.apply(&after).unwrap_err();
        let ApplyError::Failed { failed, unrestored } = &error else {
            panic!("{error}")
        };
        assert!(unrestored.is_empty(), "{unrestored:?}");
        assert_eq!(failed.len(), 1);
        let message = error.to_string();
        assert!(message.contains(&culprit.to_string()), "{message}");
        assert!(message.contains("modprobe ip_vs_nope"), "{message}");
        assert!(message.contains("everything was rolled back"), "{message}");
        assert_eq!(tables(), tables_before);
    });
}

fn many(count: u8, scheduler: Name) -> Desired {
    let mut desired = Desired::default();
    for host in 0..count {
        let key = ServiceKey::tcp([192, 0, 2, host], 80);
        let server = Server::new(
            ServerKey::new([10, 0, 0, host + 1], 80),
            ForwardMethod::Masquerade,
        );
        let servers = [(
            server.key,
            director::state::DesiredServer { name: None, server },
        )];
        let service = DesiredService {
            name: format!("s{host}").into(),
            service: Service::new(key, scheduler),
            servers: servers.into(),
            drain: std::time::Duration::ZERO,
            dead: Vec::new(),
            allow: Default::default(),
        };
        desired.services.insert(key, service.into());
    }
    desired
}
