//! What needs `--force`.

use super::{Desk, lone, web};
use crate::lab::{Lan, Tcp, V4};

const LISTEN: &str = "tcp://10.0.0.1:80";
const FOUR: &str = r#""10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.4""#;

fn refused_then_forced(before: &str, after: &str, said: &[&str]) {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("before.toml", before);
    desk.write("after.toml", after);
    desk.applied("before.toml");
    let tables = desk.tables();

    let planned = desk.ends("plan after.toml", 2);
    assert!(planned.stdout.contains("needs --force"), "{planned}");
    desk.fails("apply --yes after.toml", said);
    desk.fails("apply --yes after.toml", &["--force"]);
    assert_eq!(desk.tables(), tables);

    let forced = desk.done("apply --yes --force after.toml");
    assert!(forced.contains("forced: "), "{forced}");
    assert!(!forced.contains("needs --force"), "{forced}");
    desk.nothing_to_do("after.toml");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn more_than_half_of_the_servers() {
    let before = web(LISTEN, FOUR, "drain = \"0s\"");
    let after = web(LISTEN, r#""10.0.1.4""#, "drain = \"0s\"");
    refused_then_forced(&before, &after, &["web", LISTEN, "3 of 4 servers", "50%"]);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn more_than_the_file_allows() {
    let before = web(LISTEN, FOUR, "drain = \"0s\"");
    let policy = "drain = \"0s\"\n[policy]\nmax_removed = \"20%\"";
    let after = web(LISTEN, r#""10.0.1.2", "10.0.1.3", "10.0.1.4""#, policy);
    refused_then_forced(&before, &after, &["1 of 4 servers", "max_removed", "20%"]);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_last_one() {
    let before = web(LISTEN, r#""10.0.1.1""#, "");
    let after = web(
        LISTEN,
        r#"{ address = "10.0.1.1", weight = 0 }"#,
        "[policy]\nmax_removed = \"100%\"",
    );
    refused_then_forced(&before, &after, &["without a server"]);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn half_of_them_may_go_and_all_may_be_exchanged() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("before.toml", &web(LISTEN, FOUR, "drain = \"0s\""));
    desk.write(
        "half.toml",
        &web(LISTEN, r#""10.0.1.3", "10.0.1.4""#, "drain = \"0s\""),
    );
    desk.write(
        "others.toml",
        &web(LISTEN, r#""10.0.1.5", "10.0.1.6""#, "drain = \"0s\""),
    );
    for file in ["before.toml", "half.toml", "others.toml"] {
        desk.applied(file);
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_service_that_is_in_use() {
    let net = Lan::nat().real_servers(1).build();
    let _web = net.serve(Tcp, 80);
    let desk = Desk::on(&net.director);
    desk.write(
        "web.toml",
        &web("tcp://10.1.0.100:80", r#""10.2.0.11""#, "drain = \"60s\""),
    );
    desk.write("none.toml", "version = 1\n");
    desk.applied("web.toml");
    let mut connection = net.client(1).connect(Tcp, net.service(V4, 80)).unwrap();
    connection.ask().unwrap();

    desk.fails(
        "apply --yes none.toml",
        &["web", "while it carries 1 connection"],
    );
    desk.done("apply --yes --force none.toml");
    assert_eq!(
        desk.tables().weight("tcp://10.1.0.100:80", "10.2.0.11:80"),
        Some(0),
        "it drains"
    );
    assert_eq!(connection.ask().as_deref(), Ok("real1"));
    desk.nothing_to_do("none.toml");
}

fn services(numbers: &[u8]) -> String {
    let mut text = "version = 1\n[defaults]\nforward = \"nat\"\ndrain = \"0s\"\n".to_owned();
    for number in numbers {
        text += &format!(
            "[service.s{number}]\nlisten = \"tcp://10.0.0.{number}:80\"\n\
             servers = [\"10.0.{number}.1\"]\n"
        );
    }
    text
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn more_than_half_of_the_services_though_they_carry_nothing() {
    refused_then_forced(
        &services(&[1, 2, 3]),
        &services(&[1]),
        &["2 of 3 services", "s2", "max_removed_services", "50%"],
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_last_service() {
    refused_then_forced(
        &services(&[1]),
        "version = 1\n",
        &["no service would be left", "s1"],
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn one_service_of_three_may_go_and_a_saved_plan_is_guarded_too() {
    let host = lone();
    let desk = Desk::on(&host);
    for (file, numbers) in [("three.toml", &[1, 2, 3][..]), ("two.toml", &[1, 3])] {
        desk.write(file, &services(numbers));
        desk.applied(file);
    }
    desk.write("none.toml", "version = 1\n");
    desk.ends("plan none.toml --out none.plan", 2);
    desk.fails("apply --yes none.plan", &["no service would be left"]);
    desk.write("empty.toml", "");
    desk.fails("apply --yes empty.toml", &["is empty"]);
    desk.ends("plan empty.toml", 1);
    desk.done("apply --yes --force empty.toml");
    assert!(desk.tables().services.is_empty());
}
