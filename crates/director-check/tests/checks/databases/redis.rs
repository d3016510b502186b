//! Redis counts what it rejects and what it answers with an error.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;

use director_config::state::health::CheckKind;
use tempfile::TempDir;

use super::{Server, check_often, free_port, lines, log, login};

struct Redis {
    server: Server,
    directory: TempDir,
}

impl Redis {
    fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let (_, path) = log(directory.path());
        let server = Server::start(
            Command::new("redis-server")
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
                .args(["--protected-mode", "no", "--save", "", "--logfile"])
                .arg(path)
                .arg("--dir")
                .arg(directory.path())
                .args(options),
            port,
        );
        Self { server, directory }
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn info(&self, password: Option<&str>) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.server.at.port().to_string(), "INFO", "all"])
            .envs(password.map(|password| ("REDISCLI_AUTH", password)))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
#[ignore = "needs redis-server"]
fn redis_counts_and_logs_no_error_over_a_hundred_checks() {
    for password in [None, Some("secret")] {
        let options = password.map_or(vec![], |password| vec!["--requirepass", password]);
        let redis = Redis::start(&options);
        let kind = CheckKind::Redis(login(None, password));
        check_often(kind, redis.server.at, "127.0.0.2").all_passed();
        let info = redis.info(password);
        for counter in ["rejected_connections:0", "total_error_replies:0"] {
            assert!(info.contains(counter), "{counter}\n{info}");
        }
        assert!(!info.contains("errorstat_"), "{info}");
        assert!(
            info.contains("cmdstat_quit:calls="),
            "they take their leave\n{info}"
        );
        // The checks did not cause the warnings about kernel settings.
        let bad = lines(&redis.log(), &["# "]);
        let of_checks = |line: &&String| {
            ["Client", "Error", "rror "]
                .iter()
                .any(|word| line.contains(word))
        };
        let bad: Vec<_> = bad
            .iter()
            .filter(of_checks)
            .filter(|line| !line.contains("overcommit"))
            .collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn redis_that_is_full_says_so_each_time() {
    let redis = Redis::start(&["--maxclients", "1"]);
    // Until it is the only client: others may not be gone yet.
    let _only = crate::ask::eventually(|| {
        let mut only = std::net::TcpStream::connect(redis.server.at).unwrap();
        only.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 5];
        only.read_exact(&mut answer).unwrap();
        (&answer == b"+PONG").then_some(only)
    });
    let kind = CheckKind::Redis(login(None, None));
    let outcome = check_often(kind, redis.server.at, "127.0.0.2");
    assert_eq!(
        outcome.all_failed(),
        r#"PING: ERR max number of clients reached (expected "+PONG")"#
    );
}
