//! `director web` with a fake director behind it: HTTP by hand, and in a browser.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod bad;
mod browser;
mod driver;
#[path = "../control/fake.rs"]
#[allow(dead_code, reason = "the tests of the control socket use all of it")]
mod fake;
mod live;
mod past;
mod picture;
mod raw;
mod security;
mod site;
mod tls;

use site::eventually;
