//! What sources that are asked over HTTP share: `url`, `tls`, and files with secrets.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::code::Code;
use crate::decode::fields::{Field, Fields, shown};
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::{Key, Shape, key, required, text, words};
use crate::kinds::tls::{TLS, TlsSpec, absolute, https};
use crate::vocabulary::Word;

/// The most servers of a source: each that does not answer takes seconds.
const MAX_SERVERS: usize = 8;

/// Servers that give the same answers, and how they are verified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpServers {
    /// The servers, in the order in which they are asked; at least one.
    pub urls: Vec<HttpUrl>,
    /// How those with `https` are verified, and the client certificate.
    pub tls: TlsSpec,
}

/// Where a server answers. Displayed as a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl {
    /// Whether it is `https`.
    pub is_tls: bool,
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What stands before the path of each request: empty, or a slash and more, without one at its end.
    pub prefix: String,
}

impl HttpUrl {
    /// The host with its port as in the `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

impl FromStr for HttpUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text)
    }
}

/// The keys of a source: `type`, its own, `url` with this example, and `tls`.
pub(super) fn keys<const N: usize>(
    kind: &'static Word,
    example: &'static str,
    own: [Key; N],
) -> Vec<Key> {
    let mut keys = vec![
        key(
            "type",
            words(std::slice::from_ref(kind)),
            "The kind of source.",
        ),
        required(
            "url",
            Shape::OneOrMore(Box::new(text(example))),
            "Where the server answers: `http` or `https`, a host, and if needed a port and the \
             beginning of the path. Several servers are tried in turn; at most eight.",
        )
        .alias(&["urls", "endpoint", "endpoints", "server", "address"]),
    ];
    keys.extend(own);
    keys.push(key(
        "tls",
        Shape::Table(&TLS),
        "How servers with `https` are verified, and the client certificate.",
    ));
    keys
}

/// `url` and `tls`; `None` if there is no usable URL.
pub(super) fn servers(fields: &Fields<'_>, findings: &mut Findings) -> Option<HttpServers> {
    let tls = https(fields, findings);
    let field = fields.require("url", findings)?;
    let mut urls = Vec::new();
    for item in field.items(findings) {
        urls.extend(url(&item, findings));
    }
    if urls.len() > MAX_SERVERS {
        let message = format!("more than {MAX_SERVERS} servers");
        findings.push(Diagnostic::new(Code::TooLarge, field.span(), message));
    }
    if urls.is_empty() {
        if field.is_list() && field.items(findings).is_empty() {
            let message = "`url` lists no server";
            findings.push(Diagnostic::new(Code::MissingKey, field.span(), message));
        }
        return None;
    }
    if let Some(tls) = fields.get("tls")
        && urls.iter().all(|url| !url.is_tls)
    {
        findings.push(
            Diagnostic::new(Code::EitherOr, tls.at, "`tls` is not used")
                .label("not used")
                .also(field.span(), "no server has `https`"),
        );
    }
    Some(HttpServers { urls, tls })
}

fn url(field: &Field<'_>, findings: &mut Findings) -> Option<HttpUrl> {
    let text = field.text(findings)?;
    match parse(text.value) {
        Ok(url) => Some(url),
        Err(problem) => {
            let message = format!("`{}` is not the URL of a server", shown(text.value));
            findings.push(
                Diagnostic::new(Code::BadAddress, field.span(), message)
                    .label(problem)
                    .help("an example: \"https://store.example.org:2379\""),
            );
            None
        }
    }
}

fn parse(text: &str) -> Result<HttpUrl, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("it has no scheme")?;
    let is_tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return Err("its scheme is neither `http` nor `https`"),
    };
    let path = rest.find('/').unwrap_or(rest.len());
    let (authority, prefix) = rest.split_at(path);
    if authority.contains('@') {
        return Err("a user and a password do not belong here");
    }
    let is_plain = |c: char| c.is_ascii_graphic() && !"?#\"<>\\^`{|}".contains(c);
    if !rest.chars().all(is_plain) {
        return Err("it has a query, a fragment, or a character that no path has");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("its bracket is not closed")?;
            host.parse::<Ipv6Addr>()
                .map_err(|_| "no IPv6 address is in its brackets")?;
            (host, port)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            if host.is_empty() || !host.chars().all(is_name) {
                return Err("it has no host");
            }
            (host, port)
        }
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => {
            if is_tls {
                443
            } else {
                80
            }
        }
        Some(port) => port
            .parse()
            .map_err(|_| "its port is not one of 1 to 65535")?,
        None => return Err("its port is not one of 1 to 65535"),
    };
    if port == 0 {
        return Err("its port is not one of 1 to 65535");
    }
    Ok(HttpUrl {
        is_tls,
        host: host.to_owned(),
        port,
        prefix: prefix.trim_end_matches('/').to_owned(),
    })
}

/// The absolute path of a file with a secret.
pub(super) fn secret_file(
    fields: &Fields<'_>,
    name: &str,
    findings: &mut Findings,
) -> Option<PathBuf> {
    let field = fields.get(name)?;
    absolute(&field, findings).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn urls_have_a_host_and_perhaps_a_port_and_the_beginning_of_a_path() {
        for (text, shown) in [
            ("http://store", "http://store:80"),
            ("https://store/", "https://store:443"),
            ("HTTPS://10.0.0.1:2379/a/b/", "https://10.0.0.1:2379/a/b"),
            ("http://[2001:db8::1]:8500", "http://[2001:db8::1]:8500"),
            ("http://[::1]", "http://[::1]:80"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
        assert_eq!(parse("http://[::1]").unwrap().host, "::1");
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused() {
        for text in [
            "store:2379",
            "ftp://store",
            "http://",
            "http://:80",
            "http://store:0",
            "http://store:65536",
            "http://store:",
            "http://a:b@store",
            "http://store/?a=b",
            "http://store/#a",
            "http://sto re",
            "http://st\u{f6}re",
            "http://[::1",
            "http://[store]",
            "http://[::1]80",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
