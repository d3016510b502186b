//! The next command to type after one that could not reach a director, or was not allowed to.
//!
//! The message above it says what is wrong; this says the way out, for this machine: whether a
//! director runs in another network namespace, whether there is a unit, a service file, or nothing.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::args::Args;
use super::output::say;
use super::top::NoTerminal;
use crate::http::{Client, ClientError};
use crate::net::namespace;

/// The directory of the control sockets.
const SOCKETS: &str = "/run/director";
/// The unit's service file.
const FILE: &str = "/etc/director/director.toml";
const UNIT: &str = "/usr/lib/systemd/system/director.service";

/// Says the next command, if there is one that helps.
pub(crate) fn say_next(args: &Args, error: &anyhow::Error) {
    let next = match error.downcast_ref::<ClientError>() {
        Some(ClientError::NotRunning { socket }) => Some(elsewhere(socket).unwrap_or_else(start)),
        Some(ClientError::Elsewhere(_)) => other_namespace(args),
        Some(ClientError::Denied { .. }) => Some(format!("sudo director {}", typed(&[]))),
        None if is_no_name(error) => Some("ip netns list".to_owned()),
        None if is_denied(error) && !nix::unistd::geteuid().is_root() => {
            Some(format!("sudo director {}", typed(&[])))
        }
        _ => error
            .downcast_ref()
            .map(|none: &NoTerminal| none.next.clone()),
    };
    if let Some(next) = next {
        say!("director: next: {next}");
    }
}

/// The next command after `director` alone.
pub(crate) fn say_first() {
    let socket = std::env::var_os("DIRECTOR_SOCKET");
    let socket = socket.unwrap_or_else(|| Path::new(SOCKETS).join("control.sock").into());
    let next = match answers(Path::new(&socket)) {
        true => return say!("\ndirector: a director is running here; next: director status"),
        false if Path::new(FILE).exists() => start(),
        false => "director export > services.toml".to_owned(),
    };
    say!("\ndirector: no director is running here; next: {next}");
}

/// Whether a director listens on a socket. One that refuses this user counts.
fn answers(socket: &Path) -> bool {
    match UnixStream::connect(socket) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// A director that runs on another of the usual sockets.
fn elsewhere(asked: &Path) -> Option<String> {
    let entries = fs::read_dir(SOCKETS).ok()?;
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    let mut commands = paths
        .iter()
        .filter(|path| *path != asked && answers(path))
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let words = typed(&["--netns", "--socket"]);
            if name == "control.sock" {
                return Some(format!("director {words}"));
            }
            let name = name.strip_prefix("netns-")?.strip_suffix(".sock")?;
            Some(format!("director --netns {} {words}", quoted(name)))
        });
    let first = commands.next()?;
    Some(match commands.count() {
        0 => first,
        more => format!("{first} (and {more} more in {SOCKETS})"),
    })
}

/// How to start a director here.
fn start() -> String {
    let there = |path: &str| Path::new(path).exists();
    if !there(FILE) {
        return format!(
            "director export > services.toml, and then director run services.toml (the unit reads {FILE})"
        );
    }
    match there(UNIT) && there("/run/systemd/system") {
        true => "systemctl start director".to_owned(),
        false => format!("director run {FILE}"),
    }
}

/// The socket belongs to a director of another namespace than the one asked for.
fn other_namespace(args: &Args) -> Option<String> {
    let words = typed(&["--netns", "--socket"]);
    // In a namespace with a name, whose director has a socket of its own.
    if args.netns.is_none()
        && let Some(name) = namespace::current().ok().and_then(namespace::name_of)
        && answers(&Path::new(SOCKETS).join(format!("netns-{name}.sock")))
    {
        return Some(format!("director --netns {} {words}", quoted(&name)));
    }
    let client = Client::new(&args.socket().ok()?).ok()?;
    let theirs = client.version().ok()??.namespace;
    if let Some(name) = namespace::name_of(theirs) {
        return Some(format!("director --netns {} {words}", quoted(&name)));
    }
    let first = namespace::of_process(1).ok()?;
    (first == theirs).then(|| {
        format!("nsenter --net=/proc/1/ns/net director {words} (that director is outside of this namespace)")
    })
}

/// Whether a network namespace has no such name.
fn is_no_name(error: &anyhow::Error) -> bool {
    error.to_string().starts_with("no network namespace `")
}

/// Whether rights are missing: the kernel's, or a file's. Both say so in these words.
fn is_denied(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}").to_lowercase();
    text.contains("permission denied") || text.contains("operation not permitted")
}

/// What was typed behind the program's name, without these options and their values.
fn typed(without: &[&str]) -> String {
    let mut words = std::env::args_os().skip(1);
    let mut kept: Vec<String> = Vec::new();
    while let Some(word) = words.next() {
        let word = lossy(&word);
        if without.contains(&word.as_str()) {
            words.next();
            continue;
        }
        let has_value = |option: &&str| {
            let rest = word.strip_prefix(*option);
            rest.is_some_and(|rest| rest.starts_with('='))
        };
        if without.iter().any(has_value) {
            continue;
        }
        kept.push(quoted(&word));
    }
    kept.join(" ")
}

fn lossy(word: &OsString) -> String {
    word.to_string_lossy().into_owned()
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_./:=@%+,-".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_a_shell_needs_it() {
        assert_eq!(quoted("tcp://[::1]:80"), "'tcp://[::1]:80'");
        assert_eq!(quoted("web-1"), "web-1");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
