//! Bytes to adverts.

use std::net::IpAddr;

use super::{
    AcceptForms, Addresses, Advert, ChecksumForm, Datagram, DecodeError, HEADER, HOP_LIMIT,
    auth_octets, checksum,
};
use crate::{Auth, Family, Interval, Password, Priority, Version, VirtualRouterId};

/// The virtual router that a message is for, unchecked: to find the right [`Expect`].
#[must_use]
pub fn peek(payload: &[u8]) -> Option<VirtualRouterId> {
    VirtualRouterId::new(*payload.get(1)?)
}

/// What a virtual router expects of messages.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'a> {
    /// Its version.
    pub version: Version,
    /// Its family.
    pub family: Family,
    /// Its id.
    pub router: VirtualRouterId,
    /// Its interval: version 2 discards all others.
    pub interval: Interval,
    /// The authentication of version 2.
    pub auth: Auth,
    /// The accepted forms of the checksum.
    pub checksum: AcceptForms,
    /// The least TTL or hop limit. 255 proves that the sender is on the link; only unicast peers
    /// beyond a router need less.
    pub least_hop_limit: u8,
    /// The addresses from which we send. Messages from these are our own, sent back.
    pub own: &'a [IpAddr],
    /// The only senders, with unicast. Empty: everybody on the link.
    pub peers: &'a [IpAddr],
}

impl<'a> Expect<'a> {
    /// No authentication, every form of the checksum, hop limit 255, all senders.
    #[must_use]
    pub const fn new(version: Version, family: Family, router: VirtualRouterId) -> Self {
        Self {
            version,
            family,
            router,
            interval: Interval::SECOND,
            auth: Auth::None,
            checksum: AcceptForms::All,
            least_hop_limit: HOP_LIMIT,
            own: &[],
            peers: &[],
        }
    }

    /// Decodes a message for this virtual router.
    ///
    /// Cheap checks come first, so that a flood of foreign messages costs little. Nothing is
    /// allocated.
    ///
    /// # Errors
    ///
    /// The first reason for which the protocol discards it.
    pub fn decode<'b>(&self, datagram: &Datagram<'b>) -> Result<Received<'b>, DecodeError> {
        self.check_packet(datagram)?;
        let payload = datagram.payload;
        let Some((header, rest)) = payload.split_first_chunk::<HEADER>() else {
            let found = payload.len();
            return Err(DecodeError::Short { found });
        };
        let [head, id, priority, count, fourth, fifth, ..] = *header;
        if head >> 4 != self.version.number() {
            return Err(DecodeError::Version {
                found: head >> 4,
                expected: self.version,
            });
        }
        if head & 0x0f != 1 {
            return Err(DecodeError::Type { found: head & 0x0f });
        }
        if id != self.router.get() {
            return Err(DecodeError::ForeignId {
                found: id,
                expected: self.router,
            });
        }
        if self.version == Version::V2 && fourth != self.auth.number() {
            return Err(DecodeError::AuthType {
                found: fourth,
                expected: self.auth.number(),
            });
        }
        let (addresses, auth) = self.split(count, rest, payload.len())?;
        let form = self.checksum_form(datagram)?;
        let auth = self.check_auth(auth)?;
        if count == 0 && self.version == Version::V3 {
            return Err(DecodeError::Count);
        }
        Ok(Received {
            advert: Advert {
                version: self.version,
                router: self.router,
                priority: Priority(priority),
                interval: self.check_interval(fourth, fifth)?,
                addresses: Addresses::over(self.family, addresses),
                auth,
            },
            source: datagram.source,
            form,
        })
    }

    /// Who sent it, and how.
    fn check_packet(&self, datagram: &Datagram<'_>) -> Result<(), DecodeError> {
        let source_address = datagram.source;
        let found = Family::of(source_address);
        if found != self.family || Family::of(datagram.destination) != self.family {
            return Err(DecodeError::Family {
                found,
                expected: self.family,
            });
        }
        if self.own.contains(&source_address) {
            return Err(DecodeError::OwnSource { source_address });
        }
        if !self.peers.is_empty() && !self.peers.contains(&source_address) {
            return Err(DecodeError::NotAPeer { source_address });
        }
        if datagram.hop_limit < self.least_hop_limit {
            return Err(DecodeError::HopLimit {
                found: datagram.hop_limit,
                least: self.least_hop_limit,
            });
        }
        Ok(())
    }

    /// The addresses, and the authentication data.
    fn split<'b>(
        &self,
        count: u8,
        rest: &'b [u8],
        found: usize,
    ) -> Result<(&'b [u8], &'b [u8]), DecodeError> {
        let octets = usize::from(count) * self.family.octets();
        let expected = HEADER + octets + auth_octets(self.version);
        match rest.split_at_checked(octets) {
            Some(parts) if expected == found => Ok(parts),
            _ => Err(DecodeError::Length {
                found,
                expected,
                count,
            }),
        }
    }

    /// The form in which the checksum is right.
    fn checksum_form(&self, datagram: &Datagram<'_>) -> Result<ChecksumForm, DecodeError> {
        use ChecksumForm::{Message, MulticastPseudoHeader, PseudoHeader, WithoutAuthData};
        let fits = |form: &ChecksumForm| {
            checksum::fits(
                *form,
                datagram.payload,
                datagram.source,
                datagram.destination,
            )
        };
        // What there is to try, best first; how many of them are accepted.
        let (forms, accepted): (&[ChecksumForm], _) = match (self.version, self.family) {
            (Version::V2, _) => (&[Message, PseudoHeader, WithoutAuthData], 1),
            (Version::V3, Family::V6) => (&[PseudoHeader, Message], 1),
            (Version::V3, Family::V4) => (&[PseudoHeader, Message, MulticastPseudoHeader], 3),
        };
        let only = match self.checksum {
            AcceptForms::Only(form) if accepted > 1 => Some(form),
            _ => None,
        };
        // The only one is tried first: a message can be right in two forms.
        if let Some(form) = only.filter(fits) {
            return Ok(form);
        }
        let fitting = forms.iter().position(fits);
        match fitting {
            Some(index) if index < accepted && only.is_none() => Ok(forms[index]),
            _ => Err(DecodeError::Checksum {
                found: datagram.payload.get(6..8).map_or(0, |field| {
                    field
                        .iter()
                        .fold(0, |sum, byte| sum << 8 | u16::from(*byte))
                }),
                fits: fitting.map(|index| forms[index]),
            }),
        }
    }

    fn check_auth(&self, data: &[u8]) -> Result<Auth, DecodeError> {
        match self.auth {
            Auth::None => Ok(Auth::None),
            Auth::Password(ours) => match <[u8; 8]>::try_from(data) {
                Ok(theirs) if Password::from_bytes(theirs) == ours => Ok(self.auth),
                _ => Err(DecodeError::Password),
            },
        }
    }

    fn check_interval(&self, fourth: u8, fifth: u8) -> Result<Interval, DecodeError> {
        let found = match self.version {
            Version::V2 => u16::from(fifth) * 100,
            // The upper four bits are reserved, "MUST be ignored on reception" (5.2.6).
            Version::V3 => u16::from_be_bytes([fourth & 0x0f, fifth]),
        };
        Interval::from_centiseconds(found)
            .filter(|found| self.version == Version::V3 || *found == self.interval)
            .ok_or(DecodeError::Interval {
                found,
                expected: self.interval,
            })
    }
}

/// An advert that passed all checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// What it says.
    pub advert: Advert<'a>,
    /// Who sent it.
    pub source: IpAddr,
    /// The form in which its checksum is right.
    pub form: ChecksumForm,
}
