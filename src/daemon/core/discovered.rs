//! Pools that find their servers, as the core sees them: it declares them, shows what their threads
//! report, and reads the files again when a list changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Core;
use crate::control::Now;
use crate::control::discovery::PoolStatus;
use crate::control::event::{EventKind, Subject};
use crate::control::snapshot::{RejectedBy, Rejection};
use crate::daemon::messages::Order;
use crate::discovery::{Command, Report};
use crate::state::discovery::Discovery;

/// What the core keeps.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    declared: Arc<[Discovery]>,
    pub(super) shown: BTreeMap<Arc<str>, Arc<PoolStatus>>,
}

impl Core {
    /// A file is in force.
    pub(super) fn declare_discovered(&mut self) {
        let declared = Arc::clone(&self.run.discoveries);
        if self.discovered.declared == declared {
            return;
        }
        let is_declared = |name: &Arc<str>| declared.iter().any(|one| one.pool == *name);
        self.discovered.shown.retain(|name, _| is_declared(name));
        self.show.touch();
        let command = Command::Declare(declared.to_vec());
        self.discovered.declared = declared;
        self.out.discovery.push(command);
    }

    /// The files were read together with the lists, and are in force or not.
    pub(super) fn lists_were_read(&mut self, outcome: Result<(), &Rejection>) {
        if self.discovered.declared.is_empty() {
            return;
        }
        self.out.discovery.push(match outcome {
            Ok(()) => Command::Accepted,
            // A guard holds until an operator says otherwise; a failure may pass.
            Err(rejection) if rejection.by != RejectedBy::Mistakes => return,
            Err(rejection) => Command::Rejected(rejection.why.clone()),
        });
    }

    /// The threads report.
    pub(super) fn discovery_report(&mut self, report: Report, now: Now) {
        let is_declared =
            |pool: &Arc<str>| self.discovered.declared.iter().any(|one| one.pool == *pool);
        match report {
            Report::Changed { pool, text } if is_declared(&pool) => {
                let text = format!("`{pool}`: {text}");
                self.event(EventKind::Discovered, Subject::None, text, now);
                self.reload(Order::asked(false), None, now);
            }
            Report::Refused { pool, why } if is_declared(&pool) => {
                let (kind, text) = match why {
                    Some(why) => (
                        EventKind::DiscoveryRefused,
                        format!("{why}; the last list stays"),
                    ),
                    None => (
                        EventKind::DiscoveryRestored,
                        "its source lists servers again".to_owned(),
                    ),
                };
                self.event(kind, Subject::None, format!("`{pool}`: {text}"), now);
            }
            Report::Status(status) if is_declared(&status.pool) => {
                let name = Arc::clone(&status.pool);
                self.discovered.shown.insert(name, Arc::new(status));
                self.show.touch();
            }
            // Of a pool that the file no longer has.
            Report::Changed { .. } | Report::Refused { .. } | Report::Status(_) => {}
        }
    }
}
