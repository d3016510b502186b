//! The director as its control socket sees it: requests go to the core, tables come from the
//! worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use ipvs::Table;

use super::messages::{Input, Job};
use crate::control::operator::{Answer, Refusal, RefusalKind, Request};
use crate::control::snapshot::Board;
use crate::control::{Director, Identity, Reply};
use crate::state::health::MarkRange;

/// So many may wait for the tables. They are read one after another, and a worker that hangs reads
/// none.
const WAITING: usize = 16;

/// A place among those who wait for the tables; free again when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    /// `None` when too many wait.
    fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(taken));
        // One that is not there is given back by the drop.
        (place.0.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The way from the control socket into the director.
pub(super) struct Link {
    pub(super) identity: Identity,
    pub(super) board: Arc<Board>,
    pub(super) inputs: Sender<Input>,
    pub(super) jobs: Sender<Job>,
    /// How many wait for the tables.
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Director for Link {
    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn board(&self) -> &Board {
        &self.board
    }

    fn private_marks(&self) -> MarkRange {
        self.board.snapshot().marks
    }

    fn request(&self, request: Request, reply: Reply<Answer>) {
        let answer = Box::new(move |answer| reply.send(answer));
        // A core that is gone drops the reply, which says so.
        let _ = self.inputs.send(Input::Request(request, answer));
    }

    fn table(&self, reply: Reply<Table>) {
        let Some(place) = Place::take(&self.waiting) else {
            let why = format!("{WAITING} others wait for the tables");
            reply.send(Err(Refusal::new(RefusalKind::Unavailable, why)));
            return;
        };
        let answer = Box::new(move |table: ipvs::Result<Table>| {
            drop(place);
            reply.send(table.map_err(|error| Refusal {
                kind: RefusalKind::Kernel,
                message: error.to_string(),
            }));
        });
        let _ = self.jobs.send(Job::Table(answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_a_few_wait_for_tables_that_do_not_come() {
        let taken = Arc::default();
        let mut places: Vec<_> = (0..WAITING).map(|_| Place::take(&taken).unwrap()).collect();
        for _ in 0..1000 {
            assert!(Place::take(&taken).is_none());
        }
        places.pop();
        let again = Place::take(&taken);
        assert!(again.is_some() && Place::take(&taken).is_none());
    }
}
