//! The shell in which a page's commands are typed.
//!
//! A bash with mounts and processes of its own: `/run`, `/var/lib` and `/etc/director` are empty,
//! so that the default paths can be used next to other tests, and its leftover processes end with
//! it. The current directory has `examples/` and the files that the page writes.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, PipeWriter, Write, pipe};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, ChildStdin, Command};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::ipvsadm::programs::built;
use crate::lab::Netns;

/// The timeout of a command: the lab is slow when others keep the processors busy, and only a
/// failing test waits that long.
const LIMIT: Duration = Duration::from_secs(400);

/// Commands that never end by themselves. They get this many seconds, and more on a machine so slow
/// that they have not printed anything yet.
const ENDLESS: [&str; 3] = ["--watch", "--follow", "follow=true"];
const ENDLESS_FOR: [u32; 2] = [2, 60];

/// Ends the output of a command, followed by its exit code.
const END: &str = "\u{1}end ";

/// What the lab lacks.
const STAND_INS: [(&str, &str); 2] = [
    ("sudo", include_str!("stand-ins/sudo")),
    ("systemctl", include_str!("stand-ins/systemctl")),
];

pub(crate) struct Shell {
    bash: Child,
    stdin: ChildStdin,
    output: Receiver<String>,
    directory: tempfile::TempDir,
}

/// A command's output on both streams, and its exit code.
pub(crate) struct Outcome {
    pub(crate) lines: Vec<String>,
    pub(super) code: i32,
}

impl Shell {
    pub(crate) fn start() -> Self {
        // The lab loads the kernel's modules before the first namespace.
        drop(Netns::new("documents"));
        let directory = tempfile::tempdir().unwrap();
        let path = programs(directory.path());
        let (reader, writer) = pipe().unwrap();
        let lines = |writer: &PipeWriter| writer.try_clone().unwrap();
        let mut bash = Command::new("unshare")
            .args([
                "--mount",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ])
            .args(["bash", "--noprofile", "--norc"])
            .current_dir(directory.path())
            .env("PATH", path)
            .env(
                "DIRECTOR_UNIT",
                concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/packaging/systemd/director.service"
                ),
            )
            .env_remove("SUDO_USER")
            .stdin(std::process::Stdio::piped())
            .stdout(lines(&writer))
            .stderr(writer)
            .spawn()
            .unwrap();
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(reader);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&line);
                if sender.send(text.trim_end_matches('\n').to_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let stdin = bash.stdin.take().unwrap();
        let mut shell = Self {
            bash,
            stdin,
            output,
            directory,
        };
        shell.prepare("mkdir -p /etc/director && ip link set lo up");
        for mounted in ["/run", "/var/lib", "/etc/director"] {
            shell.prepare(&format!("mount -t tmpfs tmpfs {mounted}"));
        }
        shell
    }

    /// Puts a file into the current directory.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// Runs a command that has to succeed.
    #[track_caller]
    pub(crate) fn prepare(&mut self, command: &str) {
        let outcome = self.run(command);
        assert!(outcome.code == 0, "{command}: {outcome}");
    }

    /// Runs a command and waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[track_caller]
    pub(crate) fn run(&mut self, command: &str) -> Outcome {
        if is_endless(command) {
            let [short, long] =
                ENDLESS_FOR.map(|seconds| format!("timeout {seconds} {command} </dev/null\n"));
            let outcome = self.type_in(&short);
            return if outcome.lines.is_empty() {
                self.type_in(&long)
            } else {
                outcome
            };
        }
        if command.ends_with(" bash") {
            // Another shell, which reads the input from now on.
            return self.type_in(&format!("{command}\n"));
        }
        self.type_in(&format!("{{ {command}\n}} </dev/null\n"))
    }

    /// Types lines, and reads until the shell has processed them.
    #[track_caller]
    fn type_in(&mut self, typed: &str) -> Outcome {
        let end = format!("printf '\\n{END}%s\\n' \"$?\"\n");
        self.stdin.write_all(typed.as_bytes()).unwrap();
        self.stdin.write_all(end.as_bytes()).unwrap();
        let mut lines: Vec<String> = Vec::new();
        loop {
            let Ok(line) = self.output.recv_timeout(LIMIT) else {
                panic!("{typed}: does not end; so far:\n{}", lines.join("\n"));
            };
            if let Some(code) = line.strip_prefix(END) {
                // The last line is the one that `printf` ended.
                if lines.last().is_some_and(String::is_empty) {
                    lines.pop();
                }
                let code = code.parse().unwrap();
                return Outcome { lines, code };
            }
            lines.push(line);
        }
    }
}

fn is_endless(command: &str) -> bool {
    ENDLESS.iter().any(|option| command.contains(option))
}

/// A directory of programs for the path: the built ones and the stand-ins.
fn programs(directory: &Path) -> String {
    let bin = directory.join(".bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_director"), bin.join("director")).unwrap();
    for name in ["ipvsadm", "ipvsadm-save", "ipvsadm-restore"] {
        symlink(built("ipvsadm"), bin.join(name)).unwrap();
    }
    for (name, text) in STAND_INS {
        fs::write(bin.join(name), text).unwrap();
        fs::set_permissions(bin.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    symlink(examples, directory.join("examples")).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

impl Outcome {
    /// Whether it ended as expected. A plan with changes has exit code 2, and endless commands were
    /// stopped.
    pub(super) fn is_well(&self, command: &str) -> bool {
        if is_endless(command) {
            return !self.lines.is_empty() && [0, 124].contains(&self.code);
        }
        self.code == 0 || self.code == 2 && command.contains("director plan ")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n{}", self.code, self.lines.join("\n"))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // All processes inside end with the first, which `unshare` takes with it.
        let _ = self.bash.kill();
        let _ = self.bash.wait();
    }
}
