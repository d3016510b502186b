//! The real servers of a service, ordered by key.
//!
//! A map, stored as a sorted list. Tables have tens of thousands of servers, a dozen per service;
//! the nodes of a `BTreeMap` of a dozen take twice the room of their contents, and a program that
//! runs for a tenth of a second spends a good part of it on fresh memory. The key is stored in the
//! server only.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;

use ipvs::ServerKey;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DesiredServer, ObservedServer};

/// A server with a key.
pub trait Keyed {
    /// The server's key.
    fn key(&self) -> &ServerKey;
}

impl Keyed for ObservedServer {
    fn key(&self) -> &ServerKey {
        &self.server.key
    }
}

impl Keyed for DesiredServer {
    fn key(&self) -> &ServerKey {
        &self.server.key
    }
}

/// Servers by key, with the interface of a `BTreeMap`.
#[derive(Clone, PartialEq, Eq)]
pub struct Servers<S> {
    /// In strictly ascending order of keys.
    sorted: Vec<S>,
}

impl<S> Servers<S> {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { sorted: Vec::new() }
    }

    /// The number of servers.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there are no servers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// The servers, ordered by key.
    pub fn values(&self) -> std::slice::Iter<'_, S> {
        self.sorted.iter()
    }
}

impl<S: Keyed> Servers<S> {
    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &ServerKey> {
        self.sorted.iter().map(Keyed::key)
    }

    /// Keys and servers, ordered by key.
    pub fn iter(&self) -> ServersIter<'_, S> {
        self.sorted.iter().map(|server| (server.key(), server))
    }

    /// The server with this key.
    #[must_use]
    pub fn get(&self, key: &ServerKey) -> Option<&S> {
        self.place(key).ok().map(|place| &self.sorted[place])
    }

    /// The server with this key, for changes that keep its key.
    pub fn get_mut(&mut self, key: &ServerKey) -> Option<&mut S> {
        self.place(key).ok().map(|place| &mut self.sorted[place])
    }

    /// Whether there is a server with this key.
    #[must_use]
    pub fn contains_key(&self, key: &ServerKey) -> bool {
        self.place(key).is_ok()
    }

    /// Inserts a server; returns the one with the same key that it replaces. `key` is the server's
    /// own.
    pub fn insert(&mut self, key: ServerKey, server: S) -> Option<S> {
        debug_assert_eq!(key, *server.key());
        match self.place(server.key()) {
            Ok(place) => Some(std::mem::replace(&mut self.sorted[place], server)),
            Err(place) => {
                self.sorted.insert(place, server);
                None
            }
        }
    }

    /// Removes a server.
    pub fn remove(&mut self, key: &ServerKey) -> Option<S> {
        self.place(key).ok().map(|place| self.sorted.remove(place))
    }

    fn place(&self, key: &ServerKey) -> Result<usize, usize> {
        self.sorted
            .binary_search_by_key(key, |server| *server.key())
    }
}

/// Iterates over keys and servers.
pub type ServersIter<'s, S> =
    std::iter::Map<std::slice::Iter<'s, S>, fn(&'s S) -> (&'s ServerKey, &'s S)>;

/// In any order; of several with one key, the last stays.
impl<S: Keyed> FromIterator<S> for Servers<S> {
    fn from_iter<I: IntoIterator<Item = S>>(servers: I) -> Self {
        let mut sorted: Vec<S> = servers.into_iter().collect();
        if !sorted.is_sorted_by(|one, next| one.key() < next.key()) {
            // The sort is stable; reversing puts the last of equals first, which is the one that
            // stays.
            sorted.reverse();
            sorted.sort_by_key(|server| *server.key());
            sorted.dedup_by(|next, one| next.key() == one.key());
        }
        Self { sorted }
    }
}

/// Like building from the servers alone: each key is its server's own.
impl<S: Keyed> FromIterator<(ServerKey, S)> for Servers<S> {
    fn from_iter<I: IntoIterator<Item = (ServerKey, S)>>(servers: I) -> Self {
        servers.into_iter().map(|(_, server)| server).collect()
    }
}

impl<'s, S: Keyed> IntoIterator for &'s Servers<S> {
    type Item = (&'s ServerKey, &'s S);
    type IntoIter = ServersIter<'s, S>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<S: Keyed> IntoIterator for Servers<S> {
    type Item = (ServerKey, S);
    type IntoIter = std::iter::Map<std::vec::IntoIter<S>, fn(S) -> (ServerKey, S)>;

    fn into_iter(self) -> Self::IntoIter {
        self.sorted
            .into_iter()
            .map(|server| (*server.key(), server))
    }
}

/// Like building from the servers alone: each key is its server's own.
impl<S: Keyed, const N: usize> From<[(ServerKey, S); N]> for Servers<S> {
    fn from(servers: [(ServerKey, S); N]) -> Self {
        servers.into_iter().collect()
    }
}

/// # Panics
/// If there is no server with this key.
impl<S: Keyed> Index<&ServerKey> for Servers<S> {
    type Output = S;

    fn index(&self, key: &ServerKey) -> &S {
        self.get(key).expect("no server with that key")
    }
}

impl<S> Default for Servers<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Keyed + fmt::Debug> fmt::Debug for Servers<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

/// Serializes as a map.
impl<S: Keyed + Serialize> Serialize for Servers<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, S: Keyed + Deserialize<'de>> Deserialize<'de> for Servers<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<S>(PhantomData<S>);

impl<'de, S: Keyed + Deserialize<'de>> Visitor<'de> for Entries<S> {
    type Value = Servers<S>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("servers by their keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Servers<S>, A::Error> {
        let mut servers = Vec::new();
        while let Some((key, server)) = map.next_entry::<ServerKey, S>()? {
            if key != *server.key() {
                let found = format!("{key} stands for the server {}", server.key());
                return Err(serde::de::Error::custom(found));
            }
            servers.push(server);
        }
        Ok(servers.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use ipvs::{ForwardMethod, Server};

    use super::*;

    fn server(host: u8, weight: u32) -> DesiredServer {
        let key = ServerKey::new([10, 0, 0, host], 80);
        let server = Server::new(key, ForwardMethod::Masquerade);
        DesiredServer {
            name: None,
            server: server.weight(weight.try_into().unwrap()),
        }
    }

    fn weights(servers: &Servers<DesiredServer>) -> Vec<u32> {
        let weights = servers.values().map(|server| server.server.weight.get());
        weights.collect()
    }

    #[test]
    fn in_the_order_of_keys_and_the_last_of_equals() {
        let mut servers: Servers<_> = [server(3, 1), server(1, 2), server(3, 3), server(2, 4)]
            .into_iter()
            .collect();
        assert_eq!(weights(&servers), [2, 4, 3]);
        let second = *server(2, 0).key();
        assert_eq!(servers.insert(second, server(2, 5)), Some(server(2, 4)));
        assert_eq!(servers.remove(&second), Some(server(2, 5)));
        assert!(!servers.contains_key(&second));
        assert_eq!(servers.insert(second, server(2, 6)), None);
        assert_eq!(weights(&servers), [2, 6, 3]);
        assert_eq!(servers[&second], server(2, 6));
    }

    #[test]
    fn written_as_a_map_and_read_again() {
        let servers: Servers<_> = [server(1, 1), server(2, 2)].into_iter().collect();
        let text = serde_json::to_string(&servers).unwrap();
        assert!(text.starts_with("{\"10.0.0.1:80\":{"), "{text}");
        assert_eq!(serde_json::from_str::<Servers<_>>(&text).unwrap(), servers);
        let wrong = text.replacen("10.0.0.1:80", "10.0.0.9:80", 1);
        assert!(serde_json::from_str::<Servers<DesiredServer>>(&wrong).is_err());
    }
}
