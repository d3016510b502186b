//! Plans carried out on a real kernel: random tables, and connections that survive changes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod connections;
mod random;
mod watched;

use director::apply::{
    Applied, ApplyError, Incarnation, Kernel, Platform, Store, converge, prepare,
};
use director::state::Desired;

/// A temporary state directory.
struct State {
    _directory: tempfile::TempDir,
    store: Store,
    incarnation: Incarnation,
}

impl State {
    /// For the namespace of the calling thread.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().join("state"));
        let incarnation = Incarnation::current().unwrap();
        Self {
            _directory: directory,
            store,
            incarnation,
        }
    }

    fn apply_on(
        &self,
        platform: &mut impl Platform,
        desired: &Desired,
    ) -> Result<Applied, ApplyError> {
        let prepared = prepare(platform, &self.store, &self.incarnation, desired)?;
        converge(
            platform,
            &self.store,
            &self.incarnation,
            desired,
            prepared,
            &mut |_| {},
        )
    }

    fn apply(&self, desired: &Desired) -> Result<Applied, ApplyError> {
        self.apply_on(&mut Kernel::connect().unwrap(), desired)
    }
}
