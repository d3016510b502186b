//! What comes from outside: signals, changed files, the control socket, the commands to notify.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::core::{Input, Notification};
use super::link::Link;
use super::run::Options;
use super::snapshot::Board;
use super::watch_file::{Watched, Watcher};
use super::worker::Job;
use crate::http::{self, Identity};

/// How often the files are looked at.
const FILE_PACE: Duration = Duration::from_secs(1);

/// The threads that face outwards.
pub(super) struct Outside {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    control: http::Server,
}

impl Outside {
    pub(super) fn start(
        options: &Options,
        inputs: &Sender<Input>,
        board: &Arc<Board>,
        jobs: &Sender<Job>,
        watched: Watched,
    ) -> anyhow::Result<Self> {
        let link = Link {
            identity: Identity {
                state_dir: options.store.directory().to_owned(),
                incarnation: options.incarnation.clone(),
            },
            board: board.clone(),
            inputs: inputs.clone(),
            jobs: jobs.clone(),
        };
        let place = http::Options {
            path: options.socket.clone(),
            group: None,
        };
        let control = http::serve(&place, Arc::new(link))
            .with_context(|| format!("cannot make the control socket {}", place.path.display()))?;
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
                runtime.block_on(listen(signals, watched, &inputs, stopped));
            })?;
        Ok(Self {
            stop,
            thread,
            control,
        })
    }

    /// Has the commands of a service run.
    pub(super) fn notify(&self, notification: &Notification) {
        let Notification {
            commands,
            occasion,
            service,
            listen,
            server,
            text,
        } = notification;
        let count = commands.len();
        tracing::debug!(?occasion, %service, %listen, ?server, %text, count, "to notify");
    }

    pub(super) fn alive(&self) {}

    pub(super) fn ready(&self) {}

    /// Ends them.
    pub(super) fn stop(self) {
        drop(self.control);
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("a thread ended badly");
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
    watched: Watched,
    inputs: &Sender<Input>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut watcher = Watcher::default();
    let mut look = tokio::time::interval(FILE_PACE);
    loop {
        let input = tokio::select! {
            _ = &mut stopped => return,
            _ = signals.hangup.recv() => Input::Reload,
            _ = signals.terminate.recv() => Input::Stop,
            _ = signals.interrupt.recv() => Input::Stop,
            _ = look.tick() => {
                if !watcher.changed(&watched) {
                    continue;
                }
                Input::Reload
            }
        };
        if inputs.send(input).is_err() {
            return;
        }
    }
}
