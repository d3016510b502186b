//! Saved plans.

use std::fs;

use super::{Desk, lone, web};

const ONE: &str = r#""10.0.1.1""#;
const TWO: &str = r#""10.0.1.1", "10.0.1.2""#;

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_saved_plan_is_carried_out_once() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("web.toml", &web("tcp://10.0.0.1:80", ONE, ""));
    desk.ends("plan web.toml --out tonight.plan", 2);
    // The saved plan is applied, whatever happened to the file.
    desk.write("web.toml", &web("tcp://10.0.0.2:80", ONE, ""));
    desk.done("apply --yes tonight.plan");
    assert!(desk.tables().has("tcp://10.0.0.1:80"));
    assert!(!desk.tables().has("tcp://10.0.0.2:80"));

    let after = desk.tables();
    desk.fails("apply --yes tonight.plan", &["changed", "make a new plan"]);
    assert_eq!(desk.tables(), after);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_saved_plan_is_refused_when_the_tables_have_moved() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web("tcp://10.0.0.1:80", ONE, ""));
    desk.write("two.toml", &web("tcp://10.0.0.1:80", TWO, ""));
    desk.applied("one.toml");
    for (meddling, back) in [
        // The server that the plan adds; one that it keeps; the service itself.
        (
            "-a -t 10.0.0.1:80 -r 10.0.1.2 -m",
            "-d -t 10.0.0.1:80 -r 10.0.1.2",
        ),
        (
            "-e -t 10.0.0.1:80 -r 10.0.1.1 -m -w 7",
            "-e -t 10.0.0.1:80 -r 10.0.1.1 -m -w 1",
        ),
        ("-E -t 10.0.0.1:80 -s rr", "-E -t 10.0.0.1:80 -s wlc"),
    ] {
        desk.ends("plan two.toml --out two.plan", 2);
        host.ipvsadm(&format!("{meddling}\n"));
        let moved = desk.tables();
        desk.fails("apply --yes two.plan", &["changed", "make a new plan"]);
        assert_eq!(desk.tables(), moved, "{meddling}");
        host.ipvsadm(&format!("{back}\n"));
    }
    // As it was: the plan is valid again.
    desk.done("apply --yes two.plan");
    desk.nothing_to_do("two.toml");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_saved_plan_belongs_to_one_namespace() {
    let (host, other) = (lone(), lone());
    let desk = Desk::on(&host);
    desk.write("one.toml", &web("tcp://10.0.0.1:80", ONE, ""));
    desk.ends("plan one.toml --out one.plan", 2);
    let elsewhere = format!("--netns {} apply --yes one.plan", other.netns().name());
    desk.fails(&elsewhere, &["another network namespace"]);
    assert!(!super::Tables::of(&other).has("tcp://10.0.0.1:80"));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_damaged_plan_is_called_one() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web("tcp://10.0.0.1:80", ONE, ""));
    desk.ends("plan one.toml --out one.plan", 2);
    let path = desk.directory.path().join("one.plan");
    let whole = fs::read(&path).unwrap();
    for length in [30, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        desk.fails("apply --yes one.plan", &["`one.plan`: the file is damaged"]);
    }
    let text = String::from_utf8(whole).unwrap();
    fs::write(&path, text.replace("wlc", "\u{0}")).unwrap();
    desk.fails("apply --yes one.plan", &["one.plan"]);
    assert!(desk.tables().services.is_empty());
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_plan_for_programs_says_what_the_one_for_people_does() {
    let host = lone();
    let desk = Desk::on(&host);
    host.ipvsadm("-A -f 7 -s rr\n");
    desk.write("two.toml", &web("tcp://10.0.0.1:80", TWO, ""));
    let planned = desk.ends("plan two.toml --format json", 2);
    let plan: serde_json::Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!(plan["summary"]["add"], 3);
    assert_eq!(plan["foreign"], serde_json::json!(["fwmark://7"]));
    let phases: Vec<_> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["phase"])
        .collect();
    assert_eq!(phases, ["make", "make", "make"]);
    desk.applied("two.toml");
    let planned = desk.done("plan two.toml --format json");
    let plan: serde_json::Value = serde_json::from_str(&planned).unwrap();
    assert_eq!(plan["steps"], serde_json::json!([]));
}
