//! `IPVS_DEST_ATTR_*`.

use ipvs::wire::decode_server;
use ipvs::{
    DecodeError, Family, ForwardMethod, Operation, Server, ServerKey, ServiceKey, Stats, Tunnel,
    TunnelFlags, TunnelKind, Weight,
};

use crate::bytes::{hex, nest, split, value, with, without};
use crate::captured::{
    ADD_SERVER_GRE_V6, ADD_SERVER_GUE, ADD_SERVER_THRESHOLDS, SERVER_COUNTED, SERVER_GRE_V6,
    SERVER_GUE, SERVER_THRESHOLDS,
};

const ADDR: u16 = 1;
const PORT: u16 = 2;
const FWD_METHOD: u16 = 3;
const WEIGHT: u16 = 4;
const U_THRESH: u16 = 5;
const L_THRESH: u16 = 6;
const ACTIVE_CONNS: u16 = 7;
const INACT_CONNS: u16 = 8;
const PERSIST_CONNS: u16 = 9;
const STATS: u16 = 10;
const ADDR_FAMILY: u16 = 11;
const STATS64: u16 = 12;
const TUN_TYPE: u16 = 13;
const TUN_PORT: u16 = 14;
const TUN_FLAGS: u16 = 15;

/// `IPVS_CMD_ATTR_DEST`.
const NEST: u16 = 2;

fn thresholds() -> Server {
    Server::new(
        ServerKey::new([10, 0, 0, 11], 8080),
        ForwardMethod::Masquerade,
    )
    .weight(Weight::new(50).unwrap())
    .thresholds(5000, 4000)
}

fn gue() -> Server {
    Server::new(ServerKey::new([10, 0, 0, 12], 80), ForwardMethod::Tunnel)
        .tunnel(Tunnel::gue(6080, TunnelFlags::CSUM))
}

fn gre_v6() -> Server {
    let address = [0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x12];
    Server::new(ServerKey::new(address, 80), ForwardMethod::Tunnel)
        .tunnel(Tunnel::gre(TunnelFlags::NONE))
}

fn encoded(server: Server) -> Vec<u8> {
    let web = ServiceKey::tcp([192, 0, 2, 10], 80);
    nest(Operation::AddServer(web, server), NEST)
}

#[track_caller]
fn decoded(nest: &[u8]) -> Server {
    decode_server(nest, Family::V4).unwrap().server
}

#[track_caller]
fn refused(nest: &[u8]) -> DecodeError {
    decode_server(nest, Family::V4).unwrap_err()
}

#[track_caller]
fn short_is_an_error_and_long_is_not(nest: &str, kind: u16, enough: usize) {
    let nest = hex(nest);
    let whole = hex(&value(&nest, kind));
    for length in 0..enough {
        let error = refused(&with(&nest, kind, &whole[..length]));
        assert!(
            matches!(error, DecodeError::Short { needed, .. } if needed == enough),
            "{length} bytes: {error}"
        );
    }
    let longer = [whole, vec![0xaa; 5]].concat();
    assert_eq!(
        decode_server(&with(&nest, kind, &longer), Family::V4),
        decode_server(&nest, Family::V4)
    );
}

#[test]
fn whole_servers_as_the_kernel_writes_them() {
    assert_eq!(decoded(&hex(SERVER_THRESHOLDS)), thresholds());
    assert_eq!(decoded(&hex(SERVER_GUE)), gue());
    assert_eq!(decoded(&hex(SERVER_GRE_V6)), gre_v6());
}

#[test]
fn whole_servers_as_ipvsadm_writes_them() {
    // The same attributes in another order; ipvsadm sends plain IPIP explicitly, this library does
    // not.
    let sorted = |nest: &[u8]| {
        let mut attributes = split(nest);
        attributes.sort();
        attributes
    };
    assert_eq!(sorted(&encoded(gue())), sorted(&hex(ADD_SERVER_GUE)));
    assert_eq!(sorted(&encoded(gre_v6())), sorted(&hex(ADD_SERVER_GRE_V6)));
    let mut theirs = sorted(&hex(ADD_SERVER_THRESHOLDS));
    theirs.retain(|(kind, value)| !(TUN_TYPE..=TUN_FLAGS).contains(kind) || value[0] != 0);
    assert_eq!(sorted(&encoded(thresholds())), theirs);
}

#[test]
fn address_and_its_family() {
    let v4 = "0a 00 00 0b 00 00 00 00 00 00 00 00 00 00 00 00";
    assert_eq!(value(&encoded(thresholds()), ADDR), v4);
    assert_eq!(value(&hex(SERVER_THRESHOLDS), ADDR), v4);
    assert_eq!(value(&encoded(thresholds()), ADDR_FAMILY), "02 00");
    let v6 = "20 01 0d b8 00 01 00 00 00 00 00 00 00 00 00 12";
    assert_eq!(value(&encoded(gre_v6()), ADDR), v6);
    assert_eq!(value(&hex(SERVER_GRE_V6), ADDR), v6);
    assert_eq!(value(&encoded(gre_v6()), ADDR_FAMILY), "0a 00");
    assert_eq!(value(&hex(SERVER_GRE_V6), ADDR_FAMILY), "0a 00");
    short_is_an_error_and_long_is_not(SERVER_THRESHOLDS, ADDR, 4);
    short_is_an_error_and_long_is_not(SERVER_THRESHOLDS, ADDR_FAMILY, 2);
    let missing = refused(&without(&hex(SERVER_GUE), ADDR));
    assert!(matches!(missing, DecodeError::Missing { .. }), "{missing}");
    let unix = refused(&with(&hex(SERVER_GUE), ADDR_FAMILY, &[1, 0]));
    assert!(
        matches!(unix, DecodeError::Value { value: 1, .. }),
        "{unix}"
    );
}

#[test]
fn a_kernel_that_does_not_say_the_family_means_that_of_the_service() {
    // Kernels before 3.18.
    let v4 = without(&hex(SERVER_THRESHOLDS), ADDR_FAMILY);
    assert_eq!(decode_server(&v4, Family::V4).unwrap().server, thresholds());
    let v6 = without(&hex(SERVER_GRE_V6), ADDR_FAMILY);
    assert_eq!(decode_server(&v6, Family::V6).unwrap().server, gre_v6());
}

#[test]
fn port_is_big_endian() {
    assert_eq!(value(&encoded(thresholds()), PORT), "1f 90");
    assert_eq!(value(&hex(SERVER_THRESHOLDS), PORT), "1f 90");
    short_is_an_error_and_long_is_not(SERVER_THRESHOLDS, PORT, 2);
    let missing = refused(&without(&hex(SERVER_GUE), PORT));
    assert!(matches!(missing, DecodeError::Missing { .. }), "{missing}");
}

#[test]
fn forwarding_method() {
    assert_eq!(value(&hex(SERVER_THRESHOLDS), FWD_METHOD), "00 00 00 00");
    assert_eq!(value(&hex(SERVER_GUE), FWD_METHOD), "02 00 00 00");
    for (method, bytes) in [
        (ForwardMethod::Masquerade, "00 00 00 00"),
        (ForwardMethod::Local, "01 00 00 00"),
        (ForwardMethod::Tunnel, "02 00 00 00"),
        // `ipvsadm -a -t 192.0.2.10:80 -r 10.0.0.12:80 -g`
        (ForwardMethod::DirectRoute, "03 00 00 00"),
        (ForwardMethod::Bypass, "04 00 00 00"),
        (ForwardMethod::Other(7), "07 00 00 00"),
    ] {
        let server = Server::new(thresholds().key, method);
        assert_eq!(value(&encoded(server), FWD_METHOD), bytes);
        assert_eq!(decoded(&encoded(server)).forward, method);
    }
    // The other bits of the word are connection flags.
    let flags = with(&hex(SERVER_GUE), FWD_METHOD, &hex("02 01 00 80"));
    assert_eq!(decoded(&flags).forward, ForwardMethod::Tunnel);
    short_is_an_error_and_long_is_not(SERVER_GUE, FWD_METHOD, 4);
}

#[test]
fn weight() {
    assert_eq!(value(&encoded(thresholds()), WEIGHT), "32 00 00 00");
    assert_eq!(value(&hex(SERVER_THRESHOLDS), WEIGHT), "32 00 00 00");
    assert_eq!(
        value(&encoded(thresholds().weight(Weight::MAX)), WEIGHT),
        "ff ff ff 7f"
    );
    short_is_an_error_and_long_is_not(SERVER_THRESHOLDS, WEIGHT, 4);
    let negative = refused(&with(&hex(SERVER_THRESHOLDS), WEIGHT, &[255; 4]));
    assert!(matches!(negative, DecodeError::Value { .. }), "{negative}");
}

#[test]
fn both_thresholds() {
    assert_eq!(value(&encoded(thresholds()), U_THRESH), "88 13 00 00");
    assert_eq!(value(&hex(SERVER_THRESHOLDS), U_THRESH), "88 13 00 00");
    assert_eq!(value(&encoded(thresholds()), L_THRESH), "a0 0f 00 00");
    assert_eq!(value(&hex(SERVER_THRESHOLDS), L_THRESH), "a0 0f 00 00");
    short_is_an_error_and_long_is_not(SERVER_THRESHOLDS, U_THRESH, 4);
    short_is_an_error_and_long_is_not(SERVER_THRESHOLDS, L_THRESH, 4);
}

#[test]
fn connection_counts() {
    let nest = hex(SERVER_COUNTED);
    assert_eq!(value(&nest, ACTIVE_CONNS), "00 00 00 00");
    assert_eq!(value(&nest, INACT_CONNS), "06 00 00 00");
    assert_eq!(value(&nest, PERSIST_CONNS), "01 00 00 00");
    let entry = decode_server(&nest, Family::V4).unwrap();
    assert_eq!((entry.active, entry.inactive, entry.persistent), (0, 6, 1));
    let busy = with(&nest, ACTIVE_CONNS, &[0, 0, 0, 0x80]);
    assert_eq!(
        decode_server(&busy, Family::V4).unwrap().active,
        0x8000_0000
    );
    for kind in [ACTIVE_CONNS, INACT_CONNS, PERSIST_CONNS] {
        short_is_an_error_and_long_is_not(SERVER_COUNTED, kind, 4);
    }
}

#[test]
fn tunnel_type_port_and_flags() {
    assert_eq!(value(&encoded(gue()), TUN_TYPE), "01");
    assert_eq!(value(&hex(SERVER_GUE), TUN_TYPE), "01");
    assert_eq!(value(&encoded(gre_v6()), TUN_TYPE), "02");
    assert_eq!(value(&hex(SERVER_GRE_V6), TUN_TYPE), "02");
    assert_eq!(value(&encoded(gue()), TUN_PORT), "17 c0", "big-endian");
    assert_eq!(value(&hex(SERVER_GUE), TUN_PORT), "17 c0");
    assert_eq!(value(&encoded(gue()), TUN_FLAGS), "01 00");
    assert_eq!(value(&hex(SERVER_GUE), TUN_FLAGS), "01 00");
    let offload = gue().tunnel(Tunnel::gue(6080, TunnelFlags::REMCSUM));
    assert_eq!(value(&encoded(offload), TUN_FLAGS), "02 00");
    short_is_an_error_and_long_is_not(SERVER_GUE, TUN_TYPE, 1);
    short_is_an_error_and_long_is_not(SERVER_GUE, TUN_PORT, 2);
    short_is_an_error_and_long_is_not(SERVER_GUE, TUN_FLAGS, 2);
    let later = decoded(&with(&hex(SERVER_GUE), TUN_TYPE, &[9]));
    assert_eq!(later.tunnel.kind, TunnelKind::Other(9));
}

#[test]
fn plain_ipip_is_what_no_tunnel_attribute_means() {
    let ipip = Server::new(thresholds().key, ForwardMethod::Tunnel);
    let nest = encoded(ipip);
    let kinds: Vec<u16> = split(&nest).iter().map(|(kind, _)| *kind).collect();
    assert!(kinds.iter().all(|kind| *kind < TUN_TYPE), "{kinds:?}");
    assert_eq!(decoded(&nest).tunnel, Tunnel::IPIP);
    // A kernel before 5.2 knows none of these three.
    let old = (TUN_TYPE..=TUN_FLAGS).fold(hex(SERVER_GUE), |nest, kind| without(&nest, kind));
    assert_eq!(decoded(&old).tunnel, Tunnel::IPIP);
}

#[test]
fn statistics_of_64_bits_come_first_and_those_of_32_will_do() {
    let counted = hex(SERVER_COUNTED);
    let stats = |nest: &[u8]| decode_server(nest, Family::V4).unwrap().stats;
    let wide = stats(&counted);
    assert_eq!((wide.total.connections, wide.total.bytes_out), (6, 1314));
    assert_eq!(stats(&without(&counted, STATS64)), wide);
    assert_eq!(stats(&without(&counted, STATS)), wide);
    let neither = without(&without(&counted, STATS), STATS64);
    assert_eq!(stats(&neither), Stats::default());
}

#[test]
fn unknown_attributes_are_passed_over() {
    for kind in [0, 16, 17, 99, 0x3fff] {
        let nest = with(&hex(SERVER_GUE), kind, &[1, 2, 3, 4, 5]);
        assert_eq!(decoded(&nest), gue(), "kind {kind}");
        assert_eq!(decoded(&with(&nest, kind, &[])), gue(), "kind {kind}");
    }
}

#[test]
fn what_an_old_kernel_leaves_out_is_neutral() {
    let mut nest = hex(SERVER_THRESHOLDS);
    for kind in [FWD_METHOD, WEIGHT, U_THRESH, L_THRESH] {
        nest = without(&nest, kind);
    }
    let server = Server::new(thresholds().key, ForwardMethod::Masquerade).weight(Weight::ZERO);
    assert_eq!(decoded(&nest), server);
}

#[test]
fn an_empty_nest_is_no_server() {
    assert!(matches!(refused(&[]), DecodeError::Missing { .. }));
}

#[test]
fn a_nest_that_ends_anywhere_is_an_error_or_a_shorter_server() {
    let nest = hex(SERVER_COUNTED);
    for length in 0..nest.len() {
        if let Ok(entry) = decode_server(&nest[..length], Family::V4) {
            assert_eq!(entry.server.key, ServerKey::new([10, 0, 0, 1], 8080));
        }
    }
}

#[test]
fn only_the_key_names_a_server() {
    let web = ServiceKey::tcp([192, 0, 2, 10], 80);
    let nest = nest(Operation::DeleteServer(web, gre_v6().key), NEST);
    let kinds: Vec<u16> = split(&nest).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [ADDR, PORT, ADDR_FAMILY]);
}
