//! The director as its control socket sees it: requests go to the core, tables come from the
//! worker.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use ipvs::Table;

use super::core::Input;
use super::operator::{Answer, Refusal, RefusalKind, Request};
use super::snapshot::Board;
use super::worker::Job;
use crate::http::{Director, Identity, Reply};
use crate::state::health::MarkRange;

/// The way from the control socket into the director.
pub(super) struct Link {
    pub(super) identity: Identity,
    pub(super) board: Arc<Board>,
    pub(super) inputs: Sender<Input>,
    pub(super) jobs: Sender<Job>,
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
        let answer = Box::new(move |table: ipvs::Result<Table>| {
            reply.send(table.map_err(|error| Refusal {
                kind: RefusalKind::Kernel,
                message: error.to_string(),
            }));
        });
        let _ = self.jobs.send(Job::Table(answer));
    }
}
