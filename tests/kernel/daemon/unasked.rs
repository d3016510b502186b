//! A check that cannot be carried out is visible in `status`, the log and events. The server stays.

use std::os::unix::fs::symlink;

use super::operator::verb;
use super::{Daemon, SERVICE};
use crate::lab::{Lan, eventually};

#[test]
#[ignore = "needs the lab"]
fn a_program_that_is_gone_shows_in_status_and_the_log_and_its_server_stays() {
    let net = Lan::nat().real_servers(2).build();
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("check");
    symlink("/bin/true", &program).unwrap();
    let path = program.to_str().unwrap();
    let file = format!(
        "
version = 1
[defaults.check]
interval = \"100ms\"
fast_interval = \"100ms\"
rise = 1
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
servers = [
  {{ address = \"10.2.0.11\", check = {{ type = \"exec\", command = \"{path}\" }} }},
  {{ address = \"10.2.0.12\", initial = \"up\",
     check = {{ type = \"exec\", command = \"/no/such/program\" }} }},
]
"
    );
    let daemon = Daemon::start(&net.director, &file);
    daemon.weights(SERVICE, "1=1 2=1");
    std::fs::remove_file(&program).unwrap();
    let gone = format!("{path}: no such file or directory");
    for what in [gone.as_str(), "/no/such/program: no such file or directory"] {
        eventually("the log says it", || {
            let log = daemon.log();
            let said = |line: &str| line.contains(" WARN ") && line.contains(what);
            log.lines()
                .any(|line| said(line) && line.contains("cannot run the"))
                .then_some(())
        });
    }
    let shown = verb(&daemon, "status").stdout;
    for (state, why) in [
        ("up", gone.as_str()),
        ("pending", "/no/such/program: no such"),
    ] {
        let row = shown.lines().find(|line| line.contains(why)).unwrap();
        assert!(row.trim_start().starts_with(state), "{shown}");
        assert!(row.contains("exec not checked for "), "{shown}");
    }
    let status = daemon.get("/v1/status").unwrap();
    let check = &status["services"][0]["servers"][0]["checks"][0];
    assert_eq!(check["not_checked"]["reason"], gone.as_str(), "{check}");
    assert!(check["not_asked"].as_u64() >= Some(3), "{check}");
    let open = &status["services"][0]["servers"][1]["checks"][0];
    assert!(open["passed"].is_null(), "{open}");
    daemon.weights(SERVICE, "1=1 2=1");
    symlink("/bin/true", &program).unwrap();
    eventually("it is asked again", || {
        daemon
            .log()
            .contains("the exec check runs again")
            .then_some(())
    });
    let shown = verb(&daemon, "status").stdout;
    assert!(!shown.contains(&gone), "{shown}");
}
