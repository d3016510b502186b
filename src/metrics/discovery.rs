//! The families with a series for each pool that finds its servers; none without such pools.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::text::{Each, Family, Text, labels};
use crate::control::Now;
use crate::control::discovery::PoolStatus;
use crate::control::snapshot::Snapshot;

/// A pool.
struct Pool {
    status: Arc<PoolStatus>,
    now: Option<Now>,
    labels: String,
}

/// The families, in the order of the exposition.
const FAMILIES: &[Each<Pool>] = &[
    (
        Family::gauge("director_pool_servers", "Servers in the list in force."),
        |family, pool, text| text.sample(family, &pool.labels, pool.status.servers),
    ),
    (
        Family::gauge(
            "director_pool_absent_servers",
            "Those of them that the source no longer lists.",
        ),
        |family, pool, text| text.sample(family, &pool.labels, pool.status.absent),
    ),
    (
        Family::gauge(
            "director_pool_refused",
            "1 while the answers of the source do not count, and the last list stays.",
        ),
        |family, pool, text| {
            let refused = u8::from(pool.status.refused.is_some());
            text.sample(family, &pool.labels, refused);
        },
    ),
    (
        Family::gauge(
            "director_pool_answered_timestamp_seconds",
            "When the source last answered with a list that counts; absent before the first since \
             the start.",
        ),
        |family, pool, text| {
            let at = pool.now.zip(pool.status.answered);
            let at = at.map(|(now, answered)| now.calendar(answered));
            if let Some(since) = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()) {
                text.sample(family, &pool.labels, since.as_secs());
            }
        },
    ),
];

/// Writes all families.
pub(super) fn write(snapshot: &Snapshot, text: &mut Text) {
    let pools = snapshot.discovered.values().map(|status| Pool {
        status: Arc::clone(status),
        now: snapshot.at,
        labels: labels(&[("pool", &status.pool), ("source", &status.source)]),
    });
    text.each(FAMILIES, &pools.collect::<Vec<_>>());
}
