//! Builds the request of a check.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::failure::Failure;
use crate::net::quote;
use director_config::state::health::HttpCheck;

/// Methods whose requests usually have no body. With others, a server may wait for one or answer
/// 411 if there is no length (RFC 9110, section 8.6).
const WITHOUT_BODY: [&str; 4] = ["GET", "HEAD", "OPTIONS", "DELETE"];

/// Its bytes, or what in it cannot be sent.
pub(crate) fn request(spec: &HttpCheck, to: SocketAddr) -> Result<Vec<u8>, Failure> {
    let bad = |what: &str| Failure::ours(format!("{what} cannot be sent"));
    if !is_token(&spec.method) {
        return Err(bad("the method"));
    }
    if !spec.path.starts_with('/') || !spec.path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad(&format!("the path {}", quote(spec.path.as_bytes()))));
    }
    let mut bytes = Vec::with_capacity(256);
    let _ = write!(bytes, "{} {} HTTP/1.1\r\n", spec.method, spec.path);
    let mut said = Said::default();
    for (name, value) in &spec.headers {
        if !is_token(name) {
            return Err(bad(&format!("the header {}", quote(name.as_bytes()))));
        }
        let name = name.to_ascii_lowercase();
        // The value may be a secret.
        if !is_value(value) {
            return Err(bad(&format!("the header {name}")));
        }
        if said.is_twice(&name, spec.host.is_some()) {
            continue;
        }
        let _ = write!(bytes, "{name}: {value}\r\n");
    }
    match &spec.host {
        Some(host) if is_value(host) => {
            let _ = write!(bytes, "host: {host}\r\n");
        }
        Some(_) => return Err(bad("the host")),
        None if said.host => {}
        None => {
            let _ = write!(bytes, "host: {}\r\n", authority(to, spec.tls.is_some()));
        }
    }
    for (is_said, line) in [
        (said.agent, "user-agent: director\r\n"),
        (said.accept, "accept: */*\r\n"),
        (said.connection, "connection: close\r\n"),
        (
            said.length || WITHOUT_BODY.contains(&spec.method.as_str()),
            "content-length: 0\r\n",
        ),
    ] {
        if !is_said {
            bytes.extend_from_slice(line.as_bytes());
        }
    }
    bytes.extend_from_slice(b"\r\n");
    Ok(bytes)
}

/// The fields that the service file sets.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "a set of names")]
struct Said {
    host: bool,
    agent: bool,
    accept: bool,
    connection: bool,
    length: bool,
}

impl Said {
    /// Records a field. Returns whether it must not be sent (again).
    fn is_twice(&mut self, name: &str, has_host: bool) -> bool {
        match name {
            "host" => {
                self.host = true;
                has_host
            }
            "user-agent" => {
                self.agent = true;
                false
            }
            "accept" => {
                self.accept = true;
                false
            }
            "connection" => std::mem::replace(&mut self.connection, true),
            "content-length" => std::mem::replace(&mut self.length, true),
            _ => false,
        }
    }
}

/// A `token` of RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_char)
}

/// A valid field value: no control characters but tabs.
fn is_value(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

/// An address for a `Host` header: without the scheme's default port.
pub(in super::super) fn authority(to: SocketAddr, tls: bool) -> String {
    let usual = if tls { 443 } else { 80 };
    match to.ip() {
        _ if to.port() != usual => to.to_string(),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// A host's name without port and brackets.
pub(in super::super) fn without_port(host: &str) -> &str {
    if let Some(v6) = host.strip_prefix('[') {
        return v6.split(']').next().unwrap_or(v6);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(spec: &HttpCheck) -> String {
        let to = "192.0.2.1:80".parse().expect("an address");
        String::from_utf8(request(spec, to).expect("a request")).expect("text")
    }

    #[test]
    fn hosts_with_and_without_ports() {
        for (host, name) in [
            ("example.org", "example.org"),
            ("example.org:8443", "example.org"),
            ("[2001:db8::1]:8443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("192.0.2.1:80", "192.0.2.1"),
        ] {
            assert_eq!(without_port(host), name);
        }
        for (to, tls, host) in [
            ("192.0.2.1:80", false, "192.0.2.1"),
            ("192.0.2.1:80", true, "192.0.2.1:80"),
            ("[2001:db8::1]:443", true, "[2001:db8::1]"),
            ("[2001:db8::1]:8443", true, "[2001:db8::1]:8443"),
        ] {
            assert_eq!(authority(to.parse().expect("an address"), tls), host);
        }
    }

    #[test]
    fn a_secret_header_that_cannot_be_sent_is_not_told() {
        let spec = HttpCheck {
            headers: vec![("Authorization".into(), "hush\n".into())],
            ..HttpCheck::default()
        };
        let to = "192.0.2.1:80".parse().expect("an address");
        let failure = request(&spec, to).expect_err("a line feed");
        assert!(failure.ours);
        assert_eq!(
            &*failure.text,
            "not checked: the header authorization cannot be sent"
        );
    }

    #[test]
    fn a_method_that_may_have_a_body_says_that_it_has_none() {
        for (method, says) in [
            ("GET", false),
            ("HEAD", false),
            ("OPTIONS", false),
            ("DELETE", false),
            ("POST", true),
            ("PUT", true),
            ("PATCH", true),
            ("PROPFIND", true),
        ] {
            let spec = HttpCheck {
                method: method.into(),
                ..HttpCheck::default()
            };
            assert_eq!(
                sent(&spec).contains("content-length: 0\r\n"),
                says,
                "{method}"
            );
        }
    }

    #[test]
    fn what_the_service_file_says_is_said_once() {
        let headers = [
            "Content-Length",
            "content-length",
            "CONNECTION",
            "Connection",
        ];
        let values = ["0", "0", "close", "close"];
        for method in ["GET", "POST"] {
            let spec = HttpCheck {
                method: method.into(),
                headers: headers
                    .iter()
                    .zip(values)
                    .map(|(name, value)| ((*name).to_owned(), value.to_owned()))
                    .collect(),
                ..HttpCheck::default()
            };
            let sent = sent(&spec);
            assert_eq!(sent.matches("content-length: 0\r\n").count(), 1, "{sent}");
            assert_eq!(sent.matches("connection: close\r\n").count(), 1, "{sent}");
        }
    }
}
