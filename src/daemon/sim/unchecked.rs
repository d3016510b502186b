//! A new file in which checks vanish.

use super::scenarios::running;
use super::*;

const TWO: &str = r#"
version = 1
[defaults]
forward = "nat"
check = "tcp"
[service.web]
listen = "tcp://192.0.2.10:80"
servers = ["10.0.0.11", "10.0.0.12"]
[service.dns]
listen = ["tcp://192.0.2.10:53", "tcp://192.0.2.11:53"]
servers = ["10.0.0.11"]
[service.mail]
listen = "tcp://192.0.2.10:25"
servers = [{ address = "10.0.0.11", check = { type = "smtp" } }]
check = false
"#;

fn reload(sim: &mut Sim, file: &str) -> Answer {
    std::fs::write(sim.file(), file).unwrap();
    let (sender, answer) = mpsc::channel();
    let reply = Box::new(move |answer| sender.send(answer).unwrap());
    sim.handle(Input::Request(Request::Reload { force: true }, reply));
    sim.seconds(3);
    answer.try_recv().expect("answered").unwrap()
}

#[test]
fn a_reload_that_removes_all_checks_of_services_names_them() {
    let mut sim = running(TWO);
    assert!(
        sim.events("checks-removed").is_empty(),
        "at the start there were none"
    );
    // As an export of the kernel's tables would be: other names, no checks.
    let exported = TWO
        .replace("check = \"tcp\"", "")
        .replace(", check = { type = \"smtp\" }", "")
        .replace("[service.web]", "[service.tcp-192]");
    let answer = reload(&mut sim, &exported);
    let warning = "the new file removes the checks of 3 services: dns, mail, web; their servers count \
                   as up";
    assert_eq!(sim.events("checks-removed"), [warning]);
    assert_eq!(answer.done.last().unwrap(), &format!("warning: {warning}"));
    // Once gone, they cannot vanish again.
    let answer = reload(&mut sim, &exported.replace("10.0.0.12", "10.0.0.13"));
    assert_eq!(answer.done.len(), 1, "{answer:?}");
    assert_eq!(sim.events("checks-removed").len(), 1);
}

#[test]
fn a_check_that_only_changes_is_no_loss() {
    let mut sim = running(TWO);
    let other = TWO
        .replace("check = \"tcp\"", "check = \"http\"")
        .replace("[service.web]", "[service.web]\ncheck = false")
        .replace(
            "\"10.0.0.11\", \"10.0.0.12\"",
            "{ address = \"10.0.0.11\", check = \"tcp\" }, \"10.0.0.12\"",
        );
    reload(&mut sim, &other);
    assert!(sim.events("checks-removed").is_empty());
}
