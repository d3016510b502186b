//! Which rows a view has, and in which order: filter and sort, without formatting a row.

use std::cmp::Ordering;

use ipvs::ServiceKey;

use crate::http::api::{Event, Server, Service};
use crate::http::{Flow, Flows};

/// The column by which rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// The worst first, and then in the order of the director.
    Trouble,
    Name,
    Connections,
    /// New connections a second.
    New,
    /// Bytes a second, both directions.
    Bytes,
}

impl Sort {
    pub(super) const ALL: [Self; 5] = [
        Self::Trouble,
        Self::Name,
        Self::Connections,
        Self::New,
        Self::Bytes,
    ];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Name => "name",
            Self::Connections => "connections",
            Self::New => "new/s",
            Self::Bytes => "bytes/s",
        }
    }

    /// The key that sorts by it.
    pub(super) const fn letter(self) -> char {
        match self {
            Self::Trouble => 't',
            Self::Name => 'n',
            Self::Connections => 'c',
            Self::New => 'w',
            Self::Bytes => 'b',
        }
    }

    /// Whether it needs the counters of all rows.
    pub(super) const fn counts(self) -> bool {
        matches!(self, Self::Connections | Self::New | Self::Bytes)
    }

    /// The number to sort by, the largest first.
    const fn number(self, flow: &Flow) -> u64 {
        match self {
            Self::Trouble | Self::Name => 0,
            Self::Connections => flow.connections,
            Self::New => flow.rate.connections,
            Self::Bytes => flow.rate.bytes_in.saturating_add(flow.rate.bytes_out),
        }
    }

    /// Without counters comes last.
    fn compare(self, one: Option<Flow>, other: Option<Flow>) -> Ordering {
        let number = |flow: Option<Flow>| flow.map(|flow| self.number(&flow));
        number(other).cmp(&number(one))
    }
}

/// The words of a filter: all of them must be in a row, in any case of letters.
#[derive(Debug)]
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn new(filter: &str) -> Self {
        Self(filter.split_whitespace().map(str::to_lowercase).collect())
    }

    fn are_in<'a>(&self, texts: impl Iterator<Item = &'a str>) -> bool {
        let texts: Vec<String> = texts.map(str::to_lowercase).collect();
        let is_in = |word: &String| texts.iter().any(|text| text.contains(word.as_str()));
        self.0.iter().all(is_in)
    }

    fn lets_service(&self, service: &Service) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let listen = service.listen.to_string();
        let own = [
            service.name.as_str(),
            listen.as_str(),
            service.state.word(),
            service.scheduler.as_str(),
        ];
        let states = service.states.keys().map(|state| state.word());
        // Those with something to report: the others are not asked for.
        let servers = service.servers.iter().map(|server| {
            format!(
                "{} {}",
                server.name.as_deref().unwrap_or_default(),
                server.address
            )
        });
        let servers: Vec<String> = servers.collect();
        let servers = servers.iter().map(String::as_str);
        self.are_in(own.into_iter().chain(states).chain(servers))
    }

    fn lets_server(&self, server: &Server) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let address = server.address.to_string();
        let own = [
            server.name.as_deref().unwrap_or_default(),
            address.as_str(),
            server.state.word(),
            server.role.word(),
            server.reason.as_str(),
        ];
        self.are_in(own.into_iter())
    }

    fn lets_event(&self, event: &Event) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let listen = event.listen.map(|listen| listen.to_string());
        let server = event.server.map(|server| server.to_string());
        let own = [
            event.kind.as_str(),
            event.text.as_str(),
            event.service.as_deref().unwrap_or_default(),
            listen.as_deref().unwrap_or_default(),
            server.as_deref().unwrap_or_default(),
        ];
        self.are_in(own.into_iter())
    }
}

/// The places of the services to show.
pub(super) fn services(
    all: &[Service],
    counted: &Flows,
    words: &Words,
    sort: Sort,
    reversed: bool,
) -> Vec<usize> {
    let mut rows = let_through(all, |service| words.lets_service(service));
    let worst = |service: &Service| service.states.keys().map(|state| state.rank()).min();
    let flow = |service: &Service| counted.of((service.listen, None));
    rows.sort_by(|one, other| {
        let (one, other) = (&all[*one], &all[*other]);
        match sort {
            Sort::Trouble => (one.state, worst(one)).cmp(&(other.state, worst(other))),
            Sort::Name => one.name.cmp(&other.name),
            _ => sort.compare(flow(one), flow(other)),
        }
    });
    turned(rows, reversed)
}

/// The places of the servers to show.
pub(super) fn servers(
    service: &Service,
    counted: &Flows,
    words: &Words,
    sort: Sort,
    reversed: bool,
) -> Vec<usize> {
    let all = &service.servers;
    let listen: ServiceKey = service.listen;
    let mut rows = let_through(all, |server| words.lets_server(server));
    let flow = |server: &Server| counted.of((listen, Some(server.address)));
    rows.sort_by(|one, other| {
        let (one, other) = (&all[*one], &all[*other]);
        match sort {
            Sort::Trouble => one.state.rank().cmp(&other.state.rank()),
            Sort::Name => (&one.name, one.address).cmp(&(&other.name, other.address)),
            _ => sort.compare(flow(one), flow(other)),
        }
    });
    turned(rows, reversed)
}

/// The places of the events to show: the newest first.
pub(super) fn events(all: &[Event], words: &Words, reversed: bool) -> Vec<usize> {
    turned(let_through(all, |event| words.lets_event(event)), reversed)
}

fn let_through<T>(all: &[T], lets: impl Fn(&T) -> bool) -> Vec<usize> {
    let places = all.iter().enumerate();
    let places = places.filter(|(_, one)| lets(one));
    places.map(|(place, _)| place).collect()
}

fn turned(mut rows: Vec<usize>, reversed: bool) -> Vec<usize> {
    if reversed {
        rows.reverse();
    }
    rows
}
