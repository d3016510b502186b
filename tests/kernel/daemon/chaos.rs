//! An hour of trouble in a minute: everything that can happen to a director happens at least ten
//! times, in an order that `DIRECTOR_SEED` replays.
//!
//! Afterwards the tables match the file and the live servers, requests succeed, and a connection to
//! the one server that was left alone is alive: it was used all the time, and only ever waited.

use std::collections::BTreeMap;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Daemon, SERVICE, listed, weights};
use crate::lab::{Connection, Failure, Lan, Server, Tcp, V4, eventually, has_module, paced_ms};

/// Servers 1 to 5; the first never dies, and every file has it.
const SERVERS: usize = 5;

/// How often each kind of event happens.
const TIMES: usize = 10;

const SCHEDULERS: [&str; 5] = ["rr", "wrr", "wlc", "sh", "mh"];

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A server dies, or a dead one comes back.
    Server,
    /// The director is killed and restarted.
    Crash,
    /// Another file.
    Edit,
    /// A file with mistakes.
    Broken,
    /// Another program calls ipvsadm.
    Meddling,
    /// The cable to the servers loses packets for a while.
    Loss,
    /// It delays them.
    Delay,
}

const KINDS: [Kind; 7] = [
    Kind::Server,
    Kind::Crash,
    Kind::Edit,
    Kind::Broken,
    Kind::Meddling,
    Kind::Loss,
    Kind::Delay,
];

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`.
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        let sides = u64::try_from(sides).unwrap();
        usize::try_from(self.next() % sides).unwrap()
    }

    /// The number of a server that may die.
    fn mortal(&mut self) -> usize {
        2 + self.below(SERVERS - 1)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

pub(crate) fn seed() -> u64 {
    match std::env::var("DIRECTOR_SEED") {
        Ok(seed) => seed.parse().expect("DIRECTOR_SEED is a whole number"),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            u64::from(now.unwrap().subsec_nanos())
        }
    }
}

/// The contents of the file.
#[derive(Debug, Clone)]
struct Declared {
    servers: BTreeMap<usize, u32>,
    scheduler: &'static str,
}

impl Declared {
    fn random(dice: &mut Dice) -> Self {
        let mut servers = BTreeMap::from([(1, 1)]);
        for number in 2..=SERVERS {
            if dice.below(4) > 0 {
                servers.insert(number, 1 + u32::try_from(dice.below(4)).unwrap());
            }
        }
        Self {
            servers,
            scheduler: SCHEDULERS[dice.below(SCHEDULERS.len())],
        }
    }

    /// Three of five servers may leave at a time, or more if a version of the file was never read.
    fn file(&self) -> String {
        let servers = listed(self.servers.clone());
        format!(
            "
version = 1
policy = {{ max_removed = \"100%\" }}
daemon = {{ reconcile = \"500ms\" }}
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
scheduler = \"{}\"
drain = \"1s\"
damping = false
check = {{ type = \"tcp\", interval = \"200ms\", timeout = \"200ms\" }}
servers = [{}]
",
            self.scheduler, servers
        )
    }
}

/// The whole scene.
struct Chaos<'n> {
    net: &'n Lan,
    dice: Dice,
    daemon: Daemon<'n>,
    /// By number minus one; `None` is dead.
    servers: Vec<Option<Server>>,
    declared: Declared,
    /// A connection to the first server, and how often it had to wait.
    held: Connection,
    waited: usize,
    /// The number of its outstanding answers.
    owed: usize,
    /// The events so far.
    history: Vec<String>,
}

impl<'n> Chaos<'n> {
    fn begin(net: &'n Lan, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let servers = net.serve(Tcp, 80).into_iter().map(Some).collect();
        let declared = Declared {
            servers: (1..=SERVERS).map(|number| (number, 1)).collect(),
            scheduler: "rr",
        };
        // The first numbers of a small seed are as good as any later ones.
        dice.next();
        let daemon = Daemon::start(&net.director, &declared.file());
        daemon.weights(SERVICE, "1=1 2=1 3=1 4=1 5=1");
        let ask = net.client(1).ask(Tcp, net.service(V4, 80));
        let ask = ask.patience(paced_ms(250));
        let held = eventually("a connection to the first server", || {
            let mut connection = ask.connect().ok()?;
            (connection.ask().ok()? == "real1").then_some(connection)
        });
        Self {
            net,
            dice,
            daemon,
            servers,
            declared,
            held,
            waited: 0,
            owed: 0,
            history: Vec::new(),
        }
    }

    fn happen(&mut self, kind: Kind) {
        self.history.push(format!("{kind:?}"));
        match kind {
            Kind::Server => {
                let number = self.dice.mortal();
                self.kill_or_revive(number);
            }
            Kind::Crash => {
                self.daemon.kill();
                // A director does not start with a file that has mistakes.
                self.daemon.write(&self.declared.file());
                self.pause();
                self.daemon.launch();
            }
            Kind::Edit => {
                self.declared = Declared::random(&mut self.dice);
                self.daemon.write(&self.declared.file());
                if self.dice.below(2) == 0 {
                    self.daemon.signal(nix::sys::signal::Signal::SIGHUP);
                }
            }
            Kind::Broken => {
                let whole = Declared::random(&mut self.dice).file();
                let half = &whole[..whole.len() / 2];
                self.daemon.write(half);
                self.daemon.signal(nix::sys::signal::Signal::SIGHUP);
            }
            Kind::Meddling => self.meddle(),
            Kind::Loss => self.disturb("loss 30%"),
            Kind::Delay => self.disturb("delay 60ms 50ms"),
        }
        self.pause();
        self.talk();
    }

    fn kill_or_revive(&mut self, number: usize) {
        let server = &mut self.servers[number - 1];
        *server = match server.take() {
            Some(_) => None,
            None => Some(self.net.real(number).serve(Tcp, 80)),
        };
    }

    fn meddle(&mut self) {
        let number = self.dice.mortal();
        let (service, server) = ("-t 10.1.0.100:80", format!("10.2.0.1{number}:80"));
        let scheduler = SCHEDULERS[self.dice.below(SCHEDULERS.len())];
        let line = match self.dice.below(7) {
            0 => "-C".to_owned(),
            1 => format!("-D {service}"),
            2 => format!("-d {service} -r {server}"),
            3 => format!("-e {service} -r {server} -m -w 9"),
            4 => format!("-e {service} -r 10.2.0.11:80 -m -w 0"),
            5 => format!("-a {service} -r 10.2.0.99:80 -m"),
            _ => format!("-E {service} -s {scheduler}"),
        };
        if line == "-C" || line.starts_with("-D") {
            self.hush();
        }
        // The meddler may try to delete what does not exist.
        self.net.director.attempt(&format!("ipvsadm {line}"));
        self.history.push(line);
    }

    fn disturb(&mut self, how: &str) {
        let director = &self.net.director;
        director.run(&format!("tc qdisc replace dev eth1 root netem {how}"));
        self.pause();
        self.pause();
        self.talk();
        self.net.director.run("tc qdisc del dev eth1 root");
    }

    fn pause(&mut self) {
        let long = 50 + self.dice.next() % 250;
        thread::sleep(paced_ms(long));
    }

    /// Uses the connection. It may have to wait while packets are lost, but must not be cut.
    ///
    /// It is not used while its service is gone: with the last service of a family, IPVS
    /// unregisters its hooks (`ip_vs_unregister_hooks`), and the director itself answers with a
    /// reset.
    fn talk(&mut self) {
        if weights(&self.net.director, SERVICE).is_empty() {
            return;
        }
        self.owed += 1;
        match self.held.ask() {
            Ok(answers) => self.owed -= answers.lines().count(),
            Err(Failure::Timeout) => self.waited += 1,
            Err(cut) => panic!(
                "the connection was cut: {cut}, after {:?}\n{}\n{}",
                self.history,
                self.net.director.run("ipvsadm -Lnc"),
                self.daemon.log()
            ),
        }
    }

    /// Waits until neither end of the connection has anything to send or retransmit.
    fn hush(&mut self) {
        if weights(&self.net.director, SERVICE).is_empty() {
            return;
        }
        eventually("the connection has its answers", || {
            self.talk();
            (self.owed == 0).then_some(())
        });
        // Longer than the shortest retransmission timeout.
        thread::sleep(paced_ms(300));
    }

    /// Waits until the tables are correct.
    fn settle(&self, seed: u64) {
        let settled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually("the tables are right", || self.is_right().then_some(()));
        }));
        let alive = (1..=SERVERS).filter(|number| self.servers[number - 1].is_some());
        assert!(
            settled.is_ok(),
            "DIRECTOR_SEED={seed}: {} although {:?}, of which live {:?}; {:?}\n{}",
            weights(&self.net.director, SERVICE),
            self.declared,
            alive.collect::<Vec<_>>(),
            self.history,
            self.daemon.log()
        );
    }

    /// Whether the tables match the file and the live servers. For each dead declared server, the
    /// one that it was to replace may still be there.
    fn is_right(&self) -> bool {
        let shown = weights(&self.net.director, SERVICE);
        let mut there: BTreeMap<usize, u32> = shown
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .map(|(number, weight)| (number.parse().unwrap(), weight.parse().unwrap()))
            .collect();
        let mut awaited = 0;
        let right = self.declared.servers.iter().all(|(number, weight)| {
            let found = there.remove(number);
            if self.servers[number - 1].is_some() {
                return found == Some(*weight);
            }
            awaited += 1;
            matches!(found, None | Some(0))
        });
        let scheduler = format!("-s {}", self.declared.scheduler);
        right && there.len() <= awaited && self.net.director.run("ipvsadm -Sn").contains(&scheduler)
    }
}

#[test]
#[ignore = "needs the lab"]
fn after_the_chaos_all_is_as_declared() {
    if !has_module("sch_netem") {
        eprintln!("chaos: this kernel has no netem, so no test");
        return;
    }
    let seed = seed();
    eprintln!("chaos: DIRECTOR_SEED={seed}");
    let net = Lan::nat().real_servers(5).build();
    let mut chaos = Chaos::begin(&net, seed);
    let mut events: Vec<Kind> = KINDS.iter().flat_map(|kind| [*kind; TIMES]).collect();
    chaos.dice.shuffle(&mut events);
    for kind in events {
        chaos.happen(kind);
    }
    chaos.daemon.write(&chaos.declared.file());
    chaos.settle(seed);
    for number in 2..=SERVERS {
        if chaos.servers[number - 1].is_none() {
            chaos.kill_or_revive(number);
        }
    }
    chaos.settle(seed);
    chaos.hush();
    let answers = net.client(1).ask(Tcp, net.service(V4, 80)).times(40).run();
    assert!(
        answers.failures().is_empty(),
        "DIRECTOR_SEED={seed}: {answers}\n{}",
        chaos.daemon.log()
    );
    eprintln!(
        "chaos: {} events of each of {} kinds; the connection waited {} times",
        TIMES,
        KINDS.len(),
        chaos.waited
    );
}
