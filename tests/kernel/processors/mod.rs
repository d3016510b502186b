//! What only happens where two processors run side by side: `scripts/lab --kernel 6.12`.
//!
//! ```text
//!   dumps.rs       a table that another processor changes while it is listed
//!   schedulers.rs  a scheduler that is exchanged under load
//! ```
//!
//! On a kernel with one processor (User-Mode Linux) a thread is rarely interrupted at the place
//! that matters: the tests say that they have nothing to show there, and end. Its races are made
//! to happen one by one in `library_dumps`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test there and then"
)]

mod dumps;
mod schedulers;

use std::thread::available_parallelism;

/// Whether two threads can really run at once.
fn two_processors() -> bool {
    let several = available_parallelism().is_ok_and(|processors| processors.get() > 1);
    if !several {
        println!("one processor: nothing runs side by side");
    }
    several
}
