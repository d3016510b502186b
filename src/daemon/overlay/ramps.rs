//! Slow start: the weights of returning servers.
//!
//! A ramp spares a server that has just started the share of a warm one. If none is warm, as after
//! an outage of all, it would only make all weights small. Ramps are therefore measured against the
//! server that is farthest: it has its full weight, and the others catch up with it.

use ipvs::Weight;

use super::{Candidate, Fate, State};
use crate::daemon::server::Progress;
use crate::state::BootTime;

/// Gives those that serve the weights of this moment.
pub(super) fn weigh(candidates: &mut [Candidate<'_>], now: BootTime) {
    let serves = |candidate: &&Candidate<'_>| {
        // One that is down, and in because too few are left, is no measure.
        candidate.serves()
            && !matches!(candidate.fate, Fate::In { state, .. } if state == State::Panic)
    };
    let mut top: Option<Progress> = None;
    for candidate in candidates.iter().filter(serves) {
        let progress = progress(candidate, now).unwrap_or(Progress::OVER);
        if top.is_none_or(|top| progress.is_as_far_as(top)) {
            top = Some(progress);
        }
    }
    let Some(top) = top else { return };
    let all_are_warm = top.is_as_far_as(Progress::OVER);
    for candidate in candidates {
        let Some(progress) = progress(candidate, now) else {
            continue;
        };
        let Fate::In { weight, state } = &mut candidate.fate else {
            continue;
        };
        let full = weight.get();
        let part = progress.weight(full, top);
        *weight = Weight::new(part).unwrap_or(Weight::MAX);
        if *state == State::Up && (all_are_warm || part < full) {
            *state = State::Warming;
        }
    }
}

/// How far a server on its way back is; `None` for one that is not on its way.
fn progress(candidate: &Candidate<'_>, now: BootTime) -> Option<Progress> {
    let ramp = candidate
        .state?
        .ramp
        .as_ref()
        .filter(|ramp| !ramp.is_over(now))?;
    Some(ramp.progress(now))
}
