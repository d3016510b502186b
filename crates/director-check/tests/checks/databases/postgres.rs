//! PostgreSQL logs clients' mistakes.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use director_config::state::health::CheckKind;
use nix::unistd::{User, chown, geteuid};
use tempfile::TempDir;

use super::{Outcome, Server, check_often, free_port, lines, log, login};

/// Users who need a password, trusted users, and no others.
const HBA: &str = "\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
host all all 127.0.0.2/32 trust
host all all 127.0.0.3/32 md5
host all all 127.0.0.4/32 password
";

/// Words in a log that deserve an operator's attention.
const BAD: [&str; 5] = ["FATAL", "ERROR", "PANIC", "WARNING", "could not"];

struct Postgres {
    server: Server,
    directory: TempDir,
}

impl Postgres {
    fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (stderr, _) = log(directory.path());
        let data = directory.path().join("data");
        fs::create_dir(&data).unwrap();
        if let Some(user) = other_user() {
            chown(directory.path(), Some(user.uid), Some(user.gid)).unwrap();
            chown(&data, Some(user.uid), Some(user.gid)).unwrap();
        }
        let made = program("initdb")
            .args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        fs::write(data.join("pg_hba.conf"), HBA).unwrap();
        let port = free_port();
        let server = Server::start(
            program("postgres")
                .arg("-D")
                .arg(&data)
                .arg("-k")
                .arg(directory.path())
                .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
                .args(["-c", "fsync=off"])
                .args(options)
                .stderr(stderr),
            port,
        );
        let postgres = Self { server, directory };
        postgres.sql("CREATE USER lb PASSWORD 'secret'");
        // The checks did not cause what was logged until it was ready.
        fs::write(postgres.log(), "").unwrap();
        postgres
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn sql(&self, statement: &str) {
        let run = || {
            let output = program("psql")
                .args([
                    "-q", "-U", "postgres", "-d", "postgres", "-c", statement, "-h",
                ])
                .arg(self.directory.path())
                .args(["-p", &self.server.at.port().to_string()])
                .output()
                .unwrap();
            output.status.success().then_some(())
        };
        crate::ask::eventually(run);
    }

    fn check(&self, kind: CheckKind, from: &str) -> Outcome {
        check_often(kind, self.server.at, from)
    }
}

/// PostgreSQL refuses to run as root: run it as the package's user.
fn other_user() -> Option<User> {
    let user = || User::from_name("postgres").unwrap();
    geteuid()
        .is_root()
        .then(|| user().expect("the user postgres"))
}

/// A program of the newest installed version.
fn program(name: &str) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL; `scripts/deps test`");
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max();
    let version = newest.expect("a version of PostgreSQL").to_string();
    let path = Path::new("/usr/lib/postgresql").join(version).join("bin");
    let mut command = Command::new(path.join(name));
    if let Some(user) = other_user() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.current_dir("/").env("LC_ALL", "C");
    command
}

#[test]
#[ignore = "needs postgresql"]
fn postgres_logs_no_error_over_a_hundred_checks_without_a_user() {
    for options in [
        &["-c", "log_connections=off"][..],
        &["-c", "log_connections=on", "-c", "log_disconnections=on"],
    ] {
        let postgres = Postgres::start(options);
        for from in ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"] {
            let outcome = postgres.check(CheckKind::Postgres(login(None, None)), from);
            outcome.all_passed();
        }
        let bad = lines(&postgres.log(), &BAD);
        assert!(bad.is_empty(), "{bad:#?}");
        let seen = lines(&postgres.log(), &["connection received"]);
        assert_eq!(
            !seen.is_empty(),
            options.len() > 2,
            "the log is that of this server"
        );
    }
}

#[test]
#[ignore = "needs postgresql"]
fn postgres_that_refuses_the_address_logs_it_once_a_minute_and_not_at_each_check() {
    let postgres = Postgres::start(&["-c", "ssl=off"]);
    let outcome = postgres.check(CheckKind::Postgres(login(None, None)), "127.0.0.9");
    assert!(outcome.all_passed().contains("refuses the user `postgres`"));
    let bad = lines(&postgres.log(), &BAD);
    // One more for each minute that a busy machine takes.
    assert!(matches!(bad.len(), 1..=2), "{bad:#?}");
}

#[test]
#[ignore = "needs postgresql"]
fn postgres_logs_no_error_of_checks_that_log_in() {
    let postgres = Postgres::start(&["-c", "log_connections=on"]);
    let outcome = postgres.check(
        CheckKind::Postgres(login(Some("lb"), Some("secret"))),
        "127.0.0.1",
    );
    // The database does not exist: the session never begins.
    assert!(outcome.all_failed().contains("3D000"), "{outcome:?}");
    postgres.sql("CREATE DATABASE lb");
    fs::write(postgres.log(), "").unwrap();
    for from in ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"] {
        let kind = CheckKind::Postgres(login(Some("lb"), Some("secret")));
        assert!(
            postgres
                .check(kind, from)
                .all_passed()
                .contains("PostgreSQL")
        );
    }
    // No password for a server that requires one.
    let outcome = postgres.check(CheckKind::Postgres(login(Some("lb"), None)), "127.0.0.1");
    assert!(outcome.all_failed().contains("asks for a password"));
    let bad = lines(&postgres.log(), &BAD);
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
#[ignore = "needs postgresql"]
fn postgres_that_has_no_room_is_down_also_after_it_refused_the_address() {
    let postgres = Postgres::start(&[
        "-c",
        "max_connections=4",
        "-c",
        "superuser_reserved_connections=0",
        "-c",
        "max_wal_senders=0",
    ]);
    let sleep = || {
        program("psql")
            .args(["-q", "-U", "postgres", "-d", "postgres"])
            .args(["-c", "SELECT pg_sleep(600)", "-h"])
            .arg(postgres.directory.path())
            .args(["-p", &postgres.server.at.port().to_string()])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    // One that comes while a check has the last place is refused, and does not come again.
    let mut sleepers: Vec<_> = (0..4).map(|_| sleep()).collect();
    let text = crate::ask::eventually(|| {
        let answer = crate::ask::ask(CheckKind::Postgres(login(None, None)), postgres.server.at);
        let is_full = answer.verdict == director_check::Verdict::Down;
        if !is_full {
            sleepers.push(sleep());
        }
        is_full.then(|| answer.failed().to_owned())
    });
    assert!(text.contains("53300"), "{text}");
    for mut sleeper in sleepers {
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }
}
