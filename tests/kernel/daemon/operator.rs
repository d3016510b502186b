//! The operator's verbs with a running director, and what systemd and commands are told.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::ailing::Ailing;
use super::{DIRECTOR, Daemon, SERVICE};
use crate::lab::{Lan, Outcome, Tcp, eventually};

pub(super) const WEB: &str = "
version = 1
daemon = { reconcile = \"500ms\" }
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
scheduler = \"sh\"
servers = [\"10.2.0.11\", \"10.2.0.12\", { name = \"app3\", address = \"10.2.0.13\", weight = 3 }]
";

/// Runs a verb next to the daemon; words are split at blanks.
pub(crate) fn verb(daemon: &Daemon<'_>, line: &str) -> Outcome {
    let mut command = Command::new(DIRECTOR);
    command
        .args(line.split_whitespace())
        .current_dir(daemon.directory.path())
        .env("DIRECTOR_STATE_DIR", daemon.path("state"))
        .env("DIRECTOR_SOCKET", "control.sock")
        .env_remove("SUDO_USER");
    daemon.host.command(command, b"")
}

#[track_caller]
pub(crate) fn done(daemon: &Daemon<'_>, line: &str) -> String {
    let outcome = verb(daemon, line);
    assert!(
        outcome.success(),
        "director {line}: {outcome}\n{}",
        daemon.log()
    );
    outcome.stdout
}

#[track_caller]
pub(crate) fn refused(daemon: &Daemon<'_>, line: &str, said: &str) {
    let outcome = verb(daemon, line);
    assert_eq!(outcome.code, 1, "director {line}: {outcome}");
    assert!(outcome.stderr.contains(said), "director {line}: {outcome}");
}

#[test]
#[ignore = "needs the lab"]
fn what_an_operator_sets_outlives_a_crash_and_the_verbs_beside_heed_it() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Tcp, 80);
    let mut daemon = Daemon::start(&net.director, WEB);
    daemon.weights(SERVICE, "1=1 2=1 3=3");

    done(
        &daemon,
        "drain web 10.2.0.11 --reason new-disks --for 119m --wait",
    );
    done(&daemon, "weight tcp://10.1.0.100:80 10.2.0.12:80 7");
    done(&daemon, "disable app3");
    daemon.weights(SERVICE, "1=0 2=7 3=0");
    let again = done(&daemon, "drain web 10.2.0.11");
    assert!(again.contains("drained already, since "), "{again}");
    assert!(again.contains(" by root: new-disks (1h 5"), "{again}");
    for _ in 0..2 {
        let status = done(&daemon, "status");
        assert_eq!(status.matches("new-disks").count(), 1, "{status}");
        for part in [
            "drained",
            "root",
            "new-disks",
            "7 of 1",
            "disabled: 10.2.0.13",
            "1h 5",
        ] {
            assert!(status.contains(part), "{part}: {status}");
        }
        // The file in force needs no changes, whatever overlay the kernel has.
        let plan = done(&daemon, "plan services.toml");
        assert!(plan.contains("Nothing to do"), "{plan}");
        let exported = done(&daemon, "export");
        assert!(
            !exported.contains("weight = 0") && !exported.contains("= 7"),
            "{exported}"
        );
        assert!(
            exported.contains("10.2.0.13") && exported.contains("weight = 3"),
            "{exported}"
        );
        assert!(!exported.contains("fallback"), "a flag is lent: {exported}");
        refused(&daemon, "apply --yes services.toml", "`director reload`");
        refused(&daemon, "flush --yes", "a director is running here");
        daemon.weights(SERVICE, "1=0 2=7 3=0");
        // And once more after a crash.
        daemon.kill();
        daemon.launch();
    }
    let counters = done(&daemon, "status --stats");
    assert!(counters.contains("-> 10.2.0.12:80"), "{counters}");

    done(&daemon, "undrain web 10.2.0.11");
    done(&daemon, "weight web 10.2.0.12 declared");
    done(&daemon, "enable 10.2.0.13");
    daemon.weights(SERVICE, "1=1 2=1 3=3");
    refused(&daemon, "drain web 10.2.0.99", "10.2.0.99");
    refused(&daemon, "weight wob 10.2.0.11 1", "wob");
}

#[test]
#[ignore = "needs the lab"]
fn a_file_with_mistakes_is_refused_with_all_of_them() {
    let net = Lan::nat().real_servers(3).build();
    let daemon = Daemon::start(&net.director, WEB);
    daemon.write(&WEB.replace("scheduler", "shceduler"));
    refused(&daemon, "reload", "did you mean `scheduler`?");
    let status = done(&daemon, "status");
    assert!(status.contains("REJECTED"), "{status}");
    daemon.write(&WEB.replace("weight = 3", "weight = 4"));
    done(&daemon, "reload");
    daemon.weights(SERVICE, "1=1 2=1 3=4");
    let events = done(&daemon, "events");
    assert!(
        events.contains("rejected") && events.contains("loaded"),
        "{events}"
    );
}

#[test]
#[ignore = "needs the lab"]
fn a_socket_that_the_group_cannot_have_is_said_with_what_to_do() {
    let net = Lan::nat().real_servers(1).build();
    let host = &net.director;
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("services.toml"), WEB).unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::new("timeout");
        command
            .args(["30", "setpriv", "--bounding-set", "-chown"])
            .args(more)
            .args(["--", DIRECTOR, "run", "services.toml"])
            .args(["--socket", "control.sock", "--socket-group", "daemon"])
            .current_dir(directory.path())
            .env("DIRECTOR_STATE_DIR", directory.path().join("state"));
        command
    };
    // As under the packaged unit: root without CAP_CHOWN.
    let outcome = host.command(run(&[]), b"");
    assert_eq!(outcome.code, 1, "{outcome}");
    for part in [
        "cannot create the control socket `control.sock`: cannot give it to the group `daemon`",
        "add `SupplementaryGroups=daemon` to the unit",
        "or leave --socket-group out",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {outcome}");
    }
    assert!(!directory.path().join("control.sock").exists());
    // The advice in the message works.
    let mut allowed = run(&["--groups", "daemon"]);
    allowed.stderr(Stdio::null());
    let mut daemon = host.spawn_command(allowed);
    let socket = directory.path().join("control.sock");
    let made = eventually("it has its socket", || {
        assert_eq!(daemon.ended(), None);
        fs::metadata(&socket).ok()
    });
    let daemons = nix::unistd::Group::from_name("daemon").unwrap().unwrap();
    assert_eq!(made.gid(), daemons.gid.as_raw());
    daemon.signal(Signal::SIGTERM);
    eventually("it has ended", || daemon.ended());
}

#[test]
#[ignore = "needs the lab"]
fn systemd_hears_of_it_all() {
    let net = Lan::nat().real_servers(3).build();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let hear = |wanted: &str| {
        let end = Instant::now() + Duration::from_secs(60);
        let mut buffer = [0; 1024];
        loop {
            let length = systemd.recv(&mut buffer).unwrap();
            let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if said.lines().any(|line| line.starts_with(wanted)) {
                return said;
            }
            assert!(Instant::now() < end, "no {wanted}, but {said}");
        }
    };
    let mut daemon = Daemon {
        host: &net.director,
        directory: tempfile::tempdir().unwrap(),
        options: Vec::new(),
        environment: vec![
            ("NOTIFY_SOCKET", path.clone()),
            ("WATCHDOG_USEC", "400000".into()),
        ],
        process: None,
    };
    daemon.write(WEB);
    daemon.launch();
    hear("READY=1");
    hear("STATUS=services: 1; servers up: 3 of 3");
    for _ in 0..5 {
        hear("WATCHDOG=1");
    }
    done(&daemon, "reload");
    let reloading = hear("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    hear("READY=1");
    let process = daemon.process.as_mut().unwrap();
    process.signal(Signal::SIGTERM);
    hear("STOPPING=1");
    assert_eq!(eventually("it ends", || process.ended()), 0);
    assert!(!daemon.path("control.sock").exists());
}

#[test]
#[ignore = "needs the lab"]
fn a_command_is_told_of_a_server_that_dies() {
    let net = Lan::nat().real_servers(2).build();
    let first = Ailing::start(net.real(1), 80);
    let _second = Ailing::start(net.real(2), 80);
    let directory = tempfile::tempdir().unwrap();
    let told = directory.path().join("told");
    let file = format!(
        "
version = 1
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
servers = [\"10.2.0.11\", \"10.2.0.12\"]
check = {{ type = \"tcp\", interval = \"100ms\", rise = 1, fall = 2 }}
notify = [{{ command = [\"/bin/sh\", \"-c\", \"cat > {0}.new; mv {0}.new {0}\"], on = [\"server-down\"], timeout = \"10s\" }}]
",
        told.display()
    );
    let daemon = Daemon::start(&net.director, &file);
    daemon.weights(SERVICE, "1=1 2=1");
    drop(first);
    daemon.becomes("the command has run", &true, || told.exists());
    let line = fs::read_to_string(&told).unwrap();
    let line: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    assert_eq!(line["event"], "server-down");
    assert_eq!(line["server"], "10.2.0.11:80");
    assert_eq!(line["service"], "web");
}
