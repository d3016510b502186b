//! The thread that sends and receives adverts.
//!
//! ```text
//!   packets ──┐                       ┌─► adverts
//!   timer ────┼─► round: receive, ────┼─► holder: take, announce, release
//!   orders ───┘   tick, orders        └─► core: status, events
//! ```
//!
//! It waits for nothing but packets, its timer and orders: no file, no lock that others hold for
//! long, no change of an address.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use vrrp::codec::peek;
use vrrp::machine::{Input, Phase, State};

use super::clock::now;
use super::holder::{Holding, Order, Orders, Report as Held, View};
use super::message::{Command, Report};
use super::router::{Before, Router, Way};
use super::socket::{LONGEST, Received};
use super::sockets::Sockets;
use super::wake::Inbox;
use crate::control::event::EventKind;
use crate::state::failover::{Failovers, TrackFile};

/// The most packets of one socket in one round: a flood must not hold up our own adverts. Receiving
/// one takes some microseconds.
const PACKETS: usize = 64;

/// Messages handled in one round.
const MESSAGES: usize = 16;

/// The longest sleep: leases are renewed only while this thread shows that it is alive.
const PULSE: Duration = Duration::from_secs(1);

/// What reaches the thread.
pub(super) enum Message {
    Command(Command),
    Held(Held),
    /// The tracked files that fail now.
    Files(Vec<TrackFile>),
    /// End. `handover`: first wait, for a bounded time, until the peers have taken over.
    Stop {
        handover: bool,
    },
}

/// The thread's state.
pub(super) struct Runtime {
    inbox: Inbox<Message>,
    holder: Orders,
    files: Sender<Vec<TrackFile>>,
    tell: Box<dyn Fn(Report) + Send>,
    pulse: Arc<AtomicU64>,
    timer: TimerFd,
    sockets: Sockets,
    routers: BTreeMap<Arc<str>, Router>,
    declared: Arc<Failovers>,
    view: Option<View>,
    failing: Vec<TrackFile>,
    lowered: BTreeMap<Arc<str>, (u32, Option<Arc<str>>)>,
    /// For sections that are declared next.
    before: BTreeMap<Arc<str>, Before>,
    ready: bool,
    stopping: bool,
}

impl Runtime {
    pub(super) fn new(
        inbox: Inbox<Message>,
        holder: Orders,
        files: Sender<Vec<TrackFile>>,
        pulse: Arc<AtomicU64>,
        tell: impl Fn(Report) + Send + 'static,
    ) -> nix::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Self {
            inbox,
            holder,
            files,
            tell: Box::new(tell),
            pulse,
            timer: TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?,
            sockets: Sockets::default(),
            routers: BTreeMap::new(),
            declared: Arc::default(),
            view: None,
            failing: Vec::new(),
            lowered: BTreeMap::new(),
            before: BTreeMap::new(),
            ready: false,
            stopping: false,
        })
    }

    /// Until it is told to stop.
    pub(super) fn run(&mut self) {
        let mut buffer = vec![0; LONGEST];
        let mut control = nix::cmsg_space!(nix::libc::in6_pktinfo, nix::libc::c_int);
        loop {
            self.wait();
            self.beat();
            // First what has come, then the timers that it might have stopped.
            self.receive(&mut buffer, &mut control);
            self.tick();
            for message in self.inbox.take(MESSAGES) {
                if !self.handle(message) {
                    return;
                }
            }
            self.tick();
            if self.stopping && self.has_handed_over() {
                self.holder.send(Order::Stop { keep: false });
                return;
            }
        }
    }

    /// Says that this thread runs.
    fn beat(&self) {
        let now = u64::try_from(now().as_millis()).unwrap_or(u64::MAX);
        self.pulse.store(now, Ordering::Relaxed);
    }

    /// Waits for packets, messages or the next timer.
    fn wait(&self) {
        let timers = self.routers.values().filter_map(|router| router.timer);
        let next = timers.min().unwrap_or(Duration::MAX).min(now() + PULSE);
        // Zero would disarm it.
        let at = TimeSpec::from(next.max(Duration::from_nanos(1)));
        let set = self.timer.set(
            Expiration::OneShot(at),
            TimerSetTimeFlags::TFD_TIMER_ABSTIME,
        );
        let mut waits = vec![
            PollFd::new(self.timer.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.inbox.as_fd(), PollFlags::POLLIN),
        ];
        for (_, socket) in self.sockets.iter() {
            waits.push(PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        }
        // A timer that cannot be set is no reason to sleep for ever.
        let longest = if set.is_ok() {
            PollTimeout::NONE
        } else {
            PollTimeout::from(10_u8)
        };
        let _ = poll(&mut waits, longest);
    }

    fn receive(&mut self, buffer: &mut [u8], control: &mut [u8]) {
        let Self {
            sockets,
            routers,
            holder,
            tell,
            ..
        } = self;
        for (key, socket) in sockets.iter() {
            for _ in 0..PACKETS {
                let datagram = match socket.receive(buffer, control) {
                    Received::Message(datagram) => datagram,
                    Received::Junk => continue,
                    Received::Nothing | Received::Broken => break,
                };
                let Some(id) = peek(datagram.payload) else {
                    continue;
                };
                let way = Way {
                    sockets,
                    holder,
                    tell: &**tell,
                    now: now(),
                };
                let mut all = routers.values_mut();
                let known = all.find_map(|router| {
                    let member = router.member(key, id.get())?;
                    Some((member, router))
                });
                if let Some((member, router)) = known {
                    router.receive(member, &datagram, &way);
                    continue;
                }
                for router in routers.values_mut() {
                    router.foreign(key, &datagram, &way);
                }
            }
        }
    }

    fn tick(&mut self) {
        let mut alarmed = false;
        self.each(|router, way| {
            router.tick(way);
            alarmed |= router.take_alarm();
        });
        if alarmed {
            self.look_at_tracks();
        }
    }

    fn each(&mut self, mut with: impl FnMut(&mut Router, &Way<'_>)) {
        for router in self.routers.values_mut() {
            let way = Way {
                sockets: &self.sockets,
                holder: &self.holder,
                tell: &*self.tell,
                now: now(),
            };
            with(router, &way);
        }
    }

    fn on(&mut self, section: &str, with: impl FnOnce(&mut Router, &Way<'_>)) {
        if let Some(router) = self.routers.get_mut(section) {
            let way = Way {
                sockets: &self.sockets,
                holder: &self.holder,
                tell: &*self.tell,
                now: now(),
            };
            with(router, &way);
        }
    }

    /// `false`: it ends.
    fn handle(&mut self, message: Message) -> bool {
        match message {
            Message::Command(command) => self.command(command),
            Message::Held(report) => self.held(report),
            Message::Files(failing) => {
                self.failing = failing;
                self.look_at_tracks();
            }
            Message::Stop { handover: false } => {
                self.each(|router, way| router.end(way));
                self.holder.send(Order::Stop { keep: true });
                return false;
            }
            Message::Stop { handover: true } => {
                self.stopping = true;
                self.each(|router, way| router.handle(Input::StopAfterHandover, way));
            }
        }
        true
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Declare(declared) => self.declare(&declared),
            Command::Forget => self.declare(&Arc::default()),
            Command::Lower { section, by, fault } => {
                self.lowered.insert(section, (by, fault));
                self.look_at_tracks();
            }
            Command::Ready => {
                self.ready = true;
                self.each(Router::ready);
            }
            Command::Restore { section, restored } => {
                self.before.entry(section).or_default().restored = Some(restored);
            }
            Command::Careful { section, time } => {
                self.before.entry(section).or_default().careful = Some(time);
            }
            Command::MayPreempt { section, may } => {
                self.on(&section, |router, way| router.may_preempt(may, way));
            }
            Command::Shield { section, up } => self.holder.send(Order::Shield(section, up)),
            Command::Operate {
                section,
                operation,
                leaves,
            } => {
                self.on(&section, |router, way| {
                    router.operate(operation, leaves, way);
                });
            }
        }
    }

    /// The sections of another file. What did not change is not touched.
    fn declare(&mut self, declared: &Arc<Failovers>) {
        self.declared = Arc::clone(declared);
        let names: Vec<Arc<str>> = self.routers.keys().map(Arc::clone).collect();
        let view = self.view.clone().unwrap_or_default();
        for name in names {
            let wanted = declared.get(&name);
            let mut stays = false;
            if let Some(wanted) = wanted {
                self.on(&name, |router, way| {
                    stays = router.section == *wanted || router.replace(wanted, &view, way);
                });
            }
            if !stays {
                self.on(&name, |router, way| router.handle(Input::Stop, way));
                self.routers.remove(&name);
                (self.tell)(Report::Gone(name));
            }
        }
        for section in &declared.failovers {
            if self.routers.contains_key(&section.name) {
                continue;
            }
            let before = self.before.remove(&section.name).unwrap_or_default();
            match Router::new(Arc::clone(section), before, now()) {
                Ok(router) => {
                    self.routers.insert(Arc::clone(&section.name), router);
                }
                Err(why) => (self.tell)(Report::Event {
                    section: Arc::clone(&section.name),
                    kind: EventKind::FailoverFault,
                    text: format!("cannot run: {why}"),
                    on: None,
                }),
            }
        }
        self.lowered.retain(|name, _| declared.get(name).is_some());
        // The sockets first; then the holder, whose view of the interfaces starts new sections.
        self.open_sockets();
        let failovers = declared
            .failovers
            .iter()
            .map(|section| Holding::of_failover(section));
        let held = declared
            .held
            .iter()
            .map(|section| Holding::of_held(section));
        self.holder
            .send(Order::Declare(failovers.chain(held).collect()));
        let files = self
            .routers
            .values()
            .flat_map(|router| router.tracked_files());
        let _ = self.files.send(files.collect());
        self.each(|router, way| router.act(way));
    }

    fn open_sockets(&mut self) {
        let Some(view) = &self.view else { return };
        let wanted = self.routers.values().flat_map(Router::keys);
        let failures = self.sockets.adjust(wanted, view);
        for ((interface, family), why) in failures {
            let text =
                format!("cannot open the socket for {family} adverts on `{interface}`: {why}");
            (self.tell)(Report::Weakness(text));
        }
    }

    fn held(&mut self, report: Held) {
        match report {
            Held::Interfaces(view) => {
                self.view = Some(view.clone());
                self.open_sockets();
                let ready = self.ready;
                self.each(|router, way| {
                    router.interfaces(&view, way);
                    if ready && matches!(router.machine().phase(), Phase::Starting { .. }) {
                        router.ready(way);
                    }
                });
                self.look_at_tracks();
            }
            Held::Found { section, left } => self.on(&section, |router, _| router.found(left)),
            Held::Taken { section, foreign } => self.taken(&section, &foreign),
            Held::Restored {
                section,
                place,
                give_up,
            } => {
                let (address, interface) = (place.address, &place.interface);
                let end = if give_up {
                    "; it happens again and again, so director hands over if a peer is there"
                } else {
                    ""
                };
                let text = format!(
                    "another program removed {address} from `{interface}`; director put it \
                     back{end}"
                );
                self.event(&section, EventKind::FailoverAddress, text);
                if give_up {
                    self.on(&section, Router::give_up_contest);
                }
            }
            Held::Failed { section, why } => {
                self.event(&section, EventKind::FailoverAddress, why);
            }
        }
    }

    /// Addresses that were there before, and are not ours.
    fn taken(&mut self, section: &Arc<str>, foreign: &[std::net::IpAddr]) {
        if foreign.is_empty() {
            return;
        }
        let is_owner = self
            .declared
            .get(section)
            .is_some_and(|section| section.is_owner());
        let known = self
            .routers
            .get_mut(&**section)
            .map(|router| router.shown());
        let is_new = known.is_none_or(|shown| shown.foreign(foreign));
        if is_new && !is_owner {
            let all: Vec<String> = foreign.iter().map(ToString::to_string).collect();
            let text = format!(
                "{} was there before, added by another program: director leaves it alone, and \
                 does not remove it when the peer takes over",
                all.join(", ")
            );
            self.event(section, EventKind::FailoverAddress, text);
        }
    }

    fn event(&self, section: &Arc<str>, kind: EventKind, text: String) {
        (self.tell)(Report::Event {
            section: Arc::clone(section),
            kind,
            text,
            on: None,
        });
    }

    fn look_at_tracks(&mut self) {
        let Some(view) = self.view.clone() else {
            return;
        };
        let lowered = std::mem::take(&mut self.lowered);
        let failing = std::mem::take(&mut self.failing);
        self.each(|router, way| {
            let (by, fault) = lowered
                .get(&*router.section.name)
                .cloned()
                .unwrap_or_default();
            router.lower(by, fault, &failing, &view, way);
        });
        (self.lowered, self.failing) = (lowered, failing);
    }

    fn has_handed_over(&self) -> bool {
        let mut routers = self.routers.values();
        routers.all(|router| router.machine().state() != State::Active)
    }
}
