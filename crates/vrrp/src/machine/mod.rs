//! The state machine of a virtual router, or of several that move together.
//!
//! A function of state, input and time: [`Machine::handle`] and [`Machine::receive`] append to a
//! list what the program should do. Nothing is sent, nothing waits, and time is an argument: a
//! [`Duration`] since any fixed moment, on a clock that never steps. `CLOCK_BOOTTIME` is the right
//! one, as it also runs while the machine sleeps.
//!
//! # A program around it
//!
//! 1. Wait for a packet or for the time last set by [`Action::SetTimer`].
//! 2. Hand in all packets that have come: decode each, then [`Machine::receive`] or
//!    [`Machine::discard`].
//! 3. Hand in [`Input::Timer`] if its time has come. In this order: adverts that arrived in time
//!    count before the timer that they would have stopped. Bound the packets of one round, so that
//!    a flood does not hold up our own adverts.
//! 4. Carry out the actions in their order. [`Machine::encode`] writes a message into a buffer.
//!
//! # More than the RFC
//!
//! - **Groups.** The members have one state. The group claims when *all* members are silent, steps
//!   back when *one* hears a higher priority, and is faulty when *one* is. Ties are settled by the
//!   lowest virtual router id at which the peer is heard.
//! - **Planned switchover** ([`Input::Yield`]). Adverts with priority 0, while the addresses stay
//!   until the peer is heard twice, so that a router forwards at every moment. If no peer comes, this
//!   router goes on. Afterwards it claims with priority 1 only.
//! - **Stalls.** A process that was stopped or starved finds its timer late. A backup then listens
//!   for a whole `Active_Down_Interval` before it claims; an active router whose claim has lapsed
//!   gives it up without a word, as another one may be active by now.
//! - **Strays.** A late priority 0 of the previous active router does not disturb those that follow
//!   the new one.
//! - **Floods.** Lower priorities are answered immediately, as the RFC wants, but at most four times
//!   per interval.

mod action;
mod active;
mod backup;
mod config;
mod counters;
mod handover;
mod input;
mod notice;
mod reason;
mod stall;
mod state;
mod times;
mod track;
mod view;

pub use action::{Action, Input};
pub use config::{Config, ConfigError, Member, Preempt, SendForm};
pub use counters::{Counters, Fate, Totals};
pub use notice::Notice;
pub use reason::{Change, Reason};
pub use state::{Phase, State};
pub use times::{active_down_interval, skew_time};
pub use track::Peer;

use std::time::Duration;

use crate::codec::{DecodeError, Received};
use crate::{Interval, Priority};
use track::{Fault, Track};

/// An operator's wish, which changes the priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    None,
    Yielded {
        until: Option<Duration>,
    },
    Claimed {
        priority: Priority,
        /// No rival had been heard when it was set: the first one is outbid.
        blind: bool,
        until: Option<Duration>,
    },
}

/// The state machine of one virtual router, or of a group.
#[derive(Debug, Clone)]
pub struct Machine {
    config: Settings,
    tracks: Vec<Track>,
    /// Members by virtual router id and family: whose tie counts.
    order: Vec<usize>,
    phase: Phase,
    hold: Hold,
    /// After a handover it stops.
    stopping: bool,
    /// The last claim ended because adverts could not be sent.
    probation: bool,
    /// Why the `Active_Down_Timer` will have run out.
    cause: Reason,
    /// Since when it outranks the active router.
    outranks: Option<Duration>,
    /// The end of the startup delay.
    ready_at: Duration,
    now: Duration,
    /// When something is to be done; `timer`: the same, as told to the program.
    due: Option<Duration>,
    timer: Option<Duration>,
    totals: Totals,
}

/// The part of [`Config`] that is not about one member.
#[derive(Debug, Clone, Copy)]
struct Settings {
    priority: Priority,
    preempt: Preempt,
    startup_delay: Duration,
    linger: Duration,
    stall: Option<Duration>,
}

impl Settings {
    const fn of(config: &Config) -> Self {
        Self {
            priority: config.priority,
            preempt: config.preempt,
            startup_delay: config.startup_delay,
            linger: config.linger,
            stall: config.stall,
        }
    }
}

impl Machine {
    /// A machine that has not been started.
    ///
    /// # Errors
    ///
    /// If the protocol cannot carry the settings.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let settings = Settings::of(&config);
        let mut order: Vec<usize> = (0..config.members.len()).collect();
        order.sort_by_key(|index| {
            let member = config.members.get(*index);
            member.map(|member| (member.router, member.family(), member.version))
        });
        Ok(Self {
            config: settings,
            tracks: config.members.into_iter().map(Track::new).collect(),
            order,
            phase: Phase::Stopped,
            hold: Hold::None,
            stopping: false,
            probation: false,
            cause: Reason::Silence { last: None },
            outranks: None,
            ready_at: Duration::ZERO,
            now: Duration::ZERO,
            due: None,
            timer: None,
            totals: Totals::default(),
        })
    }

    /// Replaces the settings of a running machine; the state stays. An active router sends an
    /// advert immediately and puts its addresses in place; removing those that are no longer in the
    /// list is the program's.
    ///
    /// # Errors
    ///
    /// If the protocol cannot carry the settings, or the virtual routers are others. Nothing has
    /// changed then.
    pub fn reconfigure(
        &mut self,
        now: Duration,
        config: Config,
        actions: &mut Vec<Action>,
    ) -> Result<(), ConfigError> {
        config.check()?;
        let same = config.members.len() == self.tracks.len()
            && self
                .tracks
                .iter()
                .zip(&config.members)
                .all(|(track, member)| track.member.is_same_router(member));
        if !same {
            return Err(ConfigError::OtherRouters);
        }
        let now = self.wake(now, actions);
        let changed = self.config.priority != config.priority
            || self
                .tracks
                .iter()
                .zip(&config.members)
                .any(|(track, member)| track.member != *member);
        self.config = Settings::of(&config);
        for (track, member) in self.tracks.iter_mut().zip(config.members) {
            track.replace(member);
        }
        if changed && self.phase == Phase::Active {
            self.send_all(now, actions);
            actions.push(Action::TakeAddresses);
        }
        self.arm(actions);
        Ok(())
    }

    /// A valid advert for this member. Its fate is also counted.
    pub fn receive(
        &mut self,
        now: Duration,
        member: usize,
        received: &Received<'_>,
        actions: &mut Vec<Action>,
    ) -> Fate {
        let now = self.wake(now, actions);
        let fate = self.judge(now, member, received, actions);
        if let Some(track) = self.tracks.get_mut(member) {
            track.counters.count(fate);
        }
        self.arm(actions);
        fate
    }

    fn judge(
        &mut self,
        now: Duration,
        member: usize,
        received: &Received<'_>,
        actions: &mut Vec<Action>,
    ) -> Fate {
        let Some(track) = self.tracks.get_mut(member) else {
            return Fate::Observed;
        };
        if received.source == track.member.source {
            return Fate::Own;
        }
        if received.advert.priority != Priority::RELEASE && self.phase != Phase::Stopped {
            track.note(now, member, received, actions);
        }
        match self.phase {
            Phase::Stopped | Phase::Starting { .. } | Phase::Fault => Fate::Observed,
            Phase::Backup => self.receive_in_backup(now, member, received, actions),
            Phase::Active => self.receive_in_active(now, member, received, actions),
            Phase::Yielding { .. } => self.receive_yielding(now, member, received, actions),
            Phase::Lingering { .. } => self.receive_lingering(now, member, received, actions),
        }
    }

    /// A message for this member that the decoder refused: counts it.
    pub fn discard(&mut self, now: Duration, member: usize, error: DecodeError) {
        if let Some(track) = self.tracks.get_mut(member) {
            track.counters.discard(error, now);
        }
    }

    /// Sets the phase, and reports it if the state is another, or if this is a fault: it matters just
    /// as much before the first election.
    fn enter(&mut self, phase: Phase, reason: Reason, actions: &mut Vec<Action>) {
        let (from, to) = (self.phase.state(), phase.state());
        let is_fault = phase == Phase::Fault && self.phase != Phase::Fault;
        self.phase = phase;
        if from != to || is_fault {
            self.totals.became_active += u64::from(to == State::Active);
            self.totals.gave_up += u64::from(from == State::Active);
            actions.push(Action::Changed(Change { from, to, reason }));
        }
    }

    /// When the next timer runs out.
    fn deadline(&self) -> Option<Duration> {
        let phase = match self.phase {
            Phase::Stopped => return None,
            Phase::Starting { until } => Some(until),
            Phase::Fault => self.retry_at(),
            Phase::Backup => Some(self.claim_at()),
            Phase::Active => self.active_deadline(),
            Phase::Yielding { until } => self.yielding_deadline(until),
            Phase::Lingering { since } => Some(self.lingering_deadline(since)),
        };
        let hold = match self.hold {
            Hold::None => None,
            Hold::Yielded { until } | Hold::Claimed { until, .. } => until,
        };
        phase.into_iter().chain(hold).min()
    }

    /// Tells the program the next timer, if it is another one.
    fn arm(&mut self, actions: &mut Vec<Action>) {
        let due = self.deadline();
        if due != self.due {
            self.due = due;
            // What is due already is due now, and not late.
            self.timer = due.map(|due| due.max(self.now));
            actions.push(Action::SetTimer(self.timer));
        }
    }

    /// The longest interval of the members.
    fn interval(&self) -> Duration {
        let longest = self.tracks.iter().map(|track| track.member.interval).max();
        longest.unwrap_or(Interval::SECOND).duration()
    }

    fn has_fault(&self) -> bool {
        self.tracks.iter().any(|track| track.fault != Fault::None)
    }

    fn retry_at(&self) -> Option<Duration> {
        self.tracks
            .iter()
            .filter_map(|track| match track.fault {
                Fault::Until(at) => Some(at),
                Fault::None | Fault::Told => None,
            })
            .min()
    }
}
