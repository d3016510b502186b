//! Keeps what operators have set on disk, on a thread of its own: the core does not wait for a
//! disk.

use std::net::IpAddr;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use ipvs::{ServerKey, ServiceKey};
use serde::{Deserialize, Serialize};

use super::operator::{ServerSettings, Setting, Settings};
use super::worker::chain;
use crate::apply::{Store, StoreError};

const FILE: &str = "operator.json";

/// [`Settings`] as they are kept. They belong to the file's services and servers, not to a life of
/// the tables: a reboot leaves them.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    version: u32,
    servers: Vec<OfServer>,
    disabled: Vec<OfMachine>,
}

#[derive(Debug, Serialize, Deserialize)]
struct OfServer {
    service: ServiceKey,
    server: ServerKey,
    #[serde(flatten)]
    set: ServerSettings,
}

#[derive(Debug, Serialize, Deserialize)]
struct OfMachine {
    address: IpAddr,
    #[serde(flatten)]
    set: Setting<()>,
}

/// What operators have set in earlier runs.
///
/// # Errors
/// [`StoreError`] when there is a file and it cannot be read.
pub(super) fn read(store: &Store) -> Result<Settings, StoreError> {
    let kept: Kept = store.read(FILE)?.unwrap_or_default();
    let servers = kept.servers.into_iter();
    let disabled = kept.disabled.into_iter();
    Ok(Settings {
        servers: servers
            .map(|of| ((of.service, of.server), of.set))
            .collect(),
        disabled: disabled.map(|of| (of.address, of.set)).collect(),
    })
}

pub(super) fn write(store: &Store, settings: &Settings) -> Result<(), StoreError> {
    let servers = settings
        .servers
        .iter()
        .map(|((service, server), set)| OfServer {
            service: *service,
            server: *server,
            set: set.clone(),
        });
    let disabled = settings.disabled.iter().map(|(address, set)| OfMachine {
        address: *address,
        set: set.clone(),
    });
    let kept = Kept {
        version: 1,
        servers: servers.collect(),
        disabled: disabled.collect(),
    };
    store.write(FILE, &kept)
}

/// The thread. It ends when the sender is dropped, after the last settings are on disk.
pub(super) fn start(
    store: Store,
    kept: impl Fn() + Send + 'static,
) -> std::io::Result<(Sender<Settings>, JoinHandle<()>)> {
    let (sender, settings) = mpsc::channel::<Settings>();
    let thread = thread::Builder::new()
        .name("keeper".to_owned())
        .spawn(move || {
            while let Ok(mut newest) = settings.recv() {
                // Each is all of it: only the last one matters.
                while let Ok(newer) = settings.try_recv() {
                    newest = newer;
                }
                if let Err(error) = write(&store, &newest) {
                    tracing::error!("what the operator set is not on disk: {}", chain(&error));
                }
                kept();
            }
        })?;
    Ok((sender, thread))
}
