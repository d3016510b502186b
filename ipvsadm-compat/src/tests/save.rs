//! `-S`, and that `-R` rebuilds the same table from it.

use ipvs::fake::FakeKernel;

use super::{done, printed, restore, shown};

const TABLE: &str = "\
-A -t 10.0.0.2:81 -s wlc
-a -t 10.0.0.2:81 -r 192.168.0.20:81 -i -w 1 --tun-type ipip
-a -t 10.0.0.2:81 -r 192.168.0.23:81 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-a -t 10.0.0.2:81 -r 192.168.0.24:81 -i -w 1 -x 9 -y 4 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 10.0.0.2:81 -r 192.168.0.25:81 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
-a -t 10.0.0.2:81 -r 192.168.0.26:81 -i -w 1 --tun-type gre --tun-nocsum
-a -t 10.0.0.2:81 -r 192.168.0.27:81 -i -w 1 --tun-type gre --tun-csum
-A -t 10.0.0.50:80 -s sh -p 100 -M 255.255.0.0 -b sh-port
-A -u 10.0.0.41:5060 -s wlc -p 60 --pe sip -o
-A -u 10.0.0.42:5060 -s rr --pe sip -b flag-1,flag-2,flag-3
-A --sctp-service 10.0.0.1:80 -s wlc
-A -t [2001:db8::1]:80 -s wlc -p 360 -M 64
-a -t [2001:db8::1]:80 -r 10.0.0.9:80 -i -w 0 --tun-type ipip
-a -t [2001:db8::1]:80 -r [fd00::2]:80 -m -w 2147483647 -x 5
-A -f 6 -6 -s wlc
-a -f 6 -6 -r [fd00::2]:0 -m -w 1
-A -f 4294967295 -s wlc
-a -f 4294967295 -r 192.168.0.2:0 -g -w 1
";

#[test]
fn what_is_saved_can_be_restored() {
    let kernel = FakeKernel::new();
    assert_eq!(restore(&kernel, TABLE), printed(""));
    assert_eq!(shown(&kernel, "-Sn"), TABLE);
    assert_eq!(shown(&kernel, "--save --numeric"), TABLE);
}

#[test]
fn names_are_not_cut() {
    let kernel = FakeKernel::new();
    done(&kernel, "-A -t [fd00::77]:80");
    done(&kernel, "-a -t [fd00::77]:80 -r 10.9.9.2 -i");
    let host = "[v6host.a-rather-long-hostname-for-truncation.example.com]:http";
    assert_eq!(
        shown(&kernel, "-S"),
        format!(
            "-A -t {host} -s wlc\n-a -t {host} \
             -r real-server-number-two.internal.example.org:http -i -w 1 --tun-type ipip\n"
        )
    );
}
