//! Puts sections in place: the interface, addresses, routes.

use std::sync::Arc;

use nix::libc;

use super::super::link;
use super::super::message::{MARK, Position, Report};
use super::super::routes::OwnRoute;
use super::super::section;
use super::{Holder, LEASE};
use crate::failover::lease::{Link, Place};
use crate::state::failover::Announced;

impl Holder {
    /// Puts a section in place, or renews it. `full`: local routes as well.
    pub(super) fn put(&mut self, name: &Arc<str>, full: bool) {
        let Some(section) = self.sections.get(name) else {
            return;
        };
        let (spec, is_held) = (Arc::clone(&section.spec), section.is_held());
        let decided = section.decided;
        let link = match self.link(&spec) {
            Ok(link) => link,
            Err(why) => {
                return self.report(name, Some(why), decided.unwrap_or(Position::Withdrawn));
            }
        };
        if !is_held {
            if decided.is_none() {
                self.report(name, None, Position::Withdrawn);
            }
            return;
        }
        let mut failed = None;
        for place in section::places(&spec) {
            if let Err(why) = self.put_address(&place, &link, full) {
                failed = Some(why);
            }
        }
        let routes = self
            .sections
            .get(name)
            .and_then(|section| section.routes(link.index));
        for route in routes.unwrap_or_default() {
            if let Err(error) = route.put(&mut self.requests, LEASE) {
                let table = route.table;
                failed = Some(format!("cannot add {} to table {table}: {error}", route.to));
            }
        }
        self.report(name, failed, decided.unwrap_or(Position::Announced));
    }

    fn put_address(&mut self, place: &Place, link: &Link, full: bool) -> Result<(), String> {
        let (address, interface) = (place.address, &place.interface);
        let is_new = !matches!(self.local.insert(address, None), Some(None));
        let lo = self.table.link("lo").map(|lo| lo.index);
        if let (true, Some(lo)) = (full || is_new, lo) {
            OwnRoute::local(address, lo)
                .put(&mut self.requests, LEASE)
                .map_err(|error| format!("cannot add the local route to {address}: {error}"))?;
        }
        if self
            .table
            .at(place)
            .is_some_and(|found| found.proto != MARK)
        {
            return Err(format!(
                "{address} is on `{interface}`, added by another program: director leaves it \
                 alone, and it stays announced when its services fail; remove it"
            ));
        }
        match self.requests.lease(link.index, place, Some(LEASE), MARK) {
            Ok(()) => Ok(()),
            // It is being removed; news of that comes.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            Err(error) => {
                let help = match (error.raw_os_error(), address.is_ipv6()) {
                    (Some(libc::EACCES), true) => {
                        format!("; is net.ipv6.conf.{interface}.disable_ipv6 set?")
                    }
                    _ => String::new(),
                };
                Err(format!(
                    "cannot add {address} to `{interface}`: {error}{help}"
                ))
            }
        }
    }

    /// The interface of a section, made and up.
    fn link(&mut self, spec: &Announced) -> Result<Link, String> {
        let name = &spec.interface;
        let known = self.table.link(name).cloned();
        let link = match known {
            Some(link) if link.up => return Ok(self.noted(link)),
            Some(link) if !link::is_ours(&link) => {
                return Err(format!(
                    "`{name}` is down, and not director's: `ip link set {name} up`"
                ));
            }
            Some(link) => {
                let up = link::take_up(&mut self.requests, &link);
                up.map_err(|error| format!("cannot take `{name}` up: {error}"))?;
                link
            }
            None => {
                let made = link::make(&mut self.requests, name);
                made.map_err(|error| link::refused(name, &error))?;
                self.read_everything();
                let made = self.table.link(name).cloned();
                made.ok_or_else(|| format!("`{name}` was removed as soon as it was made"))?
            }
        };
        if self.made.contains(name) {
            let text =
                format!("another program removed `{name}` or took it down; director undid it");
            let sections = self.sections.values();
            let mut concerned = sections.filter(|section| section.spec.interface == *name);
            if let Some(section) = concerned.next() {
                let section = Arc::clone(&section.spec.name);
                (self.tell)(Report::Restored { section, text });
            }
        }
        Ok(self.noted(link))
    }

    fn noted(&mut self, link: Link) -> Link {
        self.made.insert(link.name.as_str().into());
        link
    }

    /// Tells the core what changed.
    pub(super) fn report(&mut self, name: &Arc<str>, trouble: Option<String>, to: Position) {
        let Some(section) = self.sections.get_mut(name) else {
            return;
        };
        let is_well = trouble.is_none();
        if section.trouble != trouble {
            section.trouble.clone_from(&trouble);
            (self.tell)(Report::Trouble {
                section: Arc::clone(name),
                why: trouble,
            });
        }
        if is_well && section.decided == Some(to) && section.told != Some(to) {
            section.told = Some(to);
            (self.tell)(Report::Reached {
                section: Arc::clone(name),
                to,
            });
        }
    }
}
