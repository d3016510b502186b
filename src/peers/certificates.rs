//! Certificates of directors, which both ends of a connection verify: an authority of the group signed
//! it, it is valid now, and it has the name of the peer.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName,
    Error, RootCertStore, ServerConfig, SignatureScheme,
};

use super::tls::{Identity, not_1_2, secret, shared};
use crate::regular;
use crate::state::failover::{Peer, PeerCertificates, PeerProof};
use crate::words::path;

/// The longest file of certificates: some hundred of them.
const LONGEST: u64 = 1 << 20;

/// What proves to a peer who this director is, and what that has to prove. Read again for each connection.
pub(super) fn identity(peer: &Peer) -> anyhow::Result<Identity> {
    match &peer.proof {
        PeerProof::Key(file) => shared(file),
        PeerProof::Certificates(files) => certified(files, peer.address),
    }
}

/// A director with these files, towards the peer at this address.
pub(super) fn certified(files: &PeerCertificates, address: IpAddr) -> anyhow::Result<Identity> {
    let name = name(files, address)?;
    let roots = Arc::new(roots(&files.ca)?);
    let chain = chain(&files.certificate)?;
    let key = key(files)?;
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let servers =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
    let servers = servers.build().context("the authorities cannot be used")?;
    let clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
    let clients = clients.build().context("the authorities cannot be used")?;
    let unfit = || {
        let files = path(files.key.as_ref().unwrap_or(&files.certificate));
        format!("the certificate and the key {files} cannot be used together")
    };
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_webpki_verifier(servers)
        .with_client_auth_cert(chain.clone(), key.clone_key())
        .with_context(unfit)?;
    let named = Named {
        inner: clients,
        name: name.clone(),
    };
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(named))
        .with_single_cert(chain, key)
        .with_context(unfit)?;
    Ok(Identity::of(client, server, name))
}

fn name(files: &PeerCertificates, address: IpAddr) -> anyhow::Result<ServerName<'static>> {
    let Some(name) = &files.name else {
        return Ok(ServerName::IpAddress(address.into()));
    };
    let valid = ServerName::try_from(name.clone());
    valid.map_err(|_| anyhow::anyhow!("`{name}` is not a valid name for TLS"))
}

fn roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(file)? {
        let added = roots.add(certificate);
        added.with_context(|| format!("{} has an authority that cannot be used", path(file)))?;
    }
    Ok(roots)
}

fn chain(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = regular::read(file, LONGEST);
    let text = text.with_context(|| format!("cannot read {}", path(file)))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.with_context(|| format!("{} is no PEM file", path(file)))?;
    if all.is_empty() {
        bail!("{} has no certificate", path(file));
    }
    Ok(all)
}

fn key(files: &PeerCertificates) -> anyhow::Result<PrivateKeyDer<'static>> {
    let file = files.key.as_ref().unwrap_or(&files.certificate);
    let text = secret(file, LONGEST)?;
    PrivateKeyDer::from_pem_slice(&text)
        .with_context(|| format!("{} has no usable key", path(file)))
}

/// Which file is at a path: number, time and length. None if none can be seen.
pub(super) type Print = Option<(u64, i64, i64, u64)>;

/// Which files these are now: another one in the place of one of them is noticed. Nothing for a shared
/// key, as its new one works only when all directors have it.
pub(super) fn print(peer: &Peer) -> Vec<Print> {
    let PeerProof::Certificates(files) = &peer.proof else {
        return Vec::new();
    };
    let all = [
        Some(&files.ca),
        Some(&files.certificate),
        files.key.as_ref(),
    ];
    let all = all.into_iter().flatten().map(|file| {
        let found = fs::metadata(file).ok()?;
        Some((found.ino(), found.mtime(), found.mtime_nsec(), found.len()))
    });
    all.collect()
}

/// Accepts a client whose certificate is valid and has this name.
#[derive(Debug)]
struct Named {
    inner: Arc<dyn ClientCertVerifier>,
    name: ServerName<'static>,
}

impl ClientCertVerifier for Named {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .inner
            .verify_client_cert(end_entity, intermediates, now)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, &self.name)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        not_1_2()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// An error of a connection, with the cause first if TLS has one.
#[derive(Debug)]
pub(super) struct TlsFailure(Error);

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match explanation(&self.0) {
            Some(why) => write!(f, "{why}: {}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl std::error::Error for TlsFailure {}

/// What went wrong on a connection.
pub(super) fn explained(error: io::Error) -> anyhow::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(error) => TlsFailure(Error::clone(error)).into(),
        None => error.into(),
    }
}

const fn explanation(error: &Error) -> Option<&'static str> {
    use AlertDescription as Alert;
    use CertificateError as Bad;
    Some(match error {
        Error::InvalidCertificate(why) => match why {
            Bad::ApplicationVerificationFailure => "it has another key",
            Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "its certificate is not valid yet",
            Bad::UnknownIssuer | Bad::BadSignature => "no authority in `ca` signed its certificate",
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate has another name"
            }
            Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
                "its certificate needs both purposes, of servers and of clients"
            }
            _ => return None,
        },
        Error::NoCertificatesPresented => "it has no certificate",
        Error::AlertReceived(alert) => match alert {
            Alert::AccessDenied => "it has another key than this director",
            Alert::CertificateExpired => {
                "it refuses this director's certificate, which has expired"
            }
            Alert::UnknownCA | Alert::DecryptError => {
                "it refuses this director's certificate, as it does not know the authority"
            }
            Alert::BadCertificate => {
                "it refuses this director's certificate, for example because of the name"
            }
            Alert::CertificateRequired => "it wants a certificate of this director",
            _ => return None,
        },
        _ => return None,
    })
}
