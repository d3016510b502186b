//! What one scrape shows, and its text piece by piece.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipvs::{ServerKey, ServiceKey, Table, TableService};

use super::text::{Family, Format, Text, labels};
use super::{process, server, service};
use crate::check::Statistics;
use crate::control::meters::Reading;
use crate::control::snapshot::{ServiceStatus, Snapshot};
use crate::state::is_private;

/// The largest number of servers, counted in every service that has them, that have series of their
/// own unless the scrape says otherwise.
pub const FEW_SERVERS: usize = 1000;

/// The services or servers of one piece.
const PIECE: usize = 256;

/// Whether servers have series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Servers {
    /// If there are at most [`FEW_SERVERS`].
    #[default]
    Few,
    /// Yes.
    All,
    /// No.
    None,
}

/// Everything that an exposition is made of.
#[derive(Debug)]
pub struct Scrape {
    /// The director's state.
    pub snapshot: Arc<Snapshot>,
    /// The kernel's tables with counters, with private and foreign services.
    pub table: Table,
    /// The number of hash buckets of the kernel's connection table, if known.
    pub buckets: Option<u32>,
    /// The director's own counters.
    pub meters: Reading,
    /// How the checks do.
    pub checks: Statistics,
    /// The services to show; `None` for all, and the director itself.
    pub services: Option<Vec<ServiceKey>>,
    /// Whether servers have series.
    pub servers: Servers,
}

/// A service with what the kernel counts.
pub(super) struct Row {
    pub(super) status: Arc<ServiceStatus>,
    /// `service="web",listen="tcp://192.0.2.10:80"`
    pub(super) labels: String,
    /// `None` if the kernel does not have it.
    pub(super) counted: Option<TableService>,
}

/// The text of a scrape, piece by piece.
pub struct Exposition {
    text: Text,
    /// The director's own families; `None` once written, or if only some services are wanted.
    director: Option<Box<process::Director>>,
    rows: Vec<Row>,
    with_servers: bool,
    stage: Stage,
}

/// What comes next: the family and its first row.
enum Stage {
    Director,
    Services(usize, usize),
    Servers(usize, usize),
    End,
    Over,
}

impl Exposition {
    /// The exposition of a scrape.
    #[must_use]
    pub fn new(scrape: Scrape, format: Format) -> Self {
        let Scrape {
            snapshot,
            table,
            buckets,
            meters,
            checks,
            services,
            servers,
        } = scrape;
        let director = services.is_none().then(|| {
            let counted = table.services.iter();
            let counted = counted.filter(|it| !is_private(&it.entry.service.key, &snapshot.marks));
            let entries = counted.flat_map(|it| &it.servers).map(server::open).sum();
            Box::new(process::Director {
                snapshot: Arc::clone(&snapshot),
                meters,
                checks,
                buckets,
                entries,
            })
        });
        let mut counted: BTreeMap<ServiceKey, TableService> = table
            .services
            .into_iter()
            .map(|counted| (counted.entry.service.key, counted))
            .collect();
        let wanted = |key: &ServiceKey| services.as_ref().is_none_or(|some| some.contains(key));
        // In order, to be searched.
        for counted in counted.values_mut() {
            counted
                .servers
                .sort_unstable_by_key(|entry| entry.server.key);
        }
        let rows: Vec<Row> = snapshot
            .services
            .iter()
            .filter(|(key, _)| wanted(key))
            .map(|(key, status)| Row {
                status: Arc::clone(status),
                labels: labels(&[("service", &status.name), ("listen", key)]),
                counted: counted.remove(key),
            })
            .collect();
        let number: usize = rows.iter().map(|row| row.status.servers.len()).sum();
        Self {
            text: Text::new(format),
            director,
            rows,
            with_servers: match servers {
                Servers::All => true,
                Servers::Few => number <= FEW_SERVERS,
                Servers::None => false,
            },
            stage: Stage::Director,
        }
    }

    /// Writes the next piece.
    fn advance(&mut self) {
        self.stage = match self.stage {
            Stage::Director => {
                if let Some(director) = self.director.take() {
                    director.write(&mut self.text);
                }
                Stage::Services(0, 0)
            }
            Stage::Services(family, from) => match service::FAMILIES.get(family) {
                Some((about, write)) => {
                    let end = self.open(about, from);
                    for row in &self.rows[from..end] {
                        write(about, row, &mut self.text);
                    }
                    self.after(family, end, Stage::Services)
                }
                None if self.with_servers => Stage::Servers(0, 0),
                None => Stage::End,
            },
            Stage::Servers(family, from) => match server::FAMILIES.get(family) {
                Some((about, write)) => {
                    let end = self.open(about, from);
                    for row in &self.rows[from..end] {
                        server::each(row, |one| write(about, one, &mut self.text));
                    }
                    self.after(family, end, Stage::Servers)
                }
                None => Stage::End,
            },
            Stage::End => {
                self.text.end();
                Stage::Over
            }
            Stage::Over => Stage::Over,
        };
    }

    /// Begins a family with its first row; returns the end of the piece.
    fn open(&mut self, family: &Family, from: usize) -> usize {
        if from == 0 {
            self.text.family(family);
        }
        self.rows.len().min(from + PIECE)
    }

    /// The stage after a piece of a family.
    fn after(&self, family: usize, end: usize, stage: fn(usize, usize) -> Stage) -> Stage {
        if end < self.rows.len() {
            stage(family, end)
        } else {
            stage(family + 1, 0)
        }
    }
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            if matches!(self.stage, Stage::Over) {
                return None;
            }
            self.advance();
            let piece = self.text.take();
            if !piece.is_empty() {
                return Some(piece);
            }
        }
    }
}

impl Row {
    /// The kernel's entry of a server.
    pub(super) fn counted(&self, server: ServerKey) -> Option<&ipvs::ServerEntry> {
        let servers = &self.counted.as_ref()?.servers;
        let place = servers.binary_search_by_key(&server, |entry| entry.server.key);
        servers.get(place.ok()?)
    }
}
