//! TLS for other clients in this program: the same files, names and texts as for checks.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::kind::tls;
use director_config::state::health::TlsSpec;

/// The settings for HTTP/1.1, from the files as they are now. Reading them may take as long as their
/// disk does. Those in `contents` are not read: what they hold is known from elsewhere.
///
/// # Errors
/// Why a file is of no use.
pub fn settings(
    spec: &TlsSpec,
    contents: HashMap<PathBuf, Vec<u8>>,
) -> Result<Arc<ClientConfig>, String> {
    tls::blocking(spec, contents).map(Arc::new)
}

/// The name for SNI and verification: the spec's, otherwise the host's, which may be an address.
///
/// # Errors
/// If it is none.
pub fn name(spec: &TlsSpec, host: &str) -> Result<ServerName<'static>, String> {
    match (&spec.name, host.parse::<IpAddr>()) {
        (None, Ok(address)) => Ok(ServerName::IpAddress(address.into())),
        (name, _) => {
            let name = name.as_deref().unwrap_or(host);
            ServerName::try_from(name.to_owned())
                .map_err(|_| format!("`{name}` is not a valid name for TLS"))
        }
    }
}

/// The error of a connection, in a few words: of TLS, or of the system.
#[must_use]
pub fn describe(error: &io::Error) -> String {
    tls::failure(error).text.into()
}
