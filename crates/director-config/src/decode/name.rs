//! Names of services, pools and servers.
//!
//! People type them in commands, such as `web/app2`, so they must not contain a slash; they appear
//! in lists and logs, so they must not contain white space.

use std::net::{IpAddr, SocketAddr};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::source::{Span, Spanned};
use super::fields::{Field, shown};

/// The longest name, in bytes.
const MAX: usize = 100;

/// A name of a service or a pool.
pub(super) fn named(name: &str, span: Span, findings: &mut Findings) -> Option<Spanned<String>> {
    if let Some(problem) = problem(name) {
        let message = format!("`{}` cannot be a name: {problem}", shown(name));
        findings.push(Diagnostic::new(Code::BadName, span, message));
        return None;
    }
    Some(Spanned::new(name.to_owned(), span))
}

/// A name of a server. A name that looks like an address is rejected unless it is the server's own:
/// servers without a name go by their addresses.
pub(super) fn server(
    field: &Field<'_>,
    addresses: &[Spanned<IpAddr>],
    findings: &mut Findings,
) -> Option<Spanned<String>> {
    let text = field.text(findings)?;
    let name = named(text.value, field.span(), findings)?;
    let address = |name: &str| {
        let socket = name.parse::<SocketAddr>().map(|socket| socket.ip());
        name.parse::<IpAddr>().or(socket).ok()
    };
    let misleading = address(&name.value)
        .is_some_and(|address| addresses.iter().all(|own| own.value != address));
    if misleading {
        let message = format!("the name `{}` is another server's address", name.value);
        findings.push(Diagnostic::new(Code::BadName, name.span, message));
        return None;
    }
    Some(name)
}

/// Why a text cannot be a name of the service file.
#[must_use]
pub fn problem(name: &str) -> Option<&'static str> {
    let bad = |c: char| c.is_control() || c.is_whitespace();
    match name {
        "" => Some("it is empty"),
        _ if name.len() > MAX => Some("it has more than 100 bytes"),
        _ if name.contains('/') => Some("it contains a slash, which separates service and server"),
        _ if name.contains(bad) => Some("it contains white space or control characters"),
        _ => None,
    }
}
