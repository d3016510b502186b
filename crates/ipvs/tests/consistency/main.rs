//! A list that another program changes while it is read, and answers that are lost or wrong, never
//! lead to a wrong table.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod answers;
mod faulty;
mod lies;
mod meddler;
mod random;
mod tables;

use ipvs::fake::FakeKernel;
use ipvs::{ForwardMethod, Operation, Server, ServerEntry, ServerKey, Service, ServiceKey, Weight};

fn web() -> ServiceKey {
    ServiceKey::tcp([192, 0, 2, 10], 80)
}

/// The server with this number; the one with the highest was added last and comes first.
fn server(number: u32) -> Server {
    let [_, a, b, c] = number.to_be_bytes();
    Server::new(ServerKey::new([10, a, b, c], 80), ForwardMethod::Masquerade)
}

/// A kernel with one service of `servers` servers.
fn kernel_with(servers: u32) -> FakeKernel {
    let kernel = FakeKernel::new();
    let service = Service::new(web(), Service::WLC);
    kernel.meddle(&Operation::AddService(service)).unwrap();
    for number in 1..=servers {
        add(&kernel, number);
    }
    kernel
}

fn add(kernel: &FakeKernel, number: u32) {
    let server = server(number).weight(Weight::new(number).unwrap());
    kernel.meddle(&Operation::AddServer(web(), server)).unwrap();
}

fn configured(entries: &[ServerEntry]) -> Vec<Server> {
    entries.iter().map(|entry| entry.server).collect()
}
