//! The guard at the last usable server: a drain, a weight of 0 or maintenance must not take a
//! service down by mistake.
//!
//! A server is usable if new clients get to it now. Backup servers that would step in count, sorry
//! servers do not: a page that says sorry is an outage, too. A service that has no usable server
//! before has nothing to lose.

use std::collections::BTreeSet;

use ipvs::ServiceKey;

use super::Core;
use crate::control::Now;
use crate::control::operator::{Refusal, RefusalKind, Settings};
use crate::control::snapshot::Role;
use crate::daemon::overlay::{Overlaid, Seat};

/// The most services that a refusal describes, and the most servers of each.
const NAMED: usize = 4;

impl Core {
    /// Refuses settings that would leave one of these services without a usable server. With
    /// `force`, says which services that are.
    pub(super) fn guard(
        &self,
        force: bool,
        services: &BTreeSet<ServiceKey>,
        settings: &Settings,
        now: Now,
    ) -> Result<Vec<String>, Refusal> {
        let mut left: Vec<String> = Vec::new();
        for key in services {
            let before = self.overlaid(key, now);
            let after = self.overlaid_with(key, settings, now);
            if let (Some(before), Some(after)) = (before, after)
                && is_usable(&before)
                && !is_usable(&after)
            {
                left.push(self.left(key, &before, &after, force));
            }
        }
        if left.is_empty() {
            return Ok(left);
        }
        let more = left.len().saturating_sub(NAMED);
        left.truncate(NAMED);
        if more > 0 {
            left.push(format!("the same for {more} more"));
        }
        if force {
            return Ok(left.iter().map(|text| format!("forced: {text}")).collect());
        }
        let left = left.join("; ");
        Err(Refusal::new(
            RefusalKind::LastServer,
            format!("refused: {left}; nothing was changed; use --force to override"),
        ))
    }

    /// What is left of a service, and why its other servers do not serve.
    fn left(&self, key: &ServiceKey, before: &Overlaid, after: &Overlaid, force: bool) -> String {
        let service = self.services.get(key);
        let name = service.map_or("", |service| &*service.declared.name);
        let verb = if force { "is left" } else { "would be left" };
        let has_sorry = after.seats.iter().any(|seat| seat.role == Role::Sorry);
        let left = if has_sorry {
            "with its sorry servers only"
        } else {
            "without a usable server"
        };
        let served = |seat: &Seat| {
            let mut before = before.seats.iter().filter(|seat| serves(seat));
            before.any(|other| other.key == seat.key)
        };
        let others = after.seats.iter();
        let mut others = others.filter(|seat| seat.role != Role::Sorry && !served(seat));
        let mut why: Vec<String> = others
            .by_ref()
            .take(NAMED)
            .map(|seat| format!("{} is {}", seat.key, seat.state.word()))
            .collect();
        let more = others.count();
        if more > 0 {
            why.push(format!("{more} more do not serve"));
        }
        let why = match why.is_empty() {
            true => String::new(),
            false => format!(" ({})", why.join(", ")),
        };
        format!("{name} ({key}) {verb} {left}{why}")
    }
}

/// Whether new clients get an answer from more than a sorry server.
fn is_usable(overlaid: &Overlaid) -> bool {
    overlaid.seats.iter().any(serves)
}

fn serves(seat: &Seat) -> bool {
    seat.role != Role::Sorry && seat.server.is_some_and(|server| server.weight.get() > 0)
}
