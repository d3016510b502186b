//! A tour of the project in less than a minute: `scripts/demo` runs it in the lab.
//!
//! A client, a director and three real servers, each in its own network namespace. A service file
//! says what the balancer should do; `director` checks it, plans it, applies it, and finally runs as
//! a daemon. Then two directors hold an address together, and one of them loses power. Real requests
//! go through the virtual address, and each answer names its server. The demo shows only real output:
//! if a scene does not end as its text says, it exits with code 1.

#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a demo that goes wrong stops there and then"
)]

#[path = "../lab/mod.rs"]
mod lab;
mod pair;
mod running;
mod show;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lab::{Answers, Connection, Lan, Outcome, Tcp, V4};
use pair::Pair;
use show::Show;

/// The first version of the service file, with a mistake.
const MISTAKEN: &str = r#"version = 1

[defaults]
forward = "nat"

[service.web]
listen = "tcp://10.1.0.100:80"
shceduler = "wrr"
servers = ["10.2.0.11", "10.2.0.12", "10.2.0.13"]
"#;

/// The second version: real1 is a bigger machine, real3 is removed.
const SECOND: &str = r#"version = 1

[defaults]
forward = "nat"

[service.web]
listen = "tcp://10.1.0.100:80"
scheduler = "wrr"
drain = "1m"
servers = [
  { address = "10.2.0.11", weight = 3 },
  "10.2.0.12",
]
"#;

fn main() {
    let directory = env::temp_dir().join("demo");
    fs::create_dir_all(&directory).unwrap();
    let net = Lan::nat().real_servers(3).build();
    let web = net.serve(Tcp, 80);
    let demo = Demo {
        show: Show::new(),
        net,
        directory,
    };
    demo.picture();
    demo.check();
    demo.plan_and_apply();
    demo.change_under_traffic();
    demo.export();
    demo.keep_running(web);
    Pair::new(&demo.show, demo.directory.clone()).play();
    demo.show.end();
}

struct Demo {
    show: Show,
    net: Lan,
    directory: PathBuf,
}

impl Demo {
    fn picture(&self) {
        self.show.text(
            "
              client                director                 real servers
            ┌──────────┐         ┌────────────┐         ┌── real1 10.2.0.11
            │ 10.1.1.1 │ ──────► │ 10.1.0.100 │ ──────► ├── real2 10.2.0.12
            └──────────┘         │  IPVS (NAT)│         └── real3 10.2.0.13
                                 └────────────┘
            Five machines (network namespaces) on one real Linux kernel with ip_vs.
            ",
        );
    }

    fn write(&self, text: &str) {
        fs::write(self.directory.join("web.toml"), text).unwrap();
    }

    /// Runs a verb on the director, in the directory of the file, and shows both.
    fn director(&self, words: &str, codes: &[i32]) -> Outcome {
        self.show.command("director", &format!("director {words}"));
        let outcome = self.silently(words);
        self.show.output(&outcome.stdout);
        self.show.output(&outcome.stderr);
        assert!(codes.contains(&outcome.code), "director {words}: {outcome}");
        outcome
    }

    fn silently(&self, words: &str) -> Outcome {
        let program = env::var("DIRECTOR_BIN")
            .unwrap_or_else(|_| panic!("DIRECTOR_BIN must name director: use scripts/demo"));
        let colour = if self.show.colour() {
            "always"
        } else {
            "never"
        };
        let mut command = std::process::Command::new(program);
        command
            .args(["--color", colour])
            .args(words.split(' '))
            .current_dir(&self.directory);
        self.net.director.command(command, b"")
    }

    /// Sends requests through the virtual address.
    fn ask(&self, times: usize) -> Answers {
        let service = self.net.service(V4, 80);
        let answers = self.net.client(1).ask(Tcp, service).times(times).run();
        assert!(answers.failures().is_empty(), "requests failed: {answers}");
        answers
    }

    /// The same, and shows who answered.
    fn ask_and_show(&self, times: usize) -> Answers {
        let answers = self.ask(times);
        let names: Vec<_> = self.net.reals().iter().map(lab::Host::name).collect();
        self.show.bars(
            &format!("{times} requests to {}", self.net.service(V4, 80)),
            &names,
            &answers,
        );
        answers
    }

    fn check(&self) {
        self.show
            .scene("A service file says what the balancer should do. This one has a mistake");
        self.write(MISTAKEN);
        let outcome = self.director("check web.toml", &[1]);
        assert!(outcome.stderr.contains("scheduler"), "{outcome}");
    }

    fn plan_and_apply(&self) {
        self.show.scene("Without the mistake: what would change?");
        self.write(&MISTAKEN.replace("shceduler", "scheduler"));
        self.director("check web.toml", &[0]);
        self.director("plan web.toml", &[2]);
        self.show.scene("Apply it, and send 60 requests");
        self.director("apply web.toml --yes", &[0]);
        let answers = self.ask_and_show(60);
        assert_eq!(answers.to_string(), "real1=20 real2=20 real3=20");
    }

    /// The second version, applied while requests run and a client is connected to the removed
    /// server.
    fn change_under_traffic(&self) {
        self.show
            .scene("A second version: real1 is a bigger machine, real3 is removed");
        let mut connection = self.connection_to("real3");
        self.write(SECOND);
        self.director("plan web.toml", &[2]);
        self.show
            .scene("Applied while requests run without pause, and with a connection open to real3");
        let over = AtomicBool::new(false);
        let asked: usize = thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut asked = 0;
                while !over.load(Ordering::Relaxed) {
                    asked += self.ask(20).0.len();
                }
                asked
            });
            self.director("apply web.toml --yes", &[0]);
            over.store(true, Ordering::Relaxed);
            asking.join().unwrap()
        });
        self.show
            .note(&format!("{asked} requests during the change, none lost"));
        let answers = self.ask_and_show(60);
        assert_eq!(answers.to_string(), "real1=45 real2=15");
        assert_eq!(connection.ask().as_deref(), Ok("real3"));
        self.show
            .note("real3 still answers on the open connection: no client was cut off");
    }

    /// A connection to this server: the scheduler determines the next one.
    fn connection_to(&self, name: &str) -> Connection {
        for _ in 0..20 {
            let service = self.net.service(V4, 80);
            let mut connection = self.net.client(1).connect(Tcp, service).unwrap();
            if connection.ask().unwrap() == name {
                return connection;
            }
        }
        panic!("{name} was not chosen in 20 connections");
    }

    fn export(&self) {
        self.show
            .scene("The kernel's table as a service file, and as ipvsadm shows it");
        let exported = self.director("export", &[0]);
        assert!(exported.stdout.contains("weight = 3"), "{exported}");
        let program = env::var("DIRECTOR_IPVSADM")
            .unwrap_or_else(|_| panic!("DIRECTOR_IPVSADM must name ipvsadm: use scripts/demo"));
        self.show.command("director", "ipvsadm -Ln");
        self.show
            .output(&self.net.director.run(&format!("{program} -Ln")));
    }
}
