//! MariaDB counts aborted handshakes of an address, and blocks it after 100 of them. Not for
//! 127.0.0.1, which it never looks up: these checks come from another loopback address.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use director_config::state::health::{CheckKind, Expect, TcpCheck};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::{Outcome, Server, check_often, free_port, lines, log, login};

const FROM: &str = "127.0.0.2";

struct MariaDb {
    server: Server,
    directory: TempDir,
}

impl MariaDb {
    fn start(port: u16, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", &user()])
            .arg(format!("--datadir={}", data.display()))
            // Each clears the directory of temporary files at its start.
            .arg(format!("--tmpdir={}", directory.path().display()))
            .output()
            .expect("mariadb-install-db; `scripts/deps test` installs it");
        assert!(made.status.success(), "{made:?}");
        let (stderr, _) = log(directory.path());
        let mut command = Command::new("/usr/sbin/mariadbd");
        command
            .args(["--no-defaults", &user(), "--bind-address=127.0.0.1"])
            .args(["--performance-schema=ON", "--innodb-buffer-pool-size=16M"])
            .arg("--plugin-load-add=auth_ed25519")
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--tmpdir={}", directory.path().display()))
            .arg(format!("--socket={}", socket(directory.path()).display()))
            .arg(format!("--port={port}"))
            .args(options)
            .stderr(stderr);
        let server = Server::start(&mut command, port);
        let maria = Self { server, directory };
        // MariaDB greets only addresses from which a user may log in.
        maria.sql("CREATE USER app@'127.0.0.%' IDENTIFIED BY 'secret'");
        maria.sql("CREATE USER odd@'127.0.0.%' IDENTIFIED VIA ed25519 USING PASSWORD('secret')");
        maria
    }

    fn sql(&self, statement: &str) -> String {
        let output = Command::new("mariadb")
            .args(["--no-defaults", "-uroot", "-N", "-e", statement])
            .arg(format!(
                "--socket={}",
                socket(self.directory.path()).display()
            ))
            .output()
            .unwrap();
        said(output)
    }

    /// The errors counted against the address: connection errors, and how often it was blocked.
    fn errors(&self) -> String {
        self.sql(&format!(
            "SELECT CONCAT(SUM_CONNECT_ERRORS, ' ', COUNT_HANDSHAKE_ERRORS, ' ', \
             COUNT_HOST_BLOCKED_ERRORS) FROM performance_schema.host_cache WHERE IP = '{FROM}'"
        ))
    }

    fn check(&self, kind: CheckKind) -> Outcome {
        check_often(kind, self.server.at, FROM)
    }

    /// Connects and disconnects, like a client that aborts its handshake.
    fn break_off(&self) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let from: std::net::SocketAddr = format!("{FROM}:0").parse().unwrap();
        socket.bind(&from.into()).unwrap();
        socket.connect(&self.server.at.into()).unwrap();
        let mut greeting = [0; 4];
        let mut stream = TcpStream::from(socket);
        std::io::Read::read_exact(&mut stream, &mut greeting).unwrap();
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("socket")
}

fn user() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
    format!("--user={}", user.unwrap().name)
}

#[track_caller]
fn said(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
#[ignore = "needs mariadb-server"]
fn mariadb_counts_no_connection_error_over_a_hundred_checks_without_a_user() {
    let maria = MariaDb::start(free_port(), &[]);
    let outcome = maria.check(CheckKind::Mysql(login(None, None)));
    assert!(outcome.all_passed().contains("MariaDB"));
    assert_eq!(maria.errors(), "0 0 0");
    // The address is as welcome as before.
    let outcome = maria.check(CheckKind::Mysql(login(Some("app"), Some("secret"))));
    assert!(outcome.all_passed().contains("MariaDB"));
    assert_eq!(maria.errors(), "0 0 0");
    assert_eq!(
        maria.sql("SHOW GLOBAL STATUS LIKE 'Aborted_clients'"),
        "Aborted_clients\t0"
    );
}

#[test]
#[ignore = "needs mariadb-server"]
fn mariadb_counts_no_connection_error_whatever_plugin_or_option_it_has() {
    let maria = MariaDb::start(free_port(), &["--require-secure-transport=ON"]);
    let outcome = maria.check(CheckKind::Mysql(login(None, None)));
    outcome.all_passed();
    assert_eq!(maria.errors(), "0 0 0");
    // A user whose plugin the check does not support.
    maria.sql("SET GLOBAL require_secure_transport = OFF");
    let outcome = maria.check(CheckKind::Mysql(login(Some("odd"), Some("secret"))));
    assert!(
        outcome.all_failed().contains("client_ed25519"),
        "{outcome:?}"
    );
    let outcome = maria.check(CheckKind::Mysql(login(Some("app"), Some("wrong"))));
    assert!(
        outcome.all_failed().starts_with("error 1045"),
        "{outcome:?}"
    );
    assert_eq!(maria.errors(), "0 0 0");
    // An unknown user gets the plugin of any other: now only one is left.
    maria.sql("DROP USER app@'127.0.0.%'");
    for user in ["localhost", "127.0.0.1", "::1"] {
        maria.sql(&format!(
            "CREATE OR REPLACE USER spare@'{user}' IDENTIFIED VIA ed25519 USING PASSWORD('x')"
        ));
    }
    maria
        .check(CheckKind::Mysql(login(None, None)))
        .all_passed();
    assert_eq!(maria.errors(), "0 0 0");
}

#[test]
#[ignore = "needs mariadb-server"]
fn a_blocked_address_says_nothing_against_the_server() {
    let maria = MariaDb::start(free_port(), &["--max-connect-errors=5"]);
    // MariaDB counts an aborted handshake when its thread finds out: the next client may come sooner.
    for times in 1..=5 {
        maria.break_off();
        let counted = format!("{times} {times} ");
        crate::ask::eventually(|| maria.errors().starts_with(&counted).then_some(()));
    }
    let outcome = maria.check(CheckKind::Mysql(login(None, None)));
    assert!(outcome.all_passed().contains("FLUSH HOSTS"), "{outcome:?}");
    let counted = maria.errors();
    assert!(counted.starts_with("5 5 "), "{counted}");
    let outcome = maria.check(CheckKind::Mysql(login(Some("app"), Some("secret"))));
    assert!(
        outcome.all_failed().starts_with("error 1129"),
        "{outcome:?}"
    );
    maria.sql("FLUSH HOSTS");
    maria
        .check(CheckKind::Mysql(login(None, None)))
        .all_passed();
}

#[test]
#[ignore = "needs mariadb-server"]
fn a_server_that_refuses_the_address_or_is_full_is_judged_by_what_it_says() {
    let maria = MariaDb::start(free_port(), &["--max-connections=10", "--extra-port=0"]);
    maria.sql("DROP USER app@'127.0.0.%'; DROP USER odd@'127.0.0.%'");
    let outcome = maria.check(CheckKind::Mysql(login(None, None)));
    assert!(
        outcome.all_passed().starts_with("error 1130"),
        "{outcome:?}"
    );
    let sleep = || {
        Command::new("mariadb")
            .args(["--no-defaults", "-uroot", "-e", "SELECT SLEEP(600)"])
            .arg(format!(
                "--socket={}",
                socket(maria.directory.path()).display()
            ))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    // Sleeping clients take all places. One that comes while a check has the last one is refused, and
    // does not come again.
    let mut clients: Vec<_> = (0..10).map(|_| sleep()).collect();
    let text = crate::ask::eventually(|| {
        let answer = crate::ask::ask(CheckKind::Mysql(login(None, None)), maria.server.at);
        let is_full = answer.verdict == director_check::Verdict::Down;
        if !is_full {
            clients.push(sleep());
        }
        is_full.then(|| answer.failed().to_owned())
    });
    assert_eq!(
        text,
        "error 1040: Too many connections (expected a greeting)"
    );
    for mut client in clients {
        client.kill().unwrap();
        client.wait().unwrap();
    }
}

#[test]
#[ignore = "needs mariadb-server"]
fn a_plain_tcp_check_on_a_port_of_mysql_is_no_connection_to_it() {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = [3306, 3307, 3308].into_iter().find(free);
    let maria = MariaDb::start(port.expect("a free port"), &[]);
    let connections = || -> u64 {
        let status = maria.sql("SHOW GLOBAL STATUS LIKE 'Connections'");
        status.split('\t').nth(1).unwrap().parse().unwrap()
    };
    let before = connections();
    maria
        .check(CheckKind::Tcp(TcpCheck::default()))
        .all_passed();
    // A process that is not scheduled for a fifth of a second sends its reset too late.
    let seen = connections() - before;
    assert!(seen < 5, "{seen} connections");
    maria
        .check(CheckKind::Mysql(login(Some("app"), Some("secret"))))
        .all_passed();
    // The contrast: a check that reads the greeting.
    let greeting = TcpCheck {
        send: Vec::new(),
        expect: Some(Expect::Contains(b"MariaDB".to_vec())),
    };
    maria.check(CheckKind::Tcp(greeting));
    assert_ne!(maria.errors(), "0 0 0");
    let log = maria.directory.path().join("log");
    assert!(lines(&log, &["[ERROR]"]).is_empty());
}
