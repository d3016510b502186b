//! The messages by which IPVS directors tell each other their connections (`ip_vs_sync`), version 1,
//! without I/O.
//!
//! The kernel's master daemon multicasts them, and its backup daemon puts what it hears into the
//! connection table. A program that writes such messages can therefore put entries into the table
//! of its own machine: netlink has no request for that.
//!
//! ```text
//! message  0 | sync id | length (16) | entries (8) | version 1 | 0 0           8 bytes
//! entry    family | protocol | length (16) | flags (32)
//!          state (16) | client's, virtual, server's port (16 each)
//!          firewall mark (32) | timeout (32)
//!          client's, virtual, server's address                        36 or 72 bytes
//!          options: type, length, data
//! ```
//!
//! All numbers are big-endian. An entry begins at a multiple of 4 bytes.
//!
//! ```
//! use ipvs_sync::{Encoder, Entry, Flags, decode, tcp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let entry = Entry {
//!     flags: Flags::DIRECT_ROUTE | Flags::NO_OUTPUT,
//!     state: tcp::ESTABLISHED,
//!     timeout: 900,
//!     ..Entry::new(
//!         6,
//!         "192.0.2.1:40000".parse()?,
//!         "192.0.2.10:80".parse()?,
//!         "10.0.0.11:80".parse()?,
//!     )
//! };
//! let mut encoder = Encoder::new(0, Encoder::ETHERNET);
//! assert!(encoder.push(&entry)?.is_none(), "there is room for more");
//! let message = encoder.finish().ok_or("an entry was pushed")?;
//! let decoded = decode(&message)?;
//! assert_eq!(decoded.entries, [entry]);
//! # Ok(())
//! # }
//! ```
//!
//! # What the kernel does with an entry
//!
//! - It checks the length, the version and the sync id of a message and nothing else. A backup daemon
//!   with sync id 0 takes every id.
//! - If it has the server, the server's own forwarding method holds; otherwise the flags decide, and
//!   the entry stays without a server until it is sent again ([`Flags::FORWARDING`]).
//! - A timeout of 0 means the receiver's own for that state. A template keeps the timeout that it
//!   came with.
//! - A template that is there already is not replaced.

mod decode;
mod encode;
mod entry;

pub use decode::{DecodeError, Message, decode};
pub use encode::{EncodeError, Encoder};
pub use entry::{Engine, Entry, Flags, Sequence, tcp};
