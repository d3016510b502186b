//! A named network namespace, and threads that work inside.
//!
//! The namespace belongs to a thread, not to a process (setns(2)): [`Netns::enter`] runs a closure
//! inside and leaves all other threads where they are. Sockets created inside stay inside, wherever
//! they are used afterwards.

use std::{
    fs::{self, File},
    io,
    panic::resume_unwind,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
};

use super::modules;

/// The directory of iproute2's names, so that `ip -n NAME` and `ip netns exec NAME` work too.
const NAMES: &str = "/run/netns";

/// Numbers the namespaces of one process.
static SERIAL: AtomicU32 = AtomicU32::new(0);

/// A network namespace. Dropping it removes the name; the kernel ends the namespace with its last
/// socket and thread.
#[derive(Debug)]
pub(crate) struct Netns {
    name: String,
    path: PathBuf,
    handle: File,
}

impl Netns {
    /// Creates a namespace, its loopback still down, with a unique name that ends in `role`.
    ///
    /// # Panics
    ///
    /// Without the privilege to create one.
    pub(crate) fn new(role: &str) -> Self {
        modules::load();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!("lab{}-{serial}-{role}", process::id());
        let path = Path::new(NAMES).join(&name);
        let handle = fs::create_dir_all(NAMES)
            .and_then(|()| File::create(&path))
            .and_then(|_| in_thread(role, || pin_new(&path)))
            .unwrap_or_else(|error| {
                panic!("no network namespace '{name}': {error} (run the test in scripts/lab)")
            });
        Self { name, path, handle }
    }

    /// The name that `ip netns` shows.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The namespace as a file, for `setns` or `IFLA_NET_NS_FD`.
    pub(crate) fn handle(&self) -> &File {
        &self.handle
    }

    /// Runs `work` on a separate thread inside the namespace, and waits for it. Passes a panic on
    /// to the caller.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        in_thread(&self.name, || {
            self.join();
            work()
        })
    }

    /// Moves the calling thread into the namespace for good. For threads created for this purpose.
    pub(super) fn join(&self) {
        setns(&self.handle, CloneFlags::CLONE_NEWNET).unwrap_or_else(|errno| {
            panic!("cannot enter network namespace {}: {errno}", self.name)
        });
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // Lazily: `ip netns exec` may be using it.
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
        let _ = fs::remove_file(&self.path);
    }
}

/// Moves the calling thread into a new namespace and binds that to `path`.
fn pin_new(path: &Path) -> io::Result<File> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    // Not /proc/self: that is the main thread, which stays in its namespace.
    let own = "/proc/thread-self/ns/net";
    mount(
        Some(own),
        path,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?;
    File::open(path)
}

fn in_thread<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        thread::Builder::new()
            .name(name.to_owned())
            .spawn_scoped(scope, work)
            .expect("a thread can be started")
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    })
}
