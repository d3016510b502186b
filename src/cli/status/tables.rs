//! Services with their servers: a table for each, or all in one.

use super::Connections;
use super::layout::{Column, Grid, Overlong, flow};
use super::page::{self, BOLD, DIM, Page};
use super::why::{name, weight};
use crate::control::snapshot::ServiceState;
use crate::http::api::{Server, Service};
use crate::words::{length, printable};

/// The width of the last column from which connections are shown, if it would like to be wider.
const ROOM: usize = 28;

const PLAIN: [Column; 5] = [
    Column::new("STATE"),
    Column::new("SERVER").shrinks(),
    Column::new("WEIGHT").shrinks(),
    Column::new("SINCE"),
    Column::new("WHY"),
];

const COUNTED: [Column; 6] = [
    Column::new("STATE"),
    Column::new("SERVER").shrinks(),
    Column::new("WEIGHT").shrinks(),
    Column::new("CONNS").right(),
    Column::new("SINCE"),
    Column::new("WHY"),
];

impl Page<'_> {
    /// A table for each service.
    pub(super) fn tables(&mut self, services: &[&Service], connections: &Connections) {
        for service in services {
            self.line("");
            self.title(service);
            if service.servers.is_empty() {
                self.line("  no servers");
                continue;
            }
            let mut rows = self.rows(&[service], connections).into_iter();
            let header = rows.next().unwrap_or_default();
            self.header(&header);
            for row in rows {
                self.lines(&row);
            }
        }
    }

    /// All servers in one table, below the titles of their services.
    pub(super) fn compact(&mut self, services: &[&Service], connections: &Connections) {
        let mut rows = self.rows(services, connections).into_iter();
        let header = rows.next().unwrap_or_default();
        self.line("");
        self.header(&header);
        for service in services {
            self.title(service);
            for row in rows.by_ref().take(service.servers.len()) {
                self.lines(&row);
            }
        }
    }

    fn header(&mut self, lines: &[String]) {
        for line in lines {
            let line = self.paint(DIM, line);
            self.line(&line);
        }
    }

    fn lines(&mut self, lines: &[String]) {
        for line in lines {
            self.line(line);
        }
    }

    fn title(&mut self, service: &Service) {
        let plain = |text: String| (text.clone(), text);
        let paint = |colour: &str, text: String| {
            let painted = self.paint(colour, &text);
            (text, painted)
        };
        let mut how = service.scheduler.clone();
        if let Some(seconds) = service.persistence {
            how.push_str(&format!(", persistent {}", length(seconds.into())));
        }
        let colour = match service.state {
            // Its servers are not what is declared any more.
            ServiceState::Leaving => ServiceState::Failed,
            state => state,
        };
        let count = format!("{} of {} up", service.up, service.declared);
        let mut parts = vec![
            paint(BOLD, printable(&service.name)),
            plain(service.listen.to_string()),
            plain(how),
        ];
        if let Some(pool) = &service.pool {
            parts.push(plain(format!("pool {}", printable(pool))));
        }
        parts.push(paint(page::service_colour(colour), count));
        if let Some(quorum) = service.quorum.filter(|quorum| quorum.lost) {
            let lost = format!("QUORUM LOST: {} of {}", quorum.weight, quorum.needed);
            parts.push(paint(page::service_colour(ServiceState::Failed), lost));
        }
        if service.panic {
            let panic = format!("PANIC: keeping {} in", service.min_healthy);
            parts.push(paint(page::service_colour(ServiceState::Failed), panic));
        }
        if service.leaving {
            let leaving = "LEAVING".to_owned();
            parts.push(paint(page::service_colour(ServiceState::Leaving), leaving));
        }
        for line in flow(&parts, "  ", 4, self.width) {
            self.line(&line);
        }
    }

    /// The lines of the header and of each server. The state is the first column, so that it can be
    /// coloured after the layout.
    fn rows(&self, services: &[&Service], connections: &Connections) -> Vec<Vec<String>> {
        let servers = services.iter().flat_map(|service| {
            let listen = service.listen;
            service.servers.iter().map(move |server| (listen, server))
        });
        let servers: Vec<_> = servers.collect();
        let counted: Vec<_> = servers
            .iter()
            .map(|(listen, server)| {
                let connections = connections.of(*listen, server.address);
                let mut row = self.row(server, connections);
                let shown = connections.map_or_else(String::new, |number| number.to_string());
                row.insert(3, shown);
                row
            })
            .collect();
        let grid = |columns: &'static [Column]| Grid {
            columns,
            margin: 2,
            overlong: Overlong::Wrap,
            width: self.width,
        };
        let (room, wish) = grid(&COUNTED).room(&counted);
        let are_known = counted.iter().any(|row| !row[3].is_empty());
        let mut laid = if are_known && room >= wish.min(ROOM) {
            grid(&COUNTED).lay(counted)
        } else {
            let mut plain = counted;
            for row in &mut plain {
                row.remove(3);
            }
            grid(&PLAIN).lay(plain)
        };
        for (lines, (_, server)) in laid.iter_mut().skip(1).zip(&servers) {
            let word = server.state.word();
            let painted = self.paint(page::colour(server.state), word);
            if let Some(line) = lines.first_mut() {
                *line = line.replacen(word, &painted, 1);
            }
        }
        laid
    }

    fn row(&self, server: &Server, connections: Option<u64>) -> Vec<String> {
        // A director of an earlier version does not say it.
        let since = match server.state_since {
            0 => server.since,
            since => since,
        };
        vec![
            server.state.word().to_owned(),
            name(server),
            weight(server),
            self.since(since),
            self.why(server, connections),
        ]
    }
}
