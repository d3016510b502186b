//! One run of a command: a process group, its standard input, a timeout.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::coalesce::Batch;
use crate::check::program;
use crate::daemon::messages::NotifyAbout;
use crate::state::health::Notify;

/// The part of a command's stderr that is logged, in bytes.
const SAID: u64 = 4096;

/// Runs a command to its end, and returns it.
pub(super) async fn run(batch: Batch) -> Arc<Notify> {
    let command = batch.command.clone();
    let name = command.command.join(" ");
    let ended = tokio::time::timeout(command.timeout, attend(&batch)).await;
    match ended {
        Ok(Ok((status, _))) if status.success() => {
            tracing::debug!(command = name, events = batch.events.len(), "notified");
        }
        Ok(Ok((status, mut said))) => {
            if status.code() == Some(program::NOT_FOUND)
                && let Some(why) = command
                    .command
                    .first()
                    .and_then(|p| program::doubt(p.as_ref()))
            {
                said = format!("{said}; {why}");
            }
            tracing::warn!(command = name, %status, said, "a command to notify failed");
        }
        Ok(Err(error)) => {
            tracing::warn!(command = name, %error, "a command to notify cannot be run");
        }
        Err(_) => tracing::warn!(
            command = name,
            "a command to notify was killed after {}s",
            command.timeout.as_secs()
        ),
    }
    command
}

/// A child and everything that it started. Killed when this is dropped: on a timeout, and when the
/// director stops.
struct Group {
    child: Child,
    leader: Option<Pid>,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // Either no process is left, or this works.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

/// The exit status, and the output on stderr.
async fn attend(batch: &Batch) -> std::io::Result<(ExitStatus, String)> {
    let input = lines(batch)?;
    let mut command = command(batch);
    let mut child = command.spawn().map_err(|error| {
        let program = command.as_std().get_program();
        std::io::Error::new(error.kind(), program::explain(program, &error))
    })?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok());
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let mut group = Group {
        child,
        leader: leader.map(Pid::from_raw),
    };
    let tell = async {
        if let Some(mut stdin) = stdin {
            // Commands that only want to know that something happened need not read it.
            let _ = stdin.write_all(&input).await;
        }
    };
    let listen = async {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = (&mut stderr).take(SAID).read_to_end(&mut said).await;
            // The rest is discarded, so that the command does not block.
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        }
        String::from_utf8_lossy(&said).trim().to_owned()
    };
    let (status, (), said) = tokio::join!(group.child.wait(), tell, listen);
    Ok((status?, said))
}

/// The events, a JSON object per line.
fn lines(batch: &Batch) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for event in &batch.events {
        serde_json::to_writer(&mut text, event)?;
        text.push(b'\n');
    }
    Ok(text)
}

fn command(batch: &Batch) -> Command {
    let mut words = batch.command.command.iter();
    // An empty command is a mistake in the file, and was found there.
    let mut command = Command::new(words.next().map_or("", String::as_str));
    command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .env("DIRECTOR_EVENTS", batch.events.len().to_string())
        .env("DIRECTOR_DROPPED", batch.dropped.to_string())
        // systemd's variables are not for grandchildren.
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC")
        .env_remove("WATCHDOG_PID");
    if let Some(last) = batch.events.last() {
        let (name, service, listen, server, failover) = match &last.about {
            NotifyAbout::Service {
                event,
                service,
                listen,
                server,
            } => {
                let server = server.map(|server| server.to_string());
                let name = serde_json::to_value(event);
                (
                    name,
                    &**service,
                    listen.to_string(),
                    server.unwrap_or_default(),
                    "",
                )
            }
            NotifyAbout::Failover { event, failover } => {
                let none = String::new;
                (serde_json::to_value(event), "", none(), none(), &**failover)
            }
        };
        let name = name.unwrap_or_default();
        command
            .env("DIRECTOR_EVENT", name.as_str().unwrap_or_default())
            .env("DIRECTOR_SERVICE", service)
            .env("DIRECTOR_LISTEN", listen)
            .env("DIRECTOR_SERVER", server)
            .env("DIRECTOR_FAILOVER", failover)
            .env("DIRECTOR_REASON", &*last.text);
    }
    command
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use ipvs::{ServerKey, ServiceKey};

    use super::super::Commands;
    use super::*;
    use crate::daemon::messages::NotifyEvent;
    use crate::state::health::NotifyOn;

    fn shell(script: &str, timeout: Duration) -> Notify {
        Notify {
            command: vec!["/bin/sh".into(), "-c".into(), script.into()],
            on: BTreeSet::from([NotifyOn::ServerDown]),
            timeout,
        }
    }

    fn down(last: u8) -> NotifyEvent {
        NotifyEvent {
            about: NotifyAbout::Service {
                event: NotifyOn::ServerDown,
                service: "web".into(),
                listen: ServiceKey::tcp([192, 0, 2, 10], 80),
                server: Some(ServerKey::new([10, 0, 0, last], 80)),
            },
            text: "connection refused".into(),
            at_ms: 1000,
        }
    }

    fn eventually(what: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !what() {
            assert!(Instant::now() < end, "it did not come");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn a_command_gets_what_happened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("said");
        let script = format!(
            "{{ echo $DIRECTOR_EVENT $DIRECTOR_EVENTS $DIRECTOR_SERVICE $DIRECTOR_LISTEN \
             $DIRECTOR_SERVER $DIRECTOR_REASON; cat; echo end; }} > {}",
            path.display()
        );
        let commands = Commands::start().unwrap();
        let notify = [shell(&script, Duration::from_secs(60))];
        commands.tell(&notify, &down(11));
        commands.tell(&notify, &down(12));
        let mut other = down(13);
        if let NotifyAbout::Service { event, .. } = &mut other.about {
            *event = NotifyOn::ServerUp;
        }
        commands.tell(&notify, &other);
        eventually(|| read(&path).ends_with("end\n"));
        let said = read(&path);
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(
            lines[0],
            "server-down 2 web tcp://192.0.2.10:80 10.0.0.12:80 connection refused"
        );
        let first: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
        assert_eq!(first["server"], "10.0.0.11:80");
        assert_eq!(first["event"], "server-down");
        assert_eq!(lines.len(), 4, "{said}");
    }

    #[test]
    fn one_that_takes_too_long_is_killed_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", path.display());
        let commands = Commands::start().unwrap();
        commands.tell(&[shell(&script, Duration::from_secs(1))], &down(11));
        eventually(|| read(&path).ends_with('\n'));
        let child = format!("/proc/{}/cmdline", read(&path).trim());
        // Gone, or a zombie that has not been reaped.
        eventually(|| read(Path::new(&child)).is_empty());
    }

    #[test]
    fn what_runs_ends_with_the_director() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let script = format!("echo $$ > {}; exec sleep 600", path.display());
        let commands = Commands::start().unwrap();
        commands.tell(&[shell(&script, Duration::from_secs(600))], &down(11));
        eventually(|| read(&path).ends_with('\n'));
        drop(commands);
        let process = format!("/proc/{}/cmdline", read(&path).trim());
        eventually(|| read(Path::new(&process)).is_empty());
    }

    #[test]
    fn who_tells_never_waits() {
        let commands = Commands::start().unwrap();
        let missing = [Notify {
            command: vec!["/nowhere/at/all".into()],
            on: BTreeSet::from([NotifyOn::ServerDown]),
            timeout: Duration::from_secs(1),
        }];
        for _ in 0..100_000 {
            commands.tell(&missing, &down(11));
        }
    }
}
