//! Kernel errors with 1.31's texts.

use ipvs::fake::{FakeKernel, Fault};
use ipvs::{Client, Errno, Error, Query};

use super::{Outcome, done, failed, ipvsadm, printed};
use crate::names::tests::Table;
use crate::run::{self, Streams};

#[test]
fn refusals() {
    let kernel = FakeKernel::new();
    for line in [
        "-A -t 10.1:80",
        "-a -t 10.1:80 -r 10.2",
        "--start-daemon master",
    ] {
        done(&kernel, line);
    }
    for (line, message) in [
        ("-A -t 10.1:80", "Service already exists"),
        (
            "-A -t 10.1:81 -s nope",
            "Scheduler or persistence engine not found",
        ),
        (
            "-A -t 10.1:81 --pe nope",
            "Scheduler or persistence engine not found",
        ),
        (
            "-E -t 10.1:80 -s nope",
            "Scheduler or persistence engine not found",
        ),
        ("-E -t 10.1:81", "No such service"),
        ("-D -t 10.1:81", "No such service"),
        ("-Z -t 10.1:81", "No such service"),
        ("-a -t 10.1:81 -r 10.2", "Service not defined"),
        ("-e -t 10.1:81 -r 10.2", "Service not defined"),
        ("-d -t 10.1:81 -r 10.2", "Service not defined"),
        ("-a -t 10.1:80 -r 10.2", "Destination already exists"),
        ("-e -t 10.1:80 -r 10.3", "No such destination"),
        ("-d -t 10.1:80 -r 10.3", "No such destination"),
        (
            "-a -t 10.1:80 -r 10.3 -x 5 -y 6",
            "Numerical result out of range",
        ),
        (
            "-a -t 10.1:80 -r 224.0.0.1",
            "Invalid operation.  Possibly wrong module version, address not unicast, ...",
        ),
        ("--start-daemon master", "Daemon has already run"),
        (
            "--start-daemon backup --mcast-interface nowhere",
            "No such device",
        ),
        ("--stop-daemon backup", "No daemon is running"),
    ] {
        assert_eq!(ipvsadm(&kernel, line), failed(255, message), "{line}");
    }
}

#[test]
fn other_errnos() {
    for (errno, message) in [
        (Errno::EPERM, "Permission denied (you must be root)"),
        (Errno::ENOPROTOOPT, "Protocol not available"),
        (Errno::ENOMEM, "Memory allocation problem"),
        (Errno::EOPNOTSUPP, "Operation not supported with IPv6"),
        (
            Errno::EAFNOSUPPORT,
            "Operation not supported with specified address family",
        ),
        (Errno(71), "Protocol error"),
    ] {
        let kernel = FakeKernel::new();
        kernel.inject(0, Fault::Refuse(errno));
        assert_eq!(ipvsadm(&kernel, "-C"), failed(255, message), "{errno}");
    }
}

#[test]
fn an_unknown_service_is_a_list_that_failed() {
    let kernel = FakeKernel::new();
    for line in ["-L -t 10.1:80", "-L -f 3 -6 --stats"] {
        assert_eq!(
            ipvsadm(&kernel, line),
            failed(1, "No such service"),
            "{line}"
        );
    }
}

/// Runs without a kernel: every attempt to connect fails with `error`.
fn without(line: &str, error: impl Fn() -> Error) -> (Outcome, u32) {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = Streams {
        stdin: &mut [].as_slice(),
        stdout: &mut stdout,
        stderr: &mut stderr,
    };
    let mut attempts = 0;
    let connect = &mut || -> ipvs::Result<Client<FakeKernel>> {
        attempts += 1;
        Err(error())
    };
    let code = run::run(b"ipvsadm", &words, streams, &mut Table, connect);
    let outcome = Outcome {
        code,
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    };
    (outcome, attempts)
}

fn no_permission() -> Error {
    Error::Socket {
        request: Query::Family.into(),
        source: std::io::Error::from_raw_os_error(1),
    }
}

#[test]
fn without_ipvs_everything_fails_alike() {
    let message = "Can't initialize ipvs: Permission denied (you must be root)\n\
                   Are you sure that IP Virtual Server is built in the kernel or as module?";
    for line in [
        "-L",
        "-A -t 10.1:80",
        "-R",
        "foo",
        "-L --foo",
        "-L -h",
        "--set 1",
    ] {
        let (outcome, attempts) = without(line, no_permission);
        assert_eq!(outcome, failed(2, message), "{line}");
        assert_eq!(attempts, 1, "{line}");
    }
}

#[test]
fn help_and_version_need_no_ipvs() {
    let first = "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n";
    let version = &format!("{first}director {}\n", env!("DIRECTOR_VERSION"));
    for line in ["-v", "--version", "-vq", "-v --foo"] {
        assert_eq!(
            without(line, no_permission),
            (printed(version), 0),
            "{line}"
        );
    }
    for line in ["-h", "--help", "-hL", "-h -q"] {
        let (outcome, attempts) = without(line, no_permission);
        assert_eq!((outcome.code, attempts), (0, 0), "{line}");
        assert!(outcome.stdout.starts_with(first), "{line}");
        assert!(outcome.stdout.contains("--tun-remcsum"), "{line}");
    }
}
