//! Memory of a short-lived verb.
//!
//! A verb that runs for a tenth of a second on 37,000 servers spends most of its time on fresh
//! pages. [`keep`] retains freed memory; the rest of the program saves pages where it can:
//!
//! - `config/toml` parses a text without mistakes in one pass, into a tree that borrows from the
//!   text.
//! - `config` verifies each service as it decodes it, and then drops the declaration.
//! - `state::Servers` is a sorted list, and a plan has one step for a whole new service
//!   (`plan/steps.rs`), which points to its declaration.
//! - The program's own pages count too: `Cargo.toml` optimizes a release for size, except `ipvs`
//!   and `ipvsadm`, which are optimized for speed.
//! - A verb builds only what it needs: no runtime without a control socket (`cli/beside.rs`), no
//!   options of other verbs (`cli/args.rs`), no progress bar without a terminal, no sysctl that its
//!   plan ignores.

use std::hint::black_box;

/// The maximum of glibc's threshold (`DEFAULT_MMAP_THRESHOLD_MAX`), minus its overhead.
const MOST: usize = (32 << 20) - 8192;

/// Makes glibc keep freed memory for later allocations.
///
/// glibc allocates large blocks from the kernel one by one and returns them when they are freed.
/// Once it has freed a block of some size, it takes blocks up to that size from the heap, and keeps
/// them. This function therefore allocates and frees one large block without touching it, which
/// costs two system calls. A verb that reads a long file and runs for a tenth of a second then
/// touches a third fewer fresh pages. Not for the daemon, which should return unused memory. Other
/// allocators ignore it, without harm.
pub(super) fn keep() {
    let mut block = Vec::<u8>::new();
    // If the block cannot be allocated, continue without it.
    if block.try_reserve_exact(MOST).is_ok() {
        black_box(block);
    }
}
