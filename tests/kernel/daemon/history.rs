//! The history of a director that runs: what changed and by what, over restarts, crashes and a full
//! disk, read with and without it.

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::operator::done;
use super::{DIRECTOR, Daemon, SERVICE};
use crate::lab::{Host, Lan, Outcome, Tcp, eventually};

const FILE: &str = r#"
version = 1
[defaults]
forward = "nat"
scheduler = "rr"
check = { type = "tcp", interval = "200ms", fall = 2, rise = 1 }
[service.web]
listen = "tcp://10.1.0.100:80"
servers = [{ name = "one", address = "10.2.0.11" }, "10.2.0.12", "10.2.0.13"]
"#;

/// A verb that reads the history of this director.
fn past(daemon: &Daemon<'_>, line: &[&str]) -> Outcome {
    let mut command = Command::new(DIRECTOR);
    command
        .args(line)
        .env("DIRECTOR_STATE_DIR", daemon.path("state"));
    command.arg("--socket").arg(daemon.path("control.sock"));
    daemon.host.command(command, &[])
}

/// The rows of the history.
#[track_caller]
fn rows(daemon: &Daemon<'_>, options: &[&str]) -> Vec<Value> {
    let line = [&["history"], options, &["--json"]].concat();
    let outcome = past(daemon, &line);
    assert!(outcome.success(), "{outcome}");
    parsed(&outcome)
}

fn parsed(outcome: &Outcome) -> Vec<Value> {
    let lines = outcome.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Waits until the history has such a row. There is none before the first verdicts.
#[track_caller]
fn row(daemon: &Daemon<'_>, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || {
        let outcome = past(daemon, &["history", "--json"]);
        let is_none = outcome.stderr.contains("no history in");
        assert!(outcome.success() || is_none, "{outcome}");
        parsed(&outcome).into_iter().find(&is_it)
    })
}

/// The time, as `--at` takes it, and once the next second has begun.
fn now() -> String {
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    let seconds = now();
    eventually("the second is over", || (now() > seconds).then_some(()));
    format!("@{seconds}")
}

fn day(daemon: &mut Daemon<'_>, host: &Host, net: &Lan) -> [String; 2] {
    let mut servers = net.serve(Tcp, 80);
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    row(daemon, "the start is recorded", |row| {
        row["kind"] == "started"
    });
    let before = now();

    drop(servers.pop());
    let down = row(daemon, "the death of a server", |row| {
        row["kind"] == "server-down"
    });
    assert_eq!(
        (&down["by"], &down["server"]),
        (&"check".into(), &"10.2.0.13:80".into())
    );
    let changed = down["changed"].to_string();
    assert!(
        changed.contains(r#"{"what":"state","from":"up","to":"down"}"#),
        "{down}"
    );
    assert!(
        changed.contains(r#"{"what":"weight","from":1,"to":0}"#),
        "{down}"
    );

    done(daemon, "drain web one --reason new-disks");
    let drained = row(daemon, "the drain", |row| row["kind"] == "drained");
    for (field, value) in [
        ("by", "operator"),
        ("operator", "root"),
        ("reason", "new-disks"),
    ] {
        assert_eq!(drained[field], value, "{drained}");
    }
    host.ipvsadm("-e -t 10.1.0.100:80 -r 10.2.0.12:80 -m -w 9");
    let drift = row(daemon, "the drift", |row| row["kind"] == "drift");
    assert_eq!(
        (&drift["by"], &drift["service"]),
        (&"drift".into(), &"web".into())
    );
    daemon.weights(SERVICE, "1=0 2=1 3=0");

    daemon.write(&FILE.replace(r#", "10.2.0.13"]"#, r#", "10.2.0.13", "10.2.0.14"]"#));
    daemon.signal(Signal::SIGHUP);
    let added = row(daemon, "the new server", |row| {
        row["server"] == "10.2.0.14:80" && row["kind"] == "changed"
    });
    assert_eq!(added["by"], "file", "{added}");
    [before, now()]
}

#[test]
#[ignore = "needs the lab"]
fn the_history_says_what_happened_beyond_a_restart_and_without_a_director() {
    let net = Lan::nat().real_servers(3).build();
    let host = &net.director;
    let mut daemon = Daemon::idle(host, FILE);
    let [before, after] = day(&mut daemon, host, &net);

    // The difference as a plan, the tables, and the file.
    let diff = ["diff", "--from", &before, "--to", &after];
    let forth = past(&daemon, &diff);
    assert_eq!(forth.code, 2, "{forth}");
    for part in ["web  tcp://10.1.0.100:80", "10.2.0.11:80", "10.2.0.13:80"] {
        assert!(forth.stdout.contains(part), "{forth}");
    }
    let export = past(&daemon, &["export", "--at", &before]);
    assert!(export.success(), "{export}");
    assert!(export.stdout.contains(r#"name = "one""#), "{export}");
    assert!(!export.stdout.contains("10.2.0.14"), "{export}");
    let export = past(&daemon, &["export", "--at", &after]);
    assert!(export.stdout.contains("10.2.0.14"), "{export}");
    assert!(export.stdout.contains("# by root: new-disks"), "{export}");
    let rules = past(&daemon, &["export", "--at", &before, "--format", "ipvsadm"]);
    assert_eq!(rules.stdout.matches("-w 1").count(), 3, "{rules}");

    // The same on the view socket, without the files.
    for path in [
        format!("/v1/history/at?at={}", &before[1..]),
        format!("/v1/history/diff?from={}&to={}", &before[1..], &after[1..]),
    ] {
        let answer = daemon.get(&path).unwrap();
        assert!(answer.to_string().contains("10.2.0.13:80"), "{answer}");
    }

    // Without a director, and with the next one.
    let known = rows(&daemon, &[]).len();
    daemon.stop();
    let stopped = rows(&daemon, &[]);
    assert!(stopped.len() > known);
    assert_eq!(stopped.last().unwrap()["kind"], "stopped");
    assert_eq!(past(&daemon, &diff).stdout, forth.stdout);
    daemon.launch();
    let again = row(&daemon, "the second start", |row| {
        row["kind"] == "started"
            && row["at_ms"].as_u64() > stopped.last().unwrap()["at_ms"].as_u64()
    });
    assert_eq!(again["by"], "director");
    let all = rows(&daemon, &[]);
    assert_eq!(all[..stopped.len()], stopped[..]);
    let of_one = rows(&daemon, &["web", "one"]);
    assert!(of_one.iter().all(|row| row["name"] == "one") && !of_one.is_empty());
    let early = past(&daemon, &["diff", "--from", "yesterday"]);
    assert_eq!(early.code, 1);
    assert!(early.stderr.contains("the history begins"), "{early}");
}

#[test]
#[ignore = "needs the lab"]
fn a_director_killed_while_it_writes_loses_no_record_but_the_last() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Tcp, 80);
    let mut daemon = Daemon::idle(&net.director, FILE);
    let mut expected = 0;
    for round in 0..5_u32 {
        daemon.launch();
        eventually("this start is recorded", || {
            let outcome = past(&daemon, &["history", "--json"]);
            let starts = parsed(&outcome).into_iter();
            let starts = starts.filter(|row| row["kind"] == "started");
            (starts.count() > round as usize).then_some(())
        });
        for weight in 1..=6 {
            done(
                &daemon,
                &format!("weight web 10.2.0.12 {}", 10 * (round + 1) + weight),
            );
        }
        // Wherever it is.
        std::thread::sleep(Duration::from_millis(u64::from(round) * 70));
        daemon.kill();
        let (all, outcome) = (rows(&daemon, &[]), past(&daemon, &["history"]));
        assert!(!outcome.stderr.contains("damaged"), "{outcome}");
        let weights = all.iter().filter(|row| row["kind"] == "weight").count();
        assert!(weights >= expected, "{weights} {expected}");
        expected = weights;
    }
    daemon.launch();
    row(&daemon, "the weight that was set last", |row| {
        row["changed"].to_string().contains(r#""to":56"#)
    });
    assert!(!daemon.log().contains("damaged"), "{}", daemon.log());
}

#[test]
#[ignore = "needs the lab"]
fn a_full_disk_stops_the_history_and_nothing_else_and_it_goes_on_with_everything() {
    let net = Lan::nat().real_servers(3).build();
    let mut servers = net.serve(Tcp, 80);
    let host = &net.director;
    let mut daemon = Daemon::idle(host, FILE);
    let state = daemon.path("state");
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    row(&daemon, "the start is recorded", |row| {
        row["kind"] == "started"
    });
    let stopped = daemon.stop();
    assert_eq!(stopped, 0);
    // The history alone is on a small disk.
    let history = fs::read_dir(&state).unwrap();
    let history = history.map(|entry| entry.unwrap().path().join("history"));
    let history = history.into_iter().find(|path| path.is_dir()).unwrap();
    let shown = history.display();
    host.run(&format!(
        "mount -t tmpfs -o size=64k,mode=0700 tmpfs {shown}"
    ));
    daemon.launch();
    row(&daemon, "the start is recorded", |row| {
        row["kind"] == "started"
    });
    let filled = host.attempt(&format!(
        "dd if=/dev/zero of={shown}/filler bs=1024 count=100"
    ));
    assert!(filled.stderr.contains("No space left"), "{filled}");

    // It writes into the page that it has, and then it cannot.
    let mut weight = 100;
    eventually("the history pauses", || {
        weight += 1;
        let reason = "x".repeat(200);
        done(
            &daemon,
            &format!("weight web 10.2.0.12 {weight} --reason {reason}{weight}"),
        );
        let events = daemon.log().matches("cannot write the history").count();
        (events > 0).then_some(())
    });
    // A verdict is not delayed, and nothing else complains.
    drop(servers.pop());
    daemon.weights(SERVICE, &format!("1=1 2={weight} 3=0"));
    let status = daemon.get("/v1/status").unwrap();
    assert_eq!(status["trouble"], Value::Null, "{status}");
    assert_eq!(daemon.log().matches("cannot write the history").count(), 1);

    fs::remove_file(history.join("filler")).unwrap();
    row(&daemon, "what happened meanwhile", |row| {
        row["kind"] == "server-down"
    });
    row(&daemon, "that it goes on", |row| {
        row["kind"] == "history-resumed"
    });
    let weights = rows(&daemon, &[]);
    let weights = weights.iter().filter(|row| row["kind"] == "weight");
    assert_eq!(weights.count(), usize::try_from(weight - 100).unwrap());
    assert_eq!(daemon.log().matches("cannot write the history").count(), 1);
    daemon.stop();
    host.run(&format!("umount -l {shown}"));
}
