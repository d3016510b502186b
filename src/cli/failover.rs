//! `director failover`: which machine holds the virtual addresses, and moving them.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::args::{Args, Failover, FailoverVerb, Move, SectionStatus, Undo};
use super::exit::Exit;
use super::hand::{ask, on_behalf_of};
use super::output::{print, say};
use crate::control::failover::{FailoverHold, FailoverRole, VirtualRouterStatus};
use crate::control::operator::FailoverDo;
use crate::http::Client;
use crate::http::api;
use crate::words::{calendar, count, printable};

/// The time between two looks while waiting.
const PACE: Duration = Duration::from_millis(100);

/// After this time, a request that has no effect has been and gone between two looks.
const UNHEARD: Duration = Duration::from_secs(3);

pub(crate) fn run(args: &Args, verb: &Failover) -> anyhow::Result<Exit> {
    if verb.is_too_much() {
        bail!("only `director failover status` prints JSON");
    }
    match &verb.verb {
        None | Some(FailoverVerb::Status(_)) => status(args, &verb.status().unwrap_or_default()),
        Some(FailoverVerb::Switchover(verb)) => operate(args, verb, FailoverDo::Switchover),
        Some(FailoverVerb::Yield(verb)) if verb.unless_restart => leave(args, &verb.of),
        Some(FailoverVerb::Yield(verb)) => operate(args, &verb.of, FailoverDo::Yield),
        Some(FailoverVerb::Claim(verb)) => operate(args, verb, FailoverDo::Claim),
        Some(FailoverVerb::Auto(verb)) => auto(args, verb),
    }
}

/// The sections with this name, or all.
fn sections(client: &Client, name: Option<&str>) -> anyhow::Result<Vec<api::Failover>> {
    let status: api::Status = client.get("/v1/status")?;
    let mut sections = status.head.failover;
    if let Some(name) = name {
        sections.retain(|section| section.name == name);
        if sections.is_empty() {
            bail!(
                "no failover section `{}`; `director failover` lists them",
                printable(name)
            );
        }
    }
    Ok(sections)
}

fn status(args: &Args, verb: &SectionStatus) -> anyhow::Result<Exit> {
    let sections = sections(&args.client()?, verb.section.as_deref())?;
    if verb.form.is_json() {
        print(&format!("{}\n", serde_json::to_string_pretty(&sections)?))?;
        return Ok(Exit::Done);
    }
    if sections.is_empty() {
        print("no failover section in the service file\n")?;
    }
    for section in &sections {
        print(&text(section))?;
    }
    Ok(Exit::Done)
}

/// A section for people.
pub(crate) fn text(section: &api::Failover) -> String {
    let mut text = format!(
        "{}: {} since {}: {}\n",
        section.name,
        section.role.word(),
        calendar(section.since),
        printable(&section.reason)
    );
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<9} {value}");
    };
    let hold = hold(section).map_or(String::new(), |hold| format!(", {hold}"));
    let declared = if section.priority == section.declared_priority {
        String::new()
    } else {
        format!(" ({} in the file)", section.declared_priority)
    };
    line("priority", format!("{}{declared}{hold}", section.priority));
    line("peer", peer(section));
    for router in &section.routers {
        line("router", member(router));
    }
    let counters = &section.counters;
    line(
        "adverts",
        format!(
            "{} sent, {} received, {} discarded, {} not sent, {} late (at most {} ms)",
            counters.sent,
            counters.received,
            counters.discarded,
            counters.send_failures,
            counters.late,
            counters.latest_us / 1000
        ),
    );
    line(
        "changes",
        format!(
            "became active {}, {}",
            count(counters.became_active, "time", "times"),
            count(counters.conflicts, "conflict", "conflicts")
        ),
    );
    text
}

/// What overrides the priorities.
pub(crate) fn hold(section: &api::Failover) -> Option<String> {
    let done = match section.hold? {
        FailoverHold::Yielded => "yielded",
        FailoverHold::Claimed => "claimed",
    };
    let Some(set) = &section.hold_set else {
        return Some(format!("{done} for a while, by director itself"));
    };
    let mut text = format!("{done} by {}", printable(&set.by));
    if let Some(reason) = &set.reason {
        let _ = write!(text, ": {}", printable(reason));
    }
    if let Some(until) = set.until {
        let _ = write!(text, ", until {}", calendar(until));
    }
    Some(text)
}

/// The router last heard.
pub(crate) fn peer(section: &api::Failover) -> String {
    section.peer.as_ref().map_or_else(
        || "none heard".to_owned(),
        |peer| {
            let addresses = count(peer.addresses, "address", "addresses");
            format!("{}, priority {}, {addresses}", peer.address, peer.priority)
        },
    )
}

fn member(router: &VirtualRouterStatus) -> String {
    let addresses: Vec<String> = router.addresses.iter().map(ToString::to_string).collect();
    let source = router
        .source
        .map_or(String::new(), |source| format!(" from {source}"));
    let fault = router.fault.as_ref().map_or(String::new(), |fault| {
        format!("; fault: {}", printable(fault))
    });
    let mac = router.virtual_mac.as_ref().map_or(String::new(), |mac| {
        format!(", virtual MAC {} on {}", mac.address, mac.interface)
    });
    format!(
        "id {} on {}{source}, VRRP {}, every {} ms: {}{mac}{fault}",
        router.id,
        router.interface,
        router.version,
        router.interval_ms,
        addresses.join(" ")
    )
}

fn operate(args: &Args, verb: &Move, action: FailoverDo) -> anyhow::Result<Exit> {
    carry_out(args, verb, action, false)
}

fn carry_out(
    args: &Args,
    verb: &Move,
    action: FailoverDo,
    until_restart: bool,
) -> anyhow::Result<Exit> {
    let client = args.client()?;
    let before = sections(&client, verb.section.as_deref())?;
    let body = api::FailoverBody {
        section: verb.section.clone(),
        action,
        until_restart,
        reason: verb.why.reason.clone(),
        for_seconds: verb.why.seconds(),
        on_behalf_of: on_behalf_of(),
    };
    let asked = ask(&client, "/v1/failover", &body)?;
    // What is not on disk is in force all the same.
    if !verb.wait || !matches!(asked, Exit::Done | Exit::NotKept) {
        return Ok(asked);
    }
    for section in before {
        let holds = match action {
            FailoverDo::Claim => true,
            FailoverDo::Yield => false,
            FailoverDo::Switchover => !section.role.holds(),
            FailoverDo::Auto => continue,
        };
        if !wait(&client, &section, holds, verb.timeout)? {
            return Ok(Exit::Failed);
        }
    }
    Ok(asked)
}

/// Ends what operators set. There is nothing to wait for: the priorities may have it stay.
fn auto(args: &Args, verb: &Undo) -> anyhow::Result<Exit> {
    let body = api::FailoverBody {
        section: verb.section.clone(),
        action: FailoverDo::Auto,
        until_restart: false,
        reason: verb.reason.clone(),
        for_seconds: None,
        on_behalf_of: on_behalf_of(),
    };
    ask(&args.client()?, "/v1/failover", &body)
}

/// Hands over, if the unit stops for good.
fn leave(args: &Args, verb: &Move) -> anyhow::Result<Exit> {
    if !is_stopping()? || sections(&args.client()?, None)?.is_empty() {
        return Ok(Exit::Done);
    }
    carry_out(args, verb, FailoverDo::Yield, true)
}

/// Whether systemd has a job to stop the unit of this process: its `ExecStop=` commands are in the
/// unit's control group. A restart is a job of its own kind.
fn is_stopping() -> anyhow::Result<bool> {
    let groups = fs::read_to_string("/proc/self/cgroup").context("cannot read `/proc`")?;
    let unit = groups
        .lines()
        .filter_map(|line| line.rsplit('/').find(|part| part.ends_with(".service")))
        .next();
    let Some(unit) = unit else { return Ok(false) };
    let jobs = Command::new("systemctl")
        .args(["list-jobs", "--full", "--plain", "--no-legend"])
        .output()
        .context("cannot run systemctl")?;
    Ok(is_stop_job(&String::from_utf8_lossy(&jobs.stdout), unit))
}

/// Whether a list of jobs has one that stops this unit.
fn is_stop_job(jobs: &str, unit: &str) -> bool {
    jobs.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(unit) && words.next() == Some("stop")
    })
}

/// Waits until a section has, or no longer has, the addresses. `false` if that does not happen.
fn wait(
    client: &Client,
    before: &api::Failover,
    holds: bool,
    timeout: Duration,
) -> anyhow::Result<bool> {
    let name = &before.name;
    let start = Instant::now();
    let mut is_held = false;
    loop {
        let now = sections(client, Some(name))?.into_iter().next();
        let Some(now) = now else { return Ok(true) };
        let done = now.role.holds() == holds;
        if done {
            print(&format!(
                "{name}: {}: {}\n",
                now.role.word(),
                printable(&now.reason)
            ))?;
            return Ok(true);
        }
        // It asked its peers, and none came.
        is_held |= now.hold.is_some();
        let is_over = now.hold.is_none() && now.role == FailoverRole::Active;
        let refused = !holds && is_over && (is_held || start.elapsed() > UNHEARD);
        if refused {
            say!("director: `{name}` stays active: no other router has taken over");
            return Ok(false);
        }
        if start.elapsed() >= timeout {
            say!(
                "director: `{name}` is still {} after {}s; it goes on",
                now.role.word(),
                timeout.as_secs()
            );
            return Ok(false);
        }
        thread::sleep(PACE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_no_stop() {
        let jobs = "12 director.service restart running\n 13 other.service stop waiting\n";
        assert!(!is_stop_job(jobs, "director.service"));
        assert!(is_stop_job(jobs, "other.service"));
        assert!(!is_stop_job("", "director.service"));
    }
}
