//! `-R`: the same messages, order and exit codes as line by line, with fewer sends.

use std::io::{self, Read};

use ipvs::fake::FakeKernel;
use ipvs::{Client, Request};

use super::{Outcome, TRY, printed, restore, shown};
use crate::names::tests::Table;
use crate::run::{self, Streams};

#[track_caller]
fn outcome(input: &str, code: u8, stdout: &str, stderr: &str) -> FakeKernel {
    let kernel = FakeKernel::new();
    let expected = Outcome {
        code,
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
    };
    assert_eq!(restore(&kernel, input), expected, "{input}");
    kernel
}

#[test]
fn the_exit_code_is_the_last_lines() {
    let exists = "Service already exists\nipvsadm: line 2: -A -f 1\n";
    let kernel = outcome("-A -f 1\n-A -f 1\n-A -f 2\n", 0, "", exists);
    assert_eq!(kernel.services().len(), 2);
    outcome("-A -f 1\n-A -f 1\n", 255, "", exists);
    outcome("-A -f 1\n-A -f 1\n\n  \n", 255, "", exists);
    outcome(
        "-A -f 1\n-A -f 1\n-L --timeout\n",
        0,
        "Timeout (tcp tcpfin udp): 900 120 300\n",
        exists,
    );
}

#[test]
fn mistakes_end_the_run_where_they_stand() {
    let zero = "Zero port specified for non-persistent service\nipvsadm: line 2: -A -t 10.1\n";
    let kernel = outcome("-A -f 1\n-A -t 10.1\n-A -f 2\n", 2, "", zero);
    assert_eq!(kernel.services().len(), 1);
    let first = format!("{TRY}\nipvsadm: line 3: # comment\n");
    let kernel = outcome("-A -f 1\n\n# comment\n-A -f 2\n", 255, "", &first);
    assert_eq!(kernel.services().len(), 1);
    let behind = "unexpected argument #\nipvsadm: line 1: -A -f 1 # x\n";
    outcome("-A -f 1 # x\n", 2, "", behind);
    let list = "No such service\nipvsadm: line 1: -L -f 9\n";
    outcome("-L -f 9\n-A -f 2\n", 1, "", list);
    outcome("-R\n", 255, "", &format!("{TRY}\nipvsadm: line 1: -R\n"));
}

#[test]
fn what_popt_does_not_understand_is_passed_over() {
    let bogus = "--bogus: unknown option\nipvsadm: line 2: -A -f 2 --bogus\n";
    let kernel = outcome("-A -f 1\n-A -f 2 --bogus\n-A -f 3\n", 0, "", bogus);
    assert_eq!(kernel.services().len(), 2);
    let missing = "-t: missing argument\nipvsadm: line 1: -A -t\n";
    outcome("-A -t\n", 255, "", missing);
}

#[test]
fn messages_keep_their_order() {
    let input = "-D -f 1\n-A -f 1 -q\n-A -f 1\n-A -f 1\n-A -f 2 -s nope\n-A -f 3 -n\n-A -f 4\n";
    let expected = "\
No such service
ipvsadm: line 1: -D -f 1
-q: unknown option
ipvsadm: line 2: -A -f 1 -q
Service already exists
ipvsadm: line 4: -A -f 1
Scheduler or persistence engine not found
ipvsadm: line 5: -A -f 2 -s nope
Illegal 'numeric' option with the 'add-service' command
ipvsadm: line 6: -A -f 3 -n
";
    let kernel = outcome(input, 2, "", expected);
    assert_eq!(kernel.services().len(), 1);
}

#[test]
fn lists_show_what_stands_before_them() {
    let input = "-A -f 1\n-S\n-C\n-S\n-A -f 2\n-S -n\n--set 1 2 3\n-L --timeout\n-v\n-A -f 3\n";
    let expected = format!(
        "\
-A -f 1 -s wlc
-A -f 2 -s wlc
Timeout (tcp tcpfin udp): 1 2 3
ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)
director {}
",
        env!("DIRECTOR_VERSION")
    );
    // -v ends the run.
    assert_eq!(outcome(input, 0, &expected, "").services().len(), 1);
}

#[test]
fn lines_need_no_newline_and_may_have_any_blanks() {
    for input in [
        "-A -f 1",
        "-A -f 1 ",
        "-A -f 1  ",
        "-A -f 1\r\n",
        "\t-A\t-f 1\n",
        "ipvsadm -A -f 1",
        "-A ipvsadm -f ipvsadm 1",
        "\n\n-A -f 1\n\n",
    ] {
        assert_eq!(outcome(input, 0, "", "").services().len(), 1, "{input:?}");
    }
    assert_eq!(restore(&FakeKernel::new(), ""), printed(""));
    assert_eq!(restore(&FakeKernel::new(), "ipvsadm\n"), printed(""));
}

#[test]
fn bytes_that_are_no_text() {
    let kernel = FakeKernel::new();
    let input = b"-A -f 1\n-A -f 2 -s \xff\xfe\n-A -f 3\n\xff\n-A -f 4\n";
    let outcome = restore(&kernel, input);
    assert_eq!(outcome.code, 255);
    let shown = "\u{fffd}";
    assert_eq!(
        outcome.stderr,
        format!(
            "Scheduler or persistence engine not found\nipvsadm: line 2: -A -f 2 -s {shown}{shown}\n\
             {TRY}\nipvsadm: line 4: {shown}\n"
        )
    );
    assert_eq!(kernel.services().len(), 2);
}

#[test]
fn a_line_without_end_is_a_mistake() {
    let kernel = FakeKernel::new();
    let mut input = b"-A -f 1\n-A -f 2 ".to_vec();
    input.resize(10_000_000, b'x');
    let outcome = restore(&kernel, &input);
    assert_eq!(outcome.code, 2);
    let message = "line of more than 1048576 bytes\nipvsadm: line 2: -A -f 2 xxx";
    assert!(outcome.stderr.starts_with(message), "{}", outcome.stderr);
    assert!(outcome.stderr.len() < 400);
    assert_eq!(kernel.services().len(), 1);
}

#[test]
fn many_lines_make_few_sends() {
    let mut input = String::new();
    for mark in 1..=1000 {
        input.push_str(&format!("-A -f {mark} -s rr\n"));
    }
    // Two failures in the second chunk, one in the last.
    input.push_str("-A -f 300\n-A -f 1001\n-A -f 999\n");
    let kernel = FakeKernel::new();
    let outcome = restore(&kernel, &input);
    assert_eq!(outcome.code, 255);
    assert_eq!(
        outcome.stderr,
        "Service already exists\nipvsadm: line 1001: -A -f 300\n\
         Service already exists\nipvsadm: line 1003: -A -f 999\n"
    );
    assert_eq!(kernel.services().len(), 1001);
    let lines = shown(&kernel, "-S").lines().count();
    assert_eq!(lines, 1001);
}

/// Returns one line at a time and inspects the kernel before each.
struct Slow<'a> {
    lines: Vec<&'a str>,
    kernel: FakeKernel,
    seen: Vec<usize>,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.seen.push(self.kernel.services().len());
        if self.lines.is_empty() {
            return Ok(0);
        }
        let line = self.lines.remove(0).as_bytes();
        buffer[..line.len()].copy_from_slice(line);
        Ok(line.len())
    }
}

fn restore_from(kernel: &FakeKernel, stdin: &mut dyn Read) -> (u8, String) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = Streams {
        stdin,
        stdout: &mut stdout,
        stderr: &mut stderr,
    };
    let connect = &mut || Client::over(kernel.clone());
    let code = run::run(b"ipvsadm", &[b"-R"], streams, &mut Table, connect);
    (code, String::from_utf8(stderr).unwrap())
}

#[test]
fn nothing_is_kept_back_while_stdin_is_waited_for() {
    let kernel = FakeKernel::new();
    let mut slow = Slow {
        lines: vec!["-A -f 1\n", "-A -f 2\n-A -f 3\n-A", " -f 4\n"],
        kernel: kernel.clone(),
        seen: Vec::new(),
    };
    assert_eq!(restore_from(&kernel, &mut slow), (0, String::new()));
    assert_eq!(slow.seen, [0, 1, 3, 4]);
}

/// Returns a line, then an error.
struct Broken(bool);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 {
            // EISDIR
            return Err(io::Error::from_raw_os_error(21));
        }
        self.0 = true;
        buffer[..8].copy_from_slice(b"-A -f 1\n");
        Ok(8)
    }
}

#[test]
fn an_input_that_cannot_be_read_is_said_to_be() {
    let kernel = FakeKernel::new();
    let (code, message) = restore_from(&kernel, &mut Broken(true));
    assert_eq!(code, 1);
    assert_eq!(
        message,
        "ipvsadm: cannot read the standard input: Is a directory\n"
    );
    assert_eq!(restore_from(&kernel, &mut Broken(false)).0, 1);
    assert_eq!(kernel.services().len(), 1);
}

#[test]
fn one_process_asks_for_the_family_once() {
    let kernel = FakeKernel::new();
    assert_eq!(restore(&kernel, "-A -f 1\n-S\n-A -f 2\n-L\n").code, 0);
    let queries = kernel.log().into_iter();
    let families = queries
        .filter(|request| *request == Request::Query(ipvs::Query::Family))
        .count();
    assert_eq!(families, 1);
}
