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
//! - **A thread and runtime of its own**: nothing here delays the core or a check, and a client
//!   that does not read delays nobody.
//! - **Everything is bounded**: connections, followers of events, the size of what is sent, the
//!   time that each step may take.
//! - **Some places are kept for root**, so that clients of the socket's group cannot keep it out.
//! - **Who asks is the kernel's word** (`SO_PEERCRED`), not the client's.
//! - The picture of the whole state ([`Snapshot`](crate::control::snapshot::Snapshot)) is read
//!   without a lock and sent in pieces, service by service.
//!
//! `docs/api.md` documents every route and field.

pub mod api;
mod caller;
mod client;
mod events;
mod failure;
mod picture;
mod places;
mod request;
mod routes;
mod server;
mod socket;
mod stall;
mod stats;
mod stream;
mod unparsed;

pub use client::{Client, ClientError, query};
pub use server::{Options, Server, serve};
