//! The declaration that matches the kernel's current state.

use std::sync::Arc;

use ipvs::{Family, ServiceKey};

use super::super::decode::canonical;
use crate::state::{
    Desired, DesiredServer, DesiredService, KernelSettings, MachineCodes, Observed,
    ObservedService, Policy, Sysctl, SysctlKind,
};

/// The declaration of a kernel's state.
///
/// Services are named after their keys, servers after their addresses. Timeouts and sysctls are
/// declared if they differ from the kernel's defaults, except for those that the kernel derives
/// from the machine's size. If no sync daemon runs, the declaration does not forbid one.
#[must_use]
pub fn declared(observed: &Observed) -> Desired {
    let services = observed.services.iter();
    let timeouts = &observed.timeouts;
    let unless = |seconds: u32, default: u32| Some(seconds).filter(|s| ![0, default].contains(s));
    let daemons = observed.daemons.iter();
    let daemons = daemons.map(|(role, daemon)| (*role, canonical(*daemon)));
    let sysctls = observed.sysctls.iter();
    let sysctls = sysctls.filter(|(sysctl, value)| is_worth_declaring(**sysctl, value));
    Desired {
        services: services
            .map(|(key, held)| (*key, Arc::new(service(key, held))))
            .collect(),
        kernel: KernelSettings {
            tcp_timeout: unless(timeouts.tcp, 900),
            tcp_fin_timeout: unless(timeouts.tcp_fin, 120),
            udp_timeout: unless(timeouts.udp, 300),
            sysctls: sysctls
                .map(|(sysctl, value)| (*sysctl, value.clone()))
                .collect(),
        },
        daemons: (!observed.daemons.is_empty()).then(|| daemons.collect()),
        policy: Policy::default(),
    }
}

fn service(key: &ServiceKey, held: &ObservedService) -> DesiredService {
    let servers = held.servers.values().map(|entry| DesiredServer {
        name: None,
        server: entry.server,
    });
    DesiredService {
        name: name(key).into(),
        service: held.service,
        servers: servers.collect(),
        drain: DesiredService::DEFAULT_DRAIN,
        dead: Vec::new(),
        allow: MachineCodes::default(),
    }
}

/// `tcp-192.0.2.10-80`, `fwmark-7`.
pub(super) fn name(key: &ServiceKey) -> String {
    match *key {
        ServiceKey::Address {
            protocol,
            address,
            port: 0,
        } => format!("{protocol}-{address}"),
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => format!("{protocol}-{address}-{port}"),
        ServiceKey::Fwmark {
            family: Family::V4,
            mark,
        } => format!("fwmark-{mark}"),
        ServiceKey::Fwmark {
            family: Family::V6,
            mark,
        } => format!("fwmark6-{mark}"),
    }
}

/// Whether a value differs from the kernel's default and can be written in a service file.
fn is_worth_declaring(sysctl: Sysctl, value: &str) -> bool {
    let default = match sysctl {
        // Derived from the machine's memory and processors.
        Sysctl::SyncQlenMax | Sysctl::EstCpulist => return false,
        Sysctl::AmDropRate => "10",
        Sysctl::AmemThresh => "1024",
        Sysctl::SyncThreshold => "3 50",
        Sysctl::ConnReuseMode
        | Sysctl::PmtuDisc
        | Sysctl::RunEstimation
        | Sysctl::SnatReroute
        | Sysctl::SyncPorts
        | Sysctl::SyncVersion => "1",
        _ => "0",
    };
    let number = value.parse::<i64>();
    let sayable = match sysctl.kind() {
        SysctlKind::Flag => number.is_ok_and(|number| i32::try_from(number).is_ok()),
        SysctlKind::Number { least, most } => {
            number.is_ok_and(|number| (least..=most).contains(&number))
        }
        SysctlKind::Pair | SysctlKind::Text => true,
    };
    sayable && value != default
}
