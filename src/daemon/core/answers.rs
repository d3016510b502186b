//! Answers to operators. Each is sent once the published snapshot shows what it says: `director
//! reload && director status` must not show the old state.
//!
//! ```text
//!   request ─► settings, file ─► kernel ─► disk ─► snapshot ─► answer
//!                                   slices           slices
//! ```
//!
//! A request may concern thousands of services, which are settled and described in slices. Its
//! answer waits for these services, and for no others.

use std::collections::BTreeSet;

use ipvs::ServiceKey;

use super::Core;
use super::agenda::Agenda;
use crate::control::Now;
use crate::control::operator::{Answer, Refusal};
use crate::daemon::messages::Reply;

/// Answers that the snapshot does not show yet.
#[derive(Default)]
pub(super) struct Answers(Vec<Waiting>);

struct Waiting {
    reply: Reply,
    answer: Result<Answer, Refusal>,
    /// Services that were not in the snapshot when last looked at.
    unseen: BTreeSet<ServiceKey>,
}

impl Answers {
    /// Takes those that nothing is missing for.
    fn take_ready(&mut self, work: &Agenda) -> Vec<Waiting> {
        for waiting in &mut self.0 {
            waiting.unseen.retain(|key| work.has(key));
        }
        self.0
            .extract_if(.., |waiting| waiting.unseen.is_empty())
            .collect()
    }
}

impl Core {
    /// Answers once the snapshot shows it.
    pub(super) fn answer(
        &mut self,
        reply: Reply,
        answer: Result<Answer, Refusal>,
        unseen: BTreeSet<ServiceKey>,
    ) {
        self.answers.0.push(Waiting {
            reply,
            answer,
            unseen,
        });
    }

    /// Answers all who wait for the reload in progress.
    pub(super) fn answer_reload(&mut self, answer: &Result<Answer, Refusal>) {
        let replies = self.reloading.take_replies();
        self.answer_each(replies, answer);
    }

    /// Refuses the reload in progress and the next one: the file is not read again for it.
    pub(super) fn refuse_reloads(&mut self, refusal: Refusal) {
        let replies = self.reloading.take_all_replies();
        self.answer_each(replies, &Err(refusal));
    }

    /// What is out of date at this moment is part of the answer.
    fn answer_each(&mut self, replies: Vec<Reply>, answer: &Result<Answer, Refusal>) {
        for reply in replies {
            let unseen = self.work.all();
            self.answer(reply, answer.clone(), unseen);
        }
    }

    /// Publishes the snapshot and sends the answers that it shows.
    pub(super) fn send_answers(&mut self, now: Now) {
        let ready = self.answers.take_ready(&self.work);
        if ready.is_empty() {
            return;
        }
        if self.show.is_pending() {
            self.publish_now(now);
        }
        for Waiting { reply, answer, .. } in ready {
            reply(answer);
        }
    }
}
