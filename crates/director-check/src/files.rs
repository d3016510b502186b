//! File access of checks: each on a thread that may hang, and never two for one path.
//!
//! ```text
//!   check ──► turn of this path ──► thread ──► result
//!               │ has not answered for a second: not asked, and says so
//!               └ all threads hang: the same
//! ```
//!
//! A broken file system (a stale NFS mount, a faulty disk) blocks every access indefinitely. A path
//! that hangs therefore occupies one thread, however many checks need it; checks of other paths
//! continue, and those of this path count as not carried out: the hang says nothing about their
//! servers.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

/// The most concurrent accesses, including those that hang.
pub(crate) const THREADS: usize = 32;

/// Accesses that take longer count as hanging.
const PATIENCE: Duration = Duration::from_secs(1);

/// The number of paths above which unused ones are removed.
const FEW: usize = 1024;

/// Paths, and since when each is being accessed.
#[derive(Debug, Default)]
pub(crate) struct Files {
    turns: RefCell<HashMap<PathBuf, Turn>>,
    many: Cell<usize>,
    busy: Busy,
}

type Turn = Arc<tokio::sync::Mutex<()>>;

#[derive(Debug, Clone, Default)]
struct Busy(Arc<Mutex<HashMap<PathBuf, Instant>>>);

impl Files {
    /// Does `work` with the path when it is its turn, on a thread that may hang. `doing` names the
    /// action in messages: "reading".
    ///
    /// # Errors
    /// If the path, or all threads, have not answered for a second.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        doing: &str,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        self.busy.hangs(path, doing)?;
        let turn = self.turn(path);
        let turn = turn.lock_owned().await;
        self.busy.all_hang(path, doing)?;
        let under_way = UnderWay::begin(&self.busy, path);
        let task = spawn_blocking(move || {
            let result = work();
            // Lets the next one start, whether or not this check still waits for its result.
            drop(under_way);
            drop(turn);
            result
        });
        task.await.map_err(|error| error.to_string())
    }

    fn turn(&self, path: &Path) -> Turn {
        let mut turns = self.turns.borrow_mut();
        if let Some(turn) = turns.get(path) {
            return Arc::clone(turn);
        }
        if turns.len() >= self.many.get().max(FEW) {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            self.many.set(2 * turns.len());
        }
        Arc::clone(turns.entry(path.to_owned()).or_default())
    }
}

impl Busy {
    fn hangs(&self, path: &Path, doing: &str) -> Result<(), String> {
        match self.lock().get(path).map(Instant::elapsed) {
            Some(since) if since >= PATIENCE => Err(hangs(doing, path, since)),
            _ => Ok(()),
        }
    }

    fn all_hang(&self, path: &Path, doing: &str) -> Result<(), String> {
        let busy = self.lock();
        if busy.len() < THREADS || busy.values().any(|since| since.elapsed() < PATIENCE) {
            return Ok(());
        }
        let path = path.display();
        let number = busy.len();
        Err(format!(
            "{doing} {path}: {number} other files have not answered, which is the limit"
        ))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message for a path that hangs.
pub(crate) fn hangs(doing: &str, path: &Path, since: Duration) -> String {
    let path = path.display();
    let seconds = since.as_secs().max(1);
    format!("{doing} {path} has not answered for {seconds}s")
}

/// A path in use, until this is dropped.
#[derive(Debug)]
struct UnderWay(Busy, PathBuf);

impl UnderWay {
    fn begin(busy: &Busy, path: &Path) -> Self {
        busy.lock().insert(path.to_owned(), Instant::now());
        Self(busy.clone(), path.to_owned())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use tokio::time::timeout;

    use super::*;

    /// A file system that hangs until the sender is dropped.
    fn gate() -> (Sender<()>, impl FnOnce() + Send + 'static) {
        let (open, gate): (_, Receiver<()>) = channel();
        (open, move || {
            let _ = gate.recv();
        })
    }

    async fn give_up<T: Send + 'static>(
        files: &Files,
        path: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) {
        let short = Duration::from_millis(20);
        let run = files.run("reading", Path::new(path), work);
        // On a busy machine the path may count as hanging by now.
        assert!(!matches!(timeout(short, run).await, Ok(Ok(_))));
    }

    async fn hung_for_a_second() {
        tokio::time::sleep(PATIENCE + Duration::from_millis(50)).await;
    }

    #[tokio::test]
    async fn a_path_that_hangs_holds_one_thread_and_no_other_path() {
        let files = Files::default();
        let (open, work) = gate();
        give_up(&files, "/nfs/hung", work).await;
        let begun = Arc::new(AtomicUsize::new(0));
        let count = || {
            let begun = Arc::clone(&begun);
            move || begun.fetch_add(1, Ordering::SeqCst)
        };
        for _ in 0..20 {
            give_up(&files, "/nfs/hung", count()).await;
            let other = files.run("reading", Path::new("/etc/well"), || 7).await;
            assert_eq!(other, Ok(7));
        }
        hung_for_a_second().await;
        let refused = files.run("reading", Path::new("/nfs/hung"), count()).await;
        let why = refused.unwrap_err();
        assert!(
            why.starts_with("reading /nfs/hung has not answered for "),
            "{why}"
        );
        assert_eq!(begun.load(Ordering::SeqCst), 0, "no second thread for it");
        drop(open);
        let answered = async {
            while files.busy.hangs(Path::new("/nfs/hung"), "").is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(60), answered).await.unwrap();
        assert_eq!(
            files.run("reading", Path::new("/nfs/hung"), || 8).await,
            Ok(8)
        );
    }

    #[test]
    fn when_all_threads_hang_others_are_told_and_the_end_does_not_wait() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(THREADS)
            .build()
            .unwrap();
        let mut gates = Vec::new();
        runtime.block_on(async {
            let files = Files::default();
            for number in 0..THREADS {
                let (open, work) = gate();
                gates.push(open);
                give_up(&files, &format!("/nfs/{number}"), work).await;
            }
            hung_for_a_second().await;
            let refused = files.run("reading", Path::new("/etc/well"), || ()).await;
            let why = refused.unwrap_err();
            assert!(why.contains("32 other files have not answered"), "{why}");
            gates.pop();
            let well = async {
                while files
                    .run("reading", Path::new("/etc/well"), || ())
                    .await
                    .is_err()
                {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(Duration::from_secs(60), well).await.unwrap();
        });
        runtime.shutdown_background();
        assert_eq!(gates.len(), THREADS - 1, "they hang still");
    }
}
