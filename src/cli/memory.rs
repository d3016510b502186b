//! Memory of a short-lived verb.
//!
//! A verb that runs for a tenth of a second on 37,000 servers spends more time on fresh pages than on
//! anything else. [`keep`] keeps freed memory; the rest of the program saves pages where it can:
//!
//! - `config/toml` reads a text without mistakes in one pass, into a tree that borrows from the text.
//! - `config` verifies each service as it decodes it, and then drops the declaration.
//! - `state::Servers` is a sorted list, and a plan has one step for a whole new service
//!   (`plan/steps.rs`), which points to its declaration.
//! - The program's own pages count too: `Cargo.toml` optimizes a release for size, except `ipvs` and
//!   `ipvsadm`, for speed.
//! - A verb makes only what it needs: no runtime without a control socket (`cli/beside.rs`), no options
//!   of other verbs (`cli/args.rs`), no progress bar without a terminal, no sysctl its plan ignores.

use std::hint::black_box;

/// As much as glibc lets its threshold grow to (`DEFAULT_MMAP_THRESHOLD_MAX`), less what it adds.
const MOST: usize = (32 << 20) - 8192;

/// Has glibc keep freed memory for what is allocated next.
///
/// It takes large blocks from the kernel one by one and gives them back when they are freed, until
/// one of a size was freed: from then on blocks up to that size come from the heap, and stay. So
/// one large block is allocated and freed, untouched, which costs two system calls. A verb that
/// reads a long file and lives for a tenth of a second then touches a third fewer fresh pages. Not
/// for the daemon, which should give back what it does not need. Another `malloc` is not impressed
/// by it, and that is as well.
pub(super) fn keep() {
    let mut block = Vec::<u8>::new();
    // Where so much cannot be had, it is done without.
    if block.try_reserve_exact(MOST).is_ok() {
        black_box(block);
    }
}
