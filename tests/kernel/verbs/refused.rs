//! What the kernel or the machine refuses.

use super::{DIRECTOR, Desk, lone, web};
use crate::lab::Outcome;

const ONE: &str = r#""10.0.1.1""#;

/// A hundred changed and a hundred new services; the last one has a scheduler that no kernel has.
fn two_hundred() -> (String, String) {
    let service = |number: usize, scheduler: &str, weight: usize| {
        format!(
            "[service.s{number:03}]\nlisten = \"tcp://10.0.2.{number}:80\"\n\
             scheduler = \"{scheduler}\"\nservers = [{{ address = \"10.0.3.{number}\", weight = {weight} }}]\n"
        )
    };
    let file = |services: Vec<String>, timeout: &str| {
        format!(
            "version = 1\n[kernel]\ntimeouts = {{ tcp = \"{timeout}\" }}\nexpire_nodest_conn = true\n\
             [defaults]\nforward = \"nat\"\n{}",
            services.concat()
        )
    };
    let before = (1..=100).map(|number| service(number, "wlc", 1));
    let after = (1..=200).map(|number| match number {
        200 => service(number, "kernel:nonesuch", 1),
        1..=50 => service(number, "rr", number),
        // 51 to 60 are removed.
        51..=60 => String::new(),
        _ => service(number, "wlc", 2),
    });
    (file(before.collect(), "7m"), file(after.collect(), "8m"))
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_kernel_refuses_in_the_middle_and_everything_is_as_before() {
    let host = lone();
    let desk = Desk::on(&host);
    host.ipvsadm("-A -t 10.0.2.1:81 -s lc\n-a -t 10.0.2.1:81 -r 10.0.3.1:81 -m -w 9\n");
    let (before, after) = two_hundred();
    desk.write("before.toml", &before);
    desk.write("after.toml", &after);
    desk.applied("before.toml");
    let tables = desk.tables();

    // The operation, the object, the cause, what to do, and the result.
    desk.fails(
        "apply --yes after.toml",
        &[
            "add service",
            "tcp://10.0.2.200:80",
            "nonesuch",
            "modprobe",
            "everything was rolled back",
        ],
    );
    assert_eq!(desk.tables(), tables);
    desk.nothing_to_do("before.toml");
    // No run counts as interrupted, and nothing that does not exist is owned.
    assert_eq!(desk.state("journal.json"), None);
    desk.done("flush --yes");
    assert_eq!(desk.tables().services.len(), 1);
}

fn without_the_right(desk: &Desk<'_>, line: &str) -> Outcome {
    let words = ["--bounding-set", "-net_admin", DIRECTOR];
    let words: Vec<_> = words.into_iter().chain(line.split(' ')).collect();
    desk.host.command(desk.command("setpriv", &words), b"")
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn without_the_capability_every_verb_names_it() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web("tcp://10.0.0.1:80", ONE, ""));
    for line in [
        "plan one.toml",
        "apply --yes one.toml",
        "export",
        "flush --yes",
        "adopt --all",
    ] {
        let outcome = without_the_right(&desk, line);
        assert_eq!(outcome.code, 1, "{line}: {outcome}");
        assert!(
            outcome.stderr.contains("CAP_NET_ADMIN"),
            "{line}: {outcome}"
        );
        assert_eq!(outcome.stdout, "", "{line}");
    }
    assert_eq!(without_the_right(&desk, "check one.toml").code, 0);
}

/// A fact about the kernel stated in docs/security.md: a user namespace other than the first has no
/// access to IPVS, not even in a network namespace of its own.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn root_of_a_user_namespace_is_told_which_one_it_takes() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web("tcp://10.0.0.1:80", ONE, ""));
    for line in ["plan one.toml", "apply --yes one.toml", "export"] {
        let words = ["--user", "--map-root-user", "--net", DIRECTOR];
        let words: Vec<_> = words.into_iter().chain(line.split(' ')).collect();
        let outcome = host.command(desk.command("unshare", &words), b"");
        assert_eq!(outcome.code, 1, "{line}: {outcome}");
        for part in ["CAP_NET_ADMIN in the initial user namespace", "rootless"] {
            assert!(outcome.stderr.contains(part), "{line}: {outcome}");
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn nothing_is_done_where_nothing_can_be_remembered() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web("tcp://10.0.0.1:80", ONE, ""));
    desk.write("occupied", "");
    for (place, said) in [
        ("/proc/nowhere", "cannot make"),
        ("occupied", "it is not a directory"),
    ] {
        desk.fails(
            &format!("--state-dir {place} apply --yes one.toml"),
            &[said, place],
        );
        assert!(desk.tables().services.is_empty());
    }
    // Reading does not need a state directory.
    desk.ends("--state-dir /proc/nowhere plan one.toml", 2);
    desk.ends("--state-dir /proc/nowhere export", 0);
    // An unreadable file may be a ledger.
    desk.fails(
        "--state-dir occupied plan one.toml",
        &["cannot read", "occupied"],
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn what_a_damaged_ledger_owned_is_left_alone_and_the_ledger_kept() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web("tcp://10.0.0.1:80", ONE, ""));
    desk.applied("one.toml");
    let ledger = desk.state("ledger.json").unwrap();
    std::fs::write(&ledger, "{").unwrap();
    let planned = desk.ends("plan one.toml", 0);
    assert!(
        planned.stderr.contains("ledger.json is damaged"),
        "{planned}"
    );
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), "{");
    let flushed = desk.ends("flush --yes", 0);
    assert!(
        flushed.stderr.contains("ledger.json is damaged"),
        "{flushed}"
    );
    assert!(desk.tables().has("tcp://10.0.0.1:80"));
    let aside = ledger.with_file_name("ledger.json.damaged");
    assert_eq!(std::fs::read_to_string(&aside).unwrap(), "{");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_file_that_cannot_be_read_is_no_file_without_services() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web("tcp://10.0.0.1:80", ONE, ""));
    desk.write(
        "wrong.toml",
        "version = 1\n[service.web]\nlisten = \"tcp://10.0.0.1:80\"\nserver = []\n",
    );
    desk.applied("one.toml");
    for file in ["missing.toml", ".", "wrong.toml"] {
        for verb in ["plan", "apply --yes"] {
            let outcome = desk.ends(&format!("{verb} {file}"), 1);
            assert!(!outcome.stderr.is_empty(), "{verb} {file}");
        }
    }
    desk.nothing_to_do("one.toml");
}
