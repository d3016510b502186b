//! Opens and reads regular files without a risk of blocking for ever.
//!
//! open(2) of a FIFO waits for a writer, and reading a device or a FIFO may never end. Whatever
//! path a user or an attacker gives, [`open`] immediately returns a regular file or an error. A
//! file system that hangs (a stale NFS mount) still blocks: callers read on a thread that nothing
//! else waits for.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, BufWriter, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

/// The size of a write, in bytes.
const BUFFER: usize = 32 << 10;

/// Opens a regular file for reading. Follows symbolic links.
///
/// # Errors
/// Those of open(2); `InvalidInput` with the kind of file if the path leads to anything but a
/// regular file.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OFlag::empty())
}

/// Like [`open`], for a file that only the director itself writes: rejects symbolic links.
///
/// # Errors
/// Those of [`open`]; `InvalidInput` if the path is a symbolic link.
pub fn open_no_link(path: &Path) -> io::Result<File> {
    open_with(path, OFlag::O_NOFOLLOW).map_err(|error| {
        if error.raw_os_error() == Some(Errno::ELOOP as i32) {
            let what = "not a regular file but a symbolic link";
            return io::Error::new(io::ErrorKind::InvalidInput, what);
        }
        error
    })
}

fn open_with(path: &Path, more: OFlag) -> io::Result<File> {
    // O_NOCTTY: a terminal must not become the daemon's own.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | more;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits())
        .open(path);
    let file = match opened {
        // open(2) of a socket only reports "No such device or address".
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {
            let found = std::fs::metadata(path).map(|found| found.file_type());
            let other = found.ok().filter(|found| !found.is_file());
            return Err(other.map_or(error, is_no_file));
        }
        opened => opened?,
    };
    let found = file.metadata()?.file_type();
    if found.is_file() {
        return Ok(file);
    }
    Err(is_no_file(found))
}

fn is_no_file(found: FileType) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("not a regular file but {}", describe(found)),
    )
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// Those of [`open`] and read(2); `FileTooLarge` if the file is longer.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_open(open(path)?, limit)
}

/// Like [`read`], for a file that only the director itself writes: rejects symbolic links.
///
/// # Errors
/// Those of [`open_no_link`] and [`read`].
pub fn read_no_link(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_open(open_no_link(path)?, limit)
}

fn read_open(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

fn describe(found: FileType) -> &'static str {
    if found.is_dir() {
        "a directory"
    } else if found.is_fifo() {
        "a FIFO"
    } else if found.is_socket() {
        "a socket"
    } else if found.is_char_device() || found.is_block_device() {
        "a device"
    } else {
        "something else"
    }
}

/// Replaces a file by writing a new one next to it and renaming that: readers find either the old
/// or the new contents, complete. Once this returns, the new contents survive a power cut.
///
/// # Errors
/// Those of writing and renaming; the old file is then still there.
pub fn replace(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let written = (|| {
        // Removes the leftover of an interrupted run, or anything else, without opening it.
        match fs::remove_file(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        let mut file = BufWriter::with_capacity(BUFFER, options.open(beside)?);
        write(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(beside, path)?;
        // Syncing the directory puts the rename on disk.
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    })();
    if written.is_err() {
        // A partial file would take the room that the next attempt needs.
        let _ = fs::remove_file(beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_fifo_without_a_writer_is_refused_instead_of_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let error = read(&path, 10).unwrap_err();
        assert_eq!(error.to_string(), "not a regular file but a FIFO");
    }

    #[test]
    fn a_socket_is_called_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = open(&path).unwrap_err();
        assert_eq!(error.to_string(), "not a regular file but a socket");
    }

    #[test]
    fn devices_and_directories_are_refused() {
        for (path, what) in [("/dev/zero", "a device"), ("/", "a directory")] {
            let error = open(Path::new(path)).unwrap_err();
            assert_eq!(error.to_string(), format!("not a regular file but {what}"));
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_refused_beyond_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(
            read(&path, 4).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_old_one_and_nothing_beside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let names = || {
            let entries = fs::read_dir(directory.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let full = |file: &mut BufWriter<File>| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        };
        replace(&path, 0o600, full).unwrap_err();
        assert!(names().is_empty());
        replace(&path, 0o600, |file| file.write_all(b"old")).unwrap();
        replace(&path, 0o600, full).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(), ["file"]);
        replace(&path, 0o640, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(), ["file"]);
    }
}
