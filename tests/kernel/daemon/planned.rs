//! `director plan` next to the daemon shows what a reload does, and what it waits for.

use serde_json::json;

use super::ailing::Ailing;
use super::operator::{done, verb};
use super::{Daemon, SERVICE};
use crate::lab::{Lan, eventually};

/// Real servers by number, checked; `more` is in the service.
fn file(servers: &[u8], more: &str) -> String {
    let servers = servers.iter().map(|number| format!("\"10.2.0.1{number}\""));
    format!(
        "
version = 1
daemon = {{ reconcile = \"500ms\" }}
[service.web]
listen = \"{SERVICE}\"
forward = \"nat\"
scheduler = \"rr\"
drain = \"0s\"
servers = [{}]
check = {{ type = \"tcp\", interval = \"100ms\", rise = 3, fall = 2 }}
{more}
",
        servers.collect::<Vec<_>>().join(", ")
    )
}

/// The output of `plan` for programs about the next file: the awaited servers.
#[track_caller]
fn joining(daemon: &Daemon<'_>, next: &str) -> serde_json::Value {
    daemon.write_as("next.toml", next);
    let outcome = verb(daemon, "plan --format json next.toml");
    assert_eq!(outcome.code, 2, "{outcome}");
    let plan: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    plan["joining"].clone()
}

#[test]
#[ignore = "needs the lab"]
fn it_says_who_is_waited_for_and_who_stays_until_then() {
    let net = Lan::nat().real_servers(4).build();
    let _servers: Vec<_> = (1..=3)
        .map(|real| Ailing::start(net.real(real), 80))
        .collect();
    let daemon = Daemon::start(&net.director, &file(&[1, 2, 3], ""));
    daemon.weights(SERVICE, "1=1 2=1 3=1");

    // If there is nothing to wait for, it is not mentioned.
    assert_eq!(joining(&daemon, &file(&[1, 2], "")), json!([]));
    let unchecked = file(&[1, 2, 4], "").replace("check = ", "# check = ");
    assert_eq!(joining(&daemon, &unchecked), json!([]));
    assert_eq!(
        joining(&daemon, &file(&[1, 2, 4], "initial = \"up\"")),
        json!([])
    );

    // Real server 4 does not answer yet, and replaces 3.
    let next = file(&[1, 2, 4], "");
    assert_eq!(
        joining(&daemon, &next),
        json!([{
            "service": SERVICE,
            "servers": ["10.2.0.14:80"],
            "rise": 3,
            "stay": ["10.2.0.13:80"],
        }])
    );
    let outcome = verb(&daemon, "plan next.toml");
    let said = format!(
        "waiting: 10.2.0.14:80 of {SERVICE} joins once its checks have succeeded 3 times in a row; \
         10.2.0.13:80 stays until then\n"
    );
    assert!(outcome.stdout.contains(&said), "{outcome}");

    // The reload does the same.
    daemon.write(&next);
    done(&daemon, "reload");
    eventually("the new server's checks have failed", || {
        let status = daemon.get("/v1/status")?;
        let servers = status["services"][0]["servers"].as_array()?.clone();
        let new = servers
            .into_iter()
            .find(|one| one["address"] == "10.2.0.14:80")?;
        (new["checks"][0]["failures"].as_u64()? > 3).then_some(())
    });
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    // The file in force, planned again, needs no changes.
    let plan = done(&daemon, "plan services.toml");
    assert!(
        plan.contains("Nothing to do") && !plan.contains("waiting"),
        "{plan}"
    );
    let _fourth = Ailing::start(net.real(4), 80);
    daemon.weights(SERVICE, "1=1 2=1 4=1");
}
