//! The processor time of a process, by its threads.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Clock ticks a second, as Linux shows them to programs.
const TICKS: f64 = 100.0;

/// Seconds of processor time by the names of threads.
pub(crate) fn times(pid: i32) -> BTreeMap<String, f64> {
    let mut times = BTreeMap::new();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    for thread in threads {
        let Some((name, time)) = time(&thread.unwrap().path()) else {
            continue; // It just ended.
        };
        *times.entry(name).or_default() += time;
    }
    times
}

fn time(thread: &Path) -> Option<(String, f64)> {
    let stat = fs::read_to_string(thread.join("stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    // The 14th and 15th of all fields; the first two are before the rest.
    Some((name.to_owned(), (ticks(11)? + ticks(12)?) / TICKS))
}

/// What was spent in between, of threads with at least a tenth of a second: the largest first.
pub(crate) fn spent(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> String {
    let mut spent: Vec<(f64, &str)> = after
        .iter()
        .map(|(name, time)| (time - before.get(name).unwrap_or(&0.0), &**name))
        .filter(|(time, _)| *time >= 0.1)
        .collect();
    spent.sort_by(|a, b| b.0.total_cmp(&a.0));
    let spent = spent
        .iter()
        .map(|(time, name)| format!("{name} {time:.1} s"));
    spent.collect::<Vec<_>>().join(", ")
}
