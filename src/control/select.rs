//! Which services, servers and events a question is about: the words of `status` and `events`.
//!
//! ```text
//!   web, web-*             a service or a server, by name
//!   tcp://192.0.2.10:80    a service, by listen address; also without protocol or port
//!   10.0.0.12:80           a server, by address; also without port
//! ```
//!
//! Pure.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipvs::{ServerKey, ServiceKey};

use super::event::{Event, EventKind};
use super::snapshot::{ServerState, ServerStatus, ServiceState, ServiceStatus, Snapshot};

/// A word for services or servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    text: String,
    address: Option<Address>,
}

/// The address that a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Address {
    Listen(ServiceKey),
    Socket(SocketAddr),
    Host(IpAddr),
}

impl Word {
    /// Parses a word. Any text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        let listen = text.parse().map(Address::Listen).ok();
        let address = listen
            .or_else(|| text.parse().map(Address::Socket).ok())
            .or_else(|| bare.unwrap_or(text).parse().map(Address::Host).ok());
        Self {
            text: text.to_owned(),
            address,
        }
    }

    /// Whether it is this address, with whatever port.
    fn is_host(&self, host: IpAddr) -> bool {
        match self.address {
            Some(Address::Socket(socket)) => socket.ip() == host,
            Some(Address::Host(address)) => address == host,
            Some(Address::Listen(_)) | None => false,
        }
    }

    /// Whether it is a pattern, with `*` for any characters and `?` for one.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.address.is_none() && self.text.contains(['*', '?'])
    }

    /// Whether it means this service.
    #[must_use]
    pub fn is_service(&self, key: &ServiceKey, name: Option<&str>) -> bool {
        if name == Some(self.text.as_str()) {
            return true;
        }
        match (self.address, key) {
            (Some(Address::Listen(listen)), _) => listen == *key,
            (Some(Address::Socket(socket)), ServiceKey::Address { address, port, .. }) => {
                socket.ip() == *address && socket.port() == *port
            }
            (Some(Address::Host(host)), ServiceKey::Address { address, .. }) => host == *address,
            (None, _) if self.is_pattern() => {
                name.is_some_and(|name| glob(&self.text, name))
                    || glob(&self.text, &key.to_string())
            }
            (Some(_), ServiceKey::Fwmark { .. }) | (None, _) => false,
        }
    }

    /// Whether it means this server.
    #[must_use]
    pub fn is_server(&self, key: &ServerKey, name: Option<&str>) -> bool {
        if name == Some(self.text.as_str()) {
            return true;
        }
        match self.address {
            Some(Address::Socket(socket)) => {
                socket.ip() == key.address && socket.port() == key.port
            }
            Some(Address::Host(host)) => host == key.address,
            None if self.is_pattern() => {
                name.is_some_and(|name| glob(&self.text, name))
                    || glob(&self.text, &key.to_string())
            }
            Some(Address::Listen(_)) | None => false,
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a text is as a pattern has it: `*` stands for any characters, `?` for one.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut done) = (0, 0);
    // The last `*`, and how far the text was when it stood for nothing more.
    let mut star: Option<(usize, usize)> = None;
    while done < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, done));
                at += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[done] => {
                at += 1;
                done += 1;
            }
            _ => {
                let Some((back, from)) = star else {
                    return false;
                };
                star = Some((back, from + 1));
                (at, done) = (back + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// A state that is asked for: of a server, of a service, or of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateWord {
    server: Option<ServerState>,
    service: Option<ServiceState>,
}

impl StateWord {
    /// The state of this name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let server = ServerState::WORST_FIRST.into_iter();
        let server = server.into_iter().find(|state| state.word() == word);
        let service = ServiceState::ALL.into_iter();
        let service = service.into_iter().find(|state| state.word() == word);
        (server.is_some() || service.is_some()).then_some(Self { server, service })
    }

    /// The names of all of them, those of servers first.
    #[must_use]
    pub fn all() -> Vec<&'static str> {
        let mut words: Vec<_> = ServerState::WORST_FIRST
            .iter()
            .map(|state| state.word())
            .collect();
        for state in ServiceState::ALL {
            if !words.contains(&state.word()) {
                words.push(state.word());
            }
        }
        words
    }
}

/// The services and servers that a question is about. Without any words: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Services; a word that means none is for servers.
    pub names: Vec<Word>,
    /// Services.
    pub services: Vec<Word>,
    /// Servers.
    pub servers: Vec<Word>,
    /// States.
    pub states: Vec<StateWord>,
}

/// A selected service.
#[derive(Debug, Clone)]
pub struct Selected {
    /// Its listen address.
    pub key: ServiceKey,
    /// Its status.
    pub status: Arc<ServiceStatus>,
    /// The places of its selected servers; `None` for all.
    places: Option<Box<[usize]>>,
}

impl Selected {
    /// Whether only some of its servers are selected.
    #[must_use]
    pub fn is_part(&self) -> bool {
        self.places.is_some()
    }

    /// The selected servers.
    pub fn servers(&self) -> impl Iterator<Item = &ServerStatus> {
        let all = self.places.is_none().then_some(&self.status.servers);
        let some = self.places.iter().flatten();
        let some = some.filter_map(|place| self.status.servers.get(*place));
        all.into_iter().flatten().chain(some)
    }

    /// Whether this server is selected.
    #[must_use]
    pub fn has(&self, key: &ServerKey) -> bool {
        !self.is_part() || self.servers().any(|server| server.key() == *key)
    }

    fn keep(&mut self, wanted: impl Fn(&ServerStatus) -> bool) {
        let kept = |place: &usize| self.status.servers.get(*place).is_some_and(&wanted);
        let places: Box<[usize]> = match &self.places {
            Some(places) => places.iter().copied().filter(kept).collect(),
            None => (0..self.status.servers.len()).filter(kept).collect(),
        };
        if self.is_part() || places.len() < self.status.servers.len() {
            self.places = Some(places);
        }
    }
}

/// A word that means nothing there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {what} `{word}`{}; `director status` lists them", if *.too { " and no such server" } else { "" })]
pub struct Unmatched {
    what: &'static str,
    word: Word,
    /// Whether it could have meant a server, too.
    too: bool,
}

impl Selection {
    /// Whether everything is selected.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// The selected services, in the order of the snapshot.
    ///
    /// # Errors
    /// If a word means no service and no server. States that no server is in are no error.
    pub fn of(&self, snapshot: &Snapshot) -> Result<Vec<Selected>, Unmatched> {
        let mut chosen = self.named(snapshot)?;
        if !self.services.is_empty() {
            unmatched(&self.services, "service", |word| {
                let mut services = snapshot.services.iter();
                services.any(|(key, status)| word.is_service(key, Some(&status.name)))
            })?;
            chosen.retain(|one| {
                let mut words = self.services.iter();
                words.any(|word| word.is_service(&one.key, Some(&one.status.name)))
            });
        }
        if !self.servers.is_empty() {
            unmatched(&self.servers, "server", |word| {
                let mut servers = snapshot
                    .services
                    .values()
                    .flat_map(|status| &status.servers);
                servers.any(|server| is_server(word, server))
            })?;
            for one in &mut chosen {
                one.keep(|server| self.servers.iter().any(|word| is_server(word, server)));
            }
            chosen.retain(|one| one.servers().next().is_some());
        }
        if !self.states.is_empty() {
            let in_state = |one: &mut Selected| self.keep_in_state(one);
            chosen = chosen
                .into_iter()
                .filter_map(|mut one| in_state(&mut one).then_some(one))
                .collect();
        }
        Ok(chosen)
    }

    /// Keeps the servers in one of the states; returns whether anything is left.
    fn keep_in_state(&self, one: &mut Selected) -> bool {
        let state = one.status.state();
        if self.states.iter().any(|word| word.service == Some(state)) {
            return true;
        }
        one.keep(|server| {
            let mut words = self.states.iter();
            words.any(|word| word.server == Some(server.state))
        });
        one.servers().next().is_some()
    }

    /// What the names mean: services; otherwise servers.
    fn named(&self, snapshot: &Snapshot) -> Result<Vec<Selected>, Unmatched> {
        let of_servers: Vec<&Word> = self
            .names
            .iter()
            .filter(|word| {
                let mut services = snapshot.services.iter();
                !services.any(|(key, status)| word.is_service(key, Some(&status.name)))
            })
            .collect();
        for word in &of_servers {
            let mut servers = snapshot
                .services
                .values()
                .flat_map(|status| &status.servers);
            if !servers.any(|server| is_server(word, server)) {
                return Err(Unmatched {
                    what: "service",
                    word: Word::clone(word),
                    too: true,
                });
            }
        }
        let services = snapshot.services.iter();
        Ok(services
            .filter_map(|(key, status)| {
                let mut one = Selected {
                    key: *key,
                    status: Arc::clone(status),
                    places: None,
                };
                let is_whole = |word: &Word| word.is_service(key, Some(&status.name));
                if self.names.is_empty() || self.names.iter().any(is_whole) {
                    return Some(one);
                }
                one.keep(|server| of_servers.iter().any(|word| is_server(word, server)));
                let is_any = one.servers().next().is_some();
                is_any.then_some(one)
            })
            .collect())
    }

    /// Whether a service that director does not own is meant: by a word for services, and without
    /// any other condition.
    #[must_use]
    pub fn has_foreign(&self, key: &ServiceKey) -> bool {
        let meant = |words: &[Word]| {
            words.is_empty() || words.iter().any(|word| word.is_service(key, None))
        };
        self.servers.is_empty()
            && self.states.is_empty()
            && meant(&self.names)
            && meant(&self.services)
    }
}

fn is_server(word: &Word, server: &ServerStatus) -> bool {
    word.is_server(&server.key(), server.name.as_deref())
}

fn unmatched(
    words: &[Word],
    what: &'static str,
    is_there: impl Fn(&Word) -> bool,
) -> Result<(), Unmatched> {
    match words.iter().find(|word| !is_there(word)) {
        Some(word) => Err(Unmatched {
            what,
            word: word.clone(),
            too: false,
        }),
        None => Ok(()),
    }
}

/// Which events are asked for. Without any words: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Not earlier than this, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// About these services.
    pub services: Vec<Word>,
    /// About these servers.
    pub servers: Vec<Word>,
    /// Of these kinds.
    pub kinds: Vec<EventKind>,
}

impl EventFilter {
    /// Whether an event is asked for. A server's name is looked up in the snapshot.
    #[must_use]
    pub fn takes(&self, event: &Event, snapshot: &Snapshot) -> bool {
        let is_recent = self.since_ms.is_none_or(|since| event.at_ms >= since);
        let is_kind = self.kinds.is_empty() || self.kinds.contains(&event.kind);
        is_recent && is_kind && self.is_service(event) && self.is_server(event, snapshot)
    }

    fn is_service(&self, event: &Event) -> bool {
        let mut words = self.services.iter();
        self.services.is_empty()
            || event.listen.is_some_and(|listen| {
                words.any(|word| word.is_service(&listen, event.service.as_deref()))
            })
    }

    fn is_server(&self, event: &Event, snapshot: &Snapshot) -> bool {
        if self.servers.is_empty() {
            return true;
        }
        let Some(server) = event.server else {
            return self.is_machine(event, snapshot);
        };
        let name = event.listen.and_then(|listen| {
            let servers = &snapshot.services.get(&listen)?.servers;
            let mut servers = servers.iter();
            servers.find(|one| one.key() == server)?.name.as_deref()
        });
        self.servers
            .iter()
            .any(|word| word.is_server(&server, name))
    }

    /// Whether it is about a machine that is meant: its text has the address.
    fn is_machine(&self, event: &Event, snapshot: &Snapshot) -> bool {
        use EventKind::{Disabled, Enabled, Expired};
        if !matches!(event.kind, Disabled | Enabled | Expired) {
            return false;
        }
        let Some(machine) = event.text.split(' ').find_map(|word| word.parse().ok()) else {
            return false;
        };
        self.servers.iter().any(|word| {
            let mut servers = snapshot
                .services
                .values()
                .flat_map(|status| &status.servers);
            word.is_host(machine)
                || servers.any(|server| server.key().address == machine && is_server(word, server))
        })
    }
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
