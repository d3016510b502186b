//! What the threads of `director top` say to each other.

use std::time::Duration;

use ipvs::ServiceKey;
use ratatui::crossterm::event::Event as Input;

use crate::http::api::{Event, Stats, Status};

/// What the loop waits for.
#[derive(Debug)]
pub(super) enum Message {
    Input(Input),
    Fetched(Box<Fetched>),
    Signal(Signalled),
    /// A thread cannot go on, for this reason.
    Over(String),
}

/// A signal, by what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signalled {
    End,
    Stop,
    Continue,
}

/// What to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) of: Subject,
    pub(super) counters: Counters,
}

/// What a view is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// All services.
    Services,
    /// A service, with its servers and events.
    Service(ServiceKey),
    /// Events, of one service or all.
    Events(Option<ServiceKey>),
}

/// Whose counters to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Counters {
    All,
    Of(Vec<ServiceKey>),
}

/// What the director answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: Status,
    pub(super) stats: Option<Stats>,
    /// The newest first.
    pub(super) events: Vec<Event>,
}

/// A reading.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) want: Want,
    /// When it ended, since the start of the program.
    pub(super) at: Duration,
    /// Or why there is none.
    pub(super) answer: Result<Answer, String>,
}

impl Fetched {
    pub(super) const fn new(want: Want, at: Duration, answer: Result<Answer, String>) -> Self {
        Self { want, at, answer }
    }
}
