//! Packets to a virtual address all the time: which of them are lost.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::Host;

const PORT: u16 = 7777;

/// The time between two probes of [`probe`].
const PACE: Duration = Duration::from_millis(4);

/// What became of the probes.
#[derive(Debug)]
pub(crate) struct Probed {
    pub(crate) sent: u32,
    pub(crate) lost: Vec<u32>,
    /// The time between two probes.
    pace: Duration,
}

impl Probed {
    /// The longest sequence of lost probes, as a time.
    pub(crate) fn outage(&self) -> Duration {
        let (mut longest, mut run, mut last) = (0, 0, None);
        for lost in &self.lost {
            run = if last == Some(lost.wrapping_sub(1)) {
                run + 1
            } else {
                1
            };
            last = Some(*lost);
            longest = longest.max(run);
        }
        self.pace * longest
    }
}

/// Ends the threads, also when a test fails.
struct Ends<'f>(&'f AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends probes from a client to the address, which these hosts answer, while something happens.
pub(crate) fn probe(
    client: &Host,
    address: &str,
    hosts: &[&Host],
    during: impl FnOnce(),
) -> Probed {
    probe_every(PACE, client, address, hosts, during)
}

/// The same with another time between two probes.
pub(crate) fn probe_every(
    pace: Duration,
    client: &Host,
    address: &str,
    hosts: &[&Host],
    during: impl FnOnce(),
) -> Probed {
    let over = AtomicBool::new(false);
    let to: SocketAddr = (address.parse::<std::net::IpAddr>().unwrap(), PORT).into();
    thread::scope(|scope| {
        let _over = Ends(&over);
        let echoes: Vec<ScopedJoinHandle<'_, ()>> = hosts
            .iter()
            .map(|host| {
                let socket = host.enter(|| UdpSocket::bind((any(to), PORT)).unwrap());
                let over = &over;
                scope.spawn(move || echo(&socket, over))
            })
            .collect();
        let socket = client.enter(|| UdpSocket::bind((any(to), 0)).unwrap());
        let stop = AtomicBool::new(false);
        let probed = thread::scope(|scope| {
            let sender = scope.spawn(|| send(&socket, to, pace, &stop));
            let receiver = scope.spawn(|| receive(&socket, &over));
            let stopping = (Ends(&stop), Ends(&over));
            during();
            drop(stopping.0);
            let sent = sender.join().unwrap();
            // The last answers are on their way.
            thread::sleep(Duration::from_millis(500));
            drop(stopping.1);
            let answered = receiver.join().unwrap();
            let lost = (0..sent)
                .filter(|number| !answered.contains(number))
                .collect();
            Probed { sent, lost, pace }
        });
        for echo in echoes {
            echo.join().unwrap();
        }
        probed
    })
}

const fn any(of: SocketAddr) -> std::net::IpAddr {
    match of {
        SocketAddr::V4(_) => std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}

fn echo(socket: &UdpSocket, over: &AtomicBool) {
    let mut buffer = [0; 16];
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    while !over.load(Ordering::Relaxed) {
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], from);
        }
    }
}

fn send(socket: &UdpSocket, to: SocketAddr, pace: Duration, stop: &AtomicBool) -> u32 {
    let mut number: u32 = 0;
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        // A client without a neighbour entry is told so; the probe is lost.
        let _ = socket.send_to(&number.to_ne_bytes(), to);
        number += 1;
        thread::sleep((pace * number).saturating_sub(start.elapsed()));
    }
    number
}

fn receive(socket: &UdpSocket, over: &AtomicBool) -> BTreeSet<u32> {
    let mut answered = BTreeSet::new();
    let mut buffer = [0; 4];
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    while !over.load(Ordering::Relaxed) {
        if let Ok((4, _)) = socket.recv_from(&mut buffer) {
            answered.insert(u32::from_ne_bytes(buffer));
        }
    }
    answered
}
