//! Virtual services, pools, and the defaults that services inherit.

use std::sync::Arc;
use std::time::Duration;

use ipvs::{ForwardMethod, Service};

use super::super::allowance::Allowed;
use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::{
    CheckTable, HealthDecl, PersistenceDecl, SchedulerDecl, ServersDecl, ServiceDecl, TunnelDecl,
};
use super::super::source::{Span, Spanned};
use super::super::tree::Entry;
use super::address;
use super::allow::allow;
use super::fields::{Field, Fields};
use super::health;
use super::name::named;
use super::persistence;
use super::scheduler::scheduler;
use super::server::servers;
use super::time::time;
use super::tunnel::{forward, tunnel};
use crate::state::MachineCodes;

/// What services inherit from their file's `[defaults]`.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    scheduler: Option<Spanned<SchedulerDecl>>,
    forward: Option<Spanned<ForwardMethod>>,
    tunnel: Option<TunnelDecl>,
    persistence: Option<PersistenceDecl>,
    drain: Option<Spanned<Duration>>,
    pub(super) health: HealthDecl,
}

impl Defaults {
    /// `[defaults]` of a file.
    pub(super) fn of(field: &Field<'_>, findings: &mut Findings) -> Self {
        let fields = field.table(&keys::DEFAULTS, findings);
        fields.map_or_else(Self::default, |fields| Self {
            health: health::defaults(&fields, findings),
            ..Self::default().overlaid(&fields, findings)
        })
    }

    /// These with the values of a table over them; all but health.
    fn overlaid(&self, fields: &Fields<'_>, findings: &mut Findings) -> Self {
        let scheduler = fields
            .get("scheduler")
            .and_then(|field| scheduler(&field, findings));
        let forward = fields
            .get("forward")
            .and_then(|field| forward(&field, findings));
        let tunnel = fields
            .get("tunnel")
            .and_then(|field| tunnel(&field, findings));
        let field = fields.get("persistence");
        let persistence = field.and_then(|field| persistence::persistence(&field, findings));
        let drain = fields.get("drain").and_then(|field| time(&field, findings));
        Self {
            scheduler: scheduler.or_else(|| self.scheduler.clone()),
            forward: forward.or(self.forward),
            tunnel: match tunnel {
                Some(tunnel) => Some(tunnel.over(self.tunnel)),
                None => self.tunnel,
            },
            persistence: match persistence {
                Some(said) => said.map(|said| said.over(self.persistence.as_ref())),
                None => self.persistence.clone(),
            },
            drain: drain.or(self.drain),
            health: HealthDecl::default(),
        }
    }
}

/// A service.
pub(super) fn service(
    entry: &Entry<'_>,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Option<ServiceDecl> {
    let at = entry.key_span;
    let fields = Fields::of(&entry.node, at, &keys::SERVICE, findings);
    let name = named(&entry.key, at, findings);
    let fields = fields?;
    let codes = allow(&fields, findings);
    let allowed = findings.allow_in_service(codes.of_file);
    let declared = findings.within(&allowed, at.file, |findings| {
        declared(&fields, name, defaults, findings)
    });
    declared.map(|service| ServiceDecl {
        allow: allowed,
        allow_machine: codes.of_machine,
        ..service
    })
}

/// What a service declares besides `allow`.
fn declared(
    fields: &Fields<'_>,
    name: Option<Spanned<String>>,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Option<ServiceDecl> {
    let at = fields.at;
    let inherited = defaults.overlaid(fields, findings);
    let health = health::service(&defaults.health, fields, findings);
    let mut listen = Vec::new();
    let mut asked = 0;
    if let Some(list) = fields.require("listen", findings) {
        let items = list.items(findings);
        asked = items.len();
        if items.is_empty() {
            let message = "a service needs an address to listen on";
            findings.push_missing(
                Diagnostic::new(Code::MissingKey, list.span(), message).label("an empty list"),
            );
        }
        for item in items {
            if let Some(text) = item.text(findings) {
                listen.extend(address::listen(text, item.span(), findings));
            }
        }
    }
    let servers = own_or_pool(fields, health.base.as_ref(), findings);
    let one_packet = fields
        .get("one_packet")
        .and_then(|field| field.bool(findings));
    let as_is = fields.get("as_is").and_then(|field| field.bool(findings));
    // A default mask is for persistent services, and does not make a service persistent.
    let says_persistence = fields.get("persistence").is_some();
    let persistence = inherited.persistence;
    let persistence = persistence.filter(|said| says_persistence || said.timeout.is_some());
    let name = name?;
    Some(ServiceDecl {
        name,
        listens_all: asked > 0 && listen.len() == asked,
        listen,
        servers,
        scheduler: inherited.scheduler.unwrap_or_else(|| default_scheduler(at)),
        forward: inherited.forward,
        tunnel: inherited.tunnel,
        says_tunnel: fields.get("tunnel").is_some(),
        persistence,
        one_packet: one_packet.filter(|set| set.value).map(|set| set.span),
        drain: inherited.drain,
        health,
        as_is: as_is.is_some_and(|as_is| as_is.value),
        allow: Allowed::default(),
        allow_machine: MachineCodes::default(),
    })
}

fn default_scheduler(at: Span) -> Spanned<SchedulerDecl> {
    let decl = SchedulerDecl {
        name: Service::WLC,
        explicit: false,
        flags: Vec::new(),
    };
    Spanned::new(decl, at)
}

fn own_or_pool(
    fields: &Fields<'_>,
    base: Option<&Arc<CheckTable>>,
    findings: &mut Findings,
) -> ServersDecl {
    let pool = fields.get("pool");
    let own = fields.get("servers");
    if let (Some(pool), Some(own)) = (&pool, &own) {
        findings.push(
            Diagnostic::new(
                Code::PoolAndServers,
                own.at,
                "a service has either a pool or servers of its own",
            )
            .label("servers of its own")
            .also(pool.at, "a pool")
            .help("add them to the pool, or to another pool"),
        );
    }
    let own = own.map(|field| servers(&field, base, findings));
    match (pool, own) {
        (Some(pool), None) => match pool.text(findings) {
            Some(text) => ServersDecl::Pool(Spanned::new(text.value.to_owned(), pool.span())),
            None => ServersDecl::Unknown,
        },
        (None, Some(own)) => ServersDecl::Own(own),
        (Some(_), Some(_)) => ServersDecl::Unknown,
        (None, None) => {
            let mistake =
                Diagnostic::new(Code::MissingKey, fields.at, "a service needs real servers")
                    .label("neither `pool` nor `servers` is set")
                    .help("`pool = \"NAME\"` of a [pool.NAME], or `servers = [\"10.0.0.11\"]`");
            let others = fields.get("backup").or_else(|| fields.get("sorry"));
            findings.push_missing(match others {
                Some(_) => mistake.reason("backup and sorry servers stand in for others"),
                None => mistake,
            });
            ServersDecl::Unknown
        }
    }
}
