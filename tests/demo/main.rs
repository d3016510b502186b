//! What this project is about, in half a minute: `scripts/demo` runs this in the lab.
//!
//! A client, a director and three real servers, each in a network namespace of its own; the
//! drop-in `ipvsadm` configures, real requests go through the virtual address, and every answer
//! says who gave it. Nothing shown is made up: a scene that does not come out as its text says
//! ends the demo with exit code 1.

#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a demo that goes wrong stops there and then"
)]

#[path = "../lab/mod.rs"]
mod lab;
mod show;

use std::env;

use ipvs::{Client, ServerKey, ServiceKey, Weight};

use lab::{Answers, Connection, Lan, Tcp, V4};
use show::Show;

fn main() {
    let demo = Demo {
        show: Show::new(),
        net: Lan::nat().real_servers(3).build(),
    };
    let _web = demo.net.serve(Tcp, 80);
    demo.picture();
    demo.balance();
    demo.weights();
    demo.drain();
    demo.refusal();
    demo.counters();
    demo.show.end();
}

struct Demo {
    show: Show,
    net: Lan,
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

    /// Runs a line of `ipvsadm` on the director, by the drop-in, and shows both.
    fn ipvsadm(&self, words: &str) -> String {
        self.show.command("director", &format!("ipvsadm {words}"));
        let program = env::var("DIRECTOR_IPVSADM")
            .unwrap_or_else(|_| panic!("DIRECTOR_IPVSADM must name our ipvsadm: use scripts/demo"));
        self.net.director.run(&format!("{program} {words}"))
    }

    /// Asks through the virtual address and shows who answered.
    fn ask(&self, times: usize) -> Answers {
        let service = self.net.service(V4, 80);
        let answers = self.net.client(1).ask(Tcp, service).times(times).run();
        assert!(answers.failures().is_empty(), "requests failed: {answers}");
        let names: Vec<_> = self.net.reals().iter().map(lab::Host::name).collect();
        self.show
            .bars(&format!("{times} requests to {service}"), &names, &answers);
        answers
    }

    fn balance(&self) {
        self.show
            .scene("A virtual service and three real servers, by weighted round robin");
        self.ipvsadm("-A -t 10.1.0.100:80 -s wrr");
        for last in 11..=13 {
            self.ipvsadm(&format!("-a -t 10.1.0.100:80 -r 10.2.0.{last}:80 -m -w 1"));
        }
        let answers = self.ask(60);
        assert_eq!(answers.to_string(), "real1=20 real2=20 real3=20");
    }

    fn weights(&self) {
        self.show.scene(
            "real1 is a bigger machine: three times the weight, from one moment to the next",
        );
        self.ipvsadm("-e -t 10.1.0.100:80 -r 10.2.0.11:80 -m -w 3");
        let answers = self.ask(60);
        assert_eq!(answers.to_string(), "real1=36 real2=12 real3=12");
    }

    /// Weight 0 by way of the library: no new requests, and the open connection lives on.
    fn drain(&self) {
        self.show
            .scene("real3 is taken out for maintenance, while somebody is connected to it");
        let mut connection = self.connection_to("real3");
        self.show.note("a long connection is open to real3");
        let web = ServiceKey::tcp([10, 1, 0, 100], 80);
        let mut client = self.net.director.enter(Client::connect).unwrap();
        let real3 = ServerKey::new([10, 2, 0, 13], 80);
        let entry = client
            .servers(&web)
            .unwrap()
            .into_iter()
            .find(|entry| entry.server.key == real3);
        let drained = entry.unwrap().server.weight(Weight::ZERO);
        self.show
            .command("director", "ipvs::Client::update_server(real3, weight 0)");
        client.update_server(&web, &drained).unwrap();
        let answers = self.ask(60);
        assert_eq!(answers.to_string(), "real1=45 real2=15");
        let by = connection.ask().unwrap();
        assert_eq!(by, "real3");
        self.show
            .note("the long connection is still answered by real3: nobody was cut off");
    }

    /// A connection to the server of that name: the scheduler says who is next.
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

    fn refusal(&self) {
        self.show.scene("A mistake gets an answer that helps");
        let mut client = self.net.director.enter(Client::connect).unwrap();
        let service = ipvs::Service::new(
            ServiceKey::tcp([10, 1, 0, 100], 443),
            ipvs::Name::from_static("wlcc"),
        );
        self.show
            .command("director", "ipvs::Client::add_service(443, scheduler wlcc)");
        let error = client.add_service(&service).unwrap_err();
        self.show.note(&error.to_string());
    }

    fn counters(&self) {
        self.show
            .scene("What the kernel counted, as ipvsadm has always shown it");
        let listing = self.ipvsadm("-Ln --stats");
        assert!(listing.contains("10.2.0.13:80"), "{listing}");
        self.show.output(&listing);
    }
}
