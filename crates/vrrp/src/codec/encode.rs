//! Adverts to bytes.

use std::net::IpAddr;

use super::{Advert, ChecksumForm, EncodeError, HEADER, auth_octets, checksum};
use crate::{Auth, Family, Version};

impl Advert<'_> {
    /// Bytes of the message.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        HEADER + self.addresses.octets().len() + auth_octets(self.version)
    }

    /// Writes the message into the head of a buffer and returns its length.
    ///
    /// `form` counts for version 3 over IPv4; everything else has one right form. Source and
    /// destination are those of the packet.
    ///
    /// # Errors
    ///
    /// If the protocol cannot say this, or the buffer is too small.
    pub fn encode_into(
        &self,
        form: ChecksumForm,
        source: IpAddr,
        destination: IpAddr,
        buffer: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let count = self.check(source, destination)?;
        let needed = self.encoded_len();
        let room = buffer.len();
        let Some(message) = buffer.get_mut(..needed) else {
            return Err(EncodeError::Buffer { needed, room });
        };
        let Some((header, rest)) = message.split_first_chunk_mut::<HEADER>() else {
            return Err(EncodeError::Buffer { needed, room });
        };
        *header = self.header(count)?;
        let octets = self.addresses.octets();
        let (addresses, auth) = rest.split_at_mut(octets.len());
        addresses.copy_from_slice(octets);
        match &self.auth {
            Auth::Password(password) if !auth.is_empty() => auth.copy_from_slice(password.bytes()),
            _ => auth.fill(0),
        }
        let form = match (self.version, self.addresses.family()) {
            (Version::V2, _) => ChecksumForm::Message,
            (Version::V3, Family::V6) => ChecksumForm::PseudoHeader,
            (Version::V3, Family::V4) => form,
        };
        let checksum = checksum::compute(form, message, source, destination);
        if let Some(field) = message.get_mut(6..HEADER) {
            field.copy_from_slice(&checksum.to_be_bytes());
        }
        Ok(needed)
    }

    /// The message in a new buffer. Programs that send often keep one for
    /// [`Advert::encode_into`].
    ///
    /// # Errors
    ///
    /// If the protocol cannot say this.
    pub fn encode(
        &self,
        form: ChecksumForm,
        source: IpAddr,
        destination: IpAddr,
    ) -> Result<Vec<u8>, EncodeError> {
        let mut buffer = vec![0; self.encoded_len()];
        self.encode_into(form, source, destination, &mut buffer)?;
        Ok(buffer)
    }

    /// What the protocol does not allow; the address count otherwise.
    fn check(&self, source: IpAddr, destination: IpAddr) -> Result<u8, EncodeError> {
        let family = self.addresses.family();
        if Family::of(source) != family || Family::of(destination) != family {
            return Err(EncodeError::MixedFamilies);
        }
        match (self.version, family) {
            (Version::V2, Family::V6) => return Err(EncodeError::Family),
            (Version::V3, _) if self.addresses.is_empty() => return Err(EncodeError::NoAddress),
            (Version::V3, _) if self.auth != Auth::None => return Err(EncodeError::Auth),
            (Version::V3, Family::V6) if !self.addresses.starts_link_local() => {
                return Err(EncodeError::NotLinkLocal);
            }
            _ => {}
        }
        let found = self.addresses.len();
        u8::try_from(found).map_err(|_| EncodeError::TooManyAddresses { found })
    }

    /// The fixed part, with a checksum of zero.
    fn header(&self, count: u8) -> Result<[u8; HEADER], EncodeError> {
        let unfit = EncodeError::Interval {
            version: self.version,
            interval: self.interval,
        };
        if !self.interval.fits(self.version) {
            return Err(unfit);
        }
        let [fourth, fifth] = match self.version {
            Version::V2 => [self.auth.number(), self.interval.seconds().ok_or(unfit)?],
            Version::V3 => self.interval.centiseconds().to_be_bytes(),
        };
        let head = self.version.number() << 4 | 1;
        let (router, priority) = (self.router.get(), self.priority.0);
        Ok([head, router, priority, count, fourth, fifth, 0, 0])
    }
}
