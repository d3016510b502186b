//! A client with many addresses, for the schedulers that place clients by address.

use std::net::IpAddr;

use ipvs::hashing::Hashed;
use ipvs::{ForwardMethod, Service};

use crate::{
    lab::{Answers, Lan},
    rig::{PORT, Rig, family, real, refused},
};

/// The number of the client's addresses per family.
const ADDRESSES: u8 = 24;

/// Direct routing, three real servers, and one client with many addresses.
pub(super) fn rig() -> Rig {
    let net = Lan::dr().addresses(ADDRESSES).build();
    Rig::new(net, ForwardMethod::DirectRoute)
}

/// The servers of a service in the kernel's order if `real1` was added first: last added first.
pub(super) fn listed(rig: &Rig, service: &Service, weights: &[u32]) -> Vec<Hashed> {
    let hashed = |(index, weight): (usize, &u32)| Hashed {
        number: index + 1,
        address: rig.key(service, index + 1).address,
        port: PORT,
        weight: *weight,
    };
    weights.iter().enumerate().map(hashed).rev().collect()
}

/// One request from each address of the client.
pub(super) fn everybody(rig: &Rig, service: &Service) -> Answers {
    let addresses = rig.net.client(1).addresses(family(service));
    let asks = rig.ask(service).times(addresses.len());
    asks.from(addresses).run()
}

/// The choice of `choose` for each source address; `None` is a refusal.
pub(super) fn expected(answers: &Answers, choose: impl Fn(IpAddr) -> Option<usize>) -> Vec<String> {
    let word = |number: Option<usize>| number.map_or_else(refused, real);
    answers.0.iter().map(|a| word(choose(a.from))).collect()
}
