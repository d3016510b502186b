//! HTTP/1.1 for fakes: a thread for each connection, one answer on each.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The longest head of a request, in bytes.
const LONGEST: usize = 64 << 10;

/// How often it looks for clients.
const PAUSE: Duration = Duration::from_millis(5);

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Decoded segments.
    pub(crate) path: Vec<String>,
    /// Decoded, in order. A key without `=` has no value.
    pub(crate) query: Vec<(String, Option<String>)>,
    /// By names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Request {
    /// The value of a key; `None` if it is not there, or more than once.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let mut found = self.query.iter().filter(|(name, _)| name == key);
        match (found.next(), found.next()) {
            (Some((_, Some(value))), None) => Some(value),
            _ => None,
        }
    }

    /// Whether the key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.query.iter().any(|(name, _)| name == key)
    }

    /// A key that is none of these, or one that is there twice although it may be only once.
    pub(crate) fn wrong_key(&self, once: &[&str], often: &[&str]) -> Option<String> {
        self.query.iter().map(|(key, _)| key).find_map(|key| {
            let times = self.query.iter().filter(|(name, _)| name == key).count();
            let fits = often.contains(&&**key) || once.contains(&&**key) && times == 1;
            (!fits).then(|| key.clone())
        })
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Where the answer goes.
pub(crate) struct Answer<'s> {
    stream: &'s mut dyn Stream,
    stopped: &'s AtomicBool,
}

impl Answer<'_> {
    /// A whole answer.
    pub(crate) fn whole(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("HTTP/1.1 {status} Fake\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let _ = self.stream.write_all(head.as_bytes());
        let _ = self.stream.write_all(body);
        let _ = self.stream.flush();
    }

    /// The head of an answer in chunks.
    pub(crate) fn begin(&mut self, status: u16) {
        let head = format!(
            "HTTP/1.1 {status} Fake\r\nconnection: close\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        let _ = self.stream.write_all(head.as_bytes());
        let _ = self.stream.flush();
    }

    /// Sends a chunk; returns whether the client is still connected.
    pub(crate) fn chunk(&mut self, bytes: &[u8]) -> bool {
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.stream.write_all(&chunk).is_ok() && self.stream.flush().is_ok()
    }

    /// The end of the chunks. Without it, the answer breaks off.
    pub(crate) fn end(&mut self) {
        let _ = self.stream.write_all(b"0\r\n\r\n");
        let _ = self.stream.flush();
    }

    /// Says nothing until the server stops.
    pub(crate) fn hang(&self) {
        while !self.is_stopped() {
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// What answers.
pub(crate) trait Api: Send + Sync + 'static {
    fn answer(&self, request: Request, answer: &mut Answer<'_>);
}

/// A server, until it is dropped.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    stopped: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it on this address of the current network namespace.
    pub(crate) fn start(
        at: SocketAddr,
        api: Arc<impl Api>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        // What stops it may be in another namespace and cannot wake it.
        listener.set_nonblocking(true).unwrap();
        let at = listener.local_addr().unwrap();
        let (stopped, open) = (
            Arc::<AtomicBool>::default(),
            Arc::<Mutex<Vec<_>>>::default(),
        );
        let own = (Arc::clone(&stopped), Arc::clone(&open));
        let accepting = thread::spawn(move || {
            let (stopped, open) = own;
            while !stopped.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(PAUSE);
                    continue;
                };
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let (api, tls) = (Arc::clone(&api), tls.clone());
                let stopped = Arc::clone(&stopped);
                thread::spawn(move || serve(stream, tls, &*api, &stopped));
            }
        });
        Self {
            at,
            stopped,
            open,
            accepting: Some(accepting),
        }
    }

    pub(crate) fn loopback(api: Arc<impl Api>) -> Self {
        Self::start("127.0.0.1:0".parse().unwrap(), api, None)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.at)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // It closes the listener.
        let _ = self.accepting.take().map(JoinHandle::join);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, api: &impl Api, stopped: &AtomicBool) {
    let mut stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(StreamOwned::new(
            ServerConnection::new(tls).unwrap(),
            stream,
        )),
    };
    let Ok(request) = read(&mut stream) else {
        return;
    };
    let mut answer = Answer {
        stream: &mut *stream,
        stopped,
    };
    match request {
        Some(request) => api.answer(request, &mut answer),
        None => answer.whole(400, &[], b"malformed request"),
    }
}

/// A request without a body; `None` if it is malformed.
fn read(stream: &mut dyn Stream) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
        if head.len() > LONGEST {
            return Ok(None);
        }
    }
    Ok(String::from_utf8(head).ok().and_then(|head| parse(&head)))
}

fn parse(head: &str) -> Option<Request> {
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target, version) = (first.next()?, first.next()?, first.next()?);
    if version != "HTTP/1.1" || first.next().is_some() {
        return None;
    }
    let mut headers = BTreeMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let name = name.to_ascii_lowercase();
        if headers.insert(name, value.trim().to_owned()).is_some() {
            return None;
        }
    }
    headers.contains_key("host").then_some(())?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.strip_prefix('/')?.split('/').map(decoded);
    let parts = query.split('&').filter(|part| !part.is_empty());
    let query = parts.map(|part| match part.split_once('=') {
        Some((key, value)) => Some((decoded(key)?, Some(decoded(value)?))),
        None => Some((decoded(part)?, None)),
    });
    Some(Request {
        method: method.to_owned(),
        path: path.collect::<Option<_>>()?,
        query: query.collect::<Option<_>>()?,
        headers,
    })
}

/// Decodes `%XX`; `None` for what has to be encoded and is not.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?.to_owned();
                bytes.push(u8::from_str_radix(&digits, 16).ok()?);
            }
            b'-' | b'.' | b'_' | b'~' => bytes.push(byte),
            _ if byte.is_ascii_alphanumeric() => bytes.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

/// A certificate for 127.0.0.1 that signs itself, and the server that has it.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        Self {
            pem: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    /// A server that asks for no certificate of the client.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let chain = vec![CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        Arc::new(
            config
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap(),
        )
    }
}
