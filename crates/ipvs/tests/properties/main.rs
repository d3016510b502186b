//! Properties: what goes in comes out, what neli writes is what we write, and no bytes at all make
//! a decoder or the client panic or hang.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod any;
mod hostile;
mod oracle;
mod round_trips;
mod scripted;
