//! The dummy interface that director makes: it has no cable, so it never goes down by itself, and
//! routing daemons read its addresses.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use nix::libc;

use crate::failover::lease::{Link, Requests};

/// The alias (`ip link show`) by which the next process knows that a director made it.
const ALIAS: &str = "director";

/// Whether a director made it.
pub(super) fn is_ours(link: &Link) -> bool {
    link.is_dummy && link.alias == ALIAS
}

/// Makes the interface, and takes it up.
pub(super) fn make(requests: &mut Requests, name: &str) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Dummy)]),
    ];
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    requests.change(libc::RTM_NEWLINK, &message, flags)?;
    // `rtnl_create_link` ignores the alias of a new interface; a change of it does not.
    let mut message = up();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::IfAlias(ALIAS.to_owned()),
    ];
    requests.change(libc::RTM_NEWLINK, &message, NLM_F_REQUEST | NLM_F_ACK)
}

/// Takes it up.
pub(super) fn take_up(requests: &mut Requests, link: &Link) -> io::Result<()> {
    let mut message = up();
    message.header.index = link.index;
    requests.change(libc::RTM_NEWLINK, &message, NLM_F_REQUEST | NLM_F_ACK)
}

/// Removes it.
pub(super) fn remove(requests: &mut Requests, link: &Link) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = link.index;
    requests.change(libc::RTM_DELLINK, &message, NLM_F_REQUEST | NLM_F_ACK)
}

fn up() -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
}

/// Why an interface cannot be made, and what to do.
pub(super) fn refused(name: &str, error: &io::Error) -> String {
    let help = match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => {
            "; the kernel module `dummy` is missing: `modprobe dummy`, or make the interface \
             yourself"
        }
        Some(libc::EPERM) => "; director needs CAP_NET_ADMIN",
        _ => "",
    };
    format!("cannot make the dummy interface `{name}`: {error}{help}")
}
