//! Events as a stream of lines, for as long as the client reads.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::stream::{Gone, Sink};
use crate::control::Director;
use crate::control::event::Event;
use crate::control::select::EventFilter;
use crate::control::snapshot::Published;

/// The interval of heartbeats for followers.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Where a stream begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    /// With the event of this number.
    Number(u64),
    /// With this many past events of those that are asked for.
    Last(u64),
}

/// The events from `from` on; with a permit, also those to come.
pub(super) fn lines(
    director: Arc<dyn Director>,
    from: From,
    filter: EventFilter,
    follow: Option<OwnedSemaphorePermit>,
) -> Body {
    let (sink, body) = Sink::new();
    tokio::spawn(async move {
        // A client that is gone ends the stream.
        let _ = send(&director, &sink, from, &filter, follow.is_some()).await;
        drop(follow);
    });
    body
}

/// The number of the first of the last so many events that are asked for.
fn last(published: &Published, filter: &EventFilter, count: u64) -> u64 {
    let (events, next) = published.events(0);
    let snapshot = published.snapshot();
    let wanted = events
        .iter()
        .rev()
        .filter(|event| filter.takes(event, &snapshot));
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    wanted.take(count).last().map_or(next, |event| event.id)
}

async fn send(
    director: &Arc<dyn Director>,
    sink: &Sink,
    from: From,
    filter: &EventFilter,
    follow: bool,
) -> Result<(), Gone> {
    let published = director.published();
    let mut changes = published.changes();
    let next = published.next_event();
    let mut from = match from {
        // This number is from before a restart, so all events are new.
        From::Number(number) if number > next => 0,
        From::Number(number) => number,
        From::Last(count) => last(published, filter, count),
    };
    let mut silent_until = Instant::now();
    loop {
        changes.mark_unchanged();
        let (events, next) = published.events(from);
        let first = events.first().map_or(next, |event| event.id);
        // Those that are gone are older than what is asked for.
        let is_old = |event: &Arc<Event>| filter.since_ms > Some(event.at_ms);
        if first > from && !events.first().is_some_and(is_old) {
            let missed = json!({ "missed": first - from, "next": first });
            sink.send(format!("{missed}\n").into_bytes()).await?;
        }
        let snapshot = published.snapshot();
        let wanted = events
            .into_iter()
            .filter(|event| filter.takes(event, &snapshot));
        for event in wanted {
            // Numbers and strings: this cannot fail.
            let mut line = serde_json::to_vec(&*event).unwrap_or_default();
            line.push(b'\n');
            sink.send(line).await?;
        }
        from = next;
        if !follow || Instant::now() >= silent_until {
            let line = format!("{}\n", json!({ "next": next }));
            sink.send(line.into_bytes()).await?;
            silent_until = Instant::now() + HEARTBEAT;
        }
        if !follow {
            return Ok(());
        }
        tokio::select! {
            // An error means that the snapshot is gone, and the director with it.
            changed = changes.changed() => changed.map_err(|_| Gone)?,
            () = tokio::time::sleep_until(silent_until) => {}
            () = sink.closed() => return Err(Gone),
        }
    }
}
