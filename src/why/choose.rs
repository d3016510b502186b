//! What the scheduler decides for a new client, now.

use std::cmp::Ordering;

use ipvs::hashing::{Hashed, Places};
use ipvs::{ServerEntry, ServerKey, ServiceFlags};

use super::{Situation, overload};

/// The decision of a scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The hash of the client, or of the virtual address.
    Hashed {
        /// The server.
        server: ServerKey,
        /// The server of the hash, if it cannot take the client and the fallback flag is set.
        instead_of: Option<ServerKey>,
    },
    /// The server of the hash cannot take the client, and there is no fallback: refused.
    Refused {
        /// The server of the hash.
        server: ServerKey,
    },
    /// The hash includes the client's port, which is unknown.
    NeedsPort,
    /// The best server by what the kernel counts now.
    Best {
        /// The server.
        server: ServerKey,
        /// What makes it the best.
        why: &'static str,
    },
    /// By something that the kernel does not show: turns, chance, destinations.
    Open {
        /// What decides.
        by: &'static str,
        /// The servers that can be chosen.
        among: Vec<ServerKey>,
    },
    /// No server takes new clients: refused.
    NoServer,
}

impl Choice {
    /// The server, if it is known.
    #[must_use]
    pub const fn server(&self) -> Option<ServerKey> {
        match self {
            Self::Hashed { server, .. } | Self::Best { server, .. } => Some(*server),
            _ => None,
        }
    }
}

fn is_usable(server: &ServerEntry) -> bool {
    server.server.weight.get() > 0 && overload(server).is_none()
}

pub(super) fn choose(situation: &Situation<'_>) -> Choice {
    let scheduler = situation.service.scheduler.to_string();
    if let "sh" | "mh" | "dh" = scheduler.as_str() {
        return hashed(situation, &scheduler);
    }
    let usable: Vec<&ServerEntry> = situation
        .servers
        .iter()
        .filter(|it| is_usable(it))
        .collect();
    let among: Vec<ServerKey> = usable.iter().map(|server| server.server.key).collect();
    if among.is_empty() {
        return Choice::NoServer;
    }
    if let [server] = among[..] {
        let why = "it is the only server that takes clients";
        return Choice::Best { server, why };
    }
    let open = |by| Choice::Open {
        by,
        among: among.clone(),
    };
    let least = |why, cost: fn(&ServerEntry) -> (u64, u64)| {
        let best = least_of(&usable, cost).map(|server| server.server.key);
        best.map_or(Choice::NoServer, |server| Choice::Best { server, why })
    };
    match scheduler.as_str() {
        "lc" => least(
            "it has the fewest connections (an active one counts 256)",
            |it| (overhead(it), 1),
        ),
        "wlc" => least(
            "it has the fewest connections for its weight (an active one counts 256)",
            |it| (overhead(it), weight(it)),
        ),
        "sed" => least(
            "it has the shortest expected delay: active connections and one, for its weight",
            |it| (u64::from(it.active) + 1, weight(it)),
        ),
        "nq" => {
            let mut idle = usable.iter();
            match idle.find(|server| server.active == 0) {
                Some(idle) => Choice::Best {
                    server: idle.server.key,
                    why: "it is the first server without an active connection",
                },
                None => least(
                    "it has the shortest expected delay: active connections and one, for its weight",
                    |it| (u64::from(it.active) + 1, weight(it)),
                ),
            }
        }
        "fo" => heaviest(&usable, |_| true, "it has the largest weight"),
        "ovf" => heaviest(
            &usable,
            |server| u64::from(server.active) < weight(server),
            "it has the largest weight of those with fewer active connections than weight",
        ),
        "rr" => open("turns: the next one"),
        "wrr" => open("turns by weight: the next one"),
        "twos" => open("chance: the better of two at random"),
        "lblc" | "lblcr" => open("the destination's last server, if that is not overloaded"),
        _ => open("a scheduler that director does not know"),
    }
}

/// The first server with the least cost for its weight; the kernel compares by multiplication, and
/// keeps the first of equals.
fn least_of<'s>(
    servers: &[&'s ServerEntry],
    cost: fn(&ServerEntry) -> (u64, u64),
) -> Option<&'s ServerEntry> {
    servers.iter().copied().reduce(|best, next| {
        let ((best_cost, best_weight), (cost, weight)) = (cost(best), cost(next));
        let (left, right) = (best_cost * weight, cost * best_weight);
        if left > right { next } else { best }
    })
}

/// `ip_vs_dest_conn_overhead`.
fn overhead(server: &ServerEntry) -> u64 {
    (u64::from(server.active) << 8) + u64::from(server.inactive)
}

fn weight(server: &ServerEntry) -> u64 {
    u64::from(server.server.weight.get())
}

/// The first server with the largest weight.
fn heaviest(
    servers: &[&ServerEntry],
    fits: impl Fn(&ServerEntry) -> bool,
    why: &'static str,
) -> Choice {
    let fitting = servers.iter().copied().filter(|server| fits(server));
    let best = fitting.reduce(|best, next| match weight(next).cmp(&weight(best)) {
        Ordering::Greater => next,
        _ => best,
    });
    best.map_or(Choice::NoServer, |best| Choice::Best {
        server: best.server.key,
        why,
    })
}

fn hashed(situation: &Situation<'_>, scheduler: &str) -> Choice {
    let flags = situation.service.flags;
    let weight = |number: usize| {
        let server = &situation.servers[number].server;
        match scheduler {
            "mh" => situation
                .last_weights
                .get(number)
                .copied()
                .unwrap_or(server.weight.get()),
            _ => server.weight.get(),
        }
    };
    let servers: Vec<Hashed> = situation
        .servers
        .iter()
        .enumerate()
        .map(|(number, entry)| Hashed {
            number,
            address: entry.server.key.address,
            port: entry.server.key.port,
            weight: weight(number),
        })
        .collect();
    let places = match scheduler {
        "dh" => Places::dh(&servers),
        "sh" => Places::sh(&servers),
        _ => Places::mh(&servers),
    };
    // The flags of `sh` and `mh` are the same bits.
    let (address, port) = match (scheduler, situation.destination) {
        ("dh", Some(destination)) => (destination.ip(), 0),
        ("dh", None) => {
            return Choice::Open {
                by: "the hash of the virtual address, which is unknown",
                among: situation.servers.iter().map(|it| it.server.key).collect(),
            };
        }
        _ if !flags.contains(ServiceFlags::SH_PORT) => (situation.client, 0),
        _ => match situation.port {
            Some(port) => (situation.client, port),
            None => return Choice::NeedsPort,
        },
    };
    let usable = |number: usize| is_usable(&situation.servers[number]);
    let Some(first) = places.at(address, port) else {
        return Choice::NoServer;
    };
    let key = |number: usize| situation.servers[number].server.key;
    if usable(first) {
        return Choice::Hashed {
            server: key(first),
            instead_of: None,
        };
    }
    if scheduler == "dh" || !flags.contains(ServiceFlags::SH_FALLBACK) {
        return Choice::Refused { server: key(first) };
    }
    match places.fall_back(address, port, usable) {
        Some(number) => Choice::Hashed {
            server: key(number),
            instead_of: Some(key(first)),
        },
        None => Choice::NoServer,
    }
}
