//! What explains the changes of a record.

use std::collections::VecDeque;
use std::sync::Arc;

use ipvs::{ServerKey, ServiceKey};

use super::By;
use super::picture::ServerPicture;
use crate::control::event::{Event, EventKind};
use crate::control::snapshot::ServerState;

/// What a record knows of causes.
#[derive(Clone, Copy)]
pub(super) struct Causes<'a> {
    pub(super) recent: &'a VecDeque<Arc<Event>>,
    /// When the last files came into force.
    pub(super) files_at: u64,
}

impl Causes<'_> {
    pub(super) fn has(&self, fits: impl Fn(&Event) -> bool) -> bool {
        self.recent.iter().any(|event| fits(event))
    }

    /// Lists of discovered servers are read together with the files: it is by what changed last.
    pub(super) fn of_reload(&self) -> By {
        let is_list =
            |event: &Event| event.kind == EventKind::Discovered && event.at_ms > self.files_at;
        match self.has(is_list) {
            true => By::Discovery,
            false => By::File,
        }
    }
}

/// What explains changes.
pub(super) struct Cause<'a> {
    pub(super) recent: &'a VecDeque<Arc<Event>>,
    pub(super) at: u64,
    /// The time of the first event of this record: a change is not before what is recorded already.
    pub(super) since: u64,
    /// Whether no director ran until now.
    pub(super) is_absence: bool,
    /// What a reload was made by, if there was one.
    pub(super) reload: Option<By>,
}

impl Cause<'_> {
    /// The newest event for which this holds.
    fn event(&self, fits: impl Fn(&Event) -> bool) -> Option<(By, u64)> {
        let found = self.recent.iter().rev().find(|event| fits(event))?;
        let is_here = (self.since..=self.at).contains(&found.at_ms);
        let at = if is_here { found.at_ms } else { self.at };
        Some((By::of(found.kind), at))
    }

    fn otherwise(&self) -> (By, u64) {
        let by = match (self.is_absence, self.reload) {
            (true, _) => By::Absence,
            (false, Some(by)) => by,
            (false, None) => By::Director,
        };
        (by, self.at)
    }

    pub(super) fn of_service(&self, listen: ServiceKey) -> (By, u64) {
        if let (Some(by), false) = (self.reload, self.is_absence) {
            return (by, self.at);
        }
        let own = |event: &Event| event.listen == Some(listen);
        self.event(own).unwrap_or_else(|| self.otherwise())
    }

    pub(super) fn of_removal(&self, listen: ServiceKey, server: ServerKey) -> (By, u64) {
        let own = |event: &Event| event.listen == Some(listen) && event.server == Some(server);
        match self.reload {
            Some(_) => self.otherwise(),
            None => self.event(own).unwrap_or_else(|| self.otherwise()),
        }
    }

    pub(super) fn of_server(
        &self,
        listen: ServiceKey,
        key: ServerKey,
        before: Option<&ServerPicture>,
        after: &ServerPicture,
    ) -> (By, u64) {
        let warms = |server: &ServerPicture| server.state == ServerState::Warming;
        if before.is_some_and(warms) && warms(after) {
            return (By::Director, self.at);
        }
        if before.is_none_or(|before| before.declared != after.declared) {
            return self.otherwise();
        }
        let own = |event: &Event| event.listen == Some(listen) && event.server == Some(key);
        let address = key.address.to_string();
        let machine = |event: &Event| {
            use EventKind::{Disabled, Enabled, Expired};
            matches!(event.kind, Disabled | Enabled | Expired)
                && event.text.split(' ').any(|word| word == address)
        };
        // The quorum, for example: what happened to the service changes its servers.
        let service = |event: &Event| event.listen == Some(listen) && event.server.is_none();
        self.event(own)
            .or_else(|| self.event(machine))
            .or_else(|| (!self.is_absence && self.reload.is_none()).then(|| self.event(service))?)
            .unwrap_or_else(|| self.otherwise())
    }
}
