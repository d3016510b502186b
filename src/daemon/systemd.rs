//! Messages to systemd: ready, reloading, stopping, alive (`sd_notify(3)`). Without systemd they
//! are dropped.
//!
//! The caller of [`Systemd::alive`], the core's own loop, feeds the watchdog: a stuck core is
//! restarted, which a timer on another thread would hide.

use std::time::Duration;

use sd_notify::NotifyState;

use super::background::BackgroundWriter;
use crate::state::BootTime;

/// The most messages that wait if systemd is slow to accept them.
const QUEUE: usize = 64;

/// How messages are sent.
type Send = dyn Fn(&[NotifyState<'_>]);

/// The service manager.
pub struct Systemd {
    /// How often it expects a sign of life; `None` if it does not.
    pace: Option<Duration>,
    fed: Option<BootTime>,
    status: String,
    send: Box<Send>,
}

fn deliver(text: &str) {
    if let Err(error) = sd_notify::notify(&[NotifyState::Custom(text)]) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}

impl Systemd {
    /// The one that started this process, if any.
    #[must_use]
    pub fn new() -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Self::with(None, |_| {});
        }
        // systemd's socket blocks writers when its queue is full.
        match BackgroundWriter::start("systemd", QUEUE, |text: String| deliver(&text)) {
            Ok(writer) => Self::with(sd_notify::watchdog_enabled(), move |states| {
                let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
                // If it is full of signs of life, one more makes no difference.
                writer.queue.offer(lines.join("\n"));
            }),
            Err(error) => {
                tracing::error!(%error, "cannot start the thread that notifies systemd");
                Self::with(None, |_| {})
            }
        }
    }

    fn with(watchdog: Option<Duration>, send: impl Fn(&[NotifyState<'_>]) + 'static) -> Self {
        Self {
            // Twice as often as `sd_watchdog_enabled(3)` recommends at least.
            pace: watchdog.map(|time| time / 4),
            fed: None,
            status: String::new(),
            send: Box::new(send),
        }
    }

    /// The longest interval between calls of [`Systemd::alive`]; `None` without a limit.
    #[must_use]
    pub const fn pace(&self) -> Option<Duration> {
        self.pace
    }

    /// The director runs, for the first time or again after a reload.
    pub fn ready(&self) {
        (self.send)(&[NotifyState::Ready]);
    }

    /// The director reads its file again; [`Systemd::ready`] has to follow.
    pub fn reloading(&self) {
        // `Type=notify-reload` also needs the time.
        match NotifyState::monotonic_usec_now() {
            Ok(time) => (self.send)(&[NotifyState::Reloading, time]),
            Err(_) => (self.send)(&[NotifyState::Reloading]),
        }
    }

    /// The director is about to end.
    pub fn stopping(&self) {
        (self.send)(&[NotifyState::Stopping]);
    }

    /// The status in one line; sent if it changed.
    pub fn status(&mut self, status: &str) {
        if self.status != status {
            status.clone_into(&mut self.status);
            (self.send)(&[NotifyState::Status(status)]);
        }
    }

    /// The core lives. Cheap: sent only as often as necessary.
    pub fn alive(&mut self, now: BootTime) {
        let Some(pace) = self.pace else {
            return;
        };
        if self.fed.is_some_and(|fed| now < fed.after(pace)) {
            return;
        }
        self.fed = Some(now);
        (self.send)(&[NotifyState::Watchdog]);
    }
}

impl Default for Systemd {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static SENT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    fn record(states: &[NotifyState<'_>]) {
        let text: Vec<_> = states.iter().map(ToString::to_string).collect();
        SENT.with_borrow_mut(|sent| sent.push(text.join(" ")));
    }

    fn sent() -> Vec<String> {
        SENT.take()
    }

    fn at(milliseconds: u64) -> BootTime {
        BootTime(Duration::from_millis(milliseconds))
    }

    #[test]
    fn the_watchdog_is_fed_as_often_as_it_must_and_no_oftener() {
        let mut systemd = Systemd::with(Some(Duration::from_secs(4)), record);
        for millisecond in (0..3500).step_by(10) {
            systemd.alive(at(5000 + millisecond));
        }
        assert_eq!(sent(), ["WATCHDOG=1"; 4]);
        let mut unwatched = Systemd::with(None, record);
        unwatched.alive(at(0));
        assert_eq!(sent().len(), 0);
    }

    #[test]
    fn a_status_is_sent_when_it_changes() {
        let mut systemd = Systemd::with(None, record);
        systemd.ready();
        systemd.status("2 services");
        systemd.status("2 services");
        systemd.status("1 server down");
        systemd.stopping();
        assert_eq!(
            sent(),
            [
                "READY=1",
                "STATUS=2 services",
                "STATUS=1 server down",
                "STOPPING=1"
            ]
        );
    }

    #[test]
    fn a_reload_says_when() {
        Systemd::with(None, record).reloading();
        let said = sent().remove(0);
        let time = said.strip_prefix("RELOADING=1 MONOTONIC_USEC=").unwrap();
        assert!(time.parse::<u64>().unwrap() > 0);
    }
}
