//! `--wait`: until connections have ended, or checks pass again.
//!
//! ```text
//!   look at the director ─► over? ─► done, or it will never be
//!        ▲                   │ no: say what it waits for, when that changes
//!        └── pause ──────────┘      a director that restarts is waited for, too
//! ```

use std::collections::BTreeSet;
use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use super::args::ServerOf;
use super::exit::Exit;
use super::output::say;
use crate::control::operator::RefusalKind;
use crate::control::snapshot::ServerState;
use crate::http::api::{Server, Service, Stats, Status};
use crate::http::{Client, ClientError, query};
use crate::words::{count, printable};

/// The interval between queries.
const PAUSE: Duration = Duration::from_millis(250);

/// With more services than this, the counters of all are asked for.
const FEW: usize = 32;

/// The most servers that a line names.
const NAMED: usize = 3;

/// The servers to wait for, as typed.
pub(crate) struct Named {
    service: Option<String>,
    server: String,
    /// Whether a name stands for all servers with its address.
    machine: bool,
}

impl Named {
    pub(crate) fn of(of: &ServerOf) -> Self {
        Self {
            service: of.service.clone(),
            server: of.server.clone(),
            machine: false,
        }
    }

    pub(crate) fn machine(server: &str) -> Self {
        Self {
            service: None,
            server: server.to_owned(),
            machine: true,
        }
    }

    /// The director's state, of one service if one was named.
    fn status(&self, client: &Client) -> Result<Status, ClientError> {
        let service = self.service.iter().map(|name| ("service", &**name));
        match client.get(&format!(
            "/v1/status{}",
            query(&service.collect::<Vec<_>>())
        )) {
            // It is gone, or the director does not have it yet.
            Err(ClientError::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => {
                client.get("/v1/status")
            }
            answer => answer,
        }
    }

    /// The servers that the director means by it.
    fn in_status<'s>(&self, status: &'s Status) -> Vec<(&'s Service, &'s Server)> {
        let is_meant = |service: &&Service| {
            let is = |word: &String| *word == service.name || word.parse() == Ok(service.listen);
            self.service.as_ref().is_none_or(is)
        };
        let services = status.services.iter().filter(is_meant);
        let all = services
            .flat_map(|service| service.servers.iter().map(move |server| (service, server)));
        let mut found: Vec<_> = all.clone().filter(|(_, one)| self.means(one)).collect();
        if self.machine {
            let addresses: BTreeSet<_> = found.iter().map(|(_, one)| one.address.address).collect();
            found = all
                .filter(|(_, one)| addresses.contains(&one.address.address))
                .collect();
        }
        found
    }

    fn means(&self, server: &Server) -> bool {
        let word = self.server.as_str();
        let bare = word.trim_matches(['[', ']']);
        server.name.as_deref() == Some(word)
            || word.parse() == Ok(server.address)
            || bare.parse() == Ok(server.address.address)
    }
}

/// What a look at the director found.
enum Look {
    /// It is in order.
    Over,
    /// Not yet: what is waited for, and whether that is news.
    Waiting { what: String, news: bool },
    /// It will never be: why.
    Never(String),
}

/// Which connections to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    /// All, also those that have ended and that the kernel keeps for a while.
    All,
    /// Active ones.
    Active,
}

impl Connections {
    pub(crate) const fn of(active: bool) -> Self {
        match active {
            true => Self::Active,
            false => Self::All,
        }
    }

    /// For how long there must be none. One that opens is inactive until its handshake is over.
    const fn quiet(self) -> Duration {
        match self {
            Self::All => Duration::ZERO,
            Self::Active => Duration::from_secs(2),
        }
    }

    const fn word(self) -> [&'static str; 2] {
        match self {
            Self::All => ["connection", "connections"],
            Self::Active => ["active connection", "active connections"],
        }
    }
}

/// Waits until servers have no connections left. `setting` is what keeps new ones off.
pub(crate) fn for_connections(
    client: &Client,
    named: &Named,
    setting: &str,
    kinds: Connections,
    patience: Duration,
) -> anyhow::Result<Exit> {
    let (mut left, mut was_out, mut busy) = (None, false, usize::MAX);
    let mut quiet: Option<Instant> = None;
    let [one, many] = kinds.word();
    let look = || {
        let status = named.status(client)?;
        if status.head.loaded.is_none() {
            return Ok(starting());
        }
        let servers = named.in_status(&status);
        let is_out = |(_, server): &(&Service, &Server)| {
            let mut disabled = status.head.disabled.iter();
            server.drain.is_some()
                || server.state == ServerState::Leaving
                || disabled.any(|machine| machine.address == server.address.address)
        };
        if let Some(back) = servers.iter().find(|one| !is_out(one)).filter(|_| was_out) {
            return Ok(Look::Never(format!(
                "the {setting} of {} has ended; `director events` says why",
                shown(back)
            )));
        }
        was_out = servers.iter().all(is_out);
        let counted = connections(client, &servers, kinds)?;
        let number = counted.iter().filter(|one| **one > 0).count();
        let all: u64 = counted.iter().sum();
        left = Some(all);
        let news = number != busy && all > 0;
        busy = number;
        if all > 0 {
            quiet = None;
        } else if quiet.get_or_insert_with(Instant::now).elapsed() >= kinds.quiet() {
            return Ok(Look::Over);
        }
        Ok(Look::Waiting {
            what: format!(
                "for {} of {} to end",
                count(all, one, many),
                count(number, "server", "servers"),
            ),
            news,
        })
    };
    let waited = until(patience, look)?;
    match waited {
        Exit::Done => say!("Drained."),
        Exit::TooLate => {
            let left = left.map_or("unknown".to_owned(), |left| left.to_string());
            let waited = time(patience);
            say!(
                "director: timed out after {waited} ({many} left: {left}); the {setting} continues"
            );
        }
        _ => {}
    }
    Ok(waited)
}

/// The connections of each server. A server that is not in the kernel has none.
fn connections(
    client: &Client,
    servers: &[(&Service, &Server)],
    kinds: Connections,
) -> Result<Vec<u64>, ClientError> {
    let mut listens: Vec<String> = servers
        .iter()
        .map(|(of, _)| of.listen.to_string())
        .collect();
    listens.dedup();
    if listens.is_empty() {
        return Ok(Vec::new());
    }
    if listens.len() > FEW {
        listens.clear();
    }
    let asked: Vec<_> = listens.iter().map(|key| ("service", &**key)).collect();
    let stats: Stats = client.get(&format!("/v1/stats{}", query(&asked)))?;
    let of = |(service, server): &(&Service, &Server)| {
        let found = stats
            .services
            .iter()
            .find(|one| one.listen == service.listen);
        let servers = found.into_iter().flat_map(|found| &found.servers);
        let found = servers.filter(|one| one.address == server.address);
        found
            .map(|one| match kinds {
                Connections::All => u64::from(one.active) + u64::from(one.inactive),
                Connections::Active => u64::from(one.active),
            })
            .sum()
    };
    Ok(servers.iter().map(of).collect())
}

/// How many looks in a row a server is missing before it counts as gone from the file.
const ABSENT: u32 = 5;

/// Waits until servers serve again, or as backup servers are ready to.
pub(crate) fn for_checks(
    client: &Client,
    named: &Named,
    patience: Duration,
) -> anyhow::Result<Exit> {
    let mut told = String::new();
    let mut absent = 0;
    let look = || {
        let status = named.status(client)?;
        if status.head.loaded.is_none() {
            return Ok(starting());
        }
        let mut servers = named.in_status(&status);
        servers.retain(|(_, server)| server.state != ServerState::Leaving);
        absent = if servers.is_empty() { absent + 1 } else { 0 };
        // Just after a start the file is in force before all services are shown.
        if (1..ABSENT).contains(&absent) {
            return Ok(starting());
        }
        if servers.is_empty() {
            let word = printable(&named.server);
            return Ok(Look::Never(format!(
                "`{word}` is no longer in the file, and does not come back"
            )));
        }
        servers.retain(|(_, server)| !is_back(server));
        if servers.is_empty() {
            return Ok(Look::Over);
        }
        let what = what(&servers);
        let news = what != told;
        told.clone_from(&what);
        Ok(Look::Waiting { what, news })
    };
    let waited = until(patience, look)?;
    match waited {
        Exit::Done => say!("Up."),
        Exit::TooLate => {
            let waited = time(patience);
            let for_what = if told.is_empty() {
                String::new()
            } else {
                format!(", waiting {told}")
            };
            say!(
                "director: timed out after {waited}{for_what}; nothing was taken back: a server \
                 joins when its checks pass"
            );
        }
        _ => {}
    }
    Ok(waited)
}

/// Whether a server serves, or would if it were needed.
const fn is_back(server: &Server) -> bool {
    matches!(
        server.state,
        ServerState::Up | ServerState::Warming | ServerState::Standby
    )
}

/// What the checks of these servers lack.
fn what(servers: &[(&Service, &Server)]) -> String {
    let mut text = String::from("for ");
    for (number, one) in servers.iter().take(NAMED).enumerate() {
        let comma = if number > 0 { ", " } else { "" };
        let (state, reason) = (one.1.state.word(), printable(&one.1.reason));
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{}: {state} ({reason})", shown(one));
    }
    match servers.len().saturating_sub(NAMED) {
        0 => {}
        more => {
            let _ = write!(text, ", and {more} more");
        }
    }
    text
}

fn shown((service, server): &(&Service, &Server)) -> String {
    format!("{} {}", service.listen, server.address)
}

fn starting() -> Look {
    Look::Waiting {
        what: "for the director, which is starting".to_owned(),
        news: false,
    }
}

/// Looks until it is over or the time is. A director that restarts is waited for: its settings
/// outlive it.
fn until(
    patience: Duration,
    mut look: impl FnMut() -> Result<Look, ClientError>,
) -> anyhow::Result<Exit> {
    let end = Instant::now() + patience;
    let mut is_lost = false;
    loop {
        let found = match look() {
            Err(
                error @ (ClientError::NotRunning { .. }
                | ClientError::Lost { .. }
                | ClientError::Refused(_)),
            ) if is_passing(&error) => {
                let news = !std::mem::replace(&mut is_lost, true);
                let what = format!("for the director to answer ({error})");
                Look::Waiting { what, news }
            }
            Err(error) => return Err(error.into()),
            Ok(found) => {
                is_lost = false;
                found
            }
        };
        match found {
            Look::Over => return Ok(Exit::Done),
            Look::Never(why) => {
                say!("director: {why}");
                return Ok(Exit::Failed);
            }
            Look::Waiting { what, news: true } => say!("director: waiting {what}"),
            Look::Waiting { .. } => {}
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Exit::TooLate);
        }
        thread::sleep(PAUSE.min(left));
    }
}

/// Whether an error may pass by itself.
fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(refusal) => matches!(
            refusal.kind,
            RefusalKind::Unavailable | RefusalKind::NotFound
        ),
        ClientError::NotRunning { .. } | ClientError::Lost { .. } => true,
        _ => false,
    }
}

fn time(patience: Duration) -> String {
    match patience.subsec_millis() {
        0 => format!("{}s", patience.as_secs()),
        _ => format!("{patience:?}"),
    }
}
