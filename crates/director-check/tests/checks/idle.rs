//! Connections that are held open.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use director_check::{Command, Finding, Target, TargetId, Verdict};
use director_config::state::health::{CheckKind, IdleCheck};
use socket2::{Domain, Socket, Type};

use crate::ask::{PATIENCE, Running, ask, ask_in_haste, eventually, spec, target};
use crate::serve::{Full, nobody, resets};

const HOUR: Duration = Duration::from_secs(3600);

/// Held open, and so rarely due that only its end can be what is found.
fn idle(at: SocketAddr) -> Target {
    let mut spec = spec(CheckKind::Idle(IdleCheck));
    spec.pace.interval = HOUR;
    target(spec, at)
}

/// A server that keeps its connections until it dies.
struct Server {
    at: SocketAddr,
    listener: TcpListener,
    kept: Arc<Mutex<Vec<TcpStream>>>,
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let kept: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let (accepts, keeps) = (listener.try_clone().unwrap(), Arc::clone(&kept));
        thread::spawn(move || {
            for stream in accepts.incoming().map_while(Result::ok) {
                keeps.lock().unwrap().push(stream);
            }
        });
        Self {
            at: listener.local_addr().unwrap(),
            listener,
            kept,
        }
    }

    fn connections(&self) -> usize {
        self.kept.lock().unwrap().len()
    }

    /// As the kernel does it for a process that is killed.
    fn dies(self) {
        // It ends the accept(2) that waits, in which the other half would live on.
        socket2::SockRef::from(&self.listener)
            .shutdown(std::net::Shutdown::Both)
            .unwrap();
        drop(self.listener);
        self.kept.lock().unwrap().clear();
    }
}

fn judged(running: &Running) -> (Verdict, String) {
    match running.next() {
        Finding::Judged {
            verdict, reason, ..
        } => (verdict, reason.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_takes_a_connection_is_well_and_one_that_does_not_is_not() {
    let server = Server::new();
    let kind = || CheckKind::Idle(IdleCheck);
    assert_eq!(ask(kind(), server.at).passed(), "");
    assert_eq!(ask(kind(), nobody()).failed(), "connection refused");
    let full = Full::new();
    let text = "timed out after 1.5s while connecting";
    assert_eq!(ask_in_haste(kind(), full.at).failed(), text);
}

#[test]
fn a_process_that_dies_or_comes_back_is_found_immediately() {
    let server = Server::new();
    let at = server.at;
    let mut running = Running::start();
    let mut target = idle(at);
    let spec = Arc::make_mut(&mut target.spec);
    // Down, it is asked again; up, it is not.
    spec.pace.interval = Duration::from_secs(2);
    running.add(TargetId(1), target, Verdict::Open);
    assert_eq!(judged(&running).0, Verdict::Up);
    // One that was never accepted would be reset.
    eventually(|| (server.connections() == 1).then_some(()));
    server.dies();
    let (verdict, reason) = judged(&running);
    let closed = "connection refused; the server closed the held connection";
    assert_eq!((verdict, reason.as_str()), (Verdict::Down, closed));
    let _listener = eventually(|| TcpListener::bind(at).ok());
    assert_eq!(judged(&running).0, Verdict::Up);
}

#[test]
fn death_is_found_though_the_next_check_is_an_hour_away() {
    let server = Server::new();
    let mut running = Running::start();
    running.add(TargetId(1), idle(server.at), Verdict::Open);
    assert_eq!(judged(&running).0, Verdict::Up);
    let died = Instant::now();
    server.dies();
    assert_eq!(judged(&running).0, Verdict::Down);
    println!("found after {:?}", died.elapsed());
}

#[test]
fn one_connection_is_enough_for_any_rise_and_fall_counts_attempts_to_reconnect() {
    let server = Server::new();
    let mut running = Running::start();
    let mut target = idle(server.at);
    let spec = Arc::make_mut(&mut target.spec);
    (spec.pace.rise, spec.pace.fall) = (3, 3);
    running.add(TargetId(1), target, Verdict::Open);
    let up = (Verdict::Up, "3 checks in a row passed".to_owned());
    assert_eq!(judged(&running), up);
    assert_eq!(server.connections(), 1);
    server.dies();
    assert_eq!(judged(&running).0, Verdict::Down);
    let seen = eventually(|| Some(running.records[0].seen()).filter(|seen| seen.failures >= 3));
    assert_eq!((seen.successes, seen.failures), (3, 3));
}

/// A server that closes each connection after some time, and how many it had.
fn closes_after(time: Duration) -> (SocketAddr, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&count);
    let at = crate::serve::serve(move |_stream| {
        counts.fetch_add(1, SeqCst);
        thread::sleep(time);
    });
    (at, count)
}

#[test]
fn a_server_that_closes_idle_connections_stays_up() {
    let (at, count) = closes_after(Duration::from_millis(200));
    let mut running = Running::start();
    running.add(TargetId(1), idle(at), Verdict::Open);
    assert_eq!(judged(&running).0, Verdict::Up);
    eventually(|| (count.load(SeqCst) >= 5).then_some(()));
    let seen = running.records[0].seen();
    assert!(seen.passed && seen.failures == 0, "{seen:?}");
    assert!(running.found.try_recv().is_err());
}

#[test]
fn a_server_that_closes_each_connection_is_asked_no_more_than_the_fast_interval_says() {
    let (at, count) = closes_after(Duration::ZERO);
    let mut running = Running::start();
    let began = Instant::now();
    running.add(TargetId(1), idle(at), Verdict::Open);
    eventually(|| (count.load(SeqCst) >= 20).then_some(()));
    // 50 ms less half of the jitter of 5 %. Two are free: the first, and the one that replaces it.
    let most = began.elapsed().as_millis() / 48 + 2;
    let connections = u128::from(count.load(SeqCst));
    assert!(connections <= most, "{connections} of {most}");
    assert!(running.records[0].seen().passed);
}

#[test]
fn resets_are_ends_as_well() {
    let mut running = Running::start();
    running.add(TargetId(1), idle(resets()), Verdict::Up);
    let record = &running.records[0];
    eventually(|| (record.seen().successes >= 3).then_some(()));
}

#[test]
fn what_the_server_sends_is_thrown_away_and_has_an_end() {
    let count = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&count);
    let floods = crate::serve::serve(move |mut stream| {
        counts.fetch_add(1, SeqCst);
        while stream.write_all(&[b'a'; 64 << 10]).is_ok() {}
    });
    let mut running = Running::start();
    running.add(TargetId(1), idle(floods), Verdict::Open);
    assert_eq!(judged(&running).0, Verdict::Up);
    eventually(|| (count.load(SeqCst) >= 4).then_some(()));
    assert!(running.records[0].seen().passed);
}

/// A server that says when it has sent its greeting, and what comes at the end of each connection.
fn tells_ends() -> (SocketAddr, Receiver<()>, Receiver<std::io::Result<usize>>) {
    let (greets, greeted) = channel();
    let (send, ends) = channel();
    let at = crate::serve::serve(move |mut stream| {
        let _ = stream.write_all(b"220 ready\r\n");
        let _ = greets.send(());
        let _ = send.send(stream.read(&mut [0; 16]));
    });
    (at, greeted, ends)
}

#[test]
fn what_is_stopped_ends_its_connection_as_a_client_does() {
    let (at, greeted, ends) = tells_ends();
    let mut running = Running::start();
    running.add(TargetId(1), idle(at), Verdict::Open);
    assert_eq!(judged(&running).0, Verdict::Up);
    // A greeting that comes after the end is answered with a reset, as by any client.
    greeted.recv_timeout(PATIENCE).unwrap();
    running.checks.send(vec![Command::Stop(TargetId(1))]);
    let end = ends.recv_timeout(PATIENCE).unwrap();
    assert_eq!(end.unwrap(), 0, "a FIN");
    running.add(TargetId(2), idle(at), Verdict::Open);
    assert_eq!(judged(&running).0, Verdict::Up);
    greeted.recv_timeout(PATIENCE).unwrap();
    assert!(ends.try_recv().is_err(), "it is held");
    drop(running);
    let end = ends.recv_timeout(PATIENCE).unwrap();
    assert_eq!(end.unwrap(), 0, "a FIN when all of them stop");
}

/// What this process used of the processor.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |place: usize| fields[place].parse::<u64>().unwrap();
    // utime and stime, in hundredths of a second.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
}

/// `cargo test -p director-check --test checks -- --ignored --nocapture ten_thousand`
#[test]
#[ignore = "prints what ten thousand connections cost, and needs 15,000 descriptors"]
fn ten_thousand_cost() {
    const NUMBER: u32 = 10_000;
    // Connections that no program accepts take no descriptor; `net.core.somaxconn` allows 4096 each.
    let servers = [(); 4].map(|()| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        socket.bind(&any.into()).unwrap();
        socket.listen(4096).unwrap();
        socket
    });
    let places = servers
        .each_ref()
        .map(|server| server.local_addr().unwrap().as_socket().unwrap());
    let mut running = Running::start();
    let before = resident();
    let began = Instant::now();
    for (number, at) in (0..NUMBER).zip(places.iter().cycle()) {
        running.add(TargetId(number), idle(*at), Verdict::Open);
    }
    for _ in 0..NUMBER {
        assert_eq!(judged(&running).0, Verdict::Up);
    }
    println!(
        "{NUMBER} connections held after {:?}, in {} KiB with targets and records",
        began.elapsed(),
        resident() - before
    );
    let (start, time) = (used(), Duration::from_secs(20));
    thread::sleep(time);
    println!("{:?} of the processor in {time:?}", used() - start);
    let died = Instant::now();
    drop(servers);
    for _ in 0..NUMBER {
        assert_eq!(judged(&running).0, Verdict::Down);
    }
    println!("the death of all of them found after {:?}", died.elapsed());
}
