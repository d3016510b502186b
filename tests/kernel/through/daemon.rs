//! The same, by the director that runs.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use super::bench::PORT;
use crate::lab::{Lan, Process, Tcp, V4, eventually};

const FILE: &str = r#"
version = 1

[daemon]
reconcile = "300ms"

[service.web]
listen = "tcp://10.1.0.100:80"
forward = "dr"
scheduler = "rr"
servers = ["10.1.0.11", "10.1.0.12", "10.1.0.13"]
check = { type = "tcp", through = true, interval = "200ms", timeout = "500ms", rise = 1, fall = 2 }
"#;

/// A running director, its files in a directory.
fn start(net: &Lan, directory: &tempfile::TempDir) -> Process {
    fs::write(directory.path().join("director.toml"), FILE).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
    command
        .args(["run", "director.toml", "--socket"])
        .arg(directory.path().join("socket"))
        .env("DIRECTOR_STATE_DIR", directory.path().join("state"))
        .current_dir(directory.path());
    net.director.spawn_command(command)
}

fn end(mut director: Process, signal: Signal) {
    director.signal(signal);
    eventually("the director has ended", || director.ended());
}

/// The servers of weight 1, by the last number of their addresses, and how many private services
/// there are.
fn tables(net: &Lan) -> (Vec<u8>, usize) {
    let list = net.director.run("ipvsadm -Sn");
    let up = (11..=13).filter(|last| {
        list.contains(&format!(
            "-a -t 10.1.0.100:80 -r 10.1.0.{last}:80 -g -w 1\n"
        ))
    });
    let private = list.lines().filter(|line| line.starts_with("-A -f "));
    (up.collect(), private.count())
}

#[track_caller]
fn becomes(net: &Lan, what: &str, wanted: &(Vec<u8>, usize)) {
    eventually(what, || (tables(net) == *wanted).then_some(()));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_director_takes_out_who_forgot_the_address() {
    let net = Lan::dr().build();
    let _serving = net.serve(Tcp, PORT);
    let directory = tempfile::tempdir().unwrap();
    let running = start(&net, &directory);
    becomes(&net, "all are well", &(vec![11, 12, 13], 3));
    assert_eq!(
        net.director.read_sysctl("net.ipv4.conf.eth0.accept_local"),
        "1"
    );

    net.real(2).ip("addr del 10.1.0.100/32 dev lo\n");
    becomes(&net, "real2 is out", &(vec![11, 13], 3));
    let answers = net
        .client(1)
        .ask(Tcp, net.service(V4, PORT))
        .times(10)
        .run();
    assert_eq!(answers.to_string(), "real1=5 real3=5");
    net.real(2).ip("addr add 10.1.0.100/32 dev lo\n");
    becomes(&net, "real2 is back", &(vec![11, 12, 13], 3));

    // Somebody deletes all there is.
    net.director.run("ipvsadm -C");
    becomes(&net, "all is mended", &(vec![11, 12, 13], 3));

    // Killed, it leaves its private services, and finds them again.
    end(running, Signal::SIGKILL);
    assert_eq!(tables(&net), (vec![11, 12, 13], 3));
    let marks = |list: String| -> Vec<String> {
        let lines = list.lines().filter(|line| line.starts_with("-A -f "));
        lines.map(str::to_owned).collect()
    };
    let before = marks(net.director.run("ipvsadm -Sn"));
    let running = start(&net, &directory);
    net.real(3).ip("addr del 10.1.0.100/32 dev lo\n");
    becomes(&net, "real3 is out", &(vec![11, 12], 3));
    assert_eq!(marks(net.director.run("ipvsadm -Sn")), before);

    // Stopped, it leaves none.
    end(running, Signal::SIGTERM);
    becomes(&net, "no private service is left", &(vec![11, 12], 0));
}
