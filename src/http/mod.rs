//! The control socket: HTTP and JSON on a Unix socket, for operators and programs.
//!
//! ```text
//!   director status, drain, ...          curl --unix-socket
//!          client.rs                            │
//!              └───────────────┬────────────────┘
//!   socket.rs ─► server.rs ─► routes.rs ─► Director ─► the core, its worker
//!     0660       limits         │ └─ caller.rs: who asks
//!                             api/  what goes over the wire, in both directions
//! ```
//!
//! - **A thread and runtime of its own**: nothing here delays the core or a check, and a slow
//!   client delays no other.
//! - **Everything is bounded**: connections, followers of events, sizes, the time of each step.
//! - **Some places are reserved for root**, so that clients of the socket's group cannot lock it
//!   out.
//! - **The kernel identifies the caller** (`SO_PEERCRED`), not the client.
//! - The snapshot of the whole state ([`Snapshot`](crate::control::snapshot::Snapshot)) is read
//!   without a lock and sent in pieces, service by service.
//!
//! `docs/api.md` documents every route and field.

pub mod api;
mod asked;
mod asker;
mod caller;
mod client;
mod connections;
mod events;
mod failure;
mod flows;
mod history;
mod metrics;
mod permits;
mod plan;
mod request;
mod routes;
mod server;
mod socket;
mod stall;
mod stats;
mod stream;
mod unparsed;
mod view;

pub use asker::Asker;
pub use client::{Client, ClientError, query};
pub use flows::{Flow, Flows};
pub use plan::Planner;
pub use server::{Options, Server, serve, serve_view};
pub(crate) use stall::Patient;
pub(crate) use stream::Sink;
