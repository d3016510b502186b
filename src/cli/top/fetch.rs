//! The thread that asks the director, always for what the screen shows and nothing else.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipvs::ServiceKey;

use super::message::{Answer, Counters, Fetched, Message, Subject, Want};
use super::screen::spawn;
use crate::http::api::{Event, Line, Stats, Status};
use crate::http::{Client, ClientError, query};

/// The most events of a view.
const EVENTS: &str = "300";
/// The part of the time that goes into readings at most: one in four. A large table is read less
/// often.
const REST: u32 = 3;

/// What the loop wants, as the thread sees it.
#[derive(Debug, Clone)]
pub(super) struct Wanted(Arc<(Mutex<Want>, Condvar)>);

impl Wanted {
    pub(super) fn set(&self, want: Want) {
        let mut wanted = self.lock();
        if *wanted != want {
            *wanted = want;
            self.0.1.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Want> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for so long, or until something else than this is wanted.
    fn wait(&self, last: &Want, time: Duration) -> Want {
        let same = |want: &mut Want| want == last;
        let waited = self.0.1.wait_timeout_while(self.lock(), time, same);
        let (want, _) = waited.unwrap_or_else(PoisonError::into_inner);
        want.clone()
    }
}

/// Starts the thread. Its first reading comes after the interval, or when something else than
/// `first` is wanted.
pub(super) fn start(
    client: Client,
    first: Want,
    interval: Duration,
    started: Instant,
    sender: Sender<Message>,
) -> io::Result<Wanted> {
    let wanted = Wanted(Arc::new((Mutex::new(first.clone()), Condvar::new())));
    let of_thread = wanted.clone();
    spawn("fetch", sender, move |sender| {
        let (mut want, mut pause) = (first, interval);
        loop {
            want = of_thread.wait(&want, pause);
            let began = Instant::now();
            let answer = ask(&client, &want).map_err(|error| format!("{error:#}"));
            pause = interval.max(began.elapsed() * REST);
            let fetched = Fetched::new(want.clone(), started.elapsed(), answer);
            if sender.send(Message::Fetched(Box::new(fetched))).is_err() {
                return;
            }
        }
    })?;
    Ok(wanted)
}

/// Asks the director.
pub(super) fn ask(client: &Client, want: &Want) -> Result<Answer, ClientError> {
    let listen = match want.of {
        Subject::Service(key) | Subject::Events(Some(key)) => Some(key.to_string()),
        Subject::Services | Subject::Events(None) => None,
    };
    let service = listen.as_deref().map(|listen| ("service", listen));
    let (status, stats) = match want.of {
        Subject::Services => (of(client, &[("brief", "true")])?, counters(client, want)),
        Subject::Service(_) => {
            let parameters: Vec<_> = service.into_iter().collect();
            let path = format!("/v1/stats{}", query(&parameters));
            // Refused if the service is gone: what is left is the director itself.
            match of(client, &parameters) {
                Err(ClientError::Refused(_)) => (of(client, &HEAD)?, None),
                status => (status?, client.get(&path).ok()),
            }
        }
        Subject::Events(_) => (of(client, &HEAD)?, None),
    };
    let events = match want.of {
        Subject::Services => Vec::new(),
        _ => events(client, service)?,
    };
    Ok(Answer {
        status,
        stats,
        events,
    })
}

/// For the state of the director itself: few services are in this state, however large the table.
const HEAD: [(&str, &str); 2] = [("state", "panic"), ("brief", "true")];

fn of(client: &Client, parameters: &[(&str, &str)]) -> Result<Status, ClientError> {
    client.get(&format!("/v1/status{}", query(parameters)))
}

/// The counters, if there are any: others may be reading them, or a service has just gone.
fn counters(client: &Client, want: &Want) -> Option<Stats> {
    let keys = match &want.counters {
        Counters::All => Vec::new(),
        Counters::Of(keys) if keys.is_empty() => return None,
        Counters::Of(keys) => keys.iter().map(ServiceKey::to_string).collect(),
    };
    let keys = keys.iter().map(|key| ("service", key.as_str()));
    let parameters: Vec<_> = keys.chain([("brief", "true")]).collect();
    client.get(&format!("/v1/stats{}", query(&parameters))).ok()
}

fn events(client: &Client, service: Option<(&str, &str)>) -> Result<Vec<Event>, ClientError> {
    let mut parameters = vec![("last", EVENTS)];
    parameters.extend(service);
    let mut events = Vec::new();
    client.lines(&format!("/v1/events{}", query(&parameters)), |line| {
        if let Line::Event(event) = line {
            events.push(event);
        }
        ControlFlow::Continue(())
    })?;
    events.reverse();
    Ok(events)
}
