//! Addresses that a BGP or OSPF daemon of this machine announces while their services are healthy.
//!
//! ```text
//!   core ─ Command ─► holder.rs, thread `announce` ─► dummy interface: addresses as leases
//!    ▲                  │                             routes, for `via = "route"`
//!    └──── Report ──────┘                             local routes, which outlive a withdrawal
//! ```
//!
//! - **The routing daemon is not asked.** It reads interfaces and routes, and director needs no right
//!   on its sockets.
//! - **Withdrawn before it stops forwarding.** The address goes; a route of type `local`, which no
//!   daemon exports, keeps it usable for a while.
//! - **An end without a word ends the announcement.** Addresses are leases; the kernel removes them
//!   some seconds after director stopped renewing them. The next process goes on with what it finds.
//! - All times are of the boot-time clock.

mod holder;
mod link;
mod message;
mod routes;
mod section;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::Context;

pub use message::{Command, Position, Report};

use crate::failover::lease::{Post, now, queue};
use holder::{Holder, Order};

/// The thread, from the first file that announces addresses on.
pub struct Running {
    post: Post<Order>,
    pulse: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Starts the thread, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// If a thread or a socket cannot be had.
    pub fn start(tell: impl Fn(Report) + Send + 'static) -> anyhow::Result<Self> {
        let (post, inbox) = queue().context("cannot create an eventfd")?;
        let pulse = Arc::new(AtomicU64::new(0));
        let thread = Holder::start(inbox, Arc::clone(&pulse), tell)
            .context("cannot start the thread that announces addresses")?;
        let running = Self {
            post,
            pulse,
            thread,
        };
        running.beat();
        Ok(running)
    }

    /// Says that the core runs: leases are renewed only while it does.
    pub fn beat(&self) {
        let now = u64::try_from(now().as_millis()).unwrap_or(u64::MAX);
        self.pulse.store(now, Ordering::Relaxed);
    }

    /// Sends a command; never blocks.
    pub fn send(&self, command: Command) {
        self.post.send(Order::Command(command));
    }

    /// Ends. `withdraw`: everything is withdrawn, and the thread ends after the longest `linger`;
    /// otherwise the addresses stay for the next process, or until their leases are over. Returns
    /// the thread to wait for.
    #[must_use]
    pub fn stop(self, withdraw: bool) -> JoinHandle<()> {
        self.post.send(Order::Stop { withdraw });
        self.thread
    }
}
