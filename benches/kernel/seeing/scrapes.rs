//! `GET /metrics` of the large table, at the level of services.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use ipvs::Client;

use crate::checks::{PORT, address, processor_seconds};
use crate::daemon::{median, own_seconds};
use crate::declared::large_file;
use crate::director::Daemon;
use crate::measure::Figure;
use crate::{Bench, namespace};

const TURNS: usize = 5;
/// The number of scrapes, and of dumps, in a turn: processor time is counted in hundredths of a second.
const EACH: u32 = 10;

/// The time between two scrapes.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);
/// For how long lateness is measured.
const WATCHED: Duration = Duration::from_secs(30);
/// Checked servers, each once a second.
const CHECKED: u32 = 500;

/// A scrape's processor time and that of the bare dump.
pub(super) fn cost(figures: &mut Vec<Figure>) {
    let net = namespace();
    let daemon = Daemon::start(&net, &large_file(None));
    scrape(&daemon);
    let (mut scrapes, mut dumps) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let before = processor_seconds(daemon.pid());
        for _ in 0..EACH {
            scrape(&daemon);
        }
        scrapes.push((processor_seconds(daemon.pid()) - before) / f64::from(EACH));
        dumps.push(net.enter(|| {
            let mut client = Client::connect().unwrap();
            let before = own_seconds();
            for _ in 0..EACH {
                for service in client.services().unwrap() {
                    client.servers(&service.service.key).unwrap();
                }
            }
            (own_seconds() - before) / f64::from(EACH)
        }));
    }
    println!("a scrape has {} bytes", scrape(&daemon).len());
    let name = "metrics, 2,284 with 37,298: CPU of a scrape / of the bare dump";
    figures.push(Figure::at_most(name, median(scrapes), median(dumps), 1.5));
    daemon.stop();
}

fn scrape(daemon: &Daemon) -> String {
    let text = daemon.get("/metrics").unwrap();
    assert!(
        text.contains("director_service_connections_total"),
        "{text:.200}"
    );
    text
}

impl Bench {
    /// How late checks are with the large table, scraped and not.
    pub(super) fn lateness_scraped(&self, figures: &mut Vec<Figure>) {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            without.push(self.late(false));
            with.push(self.late(true));
        }
        println!("lateness, p99 in seconds: scraped {with:.4?}, not {without:.4?}");
        let name = "metrics, lateness of checks, p99: scraped every 5 s / not";
        // The width of the histogram's narrowest bucket is the noise.
        let noise = 0.001;
        let (with, without) = (median(with), median(without));
        figures.push(Figure::at_most(name, with, without + noise, 1.0));
    }

    fn late(&self, is_scraped: bool) -> f64 {
        let net = namespace();
        let accept = self.accept(&net);
        let daemon = Daemon::start(&net, &(large_file(None) + &checked()));
        thread::sleep(SCRAPE_EVERY);
        let before = buckets(&scrape(&daemon));
        let end = Instant::now() + WATCHED;
        while Instant::now() < end {
            thread::sleep(SCRAPE_EVERY);
            if is_scraped {
                scrape(&daemon);
            }
        }
        let after = buckets(&scrape(&daemon));
        daemon.stop();
        accept.stop();
        quantile(&before, &after, 0.99)
    }
}

pub(crate) fn checked() -> String {
    let mut text = String::from(
        "\n[service.checked]\nlisten = \"tcp://10.99.0.1:80\"\nforward = \"nat\"\ncheck = { type = \"tcp\", \
         interval = \"1s\", fast_interval = \"1s\", timeout = \"900ms\" }\nservers = [\n",
    );
    for server in 0..CHECKED {
        let _ = writeln!(text, "  \"{}:{PORT}\",", address(server));
    }
    text + "]\n"
}

/// The upper bounds of the histogram's buckets, with the number of checks up to each.
pub(crate) fn buckets(metrics: &str) -> Vec<(f64, f64)> {
    let lines = metrics.lines();
    let lines = lines.filter_map(|line| {
        let (bound, count) = line
            .strip_prefix("director_check_lateness_seconds_bucket{le=\"")?
            .split_once("\"} ")?;
        let bound = match bound {
            "+Inf" => f64::INFINITY,
            bound => bound.parse().unwrap(),
        };
        Some((bound, count.parse().unwrap()))
    });
    lines.collect()
}

/// As Prometheus' `histogram_quantile`: evenly within a bucket.
pub(crate) fn quantile(before: &[(f64, f64)], after: &[(f64, f64)], share: f64) -> f64 {
    let counts: Vec<(f64, f64)> = before
        .iter()
        .zip(after)
        .map(|(before, after)| (after.0, after.1 - before.1))
        .collect();
    let all = counts.last().expect("the histogram has buckets").1;
    assert!(all > 0.0, "no check was made");
    let rank = all * share;
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in counts {
        if count >= rank {
            let inside = (rank - below) / (count - below);
            return if bound.is_finite() {
                low + (bound - low) * inside
            } else {
                low
            };
        }
        (low, below) = (bound, count);
    }
    low
}
