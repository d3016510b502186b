//! Verbs that need a kernel, in a network namespace that does not exist.

use std::fs;

use super::{director_in, files};

const NEED_THE_KERNEL: [&str; 7] = [
    "plan good.toml",
    "apply --yes good.toml",
    "export",
    "flush --yes",
    "confirm",
    "adopt --all",
    "disown --all",
];

#[test]
fn a_namespace_that_is_not_there_is_named_before_anything_is_done() {
    let directory = files();
    for verb in NEED_THE_KERNEL {
        for line in [
            format!("--state-dir state --netns no-such-place {verb}"),
            format!("{verb} --netns no-such-place --state-dir state"),
        ] {
            let run = director_in(directory.path(), &line);
            assert_eq!(
                (run.code, run.stdout.as_str()),
                (Some(1), ""),
                "director {line}"
            );
            let said = "no network namespace `no-such-place`";
            assert!(run.stderr.contains(said), "director {line}: {}", run.stderr);
            let next = "director: next: ip netns list\n";
            assert!(
                run.stderr.ends_with(next),
                "director {line}: {}",
                run.stderr
            );
        }
    }
    assert!(
        !directory.path().join("state").exists(),
        "nothing is left behind"
    );
}

#[test]
fn a_file_with_mistakes_is_refused_before_the_kernel_is_asked() {
    let directory = files();
    for verb in ["plan", "apply --yes"] {
        let line = format!("--netns no-such-place {verb} wrong.toml");
        let run = director_in(directory.path(), &line);
        assert_eq!(run.code, Some(1));
        assert!(run.stderr.contains("2 mistakes"), "{}", run.stderr);
        assert!(!run.stderr.contains("no-such-place"), "{}", run.stderr);
    }
}

#[test]
fn without_ipvs_in_the_kernel_it_is_said_what_to_do() {
    // If the module is loaded, the tests in the lab cover this.
    if fs::exists("/proc/net/ip_vs").unwrap_or(true) {
        return;
    }
    let directory = files();
    // Only verbs that change nothing: the query may load the module.
    for verb in ["plan good.toml", "export"] {
        let run = director_in(directory.path(), &format!("--state-dir state {verb}"));
        if fs::exists("/proc/net/ip_vs").unwrap_or(true) {
            return;
        }
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{verb}");
        let said = &run.stderr;
        assert!(
            said.contains("no IPVS") && said.contains("modprobe ip_vs"),
            "{verb}: {said}"
        );
    }
}
