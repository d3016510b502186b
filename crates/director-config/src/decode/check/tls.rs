//! TLS, as a client.

use std::path::PathBuf;

use super::super::super::code::Code;
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::super::keys;
use super::super::fields::{Fields, Place, shown};
use super::http::authority;
use crate::state::health::TlsSpec;

/// `tls` of an HTTPS check.
pub(super) fn https(fields: &Fields<'_>, findings: &mut Findings) -> TlsSpec {
    let said = fields.get("tls");
    let said = said.and_then(|place| table(&place, findings));
    said.unwrap_or_default()
}

/// `tls` of a gRPC check, where it can be a boolean as well.
pub(super) fn grpc(fields: &Fields<'_>, findings: &mut Findings) -> Option<TlsSpec> {
    let place = fields.get("tls")?;
    match place.as_bool() {
        Some(wanted) => wanted.then(TlsSpec::default),
        None => table(&place, findings),
    }
}

fn table(place: &Place<'_>, findings: &mut Findings) -> Option<TlsSpec> {
    let fields = place.table(&keys::TLS, findings)?;
    let verify = fields.get("verify");
    let verify = verify.and_then(|place| place.bool(findings));
    let name = fields.get("name");
    let name = name.and_then(|place| authority(&place, findings));
    let mut file = |key| {
        let place: Place<'_> = fields.get(key)?;
        Some((place, path(&place, findings)?))
    };
    let ca = file("ca");
    let certificate = file("certificate");
    let key = file("key");
    if let (Some(verify), Some((ca, _))) = (verify.filter(|verify| !verify.value), &ca) {
        findings.push(
            Diagnostic::new(
                Code::EitherOr,
                ca.at,
                "nothing is verified by these authorities",
            )
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

fn path(place: &Place<'_>, findings: &mut Findings) -> Option<PathBuf> {
    let text = absolute(place, findings)?;
    Some(PathBuf::from(text))
}

/// A path from the root: the daemon works in no directory that could be told here.
pub(super) fn absolute<'n>(place: &Place<'n>, findings: &mut Findings) -> Option<&'n str> {
    let text = place.text(findings)?;
    let problem = match text.value {
        "" => "is empty",
        path if path.contains('\0') => "has a NUL byte",
        path if !path.starts_with('/') => "does not begin with a slash",
        path => return Some(path),
    };
    let message = format!("the path `{}` {problem}", shown(text.value));
    findings.push(Diagnostic::new(Code::BadPath, place.span(), message));
    None
}
