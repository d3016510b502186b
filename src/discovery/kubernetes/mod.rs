//! `type = "kubernetes"`: the endpoints of a Service, by a list of its EndpointSlices and a watch.
//!
//! ```text
//!   list, page by page ─► version N ─► watch from N ─► events ─► whole list of servers
//!     ▲  410: the pages expired           │  ▲   └─ ends after 25 s, or breaks: from the last version
//!     └── 410: N is too old; what cannot be read
//! ```
//!
//! - A watch is asked to end soon, so that one that hangs is noticed, and the next one shows the token
//!   as it is then.
//! - Bookmarks move the version on while nothing changes, so that it does not become too old.

mod access;
mod kubeconfig;
mod messages;
mod slices;
mod yaml;

use std::time::{Duration, Instant};

use self::access::Access;
use self::messages::{Event, GONE, Page, Status};
use self::slices::{SERVICE_LABEL, Slices};
use super::entry::MOST;
use super::http::{Lines, Next, Opened, Question, Reply};
use super::listed::{Answer, Answered, Asker};
use super::pace::Pace;
use super::query::Query;
use crate::state::discovery::KubernetesSource;

/// Events that follow each other within this time are one change ...
const PAUSE: Duration = Duration::from_millis(50);
/// ... but for no longer than this.
const TOGETHER: Duration = Duration::from_secs(1);
/// The slices on a page: with a hundred endpoints each, as usual, a few megabytes.
const PAGE: usize = 100;
/// The most pages of a list.
const MOST_PAGES: usize = 1_000;
/// How often a list is begun whose pages expire while they are read.
const ROUNDS: usize = 2;

#[derive(Clone, Copy)]
struct Limits {
    /// How long a watch should last.
    watch: Duration,
    /// How much later it may end.
    grace: Duration,
    /// How long a whole list may take.
    list: Duration,
}

const LIMITS: Limits = Limits {
    watch: Duration::from_secs(25),
    grace: Duration::from_secs(5),
    list: Duration::from_secs(30),
};

/// A Service, and what is known of its slices.
pub(super) struct Kubernetes {
    source: KubernetesSource,
    access: Access,
    /// `None`: a list comes first.
    known: Option<Known>,
    watch: Option<Watch>,
    pace: Pace,
    limits: Limits,
}

/// The slices at a version.
struct Known {
    version: String,
    slices: Slices,
}

struct Watch {
    lines: Lines,
    /// When it should have ended.
    end: Instant,
}

/// Why there is no list.
enum Problem {
    /// The version, or the next page, is no longer to be had.
    Gone,
    /// No answer, or one that breaks off.
    Lost(String),
    /// An error, and how long the server wants to be left alone.
    Refused(String, Option<Duration>),
    /// Something was said that cannot be understood.
    Unreadable(String),
}

impl Kubernetes {
    pub(super) fn new(source: &KubernetesSource) -> Self {
        Self {
            access: Access::new(&source.access),
            source: source.clone(),
            known: None,
            watch: None,
            pace: Pace::new(),
            limits: LIMITS,
        }
    }

    /// Reads all pages of the list.
    fn list(&mut self) -> Result<(), Problem> {
        self.watch = None;
        self.known = None;
        for _ in 0..ROUNDS {
            match self.pages() {
                Err(Problem::Gone) => {}
                Err(problem) => return Err(problem),
                Ok(known) => {
                    self.known = Some(known);
                    return Ok(());
                }
            }
        }
        let why = format!("the pages of the list expired while they were read, {ROUNDS} times");
        Err(Problem::Lost(why))
    }

    fn pages(&mut self) -> Result<Known, Problem> {
        let end = Instant::now() + self.limits.list;
        let mut slices = Slices::default();
        let mut next: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = self.slices_of_service();
            query.add("limit", &PAGE.to_string());
            if let Some(next) = &next {
                query.add("continue", next);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seconds = self.limits.list.as_secs();
                return Err(Problem::Lost(format!("no whole list within {seconds}s")));
            }
            let (http, token) = self.access.ready().map_err(Problem::Lost)?;
            let reply = http.ask(&question(query, token), left);
            let reply = reply.map_err(Problem::Lost)?;
            if reply.status != 200 {
                return Err(refusal(&reply));
            }
            let page = Page::decode(&reply.body).map_err(Problem::Unreadable)?;
            for slice in page.slices() {
                let put = slices.put(slice, &self.source);
                put.map_err(Problem::Unreadable)?;
            }
            bounded(&slices)?;
            let Some(following) = page.next() else {
                let version = page.version().to_owned();
                return Ok(Known { version, slices });
            };
            next = Some(following.to_owned());
        }
        Err(Problem::Lost(format!(
            "a list of more than {MOST_PAGES} pages"
        )))
    }

    /// Waits for events, or for the end of the watch.
    fn wait(&mut self) -> Result<(), Problem> {
        let mut watch = match self.watch.take() {
            Some(watch) => watch,
            None => self.open()?,
        };
        let mut together: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let left = watch.end.saturating_duration_since(now);
            let patience = match together {
                Some(first) if now >= first + TOGETHER => break,
                Some(_) => PAUSE,
                None if left.is_zero() => {
                    return Err(Problem::Lost(
                        "the watch hangs: it did not end in time".to_owned(),
                    ));
                }
                None => left,
            };
            match watch.lines.next(patience).map_err(Problem::Lost)? {
                Next::Silence if together.is_some() => break,
                Next::Silence => {}
                // What came is known. The next watch goes on from there.
                Next::End => return Ok(()),
                Next::Line(line) => {
                    if self.take(&line)? {
                        together.get_or_insert(now);
                    }
                }
            }
        }
        self.watch = Some(watch);
        Ok(())
    }

    /// Takes a line of a watch in; whether the slices may have changed.
    fn take(&mut self, line: &[u8]) -> Result<bool, Problem> {
        let event = Event::decode(line).map_err(Problem::Unreadable)?;
        let Some(known) = &mut self.known else {
            return Err(Problem::Gone);
        };
        match &event {
            Event::Gone => return Err(Problem::Gone),
            Event::Error(status) => return Err(Problem::Unreadable(status.shown())),
            Event::Bookmark(_) => {}
            Event::Put(slice) => {
                let put = known.slices.put(slice, &self.source);
                put.map_err(Problem::Unreadable)?;
                bounded(&known.slices)?;
            }
            Event::Delete(slice) => known.slices.remove(&slice.metadata.name),
        }
        if let Some(version) = event.version() {
            known.version = version.to_owned();
        }
        Ok(!matches!(event, Event::Bookmark(_)))
    }

    fn open(&mut self) -> Result<Watch, Problem> {
        let known = self.known.as_ref().ok_or(Problem::Gone)?;
        let mut query = self.slices_of_service();
        query.add("watch", "true");
        query.add("allowWatchBookmarks", "true");
        query.add("resourceVersion", &known.version);
        query.add("timeoutSeconds", &self.limits.watch.as_secs().to_string());
        let end = Instant::now() + self.limits.watch + self.limits.grace;
        let (http, token) = self.access.ready().map_err(Problem::Lost)?;
        let opened = http.open_any(&question(query, token));
        match opened.map_err(Problem::Lost)? {
            Opened::Lines(lines) => Ok(Watch { lines, end }),
            Opened::Refused(reply) => Err(refusal(&reply)),
        }
    }

    fn slices_of_service(&self) -> Query {
        let namespace = &self.source.namespace;
        let mut query = Query::new(&[
            "apis",
            "discovery.k8s.io",
            "v1",
            "namespaces",
            namespace,
            "endpointslices",
        ]);
        let service = &self.source.service;
        query.add("labelSelector", &format!("{SERVICE_LABEL}={service}"));
        query
    }
}

impl Asker for Kubernetes {
    fn ask(&mut self) -> Answered {
        let mut done = match self.known.is_some() {
            true => self.wait(),
            false => self.list(),
        };
        if matches!(done, Err(Problem::Gone)) {
            done = self.list();
        }
        let failed = match (done, &self.known) {
            (Ok(()), Some(known)) => {
                let answer = match known.slices.servers() {
                    Ok(servers) => Answer::Servers(servers),
                    Err(why) => Answer::Failed(why),
                };
                let again = self.pace.answered();
                return Answered { answer, again };
            }
            (Ok(()), None) => Problem::Gone,
            (Err(problem), _) => problem,
        };
        self.watch = None;
        let (why, wanted) = match failed {
            // The version still holds, if the next watch begins soon.
            Problem::Lost(why) => (why, None),
            Problem::Refused(why, wanted) => {
                self.known = None;
                (why, wanted)
            }
            Problem::Unreadable(why) => {
                self.known = None;
                (why, None)
            }
            Problem::Gone => {
                self.known = None;
                ("the API server no longer has this version".to_owned(), None)
            }
        };
        Answered {
            answer: Answer::Failed(why),
            again: self.pace.failed(wanted),
        }
    }
}

fn question(query: Query, token: Option<String>) -> Question {
    let mut question = query.get();
    question
        .headers
        .push(("accept", "application/json".to_owned()));
    let token = token.map(|token| ("authorization", format!("Bearer {token}")));
    question.headers.extend(token);
    question
}

fn bounded(slices: &Slices) -> Result<(), Problem> {
    match slices.len() >= MOST {
        true => Err(Problem::Unreadable(format!(
            "more than {} endpoints",
            MOST - 1
        ))),
        false => Ok(()),
    }
}

fn refusal(reply: &Reply) -> Problem {
    if reply.status == GONE {
        return Problem::Gone;
    }
    let wanted = reply.headers.get("retry-after");
    let wanted = wanted.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
    let why = Status::of(reply.status.as_u16(), &reply.body).shown();
    Problem::Refused(why, wanted.map(Duration::from_secs))
}

#[cfg(test)]
mod tests;
