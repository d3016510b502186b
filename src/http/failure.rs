//! Error answers, always `{"error": {"kind": ..., "message": ...}}`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::api::{Problem, VERSION_HEADER};
use crate::control::operator::{Refusal, RefusalKind};
use crate::words::json;

/// When to try again, in seconds, if the director cannot answer now.
const RETRY_AFTER: &str = "1";

#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    error: Refusal,
}

impl Failure {
    /// The request is invalid.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Refusal::new(RefusalKind::Invalid, message).into()
    }

    /// The object does not exist.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Refusal::new(RefusalKind::NotFound, message).into()
    }

    /// The director cannot do this now.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Refusal::new(RefusalKind::Unavailable, message).into()
    }

    /// The same failure with another HTTP status.
    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The whole HTTP answer, for connections without a request.
    pub(super) fn whole(self) -> Vec<u8> {
        let status = self.status;
        let body = self.text();
        let (length, name, version) = (body.len(), VERSION_HEADER, env!("CARGO_PKG_VERSION"));
        let retry = match status {
            StatusCode::SERVICE_UNAVAILABLE => format!("retry-after: {RETRY_AFTER}\r\n"),
            _ => String::new(),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{name}: {version}\r\n\
             content-length: {length}\r\n{retry}connection: close\r\n\r\n"
        );
        (head + &body).into_bytes()
    }

    /// The body.
    fn text(self) -> String {
        let problem = Problem { error: self.error };
        // Strings and a word: this cannot fail.
        json(serde_json::to_string(&problem).unwrap_or_default() + "\n")
    }
}

impl From<Refusal> for Failure {
    fn from(error: Refusal) -> Self {
        let status = match error.kind {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::Refused | RefusalKind::LastServer => StatusCode::CONFLICT,
            RefusalKind::Kernel => StatusCode::BAD_GATEWAY,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, error }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, "application/json")];
        let status = self.status;
        let mut response = (status, json, self.text()).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let soon = HeaderValue::from_static(RETRY_AFTER);
            response.headers_mut().insert(header::RETRY_AFTER, soon);
        }
        response
    }
}
