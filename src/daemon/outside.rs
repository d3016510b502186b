//! The director's outside world: signals, systemd, commands to notify.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::commands::Commands;
use super::messages::{Input, Notification};
use super::name::Name;
use super::systemd::Systemd;
use crate::control::snapshot::Published;
use crate::state::BootTime;

/// The interval between checks of the namespace's name.
const NAME_PACE: Duration = Duration::from_secs(1);
/// The shortest interval between status messages to systemd.
const STATUS_PACE: Duration = Duration::from_secs(1);

/// The threads that face outwards.
pub(super) struct Outside {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    commands: Commands,
    published: Arc<Published>,
    service: RefCell<Service>,
}

/// The state of the service towards systemd.
#[derive(Default)]
struct Service {
    systemd: Systemd,
    ready: bool,
    reloading: bool,
    told: BootTime,
}

impl Outside {
    pub(super) fn start(
        mut name: Name,
        inputs: &Sender<Input>,
        published: &Arc<Published>,
    ) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        let signals = runtime.block_on(async { Signals::new() });
        let signals = signals.context("cannot listen to signals")?;
        let inputs = inputs.clone();
        let thread = thread::Builder::new()
            .name("outside".to_owned())
            .spawn(move || {
                runtime.block_on(listen(signals, &mut name, &inputs, stopped));
            })?;
        Ok(Self {
            stop,
            thread,
            commands: Commands::start().context("cannot start the commands to notify")?,
            published: published.clone(),
            service: RefCell::default(),
        })
    }

    /// Runs commands.
    pub(super) fn notify(&self, notification: &Notification) {
        self.commands
            .tell(&notification.commands, &notification.event);
    }

    /// The core has completed another round. systemd is told as often as necessary.
    pub(super) fn alive(&self, ready: bool, reloading: bool, now: BootTime) {
        let mut service = self.service.borrow_mut();
        service.systemd.alive(now);
        if !ready {
            return;
        }
        if reloading && service.ready && !service.reloading {
            service.systemd.reloading();
        }
        let done = !service.ready || service.reloading && !reloading;
        (service.ready, service.reloading) = (true, reloading);
        if done {
            service.systemd.ready();
            // The status follows.
            service.told = now;
        } else if now >= service.told.after(STATUS_PACE) {
            let status = self.status();
            service.systemd.status(&status);
            service.told = now;
        }
    }

    /// The longest interval between rounds of the core; `None` without a limit.
    pub(super) fn pace(&self) -> Option<Duration> {
        self.service.borrow().systemd.pace()
    }

    /// The status in one line.
    fn status(&self) -> String {
        let snapshot = self.published.snapshot();
        let services = snapshot.services.values();
        let (up, declared) = services.fold((0, 0), |(up, declared), service| {
            (up + service.up, declared + service.declared)
        });
        let mut text = format!(
            "services: {}; servers up: {up} of {declared}",
            snapshot.services.len()
        );
        if snapshot.rejected.is_some() {
            text.push_str("; the newer file was rejected");
        }
        if let Some(trouble) = &snapshot.trouble {
            text.push_str("; trouble: ");
            text.push_str(trouble.lines().next().unwrap_or_default());
        }
        text
    }

    /// Tells systemd that the director stops.
    pub(super) fn stopping(&self) {
        self.service.borrow().systemd.stopping();
    }

    /// Ends them.
    pub(super) fn stop(self) {
        drop(self.commands);
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("thread `outside` panicked");
        }
    }
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

async fn listen(
    mut signals: Signals,
    name: &mut Name,
    inputs: &Sender<Input>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut look = tokio::time::interval(NAME_PACE);
    loop {
        let input = tokio::select! {
            _ = &mut stopped => return,
            _ = signals.hangup.recv() => Input::Reload,
            _ = signals.terminate.recv() => Input::Stop,
            _ = signals.interrupt.recv() => Input::Stop,
            _ = look.tick() => match name.look() {
                Some(input) => input,
                None => continue,
            },
        };
        if inputs.send(input).is_err() {
            return;
        }
    }
}
