//! `director announce`, and what `check`, `plan` and `reload` say.

use super::{Farm, becomes, file, holds, logs};
use crate::daemon::Daemon;
use crate::daemon::operator::{done, refused, verb};
use crate::lab::Tcp;

#[test]
#[ignore = "needs the lab"]
fn an_operator_withdraws_with_a_reason_and_a_restart_remembers_it() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let _servers: Vec<_> = farm.reals.iter().map(|real| real.serve(Tcp, 80)).collect();
    let mut daemon = Daemon::start(a, &file(""));
    becomes(&daemon, "announced");
    let said = done(
        &daemon,
        "announce withdraw front --reason kernel-update --for 2h --wait",
    );
    assert!(said.contains("front: withdrawn by"), "{said}");
    holds(&daemon, a, false);
    let shown = done(&daemon, "announce");
    assert!(shown.starts_with("front: taken-out since "), "{shown}");
    assert!(shown.contains("kernel-update, until "), "{shown}");
    let again = done(&daemon, "announce withdraw front");
    assert!(again.contains("already, since"), "{again}");
    daemon.kill();
    daemon.launch();
    becomes(&daemon, "taken-out");
    holds(&daemon, a, false);
    let status = done(&daemon, "status");
    assert!(status.contains("announce front: taken-out"), "{status}");
    done(&daemon, "announce resume");
    becomes(&daemon, "announced");
    holds(&daemon, a, true);
    refused(
        &daemon,
        "announce withdraw fron",
        "no announce section `fron`",
    );
    refused(
        &daemon,
        "announce status fron",
        "no announce section `fron`",
    );
    // It ends by itself.
    done(&daemon, "announce withdraw --for 1s");
    logs(&daemon, "the operator's withdrawal has expired");
    becomes(&daemon, "announced");
    let json = done(&daemon, "announce status front --format json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["addresses"][1], "2001:db8::10");
    assert_eq!(json[0]["healthy"]["healthy"], 1);
}

#[test]
#[ignore = "needs the lab"]
fn an_edit_says_which_addresses_it_announces_and_withdraws() {
    let farm = Farm::new(1);
    let a = &farm.directors[0];
    let _servers: Vec<_> = farm.reals.iter().map(|real| real.serve(Tcp, 80)).collect();
    let daemon = Daemon::start(a, &file(""));
    becomes(&daemon, "announced");
    let edited = file("").replace(
        "\"192.0.2.10\", \"2001:db8::10\"]",
        "\"192.0.2.10\", \"192.0.2.11\"]",
    );
    daemon.write_as("edited.toml", &edited);
    let plan = verb(&daemon, "plan edited.toml");
    assert!(
        plan.stdout
            .contains("[announce.front]: announces 192.0.2.11 as well"),
        "{plan}"
    );
    assert!(
        plan.stdout
            .contains("[announce.front]: withdraws 2001:db8::10"),
        "{plan}"
    );
    daemon.write(&edited);
    daemon.becomes("the new address", &[true, true, false], || {
        ["192.0.2.10", "192.0.2.11", "2001:db8::10"].map(|address| super::has(a, address))
    });
}
