//! The first lists, before anything is in force.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::list;
use super::rules::{Health, Pool};
use super::sources::asker;
use crate::state::discovery::Discovery;

/// How long the first lists are waited for.
const FIRST: Duration = Duration::from_secs(10);

/// Asks the sources of pools that have no list yet, before anything is in force: without it, the
/// first file would take the servers away that an earlier director left in the tables. Returns
/// whether there are new lists.
pub(crate) fn first_lists(directory: &Path, pools: &[Discovery]) -> bool {
    let (sender, answers) = mpsc::channel();
    let mut waiting = BTreeMap::new();
    for rules in pools {
        if list::path(directory, &rules.pool).exists() {
            continue;
        }
        let (sender, rules) = (sender.clone(), rules.clone());
        let name = rules.pool.clone();
        let source = rules.source.clone();
        waiting.insert(name.clone(), rules);
        let thread = thread::Builder::new().name(format!("discover-{name}"));
        // Without a thread there is no list yet, and the first file has an empty pool.
        let _ = thread.spawn(move || {
            let _ = sender.send((name, asker(&source).ask().answer));
        });
    }
    drop(sender);
    let end = Instant::now() + FIRST;
    let mut has_new = false;
    while !waiting.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        let Ok((name, answer)) = answers.recv_timeout(left) else {
            break;
        };
        let Some(rules) = waiting.remove(&name) else {
            continue;
        };
        let mut pool = Pool::new(rules, None);
        pool.answer(answer, Duration::ZERO);
        let change = pool.act(Duration::ZERO, |_| Health::Unknown);
        if !change.is_empty() && list::write(directory, &name, &pool.list()).is_ok() {
            has_new = true;
        }
    }
    has_new
}
