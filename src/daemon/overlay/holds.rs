//! Servers that are up but held out for flapping, and how many may be.
//!
//! Damping spares clients a server that comes and goes, as long as there are others. A hold that
//! takes out servers they need does more harm than flapping. Therefore at most half of the servers
//! that pass their checks are held out, and no more than `min_healthy` allows. The others stay in,
//! least flapping first.

use std::time::Duration;

use ipvs::ServerKey;

use super::{Candidate, Fate, State};
use crate::state::BootTime;

/// Decides what becomes of those that are held. `least` of the candidates must stay in; with `spare`
/// others are ready to serve in their place, so that even the last one may be held out.
pub(super) fn decide(candidates: &mut [&mut Candidate<'_>], least: usize, spare: bool) {
    // One that was never judged may be dead.
    let is_well = |candidate: &&&mut Candidate<'_>| {
        let open = Fate::is_open(&candidate.fate);
        candidate.serves() && !open
    };
    let well = candidates.iter().filter(is_well).count();
    let mut held: Vec<&mut Candidate<'_>> = candidates
        .iter_mut()
        .filter(|candidate| matches!(candidate.fate, Fate::Held { .. }))
        .map(|candidate| &mut **candidate)
        .collect();
    let all = well + held.len();
    let may_be_out = if all == 1 && spare { 1 } else { all / 2 };
    let may_be_out = may_be_out.min(all.saturating_sub(least));
    let kept = held.len().saturating_sub(may_be_out);
    held.sort_by_key(|candidate| severity(candidate));
    for (number, candidate) in held.into_iter().enumerate() {
        let Fate::Held { weight, state } = candidate.fate else {
            continue;
        };
        candidate.fate = match state {
            _ if number < kept => Fate::In { weight, state },
            State::Leaving => Fate::Over,
            _ => Fate::Failed(State::Held),
        };
    }
}

/// Those with a short hold have flapped least; of these the one whose hold ends first.
fn severity(candidate: &Candidate<'_>) -> (Duration, BootTime, ServerKey) {
    let (length, until) = candidate.state.map_or_else(Default::default, |state| {
        let damper = &state.damper;
        damper.severity()
    });
    (length, until, candidate.key)
}
