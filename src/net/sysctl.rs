//! The sysctls that control forwarding.
//!
//! procfs shows those of the calling thread's network namespace.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::NetError;

const NET: &str = "/proc/sys/net";

/// Whether packets for others are forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// `net.ipv4.ip_forward`, which also holds for every interface without a setting of its own.
    pub v4: bool,
    /// `net.ipv6.conf.all.forwarding`, the only one for IPv6.
    pub v6: bool,
}

/// Whether a packet must come in where its reply would go out (RFC 3704; `rp_filter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceCheck {
    /// No check.
    Off,
    /// It must come in there.
    Strict,
    /// There must be a way back through any interface.
    Loose,
}

impl Forwarding {
    /// Reads both sysctls.
    ///
    /// # Errors
    /// [`NetError::Sysctl`] if procfs cannot be read. A kernel without IPv6 forwards none.
    pub fn read() -> Result<Self, NetError> {
        Ok(Self {
            v4: read("ipv4/ip_forward")?.is_some_and(|value| value != 0),
            v6: read("ipv6/conf/all/forwarding")?.is_some_and(|value| value != 0),
        })
    }

    /// Whether IPv4 packets that come in on an interface are forwarded (`IN_DEV_FORWARD`); `None`
    /// if the interface does not exist.
    ///
    /// # Errors
    /// [`NetError::Sysctl`] if procfs cannot be read.
    pub fn of_interface(name: &str) -> Result<Option<bool>, NetError> {
        let value = read(&format!("ipv4/conf/{name}/forwarding"))?;
        Ok(value.map(|value| value != 0))
    }
}

impl SourceCheck {
    /// The setting in force for an interface: the larger of its own and that of `all`
    /// (`IN_DEV_RPFILTER`). `None` if the interface does not exist.
    ///
    /// # Errors
    /// [`NetError::Sysctl`] if procfs cannot be read.
    pub fn of_interface(name: &str) -> Result<Option<Self>, NetError> {
        let all = read("ipv4/conf/all/rp_filter")?;
        let own = read(&format!("ipv4/conf/{name}/rp_filter"))?;
        Ok(own.map(|own| Self::from_number(own.max(all.unwrap_or(0)))))
    }

    const fn from_number(value: i64) -> Self {
        match value {
            1 => Self::Strict,
            2 => Self::Loose,
            _ => Self::Off,
        }
    }
}

/// A number; `None` if the file does not exist.
fn read(name: &str) -> Result<Option<i64>, NetError> {
    let path: PathBuf = Path::new(NET).join(name);
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| {
            let found = text.trim().to_owned();
            NetError::NotANumber { path, found }
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(NetError::Sysctl { path, source }),
    }
}
