//! Adverts with something wrong: each is discarded, changes nothing, and is named by an event.

use std::net::Ipv4Addr;

use vrrp::codec::ChecksumForm;
use vrrp::{Auth, Password, Version};

use super::raw::{Forged, ROGUE, Rogue, Says, V3};
use super::{Link, VIRTUAL, becomes, counter, file, has, role, sends};
use crate::daemon::Daemon;
use crate::lab::eventually;

/// What is wrong, the packet, and what the event says. One for each kind of mistake, since director
/// reports each kind once in a minute.
type Bad = (&'static str, Forged, &'static str);

/// For a router of version 3 by multicast.
fn of_version_3() -> Vec<Bad> {
    let good = || Forged::new(V3);
    vec![
        (
            "no whole header",
            good().with(|message| message.truncate(5)),
            "message of 5 bytes; an advert has at least 8",
        ),
        (
            "fewer addresses than it counts",
            good().with(|message| message[3] = 2),
            "message of 12 bytes; with 2 addresses it has 16",
        ),
        (
            "version 2",
            Forged::new(Says {
                version: Version::V2,
                centiseconds: 100,
                form: ChecksumForm::Message,
                ..V3
            }),
            "VRRP version 2; this router speaks version 3",
        ),
        (
            "another type",
            good().with(|message| message[0] = 0x32),
            "message of type 2; only type 1, advertisement, is defined",
        ),
        (
            "no address",
            good().with(|message| {
                message[3] = 0;
                message.truncate(8);
            }),
            "address count 0",
        ),
        (
            "an interval of 0",
            good().with(|message| message[5] = 0),
            "advertisement interval 0 cs; this router has 100 ms",
        ),
        (
            "the checksum",
            {
                let mut forged = good();
                forged.message[11] ^= 1;
                forged
            },
            "wrong checksum 0x",
        ),
        (
            "forwarded by a router",
            Forged { ttl: 254, ..good() },
            "TTL or hop limit 254 instead of 255: forwarded by a router, or forged",
        ),
        (
            "our own address as its source",
            Forged::from(V3, Ipv4Addr::new(10, 0, 0, 1)),
            "from our own address 10.0.0.1",
        ),
    ]
}

/// For a router of version 2 with the password "1111".
fn of_version_2() -> Vec<Bad> {
    let says = |auth, centiseconds| {
        Forged::new(Says {
            version: Version::V2,
            centiseconds,
            auth,
            form: ChecksumForm::Message,
            ..V3
        })
    };
    let password = |text| Auth::Password(Password::new(text).unwrap());
    vec![
        (
            "no password",
            says(Auth::None, 100),
            "authentication type 0 (none); this router uses 1 (password)",
        ),
        (
            "another password",
            says(password("2222"), 100),
            "wrong password",
        ),
        (
            "another interval",
            says(password("1111"), 200),
            "advertisement interval 200 cs; this router has 1 s",
        ),
        (
            "version 3",
            Forged::new(V3),
            "VRRP version 3; this router speaks version 2",
        ),
        (
            "the checksum without the password",
            {
                let mut forged = says(password("1111"), 100);
                // The peer has left the authentication data out of its sum.
                let bare = says(Auth::None, 100).with(|message| message[4] = 1);
                forged.message[6..8].copy_from_slice(&bare.message[6..8]);
                forged
            },
            "it is right ",
        ),
    ]
}

/// For a router with `peers`.
fn of_unicast() -> Vec<Bad> {
    let to = Ipv4Addr::new(10, 0, 0, 1);
    let forged = Forged {
        destination: to,
        ..Forged::new(V3)
    };
    vec![(
        "from a stranger",
        forged.with(|_| ()),
        "from 10.0.0.9, which is not one of the peers",
    )]
}

/// Sends each of them to an active director, for which a good one would be the end.
fn discards(settings: &str, table: &[Bad], good: Option<&Forged>) {
    let link = Link::new();
    // The kernel would drop a source of its own.
    link.a.sysctl("net.ipv4.conf.all.accept_local", "1");
    let director = Daemon::start(&link.a, &file(150, settings));
    becomes(&director, "active");
    let rogue = Rogue::on(&link.client);
    for (what, forged, said) in table {
        let before = counter(&director, "discarded");
        rogue.send(forged);
        eventually(&format!("{what}: it is discarded"), || {
            (counter(&director, "discarded") > before).then_some(())
        });
        let start = format!("discards adverts of {} for id 51 on eth0: ", forged.source);
        eventually(&format!("{what}: the log says `{start}...{said}`"), || {
            let log = director.log();
            let mut discards = log.lines().filter(|line| line.contains(&start));
            discards.any(|line| line.contains(said)).then_some(())
        });
        assert_eq!(role(&director), "active", "{what}: {}", director.log());
    }
    sends(&director, 2);
    assert_eq!(counter(&director, "became_active"), 1, "{}", director.log());
    assert_eq!(counter(&director, "received"), 0, "{}", director.log());
    assert!(has(&link.a, VIRTUAL));
    // The sender works: without a mistake, the same advert is the end of the claim.
    if let Some(good) = good {
        rogue.send(good);
        eventually("a good one is heard", || {
            director
                .log()
                .contains(&format!(
                    "backup: {ROGUE} is active with the higher priority 200"
                ))
                .then_some(())
        });
    }
}

#[test]
#[ignore = "needs the lab"]
fn bad_adverts_of_version_3_are_named_and_change_nothing() {
    discards(
        "interval = \"100ms\"",
        &of_version_3(),
        Some(&Forged::new(V3)),
    );
}

#[test]
#[ignore = "needs the lab"]
fn bad_adverts_of_version_2_are_named_and_change_nothing() {
    let settings = "version = 2\npassword = \"1111\"";
    let good = Forged::new(Says {
        version: Version::V2,
        centiseconds: 100,
        auth: Auth::Password(Password::new("1111").unwrap()),
        form: ChecksumForm::Message,
        ..V3
    });
    discards(settings, &of_version_2(), Some(&good));
}

#[test]
#[ignore = "needs the lab"]
fn adverts_of_strangers_are_named_and_change_nothing_with_peers() {
    let settings = "interval = \"100ms\"\npeers = [\"10.0.0.2\"]";
    discards(settings, &of_unicast(), None);
}

/// Another pair on the link has our id.
#[test]
#[ignore = "needs the lab"]
fn a_foreign_router_with_our_id_is_named_with_what_it_holds() {
    let link = Link::new();
    let settings = "interval = \"100ms\"\npreempt = true";
    let director = Daemon::start(&link.a, &file(150, settings));
    becomes(&director, "active");
    let rogue = Rogue::on(&link.client);
    let address = Ipv4Addr::new(10, 0, 0, 200);
    let logs = |part: &str| {
        eventually(&format!("the log says `{part}`"), || {
            director.log().contains(part).then_some(())
        });
    };
    // Of lower priority: it should give way, and does not.
    let lower = Forged::new(Says {
        priority: 90,
        address,
        ..V3
    });
    eventually("it is said that it does not give way", || {
        rogue.send(&lower);
        director
            .log()
            .contains("10.0.0.9 does not give way")
            .then_some(())
    });
    logs("id 51 on eth0: 10.0.0.9 is active too, with priority 90");
    logs("id 51 on eth0: the peer advertises 1 address, this router 1, and they differ");
    assert_eq!(role(&director), "active");
    logs("no other router is active any more");
    // Of higher priority: it takes our addresses, and serves nobody with them.
    let higher = Forged::new(Says { address, ..V3 });
    eventually("director gives way", || {
        rogue.send(&higher);
        (role(&director) == "backup").then_some(())
    });
    logs("backup: 10.0.0.9 is active with the higher priority 200");
    // When it is gone, all is as before.
    becomes(&director, "active");
}
