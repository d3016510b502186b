//! Tables that Debian's `ipvsadm` built: exported, applied, unchanged.

use std::fs;

use super::{DIRECTOR, Desk, Tables, lone, web};
use crate::lab::{Host, Lan, Tcp, V4, has_module};

const SCHEDULERS: [&str; 14] = [
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos",
];

/// Lines for `ipvsadm -R`: everything that it can build.
fn everything() -> String {
    let mut lines = String::new();
    let there = |scheduler: &&&str| has_module(&format!("ip_vs_{scheduler}"));
    for (number, scheduler) in SCHEDULERS.iter().filter(there).enumerate() {
        let service = format!("-t 10.0.4.{number}:80");
        lines.push_str(&format!(
            "-A {service} -s {scheduler}\n-a {service} -r 10.0.5.{number}:80 -m -w {number}\n"
        ));
    }
    for (number, flags) in [
        "-s sh -b sh-fallback",
        "-s sh -b sh-port",
        "-s sh -b sh-fallback,sh-port",
        "-s mh -b mh-fallback",
        "-s mh -b mh-port,mh-fallback",
        "-s wlc -b flag-1,flag-3",
        "-s rr -b flag-2",
        "-s rr -p",
        "-s rr -p 7",
        "-s wlc -p 86400 -M 255.255.255.0",
        "-s wlc -p 300 -M 255.0.255.0",
        "-s wlc -p 300 -M 0.0.0.255",
        "-s lc -p 60 -M 255.255.0.0 -b flag-1",
    ]
    .iter()
    .enumerate()
    {
        let service = format!("-t 10.0.6.{number}:443");
        lines.push_str(&format!(
            "-A {service} {flags}\n-a {service} -r 10.0.5.1:443 -g\n"
        ));
    }
    lines.push_str(
        "\
-A -t 10.0.7.1:0 -s rr -p 100
-a -t 10.0.7.1:0 -r 10.0.5.1:0 -g
-A -u 10.0.7.2:53 -s rr -o
-a -u 10.0.7.2:53 -r 10.0.5.1:5353 -m -w 100
-A -u 10.0.7.2:5060 -s rr -p 60 --pe sip
-a -u 10.0.7.2:5060 -r 10.0.5.1:5060 -m
-A -u 10.0.7.3:5060 -s rr -p 60 -o --pe sip
-A --sctp-service 10.0.7.4:9 -s wlc
-a --sctp-service 10.0.7.4:9 -r 10.0.5.1:99 -m -w 65535
-A -t 10.0.7.5:80 -s wlc
-a -t 10.0.7.5:80 -r 10.0.5.1:80 -m -x 100 -y 50
-a -t 10.0.7.5:80 -r 10.0.5.2:80 -m -x 100
-a -t 10.0.7.5:80 -r 10.0.5.4:80 -m -w 0
-a -t 10.0.7.5:80 -r 10.0.5.5:80 -g
-a -t 10.0.7.5:80 -r 10.0.0.254:80 -m
-A -t 10.0.7.6:80 -s wlc
-a -t 10.0.7.6:80 -r 10.0.5.1:80 -i
-a -t 10.0.7.6:80 -r 10.0.5.2:80 -i --tun-type gue --tun-port 6080
-a -t 10.0.7.6:80 -r 10.0.5.3:80 -i --tun-type gue --tun-port 6081 --tun-csum
-a -t 10.0.7.6:80 -r 10.0.5.4:80 -i --tun-type gue --tun-port 6082 --tun-remcsum
-a -t 10.0.7.6:80 -r 10.0.5.5:80 -i --tun-type gre
-a -t 10.0.7.6:80 -r 10.0.5.6:80 -i --tun-type gre --tun-csum
-a -t 10.0.7.6:80 -r [fd00::1:1]:80 -i
-A -t 10.0.7.7:80 -s wlc
-A -f 1 -s wlc
-a -f 1 -r 10.0.5.1:0 -g
-a -f 1 -r 10.0.5.2:8080 -g
-a -f 1 -r 10.0.5.3:8080 -m
-A -f 4294967295 -s rr -p 300 -M 255.255.255.0
-a -f 4294967295 -r 10.0.5.1:0 -i
-A -f 1 -6 -s wlc -p 300 -M 64
-a -f 1 -6 -r [fd00::1:1]:0 -m
-A -t [fd00::7:1]:80 -s wlc -p 300 -M 48
-a -t [fd00::7:1]:80 -r [fd00::1:1]:80 -g
-a -t [fd00::7:1]:80 -r [fd00::1:2]:8080 -m
-a -t [fd00::7:1]:80 -r 10.0.5.1:80 -i
-A -u [fd00::7:2]:53 -s mh -b mh-port
",
    );
    lines
}

/// Applies a file; returns the number of requests that change something. Only those ask for an
/// acknowledgement, the last one of each chunk.
fn writes(desk: &Desk<'_>, file: &str) -> usize {
    let words = [
        "-o",
        "trace",
        "-e",
        "trace=sendto,sendmsg",
        DIRECTOR,
        "apply",
        "--yes",
        file,
    ];
    let outcome = desk.host.command(desk.command("strace", &words), b"");
    assert!(outcome.success(), "{outcome}");
    let trace = fs::read_to_string(desk.directory.path().join("trace")).unwrap();
    assert!(trace.contains("nlmsg_type=IPVS"), "{trace}");
    trace.matches("NLM_F_ACK").count()
}

/// Debian's output, with thresholds, which only the kernel has, separately.
fn saved(host: &Host) -> Vec<String> {
    let mut lines: Vec<_> = host.run("ipvsadm -Sn").lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn an_export_applied_changes_nothing() {
    let host = lone();
    host.ipvsadm(&everything());
    let before = Tables::of(&host);
    assert!(before.services.len() > 35);
    for (format, file) in [("toml", "exported.toml"), ("json", "exported.json")] {
        // A new desk, which owns nothing yet.
        let desk = Desk::on(&host);
        let exported = desk.done(&format!("export --format {format}"));
        desk.write(file, &exported);
        let checked = desk.director(&format!("check {file}"));
        assert!(checked.success(), "{checked}");
        desk.nothing_to_do(file);
        assert_eq!(writes(&desk, file), 0);
        assert_eq!(Tables::of(&host), before);
        // Now director owns them: an empty file would remove them all.
        desk.write("none.toml", "version = 1\n");
        let planned = desk.ends("plan none.toml --format json", 2).stdout;
        let planned: serde_json::Value = serde_json::from_str(&planned).unwrap();
        assert_eq!(planned["foreign"], serde_json::json!([]));
    }
    // Counters exist where something changes.
    let desk = Desk::on(&host);
    desk.write("one.toml", &web("tcp://10.0.8.1:80", r#""10.0.5.1""#, ""));
    assert_eq!(writes(&desk, "one.toml"), 1);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn an_export_builds_the_same_table_elsewhere() {
    let (host, other) = (lone(), lone());
    host.ipvsadm(&everything());
    let (desk, there) = (Desk::on(&host), Desk::on(&other));
    there.write("exported.toml", &desk.done("export"));
    there.applied("exported.toml");
    assert_eq!(Tables::of(&other), Tables::of(&host));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn an_export_for_ipvsadm_is_understood_by_it() {
    let (host, other) = (lone(), lone());
    host.ipvsadm(&everything());
    let desk = Desk::on(&host);
    other.ipvsadm(&desk.done("export --format ipvsadm"));
    assert_eq!(saved(&other), saved(&host));
    let thresholds = |host: &Host| host.run("ipvsadm -Ln --thresholds");
    assert_eq!(thresholds(&other), thresholds(&host));
    assert_eq!(Tables::of(&other).services, Tables::of(&host).services);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn connections_live_through_the_adoption() {
    let net = Lan::nat().real_servers(2).build();
    let _web = net.serve(Tcp, 80);
    net.balance(Tcp, V4, 80, "-s wlc -p 300", "-m");
    let mut connection = net.client(1).connect(Tcp, net.service(V4, 80)).unwrap();
    let name = connection.ask().unwrap();
    let desk = Desk::on(&net.director);
    desk.write("exported.toml", &desk.done("export"));
    desk.applied("exported.toml");
    assert_eq!(connection.ask(), Ok(name.clone()));
    let answers = net.client(1).ask(Tcp, net.service(V4, 80)).times(5).run();
    assert_eq!(
        answers.by(&name),
        5,
        "and so does the persistence: {answers}"
    );
}
