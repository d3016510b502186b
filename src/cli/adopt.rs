//! `director adopt` and `director disown`: the ledger changes, the kernel does not.

use std::time::Duration;

use anyhow::bail;
use ipvs::ServiceKey;

use super::args::{Adopt, Args, Disown};
use super::beside;
use super::confirm::refuse_while_unconfirmed;
use super::exit::Exit;
use super::session::Session;
use crate::state::Owned;

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
    for key in keys {
        if !observed.services.contains_key(&key) {
            bail!("no service `{key}` in the kernel; nothing was adopted");
        }
        let owned = Owned::undeclared(&key);
        ownership.services.entry(key).or_insert(owned);
    }
    session.settle(&ownership)?;
    Ok(Exit::Done)
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
    for key in keys {
        if !ownership.remove(&key) {
            bail!("director does not own `{key}`; nothing was disowned");
        }
    }
    session.settle(&ownership)?;
    Ok(Exit::Done)
}
