//! The bytes: generic netlink messages of the IPVS family, as `include/uapi/linux/ip_vs.h`
//! defines them and `net/netfilter/ipvs/ip_vs_ctl.c` reads and writes them.
//!
//! ```text
//! nlmsghdr (16) │ genlmsghdr (4) │ attribute, attribute, …
//!                                   └ IPVS_CMD_ATTR_SERVICE { IPVS_SVC_ATTR_AF, … }
//! ```
//!
//! Encoding appends to a buffer, so that many requests fit into one `send`. Decoding accepts any
//! bytes: the result is a value or a [`DecodeError`], never a panic, and unknown attributes are
//! skipped. The functions here use bytes and this crate's own types only; they do not expose the
//! netlink crates underneath.

mod attribute;
mod command;
mod daemon;
mod family;
mod message;
#[cfg(feature = "fake")]
mod request;
mod server;
mod service;
mod settings;
mod stats;

pub use command::Command;
pub use daemon::decode_daemon;
pub use family::decode_family;
pub use message::{Content, Encoder, Message, Messages};
pub use server::decode_server;
pub use service::decode_service;
pub use settings::{decode_info, decode_timeouts};

#[cfg(feature = "fake")]
pub(crate) use {
    daemon::encode_daemon_reply,
    family::encode_family_reply,
    message::{append_ack, append_done, append_reply},
    request::{Asked, decode_request},
    server::encode_server_reply,
    service::encode_service_reply,
    settings::{encode_info_reply, encode_timeouts_reply},
};

pub(crate) use crate::error::DecodeError;
