//! What happens only where two processors run in parallel: `scripts/lab --kernel 6.12`.
//!
//! ```text
//!   dumps.rs       a table that another processor changes while it is listed
//!   schedulers.rs  a scheduler that is exchanged under load
//! ```
//!
//! On a kernel with one processor (User-Mode Linux), a thread is rarely interrupted at the relevant
//! place: the tests say that they have nothing to show there, and end. `library_dumps` forces its
//! races one by one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test there and then"
)]

mod dumps;
mod schedulers;

use std::thread::available_parallelism;

/// Whether two threads can really run in parallel.
fn two_processors() -> bool {
    let several = available_parallelism().is_ok_and(|processors| processors.get() > 1);
    if !several {
        println!("one processor: nothing runs side by side");
    }
    several
}
