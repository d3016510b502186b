//! The listening socket: put in place only once it has its mode and group, and never over one on
//! which a director answers.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Group};
use socket2::{Domain, SockAddr, Socket, Type};

use super::api::Version;
use crate::net::namespace::Id;
use crate::words::path as shown;

/// Access for the owner and the group only.
const MODE: u32 = 0o660;
/// The most connections waiting to be accepted.
const BACKLOG: i32 = 4096;
/// How long a director at the path may take to report its namespace.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer to that query, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// The socket in the file system. Dropping it removes the socket, unless another one has taken its
/// place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    file: Identity,
}

/// Device, inode and time of creation: inodes are reused.
type Identity = (u64, u64, (i64, i64));

/// Listens at a path, for members of a group if one is named.
///
/// # Errors
/// `AddrInUse` if a director answers there; any error of the file system.
pub(super) fn listen(
    path: &Path,
    group: Option<&str>,
    of: Option<Id>,
) -> io::Result<(UnixListener, SocketFile)> {
    let group = match group {
        Some(name) => Some((name, gid(name)?)),
        None => None,
    };
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::create_dir_all(directory)?;
    }
    make_way(path, of)?;
    // Created next to the path and renamed into place once complete: as soon as it is visible, it
    // is usable.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    make_way(&beside, None)?;

    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // The file gets the socket's own mode (`unix_bind`), so it never has a wider one.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    socket.bind(&SockAddr::unix(&beside)?)?;
    let ready = || {
        if let Some((name, gid)) = group {
            std::os::unix::fs::chown(&beside, None, Some(gid.as_raw()))
                .map_err(|error| not_given(name, &error))?;
        }
        fs::set_permissions(&beside, fs::Permissions::from_mode(MODE))?;
        socket.listen(BACKLOG)?;
        let file = identity(&beside)?;
        fs::rename(&beside, path)?;
        Ok(file)
    };
    let file = ready().inspect_err(|_: &io::Error| {
        let _ = fs::remove_file(&beside);
    })?;
    let place = SocketFile {
        path: path.to_owned(),
        file,
    };
    Ok((UnixListener::from(socket), place))
}

/// Removes the socket of a director that is gone. Anything else stays, and is an error.
fn make_way(path: &Path, of: Option<Id>) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let taken = |what: &str| {
        let message = format!("{} is {what}", shown(path));
        Err(io::Error::new(io::ErrorKind::AddrInUse, message))
    };
    if !kind.is_socket() {
        return taken("not a socket");
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        Ok(stream) if of.is_some_and(|of| works_elsewhere(&stream, of)) => {
            tracing::warn!(
                "{} belongs to a director whose network namespace had this name before; taking it \
                 over",
                shown(path)
            );
            // The new socket is renamed over it, so that one exists at every moment.
            Ok(())
        }
        _ => taken("the socket of another running director; use another --socket or --netns"),
    }
}

/// Whether the director that answers reports another network namespace. One that does not answer is
/// left alone.
fn works_elsewhere(mut stream: &UnixStream, of: Id) -> bool {
    let mut ask = || {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /v1/version HTTP/1.1\r\nhost: director\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
        io::Result::Ok(answer)
    };
    let Ok(answer) = ask() else {
        return false;
    };
    let answer = String::from_utf8_lossy(&answer);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
    let version = body.and_then(|body| serde_json::from_str::<Version>(body).ok());
    version.is_some_and(|version| version.namespace != of)
}

fn gid(name: &str) -> io::Result<Gid> {
    let missing = || {
        let message = format!("no group `{name}`");
        io::Error::new(io::ErrorKind::NotFound, message)
    };
    Ok(Group::from_name(name)?.ok_or_else(missing)?.gid)
}

/// A process without `CAP_CHOWN` can give a file only to groups that it is in (chown(2)). The
/// packaged unit drops that capability.
fn not_given(group: &str, error: &io::Error) -> io::Error {
    let advice = if error.kind() == io::ErrorKind::PermissionDenied {
        format!(
            "; add `SupplementaryGroups={group}` to the unit (without CAP_CHOWN the process must \
             be in the group), or leave --socket-group out"
        )
    } else {
        String::new()
    };
    let message = format!("cannot give it to the group `{group}`: {error}{advice}");
    io::Error::new(error.kind(), message)
}

fn identity(path: &Path) -> io::Result<Identity> {
    let found = fs::symlink_metadata(path)?;
    let made = (found.mtime(), found.mtime_nsec());
    Ok((found.dev(), found.ino(), made))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn only_owner_and_group_may_use_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/control.sock");
        let (_listener, place) = listen(&path, None, None).unwrap();
        assert_eq!(mode(&path), 0o660);
        drop(place);
        assert!(!path.exists(), "it goes with its director");
    }

    #[test]
    fn a_group_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let error = listen(&path, Some("no-such-group"), None).unwrap_err();
        assert_eq!(error.to_string(), "no group `no-such-group`");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_director_left_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        drop(UnixListener::bind(directory.path().join("control.sock.new")).unwrap());
        let (listener, place) = listen(&path, None, None).unwrap();
        let error = listen(&path, None, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(
            error.to_string().contains("another running director"),
            "{error}"
        );
        drop(listener);
        // The second takes the place of the first, which then leaves it alone.
        let (_second, _its_place) = listen(&path, None, None).unwrap();
        drop(place);
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        let error = listen(&path, None, None).unwrap_err();
        assert!(error.to_string().contains("not a socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let link = directory.path().join("link.sock");
        std::os::unix::fs::symlink("/nowhere", &link).unwrap();
        assert!(listen(&link, None, None).is_err(), "a link is not followed");
    }
}
