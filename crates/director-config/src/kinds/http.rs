//! `type = "http"` and `type = "https"`: the server answers a request.

use serde_json::json;

use super::bytes::{Expect, contained, only_one, regex};
use super::tls::{self, TLS, TlsSpec};
use super::{CheckKind, Checked, Facts, Kind};
use crate::code::Code;
use crate::decode::fields::{Field, Fields, out_of_range, shown};
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::{Key, Shape, key, pattern, patterned, section, text, whole};
use crate::model::CheckDecl;
use crate::source::Span;
use crate::tree::Value;
use crate::vocabulary::word;

/// An HTTP/1.1 request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpCheck {
    /// The TLS settings; `None` for plain HTTP.
    pub tls: Option<TlsSpec>,
    /// The method, such as `GET`, `HEAD` or `OPTIONS`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The `Host` header; by default the address checked.
    pub host: Option<String>,
    /// Further headers, in order.
    pub headers: Vec<(String, String)>,
    /// The accepted status codes, as inclusive ranges.
    pub status: Vec<(u16, u16)>,
    /// What the first mebibyte of the body must contain.
    pub body: Option<Expect>,
    /// The source of a dynamic weight.
    pub weight: Option<WeightFrom>,
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self {
            tls: None,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: None,
            headers: Vec::new(),
            status: vec![(200, 399)],
            body: None,
            weight: None,
        }
    }
}

/// The source of a dynamic weight, in percent of the declared one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WeightFrom {
    /// A header of the answer.
    Header(String),
    /// The first word of the body.
    Body,
}

pub(super) static HTTP: Kind = Kind::new(
    word("http", "Answers an HTTP request.").alias(&["http_get", "httpchk", "url"]),
    &HTTP_CHECK,
    |fields, findings| Some(CheckKind::Http(http(fields, None, findings))),
)
.instead(INSTEAD)
.verify(plain_or_tls);

section!(
    HTTP_CHECK,
    "an http check",
    "The server answers an HTTP request. Any head that curl accepts is an answer; the body is read \
     to its end, at most a mebibyte.",
    HTTP.keys(keys())
);

pub(super) static HTTPS: Kind = Kind::new(
    word("https", "Answers an HTTPS request.").alias(&["ssl_get", "ssl", "tls"]),
    &HTTPS_CHECK,
    |fields, findings| {
        let tls = tls::https(fields, findings);
        Some(CheckKind::Http(http(fields, Some(tls), findings)))
    },
)
.facts(Facts::on(443))
.tls(|kind| match kind {
    CheckKind::Http(http) => http.tls.as_ref(),
    _ => None,
})
.instead(INSTEAD)
.verify(plain_or_tls)
.like("http");

section!(
    HTTPS_CHECK,
    "an https check",
    "The server answers an HTTPS request. A body without a length ends with the connection, with or without `close_notify`.",
    HTTPS.keys(keys().into_iter().chain([key(
        "tls",
        Shape::Table(&TLS),
        "How the server is verified."
    )]))
);

/// Reports an http check on port 443, and an https check on port 80.
fn plain_or_tls(check: &CheckDecl, servers: &Checked<'_>, findings: &mut Findings) {
    let CheckKind::Http(http) = &check.spec.kind else {
        return;
    };
    let (port, speaks, server, other) = match http.tls {
        None => (443, "TLS", servers.on_443, "https"),
        Some(_) => (80, "plain HTTP", servers.on_80, "http"),
    };
    let own = check.spec.at.port;
    if own.is_some_and(|own| own != port) || own.is_none() && server.is_none() {
        return;
    }
    let name = check.spec.kind.name();
    let message = format!("a check of type {name} on port {port}, where servers speak {speaks}");
    let finding = Diagnostic::new(Code::CheckTls, check.table.place_of("type"), message)
        .label("will hardly pass")
        .help(format!(
            "type = \"{other}\"; or the `port` where such servers listen"
        ));
    findings.push(match server.filter(|_| own.is_none()) {
        Some(server) => finding.also(server.span(), format!("its port is {port}")),
        None => finding.also(check.table.place_of("port"), "this port"),
    });
}

const INSTEAD: &[&[&str]] = &[&["body", "body_regex"], &["weight_header", "weight_body"]];

/// An HTTP request and its answer.
fn keys() -> Vec<Key> {
    vec![
        key("path", patterned("/healthz", pattern::PATH), "Path and query.")
            .default("/")
            .alias(&["url", "uri", "request"]),
        key(
            "method",
            patterned("GET", pattern::METHOD),
            "The method. A request has no body; with any but `GET`, `HEAD`, `OPTIONS` and `DELETE` it says so \
             (`Content-Length: 0`).",
        )
            .default("GET")
            .alias(&["httpmethod"]),
        key(
            "host",
            text("www.example.org"),
            "The `Host` header; the address by default.",
        )
        .alias(&["virtualhost", "vhost"]),
        key(
            "headers",
            Shape::Map(Box::new(text("yes"))),
            "Further headers, by their names. `host` sets `Host`; `Content-Length` can only be `0`, and \
             `Connection` only `close`.",
        )
        .alias(&["header", "hdr"]),
        key(
            "status",
            Shape::OneOrMore(Box::new(Shape::Either(vec![
                whole(100, 599),
                patterned("200-299", pattern::STATUS),
            ]))),
            "The accepted status codes, and ranges of them.",
        )
        .default(json!(["200-399"]))
        .alias(&["status_code", "expect"]),
        key("body", text("ok"), "Text that the body must contain.").alias(&["receive", "string"]),
        key(
            "body_regex",
            text("^(ok|degraded)$"),
            "A regular expression that the body must match.",
        )
        .alias(&["regex", "rstring"]),
        key(
            "weight_header",
            text("X-Weight"),
            "The header of the answer that contains the server's weight, in percent of the \
             declared one.",
        ),
        key(
            "weight_body",
            Shape::Bool,
            "The first word of the body is the server's weight, in percent of the declared one.",
        )
        .default(false),
    ]
}

/// The keys of an HTTP request and its answer.
fn http(fields: &Fields<'_>, tls: Option<TlsSpec>, findings: &mut Findings) -> HttpCheck {
    let default = HttpCheck::default();
    let path = fields.get("path");
    let path = path.and_then(|field| path_and_query(&field, findings));
    let method_at = fields.get("method");
    let method = method_at.and_then(|field| method(&field, findings));
    let method = method.unwrap_or(default.method);
    let host = fields.get("host");
    let host = host.and_then(|field| authority(&field, findings));
    let headers = fields.get("headers");
    let headers = headers.map_or_else(Vec::new, |field| headers_of(&field, findings));
    let status = fields.get("status");
    let status = status.map_or(default.status, |field| statuses(&field, findings));
    let body = fields.get("body");
    let body_regex = fields.get("body_regex");
    only_one(&[("body", body), ("body_regex", body_regex)], findings);
    let contains = body.and_then(|field| contained(&field, findings));
    let matches = body_regex.and_then(|field| regex(&field, findings));
    let weight_header = fields.get("weight_header");
    let weight_body = fields.get("weight_body");
    let first_word = weight_body.and_then(|field| field.bool(findings));
    let in_body = weight_body.filter(|_| first_word.is_some_and(|said| said.value));
    let weights = [("weight_header", weight_header), ("weight_body", in_body)];
    only_one(&weights, findings);
    if let (Some(method_at), Some(body), "HEAD") =
        (method_at, body.or(body_regex).or(in_body), method.as_str())
    {
        findings.push(
            Diagnostic::new(Code::EitherOr, body.at, "the answer to `HEAD` has no body")
                .label("there is nothing to search")
                .also(method_at.span(), "the method"),
        );
    }
    let header = weight_header.and_then(|field| {
        let text = field.text(findings)?;
        let name = header_name(text.value, field.span(), findings)?;
        Some(WeightFrom::Header(name))
    });
    HttpCheck {
        tls,
        method,
        path: path.unwrap_or(default.path),
        host,
        headers,
        status,
        body: matches.or(contains.map(Expect::Contains)),
        weight: header.or(in_body.map(|_| WeightFrom::Body)),
    }
}

fn bad(span: Span, message: String) -> Diagnostic {
    Diagnostic::new(Code::BadRequest, span, message)
}

/// A `token` of RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let char = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(char)
}

fn method(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let text = field.text(findings)?;
    if !is_token(text.value) {
        let message = format!("`{}` is no HTTP method", shown(text.value));
        findings.push(bad(field.span(), message).help("GET, HEAD, OPTIONS, ..."));
        return None;
    }
    if matches!(text.value, "CONNECT" | "TRACE") {
        let message = format!("`{}` says nothing about a server's health", text.value);
        findings.push(bad(field.span(), message).help("GET, HEAD, OPTIONS, ..."));
        return None;
    }
    if text.value.chars().any(|c| c.is_ascii_lowercase()) {
        let message = format!("`{}` is not a known method", text.value);
        let upper = text.value.to_uppercase();
        findings.push(bad(field.span(), message).label(format!("did you mean `{upper}`?")));
        return None;
    }
    Some(text.value.to_owned())
}

/// The `origin-form` of a request target, RFC 9112 section 3.2.1.
fn path_and_query(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let text = field.text(findings)?;
    let value = text.value;
    let (part, problem) = match value.find(|c: char| !('!'..='~').contains(&c)) {
        _ if value.contains("://") => (0..value.len(), "is an address, and not a path"),
        _ if !value.starts_with('/') => (0..value.len(), "does not start with a slash"),
        Some(at) => {
            let length = value[at..].chars().next().map_or(0, char::len_utf8);
            (
                at..at + length,
                "has a character that must be percent-encoded",
            )
        }
        None => match value.find('#') {
            Some(at) => (at..value.len(), "has a fragment, which is never sent"),
            None => return Some(value.to_owned()),
        },
    };
    let message = format!("`{}` is not the path of a request", shown(value));
    let mistake = bad(text.part(field.span(), part), message).label(problem);
    findings.push(match value.contains("://") {
        true => mistake.help(
            "`path` is only the path, such as \"/healthz\"; `host` has the name, \
                              `type` the scheme",
        ),
        false => mistake.help("an example of a path: \"/healthz\" or \"/status?deep=1\""),
    });
    None
}

/// A host name or address, optionally with a port.
pub(crate) fn authority(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let text = field.text(findings)?;
    let char = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=:[]".contains(c);
    if text.value.is_empty() || !text.value.chars().all(char) {
        let message = format!("`{}` is not a host", shown(text.value));
        findings.push(bad(field.span(), message).help("an example of a host: \"www.example.org\""));
        return None;
    }
    Some(text.value.to_owned())
}

fn headers_of(field: &Field<'_>, findings: &mut Findings) -> Vec<(String, String)> {
    let Some(table) = field.node.table() else {
        let _: Option<()> = field.wrong_type(findings);
        return Vec::new();
    };
    let mut headers = Vec::new();
    for entry in &table.entries {
        let name = header_name(&entry.key, entry.key_span, findings);
        let Value::Text(text) = &entry.node.value else {
            let message = "the value of a header must be a string";
            findings.push(
                Diagnostic::new(Code::WrongType, entry.node.span, message)
                    .label(format!("this is {}", entry.node.value.kind())),
            );
            continue;
        };
        // RFC 9110 section 5.5.
        if text.value.contains(|c: char| c.is_control() && c != '\t') {
            let message = "the value of a header must not contain control characters".to_owned();
            findings.push(bad(entry.node.span, message));
            continue;
        }
        let Some(name) = name else { continue };
        if let Some(why) = refused(&name, &text.value) {
            let message = format!("the header `{name}` cannot be set here");
            findings.push(bad(entry.key_span, message).label(why));
            continue;
        }
        headers.push((name, text.value.clone().into_owned()));
    }
    headers
}

fn header_name(name: &str, span: Span, findings: &mut Findings) -> Option<String> {
    if is_token(name) {
        return Some(name.to_owned());
    }
    let message = format!("`{}` is not the name of a header", shown(name));
    findings.push(bad(span, message));
    None
}

/// Why a check's request cannot have this header: it has no body, and a connection of its own.
fn refused(name: &str, value: &str) -> Option<&'static str> {
    let value = value.trim();
    match name.to_ascii_lowercase().as_str() {
        "host" => Some("use `host`"),
        "content-length" if value == "0" => None,
        "content-length" => Some("a check sends no body, so only \"0\" is correct"),
        "transfer-encoding" => Some("a check sends no body"),
        "connection" if value.eq_ignore_ascii_case("close") => None,
        "connection" => Some("a check uses a connection once, so only \"close\" is correct"),
        "upgrade" => Some("a check uses HTTP/1.1 only"),
        _ => None,
    }
}

fn statuses(field: &Field<'_>, findings: &mut Findings) -> Vec<(u16, u16)> {
    let items = field.items(findings);
    if items.is_empty() {
        let message = "no status code would be accepted";
        findings
            .push(Diagnostic::new(Code::MissingKey, field.span(), message).label("an empty list"));
    }
    let read = |item: Field<'_>| status(&item, findings);
    items.into_iter().filter_map(read).collect()
}

fn status(field: &Field<'_>, findings: &mut Findings) -> Option<(u16, u16)> {
    if field.as_whole().is_some() || field.as_text().is_none() {
        let code = field.whole::<u16>(findings)?.value;
        return Some((code, code));
    }
    let text = field.text(findings)?;
    let number = |digits: &str| {
        let plain = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let value = text.value;
    let (first, last) = value.split_once('-').unwrap_or((value, value));
    let Some((first, last)) = number(first).zip(number(last)).filter(|(a, b)| a <= b) else {
        let message = format!("`{}` is not a range of status codes", shown(value));
        findings.push(
            Diagnostic::new(Code::BadRange, field.span(), message)
                .help("status = [200, \"300-399\"]"),
        );
        return None;
    };
    if first < 100 || last > 599 {
        findings.push(out_of_range(field.span(), 100, 599));
        return None;
    }
    Some((first, last))
}
