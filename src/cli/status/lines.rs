//! Many services: one line each.

use super::Connections;
use super::layout::{Column, Grid, Overlong};
use super::page::{self, DIM, Page};
use crate::control::snapshot::ServerState;
use crate::http::api::{Server, Service};
use crate::words::{count, printable};

/// The width of the last column from which connections are shown, if it would like to be wider.
const ROOM: usize = 32;

const PLAIN: [Column; 5] = [
    Column::new("STATE"),
    Column::new("SERVICE").shrinks(),
    Column::new("LISTEN").shrinks(),
    Column::new("UP").right(),
    Column::new("WHY"),
];

const COUNTED: [Column; 6] = [
    Column::new("STATE"),
    Column::new("SERVICE").shrinks(),
    Column::new("LISTEN").shrinks(),
    Column::new("UP").right(),
    Column::new("CONNS").right(),
    Column::new("WHY"),
];

impl Page<'_> {
    /// A line for each service.
    pub(super) fn services(&mut self, services: &[&Service], connections: &Connections) {
        let counted: Vec<Vec<String>> = services
            .iter()
            .map(|service| {
                let number = connections.of_service(service.listen);
                vec![
                    service.state.word().to_owned(),
                    printable(&service.name),
                    service.listen.to_string(),
                    format!("{}/{}", service.up, service.declared),
                    number.map_or_else(String::new, |number| number.to_string()),
                    why(service, left(service, connections)),
                ]
            })
            .collect();
        let grid = |columns: &'static [Column]| Grid {
            columns,
            margin: 0,
            overlong: Overlong::Cut,
            width: self.width,
        };
        let (room, wish) = grid(&COUNTED).room(&counted);
        let are_known = counted.iter().any(|row| !row[4].is_empty());
        let laid = if are_known && room >= wish.min(ROOM) {
            grid(&COUNTED).lay(counted)
        } else {
            let mut plain = counted;
            for row in &mut plain {
                row.remove(4);
            }
            grid(&PLAIN).lay(plain)
        };
        self.line("");
        let mut rows = laid.into_iter();
        for line in rows.next().unwrap_or_default() {
            let line = self.paint(DIM, &line);
            self.line(&line);
        }
        for (lines, service) in rows.zip(services) {
            let word = service.state.word();
            let painted = self.paint(page::service_colour(service.state), word);
            for (index, line) in lines.iter().enumerate() {
                match index {
                    0 => self.line(&line.replacen(word, &painted, 1)),
                    _ => self.line(line),
                }
            }
        }
    }
}

/// The connections of servers that are out and let them end, if there are such servers. What is no
/// longer declared says it itself.
fn left(service: &Service, connections: &Connections) -> Option<u64> {
    let servers = service.servers.iter();
    let out = servers.filter(|server| is_out(server.state) && server.weight.is_some());
    let known = out.filter_map(|server| connections.of(service.listen, server.address));
    known.fold(None, |sum, number| Some(sum.unwrap_or(0) + number))
}

const fn is_out(state: ServerState) -> bool {
    matches!(state, ServerState::Drained | ServerState::Disabled)
}

/// `app4: connection refused`; `app4 drained, 12 connections left, by root`;
/// `2 down, 1 drained, 12 connections left; app4: connection refused`.
fn why(service: &Service, left: Option<u64>) -> String {
    let mut servers: Vec<&Server> = service.servers.iter().collect();
    servers.sort_by_key(|server| server.state.rank());
    let Some(worst) = servers.iter().find(|server| !server.state.is_well()) else {
        return String::new();
    };
    let of = match &worst.name {
        Some(name) => printable(name),
        None => worst.address.to_string(),
    };
    // What a check says is at the end of the reasons of some states.
    let failing = worst
        .checks
        .iter()
        .filter(|check| check.passed == Some(false));
    let mut said = failing.filter_map(|check| check.text.as_deref());
    let said = said.find(|text| worst.reason.ends_with(text));
    let reason = printable(said.unwrap_or(&worst.reason));
    let mut tally: Vec<_> = ServerState::WORST_FIRST
        .iter()
        .filter(|state| !state.is_well())
        .filter_map(|state| Some((*service.states.get(state)?, *state, String::new())))
        .collect();
    let out = tally.iter_mut().rfind(|(_, state, _)| is_out(*state));
    if let (Some((.., after)), Some(left)) = (out, left) {
        *after = format!(", {} left", count(left, "connection", "connections"));
    }
    match tally.as_slice() {
        [(1, state, left)] => {
            let word = state.word();
            let rest = reason.strip_prefix(word);
            match rest.filter(|rest| rest.is_empty() || rest.starts_with(' ')) {
                Some(rest) if left.is_empty() || rest.is_empty() => {
                    format!("{of} {word}{left}{rest}")
                }
                Some(rest) => format!("{of} {word}{left},{rest}"),
                None => format!("{of} {word}{left}: {reason}"),
            }
        }
        all => {
            let all: Vec<_> = all
                .iter()
                .map(|(number, state, left)| format!("{number} {}{left}", state.word()))
                .collect();
            format!("{}; {of}: {reason}", all.join(", "))
        }
    }
}
