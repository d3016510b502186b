//! Properties: what we encode decodes to the same value, neli encodes the same bytes, and no bytes
//! make a decoder or the client panic or hang.
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
