//! The two programs, and how to run them.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, thread};

use ipvs::{Client, Server, Service, SyncDaemon, Timeouts};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::NamedTempFile;

use crate::lab::{Drawing, Host, Outcome, Sketch};

/// Debian's program.
pub(crate) const DEBIANS: &str = "/usr/sbin/ipvsadm";

/// The drop-in: `DIRECTOR_IPVSADM`, or else the one that cargo built with this test.
pub(crate) fn ours() -> PathBuf {
    built("ipvsadm")
}

/// One of the three programs of the drop-in.
pub(crate) fn built(name: &str) -> PathBuf {
    let beside = match env::var_os("DIRECTOR_IPVSADM") {
        Some(path) => PathBuf::from(path),
        // target/<profile>/deps/kernel-<hash>
        None => {
            let test = env::current_exe().expect("a test knows where it is");
            let profile = test.ancestors().nth(2).expect("it lies two levels down");
            profile.join("ipvsadm")
        }
    };
    let path = beside.with_file_name(name);
    assert!(
        path.exists(),
        "{} is not there: cargo build -p ipvsadm",
        path.display()
    );
    path
}

/// A command line for `ipvsadm`, with its stdin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) words: Vec<Vec<u8>>,
    pub(crate) stdin: Vec<u8>,
}

impl Case {
    /// Words are split at single blanks: two blanks have an empty word between them.
    pub(crate) fn new(line: &str) -> Self {
        let words = line.split(' ').map(|word| word.as_bytes().to_vec());
        Self {
            words: words.collect(),
            stdin: Vec::new(),
        }
    }

    /// `-R` with this input.
    pub(crate) fn restore(input: impl Into<Vec<u8>>) -> Self {
        Self {
            words: vec![b"-R".to_vec()],
            stdin: input.into(),
        }
    }

    /// The number of its command lines.
    pub(crate) fn lines(&self) -> usize {
        let lines = self.stdin.split(|byte| *byte == b'\n');
        lines
            .filter(|line| !line.trim_ascii().is_empty())
            .count()
            .max(1)
    }

    /// Whether it only lists, so that it can be repeated.
    pub(crate) fn only_lists(&self) -> bool {
        let first = self.words.first().map(Vec::as_slice).unwrap_or_default();
        let lists = [b"-L", b"-l", b"-S"]
            .iter()
            .any(|list| first.starts_with(*list))
            || [b"--list", b"--save"].iter().any(|list| first == *list);
        let zeroes =
            |word: &Vec<u8>| word == b"--zero" || !word.starts_with(b"--") && word.contains(&b'Z');
        lists && !self.words.iter().any(zeroes)
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word.as_bytes())
    }
}

/// The result of a case: its streams, and the kernel's tables.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) outcome: Outcome,
    pub(crate) state: State,
}

/// Everything that can be configured in a namespace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    services: Vec<(Service, Vec<Server>)>,
    daemons: Vec<SyncDaemon>,
    timeouts: Timeouts,
}

/// A host and its program.
pub(crate) struct Side {
    pub(crate) host: Host,
    program: PathBuf,
    client: Client,
}

impl Side {
    /// Debian's program and the drop-in, on two equal hosts.
    pub(crate) fn both() -> (Self, Self) {
        let (hosts, _) = Drawing::new()
            .host(Sketch::new("debian"))
            .host(Sketch::new("ours"))
            .build();
        let [debian, ours]: [Host; 2] = hosts.try_into().expect("two hosts were drawn");
        (
            Self::new(debian, Path::new(DEBIANS)),
            Self::new(ours, &self::ours()),
        )
    }

    fn new(host: Host, program: &Path) -> Self {
        let client = host.enter(Client::connect).expect("the lab has ip_vs");
        Self {
            host,
            program: program.to_owned(),
            client,
        }
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, case: &Case) -> Outcome {
        let mut command = command(&self.program);
        command.args(case.words.iter().map(|word| OsStr::from_bytes(word)));
        self.host.command(command, &case.stdin)
    }

    /// Runs the program, then reads the kernel's tables.
    pub(crate) fn observe(&mut self, case: &Case) -> Observation {
        let outcome = self.run(case);
        Observation {
            outcome,
            state: self.state(),
        }
    }

    pub(crate) fn state(&mut self) -> State {
        let Self { host, client, .. } = self;
        // Inside the namespace, as a long list is read over a second socket.
        let table = host.enter(|| client.table());
        let table = table.expect("nobody else writes to the table");
        let services = table.services.into_iter().map(|service| {
            let servers = service.servers.iter().map(|entry| entry.server);
            (service.entry.service, servers.collect())
        });
        State {
            services: services.collect(),
            daemons: client.daemons().expect("daemons can be listed"),
            timeouts: client.timeouts().expect("time limits can be read"),
        }
    }
}

/// A program that runs under the name `ipvsadm`, so that messages with its name are equal.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg0("ipvsadm");
    command
}

/// Runs `work` on a thread with its own mounts, inherited by its children: [`replace`] replaces
/// files for them without any effect elsewhere.
pub(crate) fn with_own_mounts<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("a test in the lab may do that");
            let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
                .expect("mounts can be made private");
            work()
        });
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Replaces a file, within [`with_own_mounts`].
pub(crate) fn replace(path: &str, by: &Path) {
    let bind = MsFlags::MS_BIND;
    mount(Some(by), path, None::<&str>, bind, None::<&str>)
        .unwrap_or_else(|errno| panic!("cannot mount {} on {path}: {errno}", by.display()));
}

/// The names used in cases, and a name server that refuses immediately.
pub(crate) fn use_names() {
    let hosts = "127.0.0.1 localhost\n\
                 172.20.0.9 vip-one web\n\
                 fd00::9 six\n\
                 192.168.0.9 real-one\n\
                 192.168.0.8 real-server-number-two.internal.example.org\n\
                 172.20.0.8 www.a-rather-long-hostname-for-a-service.example.org\n\
                 fd00::8 v6-name\n";
    for (path, text) in [
        ("/etc/hosts", hosts),
        ("/etc/resolv.conf", "nameserver 127.0.0.1\n"),
    ] {
        // A file of this thread's own: tests run in parallel.
        let file = NamedTempFile::new().expect("the temporary directory can be written to");
        fs::write(file.path(), text).expect("a file of one's own can be written to");
        replace(path, file.path());
    }
}
