//! Every encapsulation, each family in each: its form on the wire, and that the right device
//! unpacked it.
//!
//! ```text
//!   client ── TCP ──► director ══ outer IP [UDP+GUE | GRE | -] inner IP, TCP ══► real server
//!                                   ▲ seen by a tap on the real server             device counts
//! ```

use ipvs::{Tunnel, TunnelFlags};

use super::{balance, service, tun, unbalance};
use crate::lab::{
    Family::{self, V4, V6},
    GUE_PORT, Lan, Packet,
    Protocol::{self, Tcp},
};

/// Every device that can unpack something.
const DEVICES: [&str; 5] = ["ipip", "sit", "ip6tnl", "gre", "ip6gre"];

/// IP protocol numbers between the two IP headers.
const IPIP: u8 = 4;
const UDP: u8 = 17;
const IPV6: u8 = 41;
const GRE: u8 = 47;

/// The device that unpacks `inner` in `outer`, without a header or with GUE between them.
fn plain(inner: Family, outer: Family) -> &'static str {
    match (inner, outer) {
        (V4, V4) => "ipip",
        (V6, V4) => "sit",
        (_, V6) => "ip6tnl",
    }
}

/// The device that unpacks GRE.
fn gre(_inner: Family, outer: Family) -> &'static str {
    match outer {
        V4 => "gre",
        V6 => "ip6gre",
    }
}

/// Six requests of each protocol through `tunnel` for each combination of families, which must come
/// out of `device` and nowhere else. Returns the packets on the wire.
fn carry(net: &Lan, tunnel: Tunnel, device: fn(Family, Family) -> &'static str) -> Vec<Seen> {
    let combinations = [(V4, V4), (V6, V6), (V4, V6), (V6, V4)];
    let mut wire = net.real(1).tap();
    let mut seen = Vec::new();
    for protocol in Protocol::ALL {
        let _serving = net.serve(protocol, 80);
        for (inner, outer) in combinations {
            let what = format!("{protocol}, {inner:?} in {outer:?}");
            let web = service(protocol, net.service(inner, 80), "rr");
            let server = tun(net.server(outer, 1, 80)).tunnel(tunnel);
            balance(&net.director, &web, [server]);
            let before = unpacked(net);
            let answers = net
                .client(1)
                .ask(protocol, net.service(inner, 80))
                .times(6)
                .run();
            assert_eq!(answers.to_string(), "real1=6", "{what}");
            let after = unpacked(net);
            unbalance(&net.director, &web);

            let packets = wire.packets_to(net.real(1).address(outer));
            assert!(packets.len() >= 6, "{what}: {} packets", packets.len());
            for (index, name) in DEVICES.into_iter().enumerate() {
                let packets = after[index] - before[index];
                assert_eq!(
                    packets >= 6,
                    name == device(inner, outer),
                    "{what}: {packets} packets out of {name}"
                );
            }
            seen.push(Seen {
                protocol,
                inner,
                packets,
            });
        }
    }
    seen
}

/// The number of packets that each device has unpacked.
fn unpacked(net: &Lan) -> [u64; DEVICES.len()] {
    DEVICES.map(|device| net.real(1).packets_into(device))
}

/// The packets that carried `protocol` over the family `inner`.
struct Seen {
    protocol: Protocol,
    inner: Family,
    packets: Vec<Packet>,
}

/// Of a GUE packet: the UDP checksum, and the flags of the header behind it
/// (draft-ietf-intarea-gue, as in `struct guehdr`).
fn gue_header(packet: &Packet) -> (u16, u16) {
    let word = |at: usize| u16::from_be_bytes([packet.payload[at], packet.payload[at + 1]]);
    assert_eq!((packet.protocol, word(2)), (UDP, GUE_PORT));
    (word(6), word(10))
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn ipip() {
    let net = Lan::tun().real_servers(1).build();
    for seen in carry(&net, Tunnel::IPIP, plain) {
        let expected = if seen.inner == V4 { IPIP } else { IPV6 };
        for packet in seen.packets {
            assert_eq!(packet.protocol, expected, "{:?}", seen.inner);
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gue_without_a_checksum() {
    let net = Lan::tun().real_servers(1).build();
    for seen in carry(&net, Tunnel::gue(GUE_PORT, TunnelFlags::NONE), plain) {
        for packet in seen.packets {
            assert_eq!(gue_header(&packet), (0, 0), "no UDP checksum, no flags");
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gue_with_a_checksum() {
    let net = Lan::tun().real_servers(1).build();
    for seen in carry(&net, Tunnel::gue(GUE_PORT, TunnelFlags::CSUM), plain) {
        for packet in seen.packets {
            let (checksum, flags) = gue_header(&packet);
            assert_ne!(checksum, 0, "a UDP checksum");
            assert_eq!(flags, 0, "no flags");
        }
    }
}

/// Remote checksum offload is for packets whose own checksum is not filled in yet (`ipvs_gue_encap`
/// requires `CHECKSUM_PARTIAL`): here, those from a virtual cable.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gue_with_a_remote_checksum() {
    /// There is a field for an option.
    const PRIVATE: u16 = 0x0001;
    let net = Lan::tun().real_servers(1).build();
    for seen in carry(&net, Tunnel::gue(GUE_PORT, TunnelFlags::REMCSUM), plain) {
        // Not every packet: a stack that answers without a socket, such as from TIME_WAIT, fills in
        // the checksum itself.
        let flagged = |packet: &&Packet| gue_header(packet).1 == PRIVATE;
        let flagged = seen.packets.iter().filter(flagged).count();
        assert!(flagged >= 6, "{}: {flagged} packets", seen.protocol);
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gre_without_a_checksum() {
    let net = Lan::tun().real_servers(1).build();
    for seen in carry(&net, Tunnel::gre(TunnelFlags::NONE), gre) {
        for packet in seen.packets {
            assert_eq!(packet.protocol, GRE);
            assert_eq!(packet.payload[0] & 0x80, 0, "no checksum");
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gre_with_a_checksum() {
    let net = Lan::tun().real_servers(1).gre_checksum().build();
    for seen in carry(&net, Tunnel::gre(TunnelFlags::CSUM), gre) {
        for packet in seen.packets {
            assert_eq!(packet.protocol, GRE);
            assert_eq!(packet.payload[0] & 0x80, 0x80, "a checksum");
        }
    }
}

/// A packet that does not fit through a tunnel is refused with the size that does (RFC 1191, RFC
/// 8201): the client's TCP learns it and sends smaller segments.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn long_requests_are_cut_to_what_the_tunnel_takes() {
    let net = Lan::tun().real_servers(1).build();
    let _web = net.serve(Tcp, 80);
    // One segment per packet: virtual cables accept bundles of them that no real one would.
    net.client(1).ip("link set eth0 gso_max_segs 1\n");
    let mut wire = net.real(1).tap();
    let long = [vec![b'?'; 20_000], vec![b'\n']].concat();
    let tunnels = [
        Tunnel::IPIP,
        Tunnel::gue(GUE_PORT, TunnelFlags::REMCSUM),
        Tunnel::gre(TunnelFlags::NONE),
    ];
    for (inner, outer) in [(V4, V4), (V6, V6), (V4, V6), (V6, V4)] {
        for tunnel in tunnels {
            let what = format!("{inner:?} in {outer:?}, {tunnel:?}");
            let web = service(Tcp, net.service(inner, 80), "rr");
            let server = tun(net.server(outer, 1, 80)).tunnel(tunnel);
            balance(&net.director, &web, [server]);
            let mut held = net
                .client(1)
                .connect(Tcp, net.service(inner, 80))
                .expect("a connection");
            assert_eq!(held.say(&long).as_deref(), Ok("real1"), "{what}");
            unbalance(&net.director, &web);
            let packets = wire.packets_to(net.real(1).address(outer));
            let longest = packets.iter().map(|packet| packet.payload.len()).max();
            // Ethernet's 1500 bytes, minus the outer IP header.
            let room = if outer == V4 { 1480 } else { 1460 };
            assert!(
                longest.is_some_and(|length| (1400..=room).contains(&length)),
                "{what}: {longest:?}"
            );
        }
    }
}
