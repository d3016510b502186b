//! What is kept for each member: when it has to do something, and whom it heard.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use super::times::{active_down_interval, lapse, skew_time};
use super::{Action, Counters, Member, Notice, SendForm};
use crate::codec::{ChecksumForm, Received};
use crate::{Family, Interval, Priority, Version};

/// Two peers that differ would make it learn, and say so, with each advert.
const QUIET: Duration = Duration::from_secs(10);

/// The router that a member last heard claiming the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Its interval.
    pub interval: Interval,
    /// The form of its checksums.
    pub form: ChecksumForm,
    /// How many addresses it advertises.
    pub addresses: usize,
    /// When it was heard last.
    pub heard: Duration,
}

/// Another active router, while this one is active.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rival {
    pub(super) source: IpAddr,
    pub(super) since: Duration,
    pub(super) last: Duration,
    /// [`Notice::NotHeard`] was given.
    pub(super) deaf: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Until it is told to be repaired.
    Told,
    /// Adverts could not be sent; tried again at this time.
    Until(Duration),
}

#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) member: Member,
    /// `Active_Adver_Interval`.
    pub(super) active_interval: Interval,
    /// Since when the `Active_Down_Timer` runs.
    pub(super) from: Duration,
    /// It runs for `Skew_Time` only: the active router released the addresses.
    pub(super) released: bool,
    /// [`Notice::MemberSilent`] was given.
    pub(super) silent: bool,
    pub(super) peer: Option<Peer>,
    pub(super) form: ChecksumForm,
    /// When the last advert was sent; `sent_before`: the one before that.
    pub(super) sent: Duration,
    pub(super) sent_before: Duration,
    pub(super) send_failed: bool,
    /// The `Adver_Timer`.
    pub(super) next_send: Duration,
    /// When a rival was answered last.
    pub(super) answered: Option<Duration>,
    pub(super) rival: Option<Rival>,
    pub(super) fault: Fault,
    /// In a handover: when the peer was heard first; and when again, well after that.
    pub(super) taken: Option<Duration>,
    pub(super) confirmed: Option<Duration>,
    pub(super) counters: Counters,
    /// The list of a peer that differs from ours, hashed; when the next one may be compared.
    differs: Option<u64>,
    compare: Duration,
    /// No further notice of a learned interval or form before these.
    quiet_interval: Duration,
    quiet_form: Duration,
}

impl Track {
    pub(super) fn new(member: Member) -> Self {
        Self {
            active_interval: member.interval,
            from: Duration::ZERO,
            released: false,
            silent: false,
            peer: None,
            form: member.form.first(),
            sent: Duration::ZERO,
            sent_before: Duration::ZERO,
            send_failed: false,
            next_send: Duration::ZERO,
            answered: None,
            rival: None,
            fault: Fault::None,
            taken: None,
            confirmed: None,
            counters: Counters::default(),
            differs: None,
            compare: Duration::ZERO,
            quiet_interval: Duration::ZERO,
            quiet_form: Duration::ZERO,
            member,
        }
    }

    /// `Active_Down_Interval`.
    pub(super) fn down(&self, priority: Priority) -> Duration {
        active_down_interval(self.member.version, priority, self.active_interval)
    }

    /// When the `Active_Down_Timer` runs out.
    pub(super) fn down_at(&self, priority: Priority) -> Duration {
        let wait = if self.released {
            skew_time(self.member.version, priority, self.active_interval)
        } else {
            self.down(priority)
        };
        self.from.saturating_add(wait)
    }

    /// Starts the `Active_Down_Timer`.
    pub(super) const fn listen(&mut self, now: Duration) {
        self.from = now;
        self.released = false;
        self.silent = false;
    }

    /// How long our last advert holds.
    pub(super) fn lapse(&self) -> Duration {
        lapse(self.member.interval)
    }

    /// The claim is sent; `Adver_Timer` starts.
    pub(super) fn send(
        &mut self,
        now: Duration,
        member: usize,
        priority: Priority,
        actions: &mut Vec<Action>,
    ) {
        self.sent_before = self.sent;
        self.sent = now;
        self.send_failed = false;
        self.counters.sent += 1;
        self.counters.sent_releases += u64::from(priority == Priority::RELEASE);
        actions.push(Action::Send { member, priority });
    }

    /// The advert of a router that claims: remembers it, learns the interval of version 3.
    pub(super) fn follow(
        &mut self,
        now: Duration,
        index: usize,
        received: &Received<'_>,
        actions: &mut Vec<Action>,
    ) {
        let interval = received.advert.interval;
        if self.member.version == Version::V3 && self.active_interval != interval {
            self.active_interval = interval;
            if now >= self.quiet_interval {
                self.quiet_interval = now.saturating_add(QUIET);
                actions.push(Action::Notice(Notice::IntervalLearned {
                    member: index,
                    interval,
                }));
            }
        }
        self.listen(now);
    }

    /// Remembers the sender, the form of its checksum and its list of addresses.
    pub(super) fn note(
        &mut self,
        now: Duration,
        index: usize,
        received: &Received<'_>,
        actions: &mut Vec<Action>,
    ) {
        let advert = &received.advert;
        if let Some(peer) = self.peer
            && peer.source == received.source
            && now.saturating_sub(peer.heard) > peer.interval.duration() * 3 / 2
        {
            self.counters.peer_late += 1;
        }
        self.peer = Some(Peer {
            source: received.source,
            priority: advert.priority,
            interval: advert.interval,
            form: received.form,
            addresses: advert.addresses.len(),
            heard: now,
        });
        self.learn_form(now, index, received.form, actions);
        self.compare_lists(now, index, received, actions);
    }

    fn learn_form(
        &mut self,
        now: Duration,
        index: usize,
        form: ChecksumForm,
        actions: &mut Vec<Action>,
    ) {
        let has_forms = self.member.version == Version::V3 && self.member.family() == Family::V4;
        if has_forms && matches!(self.member.form, SendForm::Learn(_)) && self.form != form {
            self.form = form;
            if now >= self.quiet_form {
                self.quiet_form = now.saturating_add(QUIET);
                actions.push(Action::Notice(Notice::ChecksumLearned {
                    member: index,
                    form,
                }));
            }
        }
    }

    /// A flood of ever new lists is compared once an interval.
    fn compare_lists(
        &mut self,
        now: Duration,
        index: usize,
        received: &Received<'_>,
        actions: &mut Vec<Action>,
    ) {
        let theirs = received.advert.addresses;
        let ours = self.member.advert(Priority::RELEASE).addresses;
        let (theirs_len, ours_len) = (theirs.len(), ours.len());
        if theirs == ours {
            if self.differs.take().is_some() {
                actions.push(Action::Notice(Notice::AddressesAgree { member: index }));
            }
            return;
        }
        if now < self.compare {
            return;
        }
        let mut hasher = DefaultHasher::new();
        theirs.hash(&mut hasher);
        let hash = Some(hasher.finish());
        if hash == self.differs {
            return;
        }
        self.compare = now.saturating_add(self.member.interval.duration());
        let before = self.differs;
        if theirs.same_set(ours) {
            self.differs = None;
            if before.is_some() {
                actions.push(Action::Notice(Notice::AddressesAgree { member: index }));
            }
        } else {
            self.differs = hash;
            actions.push(Action::Notice(Notice::AddressesDiffer {
                member: index,
                theirs: theirs_len,
                ours: ours_len,
            }));
        }
    }

    /// Another list of our own: compare again.
    pub(super) fn replace(&mut self, member: Member) {
        if self.member.addresses != member.addresses {
            self.differs = None;
            self.compare = Duration::ZERO;
        }
        if self.member.form != member.form {
            self.form = member.form.first();
        }
        if self.active_interval == self.member.interval || member.version == Version::V2 {
            self.active_interval = member.interval;
        }
        self.member = member;
    }
}
