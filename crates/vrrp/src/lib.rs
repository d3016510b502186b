//! The Virtual Router Redundancy Protocol, versions 2 (RFC 3768) and 3 (RFC 9568), without I/O and
//! without a clock.
//!
//! Two or more routers hold virtual addresses together: the *active* router sends adverts, the
//! *backup* routers listen, and when the adverts stop, the backup with the highest priority takes
//! the addresses over.
//!
//! [`codec`] turns adverts into bytes and back. Sockets, timers and addresses are the program's.

pub mod codec;
mod model;

pub use model::{Auth, Family, Interval, Password, Priority, Version, VirtualRouterId};
