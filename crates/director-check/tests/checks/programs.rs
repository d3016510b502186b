//! Programs, files and agents.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use director_check::{Admin, Advice, Finding, Target, TargetId, Verdict};
use director_config::state::health::{AgentCheck, CheckKind, ExecCheck, FileCheck};

use crate::ask::{Answer, Running, ask, ask_in_haste, ask_target, eventually, pace, spec, target};
use crate::serve::{hangs, serve};

const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 7), 8080);

fn shell(line: &str) -> CheckKind {
    CheckKind::Exec(ExecCheck {
        command: vec![line.into()],
        shell: true,
        weight: true,
    })
}

fn run(kind: CheckKind) -> Answer {
    ask_target(of_web(kind))
}

fn of_web(kind: CheckKind) -> Target {
    let mut target = target(spec(kind), SocketAddr::from(SERVER));
    target.service_name = Some("web".into());
    target.service = Some("tcp://203.0.113.1:80".parse().unwrap());
    target.server_name = Some("app7".into());
    target
}

#[test]
fn a_script_with_carriage_returns_that_env_starts_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("check");
    fs::write(&path, "#!/usr/bin/env bash\r\nexit 0\r\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let answer = run(CheckKind::Exec(ExecCheck {
        command: vec![path.to_str().unwrap().into()],
        shell: false,
        weight: false,
    }));
    let why = answer.failed();
    assert!(
        why.starts_with("exit code 127, expected 0: ") && why.ends_with("save it with LF"),
        "{why}"
    );
}

#[test]
fn exit_codes_and_the_first_line() {
    assert_eq!(
        run(shell("echo; echo ' fine '; echo more")).passed(),
        "fine"
    );
    assert_eq!(run(shell("true")).passed(), "");
    assert_eq!(
        run(shell("echo no disk; exit 3")).failed(),
        "exit code 3, expected 0: no disk"
    );
    assert_eq!(
        run(shell("echo no disk >&2; exit 3")).failed(),
        "exit code 3, expected 0: no disk"
    );
    assert_eq!(
        run(shell("kill -9 $$")).failed(),
        "ended by signal 9, expected exit code 0"
    );
    let weighs = run(shell("echo 150%"));
    let weight = Some(150);
    let admin = Admin::Ready;
    assert_eq!(weighs.advice(), Some(Advice { weight, admin }));
    // No shell unless requested.
    let words = CheckKind::Exec(ExecCheck {
        command: vec!["echo".into(), "$HOME".into(), "a  b".into()],
        shell: false,
        weight: false,
    });
    assert_eq!(run(words).passed(), "$HOME a  b");
}

#[test]
fn the_environment_says_which_server() {
    let line = "echo $DIRECTOR_SERVICE $DIRECTOR_LISTEN $DIRECTOR_SERVER $DIRECTOR_ADDRESS \
                $DIRECTOR_PORT $DIRECTOR_CHECK_ADDRESS $DIRECTOR_CHECK_PORT";
    let mut asked = of_web(shell(line));
    (asked.address, asked.port) = ([198, 51, 100, 1].into(), 99);
    assert_eq!(
        ask_target(asked).passed(),
        "web tcp://203.0.113.1:80 app7 192.0.2.7 8080 198.51.100.1 99"
    );
}

#[test]
fn much_output_and_a_child_in_the_background_hold_nothing_up() {
    let floods = run(shell(
        "echo first; i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done",
    ));
    assert_eq!(floods.passed(), "first");
    // It keeps the pipe open for longer than the test.
    let left = "done (it left processes behind, which were killed)";
    assert_eq!(run(shell("echo done; sleep 300 & exit 0")).passed(), left);
}

/// Where a program that leaves processes behind writes their numbers.
fn leaves_behind(line: &str) -> (tempfile::TempDir, Vec<u32>) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pids");
    let line = line.replace("FILE", file.to_str().unwrap());
    let mut kind = spec(shell(&line));
    kind.pace = pace(Duration::from_secs(30));
    let mut running = Running::start();
    running.add(
        TargetId(1),
        target(kind, SocketAddr::from(SERVER)),
        Verdict::Open,
    );
    let record = Arc::clone(&running.records[0]);
    eventually(|| {
        let seen = record.seen();
        (seen.successes + seen.failures >= 20).then_some(())
    });
    drop(running);
    let text = fs::read_to_string(&file).unwrap();
    let pids = text.lines().map(|line| line.trim().parse().unwrap());
    (directory, pids.collect())
}

#[test]
fn what_a_program_that_ended_well_leaves_behind_is_killed_and_does_not_pile_up() {
    for line in [
        // It keeps the pipe open.
        "sleep 1000 & echo $! >> FILE; exit 0",
        "sleep 1000 >/dev/null 2>&1 & echo $! >> FILE; exit 0",
        // It ignores all signals but SIGKILL.
        "(trap '' HUP TERM INT; sleep 1000) >/dev/null 2>&1 & echo $! >> FILE; exit 0",
        "sleep 1000 >/dev/null 2>&1 & echo $! >> FILE; exit 3",
    ] {
        let (_directory, pids) = leaves_behind(line);
        assert!(pids.len() >= 20, "{line}");
        for pid in pids {
            eventually(|| is_gone(pid).then_some(()));
        }
    }
}

#[test]
fn a_process_that_leaves_the_group_on_purpose_lives_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let line = format!(
        "setsid sh -c 'echo $$ > {0}; exec sleep 1000' >/dev/null 2>&1 & \
         while [ ! -s {0} ]; do sleep 0.01; done",
        file.display()
    );
    let mut kind = spec(shell(&line));
    kind.pace.interval = Duration::from_secs(1000);
    let answer = ask_target(target(kind, SocketAddr::from(SERVER)));
    assert_eq!(answer.passed(), "");
    let pid: u32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    assert!(!is_gone(pid));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[test]
fn what_runs_too_long_is_killed_with_its_children_and_leaves_no_zombie() {
    let directory = tempfile::tempdir().unwrap();
    let (child, grandchild) = (
        directory.path().join("child"),
        directory.path().join("grandchild"),
    );
    let line = format!(
        "echo $$ > {}; (sh -c 'echo $$ > {}; exec sleep 1000') & wait",
        child.display(),
        grandchild.display()
    );
    let mut kind = spec(shell(&line));
    // Enough time to write both files.
    kind.pace = pace(Duration::from_secs(3));
    kind.pace.interval = Duration::from_secs(1000);
    kind.pace.fast_interval = Duration::from_secs(1000);
    let nowhere = SocketAddr::from(SERVER);
    let mut running = Running::start();
    running.add(TargetId(1), target(kind, nowhere), Verdict::Open);
    let Finding::Judged { reason, .. } = running.next() else {
        panic!("it gives no advice");
    };
    assert_eq!(&*reason, "timed out after 3s while the program ran");
    for file in [child, grandchild] {
        let pid: u32 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
        // Gone, not even a zombie. init reaps the grandchild.
        eventually(|| is_gone(pid).then_some(()));
    }
}

#[test]
fn what_is_stopped_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let line = format!("echo $$ > {}; exec sleep 1000", file.display());
    let mut kind = spec(shell(&line));
    kind.pace = pace(Duration::from_secs(3600));
    let running = {
        let mut running = Running::start();
        running.add(
            TargetId(1),
            target(kind, SocketAddr::from(SERVER)),
            Verdict::Up,
        );
        running
    };
    let pid: u32 = eventually(|| fs::read_to_string(&file).ok()?.trim().parse().ok());
    running
        .checks
        .send(vec![director_check::Command::Stop(TargetId(1))]);
    eventually(|| is_gone(pid).then_some(()));
    drop(running);
}

fn is_gone(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    // A zombie that another process has to reap does not count as alive.
    let mine = format!(" {} ", std::process::id());
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    after.starts_with(" Z") && !after.contains(&mine)
}

#[test]
fn a_program_that_is_not_there_is_told_of_and_is_not_the_servers_failure() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("check");
    let name = program.to_str().unwrap();
    let kind = CheckKind::Exec(ExecCheck {
        command: vec![name.into()],
        shell: false,
        weight: false,
    });
    let mut running = Running::start();
    running.add(
        TargetId(1),
        target(spec(kind), SocketAddr::from(SERVER)),
        Verdict::Up,
    );
    let text = format!("not checked: {name}: no such file or directory");
    eventually(|| (running.records[0].seen().text.as_deref() == Some(&text)).then_some(()));
    let not = eventually(|| running.records[0].seen().not_checked);
    assert_eq!(*not.why, text["not checked: ".len()..]);
    let Finding::NotAsked { why: Some(why), .. } = running.next() else {
        panic!("nothing else is found");
    };
    assert_eq!(*why, *not.why);
    assert!(running.checks.statistics().not_asked >= 3);
    let seen = eventually(|| Some(running.records[0].seen()).filter(|seen| seen.not_asked >= 5));
    assert_eq!(seen.not_checked.unwrap().since, not.since);
    assert_eq!((seen.successes, seen.failures), (0, 0));
    assert!(running.found.try_recv().is_err(), "it is told once");
    std::os::unix::fs::symlink("/bin/true", &program).unwrap();
    assert!(matches!(
        running.next(),
        Finding::NotAsked { why: None, .. }
    ));
    let seen = eventually(|| Some(running.records[0].seen()).filter(|seen| seen.successes > 0));
    assert_eq!(seen.not_checked, None);
}

#[test]
fn a_file_says_so_or_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web-app7");
    let kind = || {
        let path = directory.path().join("{service}-{server}");
        CheckKind::File(FileCheck {
            path: path.to_str().unwrap().into(),
        })
    };
    let well = run(kind());
    assert_eq!(
        (well.passed(), well.advice()),
        ("", Some(Advice::default()))
    );
    let advice = |admin, weight| Some(Advice { weight, admin });
    for (contents, text, advised) in [
        ("", "the file is empty: drain", advice(Admin::Drain, None)),
        ("\n", "the file is empty: drain", advice(Admin::Drain, None)),
        (
            "maint\n",
            "the file says \"maint\"",
            advice(Admin::Maint, None),
        ),
        (
            "ready 30%",
            "the file says \"ready 30%\"",
            advice(Admin::Ready, Some(30)),
        ),
    ] {
        fs::write(&path, contents).unwrap();
        let answer = run(kind());
        assert_eq!((answer.passed(), answer.advice()), (text, advised));
    }
    fs::write(&path, "down # for the night").unwrap();
    assert_eq!(
        run(kind()).failed(),
        "the file says \"down # for the night\", expected \"up\" or no file"
    );
}

#[test]
fn a_file_that_cannot_be_read_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let words = directory.path().join("words");
    fs::write(&words, "later").unwrap();
    let told = |path: &Path| {
        let kind = CheckKind::File(FileCheck {
            path: path.to_str().unwrap().into(),
        });
        let mut running = Running::start();
        running.add(
            TargetId(1),
            target(spec(kind), SocketAddr::from(SERVER)),
            Verdict::Up,
        );
        let record = Arc::clone(&running.records[0]);
        let text = eventually(|| record.seen().text);
        assert!(running.found.try_recv().is_err());
        text
    };
    assert_eq!(
        &*told(&words),
        "not checked: the file contains no known word: \"later\""
    );
    // Neither a pipe without a writer nor an endless device blocks the check.
    for (path, what) in [
        (directory.path(), "a directory"),
        (&pipe, "a FIFO"),
        (Path::new("/dev/zero"), "a device"),
    ] {
        let text = told(path);
        assert!(
            text.ends_with(&format!(": not a regular file but {what}")),
            "{text}"
        );
    }
}

fn agent() -> CheckKind {
    CheckKind::Agent(AgentCheck::default())
}

#[test]
fn a_script_that_was_saved_with_carriage_returns_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("check.sh");
    fs::write(&path, "#!/bin/sh\r\nexit 0\r\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let kind = CheckKind::Exec(ExecCheck {
        command: vec![path.to_str().unwrap().into()],
        shell: false,
        weight: false,
    });
    let mut running = Running::start();
    running.add(TargetId(1), of_web(kind), Verdict::Up);
    let record = Arc::clone(&running.records[0]);
    // Another test's fork may keep the file open for a moment.
    eventually(|| record.seen().text.filter(|text| text.contains("(CRLF)")));
    let text = record.seen().text.unwrap();
    assert!(
        text.starts_with("not checked: ") && text.contains("`/bin/sh\\r` does not exist"),
        "{text}"
    );
    assert!(
        running.found.try_recv().is_err(),
        "it says nothing about the server"
    );
}

#[test]
fn an_agent_that_ends_its_line_with_a_carriage_return_and_stays_is_heard() {
    for line in [
        "up 50%\r",
        "up 50%\0",
        "\r\nup 50%\n",
        "\u{feff}up 50%\r\n",
        "   up 50%\r",
    ] {
        let at = serve(move |mut stream| {
            let _ = stream.write_all(line.as_bytes());
            // Waits for the other side to close.
            let _ = stream.read(&mut [0; 64]);
        });
        let answer = ask(agent(), at);
        assert_eq!(answer.passed(), "the agent says \"up 50%\"", "{line:?}");
        let (weight, admin) = (Some(50), Admin::Ready);
        assert_eq!(answer.advice(), Some(Advice { weight, admin }), "{line:?}");
    }
}

#[test]
fn agents() {
    let says =
        |text: &'static str| serve(move |mut stream| drop(stream.write_all(text.as_bytes())));
    let well = ask(agent(), says("up ready 75%\n"));
    assert_eq!(well.passed(), "the agent says \"up ready 75%\"");
    let weight = Some(75);
    let admin = Admin::Ready;
    assert_eq!(well.advice(), Some(Advice { weight, admin }));
    let answer = ask(agent(), says("down#disk full\r\n"));
    assert_eq!(
        answer.failed(),
        "the agent says \"down#disk full\", expected \"up\" or \"ready\""
    );
    assert_eq!(
        ask(agent(), says("")).failed(),
        "closed without an answer, expected a line such as \"up\""
    );
    assert_eq!(
        ask(agent(), says("hello\n")).failed(),
        "the agent's answer contains no known word: \"hello\", expected one such as \"up\" or \"75%\""
    );
    let endless = serve(|mut stream| while stream.write_all(&[b'x'; 512]).is_ok() {});
    assert!(
        ask(agent(), endless)
            .failed()
            .starts_with("the agent's answer contains no known word")
    );
    assert_eq!(
        ask_in_haste(agent(), hangs()).failed(),
        "timed out after 1.5s while waiting for the agent's answer"
    );
    let polite = serve(|mut stream| {
        let mut question = [0; 6];
        if stream.read_exact(&mut question).is_ok() && &question == b"how?\r\n" {
            let _ = stream.write_all(b"up\n");
        }
    });
    let asks = CheckKind::Agent(AgentCheck {
        send: b"how?\r\n".to_vec(),
    });
    assert_eq!(ask(asks, polite).passed(), "the agent says \"up\"");
}

#[test]
fn an_agents_words_hold_until_it_says_others() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let turn = Arc::new(AtomicUsize::new(0));
    let script = [
        "up drain\n",
        "50%\n",
        "down\n",
        "10%\n",
        "up ready\n",
        "up\n",
    ];
    let at = serve(move |mut stream| {
        let turn = turn.fetch_add(1, Ordering::SeqCst).min(script.len() - 1);
        let _ = stream.write_all(script[turn].as_bytes());
    });
    let mut running = Running::start();
    running.add(TargetId(1), target(spec(agent()), at), Verdict::Open);
    let judged = |finding: &Finding| match finding {
        Finding::Judged { verdict, .. } => Ok(*verdict),
        Finding::Advised { advice, .. } => Err((advice.admin, advice.weight)),
        Finding::NotAsked { .. } => panic!("all are asked"),
    };
    let told: Vec<_> = (0..7).map(|_| judged(&running.next())).collect();
    assert_eq!(
        told,
        [
            Err((Admin::Drain, None)),
            Ok(Verdict::Up),
            Err((Admin::Drain, Some(50))),
            Ok(Verdict::Down),
            Err((Admin::Drain, Some(10))),
            Err((Admin::Ready, Some(10))),
            Ok(Verdict::Up),
        ]
    );
}
