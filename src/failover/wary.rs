//! Before a section has been active or has understood another router, a director that it does not
//! understand may have its addresses: with another id, version or password. It claims nothing while
//! that one advertises them, so that a mistake in one file does not give both the addresses.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use vrrp::Family;
use vrrp::codec::{Datagram, DecodeError};

use crate::state::failover::VirtualRouter;

/// After three of its intervals and this, a router that fell silent is gone.
const MARGIN: Duration = Duration::from_secs(1);

/// The section listens.
#[derive(Debug, Default)]
pub(super) struct Wary {
    /// It listens at least until then: backups with an older file may still have to claim.
    until: Option<Duration>,
    /// The first verdicts are in.
    ready: bool,
    stranger: Option<Stranger>,
}

#[derive(Debug)]
struct Stranger {
    text: Arc<str>,
    /// When it has been silent for too long.
    until: Duration,
}

/// What has happened since.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lapse {
    /// It has listened long enough, and the verdicts are in.
    pub(super) ready: bool,
    /// Whether a stranger is there is different from before.
    pub(super) changed: bool,
}

impl Wary {
    pub(super) fn new(now: Duration, careful: Option<Duration>) -> Self {
        Self {
            until: careful.map(|time| now.saturating_add(time)),
            ..Self::default()
        }
    }

    /// Whether another file was in force before.
    pub(super) const fn is_careful(&self) -> bool {
        self.until.is_some()
    }

    /// The first verdicts are in. Whether that may be told.
    pub(super) const fn is_ready(&mut self) -> bool {
        self.ready = true;
        self.until.is_none()
    }

    /// Why the section must not claim.
    pub(super) fn fault(&self) -> Option<Arc<str>> {
        self.stranger.as_ref().map(|found| Arc::clone(&found.text))
    }

    /// An advert that `router` does not take for one of its own. Whether it makes a difference.
    pub(super) fn overhear(
        &mut self,
        now: Duration,
        router: &VirtualRouter,
        own: &[IpAddr],
        datagram: &Datagram<'_>,
        error: Option<DecodeError>,
    ) -> bool {
        if datagram.hop_limit < router.least_hop_limit || own.contains(&datagram.source) {
            return false;
        }
        let Some((address, interval)) = claimed(router, datagram.payload) else {
            return false;
        };
        let from = datagram.source;
        let why = match error {
            Some(error) if is_misunderstood(error) => format!("which is discarded: {error}"),
            Some(_) => return false,
            None => {
                let theirs = datagram.payload.get(1).copied().unwrap_or_default();
                format!("with id {theirs}, and the file has {}", router.id)
            }
        };
        let until = now.saturating_add(interval * 3 + MARGIN);
        if let Some(known) = &mut self.stranger {
            known.until = known.until.max(until);
            return false;
        }
        let text = format!(
            "{from} advertises {address} on `{}`, {why}; this director claims nothing until that \
             ends",
            router.interface
        );
        self.stranger = Some(Stranger {
            text: Arc::from(text),
            until,
        });
        true
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now: Duration) -> Lapse {
        let mut lapse = Lapse::default();
        if self.stranger.as_ref().is_some_and(|it| it.until <= now) {
            self.stranger = None;
            lapse.changed = true;
        }
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            lapse.ready = self.ready;
        }
        lapse
    }
}

/// Whether a message is from a router of ours that is set differently, and not damaged or of
/// a stranger.
const fn is_misunderstood(error: DecodeError) -> bool {
    matches!(
        error,
        DecodeError::Version { .. }
            | DecodeError::AuthType { .. }
            | DecodeError::Password
            | DecodeError::Interval { .. }
            | DecodeError::Checksum { .. }
            | DecodeError::NotAPeer { .. }
    )
}

/// The first address of a router that an advert of any id and version claims, and its interval.
fn claimed(router: &VirtualRouter, payload: &[u8]) -> Option<(IpAddr, Duration)> {
    const ADVERT: u8 = 1;
    let [first, _, priority, count, four, five, _, _, rest @ ..] = payload else {
        return None;
    };
    if first & 0xf != ADVERT || *priority == 0 {
        return None;
    }
    let interval = match first >> 4 {
        2 => Duration::from_secs((*five).into()),
        _ => Duration::from_millis(u64::from(u16::from_be_bytes([four & 0xf, *five])) * 10),
    };
    let octets = Family::octets(router.family);
    let mut theirs = rest.chunks_exact(octets).take(usize::from(*count));
    let ours = |bytes: &[u8]| {
        let address = match router.family {
            Family::V4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
            Family::V6 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        };
        let held = router.addresses.iter().find(|it| it.address == address)?;
        // One that follows from the id says no more than the id.
        (!held.derived).then_some(address)
    };
    theirs.find_map(ours).map(|address| (address, interval))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use vrrp::codec::{AddressList, Advert, ChecksumForm, Expect, MULTICAST_V4};
    use vrrp::machine::SendForm;
    use vrrp::{Auth, Interval, Priority, Version, VirtualRouterId};

    use super::*;
    use crate::state::failover::VirtualAddress;

    const SECOND: Duration = Duration::from_secs(1);

    fn router() -> VirtualRouter {
        VirtualRouter {
            id: VirtualRouterId::new(52).unwrap(),
            family: Family::V4,
            version: Version::V3,
            interface: "eth0".into(),
            source: None,
            peers: Vec::new(),
            interval: Interval::SECOND,
            addresses: vec![VirtualAddress::new(IpAddr::from([10, 0, 0, 100]))],
            routes: Vec::new(),
            auth: Auth::None,
            checksum: SendForm::default(),
            least_hop_limit: 255,
            virtual_mac: false,
        }
    }

    fn advert(id: u8, version: Version, address: [u8; 4]) -> Vec<u8> {
        let addresses = AddressList::from_iter([Ipv4Addr::from(address)]);
        let advert = Advert {
            version,
            router: VirtualRouterId::new(id).unwrap(),
            priority: Priority(100),
            interval: Interval::SECOND,
            addresses: addresses.as_addresses(),
            auth: Auth::None,
        };
        let source = IpAddr::from([10, 0, 0, 2]);
        let form = ChecksumForm::PseudoHeader;
        advert.encode(form, source, MULTICAST_V4.into()).unwrap()
    }

    fn hear(wary: &mut Wary, at: Duration, payload: &[u8], hop_limit: u8) -> bool {
        let router = router();
        let datagram = Datagram {
            source: IpAddr::from([10, 0, 0, 2]),
            destination: MULTICAST_V4.into(),
            hop_limit,
            payload,
        };
        let is_ours = payload[1] == router.id.get();
        let expect = Expect::new(router.version, router.family, router.id);
        let error = is_ours.then(|| expect.decode(&datagram).unwrap_err());
        wary.overhear(at, &router, &[], &datagram, error)
    }

    #[test]
    fn another_id_or_version_with_our_address_is_a_stranger_until_it_falls_silent() {
        for (id, version, part) in [
            (51, Version::V3, "with id 51, and the file has 52"),
            (52, Version::V2, "which is discarded: VRRP version 2"),
        ] {
            let mut wary = Wary::new(Duration::ZERO, None);
            let message = advert(id, version, [10, 0, 0, 100]);
            assert!(hear(&mut wary, SECOND, &message, 255));
            let fault = wary.fault().unwrap();
            assert!(fault.contains(part), "{fault}");
            assert!(fault.starts_with("10.0.0.2 advertises 10.0.0.100 on `eth0`"));
            // No news, but a longer wait.
            assert!(!hear(&mut wary, SECOND * 3, &message, 255));
            assert_eq!(wary.tick(SECOND * 6), Lapse::default());
            assert!(wary.tick(SECOND * 7).changed);
            assert_eq!(wary.fault(), None);
        }
    }

    #[test]
    fn other_addresses_and_other_links_are_nobody() {
        let mut wary = Wary::new(Duration::ZERO, None);
        let other = advert(51, Version::V3, [10, 0, 0, 101]);
        assert!(!hear(&mut wary, SECOND, &other, 255));
        let ours = advert(51, Version::V3, [10, 0, 0, 100]);
        assert!(!hear(&mut wary, SECOND, &ours, 254));
        assert!(!hear(&mut wary, SECOND, &ours[..7], 255));
        assert_eq!(wary.fault(), None);
    }

    #[test]
    fn a_careful_section_listens_first() {
        let mut wary = Wary::new(SECOND, Some(SECOND * 5));
        assert!(wary.is_careful());
        assert!(!wary.is_ready());
        assert!(!wary.tick(SECOND * 5).ready);
        assert!(wary.tick(SECOND * 6).ready);
        assert!(wary.is_ready());
    }
}
