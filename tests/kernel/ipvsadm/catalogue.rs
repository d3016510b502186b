//! Fixed cases: every message at least once, every command with every option, and all known special
//! forms of input to `-R`.

use super::programs::Case;

/// A line, and the expected text on stderr on both sides (empty for none).
pub(super) type Expected = (&'static str, &'static str);

const TRY: &str = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n";
const EINVAL: &str =
    "Invalid operation.  Possibly wrong module version, address not unicast, ...\n";

/// Every message of the program. The table starts empty and is filled on the way.
pub(super) const MESSAGES: &[Expected] = &[
    // The first word.
    ("foo", TRY),
    ("", TRY),
    ("-n -L", TRY),
    ("-- -L", TRY),
    ("--start-daemon", TRY),
    ("--add-serv -f 1", TRY),
    // Words that popt rejects.
    ("-L -D", "invalid option `-D'\n"),
    ("-LA", "invalid option `-LA'\n"),
    ("-L --start-daemon master", "invalid option `master'\n"),
    ("-L --foo", "--foo: unknown option\n"),
    ("-L -t", "-t: missing argument\n"),
    ("-L -n=", "-n=: option does not take an argument\n"),
    ("--set -1 2 3", "-1: unknown option\n"),
    // Operands.
    ("-L foo", "unexpected argument foo\n"),
    ("--set 1 2", "--set option requires 3 timeout values\n"),
    ("--set 1 2 3 4", "unexpected argument 4\n"),
    ("--set a 2 3", "invalid timeout value `a' specified\n"),
    // Values.
    ("-L -n -n", "multiple 'numeric' options specified\n"),
    (
        "-A -t 80",
        "illegal virtual server address[:port] specified\n",
    ),
    (
        "-a -t 172.20.1:1 -r 80",
        "illegal real server address[:port] specified\n",
    ),
    ("-A -f 0", "invalid fwmark value `0' specified\n"),
    ("-A -6", "-6 used before -f\n\n"),
    ("-A -f 1 -p 0", "invalid timeout value `0' specified\n"),
    (
        "-A -f 1 -p -M x",
        "illegal virtual server persistent mask specified\n",
    ),
    ("-A -f 1 -6 -p -M 129", "illegal ipv6 netmask specified\n"),
    ("-a -f 1 -r 172.20.1 -w -1", "illegal weight specified\n"),
    (
        "-a -f 1 -r 172.20.1 -w 2147483648",
        "illegal weight specified\n",
    ),
    (
        "-a -f 1 -r 172.20.1 -x x",
        "illegal u_threshold specified\n",
    ),
    (
        "-a -f 1 -r 172.20.1 -y x",
        "illegal l_threshold specified\n",
    ),
    (
        "-a -f 1 -r 172.20.1 -i --tun-type x",
        "illegal tunnel type specified\n",
    ),
    (
        "-a -f 1 -r 172.20.1 -i --tun-port 0",
        "illegal tunnel port specified\n",
    ),
    (
        "--start-daemon foo",
        "illegal start-daemon parameter specified\n",
    ),
    ("--stop-daemon foo", "illegal start_daemon specified\n"),
    (
        "--start-daemon master --syncid 256",
        "illegal syncid specified\n",
    ),
    (
        "--start-daemon master --sync-maxlen 0",
        "illegal sync-maxlen specified\n",
    ),
    (
        "--start-daemon master --mcast-port 0",
        "illegal mcast-port specified\n",
    ),
    (
        "--start-daemon master --mcast-ttl 0",
        "illegal mcast-ttl specified\n",
    ),
    (
        "--start-daemon master --mcast-group 172.20.0.1",
        "invalid IPv4 mcast-group `172.20.0.1'\n",
    ),
    (
        "--start-daemon master --mcast-group fd00::1",
        "invalid IPv6 mcast-group `fd00::1'\n",
    ),
    // The combination of options.
    ("-A -f 1 -b x", "invalid scheduler flag `x'\n"),
    (
        "-A -f 1 -b sh-port",
        "incompatible scheduler flag `sh-port'\n",
    ),
    (
        "-A",
        "You need to supply the 'service-address' option for the 'add-service' command\n",
    ),
    (
        "-C -n",
        "Illegal 'numeric' option with the 'flush' command\n",
    ),
    (
        "-L --timeout -c",
        "The option 'timeout' conflicts with the 'connection' option in the 'list' command\n",
    ),
    ("-L -c --stats", "options conflicts in the list command\n"),
    (
        "-A -t 172.20.1",
        "Zero port specified for non-persistent service\n",
    ),
    (
        "-A -t 172.20.1:1 -o",
        "One-Packet Scheduling is only for UDP virtual services\n",
    ),
    (
        "-a -f 1 -r fd00::1",
        "Different address family is allowed only for tunneling servers\n",
    ),
    (
        "-a -f 1 -r 172.20.1 -m --tun-csum",
        "Tunnel options conflict with forward method\n",
    ),
    (
        "-a -f 1 -r 172.20.1 -i --tun-type gue",
        "You need to supply the 'tun-port' option for the 'gue' tunnel type\n",
    ),
    (
        "-a -f 1 -r 172.20.1 -i --tun-type gre --tun-port 7",
        "Illegal 'tun-port' option with the 'gre' tunnel type\n",
    ),
    (
        "-a -f 1 -r 172.20.1 -i --tun-type gue --tun-port 7 --tun-csum --tun-remcsum",
        "The option 'tun-remcsum' conflicts with the 'tun-csum' option in the 'gue' tunnel type\n",
    ),
    // The kernel.
    ("-A -f 1 -s sh -p 100 -M 255.255.0.0 -b sh-port", ""),
    ("-A -f 1", "Service already exists\n"),
    (
        "-A -f 2 -s nope",
        "Scheduler or persistence engine not found\n",
    ),
    (
        "-A -f 2 --pe nope",
        "Scheduler or persistence engine not found\n",
    ),
    ("-E -f 2", "No such service\n"),
    ("-D -f 2", "No such service\n"),
    ("-Z -f 2", "No such service\n"),
    ("-L -f 2", "No such service\n"),
    ("-a -f 2 -r 192.168.0.1", "Service not defined\n"),
    ("-e -f 2 -r 192.168.0.1", "Service not defined\n"),
    ("-d -f 2 -r 192.168.0.1", "Service not defined\n"),
    ("-a -f 1 -r 192.168.0.1:80 -m -w 5 -x 10 -y 5", ""),
    ("-a -f 1 -r 192.168.0.1:80", "Destination already exists\n"),
    ("-e -f 1 -r 192.168.0.2", "No such destination\n"),
    ("-d -f 1 -r 192.168.0.2", "No such destination\n"),
    (
        "-e -f 1 -r 192.168.0.1:80 -x 5 -y 6",
        "Numerical result out of range\n",
    ),
    ("-a -f 1 -r 224.0.0.1", EINVAL),
    ("-a -f 1 -r 0.0.0.0", EINVAL),
    (
        "--start-daemon master --mcast-interface nowhere",
        "No such device\n",
    ),
    ("--start-daemon master --mcast-interface lo", ""),
    (
        "--start-daemon master --mcast-interface lo",
        "Daemon has already run\n",
    ),
    ("-L --daemon", ""),
    ("-a -f 1 -r fd00::1 -i", EINVAL),
    ("--stop-daemon backup", "No daemon is running\n"),
    ("--stop-daemon master --syncid 7", ""),
    ("-a -f 1 -r fd00::1 -i", ""),
    ("--start-daemon backup --mcast-interface lo", EINVAL),
    // What remains after an edit.
    ("-E -f 1", ""),
    ("-e -f 1 -r 192.168.0.1:80", ""),
    ("-L -n", ""),
    ("-Z", ""),
    ("-Z -f 1", ""),
    ("-C", ""),
    ("-L", ""),
    // Unusual notations, one after the other in an empty table.
    ("-A -t [::ffff:1.2.3.5]:80", ""),
    ("-L -n", ""),
    ("-C", ""),
    ("-A -t ::1.2.3.4 -p", ""),
    ("-S -n", ""),
    ("-C", ""),
    ("-A -t 0:80", ""),
    ("-a -t 0:80 -r 1.2", ""),
    ("-S -n", ""),
    ("-D -t 0.0.0.0:80", ""),
    ("-A -f 1 -6 -M 4294967360 -p", ""),
    ("-A -f 2 -p -M 255.0.0.0 -6", ""),
    ("-A -p -M 255.0.0.0 -t [fd00::1]:80", ""),
    (
        "-A -u 172.20.1:53 -b flag-1,flag-2,flag-3,flag-1,flag-2,flag-3,flag-1,flag-2,flag-3,flag-1,flag-2,flag-3,flag-1,flag-2,flag-3,flag-1,flag-2,flag-3,flag-1,flag-2,flag-3,bogus",
        "invalid scheduler flag `f'\n",
    ),
    ("-a -r 192.168.0.1 -u 172.20.1:53", "Service not defined\n"),
    ("-S -n", ""),
    ("--set 1 2 3", ""),
    ("-L --timeout", ""),
    ("--set 900 120 300", ""),
    ("-C", ""),
];

/// Every option in a form that is valid in itself.
const OPTIONS: [&str; 37] = [
    "-t 172.20.0.1:80",
    "-u 172.20.0.1:53",
    "--sctp-service 172.20.0.1:99",
    "-f 7",
    "-f 7 -6",
    "-s wrr",
    "-p",
    "-p 77",
    "-M 255.255.255.0",
    "--pe sip",
    "-o",
    "-b flag-1",
    "-r 192.168.0.1:80",
    "-g",
    "-i",
    "-m",
    "-w 3",
    "-x 9",
    "-y 2",
    "--tun-type gre",
    "--tun-port 6080",
    "--tun-nocsum",
    "--tun-csum",
    "--tun-remcsum",
    "-n",
    "-c",
    "--timeout",
    "--daemon",
    "--stats",
    "--rate",
    "--thresholds",
    "--persistent-conn",
    "--tun-info",
    "--nosort",
    "--sort",
    "-X",
    "--syncid 3",
];
const DAEMON_OPTIONS: [&str; 5] = [
    "--sync-maxlen 1000",
    "--mcast-interface lo",
    "--mcast-group 224.0.0.99",
    "--mcast-port 99",
    "--mcast-ttl 9",
];

/// Every command with its mandatory arguments.
const COMMANDS: [&str; 16] = [
    "-A -t 172.20.0.1:80",
    "-A -f 7",
    "-E -u 172.20.0.1:53",
    "-D -t 172.20.0.1:80",
    "-a -t 172.20.0.1:80 -r 192.168.0.1",
    "-e -t 172.20.0.1:80 -r 192.168.0.1",
    "-d -t 172.20.0.1:80 -r 192.168.0.1",
    "-C",
    "-R",
    "-S",
    "-L",
    "-Z",
    "--set 900 120 300",
    "--start-daemon backup",
    "--stop-daemon backup",
    "-a -i",
];

/// Every command with every option.
pub(super) fn every_pair() -> Vec<Case> {
    let mut cases = Vec::new();
    for command in COMMANDS {
        for option in OPTIONS.iter().chain(&DAEMON_OPTIONS) {
            cases.push(Case::new(&format!("{command} {option}")));
        }
        cases.push(Case::new(command));
        cases.push(Case::new("-Sn"));
    }
    cases.push(Case::new("-C"));
    cases
}

/// Special inputs of `-R`.
pub(super) const INPUTS: &[&str] = &[
    "",
    "\n\n \t\r\n",
    "-A -f 1\n-A -f 2",
    "-A -f 3 \n",
    "-A -f 4 ",
    "ipvsadm\n-A ipvsadm -f 5\nipvsadm -a -f 5 ipvsadm -r 192.168.0.1\n",
    "/sbin/ipvsadm -A -f 6\n",
    "# comment\n-A -f 6\n",
    "-A -f 6 # comment\n-A -f 7\n",
    "-A -f 1\n-A -f 6\n",
    "-A -f 1\n",
    "-A -f 6\n-A -f 1\n",
    "-A -f 1 --bogus\n-A -f 7\n",
    "-A -f 7\n-A -f 1 --bogus\n",
    "-A -t 172.20.1\n-A -f 8\n",
    "-L -n\n-S\n-A -f 8\n-L -n --stats\n",
    "-L -f 99\n-A -f 9\n",
    "-v\n-A -f 9\n",
    "-A -f 9\n-h\n-A -f 10\n",
    "-S\n-v\n-L\n-h\n-A -f 10\n",
    "-R\n",
    "-A -f 10\n-S -n\n-C\n-S -n\n-A -f 1\n-Z\n--set 900 120 300\n-L --timeout\n",
    "-a -f 1 -r 192.168.0.1 -w \"5\"\n",
    "-A -f 11\x0b-p\n",
    "-A -f 11\0 -p\n-S\n",
    "-A -f 12 \0 -p\n",
    "\0-A -f 12\n",
    "-E -f 99\n-D -f 99\n-Z -f 99\n-a -f 99 -r 1.1\n-e -f 99 -r 1.1\n-d -f 99 -r 1.1\n",
    "--start-daemon master --mcast-interface lo\n-L --daemon\n",
    // Not in one input: see `Generator::restore`.
    "--stop-daemon master\n-L --daemon\n",
    "-C\n",
];

/// Binary and long inputs.
pub(super) fn odd_inputs() -> Vec<Vec<u8>> {
    let mut many = Vec::new();
    for mark in 1..=600 {
        many.extend_from_slice(format!("-A -f {mark}\n").as_bytes());
        if mark % 7 == 0 {
            many.extend_from_slice(format!("-A -f {} -s rr\n", mark / 2).as_bytes());
        }
        if mark % 97 == 0 {
            many.extend_from_slice(b"-A -q\n-L --timeout\n");
        }
    }
    vec![
        b"\xff\xfe -A\n-A -f 1\n".to_vec(),
        b"-A -f 1 -s \xff\xfe\n-A -f 2\n".to_vec(),
        b"-A -f 3 \xff\n-A -f 4\n".to_vec(),
        [b"-A -f 5 ".as_slice(), &b"--sort ".repeat(500), b"\n-S\n"].concat(),
        [b"-A -f 6 -s ".as_slice(), &[b'x'; 4_090], b"\n-S\n"].concat(),
        [b"-A -f 6 ".as_slice(), &[b'y'; 100_000], b"\n-S\n"].concat(),
        many,
        b"-C\n".to_vec(),
    ]
}
