//! The drop-in's intended differences: Debian's really does one thing, ours the other.

use std::path::Path;
use std::process::Command;

use crate::lab::{Drawing, Outcome, Sketch};

use super::programs::{self, Case, DEBIANS, Side, use_names, with_own_mounts};

/// Runs cases on both sides; returns both results of the last one, Debian's first.
fn both(cases: &[Case]) -> (Outcome, Outcome) {
    with_own_mounts(|| {
        use_names();
        let (debian, ours) = Side::both();
        let mut last = None;
        for case in cases {
            last = Some((debian.run(case), ours.run(case)));
        }
        last.expect("at least one case")
    })
}

fn lines(lines: &[&str]) -> (Outcome, Outcome) {
    let cases: Vec<Case> = lines.iter().map(|line| Case::new(line)).collect();
    both(&cases)
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn addresses_are_in_the_order_of_their_values() {
    let (debian, ours) = lines(&["-A -t 1.1:80", "-A -t 200.1:80", "-Sn"]);
    assert_eq!(
        debian.stdout,
        "-A -t 200.0.0.1:80 -s wlc\n-A -t 1.0.0.1:80 -s wlc\n"
    );
    assert_eq!(
        ours.stdout,
        "-A -t 1.0.0.1:80 -s wlc\n-A -t 200.0.0.1:80 -s wlc\n"
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn marks_are_unsigned() {
    let (debian, ours) = lines(&["-A -f 4294967295", "-A -f 1", "-Sn"]);
    assert_eq!(debian.stdout, "-A -f -1 -s wlc\n-A -f 1 -s wlc\n");
    assert_eq!(ours.stdout, "-A -f 1 -s wlc\n-A -f 4294967295 -s wlc\n");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_list_of_commas_is_a_mistake_and_no_crash() {
    let (debian, ours) = lines(&["-A -f 1 -b ,"]);
    assert_eq!(debian.code, 139);
    assert_eq!(
        (ours.code, ours.stderr.as_str()),
        (2, "invalid scheduler flag `,'\n")
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn thresholds_are_saved() {
    let add = "-a -f 1 -r 192.168.0.1 -m -x 9 -y 4";
    let (debian, ours) = lines(&["-A -f 1", add, "-Sn"]);
    assert!(
        debian
            .stdout
            .ends_with("-a -f 1 -r 192.168.0.1:0 -m -w 1\n"),
        "{debian}"
    );
    assert!(
        ours.stdout
            .ends_with("-a -f 1 -r 192.168.0.1:0 -m -w 1 -x 9 -y 4\n"),
        "{ours}"
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_last_line_of_an_input_is_not_lost() {
    let (debian, ours) = both(&[Case::restore("-A -f 1  "), Case::new("-Sn")]);
    assert_eq!(debian.stdout, "");
    assert_eq!(ours.stdout, "-A -f 1 -s wlc\n");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn messages_of_restore_name_the_line() {
    let (debian, ours) = both(&[Case::restore("-A -f 1\n\n -A -f 1\n-A -f 2\n")]);
    assert_eq!(
        (debian.code, debian.stderr.as_str()),
        (0, "Service already exists\n")
    );
    let expected = "Service already exists\nipvsadm: line 3: -A -f 1\n";
    assert_eq!((ours.code, ours.stderr.as_str()), (0, expected));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_zero_address_is_not_everything() {
    let (debian, ours) = lines(&["-Z -t 0.0.0.0"]);
    assert_eq!(debian.code, 0);
    assert_eq!(
        (ours.code, ours.stderr.as_str()),
        (255, "No such service\n")
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn saved_names_are_not_cut() {
    with_own_mounts(|| {
        let hosts = std::env::temp_dir().join(format!("ipvsadm-hosts-{}", std::process::id()));
        let name = "v6host.a-rather-long-hostname-for-truncation.example.com";
        std::fs::write(&hosts, format!("fd00::77 {name}\n")).expect("a file can be written");
        programs::replace("/etc/hosts", &hosts);
        std::fs::remove_file(&hosts).expect("and removed");
        let (debian, ours) = Side::both();
        let outcome = |side: &Side| {
            side.run(&Case::new("-A -t [fd00::77]:80"));
            let list = side.run(&Case::new("-L")).stdout;
            (list, side.run(&Case::new("-S")).stdout)
        };
        let ((their_list, theirs), (list, own)) = (outcome(&debian), outcome(&ours));
        assert_eq!(theirs, format!("-A -t [{name}]: -s wlc\n"));
        assert_eq!(own, format!("-A -t [{name}]:http -s wlc\n"));
        assert_eq!(list, their_list);
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn help_needs_no_rights_and_everything_else_fails_alike() {
    let (hosts, _) = Drawing::new().host(Sketch::new("plain")).build();
    let without_rights = |program: &Path, word: &str| {
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"])
            .arg(program)
            .arg(word);
        hosts[0].command(command, b"")
    };
    let (debians, ours) = (Path::new(DEBIANS), programs::ours());
    let refused = "Can't initialize ipvs: Permission denied (you must be root)\n\
                   Are you sure that IP Virtual Server is built in the kernel or as module?\n";
    for word in ["-L", "-C", "-R", "foo", "-q"] {
        let theirs = without_rights(debians, word);
        assert_eq!(
            (theirs.code, theirs.stderr.as_str()),
            (2, refused),
            "{word}"
        );
        assert_eq!(without_rights(&ours, word), theirs, "{word}");
    }
    for word in ["-h", "-v", "--help", "--version"] {
        assert_eq!(without_rights(debians, word).code, 2, "{word}");
        let own = without_rights(&ours, word);
        assert_eq!((own.code, own.stderr.as_str()), (0, ""), "{word}");
    }
}
