//! The bodies of `POST`. An unknown key is an error: a mistyped `for_second` must not drain for
//! ever.

use serde::{Deserialize, Deserializer, Serialize};

/// `POST /v1/drain`, `/v1/undrain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerBody {
    /// The service: its name in the file (all its listen addresses), or one listen address. Without
    /// it, every service that has the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The server: its name in the file, its address, or its address and port.
    pub server: String,
    /// Whether a service may be left without a usable server. Only a drain can do that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// The reason, for people.
    #[serde(default)]
    pub reason: Option<String>,
    /// The number of seconds after which the setting ends, at least 1, at most ten years.
    #[serde(default)]
    pub for_seconds: Option<u64>,
    /// The person for whom the caller asks; recorded next to the user that the kernel reports.
    #[serde(default)]
    pub on_behalf_of: Option<String>,
}

/// `POST /v1/weight`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightBody {
    /// See [`ServerBody`].
    pub service: String,
    /// See [`ServerBody`].
    pub server: String,
    /// 0 to 2147483647, or null for the declared one. Mandatory.
    #[serde(deserialize_with = "present")]
    pub weight: Option<u32>,
    /// See [`ServerBody`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// See [`ServerBody`].
    #[serde(default)]
    pub reason: Option<String>,
    /// See [`ServerBody`].
    #[serde(default)]
    pub for_seconds: Option<u64>,
    /// See [`ServerBody`].
    #[serde(default)]
    pub on_behalf_of: Option<String>,
}

/// `POST /v1/disable`, `/v1/enable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostBody {
    /// The machine: its address, or its name in the file.
    pub server: String,
    /// See [`ServerBody`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// See [`ServerBody`].
    #[serde(default)]
    pub reason: Option<String>,
    /// See [`ServerBody`].
    #[serde(default)]
    pub for_seconds: Option<u64>,
    /// See [`ServerBody`].
    #[serde(default)]
    pub on_behalf_of: Option<String>,
}

/// `POST /v1/reload`. An empty body is `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadBody {
    /// Whether to override the guards.
    #[serde(default)]
    pub force: bool,
}

/// Without this, serde accepts a missing `Option` as null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Option::deserialize(deserializer)
}
