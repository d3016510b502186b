//! Turns the body of a `POST` into an operator's request.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::api::{AnnounceBody, FailoverBody, HostBody, ReloadBody, ServerBody, WeightBody};
use super::caller::Caller;
use super::failure::Failure;
use crate::control::operator::{
    AnnounceRequest, FailoverRequest, HostRequest, Note, Request, ServerRequest,
};

/// The largest body, in bytes.
const SIZE: usize = 16 * 1024;
/// How long a body may take to arrive.
const TIME: Duration = Duration::from_secs(5);
/// The longest name of a service, server or person, in bytes.
const LONGEST_NAME: usize = 256;
/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// The longest time, in seconds: ten years.
const LONGEST_TIME: u64 = 10 * 365 * 86_400;

/// Reads a body. An empty one counts as an empty object.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Failure> {
    let bytes = tokio::time::timeout(TIME, to_bytes(body, SIZE))
        .await
        .map_err(|_| {
            Failure::invalid("the body did not arrive in time").status(StatusCode::REQUEST_TIMEOUT)
        })?
        .map_err(|error| {
            let cause = std::error::Error::source(&error);
            if cause.is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>()) {
                Failure::invalid(format!("a body is limited to {SIZE} bytes"))
                    .status(StatusCode::PAYLOAD_TOO_LARGE)
            } else {
                Failure::invalid("the body ended early")
            }
        })?;
    let text = if bytes.trim_ascii().is_empty() {
        b"{}"
    } else {
        &bytes[..]
    };
    serde_json::from_slice(text).map_err(|error| Failure::invalid(format!("the body: {error}")))
}

/// A drain, or its end.
pub(super) async fn server(
    body: ServerBody,
    caller: Caller,
    request: fn(ServerRequest) -> Request,
) -> Result<Request, Failure> {
    let ServerBody {
        service,
        server,
        force,
        reason,
        for_seconds,
        on_behalf_of,
    } = body;
    if let Some(service) = &service {
        name("service", service)?;
    }
    name("server", &server)?;
    let note = note(caller, reason, for_seconds, on_behalf_of).await?;
    Ok(request(ServerRequest {
        service,
        server,
        force,
        note,
    }))
}

pub(super) async fn weight(body: WeightBody, caller: Caller) -> Result<Request, Failure> {
    let WeightBody {
        service,
        server,
        weight,
        force,
        reason,
        for_seconds,
        on_behalf_of,
    } = body;
    if let Some(weight) = weight {
        let fits = ipvs::Weight::try_from(weight);
        fits.map_err(|error| Failure::invalid(format!("`weight`: {error}")))?;
    }
    name("service", &service)?;
    name("server", &server)?;
    let note = note(caller, reason, for_seconds, on_behalf_of).await?;
    let of = ServerRequest {
        service: Some(service),
        server,
        force,
        note,
    };
    Ok(Request::Weight { of, weight })
}

/// Maintenance of a machine, or its end.
pub(super) async fn host(
    body: HostBody,
    caller: Caller,
    request: fn(HostRequest) -> Request,
) -> Result<Request, Failure> {
    let HostBody {
        server,
        force,
        reason,
        for_seconds,
        on_behalf_of,
    } = body;
    name("server", &server)?;
    let note = note(caller, reason, for_seconds, on_behalf_of).await?;
    Ok(request(HostRequest {
        server,
        force,
        note,
    }))
}

pub(super) async fn announce(body: AnnounceBody, caller: Caller) -> Result<Request, Failure> {
    let AnnounceBody {
        section,
        action,
        reason,
        for_seconds,
        on_behalf_of,
    } = body;
    if let Some(section) = &section {
        name("section", section)?;
    }
    let note = note(caller, reason, for_seconds, on_behalf_of).await?;
    Ok(Request::Announce(AnnounceRequest {
        section,
        action,
        note,
    }))
}

pub(super) async fn failover(body: FailoverBody, caller: Caller) -> Result<Request, Failure> {
    let FailoverBody {
        section,
        action,
        until_restart,
        reason,
        for_seconds,
        on_behalf_of,
    } = body;
    if let Some(section) = &section {
        name("section", section)?;
    }
    let note = note(caller, reason, for_seconds, on_behalf_of).await?;
    Ok(Request::Failover(FailoverRequest {
        section,
        action,
        until_restart,
        note,
    }))
}

pub(super) const fn reload(body: ReloadBody) -> Request {
    Request::Reload { force: body.force }
}

async fn note(
    caller: Caller,
    reason: Option<String>,
    for_seconds: Option<u64>,
    on_behalf_of: Option<String>,
) -> Result<Note, Failure> {
    if let Some(reason) = &reason {
        printable("reason", reason, LONGEST_REASON)?;
    }
    if let Some(other) = &on_behalf_of {
        name("on_behalf_of", other)?;
    }
    if for_seconds.is_some_and(|seconds| !(1..=LONGEST_TIME).contains(&seconds)) {
        let message = format!("`for_seconds` is 1 to {LONGEST_TIME}");
        return Err(Failure::invalid(message));
    }
    Ok(Note {
        by: caller.name(on_behalf_of.as_deref()).await,
        reason: reason.filter(|reason| !reason.trim().is_empty()),
        for_seconds,
    })
}

fn name(key: &str, value: &str) -> Result<(), Failure> {
    if value.is_empty() {
        return Err(Failure::invalid(format!("`{key}` is empty")));
    }
    printable(key, value, LONGEST_NAME)
}

/// Other users than the writer see this value on terminals and in logs.
fn printable(key: &str, value: &str, longest: usize) -> Result<(), Failure> {
    if value.chars().count() > longest {
        let message = format!("`{key}` is limited to {longest} characters");
        return Err(Failure::invalid(message));
    }
    if value.chars().any(char::is_control) {
        let message = format!("`{key}` contains a control character");
        return Err(Failure::invalid(message));
    }
    Ok(())
}
