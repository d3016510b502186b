//! The same with the running director.

use super::bench::PORT;
use crate::daemon::Daemon;
use crate::lab::{Lan, Tcp, V4};

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

/// The servers with weight 1, by the last number of their addresses, and the number of private
/// services.
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

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_director_takes_out_who_forgot_the_address() {
    let net = Lan::dr().build();
    let _serving = net.serve(Tcp, PORT);
    let mut daemon = Daemon::start(&net.director, FILE);
    let becomes = |daemon: &Daemon<'_>, what: &str, up: &[u8], private: usize| {
        daemon.becomes(what, &(up.to_vec(), private), || tables(&net));
    };
    becomes(&daemon, "all are well", &[11, 12, 13], 3);
    assert_eq!(
        net.director.read_sysctl("net.ipv4.conf.eth0.accept_local"),
        "1"
    );

    net.real(2).ip("addr del 10.1.0.100/32 dev lo\n");
    becomes(&daemon, "real2 is out", &[11, 13], 3);
    let answers = net
        .client(1)
        .ask(Tcp, net.service(V4, PORT))
        .times(10)
        .run();
    assert_eq!(answers.to_string(), "real1=5 real3=5");
    net.real(2).ip("addr add 10.1.0.100/32 dev lo\n");
    becomes(&daemon, "real2 is back", &[11, 12, 13], 3);

    // Another program deletes everything.
    net.director.run("ipvsadm -C");
    becomes(&daemon, "all is mended", &[11, 12, 13], 3);

    // Killed, it leaves its private services, and finds them again.
    daemon.kill();
    assert_eq!(tables(&net), (vec![11, 12, 13], 3));
    let marks = |list: String| -> Vec<String> {
        let lines = list.lines().filter(|line| line.starts_with("-A -f "));
        lines.map(str::to_owned).collect()
    };
    let before = marks(net.director.run("ipvsadm -Sn"));
    daemon.launch();
    net.real(3).ip("addr del 10.1.0.100/32 dev lo\n");
    becomes(&daemon, "real3 is out", &[11, 12], 3);
    assert_eq!(marks(net.director.run("ipvsadm -Sn")), before);

    // Stopped, it leaves none.
    daemon.stop();
    becomes(&daemon, "no private service is left", &[11, 12], 0);
}
