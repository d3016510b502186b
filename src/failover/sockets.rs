//! The sockets of all sections.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use vrrp::Family;

use super::holder::View;
use super::socket::AdvertSocket;

/// An interface and a family.
pub(super) type Key = (Arc<str>, Family);

/// The sockets, opened as soon as their interfaces are there.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    open: BTreeMap<Key, (AdvertSocket, bool)>,
    failed: BTreeMap<Key, String>,
}

impl Sockets {
    /// Opens what is missing and closes what is not wanted. Returns new failures.
    pub(super) fn adjust(
        &mut self,
        wanted: impl Iterator<Item = (Key, bool)>,
        view: &View,
    ) -> Vec<(Key, String)> {
        let mut all: BTreeMap<Key, bool> = BTreeMap::new();
        for (key, multicast) in wanted {
            *all.entry(key).or_default() |= multicast;
        }
        self.open.retain(|key, (socket, multicast)| {
            let index = view.link(&key.0).map(|(link, _)| link.index);
            all.get(key) == Some(multicast) && index == Some(socket.index())
        });
        self.failed.retain(|key, _| all.contains_key(key));
        let mut failures = Vec::new();
        for (key, multicast) in all {
            let Some((link, _)) = view.link(&key.0) else {
                continue;
            };
            if self.open.contains_key(&key) {
                continue;
            }
            match AdvertSocket::open(&key.0, link.index, key.1, multicast) {
                Ok(socket) => {
                    self.failed.remove(&key);
                    self.open.insert(key, (socket, multicast));
                }
                Err(error) => {
                    let why = error.to_string();
                    if self.failed.insert(key.clone(), why.clone()).as_ref() != Some(&why) {
                        failures.push((key, why));
                    }
                }
            }
        }
        failures
    }

    /// Why a socket could not be opened.
    pub(super) fn failure(&self, key: &Key) -> Option<&str> {
        self.failed.get(key).map(String::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &AdvertSocket)> {
        self.open.iter().map(|(key, (socket, _))| (key, socket))
    }

    pub(super) fn send(
        &self,
        key: &Key,
        source: IpAddr,
        destination: IpAddr,
        message: &[u8],
    ) -> io::Result<()> {
        let Some((socket, _)) = self.open.get(key) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        socket.send(source, destination, message)
    }
}
