//! One director per network namespace, wherever the state directories are.
//!
//! The name of an abstract Unix socket (unix(7)) belongs to a network namespace, not to a file
//! system: containers that share the namespace but not `/run` share the name. The kernel frees it
//! when the process ends. Any user can take the name, so it counts only if its listener could
//! change the tables; otherwise director warns and continues.

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
/// The most connections waiting: each is a process asking who listens.
const BACKLOG: i32 = 4096;
/// How often to wait for a process that has taken the name but does not listen yet.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);
/// `CAP_NET_ADMIN`, capability.h.
const NET_ADMIN: u64 = 1 << 12;

/// The holder of a namespace.
#[derive(Debug)]
pub(super) enum Claim {
    /// This process, as long as the socket lives.
    Ours(Socket),
    /// Another director.
    Theirs {
        /// Its process; `None` if it is in another PID namespace.
        holder: Option<u32>,
    },
    /// A process that cannot be a director; holds its description.
    Squatted(String),
}

/// Claims the calling thread's network namespace.
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
            // Just gone, or not listening yet.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => thread::sleep(PAUSE),
            Err(error) => return Ok(Claim::Squatted(error.to_string())),
        }
    }
    Ok(Claim::Squatted("it does not listen".to_owned()))
}

fn judge(asking: &Socket) -> Claim {
    let Ok(peer) = getsockopt(asking, PeerCredentials) else {
        return Claim::Squatted("unknown process".to_owned());
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

/// Whether a process has `CAP_NET_ADMIN` in this user namespace. Every user has it in a namespace
/// of their own.
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

    /// Several runs of these tests may share a machine.
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
    fn a_name_without_a_listener_keeps_no_director_out() {
        let name = name("silent");
        let squatter = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        let address = SockAddr::unix(format!("\0{name}")).unwrap();
        squatter.bind(&address).unwrap();
        let found = claim(&name).unwrap();
        assert!(matches!(found, Claim::Squatted(_)), "{found:?}");
    }
}
