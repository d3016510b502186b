//! One machine on the bench: time in milliseconds, actions as text.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vrrp::codec::{AddressList, Advert, ChecksumForm, Received};
use vrrp::machine::{Action, Config, Fate, Input, Machine, Member, Phase, State};
use vrrp::{Auth, Interval, Priority, Version, VirtualRouterId};

/// The router on the bench is 10.0.0.5; others are 10.0.0.N.
pub(crate) fn host(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

pub(crate) fn virtual_addresses(count: u8) -> AddressList {
    (0..count)
        .map(|n| Ipv4Addr::new(192, 0, 2, 10 + n))
        .collect()
}

pub(crate) fn member(id: u8) -> Member {
    let id = VirtualRouterId::new(id).unwrap();
    Member::new(id, host(5), virtual_addresses(1))
}

pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) actions: Vec<Action>,
    /// What the next peers say.
    pub(crate) interval: Interval,
    pub(crate) addresses: AddressList,
    pub(crate) form: ChecksumForm,
}

impl Bench {
    /// Version 3, one second.
    pub(crate) fn new(priority: u8) -> Self {
        Self::with(Config::new(Priority(priority), member(51)))
    }

    pub(crate) fn with(config: Config) -> Self {
        Self {
            machine: Machine::new(config).unwrap(),
            actions: Vec::new(),
            interval: Interval::SECOND,
            addresses: virtual_addresses(1),
            form: ChecksumForm::PseudoHeader,
        }
    }

    /// Started and active at 3,610 ms or so, alone.
    pub(crate) fn active(config: Config) -> Self {
        let mut bench = Self::with(config);
        bench.input(0, Input::Start);
        bench.run(4000);
        assert_eq!(bench.state(), State::Active);
        bench
    }

    pub(crate) fn state(&self) -> State {
        self.machine.state()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.machine.phase()
    }

    /// The timer in milliseconds, rounded up.
    pub(crate) fn timer(&self) -> u64 {
        let nanos = self.machine.timer().unwrap().as_nanos();
        u64::try_from(nanos.div_ceil(1_000_000)).unwrap()
    }

    /// An input, and what comes of it.
    pub(crate) fn input(&mut self, ms: u64, input: Input) -> String {
        self.actions.clear();
        let now = Duration::from_millis(ms);
        self.machine.handle(now, input, &mut self.actions);
        self.text()
    }

    /// Carries out all timers up to this time, each when it is due.
    pub(crate) fn run(&mut self, until: u64) -> String {
        let mut all = Vec::new();
        while let Some(timer) = self.machine.timer()
            && timer <= Duration::from_millis(until)
        {
            self.actions.clear();
            self.machine.handle(timer, Input::Timer, &mut self.actions);
            all.extend(self.text().split("; ").map(str::to_owned));
        }
        all.retain(|text| !text.is_empty());
        all.join("; ")
    }

    /// An advert of host `from` on the first member.
    pub(crate) fn hear(&mut self, ms: u64, from: u8, priority: u8) -> Fate {
        self.hear_on(ms, 0, from, priority)
    }

    pub(crate) fn hear_on(&mut self, ms: u64, on: usize, from: u8, priority: u8) -> Fate {
        self.actions.clear();
        let received = Received {
            advert: Advert {
                version: Version::V3,
                router: VirtualRouterId::new(51).unwrap(),
                priority: Priority(priority),
                interval: self.interval,
                addresses: self.addresses.as_addresses(),
                auth: Auth::None,
            },
            source: host(from),
            form: self.form,
        };
        let now = Duration::from_millis(ms);
        let fate = self.machine.receive(now, on, &received, &mut self.actions);
        assert!(self.machine.counters(on).unwrap().fate(fate) > 0);
        fate
    }

    /// The actions of the last call, without timers.
    pub(crate) fn text(&self) -> String {
        let texts = self.actions.iter().filter_map(|action| match action {
            Action::Send { member, priority } => Some(format!("send {member} {priority}")),
            Action::TakeAddresses => Some("take".to_owned()),
            Action::Announce => Some("announce".to_owned()),
            Action::Linger => Some("linger".to_owned()),
            Action::ReleaseAddresses => Some("release".to_owned()),
            Action::SetTimer(_) => None,
            Action::Changed(change) => Some(change.to_string()),
            Action::Notice(notice) => Some(format!("({notice})")),
        });
        texts.collect::<Vec<_>>().join("; ")
    }
}
