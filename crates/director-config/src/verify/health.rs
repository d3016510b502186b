//! The health settings of one service, for each of its listen addresses.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ipvs::{ServerKey, ServiceKey};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::model::{ChecksDecl, Declaration, HealthDecl, Listen, ServerDecl, ServiceDecl};
use super::super::resolve::{self, Taken};
use super::super::source::Spanned;
use super::server::{self, Settled};
use super::service::{Shares, place_servers, ports};
use super::{Builder, check, pitfalls, pool_of};
use crate::state::health::{
    CheckSpec, Damping, MarkRange, Quorum, ServerWatch, ServiceWatch, Threshold,
};
use crate::state::{DesiredServer, Servers};

/// The checks of a server.
pub(super) type Specs = Arc<[Arc<CheckSpec>]>;

/// Shares equal checks, however often they are declared.
#[derive(Debug, Default)]
pub(super) struct Interned {
    specs: HashSet<Arc<CheckSpec>>,
    /// By the address in memory of inherited settings, which are kept alive so that the address
    /// stays theirs.
    lists: HashMap<*const ChecksDecl, (Arc<ChecksDecl>, Specs)>,
    /// The result for the last service: the next one is often equal.
    watch: Option<Arc<ServiceWatch>>,
}

impl Interned {
    fn shared(&mut self, checks: &Arc<ChecksDecl>) -> Specs {
        let place = Arc::as_ptr(checks);
        if let Some((_, specs)) = self.lists.get(&place) {
            return specs.clone();
        }
        let specs = self.specs(checks);
        self.lists.insert(place, (checks.clone(), specs.clone()));
        specs
    }

    fn specs(&mut self, checks: &ChecksDecl) -> Specs {
        let checks = checks.checks.iter();
        checks.map(|check| self.spec(&check.spec)).collect()
    }

    fn spec(&mut self, spec: &CheckSpec) -> Arc<CheckSpec> {
        if let Some(known) = self.specs.get(spec) {
            return known.clone();
        }
        let spec = Arc::new(spec.clone());
        self.specs.insert(spec.clone());
        spec
    }

    fn watch(&mut self, watch: ServiceWatch) -> Arc<ServiceWatch> {
        if let Some(last) = &self.watch
            && **last == watch
        {
            return last.clone();
        }
        let watch = Arc::new(watch);
        self.watch = Some(watch.clone());
        watch
    }
}

/// A service's health settings, as far as they are equal for all of its listen addresses.
pub(super) struct Health<'d> {
    /// The marks of the director's own private services.
    marks: MarkRange,
    decl: &'d HealthDecl,
    /// Without servers.
    common: Arc<ServiceWatch>,
    /// The servers' own settings, indexed like their entries; empty if there are none.
    own: Vec<Option<Own>>,
    backup: Option<Extra<'d>>,
    sorry: Option<Extra<'d>>,
}

/// A server's own settings.
struct Own {
    checks: Option<(ChecksDecl, Specs)>,
    watch: ServerWatch,
}

/// Backup or sorry servers.
struct Extra<'d> {
    settled: Vec<Settled<'d>>,
    shares: Shares,
    own: Vec<Option<Own>>,
}

impl<'d> Health<'d> {
    /// Decodes a service's settings, and reports what does not depend on its listen addresses.
    pub(super) fn new(
        service: &'d ServiceDecl,
        settled: &[Settled<'d>],
        declaration: &'d Declaration,
        builder: &mut Builder<'_>,
        findings: &mut Findings,
    ) -> Self {
        let decl = &service.health;
        let mut extra = |list: &'d Option<Arc<Spanned<_>>>, findings: &mut Findings| {
            Extra::new(service, list.as_deref()?, builder, findings)
        };
        let pool = pool_of(service, &declaration.pools);
        let discovery = pool.and_then(|pool| pool.discovery.as_ref());
        let found = pool.map(|pool| &pool.backup);
        let found = found.filter(|_| decl.backup.is_none());
        let backup = extra(found.unwrap_or(&decl.backup), findings);
        let sorry = extra(&decl.sorry, findings);
        for server in sorry.iter().flat_map(|sorry| &sorry.settled) {
            report_checked_sorry(server.decl, findings);
        }
        let own = own_of(service, settled, builder, findings);
        let none_checks = own.iter().flatten().all(|own| own.checks.is_none());
        pitfalls::check(service, none_checks, declaration, findings);
        let checks = decl.checks.as_ref();
        if let Some(checks) = checks {
            check::files(checks, builder, findings);
        }
        let default = ServiceWatch::default();
        let common = ServiceWatch {
            checks: checks.map_or(default.checks, |checks| builder.interned.shared(checks)),
            combine: decl.combine.unwrap_or_default(),
            pool: discovery.map(|discovery| Arc::clone(&discovery.pool)),
            backup_below: decl.backup_below.map(|below| below.value),
            on_fail: decl
                .on_fail
                .map(|on_fail| on_fail.value)
                .unwrap_or_default(),
            min_healthy: decl.min_healthy.map(|least| least.value),
            quorum: quorum(decl, findings),
            initial: decl.initial.unwrap_or_default(),
            slow_start: decl.slow_start.map_or(Duration::ZERO, |time| time.value),
            damping: decl.damping.unwrap_or(Some(Damping::default())),
            weight_steps: decl.weight_steps.unwrap_or_default(),
            notify: decl.notify.clone().unwrap_or(default.notify),
            ..default
        };
        Self {
            marks: declaration.run.marks,
            decl,
            common: builder.interned.watch(common),
            own,
            backup,
            sorry,
        }
    }

    /// Reports what does not fit together under a listen address.
    pub(super) fn check_listen(
        &self,
        service: &ServiceDecl,
        listen: &Spanned<Listen>,
        taken: &[Taken],
        settled: &[Settled<'_>],
        builder: &mut Builder<'_>,
        findings: &mut Findings,
    ) {
        let regular = taken.iter().map(|taken| (taken, settled, &self.own));
        let backup = self.backup.as_ref();
        let backup = backup.into_iter().flat_map(|extra| {
            let taken = extra.shares.at(&listen.value).iter();
            taken.map(|taken| (taken, extra.settled.as_slice(), &extra.own))
        });
        let mut places = check::CheckedServers::new(listen, self.marks);
        for (taken, settled, own) in regular.chain(backup) {
            let entry = &settled[taken.entry()];
            let own = own.get(taken.entry()).and_then(Option::as_ref);
            let own = own.and_then(|own| own.checks.as_ref());
            let address = entry.decl.addresses[taken.address()].value;
            places.add(entry, address, own.map(|(checks, _)| checks));
        }
        let name = &service.name.value;
        let checks = self.decl.checks.as_deref();
        places.check(name, checks, &mut builder.portless, findings);
        for extra in self.backup.iter().chain(&self.sorry) {
            let taken = extra.shares.at(&listen.value);
            builder.whole.mixed(listen, taken, &extra.settled);
            if let Listen::Address { .. } = listen.value {
                for taken in taken {
                    let server = &extra.settled[taken.entry()];
                    let ports = ports(&listen.value);
                    server.check_port(ports, listen.span, service.as_is, findings);
                }
            }
        }
        self.check_quorum(listen, taken, settled, findings);
        let thresholds = [
            (self.decl.min_healthy, self.decl.says_min_healthy, "stay in"),
            (self.decl.backup_below, self.decl.says_backup_below, "be up"),
        ];
        for (threshold, own, what) in thresholds {
            let Some(asked) = threshold.filter(|_| own) else {
                continue;
            };
            if let Threshold::Count(count) = asked.value
                && usize::try_from(count).is_ok_and(|count| count > taken.len())
                && !taken.is_empty()
            {
                let message = format!("{count} servers cannot {what}");
                findings.push(
                    Diagnostic::new(Code::TooFewServers, asked.span, message)
                        .label("more than there are")
                        .also(listen.span, format!("{} here", counted(taken.len())))
                        .help("a share such as \"50%\" fits any number of servers")
                        // The default of a file, exported with the services of several files.
                        .unless(service.as_is),
                );
            }
        }
    }

    /// A quorum that all servers together do not reach, or not again once it is lost.
    fn check_quorum(
        &self,
        listen: &Spanned<Listen>,
        taken: &[Taken],
        settled: &[Settled<'_>],
        findings: &mut Findings,
    ) {
        let (Some(quorum), true) = (self.common.quorum, self.decl.says_quorum) else {
            return;
        };
        let regular = taken.iter().map(|taken| &settled[taken.entry()]);
        let backup = self.backup.iter().flat_map(|extra| {
            let taken = extra.shares.at(&listen.value).iter();
            taken.map(|taken| &extra.settled[taken.entry()])
        });
        let all = regular.chain(backup);
        let sum: u64 = all.map(|server| u64::from(server.decl.weight.get())).sum();
        let needed = u64::from(quorum.weight) + u64::from(quorum.hysteresis);
        let asked = self.decl.quorum.or(self.decl.hysteresis);
        let Some(asked) = asked.filter(|_| sum < needed && !taken.is_empty()) else {
            return;
        };
        let message = match quorum.hysteresis {
            0 => format!("the quorum of {} can never be met", quorum.weight),
            _ => format!("once lost, the quorum can never be met again: that needs {needed}"),
        };
        findings.push(
            Diagnostic::new(Code::TooFewServers, asked.span, message)
                .label("more than all servers weigh")
                .also(listen.span, format!("their weights sum up to {sum}")),
        );
    }

    /// The number of servers under a listen address besides the regular ones.
    pub(super) fn extra(&self, listen: &Listen) -> usize {
        let extra = self.backup.iter().chain(&self.sorry);
        extra.map(|extra| extra.shares.at(listen).len()).sum()
    }

    /// The health settings of the service for one of its keys.
    pub(super) fn under(
        &self,
        key: &ServiceKey,
        listen: &Listen,
        taken: &[Taken],
        settled: &[Settled<'_>],
        regular: &Servers<DesiredServer>,
        findings: &mut Findings,
    ) -> Arc<ServiceWatch> {
        if self.own.is_empty() && self.backup.is_none() && self.sorry.is_none() {
            return self.common.clone();
        }
        let mut watch = (*self.common).clone();
        let port = resolve::service_port(key);
        add_own(&mut watch, port, taken, settled, &self.own);
        if let Some(backup) = &self.backup {
            let taken = backup.shares.at(listen);
            let servers = place_servers(key, taken, &backup.settled, findings);
            backup.report_twice(port, taken, findings, |key| regular.contains_key(key));
            add_own(&mut watch, port, taken, &backup.settled, &backup.own);
            watch.backup = servers;
        }
        if let Some(sorry) = &self.sorry {
            let taken = sorry.shares.at(listen);
            let servers = place_servers(key, taken, &sorry.settled, findings);
            sorry.report_twice(port, taken, findings, |key| {
                regular.contains_key(key) || watch.backup.contains_key(key)
            });
            watch.sorry = servers;
        }
        Arc::new(watch)
    }
}

impl<'d> Extra<'d> {
    fn new(
        service: &'d ServiceDecl,
        list: &'d Spanned<super::super::model::ServerList>,
        builder: &mut Builder<'_>,
        findings: &mut Findings,
    ) -> Option<Self> {
        let servers = &list.value.servers;
        if servers.is_empty() {
            return None;
        }
        server::check_addresses(servers, findings);
        let settled = servers.iter();
        let settled: Vec<_> = settled
            .map(|server| Settled::new(server, service, findings))
            .collect();
        Some(Self {
            shares: Shares::new(service, &settled),
            own: own_of(service, &settled, builder, findings),
            settled,
        })
    }

    /// Reports servers that appear under the same address in another role.
    fn report_twice(
        &self,
        service_port: u16,
        taken: &[Taken],
        findings: &mut Findings,
        elsewhere: impl Fn(&ServerKey) -> bool,
    ) {
        for taken in taken {
            let entry = &self.settled[taken.entry()];
            let address = entry.decl.addresses[taken.address()];
            let key = entry.at(address.value, service_port).key;
            if elsewhere(&key) {
                let message = format!("duplicate server {key} in this service");
                findings.push(
                    Diagnostic::new(Code::DuplicateServer, address.span, message)
                        .label("in a second role")
                        .help("a server is regular, backup or sorry"),
                );
            }
        }
    }
}

/// The servers' own settings; empty if there are none.
fn own_of<'d>(
    service: &ServiceDecl,
    settled: &[Settled<'d>],
    builder: &mut Builder<'_>,
    findings: &mut Findings,
) -> Vec<Option<Own>> {
    if settled
        .iter()
        .all(|server| server.decl.rest().own.is_none())
    {
        return Vec::new();
    }
    let health = &service.health;
    let checks = health.checks.as_ref().map(|decl| decl.checks.as_slice());
    let base = match checks {
        Some([only]) => Some(&only.table),
        _ => health.base.as_deref(),
    };
    let own = settled.iter().map(|server| {
        let own = server.decl.rest().own.as_ref()?;
        let checks = own.checks.as_ref();
        let checks = checks.and_then(|own| own.under(base, findings));
        let checks = checks.map(|checks| {
            check::files(&checks, builder, findings);
            let specs = builder.interned.specs(&checks);
            (checks, specs)
        });
        let watch = ServerWatch {
            checks: checks.as_ref().map(|(_, specs)| specs.clone()),
            initial: own.initial,
        };
        Some(Own { checks, watch })
    });
    own.collect()
}

fn add_own(
    watch: &mut ServiceWatch,
    service_port: u16,
    taken: &[Taken],
    settled: &[Settled<'_>],
    own: &[Option<Own>],
) {
    for taken in taken {
        let Some(Some(own)) = own.get(taken.entry()) else {
            continue;
        };
        let entry = &settled[taken.entry()];
        let address = entry.decl.addresses[taken.address()].value;
        let key = entry.at(address, service_port).key;
        watch.servers.insert(key, own.watch.clone());
    }
}

fn report_checked_sorry(server: &ServerDecl, findings: &mut Findings) {
    let own = server
        .rest()
        .own
        .as_ref()
        .and_then(|own| own.checks.as_ref());
    if let Some(checks) = own {
        let message = "a sorry server is not checked";
        findings.push(
            Diagnostic::new(Code::IdleCheck, checks.at, message)
                .label("never made")
                .reason("it joins when no other is left, so a check would change nothing"),
        );
    }
}

fn counted(servers: usize) -> String {
    match servers {
        1 => "one server".to_owned(),
        more => format!("{more} servers"),
    }
}

/// `quorum` and `hysteresis`.
fn quorum(decl: &HealthDecl, findings: &mut Findings) -> Option<Quorum> {
    let hysteresis = decl.hysteresis.filter(|hysteresis| hysteresis.value > 0);
    let Some(quorum) = decl.quorum else {
        // One of `[defaults]` is for the services with a quorum.
        if let Some(hysteresis) = hysteresis.filter(|_| decl.says_quorum) {
            let message = "`hysteresis` without `quorum`";
            findings.push(
                Diagnostic::new(Code::MissingKey, hysteresis.span, message).help("quorum = 2"),
            );
        }
        return None;
    };
    if let Some(hysteresis) = hysteresis
        && hysteresis.value >= quorum.value
    {
        let message = "the hysteresis must be less than the quorum";
        findings.push(
            Diagnostic::new(Code::OutOfRange, hysteresis.span, message)
                .also(quorum.span, "the quorum"),
        );
    }
    Some(Quorum {
        weight: quorum.value,
        hysteresis: hysteresis.map_or(0, |hysteresis| hysteresis.value),
    })
}
