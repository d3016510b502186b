//! What every request must pass, and every answer has.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use anyhow::bail;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::login;
use super::routes::{Site, refused};

/// Everything comes from here, and nothing else may show the page within itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every answer. There is none that lets pages of other origins read it.
const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", POLICY),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) ours: SocketAddr,
    pub(super) theirs: SocketAddr,
}

/// The names under which the page may be asked for. A page of another origin can have its own name
/// resolve to this machine (DNS rebinding), and then read the answers; but the browser still sends that
/// name.
#[derive(Debug, Clone)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    pub(super) fn new(names: &[String]) -> anyhow::Result<Self> {
        for name in names {
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
            if name.is_empty() || !name.chars().all(is_name) {
                bail!(
                    "--host `{name}` is not a name; it needs no port, and addresses need no --host"
                );
            }
        }
        Ok(Self(
            names.iter().map(|name| name.to_ascii_lowercase()).collect(),
        ))
    }

    /// Whether a request means this page. The port does not matter: it is another one behind `ssh -L`.
    fn take(&self, headers: &HeaderMap, uri: &Uri, ends: Ends) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        let host = host
            .to_str()
            .ok()
            .and_then(|host| host.parse::<Authority>().ok());
        let of_uri = uri
            .authority()
            .is_none_or(|authority| self.is_ours(authority, ends));
        host.is_some_and(|host| self.is_ours(&host, ends)) && of_uri
    }

    fn is_ours(&self, authority: &Authority, ends: Ends) -> bool {
        // `http` takes anything for a user and a port.
        let port = authority.as_str().strip_prefix(authority.host());
        let is_port = |port: &str| {
            port.strip_prefix(':')
                .is_some_and(|port| port.parse::<u16>().is_ok())
        };
        if !port.is_some_and(|port| port.is_empty() || is_port(port)) {
            return false;
        }
        let host = authority.host().to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            let ours = ends.ours.ip().to_canonical();
            return address == ours || ours.is_loopback() && address.is_loopback();
        }
        let is_local = ends.ours.ip().to_canonical().is_loopback() && host == "localhost";
        is_local || self.0.contains(&host)
    }
}

/// Lets requests through that may see what they ask for.
pub(super) async fn guard(State(site): State<Site>, request: Request, next: Next) -> Response {
    let mut response = admit(&site, request, next).await;
    let head = response.headers_mut();
    for (name, value) in HEADERS {
        // Assets have an age of their own.
        head.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn admit(site: &Site, request: Request, next: Next) -> Response {
    let Some(ends) = request.extensions().get::<Ends>().copied() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if !site.hosts.take(request.headers(), request.uri(), ends) {
        let message =
            "this is not the host that was asked for; `director web --host NAME` adds one";
        return refused(StatusCode::MISDIRECTED_REQUEST, message);
    }
    let path = request.uri().path();
    // Other origins cannot read answers, but could take up places. Links from elsewhere are welcome.
    let is_data = path.starts_with("/api/") || path == "/metrics";
    if is_data && fetch_site(request.headers()) == Some("cross-site") {
        return refused(StatusCode::FORBIDDEN, "pages of other origins may not ask");
    }
    let is_public = path == "/login" || path == "/logout" || path.starts_with("/assets/");
    let is_in = is_public || site.token.is_none() || site.has_session(request.headers());
    if is_in {
        return next.run(request).await;
    }
    match bearer(request.headers()) {
        Some(token) => match site.try_token(token, ends.theirs.ip(), Instant::now()) {
            Ok(true) => next.run(request).await,
            Ok(false) => refused_token(),
            Err(wait) => login::slow_down(wait),
        },
        None if is_navigation(&request) => to_login(&request),
        None => refused_token(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn fetch_site(headers: &HeaderMap) -> Option<&str> {
    headers.get("sec-fetch-site")?.to_str().ok()
}

/// A person who opens a page, in contrast to a program.
fn is_navigation(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    request.method() == Method::GET && accept.is_some_and(|types| types.contains("text/html"))
}

fn to_login(request: &Request) -> Response {
    // A browser that follows a link from elsewhere keeps its `SameSite=Strict` cookie back; when the
    // page itself asks again, it sends it.
    let headers = request.headers();
    if fetch_site(headers) == Some("cross-site") {
        return Html(
            "<!doctype html><meta http-equiv=\"refresh\" content=\"0\"><title>director</title>",
        )
        .into_response();
    }
    let wanted = request.uri().path_and_query();
    let wanted = wanted.map_or("/", |wanted| wanted.as_str());
    let path = format!("/login{}", crate::http::query(&[("next", wanted)]));
    Redirect::to(&path).into_response()
}

fn refused_token() -> Response {
    let mut response = refused(StatusCode::UNAUTHORIZED, "the token is missing or wrong");
    let scheme = HeaderValue::from_static("Bearer realm=\"director\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, scheme);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(host: &[&str], uri: &str, ours: &str) -> bool {
        let hosts = Hosts::new(&["LB1.example.net".to_owned()]).unwrap();
        let mut headers = HeaderMap::new();
        for host in host {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        let ends = Ends {
            ours: ours.parse().unwrap(),
            theirs: ours.parse().unwrap(),
        };
        hosts.take(&headers, &uri.parse().unwrap(), ends)
    }

    #[test]
    fn only_our_own_names_and_addresses_are_taken() {
        let local = "127.0.0.1:9180";
        for host in [
            "127.0.0.1:9180",
            "localhost",
            "LOCALHOST:8080",
            "[::1]:9180",
            "lb1.example.net",
        ] {
            assert!(takes(&[host], "/", local), "{host}");
        }
        let strange = [
            "evil.example",
            "localhost.evil.example",
            "192.0.2.7",
            "lb1.example.net.",
            "",
            "a b",
            "x@localhost",
            "localhost:x",
            "[::1",
        ];
        for host in strange {
            assert!(!takes(&[host], "/", local), "{host}");
        }
        assert!(!takes(&[], "/", local));
        assert!(!takes(&["localhost", "localhost"], "/", local));
        assert!(!takes(&["localhost"], "http://evil.example/", local));
        assert!(takes(&["localhost"], "http://localhost/", local));
    }

    #[test]
    fn beyond_this_machine_it_is_the_address_that_was_reached() {
        let public = "192.0.2.7:9180";
        assert!(takes(&["192.0.2.7:9180"], "/", public));
        assert!(takes(&["lb1.example.net"], "/", public));
        assert!(!takes(&["localhost"], "/", public));
        assert!(!takes(&["127.0.0.1"], "/", public));
    }

    #[test]
    fn a_host_is_a_name_without_a_port() {
        for name in ["", "a:1", "http://a", "[::1]", "a/b"] {
            assert!(Hosts::new(&[name.to_owned()]).is_err(), "{name}");
        }
    }
}
