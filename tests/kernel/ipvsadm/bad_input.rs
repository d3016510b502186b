//! Invalid input, and outputs that reject writes: a clear error, and nothing in the tables is lost.

use std::path::Path;
use std::process::Command;

use ipvs::{Client, Service, ServiceKey};

use crate::lab::{Drawing, Host, Outcome, Sketch};

use super::programs::{built, ours};

/// A host whose table has this many services.
fn host(services: u8) -> Host {
    let (mut hosts, _) = Drawing::new().host(Sketch::new("plain")).build();
    let host = hosts.remove(0);
    let mut client = host.enter(Client::connect).expect("the lab has ip_vs");
    for number in 1..=services {
        let key = ServiceKey::tcp([172, 20, 0, number], 80);
        let added = client.add_service(&Service::new(key, Service::RR));
        added.expect("the table is empty");
    }
    host
}

/// The number of services.
fn services(host: &Host) -> usize {
    let mut client = host.enter(Client::connect).expect("the lab has ip_vs");
    let listed = client.consistent_services();
    listed.expect("they can be listed").len()
}

/// Runs a shell line in which `$0` is the drop-in.
fn shell(host: &Host, program: &Path, line: &str) -> Outcome {
    let mut command = Command::new("bash");
    command.arg("-c").arg(line).arg(program);
    host.command(command, b"")
}

fn restore(host: &Host, input: &[u8]) -> Outcome {
    let mut command = Command::new(ours());
    command.arg("-R");
    host.command(command, input)
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn bytes_that_are_no_text() {
    let host = host(1);
    let outcome = restore(
        &host,
        b"-A -f 1 -s \xff\xfe\n-A -f 2\n\xc3\x28 -L\n-A -f 3\n",
    );
    assert_eq!(outcome.code, 2);
    assert_eq!(
        outcome.stderr,
        "Scheduler or persistence engine not found\n\
         ipvsadm: line 1: -A -f 1 -s \u{fffd}\u{fffd}\n\
         unexpected argument \u{fffd}(\n\
         ipvsadm: line 3: \u{fffd}( -L\n"
    );
    assert_eq!(services(&host), 2);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_line_of_ten_megabytes() {
    let host = host(1);
    let mut input = b"-A -f 1\n-A -f 2 -s ".to_vec();
    input.resize(10 << 20, b'x');
    input.extend_from_slice(b"\n-A -f 3\n");
    let outcome = restore(&host, &input);
    assert_eq!(outcome.code, 2);
    let message = "line of more than 1048576 bytes\nipvsadm: line 2: -A -f 2 -s xxx";
    assert!(outcome.stderr.starts_with(message), "{outcome}");
    assert!(outcome.stderr.len() < 400, "{outcome}");
    assert_eq!(services(&host), 2);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_directory_as_input() {
    let host = host(1);
    let message = "ipvsadm: cannot read the standard input: Is a directory\n";
    let outcome = shell(&host, &ours(), "exec \"$0\" -R </");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (1, message));
    let outcome = shell(&host, &built("ipvsadm-restore"), "exec \"$0\" </");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (1, message));
    assert_eq!(services(&host), 1);
    let outcome = shell(&host, &ours(), "exec \"$0\" -R <&-");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn outputs_that_take_nothing() {
    let host = host(3);
    let full = "ipvsadm: cannot write: No space left on device\n";
    for line in ["-Ln", "-S", "-h", "-v", "-L --timeout", "-L -c"] {
        let outcome = shell(&host, &ours(), &format!("exec \"$0\" {line} >/dev/full"));
        assert_eq!((outcome.code, outcome.stderr.as_str()), (1, full), "{line}");
        let outcome = shell(&host, &ours(), &format!("exec \"$0\" {line} >&-"));
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{line}");
    }
    let outcome = shell(&host, &ours(), "echo -S | \"$0\" -R >/dev/full");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (1, full));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_closed_pipe_ends_quietly() {
    let host = host(250);
    // More than a pipe holds, so that the writer meets its closed end: 250 lists of 250 rows.
    let line =
        "for i in {1..250}; do echo -L -n; done | \"$0\" -R | head -n 1; echo ${PIPESTATUS[1]}";
    let outcome = shell(&host, &ours(), line);
    assert_eq!(outcome.stderr, "");
    // The size of the connection table depends on the kernel: since 7.x it starts small and grows.
    let rest = outcome
        .stdout
        .strip_prefix("IP Virtual Server version 1.2.1 (size=");
    let rest = rest.map(|rest| rest.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    assert_eq!(rest, Some(")\n0\n"), "{}", outcome.stdout);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn save_and_restore() {
    // As many as the kernel lists in one piece: a longer list misses some while other tests change
    // theirs.
    let host = host(60);
    let (save, restore) = (built("ipvsadm-save"), built("ipvsadm-restore"));
    let saved = host.command(Command::new(&save), b"");
    assert_eq!((saved.code, saved.stdout.lines().count()), (0, 60));
    let input = format!("# a comment\n{}-A -f 1", saved.stdout);
    let restored = host.command(Command::new(&restore), input.as_bytes());
    assert_eq!((restored.code, restored.stderr.as_str()), (0, ""));
    assert_eq!(services(&host), 61);
    // The main program does the same under that name.
    let mut command = super::programs::command(&ours());
    std::os::unix::process::CommandExt::arg0(&mut command, "/sbin/ipvsadm-save");
    assert_eq!(host.command(command, b"").stdout.lines().count(), 61);
    let restored = host.command(Command::new(&restore), b"");
    assert_eq!((restored.code, services(&host)), (0, 0));
}
