//! Lists of a table with connections: counters, rates, the connection table.
//!
//! Both programs list the same namespace, one after the other. Because the values change in
//! between, Debian's runs before and after, until both outputs are equal.

use std::path::{Path, PathBuf};

use crate::lab::{
    Family::{V4, V6},
    Lan,
    Protocol::{Sctp, Tcp, Udp},
    eventually,
};

use super::programs::{DEBIANS, command, ours, use_names, with_own_mounts};

/// All lists that show more than the configuration, and some that do not.
const LISTS: [&str; 16] = [
    "-L -n",
    "-L",
    "-L -n --stats",
    "-L --stats",
    "-L -n --stats --exact",
    "-L -n --rate",
    "-L -n --rate --exact",
    "-L -n --thresholds",
    "-L -n --persistent-conn",
    "-L -c -n",
    "-L -c",
    "-L -c -n --persistent-conn",
    "-L -c --persistent-conn --nosort --tun-info",
    "-S",
    "-S -n",
    "-L --timeout",
];

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn lists_of_a_table_in_use() {
    with_own_mounts(|| {
        use_names();
        let net = Lan::nat().real_servers(2).build();
        let mut servers = Vec::new();
        for (protocol, port, options) in [
            (Tcp, 80, "-s rr"),
            (Tcp, 81, "-s wlc -p 300"),
            (Udp, 53, "-s rr"),
            (Sctp, 5672, "-s rr"),
        ] {
            servers.extend(net.serve(protocol, port));
            for family in [V4, V6] {
                net.balance(protocol, family, port, options, "-m -x 100 -y 3");
                net.client(1)
                    .ask(protocol, net.service(family, port))
                    .times(9)
                    .run();
            }
        }
        // Calls for the SIP engine, which keeps their ids with the connections.
        servers.push(net.real(1).serve(Udp, 5060));
        net.director.ipvsadm(
            "-A -u 10.1.0.100:5060 -s rr -p 60 --pe sip\n\
             -a -u 10.1.0.100:5060 -r 10.2.0.11:5060 -m\n",
        );
        let call = net.client(1).connect(Udp, net.service(V4, 5060));
        let invite = "INVITE sip:bob@example.org SIP/2.0\r\n\
                      Call-ID: abc123@host\r\nContent-Length: 0\r\n\r\n";
        call.expect("a socket")
            .say(invite.as_bytes())
            .expect("an answer");
        let open = net.client(1).connect(Tcp, net.service(V4, 80));
        let _open = open.expect("the service answers");

        let (debians, ours): (PathBuf, PathBuf) = (DEBIANS.into(), ours());
        let list = |program: &Path, line: &str| {
            let mut command = command(program);
            command.args(line.split(' '));
            let outcome = net.director.command(command, b"");
            assert!(
                outcome.success() && outcome.stderr.is_empty(),
                "{line}: {outcome}"
            );
            outcome.stdout
        };
        for line in LISTS {
            let (theirs, own) = eventually("two equal lists in a row", || {
                let before = steady(line, &list(&debians, line));
                let own = steady(line, &list(&ours, line));
                let after = steady(line, &list(&debians, line));
                (before == after).then_some((before, own))
            });
            assert_eq!(own, theirs, "{line}");
        }
        let connections = list(&ours, "-L -c -n --persistent-conn");
        assert!(connections.contains("ESTABLISHED"), "{connections}");
        assert!(
            connections.contains("sip                abc123@host"),
            "{connections}"
        );
    });
}

/// A list without clock-dependent parts (the seconds until a connection expires) and without
/// thresholds, which Debian's omits.
fn steady(line: &str, list: &str) -> Vec<String> {
    let mut rows: Vec<String> = list.lines().map(str::to_owned).collect();
    for row in &mut rows {
        if line.contains("-c") {
            // `TCP 14:58  ESTABLISHED ...`
            let expires = row.split(' ').nth(1).filter(|word| word.contains(':'));
            if let Some(expires) = expires.map(str::to_owned) {
                *row = row.replacen(&expires, "mm:ss", 1);
            }
        }
        *row = row.replace(" -x 100 -y 3", "");
    }
    if line.contains("-c") {
        // Each used connection moves to another place in the kernel's list.
        rows.sort();
    }
    rows
}
