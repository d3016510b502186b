//! Models of the schedulers that use weights and connections.
//!
//! A [`Pool`] is the kernel's list of servers, last added first.

use crate::rig::real;

/// A real server as a scheduler sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) number: usize,
    pub(super) weight: u64,
    pub(super) active: u64,
    pub(super) inactive: u64,
}

impl Seen {
    /// `ip_vs_dest_conn_overhead`: an active connection counts as 256 inactive ones.
    fn overhead(&self) -> u64 {
        self.active * 256 + self.inactive
    }
}

/// The servers of a service, in the kernel's order.
#[derive(Debug, Clone)]
pub(super) struct Pool(pub(super) Vec<Seen>);

impl Pool {
    /// As [`crate::rig::Rig::add`] leaves it: `real1` was added first.
    pub(super) fn new(weights: &[u32]) -> Self {
        let seen = |(index, weight): (usize, &u32)| Seen {
            number: index + 1,
            weight: u64::from(*weight),
            active: 0,
            inactive: 0,
        };
        Self(weights.iter().enumerate().map(seen).rev().collect())
    }

    /// The servers, by name, of this many connections that are all held open.
    pub(super) fn hold(
        &mut self,
        times: usize,
        choose: impl Fn(&Self) -> Option<usize>,
    ) -> Vec<String> {
        (0..times)
            .map(|_| {
                let number = choose(self).expect("somebody can be chosen");
                self.of(number).active += 1;
                real(number)
            })
            .collect()
    }

    pub(super) fn of(&mut self, number: usize) -> &mut Seen {
        let found = self.0.iter_mut().find(|seen| seen.number == number);
        found.expect("the pool has a server of that number")
    }

    /// The first of those with the least `load` in proportion to the weight, among those with a
    /// weight.
    fn least(&self, load: impl Fn(&Seen) -> u64) -> Option<usize> {
        let mut best: Option<&Seen> = None;
        for seen in self.0.iter().filter(|seen| seen.weight > 0) {
            // a/b < c/d without fractions, like the kernel.
            if best.is_none_or(|best| load(best) * seen.weight > load(seen) * best.weight) {
                best = Some(seen);
            }
        }
        best.map(|seen| seen.number)
    }

    /// Least-connection: weights count only if 0.
    pub(super) fn lc(&self) -> Option<usize> {
        let weighted = self.0.iter().filter(|seen| seen.weight > 0);
        // The first of several equal ones.
        weighted.min_by_key(|s| s.overhead()).map(|s| s.number)
    }

    /// Weighted least-connection.
    pub(super) fn wlc(&self) -> Option<usize> {
        self.least(Seen::overhead)
    }

    /// Shortest expected delay: the new connection counts too, inactive ones do not.
    pub(super) fn sed(&self) -> Option<usize> {
        self.least(|seen| seen.active + 1)
    }

    /// Never queue: an idle server if there is one, otherwise as `sed`.
    pub(super) fn nq(&self) -> Option<usize> {
        let idle = |seen: &&Seen| seen.weight > 0 && seen.active == 0;
        let first = self.0.iter().find(idle).map(|seen| seen.number);
        first.or_else(|| self.sed())
    }

    /// Weighted fail-over: the heaviest that is not in `overloaded`.
    pub(super) fn fo(&self, overloaded: &[usize]) -> Option<usize> {
        self.heaviest(|seen| !overloaded.contains(&seen.number))
    }

    /// Overflow: the heaviest that has no more active connections than its weight.
    pub(super) fn ovf(&self) -> Option<usize> {
        self.heaviest(|seen| seen.active <= seen.weight)
    }

    fn heaviest(&self, usable: impl Fn(&Seen) -> bool) -> Option<usize> {
        let usable = self.0.iter().filter(|s| s.weight > 0 && usable(s));
        // `max_by_key` returns the last of equal ones, the kernel the first.
        usable.rev().max_by_key(|s| s.weight).map(|s| s.number)
    }

    /// Round robin from the start of the list.
    pub(super) fn rr(&self, times: usize) -> Vec<String> {
        let weighted = self.0.iter().filter(|seen| seen.weight > 0);
        let turns = weighted.cycle().map(|seen| real(seen.number));
        turns.take(times).collect()
    }

    /// Weighted round robin: passes over the list with a bar that sinks from the highest weight by
    /// the greatest common divisor; servers that reach it get a turn.
    ///
    /// The bar is at 1 when the last server has been added, as `ip_vs_wrr_dest_changed` sets it for
    /// the first and leaves it for the others: a service starts with its last pass.
    pub(super) fn wrr(&self, times: usize) -> Vec<String> {
        let weights = || self.0.iter().map(|seen| seen.weight).filter(|w| *w > 0);
        let step = weights().fold(0, gcd);
        let top = weights().max().expect("somebody has a weight") - (step - 1);
        let mut bar = 1;
        let mut turns = Vec::new();
        while turns.len() < times {
            let pass = self.0.iter().filter(|seen| seen.weight >= bar);
            turns.extend(pass.map(|seen| real(seen.number)));
            bar = if bar > step { bar - step } else { top };
        }
        turns.truncate(times);
        turns
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
