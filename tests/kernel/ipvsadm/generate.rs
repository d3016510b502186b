//! Command lines generated from a seed: most of them valid, so that tables fill and change, many
//! slightly wrong, some nonsense.
//!
//! IPv4 addresses lie between 127.0.0.0 and 192.169.0.0, the first words of IPv6 ones above these
//! and less than 2^31 away: there, Debian's wrapping comparison and one by value give the same
//! order.

use super::programs::Case;

/// A small random number generator (xorshift64*), so that a seed always gives the same cases.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed | 1 << 63)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a small number");
        usize::try_from(self.next() % limit).expect("less than a small number")
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// True with this probability in percent.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const PORTED: [&str; 12] = [
    "172.20.0.1:80",
    "172.20.0.1:443",
    "172.20.0.2:80",
    "[fd00::1]:80",
    "[fd00::2]:5060",
    "172.20.0.3:http",
    "vip-one:80",
    "172.20.0.8:80",
    "172.20.4:8080",
    "0xac140005:+81",
    "172.20.0.012:90",
    "[fd00::8]:80",
];
const PORTLESS: [&str; 5] = [
    "172.20.0.6",
    "fd00::6",
    "web",
    "[172.20.0.7]:80",
    "172.20.0.6:0",
];
const BAD_ADDRESSES: [&str; 22] = [
    "80",
    "",
    ":80",
    "[fd00::1]",
    "[fd00::1]80",
    "[fd00::1",
    "fd00::1%lo",
    "fd00::1:http",
    "1::2::3",
    "172.20.1:",
    "172.20.1:0x50",
    "172.20.1:65536",
    "172.20.1:80x",
    "172.20.1:no-such",
    "six:80",
    "172.20.0.256:1",
    "172.20.0.1:80:90",
    "nowhere:80",
    "*:80",
    "[]:80",
    "172.20.1:*",
    "08.1:80",
];
const MARKS: [&str; 6] = ["1", "2", " 3", "+4", "05", "2147483647"];
const BAD_MARKS: [&str; 7] = ["0", "-1", "0x1", "4294967296", "x", "", "1 "];
const SERVERS: [&str; 10] = [
    "192.168.0.1",
    "192.168.0.1:80",
    "192.168.0.2:8080",
    "192.168.0.3:http",
    "real-one:80",
    "192.168.0.8",
    "172.16.0.1:0",
    "127.0.0.1:8000",
    "192.168.257:+80",
    "[192.168.0.5:99]:7",
];
const SERVERS6: [&str; 4] = [
    "[fd00::21]:80",
    "fd00::22",
    "[fd00::23]:8080",
    "[fd00::8]:80",
];
const BAD_SERVERS: [&str; 5] = [
    "224.0.0.1",
    "255.255.255.255:80",
    "80",
    "[fd00::21]",
    "nowhere",
];
const SCHEDULERS: [&str; 13] = [
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh",
];
const BAD_SCHEDULERS: [&str; 3] = ["nope", "", "a-scheduler-with-a-long-name"];
const FLAGS: [&str; 6] = [
    "flag-1",
    "flag-2,flag-3",
    "flag-1,,flag-2",
    "",
    ",flag-1,",
    "flag-1,flag-2,flag-3",
];
const BAD_FLAGS: [&str; 8] = [
    "sh-port",
    "sh-fallback,sh-port",
    "mh-port",
    "mh-fallback",
    "flag-1,sh-port",
    "bogus",
    "sh-port,bogus",
    "flag-3,mh-fallback",
];
const NUMBERS: [&str; 11] = [
    "0",
    "1",
    "2",
    "5",
    "10",
    "100",
    "65535",
    "65536",
    "2147483647",
    "+5",
    "010",
];
const BAD_NUMBERS: [&str; 7] = [
    "4294967296",
    "-1",
    "0x5",
    "5 ",
    "",
    "99999999999999999999",
    "x",
];
const SECONDS: [&str; 5] = ["1", "60", "360", "2678400", "007"];
const BAD_SECONDS: [&str; 5] = ["2678401", "0", "-5", "x", ""];
const MASKS: [&str; 6] = [
    "255.255.255.0",
    "255.255.255.255",
    "24",
    "64",
    "real-one",
    "255.0.255.0",
];
const BAD_MASKS: [&str; 5] = ["129", "64abc", "bogus", "", "0"];
const TUNNELS: [&str; 3] = ["ipip", "gue", "gre"];
const GROUPS: [&str; 3] = ["224.0.0.81", "239.1.2.3", "224.0.0.99"];
const BAD_GROUPS: [&str; 5] = ["ff02::1", "172.20.0.1", "fd00::1", "zz", "z:z"];
const FLAGS_WITHOUT_VALUE: [&str; 16] = [
    "-n",
    "--numeric",
    "-c",
    "--connection",
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
    "--exact",
    "-6",
];
const NONSENSE: [&str; 30] = [
    "-",
    "--",
    "---",
    "--=",
    "-=",
    "",
    "foo",
    "-q",
    "--foo",
    "--add-serv",
    "-add-service",
    "-LA",
    "-Ln",
    "-nL",
    "-h",
    "-v",
    "-A",
    "-L",
    "-p",
    "-p=",
    "-t",
    "-t=",
    "-n=",
    "--numeric=1",
    "--set",
    "1",
    "-6",
    "-1",
    "--set=1",
    "--start-daemon",
];

/// A stream of cases.
pub(super) struct Generator {
    random: Random,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
        }
    }

    /// A single command line; sometimes `-R` with several.
    pub(super) fn case(&mut self) -> Case {
        if self.random.chance(12) {
            return self.restore();
        }
        let words = self.line().into_iter().map(String::into_bytes);
        Case {
            words: words.collect(),
            stdin: Vec::new(),
        }
    }

    /// Lines for `-R`, most of which do not end the run.
    ///
    /// At most one of them starts or stops a daemon: if a daemon is stopped before its thread has
    /// run for the first time, `kthread_stop` returns `EINTR`, `netlink_rcv_skb` then sends no
    /// acknowledgement, and Debian's program waits for it for ever.
    fn restore(&mut self) -> Case {
        let mut input = String::new();
        for _ in 0..1 + self.random.below(24) {
            let words = if self.random.chance(75) {
                self.sensible()
            } else {
                self.line()
            };
            let about_daemon = words.iter().any(|word| word.contains("-daemon"));
            if about_daemon && input.contains("-daemon") {
                continue;
            }
            // No quoting: words are separated by blanks.
            let words: Vec<String> = words
                .into_iter()
                .filter(|word| !word.is_empty() && !word.contains(' '))
                .collect();
            let blank = self.random.pick(&[" ", " ", " ", "\t", "  "]);
            let prefix = self.random.pick(&["", "", "", "ipvsadm ", " "]);
            let end = self.random.pick(&["\n", "\n", "\n", "\r\n", " \n", "\n\n"]);
            input.push_str(prefix);
            input.push_str(&words.join(blank));
            input.push_str(end);
        }
        if self.random.chance(20) {
            // The last line has no line ending.
            input.truncate(input.trim_end().len());
        }
        Case::restore(input)
    }

    fn line(&mut self) -> Vec<String> {
        match self.random.below(100) {
            0..68 => self.sensible(),
            68..90 => self.distorted(),
            _ => self.nonsense(),
        }
    }

    /// A command with options that belong to it, whose values may still be wrong.
    fn sensible(&mut self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        match self.random.below(20) {
            0..=4 => {
                words.push(self.command(&["-A", "-A", "-E", "--add-service", "--edit-service"]));
                self.service(&mut words);
                self.service_options(&mut words);
            }
            5..=10 => {
                let commands = ["-a", "-a", "-a", "-e", "--add-server", "--edit-server"];
                words.push(self.command(&commands));
                self.service(&mut words);
                self.server(&mut words);
                self.server_options(&mut words);
            }
            11 => {
                words.push(self.command(&["-d", "--delete-server"]));
                self.service(&mut words);
                self.server(&mut words);
            }
            12 => {
                words.push(self.command(&["-D", "-D", "--delete-service", "-Z", "--zero"]));
                self.service(&mut words);
            }
            13 => words.push(self.command(&["-Z", "--zero", "-C", "--clear", "-v", "-h", "-Z"])),
            14..=16 => {
                words.push(self.command(&["-L", "-l", "-Ln", "--list", "-ln"]));
                self.list_options(&mut words);
            }
            17 => {
                words.push(self.command(&["-S", "-Sn", "--save"]));
                if self.random.chance(30) {
                    words.push("-n".to_owned());
                }
            }
            18 => {
                words.push("--set".to_owned());
                for _ in 0..3 {
                    let bad = self.random.chance(7);
                    let values = if bad { BAD_SECONDS } else { SECONDS };
                    words.push(self.random.pick(&values).to_owned());
                }
            }
            _ => self.daemon(&mut words),
        }
        words
    }

    /// A valid line with one thing wrong: a word too many, too few, twice or elsewhere.
    fn distorted(&mut self) -> Vec<String> {
        let mut words = self.sensible();
        let place = self.random.below(words.len());
        match self.random.below(6) {
            0 => {
                words.remove(place);
            }
            1 => words.insert(place, words[place].clone()),
            2 => words.push(self.random.pick(&FLAGS_WITHOUT_VALUE).to_owned()),
            3 => words.insert(place, self.random.pick(&NONSENSE).to_owned()),
            4 => {
                let other = self.random.below(words.len());
                words.swap(place, other);
            }
            _ => {
                let rest = self.sensible().split_off(1);
                words.extend(rest);
            }
        }
        words
    }

    fn nonsense(&mut self) -> Vec<String> {
        let lists = [
            NONSENSE.as_slice(),
            &NONSENSE,
            &FLAGS_WITHOUT_VALUE,
            &BAD_ADDRESSES,
            &NUMBERS,
            &BAD_GROUPS,
        ];
        let mut words = Vec::new();
        for _ in 0..1 + self.random.below(5) {
            let list = lists[self.random.below(lists.len())];
            words.push(self.random.pick(list).to_owned());
        }
        words
    }

    fn command(&mut self, from: &[&str]) -> String {
        self.random.pick(from).to_owned()
    }

    /// An option with a value, valid or sometimes not, in one of its notations.
    fn option(
        &mut self,
        words: &mut Vec<String>,
        (short, long): (&str, &str),
        good: &[&str],
        bad: &[&str],
    ) {
        let values = if self.random.chance(7) { bad } else { good };
        let value = self.random.pick(values);
        match self.random.below(10) {
            0 if !short.is_empty() && !value.is_empty() => words.push(format!("{short}{value}")),
            1 if !short.is_empty() => words.push(format!("{short}={value}")),
            2 => words.push(format!("{long}={value}")),
            3 => words.extend([long.to_owned(), value.to_owned()]),
            _ if short.is_empty() => words.extend([long.to_owned(), value.to_owned()]),
            _ => words.extend([short.to_owned(), value.to_owned()]),
        }
    }

    fn service(&mut self, words: &mut Vec<String>) {
        let good = if self.random.chance(15) {
            PORTLESS.as_slice()
        } else {
            &PORTED
        };
        let option = match self.random.below(10) {
            0..=4 => ("-t", "--tcp-service"),
            5 | 6 => ("-u", "--udp-service"),
            7 => ("", "--sctp-service"),
            _ => {
                let option = ("-f", "--fwmark-service");
                self.option(words, option, &MARKS, &BAD_MARKS);
                if self.random.chance(40) {
                    words.push(self.random.pick(&["-6", "--ipv6"]).to_owned());
                }
                return;
            }
        };
        self.option(words, option, good, &BAD_ADDRESSES);
    }

    fn service_options(&mut self, words: &mut Vec<String>) {
        if self.random.chance(60) {
            let option = ("-s", "--scheduler");
            self.option(words, option, &SCHEDULERS, &BAD_SCHEDULERS);
        }
        if self.random.chance(50) {
            match self.random.below(3) {
                0 => words.push("-p".to_owned()),
                _ => self.option(words, ("-p", "--persistent"), &SECONDS, &BAD_SECONDS),
            }
        }
        if self.random.chance(20) {
            self.option(words, ("-M", "--netmask"), &MASKS, &BAD_MASKS);
        }
        if self.random.chance(10) {
            let bad = ["nope", "", "an-engine-with-a-long-name"];
            self.option(words, ("", "--pe"), &["sip"], &bad);
        }
        if self.random.chance(8) {
            words.push(self.random.pick(&["-o", "--ops"]).to_owned());
        }
        if self.random.chance(15) {
            self.option(words, ("-b", "--sched-flags"), &FLAGS, &BAD_FLAGS);
        } else if self.random.chance(8) {
            // The flags that only one scheduler has.
            words.push(self.random.pick(&["-ssh", "-smh"]).to_owned());
            words.extend(["-b".to_owned(), self.random.pick(&BAD_FLAGS).to_owned()]);
        }
    }

    /// A server of the service at the end of `words`: usually of its family.
    fn server(&mut self, words: &mut Vec<String>) {
        let six = words
            .iter()
            .any(|word| word.contains("::") || word.contains("-6"));
        let good = if six == self.random.chance(92) {
            SERVERS6.as_slice()
        } else {
            &SERVERS
        };
        self.option(words, ("-r", "--real-server"), good, &BAD_SERVERS);
    }

    fn server_options(&mut self, words: &mut Vec<String>) {
        if self.random.chance(70) {
            let methods = [
                "-g",
                "-i",
                "-m",
                "-i",
                "-m",
                "--gatewaying",
                "--ipip",
                "--masquerading",
            ];
            words.push(self.random.pick(&methods).to_owned());
        }
        for (chance, option) in [
            (50, ("-w", "--weight")),
            (12, ("-x", "--u-threshold")),
            (6, ("-y", "--l-threshold")),
        ] {
            if self.random.chance(chance) {
                self.option(words, option, &NUMBERS, &BAD_NUMBERS);
            }
        }
        if self.random.chance(15) {
            let tunnel = words.len();
            self.option(words, ("", "--tun-type"), &TUNNELS, &["GUE", ""]);
            let gue = words[tunnel..].iter().any(|word| word.ends_with("gue"));
            if gue == self.random.chance(90) {
                let ports = ["6080", "1", "65535"];
                self.option(words, ("", "--tun-port"), &ports, &["0", "65536", "x"]);
            }
            if self.random.chance(40) {
                let sums = ["--tun-nocsum", "--tun-csum", "--tun-remcsum"];
                words.push(self.random.pick(&sums).to_owned());
            }
        }
    }

    fn list_options(&mut self, words: &mut Vec<String>) {
        if self.random.chance(40) {
            words.push("-n".to_owned());
        }
        if self.random.chance(25) {
            self.service(words);
        }
        for _ in 0..self.random.below(3) {
            words.push(self.random.pick(&FLAGS_WITHOUT_VALUE[2..15]).to_owned());
        }
    }

    fn daemon(&mut self, words: &mut Vec<String>) {
        let start = self.random.chance(60);
        let command = if start {
            "--start-daemon"
        } else {
            "--stop-daemon"
        };
        self.option(words, ("", command), &["master", "backup"], &["neither"]);
        if self.random.chance(40) {
            self.option(
                words,
                ("", "--syncid"),
                &["0", "7", "255"],
                &["256", "-1", "x"],
            );
        }
        if !start {
            return;
        }
        let bad = ["nowhere", "", "an-interface-with-a-long-name"];
        self.option(words, ("", "--mcast-interface"), &["lo"], &bad);
        for (option, good, bad) in [
            ("--mcast-group", GROUPS, BAD_GROUPS.as_slice()),
            ("--mcast-port", ["1", "8848", "65535"], &["0", "65536"]),
            ("--mcast-ttl", ["1", "2", "255"], &["0", "256"]),
            ("--sync-maxlen", ["1", "1000", "65507"], &["0", "65508"]),
        ] {
            if self.random.chance(20) {
                self.option(words, ("", option), &good, bad);
            }
        }
    }
}
