//! Broken state directories and state files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use super::{DIRECTOR, Desk, lone, web};
use crate::lab::eventually;

const SERVICE: &str = "tcp://10.0.0.1:80";

fn one() -> String {
    web(SERVICE, r#""10.0.1.1""#, "")
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_full_state_directory_refuses_an_apply_and_changes_nothing() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &one());
    desk.write("two.toml", &web(SERVICE, r#""10.0.1.1", "10.0.1.2""#, ""));
    let state = desk.directory.path().join("state");
    fs::create_dir(&state).unwrap();
    let shown = state.display();
    host.run(&format!(
        "mount -t tmpfs -o size=64k,mode=0700 tmpfs {shown}"
    ));
    desk.applied("one.toml");
    let before = desk.tables();
    host.attempt(&format!(
        "dd if=/dev/zero of={shown}/filler bs=4096 count=100"
    ));
    for line in [
        "apply --yes two.toml",
        "apply --yes --confirm-within 1m two.toml",
        "flush --yes",
        "adopt --all",
        "disown --all",
    ] {
        desk.fails(line, &["No space left on device"]);
        assert_eq!(desk.tables(), before, "{line}");
    }
    // Nothing remains that could be confirmed or rolled back later.
    desk.fails("confirm", &["nothing to confirm"]);
    fs::remove_file(state.join("filler")).unwrap();
    desk.applied("two.toml");
    host.run(&format!("umount -l {shown}"));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_state_directory_that_is_not_the_directors_own_is_refused_by_name() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &one());
    let at = |name: &str| desk.directory.path().join(name);
    let state = at("state");
    let fails = |said: &[&str]| {
        desk.fails("apply --yes one.toml", said);
        assert!(!desk.tables().has(SERVICE));
    };
    symlink("nowhere", &state).unwrap();
    fails(&["it is a symbolic link to nowhere, which is not a directory"]);
    fs::remove_file(&state).unwrap();
    fs::write(&state, "").unwrap();
    fails(&["it is not a directory"]);
    fs::remove_file(&state).unwrap();

    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
    fails(&["other users can write to it (mode 0777)", "run `chmod go-w"]);
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(&state, Some(12345), None).unwrap();
    fails(&["it belongs to user 12345"]);
    std::os::unix::fs::chown(&state, Some(0), None).unwrap();
    desk.applied("one.toml");

    let ledger = desk.state("ledger.json").unwrap();
    let own = ledger.parent().unwrap();
    fs::rename(own, at("elsewhere")).unwrap();
    symlink(at("elsewhere"), own).unwrap();
    desk.fails("apply --yes one.toml", &["which is not followed"]);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_damaged_ledger_is_set_aside_and_a_newer_one_is_not_touched() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &one());
    desk.applied("one.toml");
    let ledger = desk.state("ledger.json").unwrap();
    for file in [
        "ledger.json",
        "journal.json",
        "unconfirmed.json",
        "remains.json",
    ] {
        let path = ledger.with_file_name(file);
        fs::write(&path, "").unwrap();
        // A reader reports it, and leaves it.
        let planned = desk.ends("plan one.toml", 0);
        if file != "unconfirmed.json" {
            assert!(
                planned.stderr.contains("is damaged (it is empty)"),
                "{planned}"
            );
        }
        assert!(path.exists());
        let applied = desk.ends("apply --yes one.toml", 0);
        let said = format!("{file}.damaged");
        assert!(applied.stderr.contains(&said), "{applied}");
        desk.nothing_to_do("one.toml");
    }
    fs::write(&ledger, r#"{"version": 99}"#).unwrap();
    for line in ["plan one.toml", "apply --yes one.toml", "flush --yes"] {
        desk.fails(line, &["has version 99", "a newer director wrote it"]);
    }
    assert_eq!(fs::read_to_string(&ledger).unwrap(), r#"{"version": 99}"#);
    fs::remove_file(&ledger).unwrap();
    desk.applied("one.toml");

    fs::remove_file(&ledger).unwrap();
    host.run(&format!("mkfifo {}", ledger.display()));
    desk.fails("apply --yes one.toml", &["not a regular file but a FIFO"]);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn two_directors_of_a_namespace_are_kept_apart_whatever_their_state_directories() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &one());
    desk.write("two.toml", &web(SERVICE, r#""10.0.1.1", "10.0.1.2""#, ""));
    let start = |words: &[&str]| {
        let mut command = desk.command(DIRECTOR, words);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        host.spawn_command(command)
    };
    let mut first = start(&["run", "one.toml", "--socket", "first.sock"]);
    eventually("it runs", || {
        assert_eq!(first.ended(), None);
        desk.tables().has(SERVICE).then_some(())
    });
    let tables = desk.tables();
    let process = format!("(process {}: {DIRECTOR} run one.toml", first.id());
    let said = ["in this network namespace", &process, "another --state-dir"];
    let other = "--state-dir other --socket other.sock";
    desk.fails(
        &format!("{other} apply --yes --lock-timeout 0s two.toml"),
        &said,
    );
    desk.fails(&format!("{other} run two.toml"), &said);
    // Containers that share the network but no files.
    let apart = desk.command(
        "unshare",
        &[
            "--mount",
            "sh",
            "-c",
            &format!(
                "mount -t tmpfs none /run && exec {DIRECTOR} --state-dir /run/state apply --yes \
                 --lock-timeout 0s two.toml"
            ),
        ],
    );
    let outcome = host.command(apart, b"");
    assert_eq!(outcome.code, 1, "{outcome}");
    for part in said {
        assert!(outcome.stderr.contains(part), "{part}: {outcome}");
    }
    assert_eq!(desk.tables(), tables);

    // Another namespace is not affected.
    let elsewhere = lone();
    let name = elsewhere.netns().name();
    desk.done(&format!("{other} --netns {name} apply --yes two.toml"));
    first.signal(nix::sys::signal::Signal::SIGKILL);
    eventually("it ends", || first.ended());
    desk.done(&format!("{other} apply --yes --lock-timeout 0s two.toml"));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_user_who_takes_the_name_of_the_namespace_keeps_no_director_out() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &one());
    let words = "--reuid 12345 --clear-groups socat ABSTRACT-LISTEN:director.lock,fork STDOUT";
    let words: Vec<_> = words.split(' ').collect();
    let squatter = host.spawn_command(desk.command("setpriv", &words));
    eventually("the name is taken", || {
        let sockets = host.run("cat /proc/net/unix");
        sockets.contains("@director.lock").then_some(())
    });
    let outcome = desk.ends("apply --yes --lock-timeout 0s one.toml", 0);
    let said = format!("(process {} of user 12345)", squatter.id());
    assert!(outcome.stderr.contains(&said), "{outcome}");
    assert!(desk.tables().has(SERVICE));
}
