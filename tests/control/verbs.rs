//! The verbs: their requests to the director, their output, their exit codes.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use director::control::operator::{RefusalKind, Request, Setting};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::fake::{self, Mood, Running, run, run_with, snapshot};
use super::raw;

/// `director` on this socket; words are split at blanks.
pub(crate) fn command(socket: &Path, line: &str) -> Command {
    // As in `tests/cli`.
    let program = std::env::var_os("DIRECTOR_PROGRAM");
    let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_director").into());
    let mut command = Command::new(program);
    command
        .args(line.split_whitespace())
        .env("DIRECTOR_SOCKET", socket)
        .env_remove("NO_COLOR")
        .env_remove("SUDO_USER")
        .env_remove("COLUMNS")
        .env_remove("LINES")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn director(running: &Running, line: &str) -> Run {
    director_with(running, line, &[])
}

/// The same, with some variables of the environment.
pub(crate) fn director_with(running: &Running, line: &str, environment: &[(&str, &str)]) -> Run {
    let mut command = command(&running.socket(), line);
    command.envs(environment.iter().copied());
    command.output().unwrap().into()
}

/// The director's clock runs, and so do the times in its output: this sets them back to noon.
fn at_noon(status: &mut Value) {
    let now = status["now"].as_u64().unwrap();
    assert!(now >= 1_700_000_000, "{now}");
    status["now"] = fake::NOON.into();
}

/// What `status` shows, were it noon: its own times are moved to now.
fn printed_at_noon(line: &str) -> String {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let running = run_with(fake::moved(snapshot(), now - fake::NOON));
    let shown = director(&running, line);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    shown.stdout
}

#[test]
fn status_shows_every_state_and_why() {
    // Ages are counted in seconds: a slow machine may show one or two more.
    let shown = printed_at_noon("status");
    let golden = include_str!("status.txt");
    let (shown, golden): (Vec<_>, Vec<_>) = (shown.lines().collect(), golden.lines().collect());
    assert_eq!(shown.len(), golden.len(), "{}", shown.join("\n"));
    for (shown, golden) in shown.iter().zip(&golden) {
        assert_eq!(ageless(shown), ageless(golden), "\n{shown}\n{golden}");
    }
}

/// A line without its seconds, and with one blank between words.
pub(crate) fn ageless(line: &str) -> String {
    let words = line.split_whitespace().filter_map(|word| {
        let bare = word.trim_matches(['(', ')', ',', ';', ':']);
        let seconds = bare.strip_suffix('s');
        let is_age = seconds.is_some_and(|digits| digits.parse::<u64>().is_ok());
        // What stands behind an age stands behind its minutes if it has no seconds.
        (!is_age).then_some(bare)
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn colours_are_for_those_who_ask_and_change_no_column() {
    let plain = printed_at_noon("status");
    let coloured = printed_at_noon("status --color always");
    assert!(!plain.contains('\x1b'));
    assert!(coloured.contains("\x1b[31mdown\x1b[0m"), "{coloured}");
    assert!(coloured.contains("\x1b[32mup\x1b[0m"), "{coloured}");
    let mut stripped = String::new();
    let mut parts = coloured.split('\x1b');
    stripped.push_str(parts.next().unwrap());
    for part in parts {
        stripped.push_str(part.split_once('m').unwrap().1);
    }
    let ageless = |text: &str| text.lines().map(ageless).collect::<Vec<_>>();
    assert_eq!(ageless(&stripped), ageless(&plain));
}

#[test]
fn a_rejected_file_and_trouble_come_first_and_cannot_move_the_cursor() {
    let mut snapshot = snapshot();
    snapshot.rejected = Some("error: a service has no key `shceduler`\n --> web.toml:5:1".into());
    snapshot.trouble = Some("cannot \x1b[2J change server".into());
    let running = run_with(snapshot);
    let shown = director(&running, "status old").stdout;
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[1], "TROUBLE: cannot \u{fffd}[2J change server");
    assert_eq!(
        lines[2],
        "REJECTED: a newer file has mistakes and is not in force"
    );
    assert_eq!(lines[3], "  error: a service has no key `shceduler`");
    assert!(
        shown.contains("\nold  fwmark://7") && !shown.contains("\nweb  "),
        "{shown}"
    );
}

/// Characters that reorder, hide or overwrite their neighbours.
const HOSTILE: &str = "a\u{202e}b\u{2066}c\u{200b}d\u{feff}e\u{e0041}f\u{2028}g\u{9b}h\x1b[2Ji";

/// Characters that a terminal, or `less`, must not get.
fn is_hidden(letter: char) -> bool {
    matches!(
        letter,
        '\u{202e}' | '\u{2066}' | '\u{200b}' | '\u{feff}' | '\u{e0041}' | '\u{2028}' | '\u{9b}'
    ) || letter.is_control() && letter != '\n'
}

#[test]
fn what_servers_operators_and_files_say_reorders_no_line() {
    let mut snapshot = snapshot();
    snapshot.file = HOSTILE.into();
    snapshot.trouble = Some(HOSTILE.into());
    snapshot.rejected = Some(HOSTILE.into());
    let (key, service) = snapshot.services.first_key_value().unwrap();
    let mut service = (**service).clone();
    service.name = HOSTILE.into();
    for server in &mut service.servers {
        server.name = Some(HOSTILE.into());
        server.reason = HOSTILE.into();
        server.drain = Some(Box::new(Setting {
            value: (),
            by: HOSTILE.to_owned(),
            reason: Some(HOSTILE.to_owned()),
            at: fake::at(fake::NOON),
            until: None,
            ends: None,
        }));
        server.checks = vec![(fake::check(), fake::found(false, HOSTILE, 1))];
    }
    snapshot.services.insert(*key, Arc::new(service));
    let running = run_with(snapshot);
    running.fake.published.record(fake::event(HOSTILE));
    *running.fake.mood.lock().unwrap() = Mood::Says(HOSTILE);
    for line in [
        "status",
        "status --stats",
        "status --rate",
        "events",
        "status --format json",
        "events --format json",
        "drain web app1",
    ] {
        let run = director(&running, line);
        for text in [&run.stdout, &run.stderr] {
            assert!(!text.contains(is_hidden), "{line}: {text:?}");
        }
        assert!(!run.stdout.is_empty(), "{line}: {}", run.stderr);
    }
    for path in ["/v1/status", "/v1/stats", "/v1/events", "/v1/version"] {
        let text = raw::get(&running.socket(), path).body;
        assert!(!text.contains(is_hidden), "{path}: {text:?}");
    }
    let status = director(&running, "status --format json").stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["trouble"], HOSTILE, "the data is what it is");
}

#[test]
fn status_for_programs_is_the_interface_itself() {
    let running = run();
    let shown = director(&running, "status --format json web");
    let mut value: Value = serde_json::from_str(&shown.stdout).unwrap();
    at_noon(&mut value);
    assert_eq!(value["services"].as_array().unwrap().len(), 1);
    assert_eq!(value["revision"], 42);
    let rates = director(&running, "status --rate --format json").stdout;
    let rates: Value = serde_json::from_str(&rates).unwrap();
    assert_eq!(
        rates["services"][0]["servers"][0]["rate"]["connections"],
        11
    );
}

#[test]
fn counters_stand_in_ipvsadms_columns() {
    let running = run();
    assert_eq!(
        director(&running, "status --stats").stdout,
        "\
SERVICE                        WEIGHT  ActConn  InActConn  Conns  InPkts  OutPkts  InBytes  OutBytes
web tcp://192.0.2.10:80                                      161    1610        0   161000         0
  -> app1 10.0.0.11:80             10       22          5     77     770        0    77000         0
  -> app2 10.0.0.12:80             10       24          5     84     840        0    84000         0
udp://192.0.2.99:53 (foreign)                                  0       0        0        0         0
"
    );
    let rates = director(&running, "status --rate web").stdout;
    assert!(rates.starts_with("SERVICE"), "{rates}");
    assert!(
        rates.contains(" CPS  InPPS  OutPPS  InBPS  OutBPS\n"),
        "{rates}"
    );
    assert!(!rates.contains("foreign"), "{rates}");
}

#[test]
fn events_are_lines() {
    let running = run();
    assert_eq!(
        director(&running, "events").stdout,
        "\
2026-11-20 11:00:00 UTC  loaded        in force: 2 services, 9 checks; 13 changes made
2026-11-21 10:58:59 UTC  server-down   web tcp://192.0.2.10:80 10.0.0.14:80  down: connection refused
2026-11-21 11:50:00 UTC  drained       web tcp://192.0.2.10:80 10.0.0.13:80  drained by root (alice): kernel update
"
    );
    assert_eq!(director(&running, "events -n 1").stdout.lines().count(), 1);
    let json = director(&running, "events --from 2 --format json").stdout;
    let event: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&event["id"], &event["kind"]),
        (&2.into(), &"drained".into())
    );
}

/// A verb that runs until it is stopped.
struct Going(Child);

impl Going {
    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.0.id()).unwrap();
        kill(Pid::from_raw(id), signal).unwrap();
    }

    fn end(&mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn going(running: &Running, line: &str) -> Going {
    let mut command = command(&running.socket(), line);
    Going(
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    )
}

#[test]
fn a_follower_sees_what_comes_and_is_told_when_the_director_goes() {
    let mut running = run();
    let mut verb = going(&running, "events --follow -n 1");
    let mut lines = BufReader::new(verb.0.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().contains("kernel update"));
    running.fake.published.record(fake::events().remove(1));
    assert!(next().contains("connection refused"));
    drop(running.server.take());
    assert_eq!(verb.end(), Some(1));
    let mut said = String::new();
    verb.0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(
        said.contains("lost the connection to the director"),
        "{said}"
    );
}

#[test]
fn watching_goes_on_and_ends_well() {
    let running = run();
    let mut verb = going(&running, "status web --watch=100ms --format json");
    let mut lines = BufReader::new(verb.0.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["revision"], 42);
    let mut newer = snapshot();
    newer.revision = 43;
    running.fake.published.publish(newer);
    assert!((0..100).any(|_| next()["revision"] == 43));
    verb.signal(Signal::SIGINT);
    assert_eq!(verb.end(), Some(0));
}

#[test]
fn requests_reach_the_director() {
    let running = run();
    for (line, request) in [
        ("drain web app1", "drain"),
        ("undrain web app1", "undrain"),
        ("weight web app1 20", "weight"),
        ("weight web app1 declared", "weight"),
        ("disable 10.0.0.11 --for 2h", "disable"),
        ("enable 10.0.0.11", "enable"),
        ("reload --force", "reload"),
        ("drain app1", "drain"),
        ("drain app1 --force", "drain"),
        ("undrain app1", "undrain"),
        ("weight web app1 20 --force", "weight"),
        ("disable app1 --force --for 2h", "disable"),
    ] {
        let done = director(&running, line);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{line}");
        assert_eq!(
            done.stdout,
            "tcp://192.0.2.10:80 10.0.0.11:80: drained by root: kernel update\n"
        );
        let asked = running.fake.asked.lock().unwrap().pop_front().unwrap();
        let asked = serde_json::to_value(&asked).unwrap();
        assert_eq!(asked["do"], request, "{line}");
        match request {
            "weight" if line.contains("20") => assert_eq!(asked["weight"], 20),
            "weight" => assert_eq!(asked["weight"], Value::Null),
            "disable" => assert_eq!(asked["for_seconds"], 7200),
            "drain" | "undrain" if line.contains("web") => assert_eq!(asked["service"], "web"),
            "drain" | "undrain" => assert_eq!(asked["service"], Value::Null),
            _ => {}
        }
        let force = asked.get("force").is_some_and(|force| *force == true);
        assert_eq!(force, line.contains("--force"), "{line}");
    }
}

#[test]
fn who_became_root_is_remembered_beside_root() {
    if !nix::unistd::geteuid().is_root() {
        return; // other users' names then do not count
    }
    let running = run();
    let output = command(&running.socket(), "drain web app1")
        .args(["--reason", "kernel update"])
        .env("SUDO_USER", "alice")
        .output();
    assert_eq!(output.unwrap().status.code(), Some(0));
    let asked = running.fake.asked.lock().unwrap().pop_front();
    let Some(Request::Drain(asked)) = asked else {
        panic!("{asked:?}");
    };
    assert_eq!(asked.note.by, "root (alice)");
    assert_eq!(asked.note.reason.as_deref(), Some("kernel update"));
}

#[test]
fn a_drain_waits_for_connections_as_long_as_it_is_told() {
    let running = run();
    // 22 active and 5 inactive connections, which never end.
    let late = director(&running, "drain web app1 --wait --timeout 100ms");
    assert_eq!(late.code, Some(3), "{}", late.stderr);
    assert!(
        late.stderr
            .contains("(connections left: 27); the drain continues"),
        "{}",
        late.stderr
    );
    // It is not in the kernel, so it has no connections.
    let gone = director(&running, "drain web app6 --wait");
    assert_eq!((gone.code, gone.stderr.as_str()), (Some(0), "Drained.\n"));
}

#[test]
fn a_refusal_is_an_error_in_the_directors_words() {
    let running = run();
    *running.fake.mood.lock().unwrap() = Mood::Refuses(RefusalKind::NotFound);
    let refused = director(&running, "enable nobody");
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert_eq!(refused.stderr, "director: no, and here is why\n");
    let unknown = director(&running, "status wob");
    assert_eq!(unknown.code, Some(1));
    assert!(
        unknown.stderr.contains("no service `wob`"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn an_export_beside_a_director_is_its_files_as_one() {
    let running = fake::run_here();
    let exported = director(&running, "export");
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    for part in [
        "# Exported from the director that has been running since 2026-",
        "#   /etc/director/services.d/web.toml\n",
        "drains, weights",
        "environment variable `REDIS`",
        "\nversion = 1\n",
        "[service.web]",
        "password = \"${REDIS}\"",
    ] {
        assert!(
            exported.stdout.contains(part),
            "{part}: {}",
            exported.stdout
        );
    }
    assert!(!exported.stdout.contains("include"), "{}", exported.stdout);
    assert!(
        exported.stderr.contains("has in force"),
        "{}",
        exported.stderr
    );
    assert!(
        !exported.stderr.contains("passwords"),
        "{}",
        exported.stderr
    );
    // It is a service file.
    let file = running.directory.path().join("exported.toml");
    std::fs::write(&file, &exported.stdout).unwrap();
    let mut check = command(
        &running.socket(),
        &format!("check --strict {}", file.display()),
    );
    let check: Run = check.env("REDIS", "x").output().unwrap().into();
    assert_eq!(check.code, Some(0), "{}", check.stderr);

    let json = director(&running, "export --format json");
    let value: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(value["service"]["web"]["check"]["password"], "${REDIS}");
    assert!(
        json.stderr.contains("environment variable `REDIS`"),
        "{}",
        json.stderr
    );
}

#[test]
fn what_a_director_that_runs_would_undo_is_refused() {
    let running = fake::run_here();
    let file = running.directory.path().join("good.toml");
    let text =
        "version = 1\n[service.web]\nlisten = \"tcp://192.0.2.10:80\"\nservers = [\"10.0.0.1\"]\n";
    std::fs::write(&file, text).unwrap();
    let state = running.directory.path().join("state");
    for (line, instead) in [
        (
            format!("apply --yes {}", file.display()),
            "`director reload`",
        ),
        (
            format!("plan --out x {}", file.display()),
            "`director reload`",
        ),
        ("flush --yes".to_owned(), "stop it first"),
        ("adopt --all".to_owned(), "declare the service in its file"),
        ("disown --all".to_owned(), "stop it first"),
    ] {
        let line = format!("--state-dir {} {line}", state.display());
        let refused = director(&running, &line);
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (Some(1), ""),
            "{line}"
        );
        assert!(
            refused.stderr.contains("a director is running here"),
            "{line}: {}",
            refused.stderr
        );
        assert!(
            refused.stderr.contains(instead),
            "{line}: {}",
            refused.stderr
        );
    }
    assert!(!state.exists(), "nothing was locked, nothing was written");
}
