//! Plain connection checks and simple HTTP checks, the most common ones, with as few system calls
//! as possible.
//!
//! ```text
//!   begin: socket, connect ──► fresh ──────────────► landed: (getsockopt if it failed), close
//!                               ▲│  poll, all at once   ▲
//!        exchange.rs: send, recv ││ after 5 ms           │ epoll
//!                                └────────► slow ───────┘
//! ```
//!
//! A live server answers within a round trip, so few connections are in progress at a time, and one
//! poll(2) over all of them costs less than registering each with epoll. Slower ones, of which
//! there may be thousands when a network is down, are registered.
//!
//! A connection for `type = "idle"` stays registered when it stands (`holds.rs`).
//!
//! Success takes three system calls and a part of a poll. The event itself says whether there is
//! an error to fetch.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use socket2::{Protocol, Socket, Type};

use super::exchange::{Exchange, PIECE};
use super::failure::{Failure, Passed};
use super::holds::{self, Holds, Lost};
use super::kind::{self, Patterns, http, idle};
use super::net::{self, Way};
use super::sources::Sources;
use super::target::Job;
use super::{Target, TargetId};
use director_config::state::health::MYSQL_PORTS;

/// A connection that takes longer than this is slow.
const FRESH: Duration = Duration::from_millis(5);

/// The most connections in one poll(2); further ones count as slow from the start.
const MOST_FRESH: usize = 128;

/// The event of a wake-up. Jobs are numbered from 1.
const WAKE: u64 = 0;

/// Connections in progress.
#[derive(Debug)]
pub(crate) struct Connects {
    epoll: Epoll,
    fresh: Vec<Flight>,
    slow: HashMap<Job, Flight>,
    deadlines: BTreeSet<(Instant, Job)>,
    events: Vec<EpollEvent>,
    /// Those that came to stay.
    holds: Holds,
    /// What the bodies of answers are looked at with.
    patterns: Patterns,
    /// The source addresses.
    sources: Arc<Sources>,
    /// Receive buffer, used by one answer after the other.
    piece: Box<[u8]>,
}

#[derive(Debug)]
struct Flight {
    job: Job,
    socket: Socket,
    began: Instant,
    timeout: Duration,
    /// The exchange after connecting; `None` if connecting is enough.
    exchange: Option<Box<Exchange>>,
    /// Whose connection it is, where it is held once it stands.
    hold: Option<(TargetId, Arc<Target>)>,
}

impl Flight {
    /// The events that it waits for.
    fn awaits(&self) -> Events {
        match &self.exchange {
            None => Events::SEND,
            Some(exchange) => Events {
                send: exchange.wants_to_send(),
                hear: exchange.wants_to_hear(),
            },
        }
    }

    fn deadline(&self) -> Instant {
        self.began + self.timeout
    }
}

/// The events that a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Events {
    send: bool,
    hear: bool,
}

impl Events {
    const SEND: Self = Self {
        send: true,
        hear: false,
    };

    fn poll(self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLOUT, self.send);
        flags.set(PollFlags::POLLIN, self.hear);
        flags
    }

    fn epoll(self) -> EpollFlags {
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLOUT, self.send);
        flags.set(EpollFlags::EPOLLIN, self.hear);
        flags
    }
}

/// A finished connection.
#[derive(Debug)]
pub(crate) struct Landed {
    pub(crate) job: Job,
    pub(crate) result: Result<Passed, Failure>,
    pub(crate) took: Duration,
}

/// The result of [`Connects::wait`] besides connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited {
    /// The time afterwards.
    pub(crate) now: Instant,
    /// Whether the wait was interrupted by a wake-up.
    pub(crate) woken: bool,
}

impl Connects {
    /// None yet, and never more than `most_held` that are held. `wake` ends a wait.
    pub(crate) fn new(wake: &EventFd, most_held: usize, sources: Arc<Sources>) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        // Edge-triggered: each write is an event, and no read is needed.
        let events = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        epoll.add(wake, EpollEvent::new(events, WAKE))?;
        Ok(Self {
            epoll,
            fresh: Vec::new(),
            slow: HashMap::new(),
            deadlines: BTreeSet::new(),
            events: vec![EpollEvent::empty(); 256],
            holds: Holds::new(most_held),
            patterns: Patterns::default(),
            sources,
            piece: vec![0; PIECE].into(),
        })
    }

    /// Begins to connect, for `hold` to keep the connection. Returns how it ended if it did at once.
    pub(crate) fn begin(
        &mut self,
        job: Job,
        target: &Arc<Target>,
        hold: Option<TargetId>,
        now: Instant,
    ) -> Option<Landed> {
        let landed = |result| {
            let took = Duration::ZERO;
            Some(Landed { job, result, took })
        };
        if hold.is_some()
            && let Err(failure) = self.holds.room()
        {
            return landed(Err(failure));
        }
        let way = Way::to(target, &self.sources);
        let socket = match way.socket(Type::STREAM, Some(Protocol::TCP)) {
            Ok(socket) => socket,
            Err(error) => return landed(Err(Failure::ours(&error))),
        };
        let exchange = http::simple(&target.spec).map(|_| Box::new(Exchange::new(target)));
        if hold.is_some() {
            idle::keep_alive(&socket, &target.spec.pace);
        } else if exchange.is_none() && MYSQL_PORTS.contains(&target.port) {
            net::stay_unseen(&socket);
        }
        let connected = match socket.connect(&way.to.into()) {
            Ok(()) => true,
            Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => false,
            Err(error) => return landed(Err(Failure::io(&error))),
        };
        let flight = Flight {
            job,
            socket,
            began: now,
            timeout: target.spec.pace.timeout,
            exchange,
            hold: hold.map(|id| (id, Arc::clone(target))),
        };
        if connected && flight.exchange.is_none() {
            return Some(self.land(flight, Ok(Passed::default()), now, false));
        }
        if self.fresh.len() < MOST_FRESH {
            self.fresh.push(flight);
            return None;
        }
        self.slow_down(flight)
    }

    /// How many connections are held.
    pub(crate) fn held(&self) -> usize {
        self.holds.len()
    }

    /// Whether the connection of a check is held.
    pub(crate) fn holds(&self, job: Job) -> bool {
        self.holds.contains(job)
    }

    /// The held connections that ended since the last call.
    pub(crate) fn take_lost(&mut self) -> Vec<Lost> {
        self.holds.take_lost()
    }

    /// Ends one whose outcome is of no interest any more.
    pub(crate) fn cancel(&mut self, job: Job) {
        if let Some(place) = self.fresh.iter().position(|flight| flight.job == job) {
            self.fresh.swap_remove(place);
        } else if let Some(flight) = self.slow.remove(&job) {
            self.deadlines.remove(&(flight.deadline(), job));
        } else {
            self.holds.release(job);
        }
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let fresh = self.fresh.iter().map(Flight::deadline);
        let slow = self.deadlines.first().map(|(at, _)| *at);
        fresh.chain(slow).min()
    }

    /// Waits until a connection finishes, a wake-up arrives, or it is `until`; `now` is the time
    /// before the wait.
    pub(crate) fn wait(
        &mut self,
        until: Option<Instant>,
        now: Instant,
        landed: &mut Vec<Landed>,
    ) -> io::Result<Waited> {
        self.sort_out(now, landed);
        let wait = until.map(|until| until.saturating_duration_since(now));
        let timeout = match wait {
            _ if !landed.is_empty() => PollTimeout::ZERO,
            None => PollTimeout::NONE,
            // Rounded up: a wait that ends too early would need another one.
            Some(wait) => {
                PollTimeout::try_from(wait + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
            }
        };
        let mut sockets = Vec::with_capacity(self.fresh.len() + 1);
        sockets.push(PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN));
        for flight in &self.fresh {
            sockets.push(PollFd::new(flight.socket.as_fd(), flight.awaits().poll()));
        }
        match poll(&mut sockets, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let events = |socket: &PollFd<'_>| socket.revents().unwrap_or(PollFlags::empty());
        let registered = !events(&sockets[0]).is_empty();
        let ready: Vec<_> = (0..)
            .zip(&sockets[1..])
            .map(|(place, socket)| (place, events(socket)))
            .filter(|(_, events)| !events.is_empty())
            .collect();
        let now = Instant::now();
        // From the back, so that indices stay valid.
        for (place, events) in ready.into_iter().rev() {
            let flight = &mut self.fresh[place];
            let connected = events == PollFlags::POLLOUT;
            if let Some(result) = flight.go_on(connected, &mut self.piece, &self.patterns) {
                let flight = self.fresh.swap_remove(place);
                landed.push(self.land(flight, result, now, false));
            }
        }
        let woken = registered && self.take_registered(now, landed)?;
        self.expire(now, landed);
        Ok(Waited { now, woken })
    }

    /// Registers connections that have become slow.
    fn sort_out(&mut self, now: Instant, landed: &mut Vec<Landed>) {
        let mut place = 0;
        while place < self.fresh.len() {
            if now.saturating_duration_since(self.fresh[place].began) < FRESH {
                place += 1;
                continue;
            }
            let flight = self.fresh.swap_remove(place);
            landed.extend(self.slow_down(flight));
        }
    }

    fn slow_down(&mut self, flight: Flight) -> Option<Landed> {
        let event = EpollEvent::new(flight.awaits().epoll(), flight.job);
        if let Err(errno) = self.epoll.add(&flight.socket, event) {
            return Some(Landed {
                job: flight.job,
                result: Err(Failure::ours(&errno.into())),
                took: Duration::ZERO,
            });
        }
        self.deadlines.insert((flight.deadline(), flight.job));
        self.slow.insert(flight.job, flight);
        None
    }

    /// Advances all ready connections: one that was left out would time out although it is done.
    /// Returns whether a wake-up arrived.
    fn take_registered(&mut self, now: Instant, landed: &mut Vec<Landed>) -> io::Result<bool> {
        let mut woken = false;
        // Those that have more to hear stay ready; the kernel shows the others first.
        let registered = self.slow.len() + self.holds.len();
        for _ in 0..=registered / self.events.len() {
            let number = match self.epoll.wait(&mut self.events, EpollTimeout::ZERO) {
                Ok(number) => number,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            for place in 0..number {
                let event = self.events[place];
                let job = event.data();
                woken |= job == WAKE;
                let Some(flight) = self.slow.get_mut(&job) else {
                    self.holds.hear(job, &mut self.piece);
                    continue;
                };
                let awaited = flight.awaits();
                let connected = event.events() == EpollFlags::EPOLLOUT;
                let result = flight.go_on(connected, &mut self.piece, &self.patterns);
                let awaits = flight.awaits();
                if result.is_none() && awaits == awaited {
                    continue;
                }
                let result = result.or_else(|| {
                    let mut event = EpollEvent::new(awaits.epoll(), job);
                    let modified = self.epoll.modify(&flight.socket, &mut event);
                    let failed = |errno: Errno| Err(Failure::ours(&errno.into()));
                    modified.err().map(failed)
                });
                // Dropping a connection closes its socket, which removes it from the set.
                if let Some(result) = result
                    && let Some(flight) = self.slow.remove(&job)
                {
                    self.deadlines.remove(&(flight.deadline(), job));
                    landed.push(self.land(flight, result, now, true));
                }
            }
            if number < self.events.len() {
                break;
            }
        }
        Ok(woken)
    }

    /// A flight is over. Where its connection is to be held it stays, in the set.
    fn land(
        &mut self,
        mut flight: Flight,
        mut result: Result<Passed, Failure>,
        now: Instant,
        registered: bool,
    ) -> Landed {
        let (job, began) = (flight.job, flight.began);
        if result.is_ok()
            && let Some(whose) = flight.hold.take()
        {
            let mut event = EpollEvent::new(holds::EVENTS, job);
            let held = self.holds.room().and_then(|()| {
                let set = match registered {
                    true => self.epoll.modify(&flight.socket, &mut event),
                    false => self.epoll.add(&flight.socket, event),
                };
                set.map_err(|errno| Failure::ours(&errno.into()))
            });
            match held {
                Ok(()) => self.holds.hold(job, flight.socket, whose),
                Err(failure) => result = Err(failure),
            }
        }
        Landed {
            job,
            result,
            took: now.saturating_duration_since(began),
        }
    }

    fn expire(&mut self, now: Instant, landed: &mut Vec<Landed>) {
        while let Some((at, job)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.remove(&(at, job));
            landed.extend(self.slow.remove(&job).map(|flight| flight.expire(now)));
        }
        let mut place = 0;
        while place < self.fresh.len() {
            if self.fresh[place].deadline() <= now {
                let flight = self.fresh.swap_remove(place);
                landed.push(flight.expire(now));
            } else {
                place += 1;
            }
        }
    }
}

impl Flight {
    /// Advances a connection after an event. Returns the result if it finished.
    fn go_on(
        &mut self,
        connected: bool,
        piece: &mut [u8],
        patterns: &Patterns,
    ) -> Option<Result<Passed, Failure>> {
        if let Some(exchange) = &mut self.exchange {
            return exchange.go_on(&self.socket, piece, patterns);
        }
        let error = if connected {
            None
        } else {
            self.socket.take_error().unwrap_or_else(Some)
        };
        // Refused is another error: this connection stood. How it ended, the read that follows says.
        let stood = |error: &io::Error| error.raw_os_error() == Some(Errno::ECONNRESET as i32);
        let error = error.filter(|error| self.hold.is_none() || !stood(error));
        Some(match error {
            None => Ok(Passed::default()),
            Some(error) => Err(Failure::io(&error)),
        })
    }

    fn expire(self, now: Instant) -> Landed {
        let exchange = self.exchange.as_deref();
        let stage = exchange.map_or(kind::CONNECTING, Exchange::stage);
        Landed {
            job: self.job,
            result: Err(kind::timed_out(self.timeout, stage)),
            took: now.saturating_duration_since(self.began),
        }
    }
}
