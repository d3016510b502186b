//! A connection to a server: name, TCP, TLS, HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Contents, why};
use crate::check::tls;
use crate::state::discovery::HttpUrl;
use crate::state::health::TlsSpec;

/// How long a name, a connection and a handshake may take, each.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 4;
/// After this silence the kernel probes a connection, and as often again; after three probes without
/// an answer it is dead. A watch may be silent for hours.
const PROBE: Duration = Duration::from_secs(10);

/// An open connection. Closed when dropped.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes.
    mover: JoinHandle<Result<(), hyper::Error>>,
}

impl Connection {
    /// Sends the first request of this connection.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, String> {
        match self.sender.send_request(request).await {
            Ok(response) => Ok(response),
            // What ended the connection before it was sent is known to who moves the bytes.
            Err(error) if error.is_canceled() || error.is_closed() => match (&mut self.mover).await
            {
                Ok(Err(cause)) => Err(why(&cause)),
                _ => Err(why(&error)),
            },
            Err(error) => Err(why(&error)),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.mover.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects. The files of `tls` are read, so that new certificates count from here on.
pub(super) async fn connect(
    url: &HttpUrl,
    spec: &TlsSpec,
    contents: &Contents,
) -> Result<Connection, String> {
    let looked_up = timeout(PATIENCE, lookup_host((url.host.as_str(), url.port))).await;
    let addresses = looked_up
        .map_err(|_| format!("no address for its name within {}s", PATIENCE.as_secs()))?
        .map_err(|error| format!("no address for its name: {error}"))?;
    let stream = any(addresses.take(MAX_ADDRESSES)).await?;
    let stream: Box<dyn Stream> = match url.is_tls {
        false => Box::new(stream),
        true => {
            let name = tls::name(spec, &url.host)?;
            let settings = tls::settings(spec, contents.clone())?;
            let connecting = TlsConnector::from(settings).connect(name, stream);
            let connected = timeout(PATIENCE, connecting).await;
            let connected = connected.map_err(|_| "no answer in the TLS handshake".to_owned())?;
            Box::new(connected.map_err(|error| tls::describe(&error))?)
        }
    };
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| why(&error))?;
    let mover = tokio::spawn(connection);
    Ok(Connection { sender, mover })
}

/// A connection to the first address that accepts one.
async fn any(addresses: impl Iterator<Item = SocketAddr>) -> Result<TcpStream, String> {
    let mut said = "its name has no address".to_owned();
    for address in addresses {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let keepalive = TcpKeepalive::new()
                    .with_time(PROBE)
                    .with_interval(PROBE)
                    .with_retries(3);
                // Without them a dead server is noticed later.
                let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => said = format!("{}: {}", address.ip(), tls::describe(&error)),
            Err(_) => {
                let (address, limit) = (address.ip(), PATIENCE.as_secs());
                said = format!("{address}: no connection within {limit}s");
            }
        }
    }
    Err(said)
}
