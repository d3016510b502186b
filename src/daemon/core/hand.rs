//! Operators' requests.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use ipvs::{ServiceKey, Weight};

use super::Core;
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::operator::{
    Answer, HostRequest, Note, Refusal, RefusalKind, Request, ServerRequest, Setting,
};
use crate::daemon::messages::{Member, Order, Reply};
use crate::daemon::tables::Tables;
use crate::words::{calendar, count, length};

/// The number of services settled immediately for one request; the others follow slice by slice.
const AT_ONCE: usize = 16;

impl Core {
    /// Carries out an operator's request. The answer follows once the kernel has the change, the
    /// setting is on disk, and the snapshot shows it.
    pub(super) fn request(
        &mut self,
        request: Request,
        reply: Reply,
        tables: &mut dyn Tables,
        now: Now,
    ) {
        if !self.is_ready() {
            return reply(Err(Refusal {
                kind: RefusalKind::Unavailable,
                message: "the director is starting; try again in a moment".to_owned(),
            }));
        }
        let done = match request {
            Request::Reload { force } => return self.reload(Order::asked(force), Some(reply), now),
            Request::Failover(request) => {
                return match self.operate_failover(&request, now) {
                    Err(refusal) => reply(Err(refusal)),
                    Ok(answer) => self.keep_and_answer(reply, answer, BTreeSet::new(), now),
                };
            }
            Request::Announce(request) => match self.operate_announcement(&request, now) {
                Err(refusal) => return reply(Err(refusal)),
                Ok(done) => {
                    let answer = Answer::done(done);
                    return self.keep_and_answer(reply, answer, BTreeSet::new(), now);
                }
            },
            Request::Drain(request) => self.drain(&request, now),
            Request::Undrain(request) => self.undrain(&request, now),
            Request::Weight { of, weight } => self.weigh(&of, weight, now),
            Request::Disable(request) => self.disable(&request, now),
            Request::Enable(request) => self.enable(&request, now),
        };
        match done {
            Err(refusal) => reply(Err(refusal)),
            Ok(effect) => {
                let services = services_of(&effect.members);
                let mut first: Vec<ServiceKey> = services.iter().copied().collect();
                if first.len() > AT_ONCE {
                    self.work.stale.extend(first.drain(AT_ONCE..));
                }
                self.settle(&first, tables, now);
                self.refresh(now);
                self.keep_and_answer(reply, Answer::done(effect.done), services, now);
            }
        }
    }

    fn drain(&mut self, request: &ServerRequest, now: Now) -> Handled {
        let setting = setting((), &request.note, now)?;
        let members = self.members(request)?;
        let mut after = self.settings.clone();
        for member in &members {
            let set = after.servers.entry(*member).or_default();
            set.drain.get_or_insert_with(|| setting.clone());
        }
        let forced = self.guard(request.force, &services_of(&members), &after, now)?;
        let done = self.on_members(members, now, |core, member| {
            let set = core.settings.servers.entry(member).or_default();
            if let Some(stands) = stands(set.drain.as_ref(), &(), &request.note, now) {
                return Change::Stands(format!("drained {stands}"));
            }
            set.drain = Some(setting.clone());
            Change::Made(EventKind::Drained, format!("drained{}", by(&setting)))
        });
        Ok(done.with(forced))
    }

    fn undrain(&mut self, request: &ServerRequest, now: Now) -> Handled {
        let by = &request.note.by;
        let members = self.members(request)?;
        Ok(self.on_members(members, now, |core, member| {
            let set = core.settings.servers.get_mut(&member);
            if set.and_then(|set| set.drain.take()).is_none() {
                return Change::Nothing;
            }
            core.drop_empty(member);
            core.put_back(member, now);
            Change::Made(EventKind::Undrained, format!("no longer drained, by {by}"))
        }))
    }

    fn weigh(&mut self, request: &ServerRequest, weight: Option<u32>, now: Now) -> Handled {
        let Some(weight) = weight else {
            return self.weigh_as_declared(request, now);
        };
        if Weight::new(weight).is_none() {
            return Err(invalid(format!(
                "a weight is at most {}",
                Weight::MAX.get()
            )));
        }
        let setting = setting(weight, &request.note, now)?;
        let members = self.members(request)?;
        let mut forced = Vec::new();
        if weight == 0 {
            let mut after = self.settings.clone();
            for member in &members {
                after.servers.entry(*member).or_default().weight = Some(setting.clone());
            }
            forced = self.guard(request.force, &services_of(&members), &after, now)?;
        }
        let done = self.on_members(members, now, |core, member| {
            let set = core.settings.servers.entry(member).or_default();
            if let Some(stands) = stands(set.weight.as_ref(), &weight, &request.note, now) {
                return Change::Stands(format!("weight {weight} {stands}"));
            }
            set.weight = Some(setting.clone());
            Change::Made(
                EventKind::Weight,
                format!("weight {weight}{}", by(&setting)),
            )
        });
        Ok(done.with(forced))
    }

    fn weigh_as_declared(&mut self, request: &ServerRequest, now: Now) -> Handled {
        let by = &request.note.by;
        let members = self.members(request)?;
        Ok(self.on_members(members, now, |core, member| {
            let set = core.settings.servers.get_mut(&member);
            if set.and_then(|set| set.weight.take()).is_none() {
                return Change::Nothing;
            }
            core.drop_empty(member);
            Change::Made(
                EventKind::Weight,
                format!("the declared weight again, by {by}"),
            )
        }))
    }

    fn disable(&mut self, request: &HostRequest, now: Now) -> Handled {
        let setting = setting((), &request.note, now)?;
        self.knows_machine(&request.server)?;
        let addresses = self.machine(&request.server)?;
        let mut after = self.settings.clone();
        let mut members = Vec::new();
        for address in &addresses {
            after.disabled.insert(*address, setting.clone());
            members.extend(self.members_at(*address));
        }
        let forced = self.guard(request.force, &services_of(&members), &after, now)?;
        let done = self.on_machines(addresses, now, |core, address| {
            let set = core.settings.disabled.get(&address);
            if let Some(stands) = stands(set, &(), &request.note, now) {
                return Change::Stands(format!("in maintenance {stands}"));
            }
            core.settings.disabled.insert(address, setting.clone());
            Change::Made(
                EventKind::Disabled,
                format!("in maintenance{}", by(&setting)),
            )
        });
        Ok(done.with(forced))
    }

    fn enable(&mut self, request: &HostRequest, now: Now) -> Handled {
        let by = &request.note.by;
        self.knows_machine(&request.server)?;
        let addresses = self.machine(&request.server)?;
        Ok(self.on_machines(addresses, now, |core, address| {
            if core.settings.disabled.remove(&address).is_none() {
                return Change::Nothing;
            }
            for member in core.members_at(address) {
                core.put_back(member, now);
            }
            Change::Made(EventKind::Enabled, format!("in service again, by {by}"))
        }))
    }

    /// Applies a change to each selected server.
    fn on_members(
        &mut self,
        members: Vec<Member>,
        now: Now,
        mut change: impl FnMut(&mut Self, Member) -> Change,
    ) -> Effect {
        let mut done = Vec::new();
        for member in &members {
            let (key, server) = *member;
            let text = match change(self, *member) {
                Change::Made(kind, text) => {
                    let subject = Subject::Server(key, server);
                    self.event(kind, subject, text.clone(), now);
                    text
                }
                Change::Stands(text) => text,
                Change::Nothing => "nothing was set".to_owned(),
            };
            done.push(format!("{key} {server}: {text}"));
        }
        Effect { done, members }
    }

    fn on_machines(
        &mut self,
        addresses: Vec<IpAddr>,
        now: Now,
        mut change: impl FnMut(&mut Self, IpAddr) -> Change,
    ) -> Effect {
        let mut done = Vec::new();
        let mut all = Vec::new();
        for address in addresses {
            let members = self.members_at(address);
            let servers = count(members.len(), "server", "servers");
            all.extend(members);
            done.push(match change(self, address) {
                Change::Made(kind, text) => {
                    self.event(kind, Subject::None, format!("{address} {text}"), now);
                    format!("{address}: {text} ({servers})")
                }
                Change::Stands(text) => format!("{address}: {text} ({servers})"),
                Change::Nothing => format!("{address}: was not in maintenance"),
            });
        }
        Effect { done, members: all }
    }

    /// The servers of a machine, including sorry servers.
    fn members_at(&self, address: IpAddr) -> Vec<Member> {
        let of = |(key, service): (&ServiceKey, &crate::daemon::service::ServiceState)| {
            let servers = service.servers.keys().chain(service.held_over.keys());
            let all = servers.chain(service.watch.sorry.keys());
            let there = all.filter(|server| server.address == address);
            there.map(|server| (*key, *server)).collect::<Vec<_>>()
        };
        self.services.iter().flat_map(of).collect()
    }

    /// A returning server is judged anew: it may have been replaced while it was out. One without
    /// checks is in immediately, with a small weight first if declared.
    fn put_back(&mut self, (key, server): Member, now: Now) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let length = service.watch.slow_start;
        let Some(state) = service.servers.get_mut(&server) else {
            return;
        };
        if state.checks.is_empty() {
            state.ramp = crate::daemon::server::Ramp::begin(length, now.boot).map(Box::new);
        } else {
            state.begin_anew(now);
            self.targets.begin_anew(&state.checks, &mut self.out.checks);
        }
    }

    fn drop_empty(&mut self, member: Member) {
        let set = self.settings.servers.get(&member);
        if set.is_some_and(|set| set.drain.is_none() && set.weight.is_none()) {
            self.settings.servers.remove(&member);
        }
    }

    /// Ends operators' settings that have expired.
    pub(super) fn expire(&mut self, tables: &mut dyn Tables, now: Now) {
        fn is_over<T>(setting: Option<&Setting<T>>, now: Now) -> bool {
            setting.is_some_and(|setting| setting.is_over(now.boot))
        }
        let servers = self.settings.servers.iter();
        let over: Vec<(Member, bool, bool)> = servers
            .map(|(member, set)| {
                let drain = is_over(set.drain.as_ref(), now);
                (*member, drain, is_over(set.weight.as_ref(), now))
            })
            .filter(|(_, drain, weight)| *drain || *weight)
            .collect();
        let machines = self.settings.disabled.iter();
        let enabled: Vec<IpAddr> = machines
            .filter(|(_, set)| is_over(Some(set), now))
            .map(|(address, _)| *address)
            .collect();
        let are_over = self.expire_withdrawals(now);
        if over.is_empty() && enabled.is_empty() && !are_over {
            return;
        }
        let mut services = BTreeSet::new();
        for (member, drain, weight) in over {
            let (key, server) = member;
            services.insert(key);
            if let Some(set) = self.settings.servers.get_mut(&member) {
                if drain {
                    set.drain = None;
                }
                if weight {
                    set.weight = None;
                }
            }
            if drain {
                self.put_back(member, now);
            }
            self.drop_empty(member);
            let text = "the operator's setting has expired".to_owned();
            self.event(EventKind::Expired, Subject::Server(key, server), text, now);
        }
        for address in enabled {
            self.settings.disabled.remove(&address);
            for member in self.members_at(address) {
                services.insert(member.0);
                self.put_back(member, now);
            }
            let text = format!("the maintenance of {address} has expired");
            self.event(EventKind::Expired, Subject::None, text, now);
        }
        let services: Vec<ServiceKey> = services.into_iter().collect();
        self.settle(&services, tables, now);
        self.keep(now);
    }
}

/// The effect of a request.
struct Effect {
    /// A line for each setting.
    done: Vec<String>,
    /// The servers that it was about.
    members: Vec<Member>,
}

impl Effect {
    /// The same with further lines.
    fn with(mut self, lines: Vec<String>) -> Self {
        self.done.extend(lines);
        self
    }
}

type Handled = Result<Effect, Refusal>;

fn services_of(members: &[Member]) -> BTreeSet<ServiceKey> {
    members.iter().map(|(key, _)| *key).collect()
}

/// The effect of a request on one server or machine.
enum Change {
    /// A change: the event, and its description.
    Made(EventKind, String),
    /// Already so, and unchanged.
    Stands(String),
    /// There is nothing to take back.
    Nothing,
}

pub(super) fn setting<T>(value: T, note: &Note, now: Now) -> Result<Setting<T>, Refusal> {
    let time = note.for_seconds.map(Duration::from_secs);
    if time.is_some_and(|time| time.is_zero()) {
        return Err(invalid("a time of 0 expires immediately".to_owned()));
    }
    if time.is_some_and(|time| now.wall.checked_add(time).is_none()) {
        return Err(invalid("the time is too long".to_owned()));
    }
    let ends = time.map(|time| now.boot.after(time));
    Ok(Setting {
        value,
        by: note.by.clone(),
        reason: note.reason.clone(),
        at: now.wall,
        until: ends.map(|ends| now.calendar(ends)),
        ends,
    })
}

/// Since when and by whom a setting exists, if a request adds nothing.
pub(super) fn stands<T: PartialEq>(
    set: Option<&Setting<T>>,
    value: &T,
    note: &Note,
    now: Now,
) -> Option<String> {
    let set = set.filter(|set| set.covers(value, note, now.boot))?;
    let since = set.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = set.ends.map_or(String::new(), |ends| {
        let left = now.boot.until(ends);
        format!(" ({} left)", length(left.as_secs()))
    });
    Some(format!(
        "already, since {}{}{left}",
        calendar(since.as_secs()),
        by(set)
    ))
}

pub(super) fn by<T>(setting: &Setting<T>) -> String {
    let reason = setting
        .reason
        .as_ref()
        .map_or(String::new(), |reason| format!(": {reason}"));
    format!(" by {}{reason}", setting.by)
}

fn invalid(message: String) -> Refusal {
    Refusal {
        kind: RefusalKind::Invalid,
        message,
    }
}
