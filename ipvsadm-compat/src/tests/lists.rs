//! `-L`, byte for byte; `$` marks the end of a line, so that trailing blanks are visible.

use ipvs::fake::FakeKernel;
use ipvs::{
    ForwardMethod, Name, Operation, Rates, Server, ServerKey, Service, ServiceFlags, ServiceKey,
    Totals, Tunnel, TunnelFlags,
};

use super::{done, shown};

/// A list with visible line ends.
#[track_caller]
fn list(kernel: &FakeKernel, line: &str) -> String {
    shown(kernel, line).replace('\n', "$\n")
}

/// The same, without the three lines above the rows.
#[track_caller]
fn rows(kernel: &FakeKernel, line: &str) -> String {
    let list = list(kernel, line);
    list.split_inclusive('\n').skip(3).collect()
}

/// The table that most tests list.
fn table() -> FakeKernel {
    let kernel = FakeKernel::new();
    for line in [
        "-A -f 6 -6",
        "-A -f 5",
        "-a -f 5 -r 192.168.0.2",
        "-A -t [2001:db8::1]:80 -p -M 64",
        "-a -t [2001:db8::1]:80 -r [fd00:1234:5678:9abc:def0:1234:5678:9abc]:65535 -m",
        "-A --sctp-service 10.0.0.1:80",
        "-A -u 10.0.0.41:5060 -p 60 --pe sip -o",
        "-A -t 10.0.0.44:80 -s mh -b mh-fallback,mh-port",
        "-A -t 10.0.0.1:80 -s wrr",
        "-a -t 10.0.0.1:80 -r fd00::2 -i",
        "-a -t 10.0.0.1:80 -r 192.168.0.6 -w 2147483647",
        "-a -t 10.0.0.1:80 -r 192.168.0.4 -i -w 65535",
        "-a -t 10.0.0.1:80 -r 127.0.0.1:8000 -m",
    ] {
        done(&kernel, line);
    }
    kernel
}

#[test]
fn plain() {
    let expected = "\
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port Scheduler Flags$
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn$
TCP  10.0.0.1:80 wrr$
  -> 127.0.0.1:8000               Masq    1      0          0         $
  -> 192.168.0.4:80               Tunnel  65535  0          0         $
  -> 192.168.0.6:80               Route   2147483647 0          0         $
  -> [fd00::2]:80                 Tunnel  1      0          0         $
TCP  10.0.0.44:80 mh (mh-fallback,mh-port)$
UDP  10.0.0.41:5060 wlc persistent 60 pe sip ops$
SCTP 10.0.0.1:80 wlc$
TCP  [2001:db8::1]:80 wlc persistent 360 mask 64$
  -> [fd00:1234:5678:9abc:def0:1234:5678:9abc]:65535 Masq    1      0          0         $
FWM  5 wlc$
  -> 192.168.0.2:0                Route   1      0          0         $
FWM  6 IPv6 wlc$
";
    let kernel = table();
    for line in ["-Ln", "-l -n", "--list --numeric", "-lnX"] {
        assert_eq!(list(&kernel, line), expected, "{line}");
    }
}

#[test]
fn one_service_has_no_version_line() {
    let expected = "\
Prot LocalAddress:Port Scheduler Flags$
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn$
FWM  5 wlc$
  -> 192.168.0.2:0                Route   1      0          0         $
";
    assert_eq!(list(&table(), "-Ln -f 5"), expected);
}

#[test]
fn no_words_list_everything() {
    let kernel = table();
    let outcome = super::ipvsadm_words(&kernel, &[], b"");
    assert_eq!(outcome, super::printed(&shown(&kernel, "-L")));
}

#[test]
fn thresholds_and_persistent_connections() {
    let kernel = FakeKernel::new();
    done(&kernel, "-A -f 1");
    done(&kernel, "-a -f 1 -r 192.168.0.8:80 -x 100 -y 50");
    done(
        &kernel,
        "-a -f 1 -r 192.168.0.11:80 -x 2147483647 -y 2147483647",
    );
    let key = ServiceKey::fwmark(ipvs::Family::V4, ipvs::Fwmark::new(1).unwrap());
    kernel.count(&key, |_, servers| {
        servers[1].persistent = 1;
        servers[1].inactive = 1;
        servers[1].active = 4_294_967_295;
    });
    let expected = "\
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn $
  -> RemoteAddress:Port$
FWM  1 wlc$
  -> 192.168.0.8:80               100        50         4294967295 1         $
  -> 192.168.0.11:80              2147483647 2147483647 0          0         $
";
    assert_eq!(list(&kernel, "-Ln --thresholds"), expected);
    let expected = "\
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn $
  -> RemoteAddress:Port$
FWM  1 wlc$
  -> 192.168.0.8:80               1         1           4294967295 1         $
  -> 192.168.0.11:80              1         0           0          0         $
";
    assert_eq!(list(&kernel, "-Ln --persistent-conn"), expected);
}

#[test]
fn tunnels() {
    let kernel = FakeKernel::new();
    done(&kernel, "-A -f 1");
    for (host, tunnel) in [
        (1, "-i"),
        (2, "-i --tun-type gue --tun-port 6080"),
        (3, "-i --tun-type gue --tun-port 6080 --tun-csum"),
        (4, "-i --tun-type gue --tun-port 6080 --tun-remcsum"),
        (5, "-i --tun-type gre --tun-nocsum"),
        (6, "-i --tun-type gre --tun-csum"),
        (7, "-m"),
    ] {
        done(&kernel, &format!("-a -f 1 -r 10.0.0.{host} {tunnel}"));
    }
    let expected = "\
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port Scheduler Flags$
  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn$
FWM  1 wlc$
  -> 10.0.0.1:0                   Tunnel  ipip          1      0          0         $
  -> 10.0.0.2:0                   Tunnel  gue:6080:-c   1      0          0         $
  -> 10.0.0.3:0                   Tunnel  gue:6080:+c   1      0          0         $
  -> 10.0.0.4:0                   Tunnel  gue:6080:r+c  1      0          0         $
  -> 10.0.0.5:0                   Tunnel  gre:-c        1      0          0         $
  -> 10.0.0.6:0                   Tunnel  gre:+c        1      0          0         $
  -> 10.0.0.7:0                   Masq    n/a           1      0          0         $
";
    assert_eq!(list(&kernel, "-Ln --tun-info"), expected);
}

/// A service and a server with the same counters.
fn counting(values: [u64; 5]) -> FakeKernel {
    let kernel = FakeKernel::new();
    done(&kernel, "-A -t 10.0.0.1:80");
    done(&kernel, "-a -t 10.0.0.1:80 -r 192.168.0.2");
    kernel.count(&ServiceKey::tcp([10, 0, 0, 1], 80), |service, servers| {
        let [connections, packets_in, packets_out, bytes_in, bytes_out] = values;
        for stats in [&mut service.stats, &mut servers[0].stats] {
            stats.total = Totals {
                connections,
                packets_in,
                packets_out,
                bytes_in,
                bytes_out,
            };
            stats.rate = Rates {
                connections,
                packets_in,
                packets_out,
                bytes_in,
                bytes_out,
            };
        }
    });
    kernel
}

#[test]
fn counters_up_to_64_bits() {
    // 1.31 shows the servers' counters modulo 2^32, and `18446744T` without a blank before its
    // neighbour.
    let kernel = counting([
        4_294_967_295,
        4_294_967_296,
        4_294_967_297,
        u64::MAX,
        u64::MAX - 1,
    ]);
    let expected = "\
TCP  10.0.0.1:80                     4294M    4294M    4294M18446744T18446744T$
  -> 192.168.0.2:80                  4294M    4294M    4294M18446744T18446744T$
";
    assert_eq!(rows(&kernel, "-Ln --stats"), expected);
    let expected = "\
TCP  10.0.0.1:80                  4294967295 4294967296 4294967297 18446744073709551615 18446744073709551614$
  -> 192.168.0.2:80               4294967295 4294967296 4294967297 18446744073709551615 18446744073709551614$
";
    assert_eq!(rows(&kernel, "-Ln --stats --exact"), expected);
    let expected = "\
TCP  10.0.0.1:80                     4294M    4294M    4294M18446744T18446744T$
  -> 192.168.0.2:80               4294967295 4294967296 429496729718446744T18446744T$
";
    assert_eq!(rows(&kernel, "-Ln --rate"), expected);
}

#[test]
fn counters_at_the_edges() {
    let kernel = counting([
        9_999_999,
        99_999_999,
        100_000_000,
        999_999_999,
        1_000_000_000,
    ]);
    let expected = "\
TCP  10.0.0.1:80                   9999999 99999999  100000K  999999K    1000M$
  -> 192.168.0.2:80                9999999 99999999  100000K  999999K    1000M$
";
    assert_eq!(rows(&kernel, "-Ln --stats"), expected);
    let expected = "\
TCP  10.0.0.1:80                   9999999 99999999 100000000 999999999 1000000000$
  -> 192.168.0.2:80                9999999 99999999 100000000 999999999 1000000000$
";
    assert_eq!(rows(&kernel, "-Ln --stats -X"), expected);
    let expected = "\
TCP  10.0.0.1:80                   9999999 99999999  100000K  999999K    1000M$
  -> 192.168.0.2:80                9999999 99999999 100000000  999999K    1000M$
";
    assert_eq!(rows(&kernel, "-Ln --rate"), expected);
}

#[test]
fn names_of_columns_and_wide_rows() {
    let kernel = table();
    let stats = list(&kernel, "-Ln --stats --rate");
    let title = "\
IP Virtual Server version 1.2.1 (size=4096)$
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes$
  -> RemoteAddress:Port$
";
    assert!(stats.starts_with(title), "{stats}");
    for row in [
        "FWM  6 IPv6                              0        0        0        0        0$\n",
        "  -> [fd00:1234:5678:9abc:def0:1234:5678:9abc]:65535        0        0        0        0        0$\n",
    ] {
        assert!(stats.contains(row), "{stats}");
    }
    let rate = list(&kernel, "-Ln --rate");
    let title = "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS$\n";
    assert!(rate.contains(title), "{rate}");
}

#[test]
fn names() {
    let kernel = FakeKernel::new();
    for line in [
        "-A -t 10.9.9.1:80",
        "-a -t 10.9.9.1:80 -r 10.9.9.2 -m",
        "-a -t 10.9.9.1:80 -r 10.9.9.3:81 -m",
        "-A -t 10.9.9.2:80",
        "-A -t [fd00::77]:80 -s rr",
        "-A -f 3",
        "-a -f 3 -r 10.9.9.1:80",
    ] {
        done(&kernel, line);
    }
    let expected = "\
TCP  vip:http wlc$
  -> real-server-number-two.inter Masq    1      0          0         $
  -> 10.9.9.3:81                  Masq    1      0          0         $
TCP  real-server-number-two.inter wlc$
TCP  [v6host.a-rather-long-hostname-for-truncation.example.com]: rr$
FWM  3 wlc$
  -> vip:80                       Route   1      0          0         $
";
    assert_eq!(rows(&kernel, "-L"), expected);
}

#[test]
fn rows_are_sorted_by_value_or_not_at_all() {
    let kernel = FakeKernel::new();
    done(&kernel, "-A -f 4294967295");
    done(&kernel, "-A -f 1");
    for host in [200, 1, 130, 9, 10, 100] {
        done(&kernel, &format!("-a -f 1 -r {host}.0.0.1:{host} -m"));
    }
    let order = |line: &str| -> Vec<String> {
        let rows = rows(&kernel, line);
        let words = rows.lines().filter_map(|row| row.split_whitespace().nth(1));
        words.map(str::to_owned).collect()
    };
    assert_eq!(
        order("-Ln"),
        [
            "1",
            "1.0.0.1:1",
            "9.0.0.1:9",
            "10.0.0.1:10",
            "100.0.0.1:100",
            "130.0.0.1:130",
            "200.0.0.1:200",
            "4294967295"
        ]
    );
    assert_eq!(
        order("-Ln --nosort")[1..4],
        ["100.0.0.1:100", "10.0.0.1:10", "9.0.0.1:9"]
    );
}

#[test]
fn odd_things_that_others_put_into_the_table() {
    let kernel = FakeKernel::new();
    let key = ServiceKey::tcp([10, 0, 0, 1], 80);
    let flags = ServiceFlags::PERSISTENT | ServiceFlags::SCHED_1 | ServiceFlags::SCHED_3;
    let service = Service {
        flags,
        timeout: 0,
        ..Service::new(key, Name::from_static("rr"))
    };
    kernel.meddle(&Operation::AddService(service)).unwrap();
    for (host, forward) in [
        (1, ForwardMethod::Local),
        (2, ForwardMethod::Bypass),
        (3, ForwardMethod::Other(5)),
    ] {
        let server = Server::new(ServerKey::new([10, 0, 1, host], 80), forward)
            .tunnel(Tunnel::gre(TunnelFlags::CSUM));
        kernel.meddle(&Operation::AddServer(key, server)).unwrap();
    }
    let expected = "\
TCP  10.0.0.1:80 rr (flag-1,flag-3) persistent 0$
  -> 10.0.1.1:80                  Local   1      0          0         $
  -> 10.0.1.2:80                  (null)  1      0          0         $
  -> 10.0.1.3:80                  (null)  1      0          0         $
";
    assert_eq!(rows(&kernel, "-Ln"), expected);
}

#[test]
fn timeouts_and_daemons() {
    let kernel = FakeKernel::new();
    let expected = "Timeout (tcp tcpfin udp): 900 120 300$\n";
    assert_eq!(list(&kernel, "-L --timeout"), expected);
    done(&kernel, "--set 0 7 0");
    let expected = "Timeout (tcp tcpfin udp): 900 7 300$\n";
    assert_eq!(list(&kernel, "-L --timeout"), expected);
    assert_eq!(list(&kernel, "-L --daemon"), "");
    done(
        &kernel,
        "--start-daemon backup --mcast-interface lo --syncid 3",
    );
    done(&kernel, "--start-daemon=master --syncid=10");
    let expected = "\
master sync daemon (mcast=eth0, syncid=10, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)$
backup sync daemon (mcast=lo, syncid=3, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)$
";
    assert_eq!(list(&kernel, "-L --daemon"), expected);
}
