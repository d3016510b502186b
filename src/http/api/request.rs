//! The bodies of `POST`. A key that is not known is an error: a mistyped `for_second` must not
//! drain for ever.

use serde::{Deserialize, Deserializer, Serialize};

/// `POST /v1/drain`, `/v1/undrain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerBody {
    /// The service: its name in the file (then all its listen addresses), or one listen address.
    pub service: String,
    /// The server: its name in the file, its address, or its address and port.
    pub server: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Seconds from now after which it ends by itself, at least 1, at most ten years.
    #[serde(default)]
    pub for_seconds: Option<u64>,
    /// For whom the caller asks; remembered beside the user that the kernel names.
    #[serde(default)]
    pub on_behalf_of: Option<String>,
}

/// `POST /v1/weight`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightBody {
    /// As in [`ServerBody`].
    pub service: String,
    /// As in [`ServerBody`].
    pub server: String,
    /// 0 to 2147483647, or null for the declared one again. Must be there.
    #[serde(deserialize_with = "present")]
    pub weight: Option<u32>,
    /// As in [`ServerBody`].
    #[serde(default)]
    pub reason: Option<String>,
    /// As in [`ServerBody`].
    #[serde(default)]
    pub for_seconds: Option<u64>,
    /// As in [`ServerBody`].
    #[serde(default)]
    pub on_behalf_of: Option<String>,
}

/// `POST /v1/disable`, `/v1/enable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostBody {
    /// The machine: its address, or its name in the file.
    pub server: String,
    /// As in [`ServerBody`].
    #[serde(default)]
    pub reason: Option<String>,
    /// As in [`ServerBody`].
    #[serde(default)]
    pub for_seconds: Option<u64>,
    /// As in [`ServerBody`].
    #[serde(default)]
    pub on_behalf_of: Option<String>,
}

/// `POST /v1/reload`. An empty body is `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadBody {
    /// Even if a guard objects.
    #[serde(default)]
    pub force: bool,
}

/// Without this, serde takes a missing `Option` for null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Option::deserialize(deserializer)
}
