//! Computations that a server can make costly, on one thread that has nothing else to do.
//!
//! The checks' own thread would stand still meanwhile, and the threads that read files belong to
//! the checks of files: a server that asks for work takes time from others that ask for work, and
//! from nobody else. One thread is at most one processor.
//!
//! - **Work that nobody waits for is dropped** before it begins, so that work of checks that have
//!   timed out does not pile up.
//! - **A piece of work is short** by its own limit (`kind/postgres/scram.rs`).
//! - **A check has one piece at a time**, and they are done in the order in which they came, so
//!   that a server which asks for much gets no more turns than one which asks for little.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The thread, which begins with the first piece of work and ends when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Computing(OnceLock<Sender<Job>>);

impl Computing {
    /// Waits for its turn, and for what comes of the work.
    ///
    /// # Errors
    /// When there is no thread to do it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let (done, result) = oneshot::channel();
        let job = Box::new(move || {
            if !done.is_closed() {
                // It may have timed out just now.
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
    // Nobody joins it: a piece of work does not hold up the daemon's end.
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
