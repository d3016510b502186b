//! `virtual_mac = true`: the interfaces whose MAC addresses move with the virtual addresses.
//!
//! - **A macvlan on the section's interface**, up only while the section is active: only then does
//!   the machine take frames to that MAC address.
//! - **Mode `bridge`**, as a frame from another router with the same MAC address still reaches the
//!   interface below: `macvlan_handle_frame` takes it away from there in mode `private`, and two
//!   active routers would never hear each other.
//! - **Its alias says that a director made it**, and what was set below before, so that the next
//!   process goes on with it, and can set that back when it removes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::sync::Arc;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};
use nix::libc;

use super::netlink::{Link, Requests};
use super::section::VirtualLink;
use super::{Holder, Section};

/// The first word of the alias. Another one of the kind is not touched.
const OURS: &str = "director";

/// What is set on the interface below, at least: the kernel answers ARP for an address on the
/// interface that has it, and asks with that one's own address. Otherwise clients would learn the
/// MAC address of the interface below.
const BELOW: [(&str, u8); 2] = [("arp_ignore", 1), ("arp_announce", 2)];

/// What is known of these interfaces.
#[derive(Debug, Default)]
pub(super) struct VirtualMacs {
    /// Those that cannot be made, and why.
    pub(super) refused: BTreeMap<Arc<str>, Arc<str>>,
}

impl Holder {
    /// Makes the interfaces of all sections that are not there yet.
    pub(super) fn make_links(&mut self) {
        let sections = self.sections.values();
        let wanted = sections.flat_map(|section| section.holding.links.clone());
        let wanted: Vec<VirtualLink> = wanted.collect();
        self.virtual_macs.refused.clear();
        for link in wanted {
            if let Err(why) = self.make_link(&link) {
                let name = Arc::clone(&link.name);
                self.virtual_macs.refused.insert(name, why.into());
            }
        }
    }

    fn make_link(&mut self, wanted: &VirtualLink) -> Result<(), String> {
        let name = &wanted.name;
        let Some(below) = self.table.link(&wanted.parent).map(|link| link.index) else {
            // The section is in fault; when the interface comes, this is asked again.
            return Ok(());
        };
        let fits = |link: &Link| {
            is_ours(link) && (link.mac, link.parent) == (Some(wanted.mac), Some(below))
        };
        if self.table.link(name).is_some_and(fits) {
            return Ok(());
        }
        // News of the making of an interface come after it, one for each step.
        self.read_links();
        if let Some(found) = self.table.link(name).cloned() {
            if !is_ours(&found) {
                return Err(format!(
                    "another program made the interface `{name}`, which `virtual_mac` needs: \
                     rename it"
                ));
            }
            if fits(&found) {
                return Ok(());
            }
            let removed = remove(&mut self.requests, &found);
            removed.map_err(|error| format!("cannot remove `{name}`: {error}"))?;
        }
        let before = self.before(below, &wanted.parent);
        make(&mut self.requests, wanted, below, &before).map_err(|error| refused(name, &error))?;
        let set = settle(wanted);
        set.map_err(|(file, error)| format!("cannot write {file}: {error}"))?;
        self.read_links();
        self.announcer.refresh();
        Ok(())
    }

    /// What the kernel has now, beside what it will report.
    fn read_links(&mut self) {
        for one in self.requests.everything().into_iter().flatten() {
            self.table.apply(one);
        }
    }

    /// What was set on the interface below before the first one was made on it.
    fn before(&self, below: u32, parent: &str) -> String {
        let others = self.table.links().filter(|link| is_ours(link));
        let mut others = others.filter(|link| link.parent == Some(below));
        others.next().map_or_else(
            || {
                let values = BELOW.map(|(sysctl, _)| read(parent, sysctl).unwrap_or_default());
                format!("{OURS} {}", values.map(|value| value.to_string()).join(" "))
            },
            |link| link.alias.clone(),
        )
    }

    /// Takes the interfaces of a section up.
    pub(super) fn raise_links(&mut self, name: &Arc<str>) {
        self.turn_links(name, true);
    }

    /// Takes them down, so that this machine no longer answers for their MAC addresses.
    pub(super) fn lower_links(&mut self, name: &Arc<str>) {
        self.turn_links(name, false);
    }

    fn turn_links(&mut self, name: &Arc<str>, up: bool) {
        let Some(section) = self.sections.get(name) else {
            return;
        };
        for wanted in &section.holding.links {
            let found = self.table.link(&wanted.name);
            // `Link::up` says more than that it is not turned off.
            let is_it = |link: &&Link| link.is_macvlan && link.mac == Some(wanted.mac);
            let Some(link) = found.filter(is_it).filter(|link| !(up && link.up)) else {
                continue;
            };
            // Without it addresses cannot be used: the kernel's answer to those is reported.
            let _ = turn(&mut self.requests, link, up);
        }
    }

    /// Removes interfaces of ours that no section has, or only sections that do not keep them.
    pub(super) fn remove_links(&mut self, keeps: impl Fn(&Section) -> bool) {
        let sections = self.sections.values();
        let kept: BTreeSet<&str> = sections
            .filter(|section| keeps(section))
            .flat_map(|section| &section.holding.links)
            .map(|link| &*link.name)
            .collect();
        let ours = self.table.links().filter(|link| is_ours(link));
        let (stay, go): (Vec<Link>, Vec<Link>) =
            ours.cloned().partition(|link| kept.contains(&*link.name));
        for link in &go {
            if remove(&mut self.requests, link).is_ok() {
                let is_last = !stay.iter().any(|other| other.parent == link.parent);
                if is_last {
                    self.set_back(link);
                }
            }
        }
    }

    /// Sets back what the alias says about the interface below.
    fn set_back(&self, link: &Link) {
        let mut links = self.table.links();
        let Some(below) = links.find(|below| Some(below.index) == link.parent) else {
            return;
        };
        let values = link.alias.split(' ').skip(1);
        for ((sysctl, ours), before) in BELOW.into_iter().zip(values) {
            if read(&below.name, sysctl) == Some(ours)
                && let Ok(before) = before.parse::<u8>()
            {
                let _ = write("ipv4", &below.name, sysctl, before);
            }
        }
    }
}

/// Whether a director made it.
fn is_ours(link: &Link) -> bool {
    link.is_macvlan && link.alias.split(' ').next() == Some(OURS)
}

/// Makes an interface that is down.
fn make(requests: &mut Requests, wanted: &VirtualLink, below: u32, alias: &str) -> io::Result<()> {
    let name = wanted.name.to_string();
    let mode = vec![InfoMacVlan::Mode(MacVlanMode::Bridge)];
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.clone()),
        LinkAttribute::Link(below),
        LinkAttribute::Address(wanted.mac.to_vec()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::MacVlan),
            LinkInfo::Data(InfoData::MacVlan(mode)),
        ]),
    ];
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    requests.change(libc::RTM_NEWLINK, &message, flags)?;
    // `rtnl_create_link` ignores the alias of a new interface; a change of it does not.
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name),
        LinkAttribute::IfAlias(alias.to_owned()),
    ];
    requests.change(libc::RTM_NEWLINK, &message, NLM_F_REQUEST | NLM_F_ACK)
}

fn turn(requests: &mut Requests, link: &Link, up: bool) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = link.index;
    message.header.change_mask = LinkFlags::Up;
    if up {
        message.header.flags = LinkFlags::Up;
    }
    requests.change(libc::RTM_NEWLINK, &message, NLM_F_REQUEST | NLM_F_ACK)
}

fn remove(requests: &mut Requests, link: &Link) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = link.index;
    requests.change(libc::RTM_DELLINK, &message, NLM_F_REQUEST | NLM_F_ACK)
}

/// The settings of a new interface, and of the one below.
fn settle(link: &VirtualLink) -> Result<(), (String, io::Error)> {
    let (name, below) = (&*link.name, &*link.parent);
    // It answers ARP for its own addresses only, the one of IPv6 for none.
    write("ipv4", name, "arp_ignore", 1)?;
    if link.is_v6 {
        // No address of its own, by itself or from a router's advertisement.
        write("ipv6", name, "addr_gen_mode", 1)?;
        write("ipv6", name, "accept_ra", 0)?;
        return Ok(());
    }
    if read_of("ipv6", name, "disable_ipv6").is_some() {
        write("ipv6", name, "disable_ipv6", 1)?;
    }
    // Replies leave by the interface below. The larger one of its own `rp_filter` and that of `all`
    // holds; 2 is loose.
    write("ipv4", name, "arp_filter", 0)?;
    let strict = read("all", "rp_filter").unwrap_or_default() > 0;
    write("ipv4", name, "rp_filter", if strict { 2 } else { 0 })?;
    let forwards = read(below, "forwarding").unwrap_or_default();
    write("ipv4", name, "forwarding", forwards)?;
    for (sysctl, least) in BELOW {
        if read(below, sysctl).unwrap_or_default() < least {
            write("ipv4", below, sysctl, least)?;
        }
    }
    Ok(())
}

fn file(family: &str, interface: &str, sysctl: &str) -> String {
    format!("/proc/sys/net/{family}/conf/{interface}/{sysctl}")
}

fn read(interface: &str, sysctl: &str) -> Option<u8> {
    read_of("ipv4", interface, sysctl)
}

fn read_of(family: &str, interface: &str, sysctl: &str) -> Option<u8> {
    let text = fs::read_to_string(file(family, interface, sysctl)).ok()?;
    text.trim().parse().ok()
}

fn write(
    family: &str,
    interface: &str,
    sysctl: &str,
    value: u8,
) -> Result<(), (String, io::Error)> {
    let file = file(family, interface, sysctl);
    fs::write(&file, value.to_string()).map_err(|error| (file, error))
}

/// Why an interface cannot be made, and what to do.
fn refused(name: &str, error: &io::Error) -> String {
    let help = match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => {
            "; the kernel module `macvlan` is missing: `modprobe macvlan`, or `virtual_mac = false`"
        }
        Some(libc::EPERM) => "; director needs CAP_NET_ADMIN",
        _ => "",
    };
    format!("cannot make the interface `{name}` for the virtual MAC address: {error}{help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(alias: &str, is_macvlan: bool) -> Link {
        Link {
            index: 7,
            name: "vrrp.51".to_owned(),
            up: false,
            mtu: 1500,
            mac: None,
            alias: alias.to_owned(),
            is_dummy: false,
            is_macvlan,
            parent: Some(2),
        }
    }

    #[test]
    fn ours_is_what_a_director_made() {
        assert!(is_ours(&link("director 0 0", true)));
        for (alias, is_macvlan) in [("director", false), ("", true), ("directory 0 0", true)] {
            assert!(!is_ours(&link(alias, is_macvlan)), "{alias}");
        }
    }

    #[test]
    fn a_kernel_without_macvlan_is_named() {
        let error = io::Error::from_raw_os_error(libc::EOPNOTSUPP);
        let text = refused("vrrp.51", &error);
        for part in ["`vrrp.51`", "`modprobe macvlan`", "`virtual_mac = false`"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
