//! Reads the director for all pages, while there are any.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipvs::ServiceKey;
use tokio::sync::Notify;

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
        let started = Instant::now();
        let listed = Arc::new(Notify::new());
        let counted = count(
            Arc::clone(&hub),
            asker.clone(),
            started,
            Arc::clone(&listed),
        );
        let counts = tokio::spawn(counted);
        let mut reading = Reading {
            hub: &hub,
            asker: &asker,
            revision: None,
            started,
            listed,
        };
        while hub.is_viewed() {
            reading.turn().await;
        }
        events.abort();
        beats.abort();
        counts.abort();
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

/// Reads all counters for the overview, which cost the kernel most, so that no news waits for them.
/// Without them the page shows none. A page has the services before their counters.
async fn count(hub: Arc<Hub>, asker: Asker, started: Instant, listed: Arc<Notify>) {
    listed.notified().await;
    loop {
        let began = Instant::now();
        if hub.shows(Topic::Overview) {
            let stats = asker.get::<Stats>("/v1/stats?brief=true");
            if let Ok(Ok(stats)) = tokio::time::timeout(PATIENCE, stats).await {
                take(&hub, &stats, started);
                hub.change(|model| model.overview_flows(&stats));
            }
        }
        let took = began.elapsed();
        let pause = SECOND.saturating_sub(took).max(took * REST.1);
        tokio::time::sleep(pause).await;
    }
}

fn take(hub: &Hub, stats: &Stats, started: Instant) {
    let at = started.elapsed();
    hub.change(|model| model.take_stats(stats, at, now_ms()));
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
    /// Told once the overview has its services.
    listed: Arc<Notify>,
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
        let (took, ended) = (began.elapsed(), Instant::now());
        let early = async {
            self.hub.wake.notified().await;
            // The rest after the last reading may be over already.
            let rest = (took * REST.0).saturating_sub(ended.elapsed());
            tokio::time::sleep(QUICK.max(rest)).await;
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
        // Before all services, which take longer.
        for key in self.hub.services() {
            self.read_service(key).await?;
        }
        if self.hub.shows(Topic::Overview) {
            if self.revision != Some(revision) {
                let status: Status = self.asker.get("/v1/status?brief=true").await?;
                self.hub
                    .change(|model| model.take_services(&status.services));
                self.revision = Some(status.head.revision);
                self.listed.notify_one();
            }
        } else {
            self.revision = None;
        }
        Ok(())
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
            take(self.hub, &stats, self.started);
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
}
