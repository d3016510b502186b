//! Metrics for Prometheus: what the director knows and what the kernel counts, as text.
//!
//! ```text
//!   Snapshot ─┐
//!   Table ────┼─► Scrape ─► Exposition: pieces of text, family by family
//!   Meters ───┤               ├─ process.rs   the director itself
//!   checks ───┘               ├─ service.rs   a series for each service
//!                             └─ server.rs    a series for each server, if there are few
//! ```
//!
//! - **Cardinality is bounded.** Services always have series. Servers have them in a table of at
//!   most [`FEW_SERVERS`], or on request: 37,298 servers with 12 series each cost Prometheus
//!   1.4 GB.
//! - **Labels are names and addresses.** No reason and no time is a label, and `listen` with
//!   `server` is a key: two samples never have the same labels.
//! - The text is made in pieces: the exposition of 37,298 servers is never in memory as a whole.
//!
//! `docs/metrics.md` documents every family.

mod announce;
mod discovery;
mod failover;
mod peer;
mod process;
mod scrape;
mod server;
mod service;
mod text;

pub use scrape::{Exposition, FEW_SERVERS, Scrape, Servers};
pub use text::Format;
