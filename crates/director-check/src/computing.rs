//! Computations that a server can make expensive, on a dedicated thread.
//!
//! The checks' own thread would stall, and the threads that read files belong to file checks. A
//! server that demands work only delays other servers that demand work. One thread uses at most one
//! processor.
//!
//! - **Abandoned work is dropped** before it begins, so that work of timed-out checks does not pile
//!   up.
//! - **A piece of work is short** by its own limit (`kind/postgres/scram.rs`).
//! - **A check has one piece of work at a time**, first come, first served, so that a server that
//!   demands much gets no more turns than others.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The thread; starts with the first piece of work and ends when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Computing(OnceLock<Sender<Job>>);

impl Computing {
    /// Waits for its turn and for the result.
    ///
    /// # Errors
    /// If there is no thread to do it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let (done, result) = oneshot::channel();
        let job = Box::new(move || {
            if !done.is_closed() {
                // The check may have timed out just now.
                let _ = done.send(work());
            }
        });
        let jobs = match self.0.get() {
            Some(jobs) => jobs,
            None => {
                let jobs = start().map_err(|error| format!("no thread to compute: {error}"))?;
                self.0.get_or_init(|| jobs)
            }
        };
        let gone = |_| "the computing thread panicked".to_owned();
        jobs.send(job).map_err(|_| gone(()))?;
        result.await.map_err(|_| gone(()))
    }
}

fn start() -> std::io::Result<Sender<Job>> {
    let (jobs, waiting) = channel::<Job>();
    // Not joined: a piece of work does not delay the daemon's end.
    thread::Builder::new()
        .name("check-compute".into())
        .spawn(move || waiting.into_iter().for_each(|job| job()))?;
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn work_whose_check_has_timed_out_is_dropped_before_it_begins() {
        let computing = Computing::default();
        let (open, gate) = channel::<()>();
        let first = computing.run(move || gate.recv().is_ok());
        let mut first = std::pin::pin!(first);
        assert!(timeout(Duration::from_millis(1), &mut first).await.is_err());
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 {
            let begun = Arc::clone(&begun);
            let work = computing.run(move || begun.fetch_add(1, Ordering::SeqCst));
            assert!(timeout(Duration::from_millis(1), work).await.is_err());
        }
        open.send(()).unwrap();
        assert_eq!(first.await, Ok(true));
        assert_eq!(computing.run(|| 7).await, Ok(7));
        assert_eq!(begun.load(Ordering::SeqCst), 0);
    }
}
