//! The servers of a list, and what a source answers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// What identifies a server of a list: address, and port unless it is the service's.
pub(super) type Place = (IpAddr, Option<u16>);

/// A server as a source lists it. What it does not say comes from the pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Its name.
    pub name: Option<String>,
    /// Its weight.
    pub weight: Option<u32>,
    /// Whether it only stands in for others.
    pub is_backup: bool,
}

/// A list.
pub(super) type List = BTreeMap<Place, Listed>;

/// What a source answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// All servers, by its authority: perhaps none.
    Servers(Vec<(Place, Listed)>),
    /// No list, for this reason.
    Failed(String),
}

/// An answer, and when to ask again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// How long it is good for.
    pub again: Duration,
}

/// Asks a source again and again, and keeps what it needs between two questions: a connection, a
/// watch.
pub trait Asker {
    /// The whole list. Asked again, it may wait for news before it answers; always ends within about
    /// half a minute for each server that it asks.
    fn ask(&mut self) -> Answered;
}
