//! Failover: virtual addresses that two or more directors hold together, by VRRP.
//!
//! ```text
//!   core ─ Command ─► runtime.rs, thread `failover`: adverts, machines of crates/vrrp
//!    ▲                  │ Order                ▲
//!    └─ Report ─────────┤                      │ interfaces, what became of the addresses
//!                       ▼                      │
//!                  holder/, thread `addresses`: leases, gratuitous ARP
//! ```
//!
//! - **The thread `failover` waits for nothing else.** It has a real-time priority where that is
//!   allowed, and never changes an address itself: that takes a lock of the kernel.
//! - **An end without a word is no outage.** The addresses are leases that outlive the peers'
//!   patience, and the kernel forwards on. A process that starts in time goes on where the last one
//!   stopped; otherwise the peer takes over, and then the leases run out.
//! - All times are of the boot-time clock.

mod clock;
mod events;
mod files;
mod holder;
mod message;
mod place;
mod realtime;
mod router;
mod runtime;
mod settings;
mod socket;
mod sockets;
mod wake;
mod wary;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use anyhow::Context;

pub use message::{Command, Operation, Report, Restored};

/// Addresses as leases, for others that hold some.
pub(crate) mod lease {
    pub(crate) use super::clock::{now, timeout};
    pub(crate) use super::holder::{
        Address, Link, Monitor, News, Place, Requests, Table, ip, number,
    };
    pub(crate) use super::wake::{Inbox, Post, queue};
}

use runtime::{Message, Runtime};
use wake::Post;

/// The threads of failover, from the first file that declares addresses on.
pub struct Running {
    post: Post<Message>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts the threads, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// If a thread or a socket cannot be had.
    pub fn start(tell: impl Fn(Report) + Send + Clone + 'static) -> anyhow::Result<Self> {
        let (post, inbox) = wake::queue::<Message>().context("cannot create an eventfd")?;
        let (orders, ordered) = wake::queue().context("cannot create an eventfd")?;
        let pulse = Arc::new(AtomicU64::new(0));
        let (files, wanted) = mpsc::channel();
        let mut runtime = Runtime::new(inbox, orders, files, Arc::clone(&pulse), tell.clone())
            .context("cannot create a timer")?;
        let to_runtime = post.clone();
        let holder = holder::Holder::start(ordered, pulse, move |report| {
            to_runtime.send(Message::Held(report));
        })
        .context("cannot start the thread that holds addresses")?;
        let to_runtime = post.clone();
        // Not joined at the end: a file system can hang.
        thread::Builder::new()
            .name("track-files".to_owned())
            .spawn(move || {
                files::watch(&wanted, |failing| to_runtime.send(Message::Files(failing)));
            })?;
        let thread = thread::Builder::new()
            .name("failover".to_owned())
            .spawn(move || {
                if let Err(why) = realtime::prioritise() {
                    let text = format!("adverts are sent without a real-time priority: {why}");
                    tell(Report::Weakness(text));
                }
                if let Err(why) = realtime::lock_memory() {
                    tell(Report::Weakness(format!("memory is not locked: {why}")));
                }
                runtime.run();
            })?;
        Ok(Self {
            post,
            threads: vec![thread, holder],
        })
    }

    /// Sends a command; never blocks.
    pub fn send(&self, command: Command) {
        self.post.send(Message::Command(command));
    }

    /// Ends. `handover`: the peers take over first, if there are any; otherwise the addresses stay
    /// for the next process, or until their leases are over. Returns the threads to wait for.
    #[must_use]
    pub fn stop(self, handover: bool) -> Vec<JoinHandle<()>> {
        self.post.send(Message::Stop { handover });
        self.threads
    }
}
