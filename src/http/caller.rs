//! The caller: the kernel reports the user, and the client may add a name.

use std::time::Duration;

use nix::unistd::{Uid, User};

/// How long a lookup in the user database may take; it may be on another machine.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// Its user, from `SO_PEERCRED`; `None` if the kernel did not report one.
    pub(super) uid: Option<u32>,
}

impl Caller {
    /// Whether it is root, or the director's own user.
    pub(super) fn is_trusted(self) -> bool {
        self.uid == Some(0) || self.uid == Some(nix::unistd::geteuid().as_raw())
    }

    /// Its name for the record: `root`, or `root (alice)` if root asks on behalf of alice. The
    /// client's claim never replaces what the kernel reports.
    pub(super) async fn name(self, on_behalf_of: Option<&str>) -> String {
        let user = match self.uid {
            Some(uid) => user(uid).await,
            None => "unknown user".to_owned(),
        };
        match on_behalf_of {
            Some(other) if other != user => format!("{user} ({other})"),
            _ => user,
        }
    }
}

async fn user(uid: u32) -> String {
    if uid == 0 {
        return "root".to_owned();
    }
    // On a separate thread: the database may use the network.
    let asked = tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(uid)));
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(Ok(Some(user)))) => user.name,
        _ => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(uid: Option<u32>, other: Option<&str>) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(Caller { uid }.name(other))
    }

    #[test]
    fn the_kernels_word_comes_first() {
        assert_eq!(name(Some(0), None), "root");
        assert_eq!(name(Some(0), Some("alice")), "root (alice)");
        assert_eq!(name(Some(0), Some("root")), "root");
        assert_eq!(name(Some(4_000_000_001), None), "uid 4000000001");
        assert_eq!(name(None, Some("root")), "unknown user (root)");
    }
}
