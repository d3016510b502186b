//! Outputs that reject writes, and the two scripts.

use std::io::{self, Read, Write};

use ipvs::Client;
use ipvs::fake::FakeKernel;

use super::{Outcome, done, printed, shown};
use crate::names::tests::Table;
use crate::run::{self, Streams};
use crate::scripts;

/// A stream that rejects writes.
struct Refusing(io::ErrorKind);

impl Write for Refusing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {
            io::ErrorKind::StorageFull => Err(io::Error::from_raw_os_error(28)),
            kind => Err(kind.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn into_refusing(line: &str, stdin: &str, kind: io::ErrorKind) -> (u8, String) {
    let kernel = FakeKernel::new();
    done(&kernel, "-A -f 1");
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut stderr = Vec::new();
    let mut stdout = io::BufWriter::new(Refusing(kind));
    let streams = Streams {
        stdin: &mut stdin.as_bytes(),
        stdout: &mut stdout,
        stderr: &mut stderr,
    };
    let connect = &mut || Client::over(kernel.clone());
    let code = run::run(b"ipvsadm", &words, streams, &mut Table, connect);
    // Flushing the buffer would only fail again.
    let _ = stdout.into_parts();
    (code, String::from_utf8(stderr).unwrap())
}

#[test]
fn a_full_disk_is_a_failure() {
    let message = "ipvsadm: cannot write: No space left on device\n".to_owned();
    for line in ["-L", "-S", "-h", "-v", "-L -f 1", "-L --timeout"] {
        let outcome = into_refusing(line, "", io::ErrorKind::StorageFull);
        assert_eq!(outcome, (1, message.clone()), "{line}");
    }
    let outcome = into_refusing("-R", "-L\n-A -f 2\n", io::ErrorKind::StorageFull);
    assert_eq!(outcome, (1, message));
}

#[test]
fn a_closed_pipe_is_none() {
    for line in ["-L", "-S", "-h"] {
        let outcome = into_refusing(line, "", io::ErrorKind::BrokenPipe);
        assert_eq!(outcome, (0, String::new()), "{line}");
    }
}

fn script(
    script: impl FnOnce(Streams<'_>, &mut dyn FnMut() -> ipvs::Result<Client<FakeKernel>>) -> u8,
    kernel: &FakeKernel,
    stdin: &mut dyn Read,
) -> Outcome {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = Streams {
        stdin,
        stdout: &mut stdout,
        stderr: &mut stderr,
    };
    let code = script(streams, &mut || Client::over(kernel.clone()));
    Outcome {
        code,
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

fn save(kernel: &FakeKernel, words: &[&[u8]]) -> Outcome {
    script(
        |streams, connect| scripts::save(b"/x/ipvsadm-save", words, streams, &mut Table, connect),
        kernel,
        &mut io::empty(),
    )
}

fn restore(kernel: &FakeKernel, stdin: &mut dyn Read) -> Outcome {
    script(
        |streams, connect| scripts::restore(&[], streams, &mut Table, connect),
        kernel,
        stdin,
    )
}

#[test]
fn ipvsadm_save() {
    let kernel = FakeKernel::new();
    done(&kernel, "-A -t 10.9.9.1:80");
    assert_eq!(save(&kernel, &[]), printed("-A -t vip:http -s wlc\n"));
    let numeric = printed("-A -t 10.9.9.1:80 -s wlc\n");
    assert_eq!(save(&kernel, &[b"-n"]), numeric);
    assert_eq!(save(&kernel, &[b"x", b"-n", b"y"]), numeric);
    for option in ["-x", "--foo", "-h", "-"] {
        let outcome = save(&kernel, &[option.as_bytes()]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{option}");
        assert!(outcome.stderr.starts_with("ipvsadm-save: "), "{option}");
    }
}

#[test]
fn all_programs_have_a_version() {
    let kernel = FakeKernel::new();
    done(&kernel, "-A -t 10.9.9.1:80");
    let version = printed(&shown(&kernel, "--version"));
    assert_eq!(save(&kernel, &[b"--version"]), version);
    let restore = |streams: Streams<'_>, connect: &mut dyn FnMut() -> _| {
        scripts::restore(&[b"--version"], streams, &mut Table, connect)
    };
    assert_eq!(script(restore, &kernel, &mut io::empty()), version);
    assert_eq!(shown(&kernel, "-Sn"), "-A -t 10.9.9.1:80 -s wlc\n");
}

#[test]
fn ipvsadm_restore_replaces_the_table() {
    let kernel = FakeKernel::new();
    done(&kernel, "-A -f 1");
    let input = "# saved\n-A -f 5\n#-A -f 6\n-A -f 7\n";
    assert_eq!(restore(&kernel, &mut input.as_bytes()), printed(""));
    assert_eq!(shown(&kernel, "-S"), "-A -f 5 -s wlc\n-A -f 7 -s wlc\n");
    // A comment counts as a line, and only starts at the first column.
    let outcome = restore(&kernel, &mut "#\n #x\n".as_bytes());
    assert_eq!(outcome.code, 255);
    assert!(outcome.stderr.ends_with("ipvsadm: line 2: #x\n"));
    done(&kernel, "-A -f 1");
    assert_eq!(restore(&kernel, &mut io::empty()), printed(""));
    assert_eq!(shown(&kernel, "-S"), "");
}

#[test]
fn ipvsadm_restore_keeps_the_table_when_there_is_nothing_to_read() {
    struct Directory;
    impl Read for Directory {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(21))
        }
    }
    let kernel = FakeKernel::new();
    done(&kernel, "-A -f 1");
    let outcome = restore(&kernel, &mut Directory);
    let message = "ipvsadm: cannot read the standard input: Is a directory";
    assert_eq!(outcome, super::failed(1, message));
    assert_eq!(kernel.services().len(), 1);
}
