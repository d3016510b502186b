//! Figures on a real kernel: `scripts/bench` runs this in the lab and prints a table.
//!
//! Every figure is a ratio of two measurements in one boot, in turns, each in a fresh network
//! namespace (a namespace that has had servers first searches its trash for them). The times
//! themselves depend on the machine and on User-Mode Linux; the ratios much less.
//!
//! ```text
//! main.rs      which figures, and the table
//! declared.rs  those of `director`
//! checks.rs    those of its health checks
//! daemon.rs    those of `director run`
//! http.rs      those of its HTTP checks
//! discovery.rs those of servers that etcd lists
//! seeing/      those of metrics, the page, history and the connection table
//! failover/    those of failover, beside keepalived's
//! director.rs  a `director run`
//! answering.rs a server whose health is set
//! entries.rs   connections that no client made
//! tables.rs    the services and servers that are measured with
//! measure.rs   runs, in turns, and their medians
//! ```

#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a figure that cannot be got is no figure"
)]
#![allow(
    clippy::cast_precision_loss,
    reason = "ratios of times and counts that are far below 2^52"
)]

#[path = "../../tests/lab/mod.rs"]
mod lab;

mod answering;
mod checks;
mod daemon;
mod declared;
mod director;
mod discovery;
mod entries;
mod failover;
mod http;
mod measure;
mod seeing;
mod tables;
mod threads;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use ipvs::{Client, Operation};

use lab::Netns;
use measure::{Figure, Reach, medians, peak_memory, run_in, system_calls, time};

/// Debian's program; ours is `$DIRECTOR_IPVSADM`.
const DEBIAN: &str = "/usr/sbin/ipvsadm";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    if let [command, services, servers] = arguments.as_slice()
        && command == "apply"
    {
        return apply(services.parse().unwrap(), servers.parse().unwrap());
    }
    match arguments.as_slice() {
        [command] if command == "large" => return declared::apply_large(),
        [command] if command == "dump" => return declared::dump(),
        [command] if command == "accept" => return checks::accept(),
        [command] if command == "answer" => return http::answer(),
        [command] if command == "hang" => return http::hang(),
        [command] if command == "spin" => return failover::spin(),
        [command, targets, interval] if command == "check" => {
            return checks::check(targets.parse().unwrap(), interval.parse().unwrap());
        }
        _ => {}
    }
    let long = arguments.iter().any(|word| word == "--long");
    let ours = env::var("DIRECTOR_IPVSADM").unwrap_or_else(|_| {
        panic!("DIRECTOR_IPVSADM must name the release build of ipvsadm: use scripts/bench")
    });
    let bench = Bench {
        ours,
        myself: env::current_exe().unwrap(),
        apart: false,
    };
    let mut figures = Vec::new();
    if arguments == ["lateness"] {
        bench.lateness(&mut figures);
        return concluded(&figures);
    }
    // `daemon` selects all of its groups.
    let names = |word: &str, group: &str| {
        word == group
            || group
                .strip_prefix(word)
                .is_some_and(|rest| rest.starts_with('-'))
    };
    // These have boots of their own.
    let apart = ["failover", "seeing", "discovery"];
    let is_apart = |group: &str| apart.iter().any(|one| group.starts_with(one));
    let wanted = |group: &str| {
        let all = arguments.is_empty() && !is_apart(group);
        all || arguments.iter().any(|word| names(word, group))
    };
    if wanted("ipvsadm") {
        bench.restore(&mut figures);
        bench.list(&mut figures, 500, 10, 3.0);
        bench.list(&mut figures, 2284, 16, 4.0);
        bench.clear_and_add(&mut figures);
        bench.start(&mut figures);
        bench.memory(&mut figures);
    }
    if wanted("library") {
        bench.library(&mut figures);
    }
    if wanted("declared") {
        bench.declared(&mut figures);
    }
    if wanted("checks") {
        bench.checks(&mut figures);
    }
    if wanted("daemon-checks") {
        bench.daemon_checks(&mut figures);
    }
    if wanted("daemon-http") {
        bench.http(&mut figures);
    }
    if wanted("daemon-tables") {
        daemon::tables(&mut figures);
    }
    failover::all(&wanted, long, &mut figures);
    bench.seeing(&wanted, long, &mut figures);
    bench.discovery(&wanted, &mut figures);
    concluded(&figures)
}

/// Prints the figures, and whether all are reached.
fn concluded(figures: &[Figure]) -> ExitCode {
    measure::print(figures);
    if figures.iter().all(Figure::is_reached) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The bare library as a program: the cost of sending only these operations.
fn apply(services: u32, servers: u32) -> ExitCode {
    run_apply(&tables::operations(services, servers))
}

pub(crate) fn run_apply(operations: &[Operation]) -> ExitCode {
    match Client::connect().map(|mut client| client.execute(operations)) {
        Ok(report) if report.is_complete() => ExitCode::SUCCESS,
        other => panic!("{other:?}"),
    }
}

#[derive(Clone)]
struct Bench {
    ours: String,
    myself: PathBuf,
    /// Whether the measured program and its peer have a processor each.
    apart: bool,
}

impl Bench {
    /// `-R` of 500 services with 10 servers each.
    fn restore(&self, figures: &mut Vec<Figure>) {
        let input = tables::lines(500, 10);
        let myself = self.myself.to_str().unwrap();
        let [debian, ours, bare] = medians(
            7,
            [
                &mut || time(&namespace(), &[DEBIAN, "-R"], &input),
                &mut || time(&namespace(), &[&self.ours, "-R"], &input),
                &mut || time(&namespace(), &[myself, "apply", "500", "10"], ""),
            ],
        );
        figures.push(Figure::faster(
            "-R, 500 x 10: Debian's / ours",
            debian,
            ours,
            20.0,
        ));
        figures.push(Figure::at_most(
            "-R, 500 x 10: ours / bare library",
            ours,
            bare,
            2.0,
        ));
        let calls = |program| system_calls(&namespace(), &[program, "-R"], &input);
        let (debian, ours) = (calls(DEBIAN), calls(&self.ours));
        figures.push(Figure::below(
            "-R, 500 x 10: system calls",
            ours,
            debian,
            Reach::Below(250.0),
        ));
    }

    /// `-Ln` and `-Sn`.
    fn list(&self, figures: &mut Vec<Figure>, services: u32, servers: u32, reach: f64) {
        let net = filled(services, servers);
        for option in ["-Ln", "-Sn"] {
            let [debian, ours] = medians(
                7,
                [&mut || time(&net, &[DEBIAN, option], ""), &mut || {
                    time(&net, &[&self.ours, option], "")
                }],
            );
            let name = format!("{option}, {services} x {servers}: Debian's / ours");
            figures.push(Figure::faster(&name, debian, ours, reach));
        }
    }

    fn clear_and_add(&self, figures: &mut Vec<Figure>) {
        let [debian, ours] = medians(
            5,
            [
                &mut || time(&filled(2000, 0), &[DEBIAN, "-C"], ""),
                &mut || time(&filled(2000, 0), &[&self.ours, "-C"], ""),
            ],
        );
        figures.push(Figure::faster(
            "-C, 2000 services: Debian's / ours",
            debian,
            ours,
            1.0,
        ));
        let add = |program: &str, number: u32| {
            let net = filled(1, 1);
            let server = format!("10.9.{}.{}", number / 250, number % 250 + 1);
            let words = [
                program,
                "-a",
                "-t",
                &tables::virtual_address(0),
                "-r",
                &server,
                "-m",
            ];
            time(&net, &words, "")
        };
        let (mut a, mut b) = (0, 0);
        let [debian, ours] = medians(
            25,
            [
                &mut || {
                    a += 1;
                    add(DEBIAN, a)
                },
                &mut || {
                    b += 1;
                    add(&self.ours, b)
                },
            ],
        );
        figures.push(Figure::faster("one -a: Debian's / ours", debian, ours, 1.0));
    }

    /// The cost of starting: `-Ln` on empty tables.
    fn start(&self, figures: &mut Vec<Figure>) {
        let net = namespace();
        let [debian, ours] = medians(
            25,
            [&mut || time(&net, &[DEBIAN, "-Ln"], ""), &mut || {
                time(&net, &[&self.ours, "-Ln"], "")
            }],
        );
        figures.push(Figure::faster(
            "start, empty -Ln: Debian's / ours",
            debian,
            ours,
            1.0,
        ));
    }

    fn memory(&self, figures: &mut Vec<Figure>) {
        for (services, servers) in [(2500, 20), (1, 50_000)] {
            let net = filled(services, servers);
            let peak = |program| peak_memory(&net, &[program, "-Ln"]);
            let (debian, ours) = (peak(DEBIAN), peak(&self.ours));
            let name = format!("-Ln, {services} x {servers}: peak KiB, ours / Debian's");
            figures.push(Figure::at_most(&name, ours, debian, 1.0));
        }
    }

    /// 50,000 creations through the library, 20 servers per service: chunks compared with one
    /// message per send, on one socket each.
    fn library(&self, figures: &mut Vec<Figure>) {
        let services: Vec<_> = tables::services(2500).map(Operation::AddService).collect();
        let servers = tables::server_operations(2500, 20);
        let mut single = || {
            let net = namespace();
            let mut client = net.enter(Client::connect).unwrap();
            assert!(client.execute(&services).is_complete());
            measure::seconds(|| {
                for operation in &servers {
                    client.apply(*operation).unwrap();
                }
            })
        };
        let mut chunks = || {
            let net = namespace();
            let mut client = net.enter(Client::connect).unwrap();
            assert!(client.execute(&services).is_complete());
            measure::seconds(|| assert!(client.execute(&servers).is_complete()))
        };
        let [single, chunks] = medians(3, [&mut single, &mut chunks]);
        let name = "library, 50,000 servers: one a send / chunks";
        figures.push(Figure::faster(name, single, chunks, 3.0));
    }
}

/// A fresh namespace with its loopback up, without which IPVS accepts no server.
fn namespace() -> Netns {
    let net = Netns::new("bench");
    run_in(&net, &["ip", "link", "set", "lo", "up"]);
    net
}

/// A namespace with this many services, each with this many servers.
fn filled(services: u32, servers: u32) -> Netns {
    filled_with(&tables::operations(services, servers))
}

fn filled_with(operations: &[Operation]) -> Netns {
    let net = namespace();
    let mut client = net.enter(Client::connect).unwrap();
    let report = client.execute(operations);
    assert!(report.is_complete(), "{:?}", report.failures().first());
    net
}
