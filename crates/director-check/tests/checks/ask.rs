//! One check of one target.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use director_check::{Advice, Checks, Command, Finding, Record, Seen, Target, TargetId, Verdict};
use director_config::state::health::{CheckAt, CheckKind, CheckSpec, Pace};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The result of one check, whose target stays checked.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    pub(crate) seen: Seen,
    advice: Option<Advice>,
    _running: Running,
}

impl Answer {
    /// The advice, reported just before the verdict.
    pub(crate) fn advice(&self) -> Option<Advice> {
        self.advice
    }

    /// Asserts success; returns the information.
    #[track_caller]
    pub(crate) fn passed(&self) -> &str {
        assert_eq!(self.verdict, Verdict::Up, "{self:?}");
        self.seen.text.as_deref().unwrap_or_default()
    }

    /// Asserts failure; returns the reason.
    #[track_caller]
    pub(crate) fn failed(&self) -> &str {
        assert_eq!(self.verdict, Verdict::Down, "{self:?}");
        self.seen.text.as_deref().unwrap_or_default()
    }
}

/// A pace at which one result is a verdict, with this timeout.
pub(crate) fn pace(timeout: Duration) -> Pace {
    Pace {
        interval: Duration::from_millis(100),
        fast_interval: Duration::from_millis(50),
        timeout,
        rise: 1,
        fall: 1,
        ..Pace::default()
    }
}

pub(crate) fn spec(kind: CheckKind) -> CheckSpec {
    CheckSpec {
        kind,
        pace: pace(Duration::from_secs(30)),
        at: CheckAt::default(),
    }
}

pub(crate) fn target(spec: CheckSpec, at: SocketAddr) -> Target {
    Target {
        spec: Arc::new(spec),
        address: at.ip(),
        port: at.port(),
        service: None,
        server: (at.ip(), at.port()),
        service_name: None,
        server_name: None,
    }
}

/// Checks once, with plenty of time.
pub(crate) fn ask(kind: CheckKind, at: SocketAddr) -> Answer {
    ask_target(target(spec(kind), at))
}

/// Checks once, with a timeout of a second and a half.
pub(crate) fn ask_in_haste(kind: CheckKind, at: SocketAddr) -> Answer {
    let mut spec = spec(kind);
    spec.pace = pace(Duration::from_millis(1500));
    ask_target(target(spec, at))
}

pub(crate) fn ask_target(target: Target) -> Answer {
    let mut running = Running::start();
    running.add(TargetId(1), target, Verdict::Open);
    let mut said = None;
    let verdict = loop {
        match running.next() {
            Finding::Judged { verdict, .. } => break verdict,
            Finding::Advised { advice, .. } => said = Some(advice),
            Finding::NotAsked { .. } => {}
        }
    };
    let record = Arc::clone(&running.records[0]);
    let seen = eventually(|| Some(record.seen()).filter(|seen| seen.at.is_some()));
    Answer {
        verdict,
        seen,
        advice: said,
        _running: running,
    }
}

/// Running checks and their findings.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) checks: Checks,
    pub(crate) found: Receiver<Finding>,
    pub(crate) records: Vec<Arc<Record>>,
}

impl Running {
    pub(crate) fn start() -> Self {
        let (send, found) = channel();
        let checks = Checks::start(move |finding| drop(send.send(finding))).unwrap();
        Self {
            checks,
            found,
            records: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, id: TargetId, target: Target, verdict: Verdict) {
        let record = Arc::new(Record::default());
        self.records.push(Arc::clone(&record));
        self.checks.send(vec![Command::Start {
            id,
            target: Arc::new(target),
            verdict,
            record,
        }]);
    }

    pub(crate) fn next(&self) -> Finding {
        self.found.recv_timeout(PATIENCE).expect("a finding")
    }
}

/// Polls until there is a value.
pub(crate) fn eventually<T>(mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}
