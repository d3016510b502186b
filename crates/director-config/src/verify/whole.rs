//! Diagnostics about all services together.

use std::collections::{BTreeSet, HashMap};

use ipvs::{Family, Protocol};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::model::{Declaration, Listen, ServiceDecl};
use super::super::resolve::Taken;
use super::super::source::{Span, Spanned};
use super::server::Settled;
use super::service::{Shares, family};
use crate::state::Sysctl;

/// The facts recorded for each service as it goes by.
#[derive(Debug, Default)]
pub(super) struct Whole {
    persistent: Noted,
    udp: Noted,
    mixed: Option<(Span, Span)>,
    /// For each used pool, which of its servers are used.
    pools: HashMap<usize, Vec<bool>>,
}

/// The number, and the place of the first.
#[derive(Debug, Default)]
struct Noted {
    first: Option<Span>,
    count: usize,
}

impl Noted {
    fn note(&mut self, span: Span) {
        self.first.get_or_insert(span);
        self.count += 1;
    }

    fn more(&self) -> String {
        match self.count {
            0 | 1 => String::new(),
            2 => ", and one more".to_owned(),
            count => format!(", and {} more", count - 1),
        }
    }
}

impl Whole {
    /// Records a service.
    pub(super) fn service(
        &mut self,
        service: &ServiceDecl,
        declaration: &Declaration,
        findings: &mut Findings,
    ) {
        let persistence = service.persistence.as_ref();
        if let Some(persistence) = persistence.filter(|persistence| persistence.is_enabled())
            && lacks(declaration, Sysctl::ExpireQuiescentTemplate)
            && !findings.allows(Code::QuiescentPersistence, Some(persistence.span))
        {
            self.persistent.note(persistence.span);
        }
        let udp = |listen: &&Spanned<Listen>| {
            matches!(
                listen.value,
                Listen::Address {
                    protocol: Protocol::Udp,
                    ..
                }
            )
        };
        // One-packet services have no connections that could be left over.
        if let (Some(listen), None) = (service.listen.iter().find(udp), service.one_packet)
            && lacks(declaration, Sysctl::ExpireNodestConn)
            && !findings.allows(Code::UdpNoDest, Some(listen.span))
        {
            self.udp.note(listen.span);
        }
    }

    /// Records which servers of a pool a service uses.
    pub(super) fn pool_use(&mut self, pool: Option<usize>, servers: usize, shares: &Shares) {
        let Some(pool) = pool else { return };
        let used = self
            .pools
            .entry(pool)
            .or_insert_with(|| vec![false; servers]);
        shares.entries().for_each(|entry| used[entry] = true);
    }

    /// Records the first server under an address of the other family.
    pub(super) fn mixed(
        &mut self,
        listen: &Spanned<Listen>,
        taken: &[Taken],
        settled: &[Settled<'_>],
    ) {
        if self.mixed.is_some() {
            return;
        }
        let addresses = taken
            .iter()
            .map(|taken| settled[taken.entry()].decl.addresses[taken.address()]);
        let family = family(&listen.value);
        let other = addresses
            .into_iter()
            .find(|address| Family::of(address.value) != family);
        self.mixed = other.map(|address| (address.span, listen.span));
    }

    /// Reports the diagnostics.
    pub(super) fn check(
        &self,
        declaration: &Declaration,
        in_use: &BTreeSet<String>,
        findings: &mut Findings,
    ) {
        if let Some(first) = self.persistent.first {
            let message = "persistent clients stay with a server of weight 0";
            findings.push(
                Diagnostic::new(Code::QuiescentPersistence, first, message)
                    .label(format!("persistent{}", self.persistent.more()))
                    .help("[kernel] expire_quiescent_template = true")
                    .reason(
                        "otherwise a server that is drained or down gets new connections from \
                             its persistent clients",
                    ),
            );
        }
        if let Some(first) = self.udp.first {
            let message = "UDP clients of a deleted server are dropped until they pause";
            findings.push(
                Diagnostic::new(Code::UdpNoDest, first, message)
                    .label(format!("UDP{}", self.udp.more()))
                    .help("[kernel] expire_nodest_conn = true")
                    .reason(
                        "a UDP flow that continues keeps its entry alive, and packets to a \
                             deleted server are dropped",
                    ),
            );
        }
        let daemon = declaration
            .daemons
            .as_ref()
            .and_then(|daemons| daemons.first());
        if let (Some((server, listen)), Some(daemon)) = (self.mixed, daemon) {
            let message = "a sync daemon and a server of the other address family exclude each \
                           other";
            findings.push(
                Diagnostic::new(Code::MixedWithSync, server, message)
                    .label("of the other address family")
                    .also(listen, "than this")
                    .also(daemon.span, "a sync daemon")
                    .reason("the kernel rejects each while the other exists"),
            );
        }
        self.check_pools(declaration, in_use, findings);
    }

    fn check_pools(
        &self,
        declaration: &Declaration,
        in_use: &BTreeSet<String>,
        findings: &mut Findings,
    ) {
        // What a broken service would have used is unknown.
        if findings.has_errors() {
            return;
        }
        let pools = declaration.pools.iter().enumerate();
        for (index, pool) in pools.filter(|(_, pool)| !in_use.contains(&pool.name.value)) {
            let name = &pool.name;
            let Some(used) = self.pools.get(&index) else {
                let message = format!("no service uses the pool `{}`", name.value);
                findings.push(Diagnostic::new(Code::UnusedPool, name.span, message));
                continue;
            };
            // A list may have both families: those that no service listens on are left out.
            if pool.discovery.is_some() {
                continue;
            }
            for (server, used) in pool.servers.servers.iter().zip(used) {
                let Some(address) = server.addresses.first().filter(|_| !used) else {
                    continue;
                };
                let family = Family::of(address.value);
                let message = format!("no service of this pool listens on an {family} address");
                findings.push(
                    Diagnostic::new(Code::UnusedServer, server.span(), message).label("is unused"),
                );
            }
        }
    }
}

/// Whether a switch is off, or left as the kernel has it.
fn lacks(declaration: &Declaration, sysctl: Sysctl) -> bool {
    let off = |value: &String| value == "0";
    let named = declaration.sysctls_named.contains(&sysctl);
    !named || declaration.kernel.sysctls.get(&sysctl).is_some_and(off)
}

/// Reports listen addresses with marks that checks through the forwarding path use.
pub(super) fn check_marks(
    service: &ServiceDecl,
    declaration: &Declaration,
    findings: &mut Findings,
) {
    let marks = declaration.run.marks;
    for listen in &service.listen {
        let Listen::Fwmark { mark, .. } = listen.value else {
            continue;
        };
        if !marks.contains(mark.get()) {
            continue;
        }
        let message = format!("the mark {:#x} is reserved for checks", mark.get());
        let mistake = Diagnostic::new(Code::CheckMark, listen.span, message);
        let mistake = match declaration.marks {
            Some(span) => mistake.also(span, "the marks reserved for checks"),
            None => mistake.label(format!("within {:#x}-{:#x}", marks.first, marks.last)),
        };
        findings.push(
            mistake
                .help("another mark, or other `check_marks` in [daemon]")
                .unless_as_is(service.as_is),
        );
    }
}
