//! What a failover section does when something happens.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::super::code::Code;
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::super::keys;
use super::super::super::source::Spanned;
use super::super::super::vocabulary::{FAILOVER_ON, FOLLOW_BY, ON_DEATH};
use super::super::command::command;
use super::super::fields::{Field, Fields};
use super::super::share::share;
use super::super::time::{DAY, HOUR, SECOND, within};
use super::super::word::word;
use super::address::interface_name;
use crate::kinds::tls::absolute;
use crate::state::Share;
use crate::state::failover::{
    Announce, FailoverNotify, FailoverOn, Follow, FollowBy, OnDeath, Track, TrackEffect, TrackFile,
    Tracked,
};

/// The names of services, for the check that they exist.
pub(super) type Named = Vec<Spanned<Arc<str>>>;

pub(super) fn name(
    field: &Field<'_>,
    into: &mut Named,
    findings: &mut Findings,
) -> Option<Arc<str>> {
    let name: Arc<str> = field.text(findings)?.value.into();
    into.push(Spanned::new(Arc::clone(&name), field.span()));
    Some(name)
}

/// `follow`.
pub(super) fn follow(
    fields: &Fields<'_>,
    named: &mut Named,
    findings: &mut Findings,
) -> Option<Follow> {
    let field = fields.get("follow")?;
    let fields = field.table(&keys::FOLLOW, findings)?;
    let by = fields.get("by");
    let by = by.and_then(|field| word(&field, FOLLOW_BY, findings));
    let every = fields.get("every");
    let share = every.and_then(|field| share(&field, 1, 100, findings));
    let rise = fields.get("rise");
    let rise = rise.and_then(|field| field.whole(findings));
    let fall = fields.get("fall");
    let fall = fall.and_then(|field| field.whole(findings));
    let step = fields.require("step", findings);
    let step = step.and_then(|field| field.whole(findings));
    let list = fields.require("services", findings)?;
    let items: Vec<_> = list.items(findings).collect();
    if items.is_empty() {
        let message = "`follow` needs a service";
        findings
            .push(Diagnostic::new(Code::MissingKey, list.span(), message).label("an empty list"));
    }
    let services: Vec<_> = items
        .iter()
        .filter_map(|item| name(item, named, findings))
        .collect();
    let by = match (by, every) {
        (Some("servers"), _) => FollowBy::Servers {
            every: share.unwrap_or(Share::percent(25)),
        },
        (_, Some(every)) => {
            let message = "`every` counts servers";
            findings
                .push(Diagnostic::new(Code::EitherOr, every.at, message).help("by = \"servers\""));
            FollowBy::Services
        }
        (_, None) => FollowBy::Services,
    };
    Some(Follow {
        services,
        by,
        step: step?.value,
        rise: rise.map_or(2, |rise| rise.value),
        fall: fall.map_or(1, |fall| fall.value),
    })
}

/// `track`.
pub(super) fn track(fields: &Fields<'_>, named: &mut Named, findings: &mut Findings) -> Vec<Track> {
    let Some(list) = fields.get("track") else {
        return Vec::new();
    };
    let items: Vec<_> = list.items(findings).collect();
    let tracks = items.iter().filter_map(|item| one(item, named, findings));
    tracks.collect()
}

fn one(field: &Field<'_>, named: &mut Named, findings: &mut Findings) -> Option<Track> {
    let fields = field.table(&keys::TRACK, findings)?;
    let step = fields.get("step");
    let step = step.and_then(|field| field.whole(findings));
    let missing = fields.get("missing");
    let wants_missing = missing.and_then(|field| field.bool(findings));
    let (interface, file, service) = (
        fields.get("interface"),
        fields.get("file"),
        fields.get("service"),
    );
    let given: Vec<_> = [interface, file, service].into_iter().flatten().collect();
    match given.as_slice() {
        [] => {
            let message = "`track` needs `interface`, `file` or `service`";
            findings.push(Diagnostic::new(Code::MissingKey, field.at, message));
        }
        [_] => {}
        [first, second, ..] => {
            let message = "`track` watches one thing";
            findings.push(
                Diagnostic::new(Code::EitherOr, second.at, message)
                    .label("a second one")
                    .also(first.at, "the first one")
                    .help("one table for each, in a list"),
            );
            return None;
        }
    }
    if let (Some(missing), None) = (missing, file) {
        let message = "`missing` is about a file";
        findings.push(Diagnostic::new(Code::EitherOr, missing.at, message));
    }
    let what = if let Some(field) = interface {
        Tracked::Interface(interface_name(&field, findings)?)
    } else if let Some(field) = file {
        Tracked::File(TrackFile {
            path: absolute(&field, findings)?.into(),
            missing: wants_missing.is_some_and(|missing| missing.value),
        })
    } else {
        Tracked::Service(name(&service?, named, findings)?)
    };
    Some(Track {
        what,
        effect: step.map_or(TrackEffect::Fault, |step| TrackEffect::Lower(step.value)),
    })
}

/// `on_death`.
pub(super) fn on_death(fields: &Fields<'_>, default: OnDeath, findings: &mut Findings) -> OnDeath {
    let field = fields.get("on_death");
    match field.and_then(|field| word(&field, ON_DEATH, findings)) {
        Some("keep") => OnDeath::Keep,
        Some(_) => OnDeath::Release,
        None => default,
    }
}

/// `announce`.
pub(super) fn announce(fields: &Fields<'_>, findings: &mut Findings) -> Announce {
    let mut announce = Announce::default();
    let table = fields.get("announce");
    let Some(fields) = table.and_then(|field| field.table(&keys::ANNOUNCE, findings)) else {
        return announce;
    };
    if let Some(first) = fields.get("first")
        && let Some(first) = first.whole(findings)
    {
        announce.first = first.value;
    }
    if let Some(second) = fields.get("second")
        && let Some(second) = second.whole(findings)
    {
        announce.second = second.value;
    }
    if let Some(after) = fields.get("after")
        && let Some(after) = within(&after, 100, HOUR / 6, findings)
    {
        announce.after = after.value;
    }
    if let Some(refresh) = fields.get("refresh") {
        if refresh.as_bool() == Some(false) {
            announce.refresh = None;
        } else if let Some(refresh) = within(&refresh, SECOND, DAY, findings) {
            announce.refresh = Some(refresh.value);
        }
    }
    announce
}

/// `notify`.
pub(super) fn notify(fields: &Fields<'_>, findings: &mut Findings) -> Arc<[FailoverNotify]> {
    let Some(list) = fields.get("notify") else {
        return Arc::default();
    };
    let items: Vec<_> = list.items(findings).collect();
    let commands = items.iter().filter_map(|item| {
        let fields = item.table(&keys::FAILOVER_NOTIFY, findings)?;
        let timeout = fields.get("timeout");
        let timeout = timeout.and_then(|field| within(&field, 100, HOUR, findings));
        let on = fields.get("on").map(|field| events(&field, findings));
        let program = fields.require("command", findings)?;
        Some(FailoverNotify {
            command: command(&program, false, findings)?,
            on: on.unwrap_or_else(|| FailoverOn::ALL.into()),
            timeout: timeout.map_or(Duration::from_secs(10), |timeout| timeout.value),
        })
    });
    commands.collect()
}

/// [`FAILOVER_ON`] has the order of [`FailoverOn::ALL`].
fn events(field: &Field<'_>, findings: &mut Findings) -> BTreeSet<FailoverOn> {
    let items: Vec<_> = field.items(findings).collect();
    if items.is_empty() {
        let message = "the command has no events";
        findings
            .push(Diagnostic::new(Code::MissingKey, field.span(), message).label("an empty list"));
    }
    let mut on = BTreeSet::new();
    for item in items {
        let Some(name) = word(&item, FAILOVER_ON, findings) else {
            continue;
        };
        let known = FAILOVER_ON.iter().zip(FailoverOn::ALL);
        on.extend(
            known
                .filter(|(word, _)| word.name == name)
                .map(|(_, on)| on),
        );
    }
    on
}
