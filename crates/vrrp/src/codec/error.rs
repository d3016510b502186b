//! What is wrong with a message, in the words that its operator needs.

use std::net::IpAddr;

use thiserror::Error;

use super::ChecksumForm;
use crate::words::{addresses, bytes};
use crate::{Family, Interval, Version, VirtualRouterId};

/// Why a message was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Too short for the fixed part of a message.
    #[error("message of {}; an advert has at least 8", bytes(*.found))]
    Short {
        /// Bytes of the message.
        found: usize,
    },
    /// The length does not follow from the address count.
    #[error(
        "message of {}; with {} it has {expected}",
        bytes(*.found), addresses((*.count).into())
    )]
    Length {
        /// Bytes of the message.
        found: usize,
        /// Bytes that follow from version, family and count.
        expected: usize,
        /// The address count of the message.
        count: u8,
    },
    /// Another version than ours.
    #[error("VRRP version {found}; this router speaks {expected}")]
    Version {
        /// The version of the message.
        found: u8,
        /// Ours.
        expected: Version,
    },
    /// Not an advert. No other type is defined.
    #[error("message of type {found}; only type 1, advertisement, is defined")]
    Type {
        /// The type of the message.
        found: u8,
    },
    /// The checksum is wrong in every form that we accept.
    #[error("wrong checksum {found:#06x}{}", fitting(*.fits))]
    Checksum {
        /// The checksum of the message.
        found: u16,
        /// The form in which it would be right: the peer is set differently, nothing is damaged.
        fits: Option<ChecksumForm>,
    },
    /// A router forwarded the packet, or the sender is wrong: RFC 9568, 7.1, wants 255.
    #[error("TTL or hop limit {found} instead of {least}: forwarded by a router, or forged")]
    HopLimit {
        /// Of the packet.
        found: u8,
        /// The least that we accept.
        least: u8,
    },
    /// Another authentication type.
    #[error(
        "authentication type {found} ({}); this router uses {expected} ({})",
        auth_type(*.found), auth_type(*.expected)
    )]
    AuthType {
        /// Of the message: 0 none, 1 password, 2 IP Authentication Header.
        found: u8,
        /// Ours.
        expected: u8,
    },
    /// Another password.
    #[error("wrong password")]
    Password,
    /// Without an address, which version 3 does not allow.
    #[error("address count 0")]
    Count,
    /// Version 2 with another interval: both sides need the same. For version 3 an interval of 0.
    #[error("advertisement interval {found} cs; this router has {expected}")]
    Interval {
        /// Of the message, in centiseconds.
        found: u16,
        /// Ours.
        expected: Interval,
    },
    /// From an address of our own: the network sends our adverts back, or another host uses our
    /// address.
    #[error(
        "from our own address {source_address}: the network returns our adverts, or the address is used twice"
    )]
    OwnSource {
        /// Where it came from.
        source_address: IpAddr,
    },
    /// From a unicast sender that is not a peer.
    #[error("from {source_address}, which is not one of the peers")]
    NotAPeer {
        /// Where it came from.
        source_address: IpAddr,
    },
    /// For another virtual router.
    #[error("for virtual router {found}, not {expected}")]
    ForeignId {
        /// Of the message.
        found: u8,
        /// Ours.
        expected: VirtualRouterId,
    },
    /// Over the other address family.
    #[error("over {found}; this router is one of {expected}")]
    Family {
        /// Of the packet.
        found: Family,
        /// Ours.
        expected: Family,
    },
    /// Not a whole IPv4 packet with a VRRP message.
    #[error("not an IPv4 packet of VRRP: {why}")]
    Packet {
        /// What is wrong with it.
        why: &'static str,
    },
}

fn fitting(form: Option<ChecksumForm>) -> String {
    form.map_or_else(String::new, |form| {
        format!(": it is right {form}; set both sides to the same form")
    })
}

const fn auth_type(number: u8) -> &'static str {
    match number {
        0 => "none",
        1 => "password",
        2 => "IP Authentication Header",
        _ => "unknown",
    }
}

impl DecodeError {
    /// How many kinds there are.
    pub const KINDS: usize = 14;

    /// The number of its kind, below [`DecodeError::KINDS`].
    #[must_use]
    pub const fn kind(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Length { .. } => 1,
            Self::Version { .. } => 2,
            Self::Type { .. } => 3,
            Self::Checksum { .. } => 4,
            Self::HopLimit { .. } => 5,
            Self::AuthType { .. } => 6,
            Self::Password => 7,
            Self::Count => 8,
            Self::Interval { .. } => 9,
            Self::OwnSource { .. } => 10,
            Self::NotAPeer { .. } => 11,
            Self::ForeignId { .. } => 12,
            Self::Family { .. } | Self::Packet { .. } => 13,
        }
    }

    /// The names of the kinds, by number; stable, for metrics.
    pub const NAMES: [&str; Self::KINDS] = [
        "short",
        "length",
        "version",
        "type",
        "checksum",
        "hop-limit",
        "auth-type",
        "password",
        "count",
        "interval",
        "own-source",
        "not-a-peer",
        "foreign-id",
        "packet",
    ];
}

/// Why an advert cannot be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// More addresses than the count field holds.
    #[error("{}; a message has room for at most 255", addresses(*.found))]
    TooManyAddresses {
        /// Addresses of the advert.
        found: usize,
    },
    /// Version 3 needs one address.
    #[error("no address; an advert of version 3 needs at least one")]
    NoAddress,
    /// The interval does not fit the version.
    #[error("{version} cannot carry an interval of {interval}")]
    Interval {
        /// Of the advert.
        version: Version,
        /// Of the advert.
        interval: Interval,
    },
    /// Version 2 knows IPv4 only.
    #[error("version 2 has no IPv6")]
    Family,
    /// Version 3 has no authentication.
    #[error("version 3 has no authentication")]
    Auth,
    /// Source, destination and addresses are not of one family.
    #[error("source, destination and virtual addresses are not of one family")]
    MixedFamilies,
    /// RFC 9568, 5.2.9: over IPv6 the first address is link-local.
    #[error("the first virtual IPv6 address is not link-local")]
    NotLinkLocal,
    /// The buffer is too small.
    #[error("the message has {}, the buffer has {room}", bytes(*.needed))]
    Buffer {
        /// Bytes of the message.
        needed: usize,
        /// Bytes of the buffer.
        room: usize,
    },
}
