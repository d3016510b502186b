//! `director adopt` and `director disown`: the ledger changes, the kernel does not.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::time::Duration;

use anyhow::bail;
use ipvs::ServiceKey;

use super::args::{Adopt, Args, Disown};
use super::beside;
use super::confirm::refuse_while_unconfirmed;
use super::exit::Exit;
use super::output::say;
use super::session::Session;
use crate::state::Owned;
use crate::words::{count, listed};

/// How long to wait for another director's lock.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn adopt(args: &Args, verb: &Adopt) -> anyhow::Result<Exit> {
    beside::refuse(args, "declare the service in its file to adopt it")?;
    let mut session = Session::open(args)?;
    let _lock = session.lock(PATIENCE)?;
    refuse_while_unconfirmed(&mut session)?;
    let observed = session.observe()?;
    let mut ownership = session.ownership(&observed)?;
    let keys: Vec<ServiceKey> = if verb.which.all {
        observed.services.keys().copied().collect()
    } else {
        verb.which.services.clone()
    };
    let (mut adopted, mut ours) = (BTreeSet::new(), BTreeSet::new());
    for key in keys {
        if !observed.services.contains_key(&key) {
            bail!("no service `{key}` in the kernel; nothing was adopted");
        }
        match ownership.services.entry(key) {
            Entry::Vacant(place) => {
                place.insert(Owned::undeclared(&key));
                adopted.insert(key);
            }
            // A second mention of the same service is no second service.
            Entry::Occupied(_) if adopted.contains(&key) => {}
            Entry::Occupied(_) => {
                ours.insert(key);
            }
        }
    }
    session.settle(&ownership)?;
    if !adopted.is_empty() {
        say!(
            "Adopted: {}. The next `director apply` removes those that its file does not declare.",
            counted(&adopted)
        );
    }
    if !ours.is_empty() {
        say!("Owned already: {}.", counted(&ours));
    }
    if adopted.is_empty() && ours.is_empty() {
        say!("Nothing to adopt: the kernel has no services.");
    }
    Ok(Exit::Done)
}

/// `2 services: tcp://192.0.2.10:80, fwmark://7`.
fn counted(keys: &BTreeSet<ServiceKey>) -> String {
    let number = count(keys.len(), "service", "services");
    format!("{number}: {}", listed(keys.iter()))
}

pub(crate) fn disown(args: &Args, verb: &Disown) -> anyhow::Result<Exit> {
    beside::refuse(args, "stop it first: it owns what its file declares")?;
    let mut session = Session::open(args)?;
    let _lock = session.lock(PATIENCE)?;
    refuse_while_unconfirmed(&mut session)?;
    let observed = session.observe()?;
    let mut ownership = session.ownership(&observed)?;
    let keys: Vec<ServiceKey> = if verb.which.all {
        ownership.services.keys().copied().collect()
    } else {
        verb.which.services.clone()
    };
    let keys: BTreeSet<ServiceKey> = keys.into_iter().collect();
    for key in &keys {
        if !ownership.remove(key) {
            bail!("director does not own `{key}`; nothing was disowned");
        }
    }
    session.settle(&ownership)?;
    match keys.is_empty() {
        true => say!("Nothing to disown: director owns no services."),
        false => say!(
            "Disowned: {}. The kernel keeps them as they are.",
            counted(&keys)
        ),
    }
    Ok(Exit::Done)
}
