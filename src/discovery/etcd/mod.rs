//! `type = "etcd"`: the keys below a prefix, a server each, by the JSON gateway of etcd 3.
//!
//! ```text
//!   list: all keys at one revision, in pages ─► watch from the next revision on ─┐
//!     ▲                                           │ silence: is all still there?  │
//!     └── compacted, lost, or not as expected ◄───┴───────────────────────────────┘
//! ```
//!
//! - **Reads are linearizable**, etcd's default: a member without a quorum answers nothing. A watch
//!   on it is only silent; so after a silence the store is asked how many keys there are.
//! - **A key that is no server makes the answer an error**, not a shorter list.
//! - **A store that went back** in its revisions, or is another one, was wiped, restored or mistaken:
//!   its list counts only after a while.

mod session;
mod wire;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use self::session::Session;
use self::wire::{Header, Kind, RangeReply, RangeRequest, WatchLine, encode, range_end};
use super::entry::{MOST, place, server};
use super::http::{Lines, Next};
use super::listed::{Answer, Answered, Asker, Listed, Place};
use crate::state::discovery::EtcdSource;
use crate::words::{count, printable};

/// The keys of a page.
const PAGE: usize = 5000;
/// How long a watch may be silent before the store is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(25);
/// The time between two answers with news: a hundred changes a second are five lists.
const PACE: Duration = Duration::from_millis(200);
/// The most lines of a watch that one answer takes in.
const LINES: usize = 10_000;
/// The first pause after an error; each one after that is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a store that went back is not believed: it may be about to be filled again.
const DOUBT: Duration = Duration::from_secs(60);
/// The longest value that can be a server, in bytes.
const LONGEST: usize = 64 << 10;
/// The longest key in a text, in characters.
const SHOWN: usize = 100;

/// What a key says.
type Said = Result<(Place, Listed), String>;

/// Asks an etcd cluster, and remembers what it said.
pub(super) struct Etcd {
    session: Session,
    prefix: String,
    /// As of `revision`.
    keys: BTreeMap<Vec<u8>, Said>,
    /// The store that is believed, with the highest revision seen.
    store: Option<Header>,
    /// Since when another store answers.
    doubted: Option<Instant>,
    /// How long it is not believed.
    doubt: Duration,
    watch: Option<Lines>,
    /// Errors since a watch last worked.
    failures: u32,
}

impl Asker for Etcd {
    fn ask(&mut self) -> Answered {
        match self.news() {
            Ok(again) => Answered {
                answer: self.answer(),
                again,
            },
            Err(why) => {
                self.watch = None;
                let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(8));
                self.failures = self.failures.saturating_add(1);
                Answered {
                    answer: Answer::Failed(why),
                    again: pause.min(LONGEST_PAUSE),
                }
            }
        }
    }
}

impl Etcd {
    pub(super) fn new(source: &EtcdSource) -> Self {
        Self {
            session: Session::new(source),
            prefix: source.prefix.clone(),
            keys: BTreeMap::new(),
            store: None,
            doubted: None,
            doubt: DOUBT,
            watch: None,
            failures: 0,
        }
    }

    /// Brings `keys` up to date: waits for news, or lists. Returns when to ask again.
    fn news(&mut self) -> Result<Duration, String> {
        if let Some(mut watch) = self.watch.take() {
            match self.wait(&mut watch) {
                Ok(again) => {
                    self.watch = Some(watch);
                    self.failures = 0;
                    return Ok(again);
                }
                Err(why) if self.failures > 0 => return Err(why),
                // The first time, a new list answers better than an error.
                Err(_) => self.failures = 1,
            }
        }
        let revision = self.list()?;
        let create = json!({
            "key": encode(self.prefix.as_bytes()),
            "range_end": encode(&range_end(self.prefix.as_bytes())),
            "start_revision": (revision + 1).to_string(),
        });
        let watch = json!({ "create_request": create });
        self.watch = Some(self.session.open("/v3/watch", &watch)?);
        Ok(PACE)
    }

    /// Lists all keys, as they were at the revision that it returns.
    fn list(&mut self) -> Result<u64, String> {
        self.keys.clear();
        let mut from = self.prefix.as_bytes().to_vec();
        let mut revision = 0;
        loop {
            let page = self.range(&from, revision, PAGE)?;
            if revision == 0 {
                self.believe(page.header)?;
                revision = page.header.revision;
                if page.count >= MOST as u64 {
                    return Err(self.too_many(page.count));
                }
            }
            let Some(last) = page.kvs.last() else {
                return Ok(revision);
            };
            // The first key after it.
            from = [&*last.key, &[0]].concat();
            for found in page.kvs {
                self.put(found.key, &found.value)?;
            }
            if !page.more {
                return Ok(revision);
            }
        }
    }

    fn range(&mut self, from: &[u8], revision: u64, limit: usize) -> Result<RangeReply, String> {
        let request = RangeRequest {
            key: encode(from),
            range_end: encode(&range_end(self.prefix.as_bytes())),
            limit,
            revision,
            count_only: limit == 0,
        };
        let request = serde_json::to_value(request).map_err(|error| error.to_string())?;
        self.session.ask("/v3/kv/range", &request)
    }

    /// Whether this store is the one that answered before, and not older than it was.
    fn believe(&mut self, header: Header) -> Result<(), String> {
        let known = self.store.unwrap_or(header);
        let is_other = header.cluster_id != known.cluster_id;
        if is_other || header.revision < known.revision {
            let since = *self.doubted.get_or_insert_with(Instant::now);
            if since.elapsed() < self.doubt {
                let what = match is_other {
                    true => "another cluster answers".to_owned(),
                    false => format!(
                        "the store went back from revision {} to {}, as if wiped or restored",
                        known.revision, header.revision
                    ),
                };
                let doubt = self.doubt.as_secs();
                return Err(format!("{what}: its list counts after {doubt}s"));
            }
        }
        self.doubted = None;
        self.store = Some(header);
        Ok(())
    }

    /// Waits for changes and takes in what is there. Returns when to ask again.
    fn wait(&mut self, watch: &mut Lines) -> Result<Duration, String> {
        let end = Instant::now() + SILENCE;
        let mut has_news = false;
        for _ in 0..LINES {
            let left = match has_news {
                true => Duration::ZERO,
                false => end.saturating_duration_since(Instant::now()),
            };
            match watch.next(left)? {
                Next::Line(line) => has_news |= self.take(&line)?,
                Next::Silence if has_news => break,
                Next::Silence => {
                    self.verify()?;
                    return Ok(Duration::ZERO);
                }
                Next::End => return Err("the watch ended".to_owned()),
            }
        }
        Ok(PACE)
    }

    /// Takes a line of a watch in; whether it had changes.
    fn take(&mut self, line: &[u8]) -> Result<bool, String> {
        let line: WatchLine = serde_json::from_slice(line)
            .map_err(|error| format!("a line that etcd does not send: {error}"))?;
        if let Some(error) = line.error {
            return Err(format!("the watch ended: {}", printable(&error.message)));
        }
        let reply = line.result.unwrap_or_default();
        if reply.canceled {
            return Err(match reply.compact_revision {
                0 => format!(
                    "the watch was canceled: {}",
                    printable(&reply.cancel_reason)
                ),
                at => format!("what changed before revision {at} is compacted"),
            });
        }
        let has_changes = !reply.events.is_empty();
        for event in reply.events {
            match event.kind {
                Kind::Put => self.put(event.kv.key, &event.kv.value)?,
                Kind::Delete => {
                    self.keys.remove(&event.kv.key);
                }
            }
        }
        if let Some(store) = self.store.as_mut().filter(|_| has_changes) {
            store.revision = store.revision.max(reply.header.revision);
        }
        Ok(has_changes)
    }

    /// After a silence: whether the store is the same one and has as many keys as are known.
    fn verify(&mut self) -> Result<(), String> {
        let prefix = self.prefix.as_bytes().to_vec();
        let counted = self.range(&prefix, 0, 0)?;
        self.believe(counted.header)?;
        match counted.count == self.keys.len() as u64 {
            true => Ok(()),
            false => Err("the watch lacks changes".to_owned()),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: &[u8]) -> Result<(), String> {
        let Some(rest) = key.strip_prefix(self.prefix.as_bytes()) else {
            return Err(format!("an answer with another key, {}", shown(&key)));
        };
        let said = server_of(rest, value);
        self.keys.insert(key, said);
        match self.keys.len() >= MOST {
            true => Err(self.too_many(MOST as u64)),
            false => Ok(()),
        }
    }

    fn too_many(&self, count: u64) -> String {
        let (prefix, most) = (printable(&self.prefix), MOST - 1);
        format!("{count} keys begin with `{prefix}`, and no pool has more than {most} servers")
    }

    /// The list, unless a key is no server.
    fn answer(&self) -> Answer {
        let wrong = self.keys.iter();
        let mut wrong = wrong.filter_map(|(key, said)| Some((key, said.as_ref().err()?)));
        if let Some((key, why)) = wrong.next() {
            let more = match wrong.count() {
                0 => String::new(),
                more => format!(
                    "; and {} that are no servers",
                    count(more, "more key", "more keys")
                ),
            };
            return Answer::Failed(format!("the key {}: {why}{more}", shown(key)));
        }
        let servers = self.keys.values().filter_map(|said| said.clone().ok());
        Answer::Servers(servers.collect())
    }
}

/// A key, for people.
fn shown(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    let short: String = text.chars().take(SHOWN).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("`{}{more}`", printable(&short))
}

/// The server of a key. `rest` is what follows the prefix: the address, if the value has none.
fn server_of(rest: &[u8], value: &[u8]) -> Said {
    if value.len() > LONGEST {
        return Err(format!("a value of {} bytes is no server", value.len()));
    }
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned());
    let (rest, value) = (text(rest)?, text(value)?.trim());
    let wrong = |error: serde_json::Error| format!("not JSON: {error}");
    match value.as_bytes().first() {
        None => Ok((place(rest)?, Listed::default())),
        Some(b'{') => {
            let table: Map<String, Value> = serde_json::from_str(value).map_err(wrong)?;
            server(&table, place(rest).ok())
        }
        Some(b'"') => {
            let address: String = serde_json::from_str(value).map_err(wrong)?;
            Ok((place(&address)?, Listed::default()))
        }
        Some(_) => Ok((place(value)?, Listed::default())),
    }
}

#[cfg(test)]
mod real;
#[cfg(test)]
mod tests;
