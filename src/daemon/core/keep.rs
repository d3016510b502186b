//! What is in force has to be on disk as well, or a crash loses it. Where it cannot be written,
//! whoever asked is told, `status` shows it, and it is tried again until it is there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{Core, Order, Reply};
use crate::daemon::Now;
use crate::daemon::keeper::Keep;
use crate::daemon::operator::{Answer, Refusal, RefusalKind};
use crate::state::BootTime;

/// How often what is not on disk is tried again.
pub(in crate::daemon) const RETRY: Duration = Duration::from_secs(5);

/// What is to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matter {
    /// What operators have set.
    Settings,
    /// Who owns what.
    Ledger,
    /// A new file: what undoes it has to be on disk before it is put in force.
    File,
}

impl Matter {
    /// What is the matter with it.
    const fn words(self) -> &'static str {
        match self {
            Self::Settings => "what operators set is not on disk",
            Self::Ledger => "the ledger is not on disk",
            Self::File => "the newer file is not in force",
        }
    }

    const fn well(self) -> &'static str {
        match self {
            Self::Settings => "what operators set is on disk again",
            Self::Ledger => "the ledger is on disk again",
            Self::File => "a new file can be put in force again",
        }
    }
}

/// What is on its way to the disk, and what could not get there.
#[derive(Default)]
pub(super) struct Keeping {
    /// Of the settings that were sent to the disk last.
    number: u64,
    /// Who waits for settings of at least that number to be there.
    waiting: VecDeque<(u64, Reply, Answer)>,
    unkept: BTreeMap<Matter, Arc<str>>,
    /// When settings are tried again.
    settings_due: Option<BootTime>,
    /// When the file is tried again.
    file_due: Option<BootTime>,
}

impl Keeping {
    /// What is not on disk, for `status`.
    pub(super) fn trouble(&self) -> Option<String> {
        let all = self
            .unkept
            .iter()
            .map(|(matter, why)| format!("{}: {why}; tried again", matter.words()));
        let all: Vec<_> = all.collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// When something is tried again.
    pub(super) fn due(&self) -> Option<BootTime> {
        self.settings_due.into_iter().chain(self.file_due).min()
    }

    /// A file is being read: this is the attempt.
    pub(super) fn file_begins(&mut self) {
        self.file_due = None;
    }
}

impl Core {
    /// Has the settings put on disk.
    pub(super) fn keep(&mut self, now: Now) {
        self.keeping.number += 1;
        self.keeping.settings_due = None;
        self.out.keep = Some(Keep {
            number: self.keeping.number,
            settings: self.settings.clone(),
            at: now,
        });
    }

    /// The same; then whoever asked for them is answered.
    pub(super) fn keep_and_answer(&mut self, reply: Reply, answer: Answer, now: Now) {
        self.keep(now);
        let number = self.keeping.number;
        self.keeping.waiting.push_back((number, reply, answer));
    }

    /// Settings are on disk, or are not.
    pub(super) fn kept(&mut self, number: u64, result: &Result<(), String>, now: Now) {
        while let Some((wanted, ..)) = self.keeping.waiting.front()
            && *wanted <= number
            && let Some((_, reply, mut answer)) = self.keeping.waiting.pop_front()
        {
            answer.not_kept = result.as_ref().err().cloned();
            reply(Ok(answer));
        }
        match result {
            Ok(()) => self.is_kept(Matter::Settings, now),
            Err(why) => {
                self.is_not_kept(Matter::Settings, why, now);
                // Newer ones are on their way otherwise.
                if number == self.keeping.number {
                    self.keeping.settings_due = Some(now.boot.after(RETRY));
                }
            }
        }
    }

    /// The ledger is on disk, or is not.
    pub(super) fn ledger_kept(&mut self, result: &Result<(), String>, now: Now) {
        match result {
            Ok(()) => self.is_kept(Matter::Ledger, now),
            Err(why) => {
                self.ledger.changed = true;
                self.ledger.earliest = now.boot.after(RETRY);
                self.is_not_kept(Matter::Ledger, why, now);
            }
        }
    }

    /// A file without mistakes cannot be put in force, as what undoes it cannot be written. It is
    /// read again then, and may be another by that time: nobody overrides guards for that one.
    pub(super) fn put_off(&mut self, why: &str, order: Order, now: Now) {
        self.look_at_awaited();
        self.show.rejected = None;
        self.is_not_kept(Matter::File, why, now);
        self.keeping.file_due = Some(now.boot.after(RETRY));
        let seconds = RETRY.as_secs();
        let without = if order.force { ", without --force" } else { "" };
        let refusal = Refusal::new(
            RefusalKind::Unavailable,
            format!(
                "{why}; the file is not in force yet, and is tried again every {seconds}s{without}"
            ),
        );
        for reply in self.reload_replies.drain(..) {
            reply(Err(refusal.clone()));
        }
    }

    /// Tries again what is due.
    pub(super) fn keep_again(&mut self, now: Now) {
        if self.keeping.settings_due.is_some_and(|due| due <= now.boot) {
            self.keep(now);
        }
        if self.keeping.file_due.is_some_and(|due| due <= now.boot) && !self.stage.is_busy() {
            self.begin_load(false, Order::UNASKED);
        }
    }

    /// Nothing comes any more: settings that are not on disk are tried a last time.
    pub(super) fn keep_at_last(&mut self, now: Now) {
        if self.keeping.settings_due.is_some() {
            self.keep(now);
        }
    }

    pub(super) fn is_kept(&mut self, matter: Matter, now: Now) {
        if self.keeping.unkept.remove(&matter).is_some() {
            self.event("kept", None, None, matter.well().to_owned(), now);
            self.show.touch();
        }
    }

    pub(super) fn is_not_kept(&mut self, matter: Matter, why: &str, now: Now) {
        if self.keeping.unkept.get(&matter).map(AsRef::as_ref) == Some(why) {
            return;
        }
        let text = format!("{}: {why}", matter.words());
        self.event("not-kept", None, None, text, now);
        self.keeping.unkept.insert(matter, Arc::from(why));
        self.show.touch();
    }

    /// For tests: as if a drain had begun or ended.
    #[cfg(test)]
    pub(in crate::daemon) fn ledger_has_changed(&mut self) {
        self.ledger.changed = true;
    }
}
