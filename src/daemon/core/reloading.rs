//! The reload in progress: its stage, its services, and who waits for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};

use ipvs::{Operation, ServiceKey};

use crate::daemon::messages::{Hot, Loaded, Member, Order, Reply};
use crate::daemon::server::Reload;
use crate::state::DesiredService;

pub(super) struct Reloading {
    /// The path of the service file.
    file: PathBuf,
    stage: Stage,
    /// Services of a transaction, until their new declaration is in force. Their state in the
    /// kernel must not be judged by the old one.
    awaited: BTreeSet<ServiceKey>,
    /// Services changed by a transaction and not read since: differences there do not come from
    /// other programs.
    transacted: BTreeSet<ServiceKey>,
    /// The number of files put in force, or about to be.
    number: Reload,
    hot: Hot,
    replies: Vec<Reply>,
    /// An order to read the file again that came while one was being read.
    again: Option<Again>,
}

#[derive(Default)]
struct Again {
    order: Order,
    replies: Vec<Reply>,
}

/// The stage of a reload.
#[derive(Default)]
pub(super) enum Stage {
    /// No reload is in progress.
    #[default]
    Idle,
    /// The worker reads the file.
    Loading { order: Order },
    /// Computes the overlay of the new declarations, service by service.
    Overlaying {
        loaded: Box<Loaded>,
        order: Order,
        next: usize,
        wanted: Vec<DesiredService>,
    },
    /// The worker carries out the transaction. `None` for settings alone, which are no reload.
    Transacting {
        loaded: Option<Box<Loaded>>,
        order: Order,
    },
    /// Replaces the old declarations by the new ones.
    Absorbing {
        loaded: Box<Loaded>,
        next: usize,
        done: Carried,
    },
}

/// The result of a transaction.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) steps: usize,
    /// What the guards object to, and was forced.
    pub(super) forced: Vec<String>,
    /// What else the file does to the addresses.
    pub(super) moved: Vec<String>,
    /// Why its ledger is not on disk, if so.
    pub(super) unkept: Option<String>,
    /// The services that had checks and have none in the new file, by their earlier names.
    pub(super) unchecked: BTreeSet<Arc<str>>,
}

impl Reloading {
    pub(super) fn new(file: PathBuf) -> Self {
        Self {
            file,
            stage: Stage::Idle,
            awaited: BTreeSet::new(),
            transacted: BTreeSet::new(),
            number: 0,
            hot: Hot::default(),
            replies: Vec::new(),
            again: None,
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) const fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) fn enter(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Takes the stage; the reload is idle until it enters the next.
    pub(super) fn leave(&mut self) -> Stage {
        std::mem::take(&mut self.stage)
    }

    /// Whether a reload or a transaction is in progress.
    pub(super) const fn is_busy(&self) -> bool {
        !matches!(self.stage, Stage::Idle)
    }

    /// Whether the file is being read or applied.
    pub(super) const fn is_reload(&self) -> bool {
        !matches!(
            self.stage,
            Stage::Idle | Stage::Transacting { loaded: None, .. }
        )
    }

    /// Whether the core has a slice of it to do.
    pub(super) const fn has_work(&self) -> bool {
        matches!(
            self.stage,
            Stage::Overlaying { .. } | Stage::Absorbing { .. }
        )
    }

    /// Whether the worker is changing tables.
    pub(super) const fn is_transacting(&self) -> bool {
        matches!(self.stage, Stage::Transacting { .. })
    }

    /// The number of this reload: files put in force, or about to be.
    pub(super) const fn number(&self) -> Reload {
        self.number
    }

    pub(super) const fn count(&mut self) {
        self.number += 1;
    }

    /// Adds a requester waiting for the end of this reload.
    pub(super) fn wait(&mut self, reply: Option<Reply>) {
        self.replies.extend(reply);
    }

    /// Reads the file again when this reload has ended.
    pub(super) fn wait_for_next(&mut self, order: Order, reply: Option<Reply>) {
        let again = self.again.get_or_insert_default();
        again.order.join(order);
        again.replies.extend(reply);
    }

    /// The order to read the file again, if there is one and no reload is in progress. Its
    /// requesters then wait for this reload.
    pub(super) fn take_next(&mut self) -> Option<Order> {
        let again = self.again.take_if(|_| matches!(self.stage, Stage::Idle))?;
        self.replies.extend(again.replies);
        Some(again.order)
    }

    /// Those who wait for this reload.
    pub(super) fn take_replies(&mut self) -> Vec<Reply> {
        std::mem::take(&mut self.replies)
    }

    /// Those who wait for this reload or for the next one, which is given up.
    pub(super) fn take_all_replies(&mut self) -> Vec<Reply> {
        let again = self.again.take().map(|again| again.replies);
        self.replies.extend(again.into_iter().flatten());
        self.take_replies()
    }

    /// A transaction concerns these services.
    pub(super) fn await_services(&mut self, services: impl IntoIterator<Item = ServiceKey>) {
        self.awaited.extend(services);
    }

    pub(super) fn is_awaited(&self, service: &ServiceKey) -> bool {
        self.awaited.contains(service)
    }

    /// The new declaration of a service is in force.
    pub(super) fn has_arrived(&mut self, service: &ServiceKey) {
        self.awaited.remove(service);
    }

    /// No transaction concerns these services any more.
    pub(super) fn release(&mut self) -> BTreeSet<ServiceKey> {
        std::mem::take(&mut self.awaited)
    }

    /// The transaction has ended, and may have changed its services.
    pub(super) fn end_transaction(&mut self) {
        self.transacted.extend(&self.awaited);
    }

    /// Whether a transaction changed a service since it was read last. It is being read now.
    pub(super) fn take_transacted(&mut self, service: &ServiceKey) -> bool {
        self.transacted.remove(service)
    }

    /// Servers that the transaction leaves alone, shared with the worker.
    pub(super) fn hot(&self) -> Hot {
        self.hot.clone()
    }

    /// Makes a transaction leave alone the servers that the core changes in the meantime.
    pub(super) fn mark_hot(&self, operations: &[Operation]) {
        if self.is_transacting() {
            let changed = operations.iter().filter_map(|operation| {
                let member: Member = (operation.service_key()?, operation.server_key()?);
                Some(member)
            });
            self.lock_hot().extend(changed);
        }
    }

    pub(super) fn clear_hot(&self) {
        self.lock_hot().clear();
    }

    fn lock_hot(&self) -> MutexGuard<'_, std::collections::HashSet<Member>> {
        self.hot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::control::operator::{Answer, Refusal, RefusalKind};

    fn reloading() -> Reloading {
        Reloading::new(PathBuf::from("web.toml"))
    }

    fn reply(to: &mpsc::Sender<bool>) -> Option<Reply> {
        let to = to.clone();
        Some(Box::new(move |answer| to.send(answer.is_ok()).unwrap()))
    }

    fn answer(replies: Vec<Reply>, answer: &Result<Answer, Refusal>) {
        for reply in replies {
            reply(answer.clone());
        }
    }

    #[test]
    fn orders_during_a_reload_are_joined_to_one() {
        let (sender, answers) = mpsc::channel();
        let mut reloading = reloading();
        reloading.enter(Stage::Loading {
            order: Order::UNASKED,
        });
        reloading.wait(reply(&sender));
        reloading.wait_for_next(Order::UNASKED, None);
        reloading.wait_for_next(Order::asked(true), reply(&sender));
        assert_eq!(reloading.take_next(), None, "one is under way");
        answer(reloading.take_replies(), &Ok(Answer::done(Vec::new())));
        assert_eq!(answers.try_iter().collect::<Vec<_>>(), [true]);
        reloading.leave();
        assert_eq!(reloading.take_next(), Some(Order::asked(true)));
        assert_eq!(reloading.take_next(), None);
        let refusal = Refusal::new(RefusalKind::Refused, "no".to_owned());
        answer(reloading.take_replies(), &Err(refusal));
        assert_eq!(answers.try_iter().collect::<Vec<_>>(), [false]);
    }

    #[test]
    fn a_reload_that_is_given_up_takes_the_next_one_with_it() {
        let (sender, answers) = mpsc::channel();
        let mut reloading = reloading();
        reloading.wait(reply(&sender));
        reloading.wait_for_next(Order::asked(false), reply(&sender));
        let refusal = Refusal::new(RefusalKind::Unavailable, "late".to_owned());
        answer(reloading.take_all_replies(), &Err(refusal));
        assert_eq!(answers.try_iter().collect::<Vec<_>>(), [false, false]);
        assert_eq!(reloading.take_next(), None);
    }

    #[test]
    fn only_a_transaction_leaves_servers_alone() {
        let (service, server) = (
            ServiceKey::tcp([192, 0, 2, 1], 80),
            ipvs::ServerKey::new([10, 0, 0, 1], 80),
        );
        let mut reloading = reloading();
        let delete = [
            Operation::DeleteServer(service, server),
            Operation::DeleteService(service),
        ];
        reloading.mark_hot(&delete);
        assert!(reloading.lock_hot().is_empty());
        reloading.enter(Stage::Transacting {
            loaded: None,
            order: Order::default(),
        });
        assert!(reloading.is_transacting() && !reloading.is_reload());
        reloading.mark_hot(&delete);
        assert!(reloading.lock_hot().contains(&(service, server)));
        reloading.clear_hot();
        assert!(reloading.lock_hot().is_empty());
    }

    #[test]
    fn a_change_by_a_transaction_is_not_drift_before_it_is_read() {
        let [one, two] = [1, 2].map(|host| ServiceKey::tcp([192, 0, 2, host], 80));
        let mut reloading = reloading();
        reloading.await_services([one, two]);
        reloading.end_transaction();
        reloading.has_arrived(&one);
        assert!(!reloading.is_awaited(&one) && reloading.is_awaited(&two));
        assert_eq!(reloading.release(), BTreeSet::from([two]));
        assert!(reloading.take_transacted(&one));
        assert!(!reloading.take_transacted(&one), "it has been read since");
    }
}
