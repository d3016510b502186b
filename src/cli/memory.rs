//! Memory of a verb that ends.

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
