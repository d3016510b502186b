//! Reads the director for all pages, while there are any.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipvs::ServiceKey;

use super::hub::{Hub, now_ms};
use super::model::{self, Topic, piece};
use crate::http::api::{Line, Stats, Status};
use crate::http::{Asker, ClientError, query};

/// The time between two readings.
const SECOND: Duration = Duration::from_secs(1);
/// After an event the snapshot is read as soon as it can have it.
const QUICK: Duration = Duration::from_millis(20);
/// The part of the time that goes into readings at most: one in four for what an event asks for, one
/// in ten for what comes by itself.
const REST: (u32, u32) = (3, 9);
/// A director that has not answered for this long is said to be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// For the state of the director itself: few services are in this state, however large the table.
const HEAD: &str = "/v1/status?state=panic&brief=true";

/// Reads as long as a page is open, and waits for the next one.
pub(super) async fn read(hub: Arc<Hub>, asker: Asker) {
    loop {
        while !hub.is_viewed() {
            hub.wake.notified().await;
        }
        let events = tokio::spawn(follow(Arc::clone(&hub), asker.clone()));
        let beats = tokio::spawn(beat(Arc::clone(&hub)));
        let mut reading = Reading {
            hub: &hub,
            asker: &asker,
            revision: None,
            started: Instant::now(),
            counters: None,
        };
        while hub.is_viewed() {
            reading.turn().await;
        }
        events.abort();
        beats.abort();
        hub.forget();
    }
}

/// How old the news are, once a second, whatever the director does.
async fn beat(hub: Arc<Hub>) {
    loop {
        tokio::time::sleep(SECOND).await;
        hub.beat();
    }
}

/// Passes events on as they happen. Ends only by being aborted.
async fn follow(hub: Arc<Hub>, asker: Asker) {
    let mut start = "last=0".to_owned();
    loop {
        let mut next = None;
        let path = format!("/v1/events?{start}&follow=true");
        // However it ended: what is wrong is what the readings find.
        let _ = asker
            .lines(&path, |line: Line| {
                match line {
                    Line::Event(event) => {
                        next = Some(event.id + 1);
                        hub.change(|_| [model::event(&event)]);
                        hub.wake.notify_one();
                    }
                    Line::Missed {
                        missed,
                        next: after,
                    } => {
                        next = Some(after);
                        let missed = missed.to_string();
                        hub.change(|_| [piece(Topic::All, "missed", missed)]);
                    }
                    Line::Next { next: after } => next = Some(after),
                }
                ControlFlow::Continue(())
            })
            .await;
        if let Some(next) = next {
            start = format!("from={next}");
        }
        tokio::time::sleep(SECOND).await;
    }
}

/// What was read last.
struct Reading<'a> {
    hub: &'a Hub,
    asker: &'a Asker,
    /// Of the snapshot that the overview shows.
    revision: Option<u64>,
    started: Instant,
    /// When all counters are due again.
    counters: Option<Instant>,
}

impl Reading<'_> {
    /// Reads, and waits until it is time for the next turn.
    async fn turn(&mut self) {
        let began = Instant::now();
        let read = tokio::time::timeout(PATIENCE, self.read()).await;
        self.hub.answered(match read {
            Ok(read) => read.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} seconds", PATIENCE.as_secs())),
        });
        let took = began.elapsed();
        let early = async {
            self.hub.wake.notified().await;
            tokio::time::sleep(QUICK.max(took * REST.0)).await;
        };
        tokio::select! {
            () = tokio::time::sleep(SECOND.max(took * REST.1)) => {}
            () = early => {}
        }
    }

    async fn read(&mut self) -> Result<(), ClientError> {
        let status: Status = self.asker.get(HEAD).await?;
        let revision = status.head.revision;
        self.hub.change(|model| model.take_head(&status.head));
        if self.hub.shows(Topic::Overview) {
            if self.revision != Some(revision) {
                let status: Status = self.asker.get("/v1/status?brief=true").await?;
                self.hub
                    .change(|model| model.take_services(&status.services));
                self.revision = Some(status.head.revision);
            }
            self.read_counters().await;
        } else {
            self.revision = None;
        }
        for key in self.hub.services() {
            self.read_service(key).await?;
        }
        Ok(())
    }

    /// All counters, which cost the kernel most. Without them the page shows none.
    async fn read_counters(&mut self) {
        let began = Instant::now();
        if self.counters.is_some_and(|due| began < due) {
            return;
        }
        if let Ok(stats) = self.asker.get::<Stats>("/v1/stats?brief=true").await {
            self.take(&stats);
            self.hub.change(|model| model.overview_flows(&stats));
        }
        // A little less than the turn's own time, or every second reading would be left out.
        let pause = (SECOND - QUICK * 5).max(began.elapsed() * REST.1);
        self.counters = Some(Instant::now() + pause);
    }

    async fn read_service(&self, key: ServiceKey) -> Result<(), ClientError> {
        let of = query(&[("service", &key.to_string())]);
        let found = match self.asker.get::<Status>(&format!("/v1/status{of}")).await {
            Ok(status) => Ok(status),
            Err(ClientError::Refused(refusal)) => Err(refusal.to_string()),
            Err(error) => return Err(error),
        };
        if found.is_ok()
            && let Ok(stats) = self.asker.get::<Stats>(&format!("/v1/stats{of}")).await
        {
            self.take(&stats);
        }
        let missing = || format!("no service `{key}`");
        let found = found.as_ref().map_err(String::clone);
        let found = found.and_then(|status| status.services.first().ok_or_else(missing));
        // The last page may have left in the meantime.
        if self.hub.shows(Topic::Service(key)) {
            self.hub.change(|model| model.take_service(key, found));
        }
        Ok(())
    }

    fn take(&self, stats: &Stats) {
        let at = self.started.elapsed();
        self.hub
            .change(|model| model.take_stats(stats, at, now_ms()));
    }
}
