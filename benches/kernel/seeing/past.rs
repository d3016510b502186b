//! 10,000 changes of history, over a day.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};

use crate::daemon::median;
use crate::director::Daemon;
use crate::lab::Netns;
use crate::measure::{Figure, Reach, seconds};
use crate::namespace;

/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(60);

const SERVICES: u32 = 100;
const SERVERS: u32 = 100;
/// Each changes the weight of one server in each service.
const RELOADS: u32 = 100;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn all(figures: &mut Vec<Figure>) {
    // The clock is set below, which must not happen to a machine.
    assert!(std::env::var_os("LAB_KERNEL").is_some(), "only in the lab");
    let net = namespace();
    let daemon = Daemon::start(&net, &file(0));
    let before = daemon.history();
    for turn in 1..=RELOADS {
        if turn == RELOADS / 2 + 1 {
            let now = Duration::from(clock_gettime(ClockId::CLOCK_REALTIME).unwrap());
            clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(now + DAY)).unwrap();
        }
        daemon.replace(&file(turn));
        recorded(&net, &daemon, turn * SERVICES);
    }
    let size = daemon.history() - before;
    println!("history: {size} bytes after the first {before}");
    let name = "history, 10,000 changes: bytes on disk";
    figures.push(Figure::count(
        name,
        size as f64,
        Reach::Below(4.0 * 1024.0 * 1024.0),
    ));
    let times = (0..5).map(|_| {
        let mut diff = daemon.command("diff --from 23h --format json");
        seconds(|| {
            let done = net.enter(|| diff.output().unwrap());
            // 2: there is a difference.
            assert_eq!(done.status.code(), Some(2), "{done:?}");
        })
    });
    let name = "history, diff of two times a day apart";
    let time = median(times.collect());
    figures.push(Figure::below(name, time, f64::NAN, Reach::Below(0.5)));
    daemon.stop();
}

/// Waits until the history has this number of changes of servers.
fn recorded(net: &Netns, daemon: &Daemon, changes: u32) {
    let end = Instant::now() + PATIENCE;
    loop {
        thread::sleep(Duration::from_millis(400));
        let mut history = daemon.command("history --since 3d --format json");
        let done = net.enter(|| history.output().unwrap());
        let text = String::from_utf8_lossy(&done.stdout);
        let found = text.matches("\"weight\"").count();
        if found >= changes as usize {
            return;
        }
        assert!(
            Instant::now() < end,
            "{found} of {changes} changes: {done:.300?}"
        );
    }
}

/// After `turn` reloads: each turn has changed another server of each service.
fn file(turn: u32) -> String {
    let mut text =
        String::from("version = 1\n\n[defaults]\nscheduler = \"wrr\"\nforward = \"nat\"\n");
    for service in 0..SERVICES {
        let _ = write!(
            text,
            "\n[service.s{service}]\nlisten = \"tcp://10.9.0.{}:80\"\nservers = [\n",
            service + 1
        );
        for server in 0..SERVERS {
            let weight = if server < turn { 2 } else { 1 };
            let _ = writeln!(
                text,
                "  {{ address = \"10.1.{service}.{}\", weight = {weight} }},",
                server + 1
            );
        }
        text.push_str("]\n");
    }
    text
}
