//! Connects to the kernel, and explains why that failed.

use std::fs;
use std::process::{Command, Stdio};

use ipvs::{Client, Error, Info, transport::Transport};

use crate::errors::{self, Stop};

/// Connects and reads the version, which also shows whether this user has permission.
pub(crate) fn initialise<T: Transport>(
    connect: &mut dyn FnMut() -> ipvs::Result<Client<T>>,
) -> Result<(Client<T>, Info), Stop> {
    let mut client = match connect() {
        // The kernel has already tried to load the module. 1.31 then runs modprobe, which helps
        // where `kernel.modprobe` is unset, and says why it cannot.
        Err(Error::NoIpvs { .. }) => {
            modprobe();
            connect()
        }
        result => result,
    }
    .map_err(|error| Stop::initialise(&reason(&error)))?;
    let info = client
        .info()
        .map_err(|error| Stop::initialise(&reason(&error)))?;
    Ok((client, info))
}

fn modprobe() {
    // modprobe prints its own error message.
    let _ = Command::new("/sbin/modprobe")
        .args(["--", "ip_vs"])
        .stdin(Stdio::null())
        .status();
}

fn reason(error: &Error) -> String {
    match error {
        // 1.31 then tries the old interface over a raw socket, so a user who cannot open one gets
        // that error.
        Error::NoIpvs { .. } if may_open_raw_sockets() => "Protocol not available".to_owned(),
        Error::NoIpvs { .. } => "Permission denied (you must be root)".to_owned(),
        error => errors::text(error),
    }
}

/// Whether `CAP_NET_RAW` is in the effective set (proc(5), capabilities(7)).
fn may_open_raw_sockets() -> bool {
    const CAP_NET_RAW: u64 = 1 << 13;
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_none_or(|set| set & CAP_NET_RAW != 0)
}
