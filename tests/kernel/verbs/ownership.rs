//! Who owns services.

use super::{Desk, lone, web};

const OWN: &str = "tcp://10.0.0.1:80";
const OTHERS: &str = "tcp://10.0.0.2:80";

fn beside_a_foreign_one<'h>(host: &'h crate::lab::Host) -> Desk<'h> {
    let desk = Desk::on(host);
    host.ipvsadm("-A -t 10.0.0.2:80 -s rr\n-a -t 10.0.0.2:80 -r 10.0.1.9 -m -w 3\n");
    desk.write("own.toml", &web(OWN, r#""10.0.1.1""#, ""));
    desk.write("none.toml", "version = 1\n");
    desk
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_foreign_service_is_reported_and_left_alone() {
    let host = lone();
    let desk = beside_a_foreign_one(&host);
    let foreign = desk.tables().services;
    let planned = desk.ends("plan own.toml", 2);
    assert!(
        planned
            .stdout
            .contains("foreign, left alone: tcp://10.0.0.2:80"),
        "{planned}"
    );
    desk.applied("own.toml");
    desk.forced("none.toml");
    assert_eq!(desk.tables().services, foreign);
    desk.applied("own.toml");
    desk.done("flush --yes");
    assert_eq!(desk.tables().services, foreign);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_policy_may_remove_it() {
    let host = lone();
    let desk = beside_a_foreign_one(&host);
    desk.write(
        "alone.toml",
        &web(OWN, r#""10.0.1.1""#, "[policy]\nforeign = \"remove\""),
    );
    desk.applied("alone.toml");
    assert!(desk.tables().has(OWN));
    assert!(!desk.tables().has(OTHERS));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn one_that_is_declared_is_adopted_in_place() {
    let host = lone();
    let desk = beside_a_foreign_one(&host);
    let same = web(
        OTHERS,
        r#"{ address = "10.0.1.9", weight = 3 }"#,
        "scheduler = \"rr\"",
    );
    desk.write("same.toml", &same);
    let before = desk.tables();
    desk.nothing_to_do("same.toml");
    desk.applied("same.toml");
    assert_eq!(desk.tables(), before);
    desk.forced("none.toml");
    assert!(desk.tables().services.is_empty(), "it was its own");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn adopt_and_disown_change_the_ledger_and_not_the_kernel() {
    let host = lone();
    let desk = beside_a_foreign_one(&host);
    let foreign = desk.tables();
    desk.done(&format!("adopt {OTHERS}"));
    assert_eq!(desk.tables(), foreign);
    desk.ends("plan none.toml", 2);
    desk.done(&format!("disown {OTHERS}"));
    desk.nothing_to_do("none.toml");
    desk.fails(&format!("disown {OTHERS}"), &["does not own `"]);

    desk.done("adopt --all");
    assert_eq!(desk.tables(), foreign);
    desk.forced("none.toml");
    assert!(desk.tables().services.is_empty());
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn one_that_was_disowned_stays() {
    let host = lone();
    let desk = beside_a_foreign_one(&host);
    desk.applied("own.toml");
    desk.done("disown --all");
    desk.forced("none.toml");
    assert!(desk.tables().has(OWN));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn what_is_not_there_cannot_be_adopted() {
    let host = lone();
    let desk = beside_a_foreign_one(&host);
    desk.fails(
        &format!("adopt {OTHERS} udp://10.0.0.2:80"),
        &["no service `udp://10.0.0.2:80`"],
    );
    desk.nothing_to_do("none.toml");
    desk.fails("adopt", &["SERVICE"]);
    desk.fails("adopt web", &["web"]);
}
