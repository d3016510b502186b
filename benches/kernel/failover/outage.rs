//! What a client loses that probes the virtual address every 2 ms.
//!
//! A cable is cut right after an advert, so that each outage is as long as the protocol makes it:
//! the backup's priority is 250 there, which adds 2 % of an interval. Stops are measured with a
//! backup of priority 100: keepalived's waits 0.6 intervals after a priority of 0.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::ear::Ear;
use super::pair::{Ours, Pair, Theirs};
use super::{INTERVALS, PACE, VIRTUAL, said};
use crate::daemon::median;
use crate::lab::Link;
use crate::lab::probe::{Probed, probe_every};
use crate::measure::{Figure, Reach};

/// The backup's priority when a cable is cut, and in all other scenes.
const CLOSE: u8 = 250;
const USUAL: u8 = 100;

/// The longest lease of a killed process, in seconds; an address that is longer there stays for ever.
const LEASE: f64 = 9.0;

/// The time before and after what happens.
const AROUND: Duration = Duration::from_millis(300);

pub(super) fn all(figures: &mut Vec<Figure>) {
    for (interval, reach) in INTERVALS {
        cuts(interval, reach, figures);
    }
    for (interval, _) in INTERVALS {
        planned(interval, figures);
    }
}

/// What is lost while something happens.
fn probed(link: &Link, during: impl FnOnce()) -> Probed {
    let hosts = [&link.a, &link.b];
    probe_every(PACE, &link.client, &VIRTUAL.to_string(), &hosts, || {
        thread::sleep(AROUND);
        during();
        thread::sleep(AROUND);
    })
}

/// The outages of cut cables, and of one machine without power.
fn cuts(interval: Duration, reach: f64, figures: &mut Vec<Figure>) {
    let turns = if interval < Duration::from_secs(1) {
        5
    } else {
        3
    };
    let links = [Link::new(), Link::new()];
    let mut ours = Ours::start(&links[0], interval, CLOSE);
    let mut theirs = Theirs::start(&links[1], interval, CLOSE);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        first.push(cut(&ours, interval));
        second.push(cut(&theirs, interval));
    }
    let said = said(interval);
    println!("cable cut at {said}, s: director {first:.3?}, keepalived {second:.3?}");
    let (one, other) = (median(first), median(second));
    let name = format!("failover, cable cut at {said}: director, keepalived");
    figures.push(Figure::below(&name, one, other, Reach::Below(reach)));
    // By the protocol both wait equally long; the probe measures in steps of 2 ms.
    let name = format!("failover, cable cut at {said}: director / keepalived");
    let equal = 1.0 + 2.0 * PACE.as_secs_f64() / other;
    figures.push(Figure::at_most(&name, one, other, equal));
    let (one, other) = (
        power_off(&mut ours, interval),
        power_off(&mut theirs, interval),
    );
    let name = format!("failover, power off at {said}: director, keepalived");
    figures.push(Figure::below(&name, one, other, Reach::Below(reach)));
    ours.end_b();
    theirs.end_b();
}

fn cut<'l>(pair: &impl Pair<'l>, interval: Duration) -> f64 {
    pair.settle(interval);
    let link = pair.network();
    let mut ear = Ear::open(&link.client);
    let probed = probed(link, || {
        ear.wait();
        link.switch.turn("a-eth0", false);
        pair.until_b_has();
    });
    link.switch.turn("a-eth0", true);
    probed.outage().as_secs_f64()
}

/// The machine of the active one is gone: its process and its cable. It stays so.
fn power_off<'l>(pair: &mut impl Pair<'l>, interval: Duration) -> f64 {
    pair.settle(interval);
    let link = pair.network();
    let mut ear = Ear::open(&link.client);
    let probed = probed(link, || {
        ear.wait();
        pair.end(Signal::SIGKILL);
        link.switch.remove("a-eth0");
        pair.until_b_has();
    });
    probed.outage().as_secs_f64()
}

/// Lost probes, and changes of role, which are those of `b`.
#[derive(Debug, Clone, Copy)]
struct Seen {
    lost: u64,
    changes: u64,
}

fn scene<'l, P: Pair<'l>>(pair: &mut P, interval: Duration, act: impl FnOnce(&mut P)) -> Seen {
    pair.settle(interval);
    let before = pair.takeovers().1;
    let link = pair.network();
    let probed = probed(link, || act(pair));
    Seen {
        lost: probed.lost.len() as u64,
        changes: pair.takeovers().1 - before,
    }
}

/// What is done on purpose, and a process that is killed.
fn planned(interval: Duration, figures: &mut Vec<Figure>) {
    let links = [Link::new(), Link::new()];
    let mut ours = Ours::start(&links[0], interval, USUAL);
    let mut theirs = Theirs::start(&links[1], interval, USUAL);
    let said = said(interval);
    let mut lost = |what: &str, one: Seen, other: Option<Seen>| {
        println!("{what} at {said}: director {one:?}, keepalived {other:?}");
        let name = format!("failover, {what} at {said}: probes lost, director, keepalived");
        figures.push(Figure::zero(&name, one.lost, other.map(|seen| seen.lost)));
    };
    let reloads = (reload(&mut ours, interval), reload(&mut theirs, interval));
    lost("reload", reloads.0, Some(reloads.1));
    let restarts = (restart(&mut ours, interval), restart(&mut theirs, interval));
    lost("restart", restarts.0, Some(restarts.1));
    ours.upgrade();
    let upgrade = restart(&mut ours, interval);
    lost("upgrade", upgrade, Some(restarts.1));
    let there_and_back = scene(&mut ours, interval, |ours| ours.switch_over_and_back());
    lost("switchover and back", there_and_back, None);
    let stops = (stop(&mut ours, interval), stop(&mut theirs, interval));
    lost("planned stop", stops.0, Some(stops.1));
    ours.start();
    theirs.start();
    let (killed, left) = kill(&mut ours, interval);
    let theirs_killed = kill(&mut theirs, interval);
    lost("kill -9", killed, Some(theirs_killed.0));
    let name = format!("failover, reload, restart, upgrade at {said}: changes of role");
    let changes = reloads.0.changes + restarts.0.changes + upgrade.changes;
    let others = reloads.1.changes + 2 * restarts.1.changes;
    figures.push(Figure::zero(&name, changes, Some(others)));
    let name = format!("failover, kill -9 at {said}: both have the address for");
    figures.push(Figure::below(
        &name,
        left,
        theirs_killed.1,
        Reach::Below(LEASE),
    ));
    ours.end_b();
    theirs.end_b();
}

fn reload<'l>(pair: &mut impl Pair<'l>, interval: Duration) -> Seen {
    scene(pair, interval, |pair| {
        pair.reload();
        thread::sleep(Duration::from_secs(1) + 4 * interval);
    })
}

fn restart<'l>(pair: &mut impl Pair<'l>, interval: Duration) -> Seen {
    scene(pair, interval, |pair| {
        pair.end(Signal::SIGTERM);
        pair.start();
        thread::sleep(Duration::from_secs(1) + 4 * interval);
    })
}

/// Until the other one has the address, and this one has not.
fn stop<'l>(pair: &mut impl Pair<'l>, interval: Duration) -> Seen {
    scene(pair, interval, |pair| {
        pair.end(Signal::SIGTERM);
        pair.until_b_has();
        pair.until_a_has_not();
    })
}

/// Also: for how many seconds the killed one keeps the address beside the other one.
fn kill<'l>(pair: &mut impl Pair<'l>, interval: Duration) -> (Seen, f64) {
    let mut left = f64::INFINITY;
    let seen = scene(pair, interval, |pair| {
        pair.end(Signal::SIGKILL);
        pair.until_b_has();
        let both = Instant::now();
        while pair.a_has() && both.elapsed().as_secs_f64() < LEASE {
            thread::sleep(Duration::from_millis(50));
        }
        if !pair.a_has() {
            left = both.elapsed().as_secs_f64();
        }
    });
    (seen, left)
}
