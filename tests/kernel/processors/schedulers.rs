//! A scheduler that is replaced under load.
//!
//! ```text
//!   ip_vs_edit_service    unbind the old one │ wait for a grace period │ bind the new one
//!   new clients           served             │ refused                 │ served
//!   open connections      live all the time
//! ```

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ipvs::{Client, Service};

use super::two_processors;
use crate::{
    lab::{Ask, Failure, Tcp, V4},
    rig::{Rig, name},
};

/// The number of replacements: a multiple of the number of schedulers, so that it ends as it began.
const CHANGES: usize = 32;

/// The number of concurrent clients.
const ASKERS: usize = 3;

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn only_clients_that_come_during_an_exchange_can_be_refused() {
    if !two_processors() {
        return;
    }
    let mut rig = Rig::dr();
    let web = rig.balance(Tcp, V4, "rr", &[1, 1, 1]);
    let (mut open, reached) = rig.hold(&web, 3);
    let mut control = rig.net.director.enter(Client::connect).unwrap();

    let done = AtomicBool::new(false);
    let ask = rig.ask(&web);
    let (exchanges, requests) = thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKERS)
            .map(|_| scope.spawn(|| requests(&ask, &done)))
            .collect();
        let exchanges = exchange(&mut control, web);
        done.store(true, Ordering::Relaxed);
        let requests = askers.into_iter().flat_map(|asker| asker.join().unwrap());
        (exchanges, requests.collect::<Vec<_>>())
    });

    let meets = |request: &&Request| {
        exchanges
            .iter()
            .any(|exchange| exchange.meets(&request.span))
    };
    let refused: Vec<_> = requests
        .iter()
        .filter(|request| request.failure.is_some())
        .collect();
    let met = requests.iter().filter(meets).count();
    println!(
        "{CHANGES} exchanges of {} each: {met} of {} requests met one, {} of them were refused",
        Middle(&exchanges),
        requests.len(),
        refused.len()
    );
    for request in &refused {
        assert_eq!(
            request.failure,
            Some(Failure::Refused),
            "no other harm is done"
        );
        assert!(meets(request), "nobody is refused before or after");
    }
    assert!(met > 0, "there was load");
    let lived: Vec<String> = open.iter_mut().map(|c| c.ask().unwrap()).collect();
    assert_eq!(lived, reached, "open connections live");
    assert_eq!(rig.ask(&web).times(3).run().counts().len(), 3);
}

/// From before it began until after it was over.
struct Span {
    begin: Instant,
    end: Instant,
}

impl Span {
    fn of<T>(work: impl FnOnce() -> T) -> (Self, T) {
        let begin = Instant::now();
        let result = work();
        let end = Instant::now();
        (Self { begin, end }, result)
    }

    fn meets(&self, other: &Self) -> bool {
        self.begin <= other.end && other.begin <= self.end
    }
}

/// One new connection.
struct Request {
    span: Span,
    failure: Option<Failure>,
}

/// Sends requests repeatedly until told to stop.
fn requests(ask: &Ask<'_>, done: &AtomicBool) -> Vec<Request> {
    let mut requests = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let (span, mut answers) = Span::of(|| ask.run());
        let failure = answers.0.remove(0).by.err();
        requests.push(Request { span, failure });
    }
    requests
}

/// Replaces the scheduler, with a rest after each time; the last one is the first.
fn exchange(control: &mut Client, mut web: Service) -> Vec<Span> {
    let schedulers = ["wlc", "sed", "lc", "rr"];
    (0..CHANGES)
        .map(|round| {
            web.scheduler = name(schedulers[round % schedulers.len()]);
            let (span, result) = Span::of(|| control.update_service(&web));
            result.unwrap();
            thread::sleep(Duration::from_millis(20));
            span
        })
        .collect()
}

/// The median length of spans.
struct Middle<'a>(&'a [Span]);

impl fmt::Display for Middle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lengths: Vec<_> = self.0.iter().map(|span| span.end - span.begin).collect();
        lengths.sort();
        write!(f, "{:.1?}", lengths[lengths.len() / 2])
    }
}
