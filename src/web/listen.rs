//! Accepts connections, with limits.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::guard::Ends;
use crate::http::Patient;

/// The most connections at a time. A browser has up to six, and one of them is its stream.
const CONNECTIONS: usize = 640;
/// From connecting, or from the last answer, to the last byte of a request's head; and for TLS.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes.
const HEAD_SIZE: usize = 16 * 1024;
/// A browser that reads nothing for this long is disconnected.
const STALL: Duration = Duration::from_secs(10);
/// How long to wait when no connection can be accepted for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\ncontent-length: 0\r\n\
                      connection: close\r\n\r\n";

/// Serves until the process ends.
pub(super) async fn serve(
    listener: StdListener,
    tls: Option<TlsAcceptor>,
    router: Router,
) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let (stream, theirs) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            if tls.is_none() {
                // It fits the socket's buffer; if not, the client sees the connection end.
                let _ = stream.try_write(FULL);
            }
            continue;
        };
        let (router, tls) = (router.clone(), tls.clone());
        tokio::spawn(async move {
            if let Err(error) = talk(stream, theirs, tls, router).await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
}

async fn talk(
    stream: TcpStream,
    theirs: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
) -> io::Result<()> {
    // News are small, and should not wait for each other.
    stream.set_nodelay(true)?;
    let ours = stream.local_addr()?;
    let ends = Ends { ours, theirs };
    match tls {
        None => answer(Patient::new(stream, STALL), ends, router).await,
        Some(tls) => {
            let stream = tokio::time::timeout(HEAD_TIME, tls.accept(stream)).await??;
            answer(Patient::new(stream, STALL), ends, router).await
        }
    }
}

async fn answer<S>(stream: S, ends: Ends, router: Router) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ends);
        let answer = routes.call(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_SIZE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    served.map_err(io::Error::other)
}
