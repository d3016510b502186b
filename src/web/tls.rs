//! TLS for the page.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::file;
use crate::regular;

/// The longest file with certificates or a key, in bytes.
const LONGEST: u64 = 256 * 1024;

/// TLS with the certificates and the key of these files, in PEM.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let what = || file("the certificate", certificate);
    let text =
        regular::read(certificate, LONGEST).with_context(|| format!("cannot read {}", what()))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.with_context(|| format!("cannot use {}", what()))?;
    if chain.is_empty() {
        bail!("no certificate (PEM) in {}", what());
    }
    let what = || file("the key", key);
    let text = regular::read(key, LONGEST).with_context(|| format!("cannot read {}", what()))?;
    let key = PrivateKeyDer::from_pem_slice(&text)
        .with_context(|| format!("no private key (PEM) in {}", what()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the key does not fit the certificate")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
