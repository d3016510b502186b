//! The sysctls that decide about forwarding.
//!
//! procfs shows those of the network namespace of the thread that looks.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::NetError;

const NET: &str = "/proc/sys/net";

/// Whether packets that are for others are sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// `net.ipv4.ip_forward`, which is also that of every interface that has no other.
    pub v4: bool,
    /// `net.ipv6.conf.all.forwarding`; for IPv6 there is no other.
    pub v6: bool,
}

/// Whether a packet must come in where its answer would go out (RFC 3704; `rp_filter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceCheck {
    /// It need not.
    Off,
    /// It must.
    Strict,
    /// There must be a way back, by whichever interface.
    Loose,
}

impl Forwarding {
    /// Reads both.
    ///
    /// # Errors
    /// [`NetError::Sysctl`] when procfs cannot be read. A kernel without IPv6 forwards none.
    pub fn read() -> Result<Self, NetError> {
        Ok(Self {
            v4: read("ipv4/ip_forward")?.is_some_and(|value| value != 0),
            v6: read("ipv6/conf/all/forwarding")?.is_some_and(|value| value != 0),
        })
    }

    /// Whether IPv4 packets that come in by an interface are sent on (`IN_DEV_FORWARD`); `None`
    /// when there is no such interface.
    ///
    /// # Errors
    /// [`NetError::Sysctl`] when procfs cannot be read.
    pub fn of_interface(name: &str) -> Result<Option<bool>, NetError> {
        let value = read(&format!("ipv4/conf/{name}/forwarding"))?;
        Ok(value.map(|value| value != 0))
    }
}

impl SourceCheck {
    /// What holds for an interface: the larger of its own value and that of `all`
    /// (`IN_DEV_RPFILTER`). `None` when there is no such interface.
    ///
    /// # Errors
    /// [`NetError::Sysctl`] when procfs cannot be read.
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

/// A number; `None` when there is no such file.
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
