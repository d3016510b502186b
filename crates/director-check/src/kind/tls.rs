//! TLS of checks: configurations are built once, and rebuilt when their files change.
//!
//! ```text
//!   TlsSpec ──► known, and its files as they were? ──► ClientConfig
//!                 │ no: read them, each on a thread that may hang (files.rs)
//!                 └ a file that cannot be read is this machine's fault: the verdict stays
//! ```
//!
//! Sessions are not resumed: a resumed session skips the certificate, which a check should see.

mod heard;
mod words;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::attempt::Attempt;
use crate::failure::{self, Failure};
use director_config::regular;
use director_config::state::health::TlsSpec;
use heard::{Heard, Overheard};

/// The shortest interval between looks at a configuration's files.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The largest PEM file.
const LARGEST: u64 = 4 << 20;

/// More configurations than a service file has; above it, all are rebuilt.
const MOST: usize = 1024;

/// The protocol over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Configurations by their settings.
#[derive(Debug, Default)]
pub(crate) struct Configurations(RefCell<HashMap<(TlsSpec, Protocol), Known>>);

#[derive(Debug, Clone)]
struct Known {
    config: Arc<ClientConfig>,
    stamps: Vec<Stamp>,
    looked: Instant,
}

/// Metadata that stays equal as long as a file is unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    looks: Option<(u64, u64, u64, i64, i64)>,
}

impl Stamp {
    fn of(path: &Path) -> Self {
        let looks = fs::metadata(path)
            .map(|m| (m.dev(), m.ino(), m.len(), m.mtime(), m.mtime_nsec()))
            .ok();
        let path = path.to_owned();
        Self { path, looks }
    }
}

impl Configurations {
    /// Opens a TLS session over a connection. `host` is the name if the spec has none.
    pub(crate) async fn connect(
        &self,
        spec: &TlsSpec,
        protocol: Protocol,
        host: Option<&str>,
        attempt: &Attempt<'_>,
        stream: TcpStream,
    ) -> Result<TlsStream<Overheard>, Failure> {
        let name = server_name(spec, host, attempt.way.to.ip())?;
        let config = self.get(spec, protocol, attempt).await?;
        let (stream, heard) = Overheard::new(stream);
        let mut connecting = TlsConnector::from(config).connect(name, stream);
        let connected = poll_fn(|context| {
            let polled = Pin::new(&mut connecting).poll(context);
            attempt.stage(match heard.is_nothing() {
                true => "in the TLS handshake, without an answer: is there TLS on this port?",
                false => "in the TLS handshake",
            });
            polled
        });
        connected.await.map_err(|error| refused(&error, &heard))
    }

    async fn get(
        &self,
        spec: &TlsSpec,
        protocol: Protocol,
        attempt: &Attempt<'_>,
    ) -> Result<Arc<ClientConfig>, Failure> {
        let key = (spec.clone(), protocol);
        let known = self.0.borrow().get(&key).cloned();
        if let Some(known) = &known
            && (known.stamps.is_empty() || known.looked.elapsed() < LOOK_AGAIN)
        {
            return Ok(Arc::clone(&known.config));
        }
        let known = look(spec, protocol, known, attempt).await?;
        let config = Arc::clone(&known.config);
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, known);
        Ok(config)
    }
}

/// Why there is no session.
fn refused(error: &io::Error, heard: &Heard) -> Failure {
    if let Some(no_tls) = heard.is_no_tls() {
        return Failure::new(no_tls);
    }
    let end = match error.kind() {
        io::ErrorKind::UnexpectedEof => "closed",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset",
        _ => return failure(error),
    };
    Failure::new(match heard.is_nothing() {
        // Many servers hang up on what they cannot parse.
        true => {
            format!("{end} during the TLS handshake, without an answer: is there TLS on this port?")
        }
        false => format!("{end} during the TLS handshake"),
    })
}

/// The configuration from the current files.
async fn look(
    spec: &TlsSpec,
    protocol: Protocol,
    known: Option<Known>,
    attempt: &Attempt<'_>,
) -> Result<Known, Failure> {
    attempt.stage("reading certificates");
    let files = || {
        [&spec.ca, &spec.certificate, &spec.key]
            .into_iter()
            .flatten()
    };
    // Before reading the files: changes in between are noticed the next time.
    let mut stamps = Vec::new();
    for path in files() {
        let stamp = {
            let path = path.clone();
            move || Stamp::of(&path)
        };
        stamps.push(attempt.touch("reading", path, stamp).await?);
    }
    let looked = Instant::now();
    let config = match known {
        Some(known) if known.stamps == stamps => known.config,
        _ => {
            let mut contents = Contents::new();
            for path in files() {
                let reading = {
                    let path = path.clone();
                    move || read(&path)
                };
                let bytes = attempt.touch("reading", path, reading).await?;
                contents.insert(path.clone(), bytes.map_err(Failure::ours)?);
            }
            let system = if spec.verify && spec.ca.is_none() {
                let all = Path::new("the system's certificate authorities");
                let roots = attempt.touch("reading", all, system_authorities).await?;
                Some(roots.map_err(Failure::ours)?)
            } else {
                None
            };
            // Parsing thousands of certificates takes time.
            let spec = spec.clone();
            let work = move || configuration(&spec, protocol, &contents, system);
            let config = attempt.means.computing.run(work).await;
            Arc::new(config.and_then(|config| config).map_err(Failure::ours)?)
        }
    };
    Ok(Known {
        config,
        stamps,
        looked,
    })
}

/// A configuration for HTTP/1.1 from the current files. Reading may take as long as a disk does.
/// Files in `contents` are known already.
pub(crate) fn blocking(spec: &TlsSpec, mut contents: Contents) -> Result<ClientConfig, String> {
    let files = [&spec.ca, &spec.certificate, &spec.key];
    for path in files.into_iter().flatten() {
        if contents.contains_key(path) {
            continue;
        }
        contents.insert(path.clone(), read(path)?);
    }
    let system = match spec.verify && spec.ca.is_none() {
        true => Some(system_authorities()?),
        false => None,
    };
    configuration(spec, Protocol::Http1, &contents, system)
}

/// The contents of a configuration's files.
pub(crate) type Contents = HashMap<PathBuf, Vec<u8>>;

fn configuration(
    spec: &TlsSpec,
    protocol: Protocol,
    contents: &Contents,
    system: Option<Arc<RootCertStore>>,
) -> Result<ClientConfig, String> {
    let read = |path: &PathBuf| contents.get(path).map_or(&[][..], Vec::as_slice);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = if spec.verify {
        let roots = match &spec.ca {
            Some(path) => Arc::new(authorities(path, read(path))?),
            None => system.unwrap_or_else(|| Arc::new(RootCertStore::empty())),
        };
        builder.with_root_certificates(roots)
    } else {
        let anybody = Arc::new(Anybody(provider));
        builder
            .dangerous()
            .with_custom_certificate_verifier(anybody)
    };
    let mut config = match &spec.certificate {
        Some(path) => {
            let chain = CertificateDer::pem_slice_iter(read(path))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let key_path = spec.key.as_ref().unwrap_or(path);
            let key = PrivateKeyDer::from_pem_slice(read(key_path))
                .map_err(|error| format!("{}: {error}", key_path.display()))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("{}: {}", path.display(), words::describe(&error)))?
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}

fn authorities(path: &Path, pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| {
                roots
                    .add(certificate)
                    .map_err(|error| words::describe(&error))
            })
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if roots.is_empty() {
        return Err(format!("`{}` contains no certificate", path.display()));
    }
    Ok(roots)
}

/// The system's trusted authorities, read once.
fn system_authorities() -> Result<Arc<RootCertStore>, String> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = SYSTEM.get() {
        return Ok(Arc::clone(roots));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems have certificates that webpki cannot parse; the others are enough.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        // Not cached: they may be installed later.
        let why = found.errors.first();
        return Err(match why {
            Some(error) => format!("no certificate authorities: {error}"),
            None => "the system has no certificate authorities (ca-certificates)".into(),
        });
    }
    Ok(Arc::clone(SYSTEM.get_or_init(|| Arc::new(roots))))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    regular::read(path, LARGEST)
        .map_err(|error| format!("{}: {}", path.display(), failure::describe(&error)))
}

/// The name for SNI and verification: the spec's, otherwise the host's, otherwise the address.
fn server_name(
    spec: &TlsSpec,
    host: Option<&str>,
    address: IpAddr,
) -> Result<ServerName<'static>, Failure> {
    match spec.name.as_deref().or(host) {
        None => Ok(ServerName::IpAddress(address.into())),
        Some(name) => ServerName::try_from(name.to_owned())
            .map_err(|_| Failure::ours(format!("\"{name}\" is not a valid name for TLS"))),
    }
}

/// The error of a connection with TLS, in a few words.
pub(crate) fn failure(error: &io::Error) -> Failure {
    let inner = error.get_ref();
    match inner.and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(error) => Failure::new(words::describe(error)),
        None => Failure::io(error),
    }
}

/// Accepts every certificate: `verify = false`. Signatures are not verified either, since a
/// certificate that cannot be parsed, such as one of version 1, has no key to verify them with.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
