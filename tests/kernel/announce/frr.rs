//! FRR on a director, which reads addresses.

use super::routing::{Bird, Frr};
use super::{Farm, becomes, file};
use crate::daemon::Daemon;
use crate::lab::Tcp;

#[test]
#[ignore = "needs the lab"]
fn frr_announces_connected_addresses_and_withdraws_them() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let _router = Bird::router(&farm.router);
    let _frr = Frr::start(a);
    let serve = || -> Vec<_> { farm.reals.iter().map(|real| real.serve(Tcp, 80)).collect() };
    let servers = serve();
    let mut daemon = Daemon::start(a, &file("damping = false"));
    becomes(&daemon, "announced");
    farm.routed_by(&daemon, &[1]);
    drop(servers);
    becomes(&daemon, "withdrawn");
    farm.routed_by(&daemon, &[]);
    let _servers = serve();
    becomes(&daemon, "announced");
    farm.routed_by(&daemon, &[1]);
    daemon.kill();
    farm.routed_by(&daemon, &[]);
}
