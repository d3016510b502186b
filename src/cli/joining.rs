//! What a plan next to a daemon shows as one step and a reload does in two: a server added to the
//! file joins once its checks find it up, and the server it replaces stays until then.
//!
//! The plan leads to what is declared; this module says what is awaited on the way. It follows the
//! daemon (`daemon/core/absorb.rs`): a new server stays out until its first verdict if it is
//! checked and does not start as up, and for each awaited server one that serves stays.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ipvs::{Operation, ServerKey, ServiceKey, Weight};
use serde_json::{Value, json};

use crate::control::snapshot::{Role, ServerState};
use crate::http::api::{OverlaidServer, Overlay};
use crate::plan::{Change, Plan};
use crate::state::Desired;
use crate::state::health::{ServiceWatch, Watch};
use crate::words::count;

/// The most servers named in a line.
const NAMED: usize = 4;

/// Servers of a service that join later.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Joining {
    service: ServiceKey,
    /// The consecutive successes they need.
    rise: u32,
    servers: Vec<ServerKey>,
    /// Servers that leave once these have joined.
    stay: Vec<ServerKey>,
}

/// The servers of a plan that join later, by service and required successes.
pub(crate) fn joining(
    plan: &Plan,
    overlay: &Overlay,
    desired: &Desired,
    watch: &Watch,
) -> Vec<Joining> {
    if plan.steps.is_empty() {
        return Vec::new();
    }
    let mut managed: BTreeSet<ServiceKey> = BTreeSet::new();
    let mut known: HashMap<(ServiceKey, ServerKey), &OverlaidServer> = HashMap::new();
    for service in &overlay.services {
        managed.insert(service.listen);
        let servers = service.servers.iter();
        known.extend(servers.map(|server| ((service.listen, server.address), server)));
    }
    let mut found: BTreeMap<(ServiceKey, u32), Joining> = BTreeMap::new();
    let mut leaving: BTreeMap<ServiceKey, BTreeSet<ServerKey>> = BTreeMap::new();
    for step in plan.steps.iter() {
        let Change::Operation(operation) = &step.change else {
            continue;
        };
        let (Some(service), Some(server)) = (operation.service_key(), operation.server_key())
        else {
            continue;
        };
        let known = known.get(&(service, server)).copied();
        let of_file = watch.services.get(&service);
        if is_declared(&service, &server, desired, watch) {
            let is_new = matches!(operation, Operation::AddServer(..));
            let rise = of_file.and_then(|watch| awaited(watch, &server, known, is_new));
            if let Some(rise) = rise {
                let joining = found.entry((service, rise)).or_insert_with(|| Joining {
                    service,
                    rise,
                    servers: Vec::new(),
                    stay: Vec::new(),
                });
                joining.servers.push(server);
            }
        } else if !managed.contains(&service) || known.is_some_and(serves) {
            leaving.entry(service).or_default().insert(server);
        }
    }
    // For each awaited server, one in the service stays.
    let mut all: Vec<Joining> = found.into_values().collect();
    for joining in &mut all {
        let leaving = leaving.entry(joining.service).or_default();
        let awaited = joining.servers.len().min(leaving.len());
        joining
            .stay
            .extend((0..awaited).filter_map(|_| leaving.pop_first()));
    }
    all
}

/// The consecutive successes that a new server needs; `None` if it joins immediately.
fn awaited(
    watch: &ServiceWatch,
    server: &ServerKey,
    known: Option<&OverlaidServer>,
    is_new: bool,
) -> Option<u32> {
    match known {
        // It has been draining since it left: it returns as a new server.
        Some(known) if known.state == ServerState::Leaving && !has_weight(known) => {}
        Some(known) if known.role == Role::Sorry && !has_weight(known) => {}
        // The director already knows its state.
        Some(_) => return None,
        // A server in the kernel with a weight has joined.
        None if !is_new => return None,
        None => {}
    }
    watch.successes_to_join(server)
}

fn is_declared(service: &ServiceKey, server: &ServerKey, desired: &Desired, watch: &Watch) -> bool {
    let declared = desired.services.get(service);
    let watch = watch.services.get(service);
    declared.is_some_and(|service| service.servers.contains_key(server))
        || watch.is_some_and(|watch| watch.has_spare(server))
}

/// Whether it is a server for clients, and gets them.
fn serves(server: &OverlaidServer) -> bool {
    let is_in = matches!(
        server.state,
        ServerState::Up | ServerState::Warming | ServerState::Pending
    );
    server.role == Role::Regular && is_in && has_weight(server)
}

fn has_weight(server: &OverlaidServer) -> bool {
    let weight = server.now.map(|now| now.weight);
    weight.is_some_and(|weight| weight != Weight::ZERO)
}

impl Joining {
    /// One line, ending in a newline.
    pub(crate) fn render(&self) -> String {
        let (join, checks) = match self.servers.len() {
            1 => ("joins", "its checks have"),
            _ => ("join", "their checks have"),
        };
        let times = count(self.rise, "time", "times in a row");
        let stay = match self.stay.len() {
            0 => String::new(),
            1 => format!("; {} stays until then", named(&self.stay)),
            _ => format!("; {} stay until then", named(&self.stay)),
        };
        format!(
            "waiting: {} of {} {join} once {checks} succeeded {times}{stay}\n",
            named(&self.servers),
            self.service
        )
    }

    pub(crate) fn to_json(&self) -> Value {
        let names = |servers: &[ServerKey]| -> Value {
            let names = servers.iter().map(ToString::to_string);
            names.collect::<Vec<_>>().into()
        };
        json!({
            "service": self.service.to_string(),
            "servers": names(&self.servers),
            "rise": self.rise,
            "stay": names(&self.stay),
        })
    }
}

/// The first few servers.
fn named(servers: &[ServerKey]) -> String {
    let names: Vec<_> = servers
        .iter()
        .take(NAMED)
        .map(ToString::to_string)
        .collect();
    let names = names.join(", ");
    match servers.len() - servers.len().min(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ipvs::{ForwardMethod, Server};

    use super::*;
    use crate::state::health::{
        CheckAt, CheckKind, CheckSpec, Combine, Initial, Pace, ServerWatch, TcpCheck,
    };

    fn key(last: u8) -> ServerKey {
        ServerKey::new([10, 0, 0, last], 80)
    }

    fn checked(rises: &[u32]) -> ServiceWatch {
        let spec = |rise: &u32| {
            Arc::new(CheckSpec {
                kind: CheckKind::Tcp(TcpCheck::default()),
                pace: Pace {
                    rise: *rise,
                    ..Pace::default()
                },
                at: CheckAt::default(),
            })
        };
        ServiceWatch {
            checks: rises.iter().map(spec).collect(),
            ..ServiceWatch::default()
        }
    }

    fn known(role: Role, state: ServerState, now: Option<u32>) -> OverlaidServer {
        let declared = Server::new(key(1), ForwardMethod::Masquerade);
        OverlaidServer {
            address: key(1),
            name: None,
            role,
            state,
            declared,
            now: now.map(|weight| declared.weight(Weight::new(weight).unwrap())),
            reason: String::new(),
        }
    }

    #[test]
    fn who_is_waited_for() {
        let watch = checked(&[2, 5]);
        let new = |watch: &ServiceWatch| awaited(watch, &key(1), None, true);
        assert_eq!(new(&watch), Some(5), "all of its checks");
        let any = ServiceWatch {
            combine: Combine::Any,
            ..watch.clone()
        };
        assert_eq!(new(&any), Some(2), "one of them");
        assert_eq!(new(&checked(&[])), None, "nothing is checked");
        let mut own = watch.clone();
        let initial = ServerWatch {
            initial: Some(Initial::Up),
            ..ServerWatch::default()
        };
        own.servers.insert(key(1), initial);
        assert_eq!(new(&own), None, "it begins as up");
        assert_eq!(awaited(&watch, &key(2), None, false), None, "it is there");

        for (role, state, now, expected) in [
            (Role::Regular, ServerState::Up, Some(1), None),
            (Role::Backup, ServerState::Standby, None, None),
            // It is held over, and known to be up.
            (Role::Regular, ServerState::Leaving, Some(1), None),
            // It drains, and is declared again.
            (Role::Regular, ServerState::Leaving, Some(0), Some(5)),
            // It was never checked.
            (Role::Sorry, ServerState::Standby, None, Some(5)),
        ] {
            let known = known(role, state, now);
            let found = awaited(&watch, &key(1), Some(&known), true);
            assert_eq!(found, expected, "{known:?}");
        }
    }

    #[test]
    fn a_line_names_the_first_of_many() {
        let joining = Joining {
            service: ServiceKey::tcp([192, 0, 2, 10], 80),
            rise: 1,
            servers: (1..=6).map(key).collect(),
            stay: vec![key(7), key(8)],
        };
        assert_eq!(
            joining.render(),
            "waiting: 10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80, 10.0.0.4:80 and 2 more of \
             tcp://192.0.2.10:80 join once their checks have succeeded 1 time; 10.0.0.7:80, \
             10.0.0.8:80 stay until then\n"
        );
        assert_eq!(joining.to_json()["servers"].as_array().unwrap().len(), 6);
    }
}
