//! The steps of a plan, in order.
//!
//! A new service is one item here, however many servers it has: its declaration says what to
//! create, so a table of forty thousand servers is not stored twice. Iteration yields one step for
//! the service and one for each server.

use std::borrow::Cow;
use std::fmt;
use std::iter::Peekable;
use std::sync::Arc;

use ipvs::Operation;

use super::{Change, Phase, Step};
use crate::state::{DesiredService, Sysctl};

/// Steps; once sorted, ordered by phase.
#[derive(Clone, Default)]
pub struct Steps {
    items: Vec<Group>,
    /// The number of steps that the items stand for.
    len: usize,
}

#[derive(Clone)]
enum Group {
    /// Boxed: a step is twenty times as large as an item for a new service.
    One(Box<Step>),
    /// A service and its servers, ordered by key, so that two directors with one file place the
    /// clients of `sh` alike.
    Create(Arc<DesiredService>),
}

impl Steps {
    /// The number of steps.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no steps.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The steps, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Cow<'_, Step>> {
        self.items.iter().flat_map(Group::steps)
    }

    /// The steps from the one at `start` on, in portions of at most `limit` operations.
    pub(crate) fn portions(
        &self,
        start: usize,
        limit: usize,
    ) -> Portions<'_, impl Iterator<Item = Cow<'_, Step>>> {
        let rest = self.len.saturating_sub(start);
        Portions {
            rest: self.iter().skip(start).peekable(),
            operations: Vec::with_capacity(rest.min(limit)),
            limit,
        }
    }

    /// The number of steps that create new services with their servers.
    pub(super) fn created(&self) -> usize {
        let created = |item: &&Group| matches!(item, Group::Create(_));
        self.items.iter().filter(created).map(Group::len).sum()
    }

    /// All other steps.
    pub(crate) fn others(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.items.iter().filter_map(|item| match item {
            Group::One(step) => Some(&**step),
            Group::Create(_) => None,
        })
    }

    /// The rollback of all steps, last first.
    pub(crate) fn undo(&self) -> Vec<Change> {
        let steps = self.iter().rev();
        steps.flat_map(|step| step.undo()).collect()
    }

    /// Reserves room for this many new services or other steps.
    pub(super) fn reserve(&mut self, items: usize) {
        self.items.reserve(items);
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.push_item(Group::One(Box::new(step)));
    }

    /// Adds the steps that create a service.
    pub(super) fn create(&mut self, wanted: &Arc<DesiredService>) {
        self.push_item(Group::Create(wanted.clone()));
    }

    /// Appends other steps.
    pub(crate) fn append(&mut self, mut others: Self) {
        if self.items.is_empty() {
            self.items = others.items;
        } else {
            self.items.append(&mut others.items);
        }
        self.len += others.len;
    }

    /// Sorts the steps by phase and keeps the order within each.
    pub(super) fn sort(&mut self) {
        self.items.sort_by_key(Group::phase);
    }

    /// Removes and returns the steps from index `at` on.
    pub(crate) fn split_off(&mut self, at: usize) -> Vec<Step> {
        let mut kept = Self::default();
        let mut rest = Vec::with_capacity(self.len.saturating_sub(at));
        for item in std::mem::take(self).items {
            if kept.len + item.len() <= at {
                kept.push_item(item);
                continue;
            }
            for step in item.steps() {
                if kept.len < at {
                    kept.push(step.into_owned());
                } else {
                    rest.push(step.into_owned());
                }
            }
        }
        *self = kept;
        rest
    }

    fn push_item(&mut self, item: Group) {
        self.len += item.len();
        self.items.push(item);
    }
}

/// Steps on their way to the kernel. No portion has steps of two phases, so a caller that waits for
/// the answer to one before taking the next keeps the barrier between the phases.
pub(crate) struct Portions<'s, I: Iterator<Item = Cow<'s, Step>>> {
    rest: Peekable<I>,
    operations: Vec<Operation>,
    limit: usize,
}

/// What is carried out in one go.
#[derive(Debug)]
pub(crate) enum Portion<'p> {
    Operations(&'p [Operation]),
    Sysctl(Sysctl, String),
}

impl<'s, I: Iterator<Item = Cow<'s, Step>>> Portions<'s, I> {
    /// The next portion of a phase; `None` when the phase has no more.
    pub(crate) fn next_of(&mut self, phase: Phase) -> Option<Portion<'_>> {
        self.operations.clear();
        while self.operations.len() < self.limit
            && let Some(step) = self.rest.peek().filter(|step| step.phase == phase)
        {
            match &step.change {
                Change::Operation(operation) => self.operations.push(*operation),
                Change::Sysctl { .. } if !self.operations.is_empty() => break,
                Change::Sysctl { sysctl, value } => {
                    let portion = Portion::Sysctl(*sysctl, value.clone());
                    self.rest.next();
                    return Some(portion);
                }
            }
            self.rest.next();
        }
        let any = !self.operations.is_empty();
        any.then_some(Portion::Operations(&self.operations))
    }

    /// The steps that no portion had yet.
    pub(crate) fn rest(self) -> impl Iterator<Item = Cow<'s, Step>> {
        self.rest
    }
}

impl Group {
    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Create(wanted) => 1 + wanted.servers.len(),
        }
    }

    fn phase(&self) -> Phase {
        match self {
            Self::One(step) => step.phase,
            Self::Create(_) => Phase::Make,
        }
    }

    fn steps(&self) -> impl DoubleEndedIterator<Item = Cow<'_, Step>> {
        let (one, wanted) = match self {
            Self::One(step) => (Some(Cow::Borrowed(&**step)), None),
            Self::Create(wanted) => (None, Some(wanted)),
        };
        let made = wanted.into_iter().flat_map(|wanted| {
            let key = wanted.service.key;
            let servers = wanted.servers.values();
            let servers = servers.map(move |server| Operation::AddServer(key, server.server));
            std::iter::once(Operation::AddService(wanted.service)).chain(servers)
        });
        let made = made.map(|operation| Cow::Owned(Step::create(Phase::Make, operation)));
        one.into_iter().chain(made)
    }
}

impl Extend<Step> for Steps {
    fn extend<I: IntoIterator<Item = Step>>(&mut self, steps: I) {
        steps.into_iter().for_each(|step| self.push(step));
    }
}

/// Compares the steps, however they are stored.
impl PartialEq for Steps {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Steps {}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use ipvs::{ForwardMethod, Server, ServerKey, Service, ServiceKey};

    use super::*;
    use crate::state::DesiredServer;

    fn web(servers: u8) -> Arc<DesiredService> {
        let server = |host| DesiredServer {
            name: None,
            server: Server::new(
                ServerKey::new([10, 0, 0, host], 80),
                ForwardMethod::Masquerade,
            ),
        };
        Arc::new(DesiredService {
            name: "web".into(),
            service: Service::new(ServiceKey::tcp([192, 0, 2, 1], 80), Service::WLC),
            servers: (1..=servers).map(server).collect(),
            drain: DesiredService::DEFAULT_DRAIN,
            dead: Vec::new(),
            allow: Default::default(),
        })
    }

    fn update(weight: u32) -> Step {
        let wanted = web(1);
        let server = wanted.servers.values().next().unwrap().server;
        let server = server.weight(weight.try_into().unwrap());
        Step::new(
            Phase::Change,
            Operation::UpdateServer(wanted.service.key, server),
            Vec::new(),
        )
    }

    #[test]
    fn a_new_service_reads_as_a_step_for_it_and_one_for_each_server() {
        let mut steps = Steps::default();
        steps.push(update(2));
        steps.create(&web(2));
        steps.push(update(3));
        steps.sort();
        let shown: Vec<_> = steps.iter().map(|step| step.change.to_string()).collect();
        assert_eq!(steps.len(), 5);
        assert_eq!(shown.len(), 5);
        assert_eq!((steps.created(), steps.others().count()), (3, 2));
        assert!(shown[0].contains("192.0.2.1:80"), "{shown:?}");
        assert!(shown[1].contains("10.0.0.1:80"), "{shown:?}");
        assert!(shown[2].contains("10.0.0.2:80"), "{shown:?}");
        let back: Vec<_> = steps.iter().rev().map(Cow::into_owned).collect();
        assert_eq!(back[0], update(3));
        assert_eq!(back[1], update(2));

        let mut one_by_one = Steps::default();
        one_by_one.extend(steps.iter().map(Cow::into_owned));
        assert_eq!(one_by_one, steps);
    }

    #[test]
    fn a_portion_is_of_one_phase_and_no_longer_than_the_limit() {
        let mut steps = Steps::default();
        steps.create(&web(2));
        for weight in [1, 2, 3] {
            steps.push(update(weight));
        }
        let mut sysctl = update(0);
        sysctl.change = Change::Sysctl {
            sysctl: Sysctl::ExpireQuiescentTemplate,
            value: "1".to_owned(),
        };
        steps.push(sysctl);
        steps.push(update(4));
        let mut portions = steps.portions(1, 2);
        let mut found = Vec::new();
        for phase in Phase::ALL {
            while let Some(portion) = portions.next_of(phase) {
                let operations = match portion {
                    Portion::Operations(operations) => operations.len(),
                    Portion::Sysctl(_, value) => {
                        assert_eq!(value, "1");
                        0
                    }
                };
                found.push((phase, operations));
            }
        }
        let change = Phase::Change;
        assert_eq!(
            found,
            [
                (Phase::Make, 2),
                (change, 2),
                (change, 1),
                (change, 0),
                (change, 1)
            ]
        );
        assert_eq!(portions.rest().count(), 0);
    }

    #[test]
    fn parted_anywhere_they_are_the_same_steps() {
        let mut all = Steps::default();
        all.create(&web(2));
        all.push(update(2));
        all.create(&web(0));
        let whole: Vec<_> = all.iter().map(Cow::into_owned).collect();
        for at in 0..=whole.len() + 1 {
            let mut kept = all.clone();
            let rest = kept.split_off(at);
            assert_eq!(kept.len(), at.min(whole.len()));
            let joined = kept.iter().map(Cow::into_owned).chain(rest);
            assert_eq!(joined.collect::<Vec<_>>(), whole, "at {at}");
        }
    }
}
