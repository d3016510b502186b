//! keepalived or FRR as the other side of a pair.

use super::frr::Frr;
use super::matrix::{Program, Row, THEIRS, Way};
use super::{Keepalived, has};
use crate::lab::{Family, Host, eventually};

/// The link-local address with which director's IPv6 lists begin, for id 51.
const LINK_LOCAL: &str = "fe80::200:5eff:fe00:233";

/// The other program, on a host.
pub(super) struct Peer<'h> {
    host: &'h Host,
    row: Row,
    runs: Runs<'h>,
}

enum Runs<'h> {
    Keepalived {
        process: Keepalived,
        instance: String,
    },
    Frr(Frr<'h>),
}

impl<'h> Peer<'h> {
    /// Starts it. It sends to the other host if the row says so.
    pub(super) fn start(host: &'h Host, other: &Host, row: Row) -> Self {
        let runs = match row.program {
            Program::Keepalived => {
                let instance = instance(row, other);
                let process = Keepalived::start(host, &instance);
                Runs::Keepalived { process, instance }
            }
            Program::Frr => Runs::Frr(Frr::start_as(host, row)),
        };
        Self { host, row, runs }
    }

    #[track_caller]
    pub(super) fn becomes_active(&self) {
        match &self.runs {
            Runs::Keepalived { .. } => eventually("keepalived has the address", || {
                has(self.host, self.row.address()).then_some(())
            }),
            Runs::Frr(frr) => frr.becomes("Master"),
        }
    }

    #[track_caller]
    pub(super) fn becomes_backup(&self) {
        match &self.runs {
            Runs::Keepalived { .. } => eventually("keepalived has let go", || {
                (!has(self.host, self.row.address())).then_some(())
            }),
            Runs::Frr(frr) => frr.becomes("Backup"),
        }
    }

    /// It ends, and says so.
    pub(super) fn stop(&mut self) {
        match &mut self.runs {
            Runs::Keepalived { process, .. } => process.stop(),
            Runs::Frr(frr) => frr.stop(),
        }
    }

    /// It starts again.
    pub(super) fn launch(&mut self) {
        match &mut self.runs {
            Runs::Keepalived { process, instance } => {
                *process = Keepalived::start(self.host, instance);
            }
            Runs::Frr(frr) => frr.launch(),
        }
    }
}

/// keepalived's configuration.
fn instance(row: Row, other: &Host) -> String {
    let (version, address) = (row.version.number(), row.address());
    let interval = f64::from(row.interval_ms()) / 1000.0;
    let peers = match row.way {
        Way::Multicast => String::new(),
        Way::Unicast => format!("unicast_peer {{\n        {}\n    }}", row.sender(other)),
    };
    let link_local = match row.family {
        Family::V4 => "",
        Family::V6 => LINK_LOCAL,
    };
    format!(
        "    version {version}
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {THEIRS}
    advert_int {interval}
    {peers}
    virtual_ipaddress {{
        {link_local}
        {address}
    }}"
    )
}

/// FRR's configuration, and the lines for `ip -batch` that make its macvlan interface.
pub(super) fn frr(row: Row) -> (String, String) {
    let (version, interval, address) = (row.version.number(), row.interval_ms(), row.address());
    let (word, device, mac, addresses) = match row.family {
        Family::V4 => ("ip", "vrrp4-51", "00:00:5e:00:01:33", vec![address]),
        Family::V6 => (
            "ipv6",
            "vrrp6-51",
            "00:00:5e:00:02:33",
            vec![LINK_LOCAL, address],
        ),
    };
    let mut text = format!(
        "interface eth0
 vrrp 51 version {version}
 vrrp 51 priority {THEIRS}
 vrrp 51 advertisement-interval {interval}
"
    );
    let mut batch = format!(
        "link add {device} link eth0 type macvlan mode bridge
link set {device} address {mac}
"
    );
    if row.family == Family::V6 {
        // The one that follows from the card's address is virtual; FRR sends from this one.
        batch.push_str(&format!(
            "link set {device} addrgenmode none\naddr add fe80::2:33/64 dev {device} nodad\n"
        ));
    }
    for address in addresses {
        text.push_str(&format!(" vrrp 51 {word} {address}\n"));
        let length = if row.family == Family::V4 { 32 } else { 128 };
        batch.push_str(&format!("addr add {address}/{length} dev {device}\n"));
    }
    batch.push_str(&format!("link set {device} up\n"));
    (text, batch)
}
