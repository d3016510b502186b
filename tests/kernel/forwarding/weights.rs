//! Weights: a server's share of the load, and none at all.

use ipvs::Weight;

use super::{all, balance, dr, nat, service, tables, weight};
use crate::lab::{
    Family::{self, V4},
    Lan,
    Protocol::{Tcp, Udp},
};

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn weighted_round_robin_spreads_one_two_three() {
    let net = Lan::nat().build();
    for (protocol, family) in [(Tcp, V4), (Tcp, Family::V6), (Udp, V4)] {
        let _serving = net.serve(protocol, 80);
        let web = service(protocol, net.service(family, 80), "wrr");
        let weighted = all(&net, family, 80, nat)
            .into_iter()
            .zip(1..)
            .map(|(server, number)| server.weight(weight(number)));
        balance(&net.director, &web, weighted);
        let ask = net.client(1).ask(protocol, net.service(family, 80));
        // Any six in a row: the spread is exact in each round, not only in the long run.
        for round in 1..=3 {
            assert_eq!(
                ask.clone().times(6).run().to_string(),
                "real1=1 real2=2 real3=3",
                "{protocol}, {family:?}, round {round}"
            );
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn weights_have_a_common_divisor_that_does_not_matter() {
    let net = Lan::dr().real_servers(2).build();
    let _web = net.serve(Tcp, 80);
    let web = service(Tcp, net.service(V4, 80), "wrr");
    let weighted = all(&net, V4, 80, dr)
        .into_iter()
        .zip([100, 300])
        .map(|(server, number)| server.weight(weight(number)));
    balance(&net.director, &web, weighted);
    let answers = net.client(1).ask(Tcp, net.service(V4, 80)).times(8).run();
    assert_eq!(answers.to_string(), "real1=2 real2=6");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn weight_zero_gets_nothing_until_it_has_weight_again() {
    let net = Lan::nat().build();
    let _web = net.serve(Tcp, 80);
    let web = service(Tcp, net.service(V4, 80), "rr");
    let servers = all(&net, V4, 80, nat);
    balance(&net.director, &web, servers.clone());
    let ask = net.client(1).ask(Tcp, net.service(V4, 80)).times(6);
    assert_eq!(ask.run().to_string(), "real1=2 real2=2 real3=2");

    let mut tables = tables(&net.director);
    tables
        .update_server(&web.key, &servers[1].weight(Weight::ZERO))
        .expect("a weight can be changed");
    assert_eq!(ask.run().to_string(), "real1=3 real3=3", "without real2");
    tables
        .update_server(&web.key, &servers[1])
        .expect("a weight can be changed");
    assert_eq!(ask.run().to_string(), "real1=2 real2=2 real3=2", "again");
}
