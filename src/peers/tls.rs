//! TLS 1.3 between directors that share a key, or that have certificates (`certificates.rs`).
//!
//! The 32 bytes of the shared key are an Ed25519 private key. Both sides prove that they have it by
//! raw public keys (RFC 7250), as client and as server; no other key is accepted. Each connection
//! has fresh secrets, so that a key that leaks later opens no recording, and nothing of an earlier
//! connection can be replayed: there are no tickets and there is no early data.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};

use crate::regular;
use crate::words::path;

/// The longest file with a key.
const LONGEST_KEY: u64 = 1024;

/// What stands in front of the key in its PKCS#8 form (RFC 8410, 7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The protocol in TLS: nothing else that listens on the port answers.
const ALPN: &[u8] = b"director-peer";

/// Both roles of a director towards a peer.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
    /// The name of the peer that listens.
    pub(super) name: ServerName<'static>,
}

impl Identity {
    /// The key from a file's text: 64 hexadecimal digits.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let (pair, public) = pair(&digits(text)?).context("TLS cannot use it")?;
        Self::new(pair, public).context("TLS cannot use it")
    }

    /// A director that proves to have this pair of keys, and accepts who proves to have the private
    /// half of the public one.
    pub(super) fn new(pair: Arc<CertifiedKey>, public: Vec<u8>) -> Result<Self, Error> {
        let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
        let only = Arc::new(Only {
            public,
            algorithms: provider.signature_verification_algorithms,
        });
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&only) as _)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                Arc::clone(&pair),
            )));
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(only)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(pair)));
        // The name is not verified: the key says who it is.
        let name = ServerName::try_from("director")
            .map_err(|_| Error::General("the name `director`".to_owned()))?;
        Ok(Self::of(client, server, name))
    }

    /// Without anything of an earlier connection.
    pub(super) fn of(
        mut client: ClientConfig,
        mut server: ServerConfig,
        name: ServerName<'static>,
    ) -> Self {
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![ALPN.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![ALPN.to_vec()];
        Self {
            client: Arc::new(client),
            server: Arc::new(server),
            name,
        }
    }
}

/// A key's bytes.
pub(super) fn digits(text: &str) -> anyhow::Result<[u8; 32]> {
    let text = text.trim();
    let digits = text.as_bytes();
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    if digits.len() != 64 || !is_hex {
        anyhow::bail!("it needs 64 hexadecimal digits: `openssl rand -hex 32` writes such a key");
    }
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
        let pair = str::from_utf8(pair)?;
        *byte = u8::from_str_radix(pair, 16)?;
    }
    if key.iter().all(|byte| *byte == key[0]) {
        anyhow::bail!("it is no key: all bytes are equal");
    }
    Ok(key)
}

/// The pair of keys of these bytes, and its public half alone.
pub(super) fn pair(key: &[u8; 32]) -> Result<(Arc<CertifiedKey>, Vec<u8>), Error> {
    let private = PrivatePkcs8KeyDer::from([&PKCS8[..], key].concat());
    let private = aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(private.into())?;
    let public = private
        .public_key()
        .ok_or_else(|| Error::General("the key has no public part".to_owned()))?
        .to_vec();
    let pair = CertifiedKey::new(vec![CertificateDer::from(public.clone())], private);
    Ok((Arc::new(pair), public))
}

/// The key that directors share.
pub(super) fn shared(file: &Path) -> anyhow::Result<Identity> {
    let text = secret(file, LONGEST_KEY)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    Identity::parse(&text).with_context(|| format!("the key {}", path(file)))
}

/// A file with a key, which others must not read.
pub(super) fn secret(file: &Path, longest: u64) -> anyhow::Result<Vec<u8>> {
    let mode = std::fs::metadata(file).map(|found| found.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o007 != 0) {
        bail!(
            "everybody can read the key {0}: `chmod 600 {0}`",
            path(file)
        );
    }
    let read = regular::read(file, longest);
    read.with_context(|| format!("cannot read the key {}", path(file)))
}

/// Accepts one key.
#[derive(Debug)]
struct Only {
    public: Vec<u8>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Only {
    fn check(&self, key: &CertificateDer<'_>) -> Result<(), Error> {
        if key.as_ref() == self.public {
            Ok(())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }
}

/// TLS 1.2 is not offered.
pub(super) fn not_1_2() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.2 is not offered".to_owned()))
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity)?;
        Ok(ServerCertVerified::assertion())
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
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Only {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity)?;
        Ok(ClientCertVerified::assertion())
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
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
