//! What the checks found.

use std::sync::Arc;

use ipvs::ServiceKey;

use super::Core;
use crate::check::{Admin, Finding, Verdict};
use crate::daemon::Now;
use crate::daemon::overlay::Overlaid;
use crate::daemon::server::Change;
use crate::daemon::tables::Tables;
use crate::state::health::Occasion;
use crate::words::count;

/// So many services are settled at once for one finding; the rest of those that share the server
/// follow slice by slice.
const AT_ONCE: usize = 16;

impl Core {
    /// Acts on a finding: the operation that it comes to is sent before this returns.
    pub(super) fn finding(&mut self, finding: Finding, tables: &mut dyn Tables, now: Now) {
        let concerned = match finding {
            Finding::Judged {
                target,
                verdict,
                reason,
            } => {
                let subscribers = self.targets.judged(target, verdict, &reason);
                for (key, server) in &subscribers {
                    let change = self.judge(key, server, target, verdict, &reason, now);
                    self.tell(key, server, change, &reason, now);
                }
                subscribers
            }
            Finding::Advised { target, advice } => {
                let subscribers = self.targets.advised(target, advice);
                for (key, server) in &subscribers {
                    let state = self
                        .services
                        .get_mut(key)
                        .and_then(|service| service.servers.get_mut(server));
                    let before = state.as_ref().map(|state| state.admin());
                    if state.is_some_and(|state| state.advise(target, advice)) {
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

    fn judge(
        &mut self,
        key: &ServiceKey,
        server: &ipvs::ServerKey,
        target: crate::check::TargetId,
        verdict: Verdict,
        reason: &Arc<str>,
        now: Now,
    ) -> Change {
        let Some(service) = self.services.get_mut(key) else {
            return Change::None;
        };
        let held_over = service.held_over.get_mut(server);
        let state = service
            .servers
            .get_mut(server)
            .or(held_over.map(|held| &mut held.state));
        state.map_or(Change::None, |state| {
            state.judge(target, verdict, reason, &service.watch, now)
        })
    }

    fn tell(
        &mut self,
        key: &ServiceKey,
        server: &ipvs::ServerKey,
        change: Change,
        reason: &Arc<str>,
        now: Now,
    ) {
        let (kind, occasion, text) = match change {
            Change::None => return,
            Change::Up => ("server-up", Occasion::ServerUp, format!("up: {reason}")),
            Change::Down => (
                "server-down",
                Occasion::ServerDown,
                format!("down: {reason}"),
            ),
            Change::HeldUp => {
                let left = self.hold_left(key, server, now).as_secs();
                let text = format!("well again, but changed too often: held out for {left}s");
                ("server-held", Occasion::ServerDown, text)
            }
        };
        self.event(kind, Some(key), Some(server), text, now);
        if change != Change::HeldUp {
            self.notify(key, Some(server), occasion);
        }
    }

    fn hold_left(
        &self,
        key: &ServiceKey,
        server: &ipvs::ServerKey,
        now: Now,
    ) -> std::time::Duration {
        let state = self
            .services
            .get(key)
            .and_then(|service| service.servers.get(server));
        let until = state.and_then(|state| state.damper.until(now.boot));
        until.map_or(std::time::Duration::ZERO, |until| now.boot.until(until))
    }

    fn tell_admin(
        &mut self,
        key: &ServiceKey,
        server: &ipvs::ServerKey,
        before: Option<Admin>,
        after: Admin,
        now: Now,
    ) {
        if before == Some(after) {
            return;
        }
        let text = match after {
            Admin::Ready => "ready, says its agent",
            Admin::Drain => "drained by its agent",
            Admin::Maint => "in maintenance, says its agent",
        };
        self.event("agent", Some(key), Some(server), text.to_owned(), now);
    }

    /// Shouts when fewer servers are well than should be, and when that is over.
    pub(super) fn watch_strength(&mut self, key: &ServiceKey, overlaid: &Overlaid, now: Now) {
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        // At the start nothing is judged yet: that is no weakness.
        let open = |state: &crate::daemon::server::ServerState| state.verdict == Verdict::Open;
        let below = overlaid.up < overlaid.min_healthy && !service.servers.values().any(open);
        let (up, least) = (overlaid.up, overlaid.min_healthy);
        if std::mem::replace(&mut service.below, below) == below {
            return;
        }
        let (kind, occasion, text) = if below {
            let text = format!(
                "only {} well, fewer than {least} (min_healthy): none is taken out any more",
                count(up, "server is", "servers are")
            );
            ("service-below", Occasion::ServiceBelow, text)
        } else {
            let text = format!(
                "{} well again, and min_healthy is {least}",
                count(up, "server is", "servers are")
            );
            ("service-above", Occasion::ServiceAbove, text)
        };
        self.event(kind, Some(key), None, text, now);
        self.notify(key, None, occasion);
    }
}
