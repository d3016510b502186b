//! The threads that serve the control socket and the view socket, and their limits.

use std::future::poll_fn;
use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime;
use tokio::sync::oneshot;

use super::caller::Caller;
use super::failure::Failure;
use super::permits::Permits;
use super::plan::Planner;
use super::routes::{self, Access};
use super::socket::{self, SocketFile};
use super::stall::Patient;
use super::unparsed::Unparsed;
use crate::control::Director;
use crate::net::namespace::Id;

/// The most connections at a time; the next one is told to try again.
const CONNECTIONS: u32 = 128;
/// Additional connections for root and the director's own user.
const KEPT: u32 = 16;
/// From connecting to the last byte of a request's head.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// The largest head of a request, in bytes.
const HEAD_SIZE: usize = 16 * 1024;
/// A client that reads nothing for this long is disconnected.
const STALL: Duration = Duration::from_secs(10);
/// How long to wait when no connection can be accepted for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the stopping server waits for answers in progress.
const FAREWELL: Duration = Duration::from_millis(500);

/// Where to listen.
#[derive(Debug, Clone)]
pub struct Options {
    /// The socket's path; its directory is created if missing.
    pub path: PathBuf,
    /// The group that may use it besides root; `None` for that of the process.
    pub group: Option<String>,
    /// The network namespace after which the path is named, if any: this takes over from a director
    /// of another namespace that answers there.
    pub of: Option<Id>,
    /// What makes the plans of `GET /v1/plan`.
    pub planner: Arc<dyn Planner>,
}

/// A running server. Dropping it stops it and removes the socket.
#[derive(Debug)]
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _file: SocketFile,
}

/// Serves the control socket on a separate thread.
///
/// # Errors
/// If the socket cannot be created (`AddrInUse` if another director answers there), or the thread
/// cannot be started.
pub fn serve(options: &Options, director: Arc<dyn Director>) -> io::Result<Server> {
    start(options, director, Access::Operate, "control")
}

/// Serves the view socket on a separate thread: everything that can be seen, and nothing that
/// changes anything.
///
/// # Errors
/// As for [`serve`].
pub fn serve_view(options: &Options, director: Arc<dyn Director>) -> io::Result<Server> {
    start(options, director, Access::View, "view")
}

fn start(
    options: &Options,
    director: Arc<dyn Director>,
    access: Access,
    name: &str,
) -> io::Result<Server> {
    let (listener, file) = socket::listen(&options.path, options.group.as_deref(), options.of)?;
    listener.set_nonblocking(true)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        // As many as there are readers of the history, and one to spare.
        .max_blocking_threads(12)
        .build()?;
    let router = routes::router(director, Arc::clone(&options.planner), access);
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            runtime.block_on(run(listener, &router, stopped));
            runtime.shutdown_background();
        })?;
    Ok(Server {
        stop: Some(stop),
        thread: Some(thread),
        _file: file,
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn run(listener: StdListener, router: &Router, stopped: oneshot::Receiver<()>) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a socket failed");
            return;
        }
    };
    let permits = Permits::new(CONNECTIONS, KEPT);
    tokio::select! {
        () = accept(&listener, router, &permits) => {}
        // Sent or dropped: both mean stop.
        _ = stopped => {}
    }
    drop(listener);
    // Clients that read get their answers; followers of events would stay for ever.
    let _ = tokio::time::timeout(FAREWELL, permits.all_free()).await;
}

async fn accept(listener: &UnixListener, router: &Router, permits: &Permits) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection on the control socket");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let caller = Caller {
            uid: stream.peer_cred().ok().map(|credentials| credentials.uid()),
        };
        let Some(permit) = permits.take(caller) else {
            turn_away(&stream);
            continue;
        };
        let router = router.clone();
        tokio::spawn(async move {
            talk(stream, caller, router).await;
            drop(permit);
        });
    }
}

/// One request and one answer per connection: no connection waits for a next request.
async fn talk(stream: UnixStream, caller: Caller, router: Router) {
    let routes = TowerToHyperService::new(router);
    let asked = Arc::new(AtomicBool::new(false));
    let patient = Patient::new(stream, STALL);
    let stream = Unparsed::new(patient, Arc::clone(&asked), HEAD_SIZE);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(caller);
        routes.call(request)
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_SIZE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    let closed = stream.end(ended.as_ref().err()).await;
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the control socket ended early");
    } else if let Err(error) = closed {
        tracing::debug!(%error, "a connection to the control socket was not closed properly");
    }
}

/// Tells the client that there is no free connection.
fn turn_away(stream: &UnixStream) {
    let answer = Failure::unavailable("too many connections; try again").whole();
    // The answer fits any socket buffer; if not, the client sees the connection end.
    let _ = stream.try_write(&answer);
}
