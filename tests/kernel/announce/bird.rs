//! bird on a director, which reads addresses or routes.

use std::time::{Duration, Instant};

use super::routing::Bird;
use super::{Farm, VIRTUAL, becomes, file, holds, next_hops, state, usable};
use crate::daemon::Daemon;
use crate::daemon::operator::done;
use crate::lab::{Host, Tcp, eventually};

/// Waits, without starting a program for each look, until a host has no IPv4 route to the address.
fn is_gone(host: &Host, hexadecimal: &str) -> Instant {
    eventually("the route is gone", || {
        let table = host.proc_net("route").unwrap();
        (!table.contains(hexadecimal)).then(Instant::now)
    })
}

#[test]
#[ignore = "needs the lab"]
fn bird_announces_while_a_server_is_up_and_withdraws_when_none_is() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let _router = Bird::router(&farm.router);
    let _bird = Bird::direct(a, 1);
    let daemon = Daemon::start(a, &file("linger = \"2s\""));
    // No server has been up: the first verdicts are bad ones.
    becomes(&daemon, "withdrawn");
    holds(&daemon, a, false);
    let servers: Vec<_> = farm.reals.iter().map(|real| real.serve(Tcp, 80)).collect();
    becomes(&daemon, "announced");
    farm.routed_by(&daemon, &[1]);
    let service = (VIRTUAL[0].parse::<std::net::IpAddr>().unwrap(), 80).into();
    let answers = farm.client.ask(Tcp, service).times(10).run();
    assert_eq!(answers.failures().len(), 0, "{answers:?}");
    // One of two services that are out, and one of two servers, change nothing.
    let mut servers = servers.into_iter();
    drop(servers.next());
    eventually("a server is down", || {
        daemon.log().contains("down: ").then_some(())
    });
    assert_eq!(state(&daemon), "announced");
    drop(servers.next());
    is_gone(&farm.router, "0A0200C0");
    becomes(&daemon, "withdrawn");
    farm.routed_by(&daemon, &[]);
    usable(a, true);
    usable(a, false);
}

#[test]
#[ignore = "needs the lab"]
fn from_the_verdict_to_the_neighbour() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let _router = Bird::router(&farm.router);
    let _bird = Bird::direct(a, 1);
    let mut servers = serve(&farm);
    let daemon = Daemon::start(a, &file("damping = false"));
    let mut times = Vec::new();
    for _ in 0..5 {
        becomes(&daemon, "announced");
        farm.routed_by(&daemon, &[1]);
        servers.clear();
        let start = std::time::SystemTime::UNIX_EPOCH;
        is_gone(&farm.router, "0A0200C0");
        let gone = start.elapsed().unwrap();
        becomes(&daemon, "withdrawn");
        times.push((gone, verdict(&daemon)));
        servers = serve(&farm);
    }
    let times: Vec<Duration> = times
        .into_iter()
        .map(|(gone, verdict)| gone.saturating_sub(verdict))
        .collect();
    println!("from the verdict to the neighbour's route: {times:?}");
}

fn serve(farm: &Farm) -> Vec<crate::lab::Server> {
    farm.reals.iter().map(|real| real.serve(Tcp, 80)).collect()
}

/// When the last server of the service went down: the last verdict before the withdrawal.
fn verdict(daemon: &Daemon<'_>) -> Duration {
    let outcome = daemon.http("GET /v1/events HTTP/1.0\r\n\r\n").unwrap();
    let mut last = Duration::ZERO;
    let mut at_withdrawal = Duration::ZERO;
    for line in outcome.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(at) = event["at_ms"].as_u64().map(Duration::from_millis) else {
            continue;
        };
        match event["kind"].as_str().unwrap() {
            "server-down" => last = at,
            "withdrawn" => at_withdrawal = last,
            _ => {}
        }
    }
    at_withdrawal
}

#[test]
#[ignore = "needs the lab"]
fn a_dead_director_is_withdrawn_with_its_lease_and_a_restarted_one_never() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let _router = Bird::router(&farm.router);
    let mut bird = Bird::direct(a, 1);
    let _servers = serve(&farm);
    let mut daemon = Daemon::start(a, &file(""));
    becomes(&daemon, "announced");
    farm.routed_by(&daemon, &[1]);

    // A restart, by SIGTERM and by SIGKILL: the route stays at all times. A machine that takes
    // longer than the lease for it tries again.
    for kill in [false, true] {
        eventually("a restart within the lease", || {
            let start = Instant::now();
            if kill {
                daemon.kill();
            } else {
                daemon.stop();
            }
            daemon.launch();
            let is_quick = start.elapsed() < Duration::from_secs(4);
            becomes(&daemon, "announced");
            farm.routed_by(&daemon, &[1]);
            is_quick.then_some(())
        });
    }

    // bird dies and comes back.
    bird.kill();
    farm.routed_by(&daemon, &[]);
    bird.launch();
    farm.routed_by(&daemon, &[1]);

    // The director dies for good: the kernel goes on forwarding.
    daemon.kill();
    let start = Instant::now();
    is_gone(&farm.router, "0A0200C0");
    println!(
        "withdrawn {:?} after the director was killed",
        start.elapsed()
    );
    eventually("the route for IPv6 is gone as well", || {
        next_hops(&farm.router, VIRTUAL[1]).is_empty().then_some(())
    });
    usable(a, true);
    farm.router.ip("route add 192.0.2.10 via 10.0.0.1\n");
    let service = (VIRTUAL[0].parse::<std::net::IpAddr>().unwrap(), 80).into();
    let answers = farm.client.ask(Tcp, service).times(5).run();
    assert_eq!(answers.failures().len(), 0, "{answers:?}");
}

#[test]
#[ignore = "needs the lab"]
fn a_route_with_little_health_is_less_preferred_and_an_operator_withdraws_it() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let router = Bird::router(&farm.router);
    let _bird = Bird::kernel(a, 1);
    let servers = serve(&farm);
    let daemon = Daemon::start(
        a,
        &file("via = \"route\"\nmetric = 100\nfallback_metric = 500\ndamping = false"),
    );
    becomes(&daemon, "announced");
    farm.routed_by(&daemon, &[1]);
    let med = |expected: &'static str| {
        daemon.becomes(
            "the MED of both routes",
            &vec![expected.to_owned(); 2],
            || {
                let routes = router.routes();
                let lines = routes
                    .lines()
                    .filter_map(|line| line.split_once("BGP.med: "));
                lines.map(|(_, med)| med.trim().to_owned()).collect()
            },
        );
    };
    med("100");
    drop(servers);
    becomes(&daemon, "fallback");
    med("500");
    let _servers = serve(&farm);
    becomes(&daemon, "announced");
    med("100");
    done(&daemon, "announce withdraw front --wait");
    farm.routed_by(&daemon, &[]);
    for family in ["-4", "-6"] {
        let left = a.run(&format!("ip {family} route show table main proto 114"));
        assert_eq!(left, "");
    }
    done(&daemon, "announce resume front");
    farm.routed_by(&daemon, &[1]);
}
