//! The form in which people give the token, and its end.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{Form, FromRequest, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::guard::Ends;
use super::routes::{Site, refused};
use super::token::SESSION;

/// The cookie with the session.
const COOKIE: &str = "director-session";
/// How long the form's body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

const FORM: &str = include_str!("assets/login.html");
/// Where the form says what went wrong.
const MESSAGE: &str = "<!-- message -->";

type Values = HashMap<String, String>;

pub(super) async fn form() -> Response {
    Html(FORM).into_response()
}

/// `POST /login`: the right token makes a session.
pub(super) async fn enter(
    State(site): State<Site>,
    Extension(ends): Extension<Ends>,
    Query(query): Query<Values>,
    request: Request,
) -> Response {
    let form = tokio::time::timeout(PATIENCE, Form::<Values>::from_request(request, &())).await;
    let values = match form {
        Ok(Ok(Form(values))) => values,
        Ok(Err(error)) => return error.into_response(),
        Err(_) => {
            return refused(
                StatusCode::REQUEST_TIMEOUT,
                "the form did not arrive in time",
            );
        }
    };
    let token = values.get("token").map_or("", |token| token.trim());
    let now = Instant::now();
    match site.try_token(token, ends.theirs.ip(), now) {
        Ok(true) => {}
        Ok(false) => {
            let page = FORM.replace(MESSAGE, "<p role=\"alert\">This is not the token.</p>");
            return (StatusCode::UNAUTHORIZED, Html(page)).into_response();
        }
        Err(wait) => return slow_down(wait),
    }
    let Some(id) = site.sessions.open(now) else {
        return refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "no randomness for a session",
        );
    };
    let next = query.get("next").map_or("/", String::as_str);
    let mut response = Redirect::to(local(next)).into_response();
    set_cookie(&mut response, &id, SESSION, site.secure);
    response
}

/// `POST /logout`.
pub(super) async fn leave(State(site): State<Site>, headers: HeaderMap) -> Response {
    if let Some(id) = session(&headers) {
        site.sessions.close(id);
    }
    let mut response = Redirect::to("/login").into_response();
    set_cookie(&mut response, "", Duration::ZERO, site.secure);
    response
}

/// The session that a browser sends.
pub(super) fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let pairs = cookies
        .filter_map(|one| one.to_str().ok())
        .flat_map(|one| one.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, id)| id)
}

/// There were too many wrong tokens.
pub(super) fn slow_down(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let message = format!("too many wrong tokens; try again in {seconds} s");
    let mut response = refused(StatusCode::TOO_MANY_REQUESTS, &message);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, seconds.into());
    response
}

fn set_cookie(response: &mut Response, id: &str, lasts: Duration, secure: bool) {
    let seconds = lasts.as_secs();
    let mut cookie = format!("{COOKIE}={id}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    if secure {
        cookie.push_str("; Secure");
    }
    // Hexadecimal digits and constants.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

/// A path on this host, and nowhere else: `//host` and `/\host` would be other hosts.
fn local(next: &str) -> &str {
    let rest = next.strip_prefix('/');
    let is_local = rest.is_some_and(|rest| !rest.starts_with(['/', '\\']))
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_local { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_nowhere_else() {
        for path in [
            "/",
            "/service/tcp%3A%2F%2F192.0.2.10%3A80",
            "/events?kind=drift",
        ] {
            assert_eq!(local(path), path);
        }
        let elsewhere = [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil",
            "x",
        ];
        for path in elsewhere {
            assert_eq!(local(path), "/", "{path}");
        }
    }

    #[test]
    fn the_form_has_a_place_for_what_went_wrong() {
        assert_eq!(FORM.matches(MESSAGE).count(), 1);
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("a=b; director-session=7; c"),
        );
        assert_eq!(session(&headers), Some("7"));
        assert_eq!(session(&HeaderMap::new()), None);
    }
}
