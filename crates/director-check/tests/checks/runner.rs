//! The checks as a whole: timely verdicts, stops, many at a time.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use director_check::{Command, Finding, TargetId, Verdict};
use director_config::state::health::{CheckKind, ExecCheck, Expect, TcpCheck};

use crate::ask::{PATIENCE, Running, eventually, spec, target};
use crate::serve::{Full, hangs, nobody};

fn plain() -> CheckKind {
    CheckKind::Tcp(TcpCheck::default())
}

#[test]
fn verdicts_need_rise_and_fall_and_only_changes_are_told() {
    let mut running = Running::start();
    let mut three = spec(plain());
    (three.pace.rise, three.pace.fall) = (3, 2);
    // An ephemeral port is not given to others while it is in use.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at: SocketAddr = listener.local_addr().unwrap();
    running.add(TargetId(7), target(three, at), Verdict::Open);
    let Finding::Judged {
        target,
        verdict,
        reason,
        ..
    } = running.next()
    else {
        panic!("TCP gives no advice");
    };
    assert_eq!((target, verdict), (TargetId(7), Verdict::Up));
    assert_eq!(&*reason, "3 checks in a row passed");
    let record = running.records[0].clone();
    let before = eventually(|| Some(record.seen()).filter(|seen| seen.successes >= 10));
    assert!(before.passed && before.streak >= 10 && before.failures == 0);
    drop(listener);
    let Finding::Judged {
        verdict, reason, ..
    } = running.next()
    else {
        panic!("TCP gives no advice");
    };
    assert_eq!((verdict, &*reason), (Verdict::Down, "connection refused"));
    let seen = eventually(|| Some(record.seen()).filter(|seen| seen.streak >= 2 && !seen.passed));
    assert_eq!(seen.text.as_deref(), Some("connection refused"));
    assert!(seen.longest_gap >= Duration::from_millis(50));
    let statistics = running.checks.statistics();
    assert_eq!(statistics.targets, 1);
    assert!(statistics.passed >= 10 && statistics.failed >= 2);
    assert!(statistics.started >= statistics.passed + statistics.failed);
}

#[test]
fn a_verdict_that_stands_is_not_told_again() {
    let mut running = Running::start();
    running.add(TargetId(1), target(spec(plain()), hangs()), Verdict::Up);
    running.add(TargetId(2), target(spec(plain()), nobody()), Verdict::Down);
    for record in &running.records {
        eventually(|| (record.seen().streak >= 5).then_some(()));
    }
    assert!(running.found.try_recv().is_err());
}

#[test]
fn nothing_is_said_of_what_was_stopped() {
    let mut running = Running::start();
    let full = Full::new();
    let silent = CheckKind::Tcp(TcpCheck {
        send: Vec::new(),
        expect: Some(Expect::Contains(b"x".to_vec())),
    });
    let mut hasty = spec(plain());
    hasty.pace.timeout = Duration::from_millis(200);
    let mut slow = spec(silent);
    slow.pace.timeout = Duration::from_millis(200);
    running.add(TargetId(1), target(hasty, full.at), Verdict::Up);
    running.add(TargetId(2), target(slow, hangs()), Verdict::Up);
    eventually(|| (running.checks.statistics().under_way == 2).then_some(()));
    let stops = vec![Command::Stop(TargetId(1)), Command::Stop(TargetId(2))];
    running.checks.send(stops);
    eventually(|| (running.checks.statistics().targets == 0).then_some(()));
    assert_eq!(running.checks.statistics().under_way, 0);
    let told = running.found.recv_timeout(Duration::from_millis(600));
    assert_eq!(told, Err(RecvTimeoutError::Timeout));
    // The same number may come back.
    running.add(TargetId(1), target(spec(plain()), hangs()), Verdict::Down);
    assert!(matches!(
        running.next(),
        Finding::Judged {
            verdict: Verdict::Up,
            ..
        }
    ));
}

#[test]
fn a_thousand_that_hang_delay_none_that_does_not() {
    let mut running = Running::start();
    let full = Full::new();
    let mut long = spec(plain());
    long.pace.timeout = Duration::from_secs(3600);
    for number in 0..1000 {
        running.add(TargetId(number), target(long.clone(), full.at), Verdict::Up);
    }
    eventually(|| (running.checks.statistics().under_way >= 900).then_some(()));
    running.add(
        TargetId(5000),
        target(spec(plain()), hangs()),
        Verdict::Open,
    );
    let found = running.next();
    assert!(
        matches!(
            found,
            Finding::Judged {
                target: TargetId(5000),
                ..
            }
        ),
        "{found:?}"
    );
}

#[test]
fn programs_run_one_after_another_and_nothing_else_waits_for_them() {
    let mut running = Running::start();
    let sleep = CheckKind::Exec(ExecCheck {
        command: vec!["sleep".into(), "1000".into()],
        shell: false,
        weight: false,
    });
    let mut sleep = spec(sleep);
    sleep.pace.timeout = Duration::from_secs(3600);
    let nowhere: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    for number in 0..300 {
        running.add(
            TargetId(number),
            target(sleep.clone(), nowhere),
            Verdict::Up,
        );
    }
    eventually(|| (running.checks.statistics().waiting > 0).then_some(()));
    assert!(running.checks.statistics().held > 0);
    running.add(
        TargetId(5000),
        target(spec(plain()), hangs()),
        Verdict::Open,
    );
    let found = running.found.recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(
            found,
            Finding::Judged {
                target: TargetId(5000),
                ..
            }
        ),
        "{found:?}"
    );
}
