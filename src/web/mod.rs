//! `director web`: the page, a process of its own that reads the view socket and can change nothing.
//!
//! ```text
//!   browsers, Prometheus ─► listen.rs ─► guard.rs ─► routes.rs ─┬─► assets.rs
//!                            TLS, limits  Host, token            ├─► stream.rs ◄─ hub.rs ◄─ reader.rs
//!                                                                └─► the view socket  ◄──────────┘
//! ```
//!
//! - **One reader for all pages** (`reader.rs`): what the daemon does for the page does not depend on
//!   how many look. While nobody looks, nothing is read.
//! - **A page gets what changed** (`table.rs`), by server-sent events with numbers, so that one that
//!   was cut off continues where it was. One that does not read in time is disconnected and starts over.
//! - **Beyond this machine only with TLS and a token.** `Host` is checked against a list, whoever asks.
//! - **Texts from servers are hostile**: hidden characters are replaced here (`rows.rs`), and the page
//!   makes text nodes of them.
//!
//! `docs/web.md` is for those who run it.

mod assets;
mod guard;
mod hub;
mod listen;
mod login;
mod model;
mod past;
mod reader;
mod relay;
mod routes;
mod rows;
mod slow;
mod stream;
mod table;
mod tls;
mod token;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, bail};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::http::Asker;
use crate::words::path as shown;
use guard::Hosts;
use token::Token;

/// What `director web` was asked to do.
#[derive(Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Names under which the page is reached, besides the address and `localhost`.
    pub hosts: Vec<String>,
    /// Certificate and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The file with the token.
    pub token: Option<PathBuf>,
}

/// Serves the page until a signal ends the process. Calls `ready` with the page's address once it can
/// be reached.
///
/// # Errors
/// If it is not safe to listen there, or not possible.
pub fn run(options: &Options, asker: Asker, ready: impl FnOnce(&str)) -> anyhow::Result<()> {
    refuse_unsafe(options)?;
    let token = options.token.as_deref().map(Token::read).transpose()?;
    let tls = match &options.tls {
        Some((certificate, key)) => Some(tls::acceptor(certificate, key)?),
        None => None,
    };
    let listener = TcpListener::bind(options.listen)
        .with_context(|| format!("cannot listen on `{}`", options.listen))?;
    let address = listener.local_addr()?;
    let hosts = Hosts::new(&options.hosts)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let mut ends = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
        let [Ok(terminate), Ok(interrupt)] = &mut ends else {
            bail!("cannot hear signals");
        };
        let site = routes::Site::new(asker, hosts, token, tls.is_some());
        tokio::spawn(reader::read(site.hub.clone(), site.asker.clone()));
        ready(&format!("{scheme}://{address}/"));
        tokio::select! {
            served = listen::serve(listener, tls, routes::router(site)) => served,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    });
    runtime.shutdown_background();
    served
}

/// Whoever reaches the page sees addresses, names and what servers answered.
fn refuse_unsafe(options: &Options) -> anyhow::Result<()> {
    let mut lacks = Vec::new();
    if options.tls.is_none() {
        lacks.push("--tls-cert and --tls-key");
    }
    if options.token.is_none() {
        lacks.push("--token-file");
    }
    if options.listen.ip().is_loopback() || lacks.is_empty() {
        return Ok(());
    }
    bail!(
        "`{}` can be reached from other machines, which needs TLS and a token: {} missing; or listen \
         on 127.0.0.1 and come by `ssh -L 9180:127.0.0.1:9180`",
        options.listen,
        lacks.join(", "),
    )
}

/// A file that may be read by its owner only, for errors.
fn file(what: &str, path: &std::path::Path) -> String {
    format!("{what} {}", shown(path))
}
