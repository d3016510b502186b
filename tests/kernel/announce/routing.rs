//! bird and FRR on hosts, with the configurations of the documentation.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::User;

use crate::lab::{Host, Process, eventually};

/// The block of `docs/announce.md` with this heading before it that begins with this line.
fn block(heading: &str, first: &str) -> String {
    let page = include_str!("../../../docs/announce.md");
    let (_, section) = page
        .split_once(&format!("\n## {heading}\n"))
        .expect("the heading is there");
    let mut blocks = section.split("```text\n").skip(1);
    let block = blocks.find(|block| block.starts_with(first));
    let (text, _) = block
        .and_then(|block| block.split_once("```"))
        .expect("the block is there");
    text.to_owned()
}

/// The configuration for director `number`, with the addresses of `a` replaced by its own.
fn own(text: &str, number: usize) -> String {
    text.replace("10.0.0.1;", &format!("10.0.0.{number};"))
        .replace("10.0.0.1 as", &format!("10.0.0.{number} as"))
        .replace("fd00::1 as", &format!("fd00::{number} as"))
}

/// bird on a host.
pub(super) struct Bird<'h> {
    host: &'h Host,
    directory: tempfile::TempDir,
    process: Option<Process>,
}

impl<'h> Bird<'h> {
    /// On director `number`, reading addresses.
    pub(super) fn direct(host: &'h Host, number: usize) -> Self {
        let text = block("bird 2", "# /etc/bird/bird.conf on a director");
        Self::start(host, &own(&text, number))
    }

    /// The same, reading routes.
    pub(super) fn kernel(host: &'h Host, number: usize) -> Self {
        let text = block(
            "Routes instead of addresses",
            "# /etc/bird/bird.conf on a director",
        );
        Self::start(host, &own(&text, number))
    }

    /// The router.
    pub(super) fn router(host: &'h Host) -> Self {
        let text = block("The router", "# /etc/bird/bird.conf on the router");
        Self::start(host, &text)
    }

    fn start(host: &'h Host, text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Tests do not wait.
        let text = text.replace(
            "neighbor ",
            "connect delay time 1; connect retry time 2; neighbor ",
        );
        fs::write(directory.path().join("bird.conf"), text).unwrap();
        let mut bird = Self {
            host,
            directory,
            process: None,
        };
        bird.launch();
        bird
    }

    pub(super) fn launch(&mut self) {
        let path = |name: &str| self.directory.path().join(name);
        let log = log(&path("log"));
        let mut command = Command::new("/usr/sbin/bird");
        command
            .args(["-f", "-c"])
            .arg(path("bird.conf"))
            .arg("-s")
            .arg(path("control"))
            .arg("-P")
            .arg(path("pid"))
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(log);
        self.process = Some(self.host.spawn_command(command));
        eventually("bird answers", || path("control").exists().then_some(()));
    }

    pub(super) fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.signal(Signal::SIGKILL);
        eventually("bird has ended", || process.ended());
        fs::remove_file(self.directory.path().join("control")).unwrap();
    }

    /// All about its routes.
    pub(super) fn routes(&self) -> String {
        let mut command = Command::new("/usr/sbin/birdc");
        command
            .arg("-s")
            .arg(self.directory.path().join("control"))
            .args(["show", "route", "all"]);
        let outcome = self.host.command(command, b"");
        assert!(outcome.success(), "birdc: {outcome}");
        outcome.stdout
    }
}

impl Drop for Bird<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.directory.path().join("log"));
            eprintln!("bird on {}:\n{}", self.host.name(), log.unwrap_or_default());
        }
    }
}

/// FRR's zebra and bgpd on a host.
pub(super) struct Frr<'h> {
    host: &'h Host,
    directory: tempfile::TempDir,
    processes: Vec<Process>,
}

impl<'h> Frr<'h> {
    /// Reading addresses.
    pub(super) fn start(host: &'h Host) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let text = block("FRR", "! /etc/frr/frr.conf on a director");
        let text: String = text
            .lines()
            .map(|line| match line.strip_suffix(" remote-as 65000") {
                // Tests do not wait.
                Some(neighbour) => format!("{line}\n{neighbour} timers connect 2\n"),
                None => format!("{line}\n"),
            })
            .collect();
        fs::write(directory.path().join("bgpd.conf"), text).unwrap();
        fs::write(directory.path().join("zebra.conf"), "").unwrap();
        // It gives up root's rights, and keeps its sockets there.
        let user = User::from_name("frr").unwrap().unwrap();
        for path in [".", "bgpd.conf", "zebra.conf"] {
            let path = directory.path().join(path);
            std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                .unwrap();
        }
        let mut frr = Self {
            host,
            directory,
            processes: Vec::new(),
        };
        frr.launch();
        frr
    }

    fn launch(&mut self) {
        for name in ["zebra", "bgpd"] {
            let path = |end: &str| self.directory.path().join(format!("{name}.{end}"));
            let log = log(&path("log"));
            let mut command = Command::new(format!("/usr/lib/frr/{name}"));
            command
                .args(["--log", "stdout"])
                .arg("-f")
                .arg(path("conf"))
                .arg("-i")
                .arg(path("pid"))
                .arg("-z")
                .arg(self.directory.path().join("zserv.api"))
                .arg("--vty_socket")
                .arg(self.directory.path())
                .stdout(Stdio::from(log.try_clone().unwrap()))
                .stderr(log);
            self.processes.push(self.host.spawn_command(command));
            eventually(&format!("{name} answers"), || {
                path("vty").exists().then_some(())
            });
        }
    }
}

impl Drop for Frr<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["zebra", "bgpd"] {
                let log = fs::read_to_string(self.directory.path().join(format!("{name}.log")));
                eprintln!(
                    "{name} on {}:\n{}",
                    self.host.name(),
                    log.unwrap_or_default()
                );
            }
        }
    }
}

fn log(path: &Path) -> fs::File {
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true).open(path).unwrap()
}
