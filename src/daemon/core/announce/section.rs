//! One announce section as the core sees it: what it decides, and why.

use std::sync::Arc;

use super::super::hand::by;
use crate::announce::Position;
use crate::control::Now;
use crate::control::announce::{AnnounceHealth, AnnounceState, AnnounceStatus};
use crate::control::operator::Setting;
use crate::daemon::server::Damper;
use crate::state::BootTime;
use crate::state::failover::{Announced, AnnouncedVia};
use crate::words::{count, length};

/// A section.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) spec: Arc<Announced>,
    pub(super) status: AnnounceStatus,
    /// Whether enough was healthy when it was looked at last; `None` before the first verdicts.
    pub(super) enough: Option<bool>,
    pub(super) damper: Damper,
    /// Whether it goes on for an earlier process, until the first decision.
    pub(super) found: bool,
}

impl Section {
    pub(super) fn new(spec: Arc<Announced>, now: Now) -> Self {
        let status = AnnounceStatus {
            name: Arc::clone(&spec.name),
            state: AnnounceState::Waiting,
            in_place: false,
            since: now.boot,
            why: Arc::from("waits for the first verdicts of the checks"),
            until: None,
            set: None,
            interface: Arc::clone(&spec.interface),
            addresses: spec.addresses.as_slice().into(),
            healthy: AnnounceHealth::default(),
            trouble: None,
        };
        Self {
            spec,
            status,
            enough: None,
            damper: Damper::default(),
            found: false,
        }
    }

    /// The decision, and its reason.
    pub(super) fn decide(
        &self,
        set: Option<&Setting<()>>,
        now: BootTime,
    ) -> (AnnounceState, String) {
        let health = described(&self.status.healthy);
        if let Some(set) = set {
            return (AnnounceState::TakenOut, format!("withdrawn{}", by(set)));
        }
        let worse = match self.spec.via {
            AnnouncedVia::Route {
                fallback: Some(_), ..
            } => AnnounceState::Fallback,
            _ => AnnounceState::Withdrawn,
        };
        match self.enough {
            None => (AnnounceState::Waiting, self.status.why.to_string()),
            Some(false) => (worse, health),
            Some(true) => match self.damper.until(now) {
                Some(until) => {
                    let left = length(now.until(until).as_secs().max(1));
                    let text = format!("{health}, but that changed too often: held for {left}");
                    (AnnounceState::Damped, text)
                }
                None => (AnnounceState::Announced, health),
            },
        }
    }

    /// Keeps the reason of a decision. Returns the reason in full, and whether anything shown is new.
    pub(super) fn explain(
        &mut self,
        state: AnnounceState,
        why: String,
        set: Option<Setting<()>>,
        now: BootTime,
    ) -> (Arc<str>, bool) {
        let is_new = self.status.state != state;
        if is_new && self.status.state != AnnounceState::Waiting {
            self.found = false;
        }
        let why: Arc<str> = match self.found && state == AnnounceState::Announced {
            true => format!("goes on for the previous process: {why}").into(),
            false => why.into(),
        };
        let status = &mut self.status;
        // The time that is left of a hold is no news.
        let says_more = *status.why != *why && state != AnnounceState::Damped;
        if is_new || says_more {
            status.why = Arc::clone(&why);
        }
        let is_news = is_new || says_more || status.set != set;
        status.set = set;
        status.until = match state {
            AnnounceState::Damped => self.damper.until(now),
            _ => None,
        };
        (why, is_news)
    }

    /// Whether it was withdrawn so long ago that no packet is underway.
    pub(super) fn is_quiet(&self, now: BootTime) -> bool {
        let position = self.position(self.status.state);
        let was_never = self.enough.is_none() && !self.found;
        let is_over = self.status.since.after(self.spec.linger) <= now;
        was_never || position == Some(Position::Withdrawn) && self.status.in_place && is_over
    }

    /// Where the addresses are in a state.
    pub(super) fn position(&self, state: AnnounceState) -> Option<Position> {
        let has_fallback = matches!(
            self.spec.via,
            AnnouncedVia::Route {
                fallback: Some(_),
                ..
            }
        );
        Some(match state {
            AnnounceState::Waiting => return None,
            AnnounceState::Announced => Position::Announced,
            AnnounceState::Fallback => Position::Fallback,
            AnnounceState::Damped if has_fallback => Position::Fallback,
            AnnounceState::Withdrawn | AnnounceState::Damped | AnnounceState::TakenOut => {
                Position::Withdrawn
            }
        })
    }
}

/// What is healthy, for people.
fn described(health: &AnnounceHealth) -> String {
    let (one, many) = match health.servers {
        true => ("server", "servers"),
        false => ("service", "services"),
    };
    let all = count(health.of, one, many);
    let needed = health.needed;
    format!("{} of {all} healthy, {needed} needed", health.healthy)
}
