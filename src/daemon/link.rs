//! The director from the view of its control socket: requests go to the core, tables come from the
//! worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use ipvs::{Connections, ServiceKey};

use super::messages::{Input, Job};
use crate::check::{Observer, Statistics};
use crate::control::operator::{Answer, Refusal, RefusalKind, Request};
use crate::control::snapshot::Published;
use crate::control::{Counted, Director, Entries, Identity, InForce, Reply};
use crate::state::health::MarkRange;

/// The most requests that wait for the tables. They are read one after another, and a worker that
/// hangs reads none.
const WAITING: usize = 16;

/// One of those who wait for the tables, until it is dropped.
struct Waiter(Arc<AtomicUsize>);

impl Waiter {
    /// `None` when too many wait.
    fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        let waiter = Self(Arc::clone(taken));
        // One that is not there is given back by the drop.
        (waiter.0.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(waiter)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The control socket's way into the director.
pub(super) struct Link {
    pub(super) identity: Identity,
    pub(super) published: Arc<Published>,
    pub(super) inputs: Sender<Input>,
    pub(super) jobs: Sender<Job>,
    pub(super) checks: Observer,
    /// The number of requests waiting for the tables.
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Director for Link {
    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn published(&self) -> &Published {
        &self.published
    }

    fn checks(&self) -> Statistics {
        self.checks.statistics()
    }

    fn private_marks(&self) -> MarkRange {
        self.published.snapshot().marks
    }

    fn request(&self, request: Request, reply: Reply<Answer>) {
        let answer = Box::new(move |answer| reply.send(answer));
        // If the core is gone, this drops the reply, which reports it.
        let _ = self.inputs.send(Input::Request(request, answer));
    }

    fn table(&self, of: Option<Vec<ServiceKey>>, reply: Reply<Counted>) {
        let Some(waiter) = Waiter::take(&self.waiting) else {
            let why = format!("{WAITING} others are waiting for the tables");
            reply.send(Err(Refusal::new(RefusalKind::Unavailable, why)));
            return;
        };
        let answer = Box::new(move |table: ipvs::Result<Counted>| {
            drop(waiter);
            reply.send(table.map_err(|error| Refusal {
                kind: RefusalKind::Kernel,
                message: error.to_string(),
            }));
        });
        let _ = self.jobs.send(Job::Table(of, answer));
    }

    fn connections(&self) -> ipvs::Result<Entries> {
        // The thread is one of the director, in its network namespace.
        Ok(Box::new(Connections::open()?))
    }

    fn files(&self, reply: Reply<InForce>) {
        let answer = Box::new(move |files: Option<InForce>| {
            reply.send(files.ok_or_else(|| {
                let why = "no service file is in force yet; try again".to_owned();
                Refusal::new(RefusalKind::Unavailable, why)
            }));
        });
        let _ = self.jobs.send(Job::Files(answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_a_few_wait_for_tables_that_do_not_come() {
        let taken = Arc::default();
        let mut waiters: Vec<_> = (0..WAITING)
            .map(|_| Waiter::take(&taken).unwrap())
            .collect();
        for _ in 0..1000 {
            assert!(Waiter::take(&taken).is_none());
        }
        waiters.pop();
        let again = Waiter::take(&taken);
        assert!(again.is_some() && Waiter::take(&taken).is_none());
    }
}
