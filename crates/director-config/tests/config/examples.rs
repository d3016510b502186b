//! The examples have no mistakes or warnings, and declare the services that their comments promise.

use std::path::{Path, PathBuf};

use director_config::state::Desired;
use director_config::{self as config, Environment, Style};
use ipvs::{Family, ForwardMethod, ServiceFlags, TunnelKind};

/// All examples and their declarations.
pub(crate) fn all() -> Vec<(PathBuf, Desired)> {
    let mut paths: Vec<_> = std::fs::read_dir("../../examples")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml" || e == "json"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), load(&path)))
        .collect()
}

fn load(path: &Path) -> Desired {
    let outcome = config::load(path, &Environment::default());
    assert_eq!(outcome.render(Style::Plain), "", "{}", path.display());
    outcome.desired.unwrap()
}

fn example(name: &str) -> Desired {
    load(&Path::new("../../examples").join(name))
}

#[test]
fn none_has_a_mistake_or_a_warning() {
    assert!(all().len() >= 7);
}

#[test]
fn web_farm() {
    let desired = example("web-nat.toml");
    assert_eq!(desired.services.len(), 2);
    for service in desired.services.values() {
        assert_eq!(service.servers.len(), 3);
        let nat = |server: &director_config::state::DesiredServer| {
            server.server.forward == ForwardMethod::Masquerade
        };
        assert!(service.servers.values().all(nat));
    }
}

#[test]
fn sticky_sessions() {
    let desired = example("sticky-dr.toml");
    let service = desired.services.values().next().unwrap();
    assert!(service.service.flags.contains(ServiceFlags::PERSISTENT));
    assert_eq!(service.service.timeout, 1800);
}

#[test]
fn dns() {
    let desired = example("dns.toml");
    let one_packet = |service: &&std::sync::Arc<director_config::state::DesiredService>| {
        service.service.flags.contains(ServiceFlags::ONE_PACKET)
    };
    assert_eq!(desired.services.len(), 4);
    assert_eq!(desired.services.values().filter(one_packet).count(), 2);
}

#[test]
fn tunnel_to_another_site() {
    let desired = example("tunnel-gue.toml");
    let service = desired.services.values().next().unwrap();
    for server in service.servers.values() {
        assert_eq!(server.server.forward, ForwardMethod::Tunnel);
        assert_eq!(server.server.tunnel.kind, TunnelKind::Gue);
        assert_eq!(server.server.tunnel.port, 6080);
    }
}

#[test]
fn mixed_families() {
    let desired = example("mixed-family.toml");
    let crossing = desired.services.iter().filter(|(key, service)| {
        let family = |server: &ipvs::ServerKey| Family::of(server.address);
        service
            .servers
            .keys()
            .any(|server| family(server) != key.family())
    });
    assert_eq!(crossing.count(), 1);
}

#[test]
fn marked_packets() {
    let desired = example("fwmark-http-https.toml");
    let keys: Vec<_> = desired.services.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["fwmark://80", "fwmark6://80"]);
}

#[test]
fn sip() {
    let desired = example("sip.toml");
    let engines = desired
        .services
        .values()
        .filter(|service| service.service.engine.is_some_and(|engine| engine == "sip"));
    assert_eq!(engines.count(), 1);
}
