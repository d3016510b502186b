//! `IPVS_DAEMON_ATTR_*`.

use ipvs::wire::decode_daemon;
use ipvs::{DaemonRole, DecodeError, Name, Operation, SyncDaemon, SyncId};

use crate::bytes::{hex, nest, split, value, with, without};
use crate::captured::{
    DAEMON_BACKUP_V6, DAEMON_MASTER, START_BACKUP_V6, START_MASTER, STOP_MASTER,
};

const STATE: u16 = 1;
const MCAST_IFN: u16 = 2;
const SYNC_ID: u16 = 3;
const SYNC_MAXLEN: u16 = 4;
const MCAST_GROUP: u16 = 5;
const MCAST_GROUP6: u16 = 6;
const MCAST_PORT: u16 = 7;
const MCAST_TTL: u16 = 8;

/// `IPVS_CMD_ATTR_DAEMON`.
const NEST: u16 = 3;

fn master() -> SyncDaemon {
    SyncDaemon {
        max_length: 1400,
        group: Some([224, 0, 1, 2].into()),
        port: 8850,
        ttl: 3,
        ..SyncDaemon::new(DaemonRole::Master, Name::from_static("d0"), SyncId(7))
    }
}

fn backup_v6() -> SyncDaemon {
    SyncDaemon {
        group: Some([0xff02, 0, 0, 0, 0, 0, 0, 0x81].into()),
        ..SyncDaemon::new(DaemonRole::Backup, Name::from_static("d0"), SyncId(9))
    }
}

fn encoded(daemon: SyncDaemon) -> Vec<u8> {
    nest(Operation::StartDaemon(daemon), NEST)
}

#[track_caller]
fn refused(nest: &[u8]) -> DecodeError {
    decode_daemon(nest).unwrap_err()
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
        decode_daemon(&with(&nest, kind, &longer)),
        decode_daemon(&nest)
    );
}

#[test]
fn whole_daemons_as_the_kernel_writes_them() {
    assert_eq!(decode_daemon(&hex(DAEMON_MASTER)), Ok(master()));
    // The kernel fills in its defaults: the message length follows from the MTU of 1500.
    let defaults = SyncDaemon {
        max_length: 1452,
        port: SyncDaemon::DEFAULT_PORT,
        ttl: SyncDaemon::DEFAULT_TTL,
        ..backup_v6()
    };
    assert_eq!(decode_daemon(&hex(DAEMON_BACKUP_V6)), Ok(defaults));
}

#[test]
fn whole_daemons_as_ipvsadm_writes_them() {
    let sorted = |nest: &[u8]| {
        let mut attributes = split(nest);
        attributes.sort();
        attributes
    };
    assert_eq!(sorted(&encoded(master())), sorted(&hex(START_MASTER)));
    assert_eq!(sorted(&encoded(backup_v6())), sorted(&hex(START_BACKUP_V6)));
}

#[test]
fn role() {
    assert_eq!(value(&encoded(master()), STATE), "01 00 00 00");
    assert_eq!(value(&hex(DAEMON_MASTER), STATE), "01 00 00 00");
    assert_eq!(value(&encoded(backup_v6()), STATE), "02 00 00 00");
    assert_eq!(value(&hex(DAEMON_BACKUP_V6), STATE), "02 00 00 00");
    short_is_an_error_and_long_is_not(DAEMON_MASTER, STATE, 4);
    let missing = refused(&without(&hex(DAEMON_MASTER), STATE));
    assert!(matches!(missing, DecodeError::Missing { .. }), "{missing}");
    // 3 would be both roles, which no daemon has.
    let both = refused(&with(&hex(DAEMON_MASTER), STATE, &[3, 0, 0, 0]));
    assert!(
        matches!(both, DecodeError::Value { value: 3, .. }),
        "{both}"
    );
}

#[test]
fn interface() {
    assert_eq!(value(&encoded(master()), MCAST_IFN), "64 30 00");
    assert_eq!(value(&hex(DAEMON_MASTER), MCAST_IFN), "64 30 00");
    let long = with(&hex(DAEMON_MASTER), MCAST_IFN, b"fifteen-letters\0");
    let interface = decode_daemon(&long).unwrap().interface;
    assert!(interface == "fifteen-letters");
    for nest in [
        without(&hex(DAEMON_MASTER), MCAST_IFN),
        with(&hex(DAEMON_MASTER), MCAST_IFN, &[0]),
    ] {
        let missing = refused(&nest);
        assert!(matches!(missing, DecodeError::Missing { .. }), "{missing}");
    }
}

#[test]
fn sync_id() {
    assert_eq!(value(&encoded(master()), SYNC_ID), "07 00 00 00");
    assert_eq!(value(&hex(DAEMON_MASTER), SYNC_ID), "07 00 00 00");
    short_is_an_error_and_long_is_not(DAEMON_MASTER, SYNC_ID, 4);
    let missing = refused(&without(&hex(DAEMON_MASTER), SYNC_ID));
    assert!(matches!(missing, DecodeError::Missing { .. }), "{missing}");
    let large = refused(&with(&hex(DAEMON_MASTER), SYNC_ID, &[0, 1, 0, 0]));
    assert!(
        matches!(large, DecodeError::Value { value: 256, .. }),
        "{large}"
    );
}

#[test]
fn message_length() {
    assert_eq!(value(&encoded(master()), SYNC_MAXLEN), "78 05");
    assert_eq!(value(&hex(DAEMON_MASTER), SYNC_MAXLEN), "78 05");
    assert_eq!(value(&hex(DAEMON_BACKUP_V6), SYNC_MAXLEN), "ac 05");
    short_is_an_error_and_long_is_not(DAEMON_MASTER, SYNC_MAXLEN, 2);
}

#[test]
fn multicast_groups() {
    assert_eq!(value(&encoded(master()), MCAST_GROUP), "e0 00 01 02");
    assert_eq!(value(&hex(DAEMON_MASTER), MCAST_GROUP), "e0 00 01 02");
    short_is_an_error_and_long_is_not(DAEMON_MASTER, MCAST_GROUP, 4);
    let group6 = "ff 02 00 00 00 00 00 00 00 00 00 00 00 00 00 81";
    assert_eq!(value(&encoded(backup_v6()), MCAST_GROUP6), group6);
    assert_eq!(value(&hex(DAEMON_BACKUP_V6), MCAST_GROUP6), group6);
    short_is_an_error_and_long_is_not(DAEMON_BACKUP_V6, MCAST_GROUP6, 16);
    let none = without(&hex(DAEMON_MASTER), MCAST_GROUP);
    assert_eq!(decode_daemon(&none).unwrap().group, None);
}

#[test]
fn port_is_in_host_order_unlike_all_others() {
    // 8850 = 0x2292
    assert_eq!(value(&encoded(master()), MCAST_PORT), "92 22");
    assert_eq!(value(&hex(DAEMON_MASTER), MCAST_PORT), "92 22");
    short_is_an_error_and_long_is_not(DAEMON_MASTER, MCAST_PORT, 2);
}

#[test]
fn ttl() {
    assert_eq!(value(&encoded(master()), MCAST_TTL), "03");
    assert_eq!(value(&hex(DAEMON_MASTER), MCAST_TTL), "03");
    short_is_an_error_and_long_is_not(DAEMON_MASTER, MCAST_TTL, 1);
}

#[test]
fn what_has_its_default_is_left_out() {
    // Kernels before 4.3 know only the first three attributes.
    let daemon = SyncDaemon::new(DaemonRole::Master, Name::from_static("eth0"), SyncId(0));
    let nest = encoded(daemon);
    let kinds: Vec<u16> = split(&nest).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [STATE, MCAST_IFN, SYNC_ID]);
    assert_eq!(decode_daemon(&nest), Ok(daemon));
}

#[test]
fn the_role_alone_stops_a_daemon() {
    let ours = nest(Operation::StopDaemon(DaemonRole::Master), NEST);
    assert_eq!(split(&ours), [(STATE, vec![1, 0, 0, 0])]);
    // ipvsadm also sends an empty interface and sync id 0, which the kernel does not read.
    assert_eq!(value(&hex(STOP_MASTER), STATE), value(&ours, STATE));
}

#[test]
fn unknown_attributes_are_passed_over() {
    for kind in [0, 9, 99, 0x3fff] {
        let nest = with(&hex(DAEMON_MASTER), kind, &[1, 2, 3]);
        assert_eq!(decode_daemon(&nest), Ok(master()), "kind {kind}");
    }
}

#[test]
fn an_empty_nest_is_no_daemon() {
    assert!(matches!(refused(&[]), DecodeError::Missing { .. }));
}

#[test]
fn a_nest_that_ends_anywhere_does_no_harm() {
    let nest = hex(DAEMON_MASTER);
    for length in 0..nest.len() {
        if let Ok(daemon) = decode_daemon(&nest[..length]) {
            assert_eq!(daemon.role, DaemonRole::Master);
        }
    }
}
