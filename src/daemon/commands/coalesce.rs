//! Decides which command runs when, and with which events: no thread, no clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::daemon::messages::NotifyEvent;
use crate::state::health::Notify;

/// The most events passed to one run; more are only counted.
const MOST: usize = 1000;
/// The most commands that run at the same time.
const RUNS: usize = 8;

/// A run to start.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) command: Arc<Notify>,
    /// The events in order; never empty.
    pub(super) events: Vec<NotifyEvent>,
    /// The number of further events.
    pub(super) dropped: u64,
}

/// Collects events.
#[derive(Debug)]
pub(super) struct Coalescer {
    window: Duration,
    waiting: HashMap<Arc<Notify>, Waiting>,
    running: Vec<Arc<Notify>>,
}

#[derive(Debug)]
struct Waiting {
    due: Instant,
    events: Vec<NotifyEvent>,
    dropped: u64,
}

impl Coalescer {
    /// Collects for this long, from the first event on.
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            waiting: HashMap::new(),
            running: Vec::new(),
        }
    }

    /// Adds an event for a command; `lost` further ones are known only by number.
    pub(super) fn push(
        &mut self,
        now: Instant,
        command: Arc<Notify>,
        event: NotifyEvent,
        lost: u64,
    ) {
        let waiting = self.waiting.entry(command).or_insert_with(|| Waiting {
            due: now + self.window,
            events: Vec::new(),
            dropped: 0,
        });
        waiting.dropped += lost;
        if waiting.events.len() < MOST {
            waiting.events.push(event);
        } else {
            waiting.dropped += 1;
        }
    }

    /// The runs to start now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Batch> {
        let mut ready: Vec<_> = self
            .waiting
            .iter()
            .filter(|(command, waiting)| waiting.due <= now && !self.running.contains(command))
            .map(|(command, waiting)| (waiting.due, command.clone()))
            .collect();
        ready.sort_by_key(|(due, _)| *due);
        ready.truncate(RUNS.saturating_sub(self.running.len()));
        let mut batches = Vec::new();
        for (_, command) in ready {
            if let Some(waiting) = self.waiting.remove(&command) {
                self.running.push(command.clone());
                batches.push(Batch {
                    command,
                    events: waiting.events,
                    dropped: waiting.dropped,
                });
            }
        }
        batches
    }

    /// When to look again; `None` if only an event, or the end of a run, changes anything.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.running.len() >= RUNS {
            return None;
        }
        let waiting = self.waiting.iter();
        let free = waiting.filter(|(command, _)| !self.running.contains(command));
        free.map(|(_, waiting)| waiting.due).min()
    }

    /// Records that a run has ended.
    pub(super) fn ended(&mut self, command: &Arc<Notify>) {
        self.running.retain(|running| running != command);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ipvs::ServiceKey;

    use super::*;
    use crate::daemon::messages::NotifyAbout;
    use crate::state::health::NotifyOn;

    fn command(name: &str) -> Arc<Notify> {
        Arc::new(Notify {
            command: vec![name.to_owned()],
            on: BTreeSet::from([NotifyOn::ServerDown]),
            timeout: Duration::from_secs(10),
        })
    }

    fn event(number: u64) -> NotifyEvent {
        NotifyEvent {
            about: NotifyAbout::Service {
                event: NotifyOn::ServerDown,
                service: "web".into(),
                listen: ServiceKey::tcp([192, 0, 2, 10], 80),
                server: None,
            },
            text: "".into(),
            at_ms: number,
        }
    }

    struct Clock(Instant, Coalescer);

    impl Clock {
        fn new() -> Self {
            Self(Instant::now(), Coalescer::new(Duration::from_secs(1)))
        }

        fn at(&self, milliseconds: u64) -> Instant {
            self.0 + Duration::from_millis(milliseconds)
        }

        fn push(&mut self, milliseconds: u64, command: &Arc<Notify>) {
            let now = self.at(milliseconds);
            let event = event(milliseconds);
            self.1.push(now, command.clone(), event, 0);
        }

        /// Name of the command and times of the events, for each run.
        fn due(&mut self, milliseconds: u64) -> Vec<(String, Vec<u64>)> {
            let now = self.at(milliseconds);
            let runs = self.1.due(now).into_iter();
            runs.map(|run| {
                let times = run.events.iter().map(|event| event.at_ms);
                (run.command.command[0].clone(), times.collect())
            })
            .collect()
        }
    }

    #[test]
    fn a_burst_is_one_run() {
        let mut clock = Clock::new();
        let mail = command("mail");
        for time in [0, 10, 20, 990] {
            clock.push(time, &mail);
        }
        assert_eq!(clock.1.next(), Some(clock.at(1000)));
        assert!(clock.due(999).is_empty());
        assert_eq!(clock.due(1000), [("mail".into(), vec![0, 10, 20, 990])]);
        assert!(clock.due(5000).is_empty(), "once");
    }

    #[test]
    fn what_happens_during_a_run_waits_for_its_end() {
        let mut clock = Clock::new();
        let mail = command("mail");
        clock.push(0, &mail);
        assert_eq!(clock.due(1000).len(), 1);
        clock.push(1100, &mail);
        clock.push(3000, &mail);
        assert!(clock.due(9000).is_empty());
        assert_eq!(clock.1.next(), None, "nothing to wake up for");
        clock.1.ended(&mail);
        assert_eq!(clock.due(9000), [("mail".into(), vec![1100, 3000])]);
    }

    #[test]
    fn commands_do_not_wait_for_each_other_but_too_many_do() {
        let mut clock = Clock::new();
        let commands: Vec<_> = (0..10).map(|number| command(&number.to_string())).collect();
        for (time, command) in commands.iter().enumerate() {
            clock.push(u64::try_from(time).unwrap(), command);
        }
        let names: Vec<_> = clock.due(2000).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["0", "1", "2", "3", "4", "5", "6", "7"],
            "the oldest first"
        );
        assert_eq!(clock.1.next(), None);
        clock.1.ended(&commands[3]);
        assert_eq!(clock.due(2000), [("8".into(), vec![8])]);
    }

    #[test]
    fn there_is_a_bound_and_what_is_beyond_it_is_counted() {
        let mut clock = Clock::new();
        let mail = command("mail");
        for _ in 0..1500 {
            clock.push(0, &mail);
        }
        let now = clock.at(0);
        clock.1.push(now, mail.clone(), event(0), 7);
        let now = clock.at(1000);
        let run = clock.1.due(now).remove(0);
        assert_eq!((run.events.len(), run.dropped), (1000, 508));
    }
}
