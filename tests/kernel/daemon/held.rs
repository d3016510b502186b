//! `type = "idle"`: connections that are held open find a death when it happens.

use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal;

use super::{Daemon, SERVICE};
use crate::lab::{Host, Lan, Process, eventually, paced_ms};

/// Accepts connections and keeps them, until it is killed.
const SERVER: &str = "$l = IO::Socket::INET->new(LocalPort => 80, Listen => 64, ReuseAddr => 1) or die $!; \
                      push @kept, $_ while $_ = $l->accept";

fn servers(net: &Lan) -> Vec<Process> {
    let start = |host: &Host| {
        let mut command = Command::new("perl");
        command.args(["-MIO::Socket::INET", "-e", SERVER]);
        host.spawn_command(command)
    };
    net.reals().iter().map(start).collect()
}

fn file(interval: &str, more: &str) -> String {
    format!(
        "
version = 1
[service.web]
listen = \"{SERVICE}\"
forward = \"nat\"
scheduler = \"rr\"
servers = [\"10.2.0.11\", \"10.2.0.12\", \"10.2.0.13\"]
[service.web.check]
type = \"idle\"
interval = \"{interval}\"
fast_interval = \"1s\"
timeout = \"1s\"
rise = 1
fall = 1
{more}"
    )
}

/// The connections of a server's port 80: the client's address and port, and the state
/// (`include/net/tcp_states.h`).
fn connections(server: &Host) -> Vec<(String, u8)> {
    let table = server.proc_net("tcp").unwrap();
    let rows = table.lines().skip(1).filter_map(|row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let state = u8::from_str_radix(fields[3], 16).unwrap();
        (fields[1].ends_with(":0050") && state != LISTEN).then(|| (fields[2].to_owned(), state))
    });
    rows.collect()
}

const ESTABLISHED: u8 = 1;
const CLOSE_WAIT: u8 = 8;
const LISTEN: u8 = 10;

#[test]
#[ignore = "needs the lab"]
fn a_held_connection_finds_a_death_long_before_the_interval() {
    let net = Lan::nat().real_servers(3).build();
    let servers = servers(&net);
    let mut daemon = Daemon::start(&net.director, &file("10m", ""));
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    let killed = Instant::now();
    servers[1].signal(Signal::SIGKILL);
    daemon.weights(SERVICE, "1=1 2=0 3=1");
    eprintln!("held: found {:?} after the death", killed.elapsed());
    let log = daemon.log();
    let reason = "connection refused; the server closed the held connection";
    assert!(log.contains(reason), "{log}");
    // What a reload leaves as it is keeps its connection.
    let before = connections(net.real(1));
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(before[0].1, ESTABLISHED, "{before:?}");
    let other = "[service.other]\nlisten = \"tcp://10.1.0.100:81\"\nforward = \"nat\"\n\
                 scheduler = \"rr\"\nservers = [\"10.2.0.11\"]\ncheck = false\n";
    daemon.write(&file("10m", other));
    daemon.weights("tcp://10.1.0.100:81", "1=1");
    assert_eq!(connections(net.real(1)), before);
    assert_eq!(daemon.stop(), 0);
    // The server's program has heard the FIN, and does not care.
    eventually("the connection is closed", || {
        let after = connections(net.real(1));
        (after.len() == 1 && after[0].1 == CLOSE_WAIT).then_some(())
    });
}

#[test]
#[ignore = "needs the lab"]
fn keep_alives_find_a_host_that_vanished() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = servers(&net);
    let daemon = Daemon::start(&net.director, &file("3s", ""));
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    // It is there and says nothing, not even to ARP, which the director's kernel remembers.
    let vanished = Instant::now();
    net.real(2).ip("addr flush dev eth0\n");
    daemon.weights(SERVICE, "1=1 2=0 3=1");
    let took = vanished.elapsed();
    eprintln!("held: found {took:?} after the host vanished");
    // Interval and timeout come to four seconds; the machine that runs this may be busy.
    assert!(took < 5 * paced_ms(4_000), "{took:?}\n{}", daemon.log());
}
