//! The program `director` on a real kernel, verb by verb, each run a separate process.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod adoption;
mod confirm;
mod crash;
mod drains;
mod examples;
mod guards;
mod json;
mod locks;
mod machine;
mod ownership;
mod places;
mod refused;
mod saved;
mod settings;
mod state;
mod terminal;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use director::apply::{Kernel, Platform};
use director::state::Sysctl;
use ipvs::{DaemonRole, Server, ServerKey, Service, ServiceKey, SyncDaemon, Timeouts};

use crate::lab::{Drawing, Host, Outcome, Sketch};

const DIRECTOR: &str = env!("CARGO_BIN_EXE_director");

/// A host with an interface, alone on its network.
fn lone() -> Host {
    let sketch = Sketch::new("director")
        .line("link add eth0 up type veth peer name eth1")
        .line("link set eth1 up")
        .address("10.0.0.254/24", "eth0")
        .address("fd00::fe/64", "eth0");
    let (hosts, _) = Drawing::new().host(sketch).build();
    hosts.into_iter().next().expect("one host was drawn")
}

/// An operator's place: on a host, in a directory of service files where `director` also keeps its
/// state.
struct Desk<'h> {
    host: &'h Host,
    directory: tempfile::TempDir,
}

impl<'h> Desk<'h> {
    fn on(host: &'h Host) -> Self {
        Self {
            host,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// Writes a file to the directory.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A file of the state directory, once it exists.
    fn state(&self, name: &str) -> Option<PathBuf> {
        let of_namespaces = fs::read_dir(self.directory.path().join("state")).ok()?;
        let mut paths = of_namespaces.map(|entry| entry.unwrap().path().join(name));
        paths.find(|path| path.exists())
    }

    /// The command `program`, run at this desk.
    fn command<A: AsRef<OsStr>>(&self, program: &str, args: &[A]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.directory.path())
            .env("DIRECTOR_STATE_DIR", self.directory.path().join("state"))
            // One of the machines of the examples.
            .env("DIRECTOR_MACHINE", "lb1")
            .env_remove("NO_COLOR");
        command
    }

    /// Runs `director`; words are split at blanks.
    fn director(&self, line: &str) -> Outcome {
        self.director_with(line, b"")
    }

    fn director_with(&self, line: &str, input: &[u8]) -> Outcome {
        let words: Vec<_> = line.split_whitespace().collect();
        self.host.command(self.command(DIRECTOR, &words), input)
    }

    /// Runs `director` and expects success; returns its stdout.
    #[track_caller]
    fn done(&self, line: &str) -> String {
        self.ends(line, 0).stdout
    }

    /// Runs `director` and expects an exit code.
    #[track_caller]
    fn ends(&self, line: &str, code: i32) -> Outcome {
        let outcome = self.director(line);
        assert_eq!(outcome.code, code, "director {line}: {outcome}");
        outcome
    }

    /// Runs `director`, which refuses or fails, with all of these texts on stderr.
    #[track_caller]
    fn fails(&self, line: &str, said: &[&str]) {
        let outcome = self.ends(line, 1);
        for part in said {
            assert!(
                outcome.stderr.contains(part),
                "director {line} does not say `{part}`: {outcome}"
            );
        }
    }

    /// Asserts that the kernel contains what a saved file declares, and that nothing is left to do.
    #[track_caller]
    fn applied(&self, file: &str) {
        self.done(&format!("apply --yes {file}"));
        self.nothing_to_do(file);
    }

    /// The same, with a guard's objection.
    #[track_caller]
    fn forced(&self, file: &str) {
        self.done(&format!("apply --yes --force {file}"));
        self.nothing_to_do(file);
    }

    #[track_caller]
    fn nothing_to_do(&self, file: &str) {
        let said = self.done(&format!("plan {file}"));
        assert!(said.contains("Nothing to do"), "{said}");
    }

    fn tables(&self) -> Tables {
        Tables::of(self.host)
    }
}

/// Everything that can be declared about a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tables {
    services: BTreeMap<ServiceKey, (Service, BTreeMap<ServerKey, Server>)>,
    timeouts: Timeouts,
    daemons: BTreeMap<DaemonRole, SyncDaemon>,
    sysctls: BTreeMap<Sysctl, String>,
}

impl Tables {
    fn of(host: &Host) -> Self {
        let observed = host.enter(|| Kernel::connect().unwrap().observe().unwrap());
        let service = |(key, service): (ServiceKey, director::state::ObservedService)| {
            let servers = service.servers.into_iter();
            let servers = servers.map(|(key, entry)| (key, entry.server)).collect();
            (key, (service.service, servers))
        };
        Self {
            services: observed.services.into_iter().map(service).collect(),
            timeouts: observed.timeouts,
            daemons: observed.daemons,
            sysctls: observed.sysctls,
        }
    }

    fn has(&self, service: &str) -> bool {
        self.services.contains_key(&key(service))
    }

    /// The weight of a server; `None` if it does not exist.
    fn weight(&self, service: &str, server: &str) -> Option<u32> {
        let (_, servers) = self.services.get(&key(service))?;
        let mut servers = servers.values();
        let server = servers.find(|entry| entry.key.to_string() == server)?;
        Some(server.weight.get())
    }
}

/// `tcp://10.0.0.1:80`
fn key(service: &str) -> ServiceKey {
    service.parse().unwrap()
}

/// A service file with one service by NAT.
fn web(listen: &str, servers: &str, more: &str) -> String {
    format!(
        "version = 1\n[defaults]\nforward = \"nat\"\n[service.web]\nlisten = \"{listen}\"\n\
         servers = [{servers}]\n{more}\n"
    )
}

fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}
