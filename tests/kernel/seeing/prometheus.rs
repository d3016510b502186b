//! Debian's Prometheus scrapes a director; every expression of `contrib/` has an answer.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::lab::{Family, Host, Lan, Protocol, eventually};

const FILE: &str = r#"
version = 1
[defaults]
check = { type = "tcp", interval = "1s" }
[service.web]
listen = ["tcp://10.1.0.100:80", "tcp://10.1.0.100:81"]
forward = "nat"
scheduler = "rr"
min_healthy = 1
servers = [{ name = "one", address = "10.2.0.11", port = 80 }, "10.2.0.12:80", "10.2.0.13:80"]
[failover.front]
id = 51
interface = "eth0"
addresses = ["10.1.0.101"]
"#;

const PROMETHEUS: &str = "127.0.0.1:9090";

const CONFIGURATION: &str = r#"
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [alerts.yml]
scrape_configs:
  - job_name: director
    static_configs: [{ targets: ["127.0.0.1:9181"] }]
"#;

/// An answer of Prometheus' API.
fn ask(host: &Host, path: &str, query: Option<&str>) -> Option<Value> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "20", "--get"]);
    command.arg(format!("http://{PROMETHEUS}/api/v1/{path}"));
    if let Some(query) = query {
        command
            .arg("--data-urlencode")
            .arg(format!("query={query}"));
    }
    let outcome = host.command(command, &[]);
    serde_json::from_str(&outcome.stdout).ok()
}

/// The series that an expression has now.
#[track_caller]
fn series(host: &Host, query: &str) -> Vec<Value> {
    let Some(answer) = ask(host, "query", Some(query)) else {
        return Vec::new();
    };
    assert_eq!(answer["status"], "success", "{query}: {answer}");
    answer["data"]["result"].as_array().unwrap().clone()
}

/// The expressions of the board, with its variables filled in.
fn board() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/grafana/director.json");
    let board: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let panels = board["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array());
    let filled = |expression: &str| {
        expression
            .replace("$__rate_interval", "30s")
            .replace("$service", "web")
            .replace("$job", "director")
    };
    targets
        .flatten()
        .map(|target| filled(target["expr"].as_str().unwrap()))
        .collect()
}

#[test]
#[ignore = "needs the lab"]
fn prometheus_scrapes_a_director_and_every_expression_has_an_answer() {
    let net = Lan::nat().real_servers(3).build();
    let mut servers = net.serve(Protocol::Tcp, 80);
    let daemon = Daemon::start(&net.director, FILE);
    let directory = tempfile::tempdir().unwrap();
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/prometheus/alerts.yml");
    fs::copy(rules, directory.path().join("alerts.yml")).unwrap();
    fs::write(directory.path().join("prometheus.yml"), CONFIGURATION).unwrap();

    // As docs/metrics.md has it.
    let view = daemon.path("view.sock").display().to_string();
    let _proxy = net.director.spawn(&format!(
        "socat TCP-LISTEN:9181,bind=127.0.0.1,fork,reuseaddr UNIX-CONNECT:{view}"
    ));
    let _prometheus = net.director.spawn(&format!(
        "prometheus --config.file={0}/prometheus.yml --storage.tsdb.path={0}/data \
         --web.listen-address={PROMETHEUS} --log.level=error",
        directory.path().display()
    ));
    // One server dies, so that there is something to see.
    drop(servers.pop());

    let director = &net.director;
    eventually("Prometheus has scraped the state", || {
        let up = r#"director_service_servers{state="down",listen="tcp://10.1.0.100:80"} == 1"#;
        (!series(director, up).is_empty()).then_some(())
    });
    let service = net.service(Family::V4, 80);
    for expression in board() {
        eventually(&format!("`{expression}` has an answer"), || {
            // Something happens all the time: requests and events.
            net.client(1).ask(Protocol::Tcp, service).run();
            daemon.post("/v1/reload", &json!({}));
            (!series(director, &expression).is_empty()).then_some(())
        });
    }
    // Prometheus evaluates the rules itself.
    let healthy = eventually("every rule was evaluated", || {
        let answer = ask(director, "rules", None)?;
        let rules = answer["data"]["groups"][0]["rules"].as_array()?.clone();
        let evaluated = rules.iter().all(|rule| rule["health"] != "unknown");
        (evaluated && !rules.is_empty()).then_some(rules)
    });
    let written = fs::read_to_string(rules)
        .unwrap()
        .matches("- alert:")
        .count();
    assert_eq!(healthy.len(), written);
    for rule in healthy {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
}

/// `promtool` on what a director prints, and on the alerts with their tests.
#[test]
#[ignore = "needs the lab"]
fn promtool_finds_nothing_to_say() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Protocol::Tcp, 80);
    let daemon = Daemon::start(&net.director, FILE);
    let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
    command.args(["metrics", "--servers", "all", "--socket"]);
    command.arg(daemon.path("control.sock"));
    let printed = net.director.command(command, &[]);
    assert!(printed.success(), "{printed}");
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    let checked = net.director.command(command, printed.stdout.as_bytes());
    assert!(checked.success(), "{checked}");
    assert_eq!((checked.stdout.as_str(), checked.stderr.as_str()), ("", ""));

    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/prometheus");
    for (verb, file) in [("check", "alerts.yml"), ("test", "alerts.test.yml")] {
        let mut command = Command::new("promtool");
        command.args([verb, "rules"]).arg(contrib.join(file));
        let outcome = net.director.command(command, &[]);
        assert!(outcome.success(), "{outcome}");
    }
}
