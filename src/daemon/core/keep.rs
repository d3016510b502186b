//! Everything in force must also be on disk, or a crash loses it. If it cannot be written, the
//! requester is told, `status` shows it, and director retries until it succeeds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ipvs::ServiceKey;

use super::Core;
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::operator::{Answer, Refusal, RefusalKind};
use crate::daemon::messages::{Keep, Missing, Order, Reply};
use crate::state::BootTime;

/// The interval of retries.
pub(in crate::daemon) const RETRY: Duration = Duration::from_secs(5);

/// A disk that has not answered for this long counts as failing: the requester does not wait
/// longer, and `status` shows it.
pub(in crate::daemon) const PATIENCE: Duration = Duration::from_secs(10);

/// What has to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matter {
    /// Operators' settings.
    Settings,
    /// The ownership.
    Ledger,
    /// A new file: its rollback must be on disk before it is put in force.
    File,
}

impl Matter {
    /// The description of the trouble.
    const fn words(self) -> &'static str {
        match self {
            Self::Settings => "operators' settings are not on disk",
            Self::Ledger => "the ledger is not on disk",
            Self::File => "the newer file is not in force",
        }
    }

    const fn well(self) -> &'static str {
        match self {
            Self::Settings => "operators' settings are on disk again",
            Self::Ledger => "the ledger is on disk again",
            Self::File => "a new file can be put in force again",
        }
    }
}

/// What is being written to disk, and what could not be written.
#[derive(Default)]
pub(super) struct Keeping {
    /// The number of the settings sent last.
    number: u64,
    /// Requesters waiting for settings of at least this number to be on disk.
    waiting: VecDeque<(u64, Reply, Answer, BTreeSet<ServiceKey>)>,
    unkept: BTreeMap<Matter, Arc<str>>,
    /// Since when the keeper has not answered.
    silent: Option<BootTime>,
    /// Whether a check of the state directory is in progress: one is enough.
    looking: bool,
    /// When settings are retried.
    settings_due: Option<BootTime>,
    /// When the file is retried.
    file_due: Option<BootTime>,
}

impl Keeping {
    /// What is not on disk, for `status`.
    pub(super) fn trouble(&self) -> Option<String> {
        let all = self
            .unkept
            .iter()
            .map(|(matter, why)| format!("{}: {why}; retrying", matter.words()));
        let all: Vec<_> = all.collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// When there is something to do; `busy` while a file or a transaction is in progress, for
    /// which a file waits.
    pub(super) fn due(&self, busy: bool) -> Option<BootTime> {
        let silent = self.silent.map(|since| since.after(PATIENCE));
        let file = self.file_due.filter(|_| !busy);
        let all = [self.settings_due, file, silent];
        all.into_iter().flatten().min()
    }

    /// Whether settings are being written, or will be retried.
    pub(super) fn is_at_work(&self) -> bool {
        self.silent.is_some() || self.settings_due.is_some()
    }

    fn is_silent(&self, now: Now) -> bool {
        let waited = |since: BootTime| since.until(now.boot) >= PATIENCE;
        self.silent.is_some_and(waited)
    }

    /// A file is being read: this is the attempt.
    pub(super) fn file_begins(&mut self) {
        self.file_due = None;
    }
}

impl Core {
    /// Sends the settings to the keeper.
    pub(super) fn keep(&mut self, now: Now) {
        self.keeping.number += 1;
        self.keeping.settings_due = None;
        self.keeping.silent.get_or_insert(now.boot);
        self.out.keep = Some(Keep {
            number: self.keeping.number,
            settings: self.settings.clone(),
            at: now,
        });
    }

    /// The same; then answers the requester.
    pub(super) fn keep_and_answer(
        &mut self,
        reply: Reply,
        answer: Answer,
        services: BTreeSet<ServiceKey>,
        now: Now,
    ) {
        self.keep(now);
        let number = self.keeping.number;
        self.keeping
            .waiting
            .push_back((number, reply, answer, services));
    }

    /// Requests a check that the state directory is still there.
    pub(super) fn look_at_state(&mut self) {
        if !std::mem::replace(&mut self.keeping.looking, true) {
            self.out.look = true;
        }
    }

    /// Writes again what is missing: another program removed the state directory.
    pub(super) fn is_missing(&mut self, missing: Missing, now: Now) {
        self.keeping.looking = false;
        if missing.ledger {
            self.holdings.is_out_of_date();
        }
        if missing.settings && !self.settings.is_empty() && !self.keeping.is_at_work() {
            self.keep(now);
        }
    }

    /// The settings are on disk, or writing them failed.
    pub(super) fn kept(&mut self, number: u64, result: &Result<(), String>, now: Now) {
        self.keeping.silent = (number < self.keeping.number).then_some(now.boot);
        self.answer_waiting(number, result);
        match result {
            Ok(()) => self.is_kept(Matter::Settings, now),
            Err(why) => {
                self.is_not_kept(Matter::Settings, why, now);
                // Otherwise newer ones are being written.
                if number == self.keeping.number {
                    self.keeping.settings_due = Some(now.boot.after(RETRY));
                }
            }
        }
    }

    /// Answers requesters waiting for settings up to a number.
    fn answer_waiting(&mut self, number: u64, result: &Result<(), String>) {
        while let Some((wanted, ..)) = self.keeping.waiting.front()
            && *wanted <= number
            && let Some((_, reply, mut answer, services)) = self.keeping.waiting.pop_front()
        {
            answer.not_kept = result.as_ref().err().cloned();
            self.answer(reply, Ok(answer), services);
        }
    }

    /// The ledger is on disk, or writing it failed.
    pub(super) fn ledger_kept(&mut self, result: &Result<(), String>, now: Now) {
        match result {
            Ok(()) => self.is_kept(Matter::Ledger, now),
            Err(why) => {
                self.holdings.not_written(now.boot.after(RETRY));
                self.is_not_kept(Matter::Ledger, why, now);
            }
        }
    }

    /// A file without mistakes cannot be put in force, because its rollback cannot be written. It
    /// is read again later and may have changed by then, so no override of guards applies to it.
    pub(super) fn put_off(&mut self, why: &str, order: Order, now: Now) {
        self.look_at_awaited();
        self.show.rejected = None;
        self.is_not_kept(Matter::File, why, now);
        self.keeping.file_due = Some(now.boot.after(RETRY));
        let seconds = RETRY.as_secs();
        let without = if order.force { ", without --force" } else { "" };
        let refusal = Refusal::new(
            RefusalKind::Unavailable,
            format!("{why}; the file is not in force yet; retrying every {seconds}s{without}"),
        );
        self.answer_reload(&Err(refusal));
    }

    /// Retries what is due.
    pub(super) fn keep_again(&mut self, now: Now) {
        if self.keeping.is_silent(now) {
            let why = format!("the disk has not answered for {}s", PATIENCE.as_secs());
            self.answer_waiting(self.keeping.number, &Err(why.clone()));
            self.is_not_kept(Matter::Settings, &why, now);
            // Already reported; a late answer is still handled.
            self.keeping.silent = None;
        }
        if self.keeping.settings_due.is_some_and(|due| due <= now.boot) {
            self.keep(now);
        }
        if self.keeping.file_due.is_some_and(|due| due <= now.boot) && !self.reloading.is_busy() {
            self.begin_load(false, Order::UNASKED, now);
        }
    }

    /// No more inputs: tries a last time to write settings that are not on disk.
    pub(super) fn keep_at_last(&mut self, now: Now) {
        if self.keeping.settings_due.is_some() {
            self.keep(now);
        }
    }

    pub(super) fn is_kept(&mut self, matter: Matter, now: Now) {
        if self.keeping.unkept.remove(&matter).is_some() {
            let text = matter.well().to_owned();
            self.event(EventKind::Kept, Subject::None, text, now);
            self.show.touch();
        }
    }

    pub(super) fn is_not_kept(&mut self, matter: Matter, why: &str, now: Now) {
        if self.keeping.unkept.get(&matter).map(AsRef::as_ref) == Some(why) {
            return;
        }
        let text = format!("{}: {why}", matter.words());
        self.event(EventKind::NotKept, Subject::None, text, now);
        self.keeping.unkept.insert(matter, Arc::from(why));
        self.show.touch();
    }

    /// For tests: as if a drain had begun or ended.
    #[cfg(test)]
    pub(in crate::daemon) fn ledger_has_changed(&mut self) {
        self.holdings.is_out_of_date();
    }
}
