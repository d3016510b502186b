//! Thresholds: a server at its upper threshold gets no new connections until it has fewer than its
//! lower one.
//!
//! ```text
//!   connections
//!     upper ─ ─ ─ ─ ─ ─ ─┌─────────┐         overloaded from here
//!                     ┌──┘ nothing └──┐
//!     lower ─ ─ ─ ─ ┌─┘      new      └─┐    until below here (0: three quarters of the upper)
//!                 ──┘                   └──
//! ```
//!
//! `ip_vs_dest_totalconns` counts active and inactive ones: a connection counts until its entry
//! expires, not until it is closed.

use ipvs::{Server, Service, Timeouts};

use super::{all, balance, dr, servers, service, tables};
use crate::lab::{
    Answers, Connection, Family::V4, Lan, Protocol::Tcp, Server as Serving, eventually,
};

/// Two servers: the first has thresholds, the second accepts everything.
struct Pair {
    net: Lan,
    web: Service,
    _serving: Vec<Serving>,
}

impl Pair {
    fn new(upper: u32, lower: u32) -> Self {
        let net = Lan::dr().real_servers(2).build();
        let _serving = net.serve(Tcp, 80);
        // Makes the kernel forget closed connections after a second instead of two minutes.
        tables(&net.director)
            .set_timeouts(&Timeouts {
                tcp_fin: 1,
                ..Timeouts::default()
            })
            .expect("time limits can be set");
        let web = service(Tcp, net.service(V4, 80), "rr");
        let mut servers = all(&net, V4, 80, dr);
        servers[0] = servers[0].thresholds(upper, lower);
        balance(&net.director, &web, servers);
        Self { net, web, _serving }
    }

    /// Opens connections one by one and sorts them by server: first those of the first one.
    fn open(&self, times: usize) -> (Vec<Connection>, Vec<Connection>) {
        let opened = self
            .net
            .client(1)
            .ask(Tcp, self.net.service(V4, 80))
            .times(times)
            .connect_all()
            .expect("one of the servers takes it");
        opened
            .into_iter()
            .map(|mut held| (held.ask().expect("an answer"), held))
            .fold(
                (Vec::new(), Vec::new()),
                |(mut first, mut second), (by, held)| {
                    if by == "real1" {
                        first.push(held);
                    } else {
                        second.push(held);
                    }
                    (first, second)
                },
            )
    }

    /// Waits until the first server has this many connections.
    fn settle(&self, connections: u32) {
        eventually("closed connections are forgotten", || {
            let first = servers(&self.net.director, &self.web)[0];
            (first.active + first.inactive == connections).then_some(())
        });
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn full_at_the_upper_and_free_below_the_lower() {
    let pair = Pair::new(4, 2);
    let (mut first, mut second) = pair.open(8);
    assert_eq!((first.len(), second.len()), (4, 4), "an even spread");

    let (none, more) = pair.open(4);
    assert_eq!((none.len(), more.len()), (0, 4), "the first one is full");
    second.extend(more);

    first.truncate(2);
    pair.settle(2);
    let (none, more) = pair.open(2);
    assert_eq!(
        (none.len(), more.len()),
        (0, 2),
        "two is not below two: still full"
    );
    second.extend(more);

    first.truncate(1);
    pair.settle(1);
    let (taken, more) = pair.open(4);
    assert_eq!((taken.len(), more.len()), (2, 2), "an even spread again");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn without_a_lower_one_three_quarters_of_the_upper_do() {
    let pair = Pair::new(4, 0);
    let (mut first, second) = pair.open(8);
    assert_eq!((first.len(), second.len()), (4, 4), "an even spread");

    first.truncate(3);
    pair.settle(3);
    let (none, more) = pair.open(2);
    assert_eq!(
        (none.len(), more.len()),
        (0, 2),
        "three is not below three quarters of four: still full"
    );

    first.truncate(2);
    pair.settle(2);
    let (taken, more) = pair.open(4);
    assert_eq!((taken.len(), more.len()), (2, 2), "an even spread again");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn clients_are_refused_when_every_server_is_full() {
    let net = Lan::dr().real_servers(2).build();
    let _serving = net.serve(Tcp, 80);
    let web = service(Tcp, net.service(V4, 80), "rr");
    let full: Vec<Server> = all(&net, V4, 80, dr)
        .into_iter()
        .map(|server| server.thresholds(1, 0))
        .collect();
    balance(&net.director, &web, full.clone());
    let ask = net.client(1).ask(Tcp, net.service(V4, 80));
    let _held = ask.clone().times(2).connect_all().expect("one each");
    let refused: Answers = ask.clone().times(2).run();
    assert_eq!(refused.to_string(), "refused=2");

    // A higher limit makes room immediately.
    let mut tables = tables(&net.director);
    tables
        .update_server(&web.key, &full[0].thresholds(2, 0))
        .expect("thresholds can be changed");
    assert_eq!(ask.run().to_string(), "real1=1");
}
