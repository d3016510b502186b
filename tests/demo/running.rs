//! The last act: the running director. A server dies and returns, another is drained, and a program
//! breaks the tables.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Demo;
use super::lab::{Failure, Process, Server, Tcp, V4, eventually};

/// The third version: checked four times a second.
const THIRD: &str = r#"version = 1
daemon = { reconcile = "1s" }

[defaults]
forward = "nat"

[service.web]
listen = "tcp://10.1.0.100:80"
scheduler = "wrr"
slow_start = "4s"
servers = [
  { address = "10.2.0.11", weight = 10 },
  { address = "10.2.0.12", weight = 10 },
  { address = "10.2.0.13", weight = 10 },
]
check = { type = "tcp", interval = "250ms", timeout = "250ms", rise = 2, fall = 2 }
"#;

impl Demo {
    pub(super) fn keep_running(&self, mut servers: Vec<Server>) {
        self.show
            .scene("The daemon checks the servers and keeps the tables in sync");
        self.write(THIRD);
        let _daemon = self.start();
        self.weights("10 10 10");
        self.director("status", &[0]);

        self.show.scene("real2 dies under load");
        let answers = self.asked_while(|| {
            drop(servers.remove(1));
            self.weights("10 0 10");
        });
        let (lost, asked) = (
            answers.iter().filter(|by| by.is_err()).count(),
            answers.len(),
        );
        self.show.note(&format!(
            "{lost} of {asked} requests failed until the checks found it"
        ));
        assert!(lost * 2 < asked, "{lost} of {asked}");
        assert_eq!(self.ask_and_show(40).by("real2"), 0);
        self.director("status", &[0]);

        self.show
            .scene("real2 comes back, and its weight grows step by step");
        servers.insert(1, self.net.real(2).serve(Tcp, 80));
        let warming = eventually("real2 warms up", || {
            let weights = self.weights_now();
            let middle = weights.split(' ').nth(1)?.parse::<u32>().ok()?;
            (0 < middle && middle < 10).then_some(weights)
        });
        self.show.note(&format!("weights {warming} ..."));
        self.weights("10 10 10");
        self.show.note("weights 10 10 10");

        self.show.scene("Maintenance: an operator drains real3");
        self.director("drain web 10.2.0.13 --reason upgrade", &[0]);
        assert_eq!(self.ask_and_show(40).by("real3"), 0);
        self.director("undrain web 10.2.0.13", &[0]);

        self.show
            .scene("Another program breaks the tables; director repairs them");
        self.show.command("director", "ipvsadm -C");
        let program = env::var("DIRECTOR_IPVSADM").unwrap_or_else(|_| "ipvsadm".to_owned());
        self.net.director.run(&format!("{program} -C"));
        self.weights("10 10 10");
        self.show.note("the service is back, within a second");
        self.director("status", &[0]);
    }

    fn start(&self) -> Process {
        let program = env::var("DIRECTOR_BIN")
            .unwrap_or_else(|_| panic!("DIRECTOR_BIN must name director: use scripts/demo"));
        self.show.command("director", "director run web.toml &");
        let log = std::fs::File::create(self.directory.join("log")).unwrap();
        let mut command = Command::new(program);
        command
            .args(["run", "web.toml"])
            .current_dir(&self.directory)
            .stderr(log);
        let daemon = self.net.director.spawn_command(command);
        eventually("the director runs", || {
            self.silently("status").success().then_some(())
        });
        daemon
    }

    /// The weights of the three servers in the kernel; `-` for one that is missing.
    fn weights_now(&self) -> String {
        let key = ipvs::ServiceKey::tcp([10, 1, 0, 100], 80);
        let servers = self.net.director.enter(|| {
            let mut client = ipvs::Client::connect().unwrap();
            client.servers(&key).unwrap()
        });
        let weight = |last: u8| {
            let address = std::net::IpAddr::from([10, 2, 0, last]);
            let found = servers
                .iter()
                .find(|entry| entry.server.key.address == address);
            found.map_or("-".to_owned(), |entry| {
                entry.server.weight.get().to_string()
            })
        };
        [11, 12, 13].map(weight).join(" ")
    }

    fn weights(&self, expected: &str) {
        eventually(&format!("weights {expected}"), || {
            (self.weights_now() == expected).then_some(())
        });
    }

    /// The results of requests while something happens.
    fn asked_while(&self, happening: impl FnOnce()) -> Vec<Result<String, Failure>> {
        let over = AtomicBool::new(false);
        let client = self.net.client(1);
        let patience = Duration::from_millis(300);
        let ask = client.ask(Tcp, self.net.service(V4, 80)).patience(patience);
        thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut answers = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    answers.push(ask.run().0.swap_remove(0).by);
                }
                answers
            });
            happening();
            over.store(true, Ordering::Relaxed);
            asking.join().unwrap()
        })
    }
}
