//! `director announce`: which addresses the routing daemon of this machine announces, and
//! withdrawing them.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::args::{Announce, AnnounceVerb, Args, SectionStatus, Undo, Withdraw};
use super::exit::Exit;
use super::hand::{ask, on_behalf_of};
use super::output::{print, say};
use crate::control::announce::AnnounceState;
use crate::control::operator::AnnounceDo;
use crate::http::Client;
use crate::http::api;
use crate::words::{calendar, printable};

/// The time between two looks while waiting.
const PACE: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &Args, verb: &Announce) -> anyhow::Result<Exit> {
    match &verb.verb {
        None => status(args, &SectionStatus::default()),
        Some(AnnounceVerb::Status(verb)) => status(args, verb),
        Some(AnnounceVerb::Withdraw(verb)) => withdraw(args, verb),
        Some(AnnounceVerb::Resume(verb)) => resume(args, verb),
    }
}

/// The sections with this name, or all.
fn sections(client: &Client, name: Option<&str>) -> anyhow::Result<Vec<api::Announce>> {
    let status: api::Status = client.get("/v1/status")?;
    let mut sections = status.head.announce;
    if let Some(name) = name {
        sections.retain(|section| section.name == name);
        if sections.is_empty() {
            bail!(
                "no announce section `{}`; `director announce` lists them",
                printable(name)
            );
        }
    }
    Ok(sections)
}

fn status(args: &Args, verb: &SectionStatus) -> anyhow::Result<Exit> {
    let sections = sections(&args.viewer()?, verb.section.as_deref())?;
    if verb.form.is_json() {
        print(&format!("{}\n", serde_json::to_string_pretty(&sections)?))?;
        return Ok(Exit::Done);
    }
    if sections.is_empty() {
        print("no announce section in the service file\n")?;
    }
    for section in &sections {
        print(&text(section))?;
    }
    Ok(Exit::Done)
}

/// A section for people.
fn text(section: &api::Announce) -> String {
    let mut text = format!(
        "{}: {} since {}: {}\n",
        section.name,
        section.state.word(),
        calendar(section.since),
        printable(&section.reason)
    );
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<9} {value}");
    };
    let addresses: Vec<String> = section.addresses.iter().map(ToString::to_string).collect();
    line(
        "addresses",
        format!(
            "{} on {}",
            addresses.join(" "),
            printable(&section.interface)
        ),
    );
    let health = section.healthy;
    let what = if health.servers {
        "servers"
    } else {
        "services"
    };
    line(
        "healthy",
        format!(
            "{} of {} {what}, {} needed",
            health.healthy, health.of, health.needed
        ),
    );
    if let Some(until) = section.until {
        line("held", format!("until {}", calendar(until)));
    }
    if let Some(withdrawn) = withdrawn(section) {
        line("withdrawn", withdrawn);
    }
    if let Some(trouble) = &section.trouble {
        line("TROUBLE", printable(trouble));
    }
    text
}

/// Who withdrew it, why, and until when.
fn withdrawn(section: &api::Announce) -> Option<String> {
    let set = section.withdrawn.as_ref()?;
    let mut text = format!("by {}", printable(&set.by));
    if let Some(reason) = &set.reason {
        let _ = write!(text, ": {}", printable(reason));
    }
    if let Some(until) = set.until {
        let _ = write!(text, ", until {}", calendar(until));
    }
    Some(text)
}

/// A section in one line of `status`.
pub(crate) fn line(section: &api::Announce, since: &str) -> String {
    let addresses: Vec<String> = section.addresses.iter().map(ToString::to_string).collect();
    let until = withdrawn(section)
        .and_then(|_| section.withdrawn.as_ref()?.until)
        .map_or(String::new(), |until| {
            format!(", until {}", calendar(until))
        });
    let pending = match section.in_place || section.state == AnnounceState::Waiting {
        true => "",
        false => " (not in place yet)",
    };
    let trouble = section.trouble.as_ref();
    let trouble = trouble.map_or(String::new(), |why| format!("; {}", printable(why)));
    format!(
        "announce {}: {}{pending} {since}: {}{until}; {}{trouble}",
        printable(&section.name),
        section.state.word(),
        printable(&section.reason),
        addresses.join(" ")
    )
}

fn withdraw(args: &Args, verb: &Withdraw) -> anyhow::Result<Exit> {
    let client = args.client()?;
    let body = api::AnnounceBody {
        section: verb.section.clone(),
        action: AnnounceDo::Withdraw,
        reason: verb.why.reason.clone(),
        for_seconds: verb.why.seconds(),
        on_behalf_of: on_behalf_of(),
    };
    let asked = ask(&client, "/v1/announce", &body)?;
    if !verb.wait || asked != Exit::Done {
        return Ok(asked);
    }
    let start = Instant::now();
    loop {
        let left: Vec<_> = sections(&client, verb.section.as_deref())?
            .into_iter()
            .filter(|section| section.state == AnnounceState::TakenOut && !section.in_place)
            .collect();
        let Some(first) = left.first() else {
            return Ok(Exit::Done);
        };
        if start.elapsed() >= verb.timeout {
            let trouble = first.trouble.as_ref();
            let trouble = trouble.map_or(String::new(), |why| format!(": {}", printable(why)));
            say!(
                "director: `{}` is not withdrawn after {}s{trouble}; it goes on",
                printable(&first.name),
                verb.timeout.as_secs()
            );
            return Ok(Exit::Failed);
        }
        thread::sleep(PACE);
    }
}

fn resume(args: &Args, verb: &Undo) -> anyhow::Result<Exit> {
    let body = api::AnnounceBody {
        section: verb.section.clone(),
        action: AnnounceDo::Resume,
        reason: verb.reason.clone(),
        for_seconds: None,
        on_behalf_of: on_behalf_of(),
    };
    ask(&args.client()?, "/v1/announce", &body)
}
