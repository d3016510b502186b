//! A plan for people: grouped by service, with the effects on traffic next to each line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

use ipvs::{
    ForwardMethod, Operation, Server, Service, ServiceFlags, ServiceKey, Timeouts, Tunnel,
    TunnelFlags, TunnelKind, Weight,
};

use super::{Change, Plan, Step};
use crate::state::{BootTime, Sysctl};
use crate::words::count;

/// How output looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether ANSI colours are used.
    pub colour: bool,
    /// Whether what the guards object to is done all the same.
    pub forced: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Add,
    Change,
    Remove,
}

impl Style {
    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn mark(self, mark: Mark) -> String {
        match mark {
            Mark::Add => self.paint("32", "+"),
            Mark::Change => self.paint("33", "~"),
            Mark::Remove => self.paint("31", "-"),
        }
    }
}

/// The number of steps of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Services, servers and daemons to create.
    pub add: usize,
    /// Objects to change in place.
    pub change: usize,
    /// Objects to delete, or to start draining.
    pub remove: usize,
}

impl Plan {
    /// Counts the steps.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            add: self.steps.created(),
            ..Summary::default()
        };
        for step in self.steps.others() {
            match mark(step) {
                Mark::Add => summary.add += 1,
                Mark::Change => summary.change += 1,
                Mark::Remove => summary.remove += 1,
            }
        }
        summary
    }

    /// The plan as text, ending in a newline. Remaining times are counted from `now`.
    #[must_use]
    pub fn render(&self, now: BootTime, style: Style) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, now, style);
        text
    }

    /// The plan in short: draining, foreign services, objections, and the sum.
    #[must_use]
    pub fn render_sum(&self, now: BootTime, style: Style) -> String {
        let mut text = String::new();
        let _ = self.write_sum(&mut text, now, style);
        text
    }

    fn write(&self, out: &mut String, now: BootTime, style: Style) -> fmt::Result {
        let mut groups: BTreeMap<Option<ServiceKey>, Vec<Cow<'_, Step>>> = BTreeMap::new();
        for step in self.steps.iter() {
            groups.entry(service_of(&step)).or_default().push(step);
        }
        for (key, steps) in &groups {
            let title = match key {
                None => "kernel".to_owned(),
                Some(key) => match self.name(key) {
                    Some(name) => format!("{name}  {key}"),
                    None => key.to_string(),
                },
            };
            writeln!(out, "{}", style.paint("1", &title))?;
            for step in steps {
                write_step(out, step, style)?;
            }
        }
        self.write_sum(out, now, style)
    }

    fn write_sum(&self, out: &mut String, now: BootTime, style: Style) -> fmt::Result {
        for draining in &self.draining {
            let key = draining.service;
            let service = match self.name(&key) {
                Some(name) => format!("{name} ({key})"),
                None => key.to_string(),
            };
            let what = match draining.server {
                Some(server) => format!("{server} of {service}"),
                None => service,
            };
            let left = now.until(draining.until).as_secs();
            writeln!(
                out,
                "draining: {what}, {} open, at most {left}s more",
                draining.connections
            )?;
        }
        for foreign in &self.foreign {
            writeln!(out, "foreign, left alone: {foreign}")?;
        }
        for sysctl in &self.lacking {
            writeln!(
                out,
                "{} {}",
                style.paint("1;33", "warning:"),
                sysctl.lacking()
            )?;
        }
        for objection in &self.objections {
            let mark = match style.forced {
                true => style.paint("1;33", "forced:"),
                false => style.paint("1;31", "needs --force:"),
            };
            writeln!(out, "{mark} {objection}")?;
        }
        if self.is_empty() {
            return match self.lacking.is_empty() {
                true => writeln!(out, "Nothing to do: the kernel is as declared."),
                false => writeln!(
                    out,
                    "Nothing to do: the kernel is as declared, except for missing sysctls."
                ),
            };
        }
        let Summary {
            add,
            change,
            remove,
        } = self.summary();
        writeln!(
            out,
            "Plan: {add} to add, {change} to change, {remove} to remove."
        )
    }
}

fn mark(step: &Step) -> Mark {
    match &step.change {
        Change::Operation(operation) => match operation {
            Operation::AddService(_) | Operation::AddServer(..) | Operation::StartDaemon(_) => {
                Mark::Add
            }
            Operation::DeleteService(_)
            | Operation::DeleteServer(..)
            | Operation::StopDaemon(_)
            | Operation::Flush => Mark::Remove,
            Operation::UpdateServer(..) if is_drain(step) => Mark::Remove,
            Operation::UpdateService(_)
            | Operation::UpdateServer(..)
            | Operation::ZeroService(_)
            | Operation::ZeroAll
            | Operation::SetTimeouts(_) => Mark::Change,
        },
        Change::Sysctl { .. } => Mark::Change,
    }
}

pub(super) fn is_drain(step: &Step) -> bool {
    step.effects()
        .iter()
        .any(|effect| matches!(effect, super::Effect::Drained { .. }))
}

/// The service of a step.
pub(super) fn service_of(step: &Step) -> Option<ServiceKey> {
    match &step.change {
        Change::Operation(operation) => operation.service_key(),
        Change::Sysctl { .. } => None,
    }
}

fn write_step(out: &mut String, step: &Step, style: Style) -> fmt::Result {
    let (what, detail) = describe(step);
    let mut line = format!("  {} {what:<34}", style.mark(mark(step)));
    let effects = step.effects().iter().map(ToString::to_string);
    let notes: Vec<_> = detail.into_iter().chain(effects).collect();
    if !notes.is_empty() {
        write!(line, " {}", notes.join("; "))?;
    }
    writeln!(out, "{}", line.trim_end())
}

/// The object of a step, and its change.
fn describe(step: &Step) -> (String, Option<String>) {
    let before = step.before();
    match &step.change {
        Change::Sysctl { sysctl, value } => (
            sysctl.to_string(),
            Some(sysctl_change(*sysctl, before, value)),
        ),
        Change::Operation(operation) => match operation {
            Operation::AddService(service) => ("service".into(), Some(service_words(service))),
            Operation::DeleteService(_) => ("service".into(), None),
            Operation::UpdateService(after) => {
                let before = match before {
                    Some(Change::Operation(Operation::UpdateService(before))) => Some(before),
                    _ => None,
                };
                (
                    "service".into(),
                    Some(difference(before.map(service_words), service_words(after))),
                )
            }
            Operation::AddServer(_, server) => {
                (format!("server {}", server.key), Some(server_words(server)))
            }
            Operation::DeleteServer(_, server) => (format!("server {server}"), None),
            Operation::UpdateServer(_, after) => {
                let before = match before {
                    Some(Change::Operation(Operation::UpdateServer(_, before))) => Some(before),
                    _ => None,
                };
                let what = format!("server {}", after.key);
                if is_drain(step) {
                    return (what, Some("drains".into()));
                }
                (
                    what,
                    Some(difference(before.map(server_words), server_words(after))),
                )
            }
            Operation::StartDaemon(daemon) => (
                format!("{} sync daemon on {}", daemon.role, daemon.interface),
                None,
            ),
            Operation::StopDaemon(role) => (format!("{role} sync daemon"), None),
            Operation::SetTimeouts(after) => {
                let before = match before {
                    Some(Change::Operation(Operation::SetTimeouts(before))) => Some(before),
                    _ => None,
                };
                (
                    "timeouts".into(),
                    Some(difference(before.map(timeout_words), timeout_words(after))),
                )
            }
            Operation::ZeroService(_) | Operation::ZeroAll | Operation::Flush => {
                (operation.to_string(), None)
            }
        },
    }
}

fn sysctl_change(sysctl: Sysctl, before: Option<&Change>, value: &str) -> String {
    match before {
        Some(Change::Sysctl {
            sysctl: same,
            value: before,
        }) if *same == sysctl => {
            format!("{before} -> {value}")
        }
        _ => value.to_owned(),
    }
}

/// The differing words: `wlc, persistent 300s -> mh fallback`.
fn difference(before: Option<String>, after: String) -> String {
    let Some(before) = before else { return after };
    let (old, new): (Vec<_>, Vec<_>) = (before.split(", ").collect(), after.split(", ").collect());
    let gone: Vec<_> = old
        .iter()
        .filter(|word| !new.contains(word))
        .copied()
        .collect();
    let come: Vec<_> = new
        .iter()
        .filter(|word| !old.contains(word))
        .copied()
        .collect();
    match (gone.is_empty(), come.is_empty()) {
        (false, false) => format!("{} -> {}", gone.join(", "), come.join(", ")),
        (true, _) => format!("now {}", come.join(", ")),
        (false, true) => format!("no longer {}", gone.join(", ")),
    }
}

fn timeout_words(timeouts: &Timeouts) -> String {
    let Timeouts { tcp, tcp_fin, udp } = timeouts;
    format!("tcp {tcp}s, tcp_fin {tcp_fin}s, udp {udp}s")
}

fn service_words(service: &Service) -> String {
    let mut words = vec![service.scheduler.to_string()];
    let flags = service.flags;
    let fallback = flags.contains(ServiceFlags::SCHED_1);
    let port = flags.contains(ServiceFlags::SCHED_2);
    let named = service.scheduler == "sh" || service.scheduler == "mh";
    let mut flag = |set: bool, name: &str, plain: &str| {
        if set {
            words.push(if named {
                name.to_owned()
            } else {
                plain.to_owned()
            });
        }
    };
    flag(fallback, "fallback", "flag-1");
    flag(port, "port", "flag-2");
    flag(flags.contains(ServiceFlags::SCHED_3), "flag-3", "flag-3");
    if flags.contains(ServiceFlags::PERSISTENT) {
        words.push(format!("persistent {}s", service.timeout));
    }
    if service.netmask != ipvs::Netmask::host(service.key.family()) {
        words.push(format!("mask {}", service.netmask));
    }
    if let Some(engine) = service.engine {
        words.push(format!("engine {engine}"));
    }
    if flags.contains(ServiceFlags::ONE_PACKET) {
        words.push("one-packet".into());
    }
    words.join(", ")
}

fn server_words(server: &Server) -> String {
    let mut words = vec![forward_word(server.forward).to_owned()];
    if server.weight != Weight::ONE {
        words.push(format!("weight {}", server.weight));
    } else {
        words.push("weight 1".into());
    }
    if (server.upper_threshold, server.lower_threshold) != (0, 0) {
        let (upper, lower) = (server.upper_threshold, server.lower_threshold);
        let upper = count(upper, "connection", "connections");
        words.push(format!("at most {upper} (again below {lower})"));
    }
    if server.tunnel != Tunnel::IPIP {
        words.push(tunnel_words(server.tunnel));
    }
    words.join(", ")
}

fn forward_word(forward: ForwardMethod) -> &'static str {
    match forward {
        ForwardMethod::Masquerade => "nat",
        ForwardMethod::DirectRoute => "dr",
        ForwardMethod::Tunnel => "tun",
        ForwardMethod::Local => "local",
        ForwardMethod::Bypass => "bypass",
        ForwardMethod::Other(_) => "unknown method",
    }
}

fn tunnel_words(tunnel: Tunnel) -> String {
    let kind = match tunnel.kind {
        TunnelKind::Ipip => "ipip".to_owned(),
        TunnelKind::Gue => format!("gue port {}", tunnel.port),
        TunnelKind::Gre => "gre".to_owned(),
        TunnelKind::Other(number) => format!("tunnel type {number}"),
    };
    if tunnel.flags.contains(TunnelFlags::REMCSUM) {
        format!("{kind} with remote checksum")
    } else if tunnel.flags.contains(TunnelFlags::CSUM) {
        format!("{kind} with checksum")
    } else {
        kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_said() {
        let words = |text: &str| Some(text.to_owned());
        assert_eq!(
            difference(words("nat, weight 1"), "nat, weight 5".into()),
            "weight 1 -> weight 5"
        );
        assert_eq!(
            difference(words("wlc"), "wlc, one-packet".into()),
            "now one-packet"
        );
        assert_eq!(
            difference(words("sh, fallback"), "sh".into()),
            "no longer fallback"
        );
    }
}
