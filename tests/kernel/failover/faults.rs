//! What goes wrong: a process that does not run, adverts that cannot be sent or are not heard, and
//! a router that floods the link.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use socket2::{Domain, Protocol, Socket, Type};
use vrrp::codec::{AddressList, Advert, ChecksumForm, MULTICAST_V4};
use vrrp::{Auth, Interval, Priority, Version, VirtualRouterId};

use super::{Link, VIRTUAL, active_pair, becomes, counter, holds, logs, sends};
use crate::lab::{Host, eventually};

/// The higher priority does not come back by itself.
const STAYS: &str = "interval = \"100ms\"\npreempt = false";
const RETURNS: &str = "interval = \"100ms\"\npreempt = true";

#[test]
#[ignore = "needs the lab"]
fn a_stopped_process_loses_its_claim_and_knows_it() {
    let link = Link::new();
    let (a, b) = active_pair(&link, STAYS);
    a.signal(Signal::SIGSTOP);
    becomes(&b, "active");
    sends(&b, 5);
    a.signal(Signal::SIGCONT);
    becomes(&a, "backup");
    holds(&link.b, &link.a, VIRTUAL);
    logs(&a, "did not run: no advert for ");
    assert!(counter(&a, "stalls") > 0);
    // Nothing of what it would have said reached the other one.
    sends(&b, 5);
    assert_eq!(
        (counter(&b, "conflicts"), counter(&b, "became_active")),
        (0, 1)
    );
    assert_eq!(counter(&a, "became_active"), 1);
    holds(&link.b, &link.a, VIRTUAL);
}

#[test]
#[ignore = "needs the lab"]
fn a_stopped_backup_listens_before_it_claims() {
    let link = Link::new();
    let (a, b) = active_pair(&link, RETURNS);
    b.signal(Signal::SIGSTOP);
    sends(&a, 20);
    b.signal(Signal::SIGCONT);
    sends(&a, 20);
    becomes(&b, "backup");
    assert_eq!(counter(&b, "became_active"), 0);
    assert_eq!(
        (counter(&a, "conflicts"), counter(&a, "became_active")),
        (0, 1)
    );
    holds(&link.a, &link.b, VIRTUAL);
}

#[test]
#[ignore = "needs the lab"]
fn adverts_that_cannot_be_sent_end_the_claim() {
    let link = Link::new();
    let (a, b) = active_pair(&link, RETURNS);
    let rule = "OUTPUT -p 112 -j DROP";
    link.a.run(&format!("iptables-legacy -A {rule}"));
    becomes(&b, "active");
    becomes(&a, "fault");
    holds(&link.b, &link.a, VIRTUAL);
    logs(&a, "Operation not permitted");
    assert!(counter(&a, "send_failures") > 0);
    // It tries again from time to time, and does not disturb the other one.
    let failures = counter(&a, "send_failures");
    eventually("it tries again", || {
        (counter(&a, "send_failures") > failures || super::role(&a) == "backup").then_some(())
    });
    holds(&link.b, &link.a, VIRTUAL);
    link.a.run(&format!("iptables-legacy -D {rule}"));
    becomes(&a, "active");
    becomes(&b, "backup");
    holds(&link.a, &link.b, VIRTUAL);
}

#[test]
#[ignore = "needs the lab"]
fn one_way_loss_is_named_and_heals() {
    let link = Link::new();
    let (a, b) = active_pair(&link, RETURNS);
    let rule = "INPUT -p 112 -j DROP";
    link.b.run(&format!("iptables-legacy -A {rule}"));
    becomes(&b, "active");
    // The one that hears the other one says what is wrong.
    logs(&a, "10.0.0.2 is active too, with priority 100");
    logs(&a, "10.0.0.2 does not give way");
    assert_eq!(super::role(&a), "active");
    link.b.run(&format!("iptables-legacy -D {rule}"));
    becomes(&b, "backup");
    logs(&a, "no other router is active any more");
    holds(&link.a, &link.b, VIRTUAL);
    assert_eq!(counter(&a, "became_active"), 1);
}

#[test]
#[ignore = "needs the lab"]
fn a_date_that_is_set_changes_nothing() {
    // All tests that run at the same time would have the other date, too.
    if thread::available_parallelism().is_ok_and(|threads| threads.get() > 1) {
        return;
    }
    let link = Link::new();
    let (a, b) = active_pair(&link, RETURNS);
    let date = Date::now();
    for hours in [1, -1] {
        date.set(hours);
        sends(&a, 20);
        for (daemon, role, times) in [(&a, "active", 1), (&b, "backup", 0)] {
            assert_eq!(super::role(daemon), role, "{hours}: {}", daemon.log());
            for (name, expected) in [("became_active", times), ("conflicts", 0), ("stalls", 0)] {
                assert_eq!(counter(daemon, name), expected, "{hours}: {name}");
            }
        }
        holds(&link.a, &link.b, VIRTUAL);
    }
}

/// The date of the machine, which comes back in the end.
struct Date {
    then: SystemTime,
    since: Instant,
}

impl Date {
    fn now() -> Self {
        Self {
            then: SystemTime::now(),
            since: Instant::now(),
        }
    }

    /// Sets the clock to so many hours from the true time.
    fn set(&self, hours: i64) {
        let now = (self.then + self.since.elapsed())
            .duration_since(UNIX_EPOCH)
            .unwrap();
        let seconds = i64::try_from(now.as_secs()).unwrap() + hours * 3600;
        let done = Command::new("date")
            .args(["-s", &format!("@{seconds}")])
            .stdout(Stdio::null())
            .status();
        assert!(done.unwrap().success(), "the date cannot be set");
    }
}

impl Drop for Date {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[test]
#[ignore = "needs the lab"]
fn a_flood_of_a_foreign_router_changes_nothing() {
    let link = Link::new();
    let (a, b) = active_pair(&link, RETURNS);
    let before = (
        counter(&a, "sent"),
        counter(&a, "received") + counter(&a, "discarded"),
    );
    let flood = [advert(52, 200, 0), advert(51, 50, 0), advert(51, 200, 1)];
    flood_from(&link.client, &flood, 30_000);
    eventually("the flood is over", || {
        let heard = counter(&a, "received") + counter(&a, "discarded");
        (heard > before.1 + 100).then_some(())
    });
    sends(&a, 5);
    for (daemon, role, times) in [(&a, "active", 1), (&b, "backup", 0)] {
        assert_eq!(super::role(daemon), role, "{}", daemon.log());
        assert_eq!(counter(daemon, "became_active"), times, "{}", daemon.log());
    }
    holds(&link.a, &link.b, VIRTUAL);
    // Each advert of the flood is not answered by one.
    let sent = counter(&a, "sent") - before.0;
    assert!(sent < 5_000, "{sent} adverts sent");
    let lines = a.log().lines().count();
    assert!(lines < 100, "{lines} lines in the log");
}

/// A message of the client's, `wrong` by this much in its last byte.
fn advert(id: u8, priority: u8, wrong: u8) -> Vec<u8> {
    let addresses = AddressList::from_iter([Ipv4Addr::new(10, 0, 0, 100)]);
    let advert = Advert {
        version: Version::V3,
        router: VirtualRouterId::new(id).unwrap(),
        priority: Priority(priority),
        interval: Interval::from_centiseconds(10).unwrap(),
        addresses: addresses.as_addresses(),
        auth: Auth::None,
    };
    let source: IpAddr = "10.0.0.9".parse().unwrap();
    let mut message = advert
        .encode(ChecksumForm::PseudoHeader, source, MULTICAST_V4.into())
        .unwrap();
    *message.last_mut().unwrap() ^= wrong;
    message
}

/// Sends so many messages as fast as it goes.
fn flood_from(host: &Host, messages: &[Vec<u8>], times: usize) {
    let socket = host.enter(|| {
        let protocol = Protocol::from(112);
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol)).unwrap();
        socket.bind_device(Some(b"eth0")).unwrap();
        socket.set_multicast_ttl_v4(255).unwrap();
        socket
    });
    let to = SocketAddr::from((MULTICAST_V4, 0)).into();
    let mut sent = 0;
    for message in messages.iter().cycle().take(times) {
        sent += usize::from(socket.send_to(message, &to).is_ok());
    }
    assert!(sent > times / 2, "{sent} of {times} sent");
}
