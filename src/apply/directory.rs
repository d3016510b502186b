//! Whether a directory is fit to keep state in: it exists, and only trusted users can write to it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use nix::unistd::geteuid;

use super::store::{StoreError, failed};

/// Whether the directory may be a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// It must not be one.
    None,
    /// It may be one that belongs to root or this user, such as that of systemd's `DynamicUser=`.
    OfTrusted,
}

/// Creates a directory and its parents if missing.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| match in_the_way(path) {
        Some((at, why)) => unfit(at, why),
        None => failed("make", path, source),
    })
}

/// The object in place of the directory.
fn in_the_way(path: &Path) -> Option<(&Path, String)> {
    let there = |at: &&Path| fs::symlink_metadata(at).is_ok();
    let at = path.ancestors().find(there)?;
    if fs::metadata(at).is_ok_and(|found| found.is_dir()) {
        return None;
    }
    let why = match fs::read_link(at) {
        Ok(target) => format!(
            "it is a symbolic link to {}, which is not a directory; create that directory, remove \
             the link, or use another --state-dir",
            target.display()
        ),
        Err(_) => "it is not a directory; move it away, or use another --state-dir".to_owned(),
    };
    Some((at, why))
}

/// Checks that only root and this user can change the contents of a directory.
pub(super) fn check(path: &Path, links: Links) -> Result<(), StoreError> {
    let seen = |found: std::io::Result<fs::Metadata>| {
        found.map_err(|source| failed("look at", path, source))
    };
    let link = seen(fs::symlink_metadata(path))?;
    let target = seen(fs::metadata(path))?;
    if link.is_symlink() && links == Links::None {
        let why = "it is a symbolic link, which is not followed; remove it";
        return Err(unfit(path, why.to_owned()));
    }
    let own = geteuid().as_raw();
    for found in [&link, &target] {
        let owner = found.uid();
        if owner != 0 && owner != own {
            let why = format!(
                "it belongs to user {owner}, not to root or to the current user {own}; change its \
                 owner (chown), or use another --state-dir"
            );
            return Err(unfit(path, why));
        }
    }
    let mode = target.mode() & 0o7777;
    if mode & 0o022 != 0 {
        let why = format!(
            "other users can write to it (mode {mode:04o}); run `chmod go-w {}`",
            path.display()
        );
        return Err(unfit(path, why));
    }
    Ok(())
}

fn unfit(path: &Path, why: String) -> StoreError {
    StoreError::Unfit {
        path: path.to_owned(),
        why,
    }
}
