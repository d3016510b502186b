//! One director for a network namespace, wherever their state directories are.
//!
//! The name of an abstract Unix socket (unix(7)) belongs to a network namespace, not to a file
//! system: containers that share the namespace and not `/run` share it. The kernel frees it when
//! the process ends. Any user can take the name, so who listens on it has to be one who could
//! change the tables; another is noticed, and heeded no further.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};

/// The name, without the zero byte that makes it abstract.
pub(super) const NAME: &str = "director.lock";
/// Connections that wait: each is somebody who asked who listens.
const BACKLOG: i32 = 4096;
/// Between taking the name and listening a process may lose the processor. So often this waits.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);
/// `CAP_NET_ADMIN`, capability.h.
const NET_ADMIN: u64 = 1 << 12;

/// Whose the namespace is.
#[derive(Debug)]
pub(super) enum Claim {
    /// Ours, as long as the socket lives.
    Ours(Socket),
    /// Another director's.
    Theirs {
        /// Its process; `None` if it is in another PID namespace.
        holder: Option<u32>,
    },
    /// Somebody has the name who can be no director.
    Squatted(String),
}

/// Claims the network namespace of the calling thread.
pub(super) fn claim(name: &str) -> io::Result<Claim> {
    let address = SockAddr::unix(format!("\0{name}"))?;
    for _ in 0..TRIES {
        let own = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        match own.bind(&address) {
            Ok(()) => {
                own.listen(BACKLOG)?;
                return Ok(Claim::Ours(own));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
        let asking = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        asking.set_nonblocking(true)?;
        match asking.connect(&address) {
            Ok(()) => return Ok(judge(&asking)),
            // Gone in this moment, or not yet listening.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => thread::sleep(PAUSE),
            Err(error) => return Ok(Claim::Squatted(error.to_string())),
        }
    }
    Ok(Claim::Squatted("nobody listens on it".to_owned()))
}

fn judge(asking: &Socket) -> Claim {
    let Ok(peer) = getsockopt(asking, PeerCredentials) else {
        return Claim::Squatted("the kernel does not say by whom".to_owned());
    };
    // 0 is a process that this PID namespace does not show.
    let holder = u32::try_from(peer.pid()).ok().filter(|pid| *pid != 0);
    let trusted = peer.uid() == 0
        || peer.uid() == geteuid().as_raw()
        || holder.is_some_and(|pid| is_capable(pid).unwrap_or(false));
    if trusted {
        return Claim::Theirs { holder };
    }
    let process = holder.map_or(String::new(), |pid| format!("process {pid} of "));
    Claim::Squatted(format!("{process}user {}", peer.uid()))
}

/// Whether a process has `CAP_NET_ADMIN` in this user namespace. In one of its own anybody has it.
fn is_capable(pid: u32) -> io::Result<bool> {
    let namespace = |of: &str| fs::metadata(format!("/proc/{of}/ns/user")).map(|found| found.ino());
    if namespace(&pid.to_string())? != namespace("self")? {
        return Ok(false);
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .ok_or(Errno::EINVAL)?;
    Ok(effective & NET_ADMIN != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Machines may run these tests several times at once.
    fn name(of: &str) -> String {
        format!("director.test.{of}.{}", std::process::id())
    }

    #[test]
    fn the_second_claim_names_the_process_of_the_first() {
        let name = name("second");
        let first = claim(&name).unwrap();
        assert!(matches!(first, Claim::Ours(_)), "{first:?}");
        let second = claim(&name).unwrap();
        let own = std::process::id();
        assert!(
            matches!(second, Claim::Theirs { holder: Some(pid) } if pid == own),
            "{second:?}"
        );
        drop(first);
        let third = claim(&name).unwrap();
        assert!(matches!(third, Claim::Ours(_)), "{third:?}");
    }

    #[test]
    fn a_name_that_nobody_listens_on_keeps_no_director_out() {
        let name = name("silent");
        let squatter = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        let address = SockAddr::unix(format!("\0{name}")).unwrap();
        squatter.bind(&address).unwrap();
        let found = claim(&name).unwrap();
        assert!(matches!(found, Claim::Squatted(_)), "{found:?}");
    }
}
