//! Handles the checks' findings.

use std::sync::Arc;

use ipvs::ServiceKey;

use super::Core;
use crate::check::{Admin, Finding, TargetId, Verdict};
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::snapshot::QuorumStatus;
use crate::daemon::overlay::Overlaid;
use crate::daemon::server::Change;
use crate::daemon::tables::Tables;
use crate::state::health::NotifyOn;
use crate::words::count;

/// The number of services settled immediately for one finding; the others that share the server
/// follow slice by slice.
const AT_ONCE: usize = 16;

impl Core {
    /// Handles a finding: sends the resulting operation before it returns.
    pub(super) fn finding(&mut self, finding: Finding, tables: &mut dyn Tables, now: Now) {
        let concerned = match finding {
            Finding::Judged {
                target,
                verdict,
                cut_off,
                reason,
            } => {
                let mut concerned = self.targets.judged(target, verdict, &reason);
                let mut changed = Vec::new();
                for (key, server) in &concerned {
                    let (change, is_first) = self.judge(key, server, cut_off, now);
                    self.tell(key, server, change, &reason, now);
                    if change != Change::None && !is_first {
                        changed.push((*key, *server));
                    }
                }
                if !changed.is_empty() {
                    concerned.extend(self.seek_cause(target, changed, verdict, now));
                }
                concerned
            }
            Finding::NotAsked { target, why } => {
                self.tell_not_asked(target, why.as_deref(), now);
                return;
            }
            Finding::Advised { target, advice } => {
                let (subscribers, is_news) = self.targets.advised(target, advice);
                for (key, server) in &subscribers {
                    let state = self
                        .services
                        .get_mut(key)
                        .and_then(|service| service.servers.get_mut(server));
                    if let Some(state) = state.filter(|_| is_news) {
                        let before = state.admin;
                        state.take_advice(&self.targets);
                        self.tell_admin(key, server, before, advice.admin, now);
                    }
                }
                subscribers
            }
        };
        let mut keys: Vec<ServiceKey> = concerned.into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() > AT_ONCE {
            self.work.stale.extend(keys.drain(AT_ONCE..));
        }
        self.settle(&keys, tables, now);
    }

    /// The effect of one check's verdict on a server, and whether it is the first.
    fn judge(
        &mut self,
        key: &ServiceKey,
        server: &ipvs::ServerKey,
        cut_off: bool,
        now: Now,
    ) -> (Change, bool) {
        let Some(service) = self.services.get_mut(key) else {
            return (Change::None, false);
        };
        let held_over = service.held_over.get_mut(server);
        let state = service
            .servers
            .get_mut(server)
            .or(held_over.map(|held| &mut held.state));
        let Some(state) = state else {
            return (Change::None, false);
        };
        let is_first = state.verdict == Verdict::Open;
        let change = state.judge(&self.targets, cut_off, &service.watch, now);
        (change, is_first)
    }

    fn tell(
        &mut self,
        key: &ServiceKey,
        server: &ipvs::ServerKey,
        change: Change,
        reason: &Arc<str>,
        now: Now,
    ) {
        let (kind, notify, text) = match change {
            // Whether it is held out or kept in is decided when its service is settled.
            Change::None | Change::HeldUp => return,
            Change::Up => (
                EventKind::ServerUp,
                NotifyOn::ServerUp,
                format!("up: {reason}"),
            ),
            Change::Down => (
                EventKind::ServerDown,
                NotifyOn::ServerDown,
                format!("down: {reason}"),
            ),
        };
        self.event(kind, Subject::Server(*key, *server), text, now);
        self.notify(key, Some(server), notify, now);
    }

    /// Reports checks that cannot be carried out: once, however many services the server has.
    fn tell_not_asked(&mut self, target: TargetId, why: Option<&str>, now: Now) {
        let subscribers = self.targets.subscribers(target);
        let Some((key, server)) = subscribers.first().copied() else {
            return;
        };
        let others = match subscribers.len() - 1 {
            0 => String::new(),
            others => format!(
                " (and in {})",
                count(others, "other service", "other services")
            ),
        };
        self.work
            .unseen
            .extend(subscribers.iter().map(|(key, _)| *key));
        let record = self.targets.record(target);
        let check = record.map_or("", |(spec, _)| spec.kind.name());
        let (kind, text) = match why {
            Some(why) => (
                EventKind::NotChecked,
                format!("cannot run the {check} check, so the state stays{others}: {why}"),
            ),
            None => (
                EventKind::Checked,
                format!("the {check} check runs again{others}"),
            ),
        };
        self.event(kind, Subject::Server(key, server), text, now);
    }

    fn tell_admin(
        &mut self,
        key: &ServiceKey,
        server: &ipvs::ServerKey,
        before: Admin,
        after: Admin,
        now: Now,
    ) {
        if before == after {
            return;
        }
        let text = match after {
            Admin::Ready => "ready according to its agent",
            Admin::Drain => "drained by its agent",
            Admin::Maint => "in maintenance according to its agent",
        };
        let subject = Subject::Server(*key, *server);
        self.event(EventKind::Agent, subject, text.to_owned(), now);
    }

    /// Reports when the quorum is lost or met again, and remembers it for the hysteresis.
    fn watch_quorum(&mut self, key: &ServiceKey, quorum: Option<QuorumStatus>, now: Now) {
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        let lost = quorum.is_some_and(|quorum| quorum.lost);
        let has_sorry = !service.watch.sorry.is_empty();
        if std::mem::replace(&mut service.quorum_lost, lost) == lost {
            return;
        }
        // After a reload without a quorum nothing is gained.
        let Some(quorum) = quorum else { return };
        let (weight, needed) = (quorum.weight, quorum.needed);
        let (kind, notify, text) = if lost {
            let then = match has_sorry {
                true => "the sorry servers serve in their place",
                false => "there are no sorry servers, so those that are up go on serving",
            };
            let text =
                format!("the servers that are up weigh {weight}, and quorum is {needed}: {then}");
            (EventKind::QuorumLost, NotifyOn::QuorumLost, text)
        } else {
            let text =
                format!("the servers that are up weigh {weight} again, and quorum is {needed}");
            (EventKind::QuorumGained, NotifyOn::QuorumGained, text)
        };
        self.event(kind, Subject::Service(*key), text, now);
        self.notify(key, None, notify, now);
    }

    /// Reports when fewer servers are up than required, and when that is over.
    pub(super) fn watch_strength(&mut self, key: &ServiceKey, overlaid: &Overlaid, now: Now) {
        self.watch_quorum(key, overlaid.quorum, now);
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        // At the start there are no verdicts yet, which is not a weakness.
        let open = |state: &crate::daemon::server::ServerState| state.verdict == Verdict::Open;
        let below = overlaid.up < overlaid.min_healthy && !service.servers.values().any(open);
        let (up, least) = (overlaid.up, overlaid.min_healthy);
        if std::mem::replace(&mut service.below, below) == below {
            return;
        }
        let (kind, notify, text) = if below {
            let text = format!(
                "only {} up, fewer than {least} (min_healthy): no more are taken out",
                count(up, "server is", "servers are")
            );
            (EventKind::ServiceBelow, NotifyOn::ServiceBelow, text)
        } else {
            let text = format!(
                "{} up again, and min_healthy is {least}",
                count(up, "server is", "servers are")
            );
            (EventKind::ServiceAbove, NotifyOn::ServiceAbove, text)
        };
        self.event(kind, Subject::Service(*key), text, now);
        self.notify(key, None, notify, now);
    }
}
