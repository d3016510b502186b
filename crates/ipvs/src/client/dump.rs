//! Lists, and lists that are known to be consistent.
//!
//! The kernel writes a long list in pieces of at most 32,256 bytes (about 81 servers), takes its
//! lock anew for each piece, and finds its place again by counting entries (`ip_vs_genl_dump_*`).
//! If an entry before that place is deleted in between, the dump skips a live entry; if one is
//! added there, an entry appears twice; if the service is deleted, the list just ends. The kernel
//! marks none of this (it never sets `NLM_F_DUMP_INTR`).
//!
//! A list in one piece was written under one lock and is correct, provided it ended because there
//! was no more. If the piece was full, the entries behind it may have moved up past the resume
//! position before the kernel continued. The length of the piece tells the two cases apart
//! ([`may_be_full`]).
//!
//! Any other list is read until two consecutive readings agree in every key, every configured value
//! and the order. A writer that deletes and adds in step with us could falsify two readings alike
//! if both were cut at the same entries. Every other reading therefore uses a second socket with a
//! smaller buffer, where the kernel cuts elsewhere and would skip a different entry.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

use nix::unistd::{SysconfVar, sysconf};

use crate::error::{DecodeError, Error, Result};
use crate::model::{Server, ServerEntry, ServerKey, Service, ServiceEntry, ServiceKey, SyncDaemon};
use crate::operation::{Query, Request};
use crate::transport::Transport;
use crate::wire::{Content, Encoder};

use super::Client;
use super::channel::{Channel, MAX_LOST, SMALLER_PIECES};

/// The most readings of one list.
const MAX_READINGS: u32 = 24;

/// All services with their servers. Each list is exactly what the kernel had at some instant during
/// the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<S = ServerEntry> {
    /// The services, ordered by key.
    pub services: Vec<TableService<S>>,
}

/// A service and its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableService<S = ServerEntry> {
    /// The service.
    pub entry: ServiceEntry,
    /// Its servers in the kernel's order, last added first. The order decides which client goes
    /// where under `sh`.
    pub servers: Vec<S>,
}

impl<S> Default for Table<S> {
    fn default() -> Self {
        let services = Vec::new();
        Self { services }
    }
}

impl<S> Table<S> {
    /// The service with this key.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<&TableService<S>> {
        let place = self
            .services
            .binary_search_by_key(key, |service| service.entry.service.key);
        Some(&self.services[place.ok()?])
    }
}

/// The basis for comparing two readings: all configuration, no counters.
trait Listed {
    type Key: Eq + Hash;
    type Configured: Eq;
    fn key(&self) -> Self::Key;
    fn configured(&self) -> &Self::Configured;
}

impl Listed for Service {
    type Key = ServiceKey;
    type Configured = Self;

    fn key(&self) -> ServiceKey {
        self.key
    }

    fn configured(&self) -> &Self {
        self
    }
}

impl Listed for ServiceEntry {
    type Key = ServiceKey;
    type Configured = Service;

    fn key(&self) -> ServiceKey {
        self.service.key
    }

    fn configured(&self) -> &Service {
        &self.service
    }
}

impl Listed for ServerEntry {
    type Key = ServerKey;
    type Configured = Server;

    fn key(&self) -> ServerKey {
        self.server.key
    }

    fn configured(&self) -> &Server {
        &self.server
    }
}

/// One reading of a list.
struct Reading<E> {
    entries: Vec<E>,
    /// Whether the list came in one piece with room to spare, and so was written under one lock.
    whole: bool,
}

/// The range of lengths within which the room of one dump piece lies. `netlink_dump` allocates
/// `SKB_WITH_OVERHEAD` of a page, or of 8 KiB where pages are larger (`NLMSG_GOODSIZE`). Once the
/// socket has received something, it allocates the size of the reader's buffer, at most 32 KiB;
/// under memory pressure, a page again. The overhead depends on the kernel's configuration: 256 to
/// 896 bytes.
fn room_in_a_piece(page: Option<usize>) -> [(usize, usize); 4] {
    // Allow for both if the page size is unknown.
    let (least, most) = page.map_or((4096, 8192), |page| {
        let page = page.clamp(4096, 8192);
        (page, page)
    });
    [
        (least - 896, least - 256),
        (most - 896, most - 256),
        (SMALLER_PIECES, SMALLER_PIECES),
        (32_768 - 896, usize::MAX),
    ]
}

/// More than any entry takes: Linux 6.1 needs about 400 bytes.
const LONGEST_ENTRY: usize = 640;

/// Whether a piece of this length may have ended because the next entry did not fit.
fn may_be_full(length: usize, page: Option<usize>) -> bool {
    room_in_a_piece(page)
        .iter()
        .any(|&(least, most)| (least - LONGEST_ENTRY..=most).contains(&length))
}

fn page_size() -> Option<usize> {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten()?;
    usize::try_from(size).ok()
}

impl<T: Transport> Client<T> {
    /// All services, in the kernel's order (by hash bucket).
    ///
    /// Lists of more than about 90 services may miss some if another program adds or deletes
    /// services during the call, even in another namespace: up to Linux 6.12 at least, one table
    /// holds all namespaces' services, and `ip_vs_genl_dump_services` counts all of them. Use
    /// [`Client::table`] or [`Client::consistent_services`] if that matters.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`EPERM`](crate::Errno::EPERM) without `CAP_NET_ADMIN`;
    /// [`Error::Unsettled`] if every reading contained a duplicate.
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>> {
        self.list(Query::Services, |answer| answer.service())
    }

    /// The servers of a service in the kernel's order, last added first. Also empty if the service
    /// does not exist.
    ///
    /// Lists of more than about 80 servers may miss some if another program changes them during the
    /// call. Use [`Client::table`] or [`Client::consistent_servers`] if that matters.
    ///
    /// # Errors
    /// The same as for [`Client::services`].
    pub fn servers(&mut self, key: &ServiceKey) -> Result<Vec<ServerEntry>> {
        let family = key.family();
        self.list(Query::Servers(*key), move |answer| answer.server(family))
    }

    /// The running sync daemons: at most one master and one backup.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`EPERM`](crate::Errno::EPERM) without `CAP_NET_ADMIN`.
    pub fn daemons(&mut self) -> Result<Vec<SyncDaemon>> {
        let query = Query::Daemons;
        self.query(query, |client| {
            let Client { main, encoder, .. } = client;
            Ok(read(
                main,
                encoder,
                query,
                &|answer: &Content<'_>| answer.daemon(),
                2,
            )?
            .entries)
        })
    }

    /// All services, consistently: at some instant during the call, the kernel had exactly these.
    ///
    /// # Errors
    /// Those of [`Client::services`]; [`Error::Unsettled`] if the list changed during every
    /// reading; [`Error::OtherNamespace`] if the list is long and the thread has moved to another
    /// namespace since it connected.
    pub fn consistent_services(&mut self) -> Result<Vec<ServiceEntry>> {
        self.settle(Query::Services, |answer| answer.service())
    }

    /// The servers of a service, consistently: at some instant during the call, the service had
    /// exactly these.
    ///
    /// # Errors
    /// The same as for [`Client::consistent_services`].
    pub fn consistent_servers(&mut self, key: &ServiceKey) -> Result<Vec<ServerEntry>> {
        let family = key.family();
        self.settle(Query::Servers(*key), move |answer| answer.server(family))
    }

    /// All services with their servers. The list of services and each list of servers is exactly
    /// what the kernel had at some instant during the call. (Not all at the same instant: no
    /// request reads the whole table under one lock.)
    ///
    /// # Errors
    /// The same as for [`Client::consistent_services`].
    pub fn table(&mut self) -> Result<Table> {
        self.table_of(|entry| entry)
    }

    /// Like [`Client::table`], but stores only what `keep` makes of each server: the counters of
    /// 40,000 servers alone take 3 MB.
    ///
    /// # Errors
    /// The same as for [`Client::table`].
    pub fn table_of<S>(&mut self, mut keep: impl FnMut(ServerEntry) -> S) -> Result<Table<S>> {
        // The first reading drops the counters.
        let configured = |answer: &Content<'_>| Ok(answer.service()?.service);
        let mut before = self.read_services(false, 0, configured)?;
        let mut on_second = false;
        let mut lists = self.lists_of(&before.entries, BTreeMap::new(), &mut keep)?;
        for _ in 1..MAX_READINGS {
            if before.whole && before.entries.is_empty() {
                return Ok(Table::default());
            }
            // The services are read before and after the lists of servers. If the two readings
            // agree, they are correct, as in `settle`: more time passes between them here, but that
            // does not make it easier to falsify both alike.
            on_second = !on_second && !before.whole;
            let expected = before.entries.len();
            let now = self.read_services(on_second, expected, |answer| answer.service())?;
            if agree(&before.entries, &now.entries) && (now.whole || !has_duplicates(&now.entries))
            {
                let services = now.entries.into_iter().zip(lists);
                let mut services: Vec<_> = services
                    .map(|(entry, servers)| TableService { entry, servers })
                    .collect();
                services.sort_unstable_by_key(|service| service.entry.service.key);
                return Ok(Table { services });
            }
            let known = before.entries.iter().zip(lists);
            let known = known.map(|(service, list)| (service.key, (*service, list)));
            let known = known.collect();
            before = Reading {
                entries: now.entries.iter().map(|entry| entry.service).collect(),
                whole: now.whole,
            };
            lists = self.lists_of(&before.entries, known, &mut keep)?;
        }
        Err(Error::Unsettled {
            request: Query::Services.into(),
            attempts: MAX_READINGS,
        })
    }

    /// One reading of the services, in larger or smaller pieces.
    fn read_services<E>(
        &mut self,
        on_second: bool,
        expected: usize,
        decode: impl Fn(&Content<'_>) -> Result<E, DecodeError>,
    ) -> Result<Reading<E>> {
        let query = Query::Services;
        self.query(query, |client| {
            let Client {
                main,
                second,
                encoder,
            } = client;
            let channel = channel(main, second, on_second, query)?;
            read(channel, encoder, query, &decode, expected)
        })
    }

    /// The server lists of these services. Lists that have not changed since the last reading are
    /// not read again.
    fn lists_of<S>(
        &mut self,
        services: &[Service],
        mut known: BTreeMap<ServiceKey, (Service, Vec<S>)>,
        keep: &mut impl FnMut(ServerEntry) -> S,
    ) -> Result<Vec<Vec<S>>> {
        let mut lists = Vec::with_capacity(services.len());
        for service in services {
            let list = known.remove(&service.key);
            lists.push(match list.filter(|(before, _)| before == service) {
                Some((_, list)) => list,
                None => {
                    let list = self.consistent_servers(&service.key)?;
                    // The table keeps thousands of these, so each gets exactly the room it needs.
                    // (`collect` would keep the list's spare capacity.)
                    let mut kept = Vec::with_capacity(list.len());
                    kept.extend(list.into_iter().map(&mut *keep));
                    kept
                }
            });
        }
        Ok(lists)
    }

    /// Reads a list until no entry appears twice.
    fn list<E: Listed>(
        &mut self,
        query: Query,
        decode: impl Fn(&Content<'_>) -> Result<E, DecodeError>,
    ) -> Result<Vec<E>> {
        self.query(query, |client| {
            for _ in 0..MAX_READINGS {
                let reading = read(&mut client.main, &mut client.encoder, query, &decode, 0)?;
                if reading.whole || !has_duplicates(&reading.entries) {
                    return Ok(reading.entries);
                }
            }
            Err(Error::Unsettled {
                request: query.into(),
                attempts: MAX_READINGS,
            })
        })
    }

    /// Reads a list until it is known to be consistent.
    fn settle<E: Listed>(
        &mut self,
        query: Query,
        decode: impl Fn(&Content<'_>) -> Result<E, DecodeError>,
    ) -> Result<Vec<E>> {
        self.query(query, |client| {
            let mut before = read(&mut client.main, &mut client.encoder, query, &decode, 0)?;
            for attempt in 1..MAX_READINGS {
                if before.whole {
                    return Ok(before.entries);
                }
                let Client {
                    main,
                    second,
                    encoder,
                } = client;
                let channel = channel(main, second, attempt % 2 == 1, query)?;
                let now = read(channel, encoder, query, &decode, before.entries.len())?;
                if agree(&before.entries, &now.entries) && !has_duplicates(&now.entries) {
                    return Ok(now.entries);
                }
                before = now;
            }
            Err(Error::Unsettled {
                request: query.into(),
                attempts: MAX_READINGS,
            })
        })
    }
}

/// The channel for a reading; opens the second one on first use.
fn channel<'c, T: Transport>(
    main: &'c mut Channel<T>,
    second: &'c mut Option<Channel<T>>,
    on_second: bool,
    query: Query,
) -> Result<&'c mut Channel<T>> {
    if !on_second {
        return Ok(main);
    }
    if second.is_none() {
        *second = Some(open_second(main, query.into())?);
    }
    Ok(second.as_mut().unwrap_or(main))
}

fn open_second<T: Transport>(main: &Channel<T>, request: Request) -> Result<Channel<T>> {
    match main.transport().second() {
        Ok(Some(transport)) => Ok(Channel::new(transport, SMALLER_PIECES)),
        Ok(None) => Err(Error::OtherNamespace { request }),
        Err(source) => Err(Error::socket(request, source)),
    }
}

/// Reads a list of about `expected` entries once; starts over if part of it was lost on the way.
fn read<T: Transport, E>(
    channel: &mut Channel<T>,
    encoder: &mut Encoder,
    query: Query,
    decode: &impl Fn(&Content<'_>) -> Result<E, DecodeError>,
    expected: usize,
) -> Result<Reading<E>> {
    let mut entries = Vec::with_capacity(expected);
    for _ in 0..MAX_LOST {
        entries.clear();
        let end = channel.query_dump(encoder, query, |answer| {
            entries.push(decode(answer)?);
            Ok(())
        })?;
        if let Some(end) = end.filter(|end| !end.interrupted) {
            return Ok(Reading {
                entries,
                whole: end.pieces == 0
                    || end.pieces == 1 && !may_be_full(end.last_piece, page_size()),
            });
        }
    }
    Err(Error::AnswerLost {
        request: query.into(),
    })
}

fn agree<E: Listed>(before: &[impl Listed<Configured = E::Configured>], now: &[E]) -> bool {
    before.len() == now.len()
        && before
            .iter()
            .zip(now)
            .all(|(before, now)| before.configured() == now.configured())
}

fn has_duplicates<E: Listed>(entries: &[E]) -> bool {
    let mut keys = HashSet::with_capacity(entries.len());
    !entries.iter().all(|entry| keys.insert(entry.key()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_full_piece_is_depends_on_the_size_of_a_page() {
        for page in [None, Some(4096), Some(65_536)] {
            for full in [SMALLER_PIECES, SMALLER_PIECES - 400, 32_256, 32_256 - 400] {
                assert!(may_be_full(full, page), "{full} {page:?}");
            }
            for room in [0, 400, 2_000, 4_500, 10_000, 30_000] {
                assert!(!may_be_full(room, page), "{room} {page:?}");
            }
        }
        for (length, small, large) in [(3_776, true, false), (7_872, false, true)] {
            assert_eq!(may_be_full(length, Some(4096)), small, "{length}");
            assert_eq!(may_be_full(length, Some(65_536)), large, "{length}");
            assert!(may_be_full(length, None), "{length}");
        }
    }
}
