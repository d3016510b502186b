//! Every way to speak VRRP with keepalived and FRR, and what must work in each: election, takeover,
//! preemption, shutdown, with director's priority above, below and equal to the peer's.
//!
//! FRR's vrrpd has no unicast, and version 2 has no IPv6. A row is a test; a test goes through the
//! three priorities.

use vrrp::Version::{self, V2, V3};

use super::peer::Peer;
use super::{Link, becomes, counter, has, role, sends};
use crate::daemon::Daemon;
use crate::lab::{Family, Host, V4, V6, eventually};

/// The other program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Keepalived,
    Frr,
}

/// How adverts travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Multicast,
    Unicast,
}

use Program::{Frr, Keepalived};
use Way::{Multicast, Unicast};

/// A row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) program: Program,
    pub(super) version: Version,
    pub(super) family: Family,
    pub(super) way: Way,
}

/// The peer's priority.
pub(super) const THEIRS: u8 = 100;

macro_rules! rows {
    ($($test:ident: $program:ident $version:ident $family:ident $way:ident;)*) => {
        $(
            #[test]
            #[ignore = "needs the lab"]
            fn $test() {
                play(Row {
                    program: $program,
                    version: $version,
                    family: $family,
                    way: $way,
                });
            }
        )*
    };
}

rows! {
    keepalived_version_2_ipv4_multicast: Keepalived V2 V4 Multicast;
    keepalived_version_2_ipv4_unicast:   Keepalived V2 V4 Unicast;
    keepalived_version_3_ipv4_multicast: Keepalived V3 V4 Multicast;
    keepalived_version_3_ipv4_unicast:   Keepalived V3 V4 Unicast;
    keepalived_version_3_ipv6_multicast: Keepalived V3 V6 Multicast;
    keepalived_version_3_ipv6_unicast:   Keepalived V3 V6 Unicast;
    frr_version_2_ipv4_multicast:        Frr        V2 V4 Multicast;
    frr_version_3_ipv4_multicast:        Frr        V3 V4 Multicast;
    frr_version_3_ipv6_multicast:        Frr        V3 V6 Multicast;
}

fn play(row: Row) {
    above(row);
    below(row);
    equal(row);
}

/// Two machines with one of each program.
struct Stage {
    link: Link,
    row: Row,
}

impl Stage {
    fn new(row: Row) -> Self {
        let link = Link::new();
        Self { link, row }
    }

    fn peer(&self) -> Peer<'_> {
        Peer::start(&self.link.b, &self.link.a, self.row)
    }

    fn director(&self, priority: u8) -> Daemon<'_> {
        Daemon::start(&self.link.a, &self.file(priority))
    }

    fn file(&self, priority: u8) -> String {
        let (address, interval) = (self.row.address(), self.row.interval_ms());
        let version = self.row.version.number();
        let mut peers = match self.row.way {
            Multicast => String::new(),
            Unicast => format!("peers = [\"{}\"]", self.row.sender(&self.link.b)),
        };
        if (self.row.program, self.row.family, self.row.way) == (Keepalived, V6, Unicast) {
            // keepalived 2.2.7 leaves the hop limit of these at the kernel's 64.
            peers.push_str("\nhop_limit = 64");
        }
        format!(
            "version = 1
[failover.front]
id = 51
version = {version}
interface = \"eth0\"
priority = {priority}
interval = \"{interval}ms\"
addresses = [\"{address}\"]
{peers}
"
        )
    }

    /// director has the address, and the peer does not serve it.
    #[track_caller]
    fn director_has_it(&self, director: &Daemon<'_>, peer: &Peer<'_>) {
        becomes(director, "active");
        peer.becomes_backup();
        let address = self.row.address();
        eventually("director has the address", || {
            has(&self.link.a, address).then_some(())
        });
    }

    /// The other way round.
    #[track_caller]
    fn peer_has_it(&self, director: &Daemon<'_>, peer: &Peer<'_>) {
        peer.becomes_active();
        becomes(director, "backup");
        self.director_has_it_not();
    }

    #[track_caller]
    fn director_has_it_not(&self) {
        let address = self.row.address();
        eventually("director has let go", || {
            (!has(&self.link.a, address)).then_some(())
        });
    }

    /// The cable of one of them is cut until something has happened.
    fn cut(&self, cable: &str, until: impl FnOnce()) {
        self.link.switch.turn(cable, false);
        until();
        self.link.switch.turn(cable, true);
    }

    /// None of the peer's adverts was wrong.
    #[track_caller]
    fn understood(&self, director: &Daemon<'_>) {
        assert_eq!(counter(director, "discarded"), 0, "{}", director.log());
    }
}

/// director's priority is higher.
fn above(row: Row) {
    let stage = Stage::new(row);
    let peer = stage.peer();
    peer.becomes_active();
    let mut director = stage.director(THEIRS + 50);
    stage.director_has_it(&director, &peer);
    director.stop();
    peer.becomes_active();
    director.launch();
    stage.director_has_it(&director, &peer);
    stage.cut("a-eth0", || {
        peer.becomes_active();
        becomes(&director, "fault");
        stage.director_has_it_not();
    });
    stage.director_has_it(&director, &peer);
    stage.understood(&director);
}

/// The peer's is.
fn below(row: Row) {
    let stage = Stage::new(row);
    let director = stage.director(THEIRS - 50);
    becomes(&director, "active");
    let mut peer = stage.peer();
    stage.peer_has_it(&director, &peer);
    peer.stop();
    becomes(&director, "active");
    peer.launch();
    stage.peer_has_it(&director, &peer);
    stage.cut("b-eth0", || becomes(&director, "active"));
    stage.peer_has_it(&director, &peer);
    stage.understood(&director);
}

/// The active director stays active.
fn equal(row: Row) {
    let stage = Stage::new(row);
    let mut peer = stage.peer();
    peer.becomes_active();
    let director = stage.director(THEIRS);
    let heard = || counter(&director, "received");
    eventually("adverts are heard", || (heard() > 5).then_some(()));
    assert_eq!(role(&director), "backup", "{}", director.log());
    assert_eq!(counter(&director, "became_active"), 0);
    peer.stop();
    becomes(&director, "active");
    let before = heard();
    peer.launch();
    sends(&director, 10);
    assert_eq!(role(&director), "active", "{}", director.log());
    assert_eq!(
        heard(),
        before,
        "the peer sends nothing: {}",
        director.log()
    );
    // The cut one comes back, and does not claim.
    stage.cut("a-eth0", || {
        peer.becomes_active();
        becomes(&director, "fault");
    });
    stage.peer_has_it(&director, &peer);
    stage.understood(&director);
}

impl Row {
    pub(super) const fn address(self) -> &'static str {
        match self.family {
            Family::V4 => super::VIRTUAL,
            Family::V6 => "fd00::100",
        }
    }

    /// Whole seconds in version 2. In version 3 more than a guest that is short of time is late.
    pub(super) const fn interval_ms(self) -> u32 {
        match self.version {
            Version::V2 => 1000,
            Version::V3 => 500,
        }
    }

    /// The address from which a host sends its adverts.
    pub(super) fn sender(self, host: &Host) -> String {
        if self.family == V4 {
            return host.address(V4).to_string();
        }
        let shown = host.run("ip -6 -oneline address show dev eth0 scope link");
        let mut words = shown.split_whitespace();
        let found = words.find_map(|word| word.strip_suffix("/64"));
        found.expect("eth0 has a link-local address").to_owned()
    }
}
