//! For the test that the decoder and [`keys`](super::super::keys) know the same keys.

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static ASKED: RefCell<BTreeSet<(&'static str, String)>> = const { RefCell::new(BTreeSet::new()) };
}

/// Records that a section was asked for a key.
pub(super) fn record(section: &'static str, key: &str) {
    ASKED.with_borrow_mut(|asked| asked.insert((section, key.to_owned())));
}

/// Takes the recorded keys of this thread.
pub(in super::super) fn take() -> BTreeSet<(&'static str, String)> {
    ASKED.take()
}
