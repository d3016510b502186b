//! Permits, some of them reserved for root, so that other users cannot lock it out.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::caller::Caller;

/// Permits for all users, and permits for root and the director's own user.
#[derive(Debug, Clone)]
pub(super) struct Permits {
    all: (Arc<Semaphore>, u32),
    kept: (Arc<Semaphore>, u32),
}

impl Permits {
    pub(super) fn new(all: u32, kept: u32) -> Self {
        // A u32 fits: this is not a 16-bit machine.
        let permits = |count: u32| {
            let semaphore = Semaphore::new(usize::try_from(count).unwrap_or(usize::MAX));
            (Arc::new(semaphore), count)
        };
        Self {
            all: permits(all),
            kept: permits(kept),
        }
    }

    /// A permit, until the permit is dropped; `None` if there is none for this caller.
    pub(super) fn take(&self, caller: Caller) -> Option<OwnedSemaphorePermit> {
        let of = |semaphore: &Arc<Semaphore>| semaphore.clone().try_acquire_owned().ok();
        let kept = || of(&self.kept.0).filter(|_| caller.is_trusted());
        of(&self.all.0).or_else(kept)
    }

    /// Waits until all places are free.
    pub(super) async fn all_free(&self) {
        for (semaphore, count) in [&self.all, &self.kept] {
            // The semaphore is never closed.
            drop(semaphore.acquire_many(*count).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_places_are_kept_for_root_and_the_directors_own_user() {
        let own = nix::unistd::geteuid().as_raw();
        let caller = |uid| Caller { uid };
        let permits = Permits::new(2, 1);
        let member = caller(Some(own.wrapping_add(4_000_000)));
        let mut taken: Vec<_> = std::iter::from_fn(|| permits.take(member)).collect();
        assert_eq!(taken.len(), 2);
        assert!(permits.take(caller(None)).is_none(), "whoever that is");
        let root = permits.take(caller(Some(0)));
        assert!(root.is_some());
        assert!(permits.take(caller(Some(own))).is_none(), "it is taken");
        drop(root);
        assert!(permits.take(caller(Some(own))).is_some());
        // While there are others, those that are kept stay free.
        taken.pop();
        let _root = permits.take(caller(Some(0)));
        assert!(permits.take(member).is_none());
        assert!(permits.take(caller(Some(0))).is_some());
    }
}
