//! The thread of all checks that do more than connect: a runtime, with a task per check in
//! progress.
//!
//! It is not the thread that keeps the time: a hundred simultaneous TLS handshakes delay each
//! other, but no TCP check and no verdict.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, LocalSet, spawn_local};

use super::files;
use super::inbox::{Completed, Inbox, Message};
use super::kind::{self, Means, Memory};
use super::sources::Sources;
use super::target::Job;
use super::through::Passages;
use super::{Outcome, Report, Target};

/// The thread; it and its checks end when this is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    orders: Option<UnboundedSender<Order>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Where checks go and leave from, decided outside of this thread.
#[derive(Debug)]
pub(crate) struct Ways {
    /// The ways through the forwarding path.
    pub(crate) passages: Arc<Passages>,
    /// The source addresses.
    pub(crate) sources: Arc<Sources>,
}

#[derive(Debug)]
enum Order {
    Run(Job, Arc<Target>, Memory),
    Cancel(Job),
}

impl Worker {
    /// Starts the thread. Its results go into the inbox.
    pub(crate) fn start(inbox: Arc<Inbox>, ways: Ways) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(files::THREADS)
            .thread_name("check-file")
            .build()?;
        let (orders, received) = unbounded_channel();
        let thread = thread::Builder::new()
            .name("check-worker".into())
            .spawn(move || {
                let tasks = LocalSet::new();
                runtime.block_on(tasks.run_until(serve(received, inbox, ways)));
                drop(tasks);
                // A hanging file system must not keep the daemon from stopping.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// Starts a check.
    pub(crate) fn run(&self, job: Job, target: Arc<Target>, memory: Memory) {
        self.order(Order::Run(job, target, memory));
    }

    /// Cancels a check without a report.
    pub(crate) fn cancel(&self, job: Job) {
        self.order(Order::Cancel(job));
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // This fails only when the thread is gone, which ends with us.
            let _ = orders.send(order);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(mut orders: UnboundedReceiver<Order>, inbox: Arc<Inbox>, ways: Ways) {
    let means = Rc::new(Means {
        passages: ways.passages,
        sources: ways.sources,
        ..Means::default()
    });
    let running: Rc<RefCell<HashMap<Job, AbortHandle>>> = Rc::default();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Run(job, target, memory) => {
                let (means, finished) = (Rc::clone(&means), Rc::clone(&running));
                // A check whose abort counts against this machine ends with its timeout.
                let breakable = !target.spec.kind.facts().must_end;
                let mut promise = Promise::new(job, memory, Arc::clone(&inbox));
                let task = spawn_local(async move {
                    let answer = kind::run(&target, &means, memory, promise.began).await;
                    promise.keep(answer);
                    finished.borrow_mut().remove(&job);
                });
                if breakable {
                    running.borrow_mut().insert(job, task.abort_handle());
                }
            }
            Order::Cancel(job) => {
                if let Some(task) = running.borrow_mut().remove(&job) {
                    task.abort();
                }
            }
        }
    }
}

/// Guarantees an answer, whatever happens to the task: a target without an answer would never be
/// checked again.
#[derive(Debug)]
struct Promise {
    job: Job,
    memory: Memory,
    began: Instant,
    answer: Option<(Report, Memory)>,
    inbox: Arc<Inbox>,
}

impl Promise {
    fn new(job: Job, memory: Memory, inbox: Arc<Inbox>) -> Self {
        Self {
            job,
            memory,
            began: Instant::now(),
            answer: None,
            inbox,
        }
    }

    fn keep(&mut self, answer: (Report, Memory)) {
        self.answer = Some(answer);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let (report, memory) = self.answer.take().unwrap_or_else(|| {
            let outcome = Outcome::NotAsked("not checked: the check was cancelled".into());
            let advice = None;
            let cut_off = false;
            let report = Report {
                outcome,
                advice,
                cut_off,
            };
            (report, self.memory)
        });
        self.inbox.put(Message::Completed(Completed {
            job: self.job,
            report,
            memory,
            began: self.began,
            took: self.began.elapsed(),
        }));
    }
}
