//! Runs programs and closures in turns, and prints a table of the results.

use std::io::Seek;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::lab::Netns;

/// The goal for a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reach {
    /// The ratio is at least this.
    AtLeast(f64),
    /// The ratio is at most this.
    AtMost(f64),
    /// The first value itself is below this.
    Below(f64),
    /// The first value itself is zero.
    Zero,
}

/// How a value is printed.
#[derive(Debug, Clone, Copy)]
enum Unit {
    /// Seconds with their fraction; counts of 100 or more without one.
    Seconds,
    Count,
}

/// A ratio and its goal.
#[derive(Debug)]
pub(crate) struct Figure {
    name: String,
    first: f64,
    second: f64,
    reach: Reach,
    unit: Unit,
}

impl Figure {
    /// `slow / fast`, at least `reach`.
    pub(crate) fn faster(name: &str, slow: f64, fast: f64, reach: f64) -> Self {
        Self {
            name: name.into(),
            first: slow,
            second: fast,
            reach: Reach::AtLeast(reach),
            unit: Unit::Seconds,
        }
    }

    /// `first / second`, at most `reach`.
    pub(crate) fn at_most(name: &str, first: f64, second: f64, reach: f64) -> Self {
        Self {
            name: name.into(),
            first,
            second,
            reach: Reach::AtMost(reach),
            unit: Unit::Seconds,
        }
    }

    /// `first` compared with `second`.
    pub(crate) fn below(name: &str, first: f64, second: f64, reach: Reach) -> Self {
        Self {
            name: name.into(),
            first,
            second,
            reach,
            unit: Unit::Seconds,
        }
    }

    /// A count alone.
    pub(crate) fn count(name: &str, first: f64, reach: Reach) -> Self {
        Self {
            name: name.into(),
            first,
            second: f64::NAN,
            reach,
            unit: Unit::Count,
        }
    }

    /// A count that must be zero, next to another program's, if that has one.
    pub(crate) fn zero(name: &str, first: u64, second: Option<u64>) -> Self {
        Self {
            name: name.into(),
            first: first as f64,
            second: second.map_or(f64::NAN, |count| count as f64),
            reach: Reach::Zero,
            unit: Unit::Count,
        }
    }

    fn ratio(&self) -> f64 {
        self.first / self.second
    }

    pub(crate) fn is_reached(&self) -> bool {
        match self.reach {
            Reach::AtLeast(reach) => self.ratio() >= reach,
            Reach::AtMost(reach) => self.ratio() <= reach,
            Reach::Below(reach) => self.first < reach,
            Reach::Zero => self.first == 0.0,
        }
    }
}

/// The table, in Markdown.
pub(crate) fn print(figures: &[Figure]) {
    println!("| figure | first | second | ratio | to reach | |");
    println!("|---|---|---|---|---|---|");
    for figure in figures {
        let reach = match figure.reach {
            Reach::AtLeast(reach) => format!("at least {reach}"),
            Reach::AtMost(reach) => format!("at most {reach}"),
            Reach::Below(reach) => format!("first below {reach}"),
            Reach::Zero => "first 0".to_owned(),
        };
        let verdict = if figure.is_reached() {
            "reached"
        } else {
            "**missed**"
        };
        let ratio = if figure.ratio().is_finite() {
            format!("{:.2}", figure.ratio())
        } else {
            String::new()
        };
        println!(
            "| {} | {} | {} | {ratio} | {reach} | {verdict} |",
            figure.name,
            number(figure.first, figure.unit),
            number(figure.second, figure.unit),
        );
    }
}

fn number(value: f64, unit: Unit) -> String {
    match unit {
        _ if value.is_nan() => String::new(),
        _ if value.is_infinite() => "for ever".to_owned(),
        Unit::Seconds if value < 100.0 => format!("{value:.4} s"),
        Unit::Seconds | Unit::Count => format!("{value:.0}"),
    }
}

/// Medians of several measurements, taken in turns so that a slow moment of the machine affects all
/// of them. An extra first round warms the caches and does not count.
pub(crate) fn medians<const N: usize>(
    turns: usize,
    mut measurements: [&mut dyn FnMut() -> f64; N],
) -> [f64; N] {
    let mut results: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(turns));
    for turn in 0..=turns {
        for (measurement, results) in measurements.iter_mut().zip(&mut results) {
            let value = measurement();
            if turn > 0 {
                results.push(value);
            }
        }
    }
    results.map(|mut values| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    })
}

/// The duration of a closure, in seconds.
pub(crate) fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// Runs a program in a namespace; it must succeed.
pub(crate) fn run_in(net: &Netns, words: &[&str]) {
    let status = net
        .enter(|| command(words).stdin(Stdio::null()).status())
        .unwrap();
    assert!(status.success(), "{words:?}: {status}");
}

/// The duration of a program, from its start to its end.
pub(crate) fn time(net: &Netns, words: &[&str], input: &str) -> f64 {
    complete(net, command(words), input)
}

/// Runs a program that must succeed; returns its duration. Its input is a file, its output is
/// discarded and its stderr goes to another file, so that no other process has to run.
fn complete(net: &Netns, mut command: Command, input: &str) -> f64 {
    let mut said = tempfile::tempfile().unwrap();
    command
        .stdin(file_with(input))
        .stdout(Stdio::null())
        .stderr(said.try_clone().unwrap());
    let (status, seconds) = net.enter(|| {
        let start = Instant::now();
        let status = command.status().unwrap();
        (status, start.elapsed().as_secs_f64())
    });
    if !status.success() {
        said.rewind().unwrap();
        panic!(
            "{command:?}: {status}\n{}",
            std::io::read_to_string(said).unwrap()
        );
    }
    seconds
}

/// The number of system calls of a program, including its threads.
pub(crate) fn system_calls(net: &Netns, words: &[&str], input: &str) -> f64 {
    let summary = strace(net, words, input);
    let total = summary
        .lines()
        .rev()
        .find(|line| line.trim_end().ends_with("total"));
    calls(total.unwrap())
}

/// The number of one kind.
pub(crate) fn system_calls_of(call: &str, net: &Netns, words: &[&str]) -> f64 {
    let summary = strace(net, words, "");
    summary
        .lines()
        .find(|line| line.trim_end().ends_with(call))
        .map_or(0.0, calls)
}

/// A line of the summary: % time, seconds, usecs/call, calls, errors, the name.
fn calls(line: &str) -> f64 {
    let calls: u32 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    calls.into()
}

/// The summary of `strace -c`.
fn strace(net: &Netns, words: &[&str], input: &str) -> String {
    let summary = std::env::temp_dir().join("strace");
    let mut strace = command(&["strace", "-f", "-c", "-o"]);
    strace.arg(&summary).args(words);
    complete(net, strace, input);
    std::fs::read_to_string(summary).unwrap()
}

/// A program's peak resident memory in KiB (by GNU time, which is small itself: a process's peak
/// includes that of its parent).
pub(crate) fn peak_memory(net: &Netns, words: &[&str]) -> f64 {
    let report = std::env::temp_dir().join("peak");
    let mut time = command(&["/usr/bin/time", "-f", "%M", "-o"]);
    time.arg(&report).args(words);
    complete(net, time, "");
    let text = std::fs::read_to_string(report).unwrap();
    text.trim().parse::<u32>().unwrap().into()
}

fn file_with(input: &str) -> std::fs::File {
    let path = std::env::temp_dir().join("input");
    std::fs::write(&path, input).unwrap();
    std::fs::File::open(path).unwrap()
}
