//! Every encapsulation, each family in each: what it looks like on the wire, and that it was
//! unpacked by the device made for it.
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
    Protocol::Tcp,
};

/// Every device that could unpack something.
const DEVICES: [&str; 5] = ["ipip", "sit", "ip6tnl", "gre", "ip6gre"];

/// IP protocol numbers of what stands between the two IP headers.
const IPIP: u8 = 4;
const UDP: u8 = 17;
const IPV6: u8 = 41;
const GRE: u8 = 47;

/// The device that unpacks `inner` in `outer`, if nothing or GUE stands between them.
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

/// Ten connections through `tunnel` for each combination of families, which must come out of
/// `device` and nowhere else. Returns what was on the wire, by combination.
fn carry(
    net: &Lan,
    tunnel: Tunnel,
    device: fn(Family, Family) -> &'static str,
) -> Vec<(Family, Vec<Packet>)> {
    let _web = net.serve(Tcp, 80);
    let real = net.real(1);
    let mut wire = real.tap();
    let mut seen = Vec::new();
    for (inner, outer) in [(V4, V4), (V6, V6), (V4, V6), (V6, V4)] {
        let web = service(Tcp, net.service(inner, 80), "rr");
        let server = tun(net.server(outer, 1, 80)).tunnel(tunnel);
        balance(&net.director, &web, [server]);
        let before = DEVICES.map(|device| real.packets_into(device));
        let answers = net
            .client(1)
            .ask(Tcp, net.service(inner, 80))
            .times(10)
            .run();
        assert_eq!(answers.to_string(), "real1=10", "{inner:?} in {outer:?}");
        unbalance(&net.director, &web);

        let packets = wire.packets_to(real.address(outer));
        // SYN, ACK, request, and most often the ACK of the answer and FIN too.
        assert!(
            packets.len() >= 30,
            "{inner:?} in {outer:?}: {} packets",
            packets.len()
        );
        for (name, before) in DEVICES.into_iter().zip(before) {
            let unpacked = real.packets_into(name) - before;
            let expected = name == device(inner, outer);
            assert_eq!(
                unpacked >= 30,
                expected,
                "{inner:?} in {outer:?}: {unpacked} packets out of {name}"
            );
        }
        seen.push((inner, packets));
    }
    seen
}

/// Of GUE packets: the UDP checksum, and the flags of the header behind it
/// (draft-ietf-intarea-gue, as `struct guehdr` has it).
fn gue_headers(seen: Vec<(Family, Vec<Packet>)>) -> Vec<(u16, u16)> {
    let word = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let packets = seen.into_iter().flat_map(|(_, packets)| packets);
    let headers = packets
        .filter(|packet| packet.protocol == UDP)
        .map(|packet| {
            assert_eq!(word(&packet.payload, 2), GUE_PORT, "destination port");
            (word(&packet.payload, 6), word(&packet.payload, 10))
        });
    headers.collect()
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn ipip() {
    let net = Lan::tun().real_servers(1).build();
    for (inner, packets) in carry(&net, Tunnel::IPIP, plain) {
        let expected = if inner == V4 { IPIP } else { IPV6 };
        assert!(
            packets.iter().all(|packet| packet.protocol == expected),
            "{inner:?} goes as protocol {expected}"
        );
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gue_without_a_checksum() {
    let net = Lan::tun().real_servers(1).build();
    let seen = carry(&net, Tunnel::gue(GUE_PORT, TunnelFlags::NONE), plain);
    let headers = gue_headers(seen);
    assert!(headers.len() >= 120, "{} packets", headers.len());
    assert!(
        headers.iter().all(|header| *header == (0, 0)),
        "no UDP checksum, no flags: {headers:x?}"
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gue_with_a_checksum() {
    let net = Lan::tun().real_servers(1).build();
    let seen = carry(&net, Tunnel::gue(GUE_PORT, TunnelFlags::CSUM), plain);
    let headers = gue_headers(seen);
    assert!(headers.len() >= 120, "{} packets", headers.len());
    assert!(
        headers
            .iter()
            .all(|(checksum, flags)| *checksum != 0 && *flags == 0),
        "a UDP checksum, no flags: {headers:x?}"
    );
}

/// Remote checksum offload is for packets whose own checksum is still to be filled in
/// (`ipvs_gue_encap` wants `CHECKSUM_PARTIAL`): here, those that a virtual cable brought.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gue_with_a_remote_checksum() {
    const PRIVATE: u16 = 0x0001;
    let net = Lan::tun().real_servers(1).build();
    let seen = carry(&net, Tunnel::gue(GUE_PORT, TunnelFlags::REMCSUM), plain);
    let headers = gue_headers(seen);
    assert!(headers.len() >= 120, "{} packets", headers.len());
    assert!(
        headers.iter().all(|(_, flags)| *flags == PRIVATE),
        "the flag that the option's field is there: {headers:x?}"
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gre_without_a_checksum() {
    let net = Lan::tun().real_servers(1).build();
    for (inner, packets) in carry(&net, Tunnel::gre(TunnelFlags::NONE), gre) {
        for packet in packets {
            assert_eq!(packet.protocol, GRE, "{inner:?}");
            assert_eq!(packet.payload[0] & 0x80, 0, "{inner:?}: no checksum");
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gre_with_a_checksum() {
    let net = Lan::tun().real_servers(1).gre_checksum().build();
    for (inner, packets) in carry(&net, Tunnel::gre(TunnelFlags::CSUM), gre) {
        for packet in packets {
            assert_eq!(packet.protocol, GRE, "{inner:?}");
            assert_eq!(packet.payload[0] & 0x80, 0x80, "{inner:?}: a checksum");
        }
    }
}
