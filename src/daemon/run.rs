//! The threads around the core, from start to stop.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use ipvs::Client;

use super::background::has_ended;
use super::core::Core;
use super::historian::Historian;
use super::keeper;
use super::link::Link;
use super::messages::{Changes, Input, Job, Out, ReadOrder, Task};
use super::name::Name;
use super::outside::Outside;
use super::private::Private;
use super::pulse::{Pulse, Pulses};
use super::reader::{self, FileReader};
use super::worker::Worker;
use crate::announce;
use crate::apply::{Incarnation, Kernel, Ledger, Platform, Prepared, Store, boot_time, converge};
use crate::check::Checks;
use crate::check::through::Passages;
use crate::config::{Disk, Environment};
use crate::control::snapshot::Published;
use crate::control::{Director, Identity, Now};
use crate::discovery;
use crate::failover::{Command, Report, Running};
use crate::peers;
use crate::state::Desired;

/// The most inputs handled before the clock is read again.
const INPUTS: usize = 64;

/// How long to wait for hanging threads at the end.
const FAREWELL: Duration = Duration::from_secs(10);

/// The most that `linger` may be.
const LONGEST_LINGER: Duration = Duration::from_secs(60);

/// The interval between checks of drains when the director stops by draining.
const DRAIN_PAUSE: Duration = Duration::from_millis(500);

/// The settings of a director.
#[derive(Debug, Clone)]
pub struct Options {
    /// The path of the service file.
    pub file: PathBuf,
    /// The machine whose `[machine.NAME]` counts; by default the host name.
    pub machine: Option<String>,
    /// Whether to start although a guard objects to what the file would remove.
    pub force: bool,
    /// What to do with the tables on exit.
    pub on_stop: OnStop,
    /// The directory of this network namespace, for ledger, journal and settings.
    pub store: Store,
    /// The boot and the namespace.
    pub incarnation: Incarnation,
    /// The name by which the namespace was entered.
    pub netns: Option<String>,
}

/// What to do with the tables when the director stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// Leave them unchanged.
    Keep,
    /// Drain its services, and delete them when their connections have ended or their time is over.
    Drain,
    /// Delete its services immediately.
    Flush,
}

/// Runs until a signal ends it. The caller holds the lock, is in the right network namespace, and
/// has one thread. `serve` makes the director visible; dropping its result stops that.
///
/// # Errors
/// If it cannot start: the first file has mistakes, the kernel cannot be reached, `serve` fails.
pub fn run<S>(
    options: &Options,
    serve: impl FnOnce(Arc<dyn Director>) -> anyhow::Result<S>,
) -> anyhow::Result<()> {
    let settings = keeper::read(&options.store, &options.incarnation.boot, clock())?;
    let mut tables = Client::connect()?;
    let (inputs, inbox) = mpsc::channel();
    let published = Arc::new(Published::default());
    let threads = Threads::start(options, &inputs, &published, serve)?;
    let mut core = Core::new(
        options.file.clone(),
        settings,
        options.force,
        published,
        clock(),
    );
    let ended = turn(&mut core, &mut tables, &inbox, &threads);
    core.close(clock());
    threads.deliver(&mut core.out);
    threads.stop(options.on_stop);
    ended?;
    leave(options)
}

/// The current time.
fn clock() -> Now {
    Now {
        boot: boot_time(),
        wall: SystemTime::now(),
    }
}

/// The loop: handles inputs, does what is due, and one slice of the remaining work.
fn turn<S>(
    core: &mut Core,
    tables: &mut Client,
    inbox: &Receiver<Input>,
    threads: &Threads<S>,
) -> anyhow::Result<()> {
    loop {
        for input in inbox.try_iter().take(INPUTS) {
            match input {
                Input::Stop => return Ok(()),
                Input::Superseded(why) => bail!("{why}"),
                _ => {}
            }
            core.handle(input, tables, clock());
            threads.deliver(&mut core.out);
        }
        threads.beat();
        core.stalled(threads.pulses.stalls(), clock());
        core.tick(tables, clock());
        threads.deliver(&mut core.out);
        if let Some(why) = core.failed_to_start() {
            bail!("{why}");
        }
        let now = clock().boot;
        threads
            .outside
            .alive(core.is_ready(), core.is_reloading(), now);
        if core.has_work() {
            core.work(tables, clock());
            threads.deliver(&mut core.out);
            continue;
        }
        let patience = core.next(clock().boot);
        let patience = threads
            .outside
            .pace()
            .map_or(patience, |pace| patience.min(pace));
        match inbox.recv_timeout(patience) {
            Ok(Input::Stop) => return Ok(()),
            Ok(Input::Superseded(why)) => bail!("{why}"),
            Ok(input) => {
                core.handle(input, tables, clock());
                threads.deliver(&mut core.out);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("all threads have ended"),
        }
    }
}

/// The threads around the core.
struct Threads<S> {
    checks: Checks,
    pulses: Pulses,
    files: Sender<ReadOrder>,
    jobs: Sender<Job>,
    worker: JoinHandle<()>,
    keep: Sender<Task>,
    keeper: JoinHandle<()>,
    outside: Outside,
    historian: Historian,
    /// From the first file that declares addresses on.
    failover: RefCell<Option<Running>>,
    peers: peers::Running,
    /// From the first file that announces addresses on.
    announce: RefCell<Option<announce::Running>>,
    /// From the first file on in which a pool finds its servers.
    discovery: RefCell<Option<discovery::Running>>,
    /// The directory of lists of servers, and what their threads read.
    lists: PathBuf,
    published: Arc<Published>,
    inputs: Sender<Input>,
    /// What makes the director visible: the control socket.
    served: S,
}

impl<S> Threads<S> {
    fn start(
        options: &Options,
        inputs: &Sender<Input>,
        published: &Arc<Published>,
        serve: impl FnOnce(Arc<dyn Director>) -> anyhow::Result<S>,
    ) -> anyhow::Result<Self> {
        let pulses = Pulses::default();
        let passages: Arc<Passages> = Arc::default();
        let private = Private::new(Arc::clone(&passages));
        let (jobs, worker) = start_worker(options, inputs.clone(), private, pulses.worker.clone())?;
        let files = start_reader(options, inputs, &jobs, pulses.reader.clone())?;
        let kept = inputs.clone();
        let (store, boot) = (options.store.clone(), options.incarnation.boot.clone());
        let (keep, keeper) = keeper::start(store, boot, pulses.keeper.clone(), move |input| {
            let _ = kept.send(input);
        })?;
        let found = inputs.clone();
        let checks = Checks::start_through(passages, move |finding| {
            let _ = found.send(Input::Finding(finding));
        })
        .context("cannot start the checks")?;
        let served = serve(Arc::new(Link {
            identity: Identity {
                state_dir: options.store.directory().to_owned(),
                incarnation: options.incarnation.clone(),
            },
            published: Arc::clone(published),
            inputs: inputs.clone(),
            jobs: jobs.clone(),
            checks: checks.observer(),
            waiting: Arc::default(),
        }))?;
        let name = Name::new(options.incarnation.namespace, options.netns.clone());
        let reported = inputs.clone();
        let peers = peers::Running::new(move |report| {
            let _ = reported.send(Input::Peer(report));
        });
        let outside = Outside::start(name, inputs, published)?;
        let historian = Historian::start(
            options.store.directory(),
            Arc::clone(published),
            jobs.clone(),
            inputs.clone(),
        )
        .context("cannot start the thread of the history")?;
        Ok(Self {
            checks,
            pulses,
            files,
            jobs,
            worker,
            keep,
            keeper,
            outside,
            historian,
            failover: RefCell::default(),
            peers,
            announce: RefCell::default(),
            discovery: RefCell::default(),
            lists: discovery::directory(options.store.directory()),
            published: Arc::clone(published),
            inputs: inputs.clone(),
            served,
        })
    }

    /// Distributes the core's output.
    fn deliver(&self, out: &mut Out) {
        if !out.checks.is_empty() {
            let changes = Changes::of(&out.checks);
            if !changes.is_empty() {
                let _ = self.jobs.send(Job::Through(changes));
            }
            self.checks.send(std::mem::take(&mut out.checks));
        }
        if let Some(order) = out.read.take() {
            let _ = self.files.send(order);
        }
        for job in out.jobs.drain(..) {
            let _ = self.jobs.send(job);
        }
        for notification in out.notify.drain(..) {
            self.outside.notify(&notification);
        }
        if let Some(settings) = out.keep.take() {
            let _ = self.keep.send(Task::Keep(settings));
        }
        for command in out.failover.drain(..) {
            self.command(command);
        }
        for command in out.peers.drain(..) {
            self.peers.send(command);
        }
        for command in out.announce.drain(..) {
            self.announce(command);
        }
        for command in out.discovery.drain(..) {
            self.discover(command);
        }
        if std::mem::take(&mut out.look) {
            let _ = self.keep.send(Task::Look);
        }
    }

    /// Passes a command to the failover threads, which the first file with addresses starts.
    fn command(&self, command: Command) {
        let mut failover = self.failover.borrow_mut();
        let is_first = match &command {
            Command::Declare(declared) => declared.hold_addresses(),
            // What a section is told before it is declared.
            Command::Forget | Command::Restore { .. } | Command::Careful { .. } => true,
            _ => false,
        };
        if failover.is_none() && is_first {
            let inputs = self.inputs.clone();
            let tell = move |report: Report| {
                let _ = inputs.send(Input::Failover(report));
            };
            match Running::start(tell) {
                Ok(running) => *failover = Some(running),
                Err(error) => {
                    let text = format!("failover does not run: {error:#}");
                    let _ = self.inputs.send(Input::Failover(Report::Weakness(text)));
                }
            }
        }
        if let Some(running) = &*failover {
            running.send(command);
        }
    }

    /// Passes a command to the thread of announcements, which the first file with such sections
    /// starts.
    fn announce(&self, command: announce::Command) {
        let mut announce = self.announce.borrow_mut();
        if announce.is_none()
            && let announce::Command::Declare(sections) = &command
            && !sections.is_empty()
        {
            let inputs = self.inputs.clone();
            let tell = move |report| {
                let _ = inputs.send(Input::Announce(report));
            };
            match announce::Running::start(tell) {
                Ok(running) => *announce = Some(running),
                Err(error) => {
                    let text = format!("nothing is announced: {error:#}");
                    let report = announce::Report::Failed(text);
                    let _ = self.inputs.send(Input::Announce(report));
                }
            }
        }
        if let Some(running) = &*announce {
            running.send(command);
        }
    }

    /// Passes a command to the threads of discovery, which the first file with such a pool starts.
    fn discover(&self, command: discovery::Command) {
        let mut running = self.discovery.borrow_mut();
        if running.is_none() {
            let inputs = self.inputs.clone();
            let tell = move |report| {
                let _ = inputs.send(Input::Discovery(report));
            };
            let published = Arc::clone(&self.published);
            match discovery::Running::start(self.lists.clone(), published, tell) {
                Ok(started) => *running = Some(started),
                Err(error) => tracing::error!("no pool finds its servers: {error}"),
            }
        }
        if let Some(running) = &*running {
            running.send(command);
        }
    }

    /// Shows the thread of announcements that the core runs.
    fn beat(&self) {
        if let Some(running) = &*self.announce.borrow() {
            running.beat();
        }
    }

    /// Ends them all; afterwards everything is on disk. If the tables go, the peers take over
    /// first.
    fn stop(self, on_stop: OnStop) {
        self.outside.stopping();
        let patience = Instant::now() + FAREWELL;
        let failover = self.failover.into_inner();
        for thread in failover
            .into_iter()
            .flat_map(|running| running.stop(on_stop != OnStop::Keep))
        {
            join(thread, patience);
        }
        if let Some(announce) = self.announce.into_inner() {
            let patience = Instant::now() + FAREWELL + LONGEST_LINGER;
            join(announce.stop(on_stop != OnStop::Keep), patience);
        }
        drop(self.served);
        self.outside.stop();
        let kept = self.checks.statistics();
        if kept.started > 0 {
            tracing::info!(
                checks = kept.started,
                late_p99_us = micros(kept.lateness.p99),
                late_max_us = micros(kept.lateness.max),
                longest_gap_us = micros(kept.longest_gap),
                "punctuality of the checks"
            );
        }
        drop(self.checks);
        let historian = self.historian.stop(on_stop != OnStop::Keep);
        let _ = self.jobs.send(Job::End);
        drop(self.keep);
        drop(self.files);
        let patience = Instant::now() + FAREWELL;
        for thread in [self.worker, self.keeper, historian] {
            join(thread, patience);
        }
    }
}

/// Waits for the end of a thread, but not for a hanging one: the process ends without it.
fn join(thread: JoinHandle<()>, patience: Instant) {
    let has_ended = has_ended(&thread, patience);
    let name = thread.thread().name().unwrap_or_default().to_owned();
    if !has_ended {
        tracing::error!("thread `{name}` hangs: its last writes may not be on disk");
    } else if thread.join().is_err() {
        tracing::error!("thread `{name}` panicked");
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn start_worker(
    options: &Options,
    inputs: Sender<Input>,
    private: Private,
    pulse: Pulse,
) -> anyhow::Result<(Sender<Job>, JoinHandle<()>)> {
    let (jobs, todo) = mpsc::channel::<Job>();
    let (file, store) = (options.file.clone(), options.store.clone());
    let incarnation = options.incarnation.clone();
    // The kernel must be connected on the thread that uses it: procfs shows the sysctls of the
    // calling thread's namespace.
    let thread = thread::Builder::new()
        .name("worker".to_owned())
        .spawn(move || {
            let kernel = match Kernel::connect() {
                Ok(kernel) => kernel,
                Err(error) => {
                    tracing::error!("the worker cannot connect to IPVS: {error}");
                    let _ = inputs.send(Input::Stop);
                    return;
                }
            };
            let mut worker = Worker::new(file, kernel, store, incarnation, private);
            while let Ok(job) = todo.recv()
                && !matches!(job, Job::End)
            {
                pulse.begin(job.what());
                let done = worker.work(job);
                pulse.end();
                if let Some(done) = done
                    && inputs.send(Input::Done(done)).is_err()
                {
                    break;
                }
            }
            worker.close();
        })?;
    Ok((jobs, thread))
}

fn start_reader(
    options: &Options,
    inputs: &Sender<Input>,
    jobs: &Sender<Job>,
    pulse: Pulse,
) -> anyhow::Result<Sender<ReadOrder>> {
    let (orders, todo) = mpsc::channel();
    let lists = discovery::directory(options.store.directory());
    let environment = Environment::of_process().with_lists(&lists);
    let environment = match &options.machine {
        Some(machine) => environment.on_machine(machine.clone()),
        None => environment,
    };
    let files = FileReader::new(options.file.clone(), Disk, environment, pulse);
    let files = files.with_lists(lists);
    let (jobs, inputs) = (jobs.clone(), inputs.clone());
    let done = move |read| jobs.send(Job::Take(Box::new(read))).is_ok();
    let changed = move || {
        let _ = inputs.send(Input::Changed);
    };
    reader::start(files, todo, done, changed)?;
    Ok(orders)
}

/// Leaves the tables as the options say.
fn leave(options: &Options) -> anyhow::Result<()> {
    if options.on_stop == OnStop::Keep {
        return Ok(());
    }
    let mut kernel = Kernel::connect()?;
    let desired = Desired::default();
    // Every drain has a deadline, so this ends.
    loop {
        let mut before = Ledger::read(&options.store, &options.incarnation)?;
        if options.on_stop == OnStop::Flush {
            before.waive_drains();
        }
        let observed = kernel.observe()?;
        let now = kernel.now();
        let prepared = Prepared::new(&desired, &observed, before, now);
        let (store, incarnation) = (&options.store, &options.incarnation);
        let applied = converge(
            &mut kernel,
            store,
            incarnation,
            &desired,
            prepared,
            &mut |_| {},
        )?;
        if applied.plan.draining.is_empty() {
            return Ok(());
        }
        thread::sleep(DRAIN_PAUSE);
    }
}
