//! Every message about a command line, and the results of valid ones.

use ipvs::fake::FakeKernel;
use ipvs::{Operation, Request};

use super::{TRY, done, failed, ipvsadm, ipvsadm_words, shown};

#[track_caller]
fn refused(line: &str, code: u8, message: &str) {
    let kernel = FakeKernel::new();
    assert_eq!(ipvsadm(&kernel, line), failed(code, message), "{line}");
    let changes = kernel.log().into_iter();
    let changes: Vec<Request> = changes
        .filter(|request| matches!(request, Request::Operation(_)))
        .collect();
    assert_eq!(changes, [], "{line}");
}

#[test]
fn the_first_option_must_be_a_command() {
    for line in [
        "foo",
        "-",
        "--",
        "",
        "-n -L",
        "-nL",
        "-t x -A",
        "-q",
        "--foo",
        "-- -L",
        "--start-daemon",
        "--stop-daemon",
        "--set=5 1 2",
        "-h=3",
        "--add-serv",
        "-p",
    ] {
        refused(line, 255, TRY);
    }
    refused("foo -L", 2, "unexpected argument foo");
}

#[test]
fn there_is_one_command() {
    refused("-L -D", 2, "invalid option `-D'");
    refused("-LA", 2, "invalid option `-LA'");
    refused("-L -h", 2, "invalid option `-h'");
    refused("-L -v", 2, "invalid option `-v'");
    refused("-L --set 1 2 3", 2, "invalid option `--set'");
    refused("-L --start-daemon master", 2, "invalid option `master'");
    refused("-add-service", 2, "invalid option `-add-service'");
}

#[test]
fn words_that_popt_does_not_understand() {
    refused("-L --foo", 255, "--foo: unknown option");
    refused("-L -q", 255, "-q: unknown option");
    refused("-L -qn", 255, "-qn: unknown option");
    refused("-L -t", 255, "-t: missing argument");
    refused("-L --tcp-service", 255, "--tcp-service: missing argument");
    refused("--set -1 2 3", 255, "-1: unknown option");
    let unwanted = "--numeric=5: option does not take an argument";
    refused("-L --numeric=5", 255, unwanted);
}

#[test]
fn operands() {
    refused("-L foo", 2, "unexpected argument foo");
    refused("-L -", 2, "unexpected argument -");
    refused("-L -- -n", 2, "unexpected argument -n");
    refused("--set 1 2 3 4", 2, "unexpected argument 4");
    refused("--set 1 2", 2, "--set option requires 3 timeout values");
    refused("--set a 2 3", 2, "invalid timeout value `a' specified");
    refused(
        "--set 1 2678401 3",
        2,
        "invalid timeout value `2678401' specified",
    );
    let kernel = FakeKernel::new();
    let words: [&[u8]; 2] = [b"-L", b"\xff\xfe"];
    let outcome = ipvsadm_words(&kernel, &words, b"");
    assert_eq!(outcome, failed(2, "unexpected argument \u{fffd}\u{fffd}"));
}

#[test]
fn options_come_once() {
    refused("-L -n -n", 2, "multiple 'numeric' options specified");
    let twice = "multiple 'service-address' options specified";
    refused("-A -t 10.1:1 -f 3", 2, twice);
    let twice = "multiple 'forwarding-method' options specified";
    refused("-a -t 10.1:1 -r 10.2 -g -m", 2, twice);
    done(&FakeKernel::new(), "-A -f 1 -6 -6");
    shown(&FakeKernel::new(), "-L --sort --sort");
}

#[test]
fn addresses() {
    let text = "illegal virtual server address[:port] specified";
    for option in ["-t", "-u", "--sctp-service"] {
        refused(&format!("-A {option} 80"), 2, text);
    }
    refused("-A -u 10.1:http", 2, text);
    let text = "illegal real server address[:port] specified";
    refused("-a -t 10.1:1 -r [fd00::1]", 2, text);
    // No service yet, so no protocol for the port name.
    refused("-a -r 10.2:http -t 10.1:80", 2, text);
    done(&FakeKernel::new(), "-A -t vip:http");
}

#[test]
fn marks() {
    for text in ["0", "-9", "0x10", "4294967296", "9x", ""] {
        let message = format!("invalid fwmark value `{text}' specified");
        refused(&format!("-A -f {text}"), 2, &message);
    }
    // Includes the empty line that 1.31 prints.
    refused("-A -6", 2, "-6 used before -f\n");
    refused("-L -6 -f 3", 2, "-6 used before -f\n");
}

#[test]
fn values_of_a_service() {
    let timeout = |text: &str| format!("invalid timeout value `{text}' specified");
    for text in ["0", "2678401", "x", ""] {
        refused(&format!("-A -f 1 -p={text}"), 2, &timeout(text));
    }
    let text = "illegal virtual server persistent mask specified";
    refused("-A -f 1 -p -M nowhere", 2, text);
    refused("-A -f 1 -p -M ", 2, text);
    for mask in ["0", "129", "abc"] {
        let line = format!("-A -f 1 -6 -p -M {mask}");
        refused(&line, 2, "illegal ipv6 netmask specified");
    }
    let text = "Zero port specified for non-persistent service";
    refused("-A -t 10.1", 2, text);
    refused("-E -t [10.0.0.20]:80", 2, text);
    let text = "One-Packet Scheduling is only for UDP virtual services";
    refused("-A -t 10.1:80 -o", 2, text);
}

#[test]
fn scheduler_flags() {
    refused("-A -f 1 -b foo", 2, "invalid scheduler flag `foo'");
    refused("-A -f 1 -b ,", 2, "invalid scheduler flag `,'");
    let text = "incompatible scheduler flag `sh-port'";
    refused("-A -f 1 -b sh-port", 2, text);
    refused("-A -f 1 -b sh-port -s mh", 2, text);
    let text = "incompatible scheduler flag `mh-fallback'";
    refused("-A -f 1 -b mh-fallback -s sh", 2, text);
    let kernel = FakeKernel::new();
    done(&kernel, "-A -f 1 -b  -s sh");
    done(&kernel, "-E -f 1 -b ,sh-port,,sh-fallback, -s sh");
    assert_eq!(
        shown(&kernel, "-S"),
        "-A -f 1 -s sh -b sh-fallback,sh-port\n"
    );
    // Checked before the combination of options.
    refused("-L -b foo", 2, "invalid scheduler flag `foo'");
}

#[test]
fn values_of_a_server() {
    for (option, what) in [
        ("-w", "weight"),
        ("-x", "u_threshold"),
        ("-y", "l_threshold"),
    ] {
        for text in ["-1", "2147483648", "0x5", "5x", ""] {
            let line = format!("-a -t 10.1:1 -r 10.2 {option} {text}");
            refused(&line, 2, &format!("illegal {what} specified"));
        }
    }
    let line = |rest: &str| format!("-a -t 10.1:1 -r 10.2 {rest}");
    let text = "illegal tunnel type specified";
    refused(&line("-i --tun-type GUE"), 2, text);
    let text = "illegal tunnel port specified";
    refused(&line("-i --tun-type gue --tun-port 0"), 2, text);
    let text = "Tunnel options conflict with forward method";
    refused(&line("-m --tun-type ipip"), 2, text);
    refused(&line("--tun-csum"), 2, text);
    let text = "You need to supply the 'tun-port' option for the 'gue' tunnel type";
    refused(&line("-i --tun-type gue"), 2, text);
    let text = "Different address family is allowed only for tunneling servers";
    refused("-a -t 10.1:1 -r fd00::1", 2, text);
    refused("-a -r 10.8.8.8 -f 1 -6 --tun-csum", 2, text);
}

#[test]
fn values_of_a_daemon() {
    let text = "illegal start-daemon parameter specified";
    refused("--start-daemon foo", 2, text);
    refused("--stop-daemon foo", 2, "illegal start_daemon specified");
    let start = |rest: &str| format!("--start-daemon master {rest}");
    refused(&start("--syncid 256"), 2, "illegal syncid specified");
    refused(
        &start("--sync-maxlen 65508"),
        2,
        "illegal sync-maxlen specified",
    );
    refused(&start("--mcast-port 0"), 2, "illegal mcast-port specified");
    refused(&start("--mcast-ttl 0"), 2, "illegal mcast-ttl specified");
    refused(
        &start("--mcast-group 10.1.1.1"),
        2,
        "invalid IPv4 mcast-group `10.1.1.1'",
    );
    refused(
        &start("--mcast-group fd00::1"),
        2,
        "invalid IPv6 mcast-group `fd00::1'",
    );
}

#[test]
fn options_of_a_list() {
    let text = "options conflicts in the list command";
    for line in [
        "-L -c --stats",
        "-L --timeout --rate",
        "-L --daemon --thresholds",
        "-L --timeout --persistent-conn",
    ] {
        refused(line, 2, text);
    }
    let text = "The option 'timeout' conflicts with the 'connection' option in the 'list' command";
    refused("-L --timeout -c", 2, text);
    let text = "Illegal 'weight' option with the 'list' command";
    refused("-L -w 3", 2, text);
    let text = "You need to supply the 'real-server' option for the 'add-server' command";
    refused("-a -t 10.1:1", 2, text);
}

#[test]
fn mistakes_are_found_in_the_order_of_1_31() {
    // Checks values, then operands of --set, operands, flags, the combination of options, and so
    // on.
    refused(
        "-A -t 80 foo -b x -n",
        2,
        "illegal virtual server address[:port] specified",
    );
    refused("-A -f 1 foo -b x -n", 2, "unexpected argument foo");
    refused("-A -f 1 -b x -n", 2, "invalid scheduler flag `x'");
    let text = "Illegal 'numeric' option with the 'add-service' command";
    refused("-A -t 10.1 -n -o", 2, text);
    refused(
        "-A -t 10.1 -o",
        2,
        "Zero port specified for non-persistent service",
    );
}

#[test]
fn order_matters() {
    let kernel = FakeKernel::new();
    for line in [
        "-A -f 1 -p -M 255.0.0.0 -6",
        "-A -f 2 -6 -p -M 64abc",
        "-A -p -M 255.255.0.0 -t [fd00::1]:80",
        "-A -p -M 24 -u 10.1:53",
        "-a -r 10.2 -u 10.1:53 -m",
        "-a -u 10.1:53 -r 10.3 -m",
        "-a -u 10.1:53 -r 10.4:99 -g",
    ] {
        done(&kernel, line);
    }
    assert_eq!(
        shown(&kernel, "-Sn"),
        "-A -u 10.0.0.1:53 -s wlc -p 360 -M 0.0.0.24\n\
         -a -u 10.0.0.1:53 -r 10.0.0.2:0 -m -w 1\n\
         -a -u 10.0.0.1:53 -r 10.0.0.3:53 -m -w 1\n\
         -a -u 10.0.0.1:53 -r 10.0.0.4:53 -g -w 1\n\
         -A -t [fd00::1]:80 -s wlc -p 360\n\
         -A -f 1 -6 -s wlc -p 360\n\
         -A -f 2 -6 -s wlc -p 360 -M 64\n"
    );
}

#[test]
fn a_change_sets_everything() {
    let kernel = FakeKernel::new();
    done(
        &kernel,
        "-A -t 10.1:80 -s sh -p 100 -M 255.255.0.0 -b sh-port",
    );
    done(&kernel, "-a -t 10.1:80 -r 10.2 -m -w 5 -x 10 -y 5");
    done(&kernel, "-E -t 10.1:80");
    done(&kernel, "-e -t 10.1:80 -r 10.2");
    assert_eq!(
        shown(&kernel, "-Sn"),
        "-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 1\n"
    );
}

#[test]
fn long_names_are_cut() {
    let kernel = FakeKernel::new();
    let line = "--start-daemon master --mcast-interface 1234567890123456789";
    done(&kernel, line);
    let shown = shown(&kernel, "-L --daemon");
    assert!(shown.contains("mcast=123456789012345,"), "{shown}");
}

#[test]
fn zeroing_is_for_all_only_when_nothing_is_named() {
    let kernel = FakeKernel::new();
    done(&kernel, "-Z");
    assert!(
        kernel
            .log()
            .contains(&Request::Operation(Operation::ZeroAll))
    );
    let outcome = ipvsadm(&kernel, "-Z -t 0.0.0.0");
    assert_eq!(outcome, failed(255, "No such service"));
}
