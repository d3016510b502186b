//! What the end of a check comes to: its verdict, its record, and when it runs again.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Runner, Tracked, UnderWay, interval};
use crate::connects::Landed;
use crate::held_up::HeldUp;
use crate::holds::{End, Lost};
use crate::inbox::Completed;
use crate::kind::{Memory, idle, report};
use crate::schedule::Due;
use crate::sources::Sources;
use crate::target::Job;
use crate::unasked::News;
use crate::{Finding, Outcome, Report, Target};
use director_config::words::count;

impl Tracked {
    /// The outcome, unless the check timed out while the director did not run: then it does not count,
    /// but not twice in a row.
    fn excused(
        &mut self,
        outcome: Outcome,
        held_up: &HeldUp,
        began: Instant,
        took: Duration,
    ) -> Outcome {
        let timeout = self.target.spec.pace.timeout;
        let may_be_excused = took >= timeout && !self.excused;
        self.excused = false;
        if let Outcome::Failed(text) = &outcome
            && may_be_excused
            && let Some(lost) = held_up.excuse(began, timeout)
        {
            self.excused = true;
            let text = format!("{text}; not counted, as the director did not run for {lost:?}");
            return Outcome::NotAsked(text.into());
        }
        outcome
    }

    /// Whether the check passed, `None` if it was not asked, and its text, with how a held connection
    /// ended before.
    fn told(&mut self, outcome: Outcome) -> (Option<bool>, Option<Box<str>>) {
        let lost = self.hold.as_mut().and_then(|hold| hold.lost.take());
        match outcome {
            Outcome::Passed(text) => (Some(true), text),
            Outcome::Failed(text) => {
                let text = match lost {
                    Some(how) => format!("{text}; {how}").into(),
                    None => text,
                };
                (Some(false), Some(text))
            }
            Outcome::NotAsked(text) => (None, Some(text)),
        }
    }
}

/// The text of a check that did not pass, with its source if that is probably why; the next check
/// looks for another one.
fn from_virtual(sources: &Sources, target: &Target, text: Option<Box<str>>) -> Option<Box<str>> {
    let forced = sources.forced(target);
    sources.renew(target);
    let Some(address) = forced else { return text };
    text.map(|text| {
        let why = "as this machine has no other one to use";
        format!("{text}; the check leaves from the virtual address {address}, {why}").into()
    })
}

impl<F: FnMut(Finding)> Runner<F> {
    pub(super) fn land(&mut self, landed: Landed, now: Instant) {
        if self.connects.holds(landed.job)
            && let Some(under_way) = self.jobs.get(&landed.job)
            && let Some(entry) = self.entries.get_mut(under_way.due.id)
            && let Some(hold) = &mut entry.hold
        {
            hold.job = Some(landed.job);
        }
        self.conclude(landed.job, report(landed.result), None, landed.took, now);
    }

    /// A held connection ended. The attempt to reconnect shows whether its server is well. It comes
    /// immediately, but not sooner than a fast interval after the one before: a server that closes
    /// every connection would keep this thread busy.
    pub(super) fn lose(&mut self, lost: Lost, now: Instant) {
        let Some(entry) = self.entries.get_mut(lost.id) else {
            return;
        };
        let Some(hold) = entry
            .hold
            .as_mut()
            .filter(|hold| hold.job == Some(lost.job))
        else {
            return;
        };
        hold.job = None;
        let pace = entry.target.spec.pace;
        self.schedule.seize(lost.id, now);
        let due = Due {
            id: lost.id,
            at: now,
        };
        match lost.end {
            End::Over(how) => {
                hold.lost = Some(how);
                let last = hold.reconnected;
                if last.is_some_and(|at| now.saturating_duration_since(at) < pace.fast_interval) {
                    self.schedule.finished(lost.id, pace.fast_interval, now);
                } else {
                    self.connections.queue.push_back(due);
                }
            }
            // The kernel has asked, and no answer came: that was the check.
            End::Failed(failure) => {
                self.last_job += 1;
                let job = self.last_job;
                entry.under_way = Some(job);
                let took = idle::patience(&pace);
                let under_way = UnderWay {
                    due,
                    began: now.checked_sub(took).unwrap_or(now),
                    program: false,
                };
                self.jobs.insert(job, under_way);
                self.connections.under_way += 1;
                self.counters.started.add_one();
                // Its time without a check is no gap.
                self.schedule.began(due, now);
                self.conclude(job, report(Err(failure)), None, took, now);
            }
        }
    }

    pub(super) fn answer(&mut self, answer: Completed, now: Instant) {
        if let Some(under_way) = self.jobs.get(&answer.job) {
            let late = answer.began.saturating_duration_since(under_way.due.at);
            self.counters.lateness.add(late);
        }
        let memory = Some(answer.memory);
        self.conclude(answer.job, answer.report, memory, answer.took, now);
    }

    fn conclude(
        &mut self,
        job: Job,
        report: Report,
        memory: Option<Memory>,
        took: Duration,
        now: Instant,
    ) {
        let Some(under_way) = self.forget(job) else {
            return;
        };
        let id = under_way.due.id;
        let at = self.wall_clock(under_way.began);
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        entry.under_way = None;
        if let Some(memory) = memory {
            entry.memory = (memory != Memory::default()).then(|| Box::new(memory));
        }
        let pace = entry.target.spec.pace;
        let outcome = entry.excused(report.outcome, &self.held_up, under_way.began, took);
        let (passed, text) = entry.told(outcome);
        let text = match passed {
            Some(true) => text,
            _ => from_virtual(&self.sources, &entry.target, text),
        };
        let of_kind = self.counters.by_kind.of(&entry.target.spec.kind);
        let (counted, of_kind) = match passed {
            Some(true) => (&self.counters.passed, &of_kind.passed),
            Some(false) => (&self.counters.failed, &of_kind.failed),
            None => (&self.counters.not_asked, &of_kind.not_asked),
        };
        counted.add_one();
        of_kind.add_one();
        entry.cut_off = match passed {
            Some(true) => false,
            Some(false) if !entry.cut_off && !entry.judge.is_down() => {
                report.cut_off || self.own_links.is_cut_off(entry.target.address, now)
            }
            _ => entry.cut_off,
        };
        let cut_off = entry.cut_off;
        let verdict = passed.and_then(|passed| entry.judge.hear(passed, pace.rise, pace.fall));
        let judge = entry.judge;
        // Report the weight first: a server that comes back starts with it.
        if let Some(advice) = report.advice
            && entry.advice != Some(advice)
        {
            entry.advice = Some(advice);
            (self.found)(Finding::Advised { target: id, advice });
        }
        if let Some(verdict) = verdict {
            let said = text.as_deref().map_or_else(
                || {
                    let checks = count(judge.streak(), "check", "checks in a row");
                    Cow::from(format!("{checks} passed"))
                },
                Cow::from,
            );
            // Thousands of servers have the same result: consecutive ones share one text.
            if *self.reason != *said {
                self.reason = said.into();
            }
            let reason = Arc::clone(&self.reason);
            (self.found)(Finding::Judged {
                target: id,
                verdict,
                cut_off,
                reason,
            });
        }
        let not_asked = text.as_deref().filter(|_| passed.is_none());
        let why = match entry.unasked.note(not_asked, at) {
            Some(News::NotChecked(why)) => Some(Some(why)),
            Some(News::Checked) => Some(None),
            None => None,
        };
        if let Some(why) = why {
            (self.found)(Finding::NotAsked { target: id, why });
        }
        let not_checked = entry.unasked.now();
        let gap = entry.gap;
        entry.record.update(|seen| {
            seen.at = Some(at);
            seen.took = took;
            seen.text = text;
            seen.longest_gap = gap;
            seen.not_checked = not_checked;
            let Some(passed) = passed else {
                seen.not_asked += 1;
                return;
            };
            seen.passed = passed;
            seen.streak = judge.streak();
            if passed {
                seen.successes += 1;
            } else {
                seen.failures += 1;
                seen.failed_at = Some(at);
            }
        });
        let stands = entry.hold.as_ref().is_some_and(|hold| hold.job.is_some());
        if stands && !judge.is_unsettled() {
            self.schedule.park(id);
        } else {
            self.schedule
                .finished(id, interval(&entry.target.spec, judge), now);
        }
    }
}
