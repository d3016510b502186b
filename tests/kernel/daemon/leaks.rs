//! Ten thousand servers for minutes (on a slow kernel hundreds): memory and descriptors stay
//! constant.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Daemon;
use crate::lab::{Lan, eventually, pace, paced_ms};

/// With [`SERVERS`] each: ten thousand. An emulated kernel that also runs other tests makes at most
/// some thirty checks per second: four hundred failing servers, each checked every ten seconds.
fn services() -> u8 {
    u8::try_from(125 / pace().pow(2)).unwrap().max(1)
}

const SERVERS: u8 = 80;

/// A service file: each server has its own address within 127.0.0.0/8.
fn file(services: u8, weight: u32) -> String {
    let mut text = "version = 1\n[policy]\nmax_removed = \"100%\"\n\
         [defaults]\nscheduler = \"wrr\"\nforward = \"nat\"\ndamping = false\n\
         [defaults.check]\ntype = \"tcp\"\ninterval = \"10s\"\nfast_interval = \"2s\"\n\
         timeout = \"2s\"\nrise = 1\nfall = 2\n"
        .to_owned();
    for service in 1..=services {
        let _ = write!(
            text,
            "[service.s{service}]\nlisten = \"tcp://10.1.0.100:{}\"\nservers = [\n",
            1000 + u16::from(service)
        );
        for server in 1..=SERVERS {
            let _ = writeln!(
                text,
                "{{ address = \"127.1.{service}.{server}\", port = 80, weight = {weight} }},"
            );
        }
        text.push_str("]\n");
    }
    text
}

/// Answers for all servers.
struct Farm {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Farm {
    fn start(daemon: &Daemon<'_>) -> Self {
        let listener = eventually("the port is free", || {
            let all = (Ipv4Addr::UNSPECIFIED, 80);
            daemon.host.enter(|| TcpListener::bind(all)).ok()
        });
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = thread::spawn(move || {
            for connection in listener.incoming() {
                drop(connection);
                if ends.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        Self {
            over,
            thread: Some(thread),
        }
    }

    /// Kills all of them.
    fn die(mut self, daemon: &Daemon<'_>) {
        self.over.store(true, Ordering::SeqCst);
        let here = (Ipv4Addr::LOCALHOST, 80);
        let _ = daemon.host.enter(|| std::net::TcpStream::connect(here));
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Waits until this many servers have this weight in the kernel.
fn until_serve(daemon: &Daemon<'_>, weight: u32, number: usize) {
    let end = format!(" -w {weight}");
    let mut serve = 0;
    for _ in 0..80 {
        // A long list: polling it constantly would leave no time for the checks.
        thread::sleep(paced_ms(3_000));
        let saved = daemon.host.run("ipvsadm -Sn");
        serve = saved.lines().filter(|line| line.ends_with(&end)).count();
        if serve == number {
            return;
        }
    }
    panic!("{serve} of {number} servers have weight {weight}");
}

/// Resident memory in KiB, and the number of open descriptors.
fn usage(pid: u32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.unwrap().trim().trim_end_matches(" kB");
    // A check in progress has one: the minimum of many looks is what is always open.
    let looks = (0..40).map(|_| {
        thread::sleep(Duration::from_millis(50));
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
    });
    let open = looks.min().unwrap();
    (resident.parse().unwrap(), open)
}

#[test]
#[ignore = "needs the lab"]
fn many_servers_for_minutes_leak_nothing() {
    let all = usize::from(services()) * usize::from(SERVERS);
    let net = Lan::nat().build();
    let mut daemon = Daemon::idle(&net.director, &file(1, 1));
    daemon.environment = vec![
        ("DIRECTOR_LOG", PathBuf::from("error")),
        ("MALLOC_ARENA_MAX", PathBuf::from("1")),
    ];
    let mut farm = Farm::start(&daemon);
    daemon.launch();
    let pid = daemon.pid();
    let reload = |weight| {
        daemon.write(&file(services(), weight));
        daemon.signal(Signal::SIGHUP);
    };
    reload(1);
    until_serve(&daemon, 1, all);
    let mut used = Vec::new();
    for round in 2..=6 {
        farm.die(&daemon);
        until_serve(&daemon, 0, all);
        farm = Farm::start(&daemon);
        until_serve(&daemon, round - 1, all);
        reload(round);
        until_serve(&daemon, round, all);
        assert!(daemon.get("/v1/status").is_some());
        // All connections of checks are closed after their timeout.
        thread::sleep(paced_ms(3_000));
        used.push(usage(pid));
        eprintln!("leaks: round {round}: {:?}", used.last());
    }
    eprintln!("leaks: KiB and descriptors after each round: {used:?}");
    // Everything kept for good, including events and statistics, exists after the first round. The
    // second reload is the first that meets a fragmented heap: from then on its size is constant.
    let ((memory, open), (memory_then, open_then)) = (used[1], used[used.len() - 1]);
    assert!(memory_then < memory + memory / 20 + 1024, "{used:?}");
    assert!(open_then < open + 16, "{used:?}");
    farm.die(&daemon);
}
