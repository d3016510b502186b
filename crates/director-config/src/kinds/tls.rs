//! TLS client settings.

use std::path::PathBuf;

use super::http::authority;
use crate::code::Code;
use crate::decode::fields::{Field, Fields, shown};
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::{Shape, key, section, text};

/// TLS client settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsSpec {
    /// Whether the certificate is verified.
    pub verify: bool,
    /// The name for SNI and verification; by default that of the `Host` header, or the address.
    pub name: Option<String>,
    /// The trusted authorities (PEM), in place of the system's.
    pub ca: Option<PathBuf>,
    /// A client certificate (PEM) with its chain.
    pub certificate: Option<PathBuf>,
    /// Its key (PEM); by default in the certificate's file.
    pub key: Option<PathBuf>,
}

impl Default for TlsSpec {
    fn default() -> Self {
        Self {
            verify: true,
            name: None,
            ca: None,
            certificate: None,
            key: None,
        }
    }
}

section!(
    TLS,
    "`tls`",
    "How the server is verified, and the client certificate.",
    [
        key(
            "verify",
            Shape::Bool,
            "Whether the server's certificate is verified."
        )
        .default(true),
        key(
            "name",
            text("www.example.org"),
            "The name for SNI and verification; `host` by default."
        )
        .alias(&["sni", "server_name"]),
        key(
            "ca",
            text("/etc/director/ca.pem"),
            "The trusted authorities (PEM) in place of the system's."
        )
        .alias(&["ca_file", "cafile"]),
        key(
            "certificate",
            text("/etc/director/client.pem"),
            "A client certificate (PEM), with its chain."
        )
        .alias(&["cert", "crt"]),
        key(
            "key",
            text("/etc/director/client.key"),
            "Its key (PEM); by default in the certificate's file."
        ),
    ]
);

/// `tls` of an HTTPS check, and of a source that is asked over HTTP.
pub(crate) fn https(fields: &Fields<'_>, findings: &mut Findings) -> TlsSpec {
    let said = fields.get("tls");
    let said = said.and_then(|field| table(&field, findings));
    said.unwrap_or_default()
}

/// `tls` of a gRPC check, which can also be a boolean.
pub(super) fn grpc(fields: &Fields<'_>, findings: &mut Findings) -> Option<TlsSpec> {
    let field = fields.get("tls")?;
    match field.as_bool() {
        Some(wanted) => wanted.then(TlsSpec::default),
        None => table(&field, findings),
    }
}

fn table(field: &Field<'_>, findings: &mut Findings) -> Option<TlsSpec> {
    let fields = field.table(&TLS, findings)?;
    let verify = fields.get("verify");
    let verify = verify.and_then(|field| field.bool(findings));
    let name = fields.get("name");
    let name = name.and_then(|field| authority(&field, findings));
    let mut file = |key| {
        let field: Field<'_> = fields.get(key)?;
        Some((field, path(&field, findings)?))
    };
    let ca = file("ca");
    let certificate = file("certificate");
    let key = file("key");
    if let (Some(verify), Some((ca, _))) = (verify.filter(|verify| !verify.value), &ca) {
        findings.push(
            Diagnostic::new(Code::EitherOr, ca.at, "these authorities are not used")
                .label("not used")
                .also(verify.span, "verification is off"),
        );
    }
    if let (Some((key, _)), None) = (&key, fields.get("certificate")) {
        findings.push(
            Diagnostic::new(Code::MissingKey, key.at, "a key needs its `certificate`")
                .label("`certificate` is missing"),
        );
    }
    Some(TlsSpec {
        verify: verify.is_none_or(|verify| verify.value),
        name,
        ca: ca.map(|(_, path)| path),
        certificate: certificate.map(|(_, path)| path),
        key: key.map(|(_, path)| path),
    })
}

fn path(field: &Field<'_>, findings: &mut Findings) -> Option<PathBuf> {
    let text = absolute(field, findings)?;
    Some(PathBuf::from(text))
}

/// An absolute path: the daemon's working directory is unknown here.
pub(crate) fn absolute<'n>(field: &Field<'n>, findings: &mut Findings) -> Option<&'n str> {
    let text = field.text(findings)?;
    let problem = match text.value {
        "" => "is empty",
        path if path.contains('\0') => "contains a NUL byte",
        path if !path.starts_with('/') => "does not start with a slash",
        path => return Some(path),
    };
    let message = format!("the path `{}` {problem}", shown(text.value));
    findings.push(Diagnostic::new(Code::BadPath, field.span(), message));
    None
}
