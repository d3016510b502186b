//! The difference between two times, as a plan: the steps that lead from one to the other.

use std::sync::Arc;
use std::time::Duration;

use super::picture::{Picture, ServicePicture};
use crate::plan::{Beside, Plan, Situation, diff};
use crate::state::{
    BootTime, Desired, DesiredServer, DesiredService, MachineCodes, Observed, ObservedServer,
    ObservedService, Owned, Ownership, Policy, Share,
};

/// The steps that turn the tables of one time into those of another. Connections are not recorded,
/// so there are none; nothing drains, and no guard objects, as nothing is about to be done.
#[must_use]
pub fn plan(from: &Picture, to: &Picture) -> Plan {
    let observed = tables(from);
    let all = Share::percent(100);
    let desired = Desired {
        services: to
            .services
            .iter()
            .map(|(key, service)| (*key, Arc::new(desired(service))))
            .collect(),
        policy: Policy {
            max_removed: all,
            max_removed_services: all,
            ..Policy::default()
        },
        ..Desired::default()
    };
    let owned = |service: &ServicePicture| Owned {
        name: service.name.clone(),
        drain: Duration::ZERO,
    };
    let before = from.services.iter();
    let ownership = Ownership {
        services: before
            .map(|(key, service)| (*key, owned(service)))
            .collect(),
        ..Ownership::default()
    };
    let mut plan = diff(&Situation {
        desired: &desired,
        observed: &observed,
        ownership: &ownership,
        now: BootTime::default(),
        beside: Beside::default(),
    });
    plan.objections.clear();
    plan
}

/// The tables of a picture, as the kernel had them.
#[must_use]
pub fn tables(picture: &Picture) -> Observed {
    let services = picture.services.iter();
    Observed {
        services: services
            .map(|(key, service)| (*key, observed(service)))
            .collect(),
        ..Observed::default()
    }
}

fn observed(service: &ServicePicture) -> ObservedService {
    let mut there = ObservedService::new(service.service);
    let servers = service.servers.values();
    for server in servers.filter_map(super::ServerPicture::in_kernel) {
        there.add(ObservedServer::idle(server));
    }
    there
}

fn desired(service: &ServicePicture) -> DesiredService {
    let servers = service.servers.values().filter_map(|server| {
        Some(DesiredServer {
            name: server.name.as_deref().map(|name| Arc::new(name.to_owned())),
            server: server.in_kernel()?,
        })
    });
    DesiredService {
        name: service.name.clone(),
        service: service.service,
        servers: servers.collect(),
        drain: Duration::ZERO,
        dead: Vec::new(),
        allow: MachineCodes::default(),
    }
}
