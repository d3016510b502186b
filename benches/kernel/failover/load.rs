//! What adverts cost, and whether they are on time: on an idle machine, on one that is overloaded,
//! and in a flood.

use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ipvs::Client;
use nix::sys::signal::Signal;

use super::ear::{Ear, advert};
use super::pair::{Ours, Pair, Theirs, seconds_of, until};
use super::said;
use crate::checks::Running;
use crate::declared::large_file;
use crate::lab::Link;
use crate::measure::Figure;
use crate::tables;

/// The backup's priority.
const SECOND: u8 = 100;

/// The interval of adverts while an idle router is measured, and for how long.
const FAST: Duration = Duration::from_millis(10);
const IDLE: Duration = Duration::from_secs(30);

/// The interval under load, the time between two reloads, busy loops for each processor.
const LOADED: Duration = Duration::from_millis(100);
const RELOAD_EVERY: Duration = Duration::from_secs(10);
const LOOPS: usize = 4;

/// The duration of a flood, and its adverts in a millisecond.
const FLOOD: Duration = Duration::from_secs(5);
const BURST: u32 = 100;

/// The processor time of two idle pairs that run at the same time.
pub(super) fn idle(figures: &mut Vec<Figure>) {
    let links = [Link::new(), Link::new()];
    let mut ours = Ours::start(&links[0], FAST, SECOND);
    let mut theirs = Theirs::start(&links[1], FAST, SECOND);
    ours.settle(FAST);
    theirs.settle(FAST);
    // The announcements after a takeover are over.
    thread::sleep(Duration::from_secs(8));
    let (us, them) = (ours.processes(), theirs.processes());
    let all = [&us.0, &them.0, &us.1, &them.1];
    let before = all.map(|processes| seconds_of(processes));
    thread::sleep(IDLE);
    let after = all.map(|processes| seconds_of(processes));
    let [active, their_active, backup, their_backup] = [0, 1, 2, 3].map(|n| after[n] - before[n]);
    println!(
        "threads: director {}, keepalived {}",
        threads(&us.0),
        threads(&them.0)
    );
    let seconds = IDLE.as_secs();
    let name = |role: &str| {
        format!(
            "failover, CPU of an idle {role} router at 10ms, in {seconds} s: director / keepalived"
        )
    };
    figures.push(Figure::at_most(&name("active"), active, their_active, 1.0));
    figures.push(Figure::at_most(&name("backup"), backup, their_backup, 1.0));
    end(&mut ours);
    end(&mut theirs);
}

fn end<'l>(pair: &mut impl Pair<'l>) {
    pair.end_b();
    pair.end(Signal::SIGKILL);
}

fn threads(processes: &[i32]) -> usize {
    let of = |pid| std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    processes.iter().map(of).sum()
}

/// False takeovers on a machine with four busy loops on each processor. The active director reloads
/// its table of 37,298 servers every ten seconds, with another weight for each of them.
pub(super) fn busy(long: bool, figures: &mut Vec<Figure>) {
    let minutes = if long { 10 } else { 1 };
    let links = [Link::new(), Link::new()];
    let mut ours = Ours::start(&links[0], LOADED, SECOND);
    let mut theirs = Theirs::start(&links[1], LOADED, SECOND);
    let tables = [1, 2].map(|weight| ours.file().to_owned() + &weighted(weight));
    ours.a.replace(&tables[0]);
    until("the table is in the kernel", || has_weight(&links[0], 1));
    ours.settle(LOADED);
    theirs.settle(LOADED);
    let before = (takeovers(&ours), takeovers(&theirs));
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let loops: Vec<Running> = (0..LOOPS * processors).map(|_| busy_loop()).collect();
    let start = Instant::now();
    let mut turn = 0;
    while start.elapsed() < Duration::from_secs(60 * minutes) {
        turn += 1;
        ours.a.replace(&tables[turn % 2]);
        thread::sleep(
            (RELOAD_EVERY * u32::try_from(turn).unwrap()).saturating_sub(start.elapsed()),
        );
    }
    let last = u32::try_from(turn % 2 + 1).unwrap();
    until("the last reload is over", || has_weight(&links[0], last));
    let (first, second) = (takeovers(&ours) - before.0, takeovers(&theirs) - before.1);
    for busy in loops {
        busy.stop();
    }
    for (name, daemon) in [("a", &ours.a), ("b", &ours.b)] {
        println!(
            "{turn} reloads; {name}: {}",
            Ours::section(daemon)["counters"]
        );
    }
    let name = format!(
        "failover, false takeovers in {minutes} min at {} under load, director (reloading), keepalived",
        said(LOADED)
    );
    figures.push(Figure::zero(&name, first, Some(second)));
    end(&mut ours);
    end(&mut theirs);
}

fn takeovers<'l>(pair: &impl Pair<'l>) -> u64 {
    let (a, b) = pair.takeovers();
    a + b
}

/// The large table, without its first line, with this weight for every server.
fn weighted(weight: u32) -> String {
    let text = large_file(None);
    let text = text.strip_prefix("version = 1\n").unwrap();
    let port = ":8080\",";
    let with = format!("\", port = 8080, weight = {weight} }},");
    text.replace("  \"", "  { address = \"")
        .replace(port, &with)
}

/// Whether the last server of the large table has this weight.
fn has_weight(link: &Link, weight: u32) -> bool {
    let (service, _) = tables::large_shape().last().unwrap();
    let servers = link.a.enter(|| {
        let mut client = Client::connect().unwrap();
        client.servers(&tables::service_key(service))
    });
    let servers = servers.unwrap_or_default();
    servers
        .last()
        .is_some_and(|entry| entry.server.weight.get() == weight)
}

fn busy_loop() -> Running {
    let child = Command::new(std::env::current_exe().unwrap())
        .arg("spin")
        .stdin(Stdio::null())
        .spawn();
    Running(child.unwrap())
}

/// `spin`: uses a processor until it is ended.
pub(crate) fn spin() -> ExitCode {
    let mut number: u64 = 1;
    loop {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005));
    }
}

/// Own adverts while a foreign router sends as many as it can, up to 100,000 a second: with another
/// id, with ours and a low priority, with ours and a wrong checksum.
pub(super) fn flood(figures: &mut Vec<Figure>) {
    for interval in [FAST, LOADED] {
        let links = [Link::new(), Link::new()];
        let mut ours = Ours::start(&links[0], interval, SECOND);
        let mut theirs = Theirs::start(&links[1], interval, SECOND);
        ours.settle(interval);
        let late = || Ours::counter(&ours.a, "late");
        let before = (takeovers(&ours), late(), Ours::counter(&ours.a, "sent"));
        let rate = flooded(&links[0]);
        let sent = Ours::counter(&ours.a, "sent") - before.2;
        let late = late() - before.1;
        let first = takeovers(&ours) - before.0;
        theirs.settle(interval);
        let before = takeovers(&theirs);
        let their_rate = flooded(&links[1]);
        let second = takeovers(&theirs) - before;
        let said = said(interval);
        println!(
            "flood at {said}: {rate:.0}/s (keepalived {their_rate:.0}/s); {sent} adverts sent; a: {}",
            Ours::section(&ours.a)["counters"]
        );
        let name = format!("failover, flood of a foreign router, own adverts at {said}: late ones");
        figures.push(Figure::zero(&name, late, None));
        let name = format!(
            "failover, flood of a foreign router at {said}: takeovers, director, keepalived"
        );
        figures.push(Figure::zero(&name, first, Some(second)));
        end(&mut ours);
        end(&mut theirs);
    }
}

/// Floods a link; returns the adverts in a second.
fn flooded(link: &Link) -> f64 {
    let ear = Ear::open(&link.client);
    let messages = [advert(52, 200, 0), advert(51, 50, 0), advert(51, 200, 1)];
    let mut messages = messages.iter().cycle();
    let (start, mut sent, mut rounds) = (Instant::now(), 0_u32, 0);
    while start.elapsed() < FLOOD {
        for message in messages.by_ref().take(BURST as usize) {
            sent += u32::from(ear.send(message));
        }
        rounds += 1;
        thread::sleep((Duration::from_millis(1) * rounds).saturating_sub(start.elapsed()));
    }
    f64::from(sent) / start.elapsed().as_secs_f64()
}
