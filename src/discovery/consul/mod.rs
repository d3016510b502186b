//! `type = "consul"`: the instances of a service, as `/v1/health/service/NAME` lists them.
//!
//! ```text
//!   index 0 ─► whole list, index N ─► waits at Consul until N moved, or for 25 s ─► whole list
//! ```
//!
//! - An index that goes back, and any failure, start at 0 again. It also moves for other changes, so the
//!   list counts, not the index.
//! - Consul leaves out what a token may not read, and answers 200 all the same: such a list is none.
//! - With `max_stale` any server of Consul may answer, but only if it heard of a leader recently.

mod entries;

use std::time::Duration;

use super::http::{Http, Question, Reply};
use super::listed::{Answer, Answered, Asker, Listed, Place};
use super::pace::Pace;
use super::query::Query;
use super::secret;
use crate::state::discovery::ConsulSource;
use crate::words::printable;

/// The longest part of an error's text that is shown, in characters.
const SHOWN: usize = 200;

/// A service, and the index of its last list.
pub(super) struct Consul {
    source: ConsulSource,
    /// Made for the first question.
    http: Option<Http>,
    /// 0: do not wait.
    index: u64,
    pace: Pace,
    limits: Limits,
}

#[derive(Clone, Copy)]
struct Limits {
    /// How long Consul should wait for news.
    wait: Duration,
    /// How long an answer may take beyond that. Consul adds up to a sixteenth of the wait by itself.
    grace: Duration,
}

const LIMITS: Limits = Limits {
    wait: Duration::from_secs(25),
    grace: Duration::from_secs(5),
};

/// Why there is no list.
enum Unusable {
    /// There may be one the next time: when Consul asked to be asked.
    Failed(String, Option<Duration>),
    /// What it lists is wrong, until it changes.
    Wrong(String),
}

impl Consul {
    pub(super) fn new(source: &ConsulSource) -> Self {
        Self {
            source: source.clone(),
            http: None,
            index: 0,
            pace: Pace::new(),
            limits: LIMITS,
        }
    }

    fn list(&mut self) -> Result<Vec<(Place, Listed)>, Unusable> {
        let failed = |why| Unusable::Failed(why, None);
        let Limits { wait, grace } = self.limits;
        let limit = wait + wait / 16 + grace;
        let question = self.question().map_err(failed)?;
        let http = match &mut self.http {
            Some(http) => http,
            none => none.insert(Http::new(&self.source.servers).map_err(failed)?),
        };
        let reply = http.ask(&question, limit).map_err(failed)?;
        if reply.status != 200 {
            return Err(refusal(&reply));
        }
        if header(&reply, "x-consul-results-filtered-by-acls") == Some("true") {
            return Err(failed(
                "Consul left instances out that the token may not read; it needs `service:read` and `node:read`"
                    .to_owned(),
            ));
        }
        self.check_freshness(&reply).map_err(failed)?;
        let index = header(&reply, "x-consul-index").and_then(|index| index.parse::<u64>().ok());
        let index =
            index.ok_or_else(|| failed("the answer has no number `X-Consul-Index`".to_owned()))?;
        // With 0 no question would wait: 1 always may be asked for.
        self.index = match index < self.index {
            true => 0,
            false => index.max(1),
        };
        entries::servers(&reply.body, self.source.health).map_err(Unusable::Wrong)
    }

    fn question(&self) -> Result<Question, String> {
        let source = &self.source;
        let mut query = Query::new(&["v1", "health", "service", &source.service]);
        let named = [("dc", &source.datacenter), ("ns", &source.namespace)];
        for (key, value) in named {
            if let Some(value) = value {
                query.add(key, value);
            }
        }
        for tag in &source.tags {
            query.add("tag", tag);
        }
        if source.max_stale.is_some() {
            query.flag("stale");
        }
        if self.index > 0 {
            query.add("index", &self.index.to_string());
            query.add("wait", &format!("{}s", self.limits.wait.as_secs()));
        }
        let mut question = query.get();
        if let Some(path) = &source.token {
            question
                .headers
                .push(("x-consul-token", secret::read(path)?));
        }
        Ok(question)
    }

    /// Whether a leader is known, and was heard of recently enough.
    fn check_freshness(&self, reply: &Reply) -> Result<(), String> {
        let knows_leader = header(reply, "x-consul-knownleader");
        if knows_leader == Some("false") {
            return Err("Consul knows no leader".to_owned());
        }
        let Some(most) = self.source.max_stale else {
            return Ok(());
        };
        let age = header(reply, "x-consul-lastcontact").and_then(|age| age.parse::<u64>().ok());
        let (Some(age), Some(_)) = (age, knows_leader) else {
            return Err(
                "the answer does not say how old it is: `X-Consul-LastContact`, `X-Consul-KnownLeader`"
                    .to_owned(),
            );
        };
        let age = Duration::from_millis(age);
        match age > most {
            true => Err(format!(
                "the answer is {age:?} old, and `max_stale` is {most:?}"
            )),
            false => Ok(()),
        }
    }
}

impl Asker for Consul {
    fn ask(&mut self) -> Answered {
        let (answer, again) = match self.list() {
            Ok(servers) => (Answer::Servers(servers), self.pace.answered()),
            Err(Unusable::Wrong(why)) => (Answer::Failed(why), self.pace.answered()),
            Err(Unusable::Failed(why, wanted)) => {
                self.index = 0;
                (Answer::Failed(why), self.pace.failed(wanted))
            }
        };
        Answered { answer, again }
    }
}

/// An answer that is an error: 403 for a token, 429, 500 without a leader.
fn refusal(reply: &Reply) -> Unusable {
    let text = String::from_utf8_lossy(&reply.body);
    let text: String = text.trim().chars().take(SHOWN).collect();
    let wanted = header(reply, "retry-after").and_then(|seconds| seconds.parse().ok());
    let why = format!("Consul answers {}: {}", reply.status, printable(&text));
    Unusable::Failed(why, wanted.map(Duration::from_secs))
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
