//! Connections that are held open, for `type = "idle"`: nothing happens on them until they end.
//!
//! ```text
//!   connects.rs: connected ──► Holds ──► epoll: bytes ──► read, thrown away
//!                                              end ────► Lost ──► runner.rs: reconnects, judges
//! ```
//!
//! A held connection costs its descriptor, its place in the epoll set and a hundred bytes here.

use std::collections::HashMap;
use std::io::{self, Read};
use std::mem;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use socket2::Socket;

use super::failure::{Failure, is_ours};
use super::kind::idle;
use super::target::Job;
use super::{Target, TargetId};

/// What a held connection waits for. Errors come without being asked for.
pub(super) const EVENTS: EpollFlags = EpollFlags::EPOLLIN.union(EpollFlags::EPOLLRDHUP);

/// A server that has sent so much is let go and connected again, so that one that never stops
/// costs at most this much reading in each `fast_interval`.
const MOST_HEARD: usize = 1 << 20;

/// How many pieces of one connection are read before others get their turn.
const TURN: usize = 8;

/// Connections that are held.
#[derive(Debug)]
pub(super) struct Holds {
    held: HashMap<Job, Held>,
    most: usize,
    lost: Vec<Lost>,
}

#[derive(Debug)]
struct Held {
    socket: Socket,
    id: TargetId,
    target: Arc<Target>,
    heard: usize,
}

/// A held connection that ended.
#[derive(Debug)]
pub(crate) struct Lost {
    /// Whose it was.
    pub(crate) id: TargetId,
    /// The check that made it.
    pub(crate) job: Job,
    pub(crate) end: End,
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The server ended it, as it may: whether it takes another one is to be seen.
    Over(&'static str),
    /// The server, or the way to it, is not there.
    Failed(Failure),
}

impl Holds {
    /// None, and never more than `most`.
    pub(super) fn new(most: usize) -> Self {
        Self {
            held: HashMap::new(),
            most,
            lost: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether one more can be held.
    pub(super) fn room(&self) -> Result<(), Failure> {
        if self.held.len() < self.most {
            return Ok(());
        }
        let most = self.most;
        Err(Failure::ours(format!(
            "no descriptor is left to hold a connection, {most} are held: raise the limit of open \
             files (LimitNOFILE=)"
        )))
    }

    pub(super) fn contains(&self, job: Job) -> bool {
        self.held.contains_key(&job)
    }

    /// Holds a connection, which is registered with [`EVENTS`].
    pub(super) fn hold(&mut self, job: Job, socket: Socket, (id, target): (TargetId, Arc<Target>)) {
        let held = Held {
            socket,
            id,
            target,
            heard: 0,
        };
        self.held.insert(job, held);
    }

    /// Ends one that is held no longer.
    pub(super) fn release(&mut self, job: Job) {
        self.held.remove(&job);
    }

    /// Something happened on it, if it is one of these.
    pub(super) fn hear(&mut self, job: Job, piece: &mut [u8]) {
        let Some(held) = self.held.get_mut(&job) else {
            return;
        };
        let Some(end) = held.hear(piece) else { return };
        let id = held.id;
        // It closes its socket, which takes it out of the set.
        self.held.remove(&job);
        self.lost.push(Lost { id, job, end });
    }

    /// Those that ended since the last call.
    pub(super) fn take_lost(&mut self) -> Vec<Lost> {
        mem::take(&mut self.lost)
    }
}

impl Held {
    /// Reads what is there, and throws it away.
    fn hear(&mut self, piece: &mut [u8]) -> Option<End> {
        for _ in 0..TURN {
            match self.socket.read(piece) {
                Ok(0) => return Some(End::Over("the server closed the held connection")),
                Ok(number) => {
                    self.heard += number;
                    if self.heard > MOST_HEARD {
                        return Some(End::Over("the server sent more than 1 MiB"));
                    }
                    if number < piece.len() {
                        return None;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(self.broken(&error)),
            }
        }
        None
    }

    fn broken(&self, error: &io::Error) -> End {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ECONNRESET | Errno::EPIPE) => {
                End::Over("the server reset the held connection")
            }
            Some(Errno::ETIMEDOUT) => {
                let patience = idle::patience(&self.target.spec.pace);
                End::Failed(Failure::new(format_args!(
                    "no answer to keep-alives for {patience:?}"
                )))
            }
            // Such as "no route to host", from a router or for want of an answer to ARP.
            _ if is_ours(error) => End::Over("this machine ended the held connection"),
            _ => End::Failed(Failure::io(error)),
        }
    }
}

/// A socket that is closed while bytes wait in it sends a reset; servers log that.
impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.hear(&mut [0; 4 << 10]);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
    use std::time::Duration;

    use director_config::state::health::{CheckAt, CheckKind, CheckSpec, IdleCheck, Pace};
    use socket2::SockRef;

    use super::*;

    fn target() -> Arc<Target> {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Arc::new(Target {
            spec: Arc::new(CheckSpec {
                kind: CheckKind::Idle(IdleCheck),
                pace: Pace::default(),
                at: CheckAt::default(),
            }),
            address,
            port: 80,
            service: None,
            server: (address, 80),
            service_name: None,
            server_name: None,
        })
    }

    #[test]
    fn too_few_descriptors_are_this_machines_fault() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut holds = Holds::new(1);
        assert_eq!(holds.room(), Ok(()));
        holds.hold(1, socket.into(), (TargetId(1), target()));
        let failure = holds.room().unwrap_err();
        assert!(failure.ours, "{failure:?}");
        let text = "not checked: no descriptor is left to hold a connection, 1 are held";
        assert!(failure.text.starts_with(text), "{failure:?}");
        holds.release(1);
        assert_eq!(holds.room(), Ok(()));
    }

    #[test]
    fn the_kernels_times_come_from_the_checks() {
        let socket = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let seconds = Duration::from_secs;
        for (interval, timeout, idle, between) in [
            (seconds(2), seconds(2), 2, 1),
            (seconds(30), seconds(9), 30, 3),
            (Duration::from_millis(1200), seconds(1), 2, 1),
            (Duration::from_millis(10), Duration::from_millis(1), 1, 1),
            (seconds(86_400), seconds(3600), 32_767, 1200),
        ] {
            let pace = Pace {
                interval,
                timeout,
                ..Pace::default()
            };
            idle::keep_alive(&socket, &pace);
            let set = SockRef::from(&socket);
            assert!(set.keepalive().unwrap());
            assert_eq!(set.tcp_keepalive_time().unwrap(), seconds(idle));
            assert_eq!(set.tcp_keepalive_interval().unwrap(), seconds(between));
            let patience = set.tcp_user_timeout().unwrap();
            assert_eq!(patience, Some(interval + timeout));
        }
    }
}
