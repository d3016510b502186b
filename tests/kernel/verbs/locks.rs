//! Two at once.

use super::{DIRECTOR, Desk, web};
use crate::lab::{Lan, Tcp, V4, eventually};

const SERVICE: &str = "tcp://10.1.0.100:80";

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_second_refuses_or_waits_and_names_the_first() {
    let net = Lan::nat().real_servers(2).build();
    let _web = net.serve(Tcp, 80);
    let desk = Desk::on(&net.director);
    let more = "scheduler = \"rr\"\ndrain = \"10m\"";
    desk.write(
        "both.toml",
        &web(SERVICE, r#""10.2.0.11", "10.2.0.12""#, more),
    );
    desk.write("second.toml", &web(SERVICE, r#""10.2.0.12""#, more));
    desk.applied("both.toml");
    let mut connections = net
        .client(1)
        .ask(Tcp, net.service(V4, 80))
        .times(2)
        .connect_all()
        .unwrap();
    for connection in &mut connections {
        connection.ask().unwrap();
    }

    // At work for as long as a connection lives.
    let start = |args: &[&str]| net.director.spawn_command(desk.command(DIRECTOR, args));
    let mut first = start(&["apply", "--yes", "--drain-wait", "second.toml"]);
    eventually("it drains", || {
        (desk.tables().weight(SERVICE, "10.2.0.11:80") == Some(0)).then_some(())
    });
    let holder = format!("process {}", first.id());
    for line in [
        "apply --yes --lock-timeout 0s both.toml",
        "apply --yes --lock-timeout 300ms both.toml",
    ] {
        desk.fails(line, &["another director is at work", &holder]);
    }
    assert_eq!(
        desk.tables().weight(SERVICE, "10.2.0.11:80"),
        Some(0),
        "nothing was done"
    );
    // Who only looks does not wait.
    desk.ends("plan both.toml", 2);
    desk.done("export");

    let mut second = start(&["apply", "--yes", "--lock-timeout", "1m", "both.toml"]);
    desk.ends("plan both.toml", 2);
    assert_eq!((first.ended(), second.ended()), (None, None));
    for connection in connections {
        connection.reset().unwrap();
    }
    assert_eq!(eventually("the first is done", || first.ended()), 0);
    assert_eq!(eventually("then the second", || second.ended()), 0);
    desk.nothing_to_do("both.toml");
}
