//! Operators' requests to a running director, and their settings.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use ipvs::{ServerKey, ServiceKey};
use serde::{Deserialize, Serialize};

use super::failover::FailoverHold;
use super::saved::SavedSections;
use crate::state::BootTime;

/// A request by an operator. Services and servers have the names that people use; the core looks
/// them up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// Stop sending new clients to a server; it keeps its connections and stays in at weight 0.
    Drain(ServerRequest),
    /// End a drain.
    Undrain(ServerRequest),
    /// Set another weight than declared; `None` for the declared one again.
    Weight {
        /// The server concerned.
        #[serde(flatten)]
        of: ServerRequest,
        /// 0 to 2147483647.
        weight: Option<u32>,
    },
    /// Take a machine, by address, out of every service, for maintenance.
    Disable(HostRequest),
    /// End a machine's maintenance.
    Enable(HostRequest),
    /// Move virtual addresses to another director, or back.
    Failover(FailoverRequest),
    /// Withdraw the addresses of announce sections, or announce them again.
    Announce(AnnounceRequest),
    /// Reload the service file.
    Reload {
        /// Whether to override guards (last server, too large a share taken away).
        #[serde(default)]
        force: bool,
    },
}

/// A request about a server of services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRequest {
    /// The service: its name in the file (all its listen addresses), or one listen address as the
    /// file has it, `tcp://192.0.2.10:80`. `None`: every service that has the server.
    pub service: Option<String>,
    /// The server: its name in the file, its address, or its address and port.
    pub server: String,
    /// Whether a service may be left without a usable server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Who asks, why, and for how long.
    #[serde(flatten)]
    pub note: Note,
}

/// A request about a failover section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverRequest {
    /// The section's name in the file; `None`: all of them.
    #[serde(default)]
    pub section: Option<String>,
    /// What to do.
    pub action: FailoverDo,
    /// Whether a yield ends when director restarts.
    #[serde(default)]
    pub until_restart: bool,
    /// Who asks, why, and for how long.
    #[serde(flatten)]
    pub note: Note,
}

/// What an operator wants of a failover section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailoverDo {
    /// Move the addresses to the other director: yield where it is active, claim elsewhere.
    Switchover,
    /// Hand over, and claim only if no other router does.
    Yield,
    /// Take over.
    Claim,
    /// End a yield or a claim.
    Auto,
}

/// A request about an announce section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceRequest {
    /// The section's name in the file; `None`: all of them.
    #[serde(default)]
    pub section: Option<String>,
    /// What to do.
    pub action: AnnounceDo,
    /// Who asks, why, and for how long.
    #[serde(flatten)]
    pub note: Note,
}

/// What an operator wants of an announce section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnnounceDo {
    /// Withdraw the addresses, whatever is healthy.
    Withdraw,
    /// Let health decide again, and forget what was damped.
    Resume,
}

/// A request about a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRequest {
    /// Its address, or its name in the file.
    pub server: String,
    /// Whether a service may be left without a usable server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Who asks, why, and for how long.
    #[serde(flatten)]
    pub note: Note,
}

/// Who set something, why, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Note {
    /// The user's name as the control socket knows it.
    #[serde(default)]
    pub by: String,
    /// The reason given.
    #[serde(default)]
    pub reason: Option<String>,
    /// The number of seconds after which the setting ends.
    #[serde(default)]
    pub for_seconds: Option<u64>,
}

/// A setting by an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting<T> {
    /// The value set.
    pub value: T,
    /// Who set it.
    pub by: String,
    /// The reason given.
    pub reason: Option<String>,
    /// When it was set, in seconds since 1970.
    #[serde(with = "unix_time")]
    pub at: SystemTime,
    /// When it ends by itself by the current calendar, in seconds since 1970. For people, and for
    /// the time after a reboot; otherwise `ends` counts.
    #[serde(with = "unix_time::optional")]
    pub until: Option<SystemTime>,
    /// The same in time since boot, which no change of the date moves.
    #[serde(
        default,
        rename = "ends_ms",
        with = "boot_time",
        skip_serializing_if = "Option::is_none"
    )]
    pub ends: Option<BootTime>,
}

impl<T: PartialEq> Setting<T> {
    /// Whether a request for a value adds nothing to this setting: the same value, without a reason
    /// and without a time. Then its author, reason and end stay as they are.
    #[must_use]
    pub fn covers(&self, value: &T, note: &Note, now: BootTime) -> bool {
        !self.is_over(now)
            && self.value == *value
            && note.reason.is_none()
            && note.for_seconds.is_none()
    }
}

impl<T> Setting<T> {
    /// Whether it has expired.
    #[must_use]
    pub fn is_over(&self, now: BootTime) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }
}

/// An operator's settings for a server of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ServerSettings {
    /// The drain.
    pub drain: Option<Setting<()>>,
    /// The weight.
    pub weight: Option<Setting<u32>>,
}

/// A yield or claim of a failover section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldSetting {
    /// Who set it, why, and until when.
    #[serde(flatten)]
    pub set: Setting<FailoverHold>,
    /// The priority to which a claim was raised.
    pub priority: Option<u8>,
    /// It ends when director restarts: the request was part of a stop.
    #[serde(skip)]
    pub until_restart: bool,
}

/// All operators' settings, and what the next process has to know; they survive restarts and
/// reboots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Settings for servers of services.
    pub servers: BTreeMap<(ServiceKey, ServerKey), ServerSettings>,
    /// Machines that are out of every service.
    pub disabled: BTreeMap<IpAddr, Setting<()>>,
    /// Announce sections that are withdrawn, by their names in the file.
    pub withdrawn: BTreeMap<String, Setting<()>>,
    /// Yields and claims, by failover section.
    pub holds: BTreeMap<String, HoldSetting>,
    /// The failover sections of the file in force.
    pub sections: SavedSections,
}

impl Settings {
    /// Whether there are no settings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
            && self.disabled.is_empty()
            && self.withdrawn.is_empty()
            && self.holds.is_empty()
            && self.sections.is_empty()
    }

    /// Whether any setting ends by itself.
    #[must_use]
    pub fn has_deadlines(&self) -> bool {
        let of_server = |set: &ServerSettings| {
            let drain = set.drain.as_ref().and_then(|set| set.ends);
            let weight = set.weight.as_ref().and_then(|set| set.ends);
            drain.or(weight).is_some()
        };
        let mut others = self.disabled.values().chain(self.withdrawn.values());
        self.servers.values().any(of_server)
            || others.any(|set| set.ends.is_some())
            || self.holds.values().any(|hold| hold.set.ends.is_some())
    }
}

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was done, one line for each setting.
    pub done: Vec<String>,
    /// Why it is not on disk, if so: it is in force, and lost if the director stops before it is
    /// written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
}

impl Answer {
    /// The answer to a request that was carried out and is on disk.
    #[must_use]
    pub const fn done(done: Vec<String>) -> Self {
        Self {
            done,
            not_kept: None,
        }
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The kind of refusal.
    pub kind: RefusalKind,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Refusal {
    /// A refusal of this kind.
    #[must_use]
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// No such service or server. (HTTP 404)
    NotFound,
    /// The request is invalid. (HTTP 400)
    Invalid,
    /// A guard objects, or the file has mistakes. (HTTP 409)
    Refused,
    /// A service would be left without a usable server. (HTTP 409)
    LastServer,
    /// The kernel refused. (HTTP 502)
    Kernel,
    /// The director is stopping, or did not answer in time. (HTTP 503)
    Unavailable,
}

/// Times since boot in milliseconds.
mod boot_time {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::state::BootTime;

    pub(super) fn serialize<S: Serializer>(
        time: &Option<BootTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let milliseconds = time.map(|time| u64::try_from(time.0.as_millis()).unwrap_or(u64::MAX));
        milliseconds.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<BootTime>, D::Error> {
        let milliseconds = Option::<u64>::deserialize(deserializer)?;
        Ok(milliseconds.map(|milliseconds| BootTime(Duration::from_millis(milliseconds))))
    }
}

/// Times as whole seconds since 1970.
mod unix_time {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        serializer.serialize_u64(since.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SystemTime, D::Error> {
        let seconds = u64::deserialize(deserializer)?;
        UNIX_EPOCH
            .checked_add(Duration::from_secs(seconds))
            .ok_or_else(|| serde::de::Error::custom("a time beyond all calendars"))
    }

    pub(super) mod optional {
        use super::{Deserialize, Deserializer, Serializer, SystemTime};

        #[derive(Deserialize)]
        struct Wrapped(#[serde(with = "super")] SystemTime);

        pub(in super::super) fn serialize<S: Serializer>(
            time: &Option<SystemTime>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<SystemTime>, D::Error> {
            Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|wrapped| wrapped.0))
        }
    }
}
