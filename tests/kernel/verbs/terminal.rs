//! On a terminal: with a question, in colour.

use super::{DIRECTOR, Desk, lone, web};
use crate::lab::Outcome;

const SERVICE: &str = "tcp://10.0.0.1:80";

/// Runs `director` on a terminal of its own (script(1)); both streams come back as one.
fn on_a_terminal(desk: &Desk<'_>, line: &str, typed: &[u8], no_color: &str) -> Outcome {
    let line = format!("{DIRECTOR} {line}");
    let mut command = desk.command("script", &["-qec", &line, "/dev/null"]);
    command.env("NO_COLOR", no_color).env("TERM", "xterm");
    desk.host.command(command, typed)
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn it_asks_and_heeds_the_answer() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web(SERVICE, r#""10.0.1.1""#, ""));
    for (verb, answer, code, there) in [
        ("apply one.toml", "n\n", 1, false),
        ("apply one.toml", "\n", 1, false),
        ("apply one.toml", "y\n", 0, true),
        // Nothing to do, no question.
        ("apply one.toml", "n\n", 0, true),
        ("flush", "no\n", 1, true),
        ("flush", "yes\n", 0, false),
    ] {
        let outcome = on_a_terminal(&desk, verb, answer.as_bytes(), "");
        assert_eq!(outcome.code, code, "{verb} {answer}: {outcome}");
        assert_eq!(
            desk.tables().has(SERVICE),
            there,
            "{verb} {answer}: {outcome}"
        );
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn colours_only_where_they_are_wanted() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web(SERVICE, r#""10.0.1.1""#, ""));
    let coloured = |outcome: &Outcome| outcome.stdout.contains("\x1b[32m+");
    assert!(coloured(&on_a_terminal(&desk, "plan one.toml", b"", "")));
    assert!(!coloured(&on_a_terminal(&desk, "plan one.toml", b"", "1")));
    assert!(!coloured(&on_a_terminal(
        &desk,
        "plan --color never one.toml",
        b"",
        ""
    )));
    assert!(coloured(&on_a_terminal(
        &desk,
        "plan --color always one.toml",
        b"",
        "1"
    )));
    assert!(!coloured(&desk.director("plan one.toml")));
    assert!(coloured(&desk.director("--color always plan one.toml")));
}

/// One service with this many servers.
fn wide(desk: &Desk<'_>, servers: u32) {
    let address = |server: u32| format!("\"10.0.{}.{}\"", 4 + server / 250, 1 + server % 250);
    let servers: Vec<_> = (0..servers).map(address).collect();
    desk.write("wide.toml", &web(SERVICE, &servers.join(", "), ""));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_bar_shows_how_far_a_long_run_is() {
    const BAR: [char; 3] = ['█', '▌', '░'];
    let host = lone();
    let desk = Desk::on(&host);
    let run = |line: &str, no_color: &str| {
        desk.done("flush --yes");
        // The plan is not displayed.
        let line = format!("{line} >/dev/null");
        let outcome = on_a_terminal(&desk, &line, b"", no_color);
        assert!(outcome.success(), "{outcome}");
        assert!(outcome.stdout.contains("Applied:"), "{outcome}");
        outcome.stdout
    };
    wide(&desk, 6_000);
    let shown = run("apply --yes wide.toml", "");
    assert!(shown.contains("make"), "{shown}");
    assert!(shown.contains("/6001"), "{shown}");
    assert!(shown.contains("\x1b[32m█"), "in colour: {shown}");
    // It is gone when other text appears.
    let (_, after) = shown.rsplit_once(BAR).unwrap();
    assert!(after.contains("\x1b[2K"), "{after:?}");
    assert!(after.contains("Applied:"), "{after:?}");

    let plain = run("apply --yes wide.toml", "1");
    assert!(plain.contains(BAR), "{plain}");
    assert!(!plain.contains("\x1b[32m"), "{plain}");
    let plain = run("apply --yes --color never wide.toml", "");
    assert!(plain.contains(BAR), "{plain}");
    assert!(!plain.contains("\x1b[32m"), "{plain}");

    desk.done("flush --yes");
    let elsewhere = desk.ends("apply --yes wide.toml", 0);
    assert!(!elsewhere.stderr.contains(BAR), "{elsewhere}");
    wide(&desk, 100);
    assert!(!run("apply --yes wide.toml", "").contains(BAR));
}
