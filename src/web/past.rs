//! What was: the history, in pieces that a page can show.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ipvs::ServiceKey;
use serde_json::{Value, json};

use super::relay::{Asked, ROWS, busy, chosen, cut, failed, permit};
use super::routes::{Site, refused};
use super::rows;
use crate::control::snapshot::{Role, ServerState, ServiceState};
use crate::history::{At, ServerPicture, ServicePicture};
use crate::http::api::{HistoryLine, HistorySpan};

/// `GET /api/history/span`: from when to when it is kept.
pub(super) async fn span(State(site): State<Site>) -> Response {
    let Some(_permit) = permit(&site) else {
        return busy();
    };
    match site.asker.get::<HistorySpan>("/v1/history/span").await {
        Ok(span) => Json(span).into_response(),
        Err(error) => failed(&error),
    }
}

/// `GET /api/history`: the last changes between two times, the oldest first.
pub(super) async fn changes(State(site): State<Site>, Query(asked): Query<Asked>) -> Response {
    let Some(_permit) = permit(&site) else {
        return busy();
    };
    let names = ["since", "until", "service", "server"];
    let path = format!("/v1/history{}", chosen(&asked, &names));
    let (mut found, mut left_out, mut lost) = (VecDeque::new(), 0_u64, Vec::new());
    let read = site.asker.lines(&path, |line: HistoryLine| {
        match line {
            HistoryLine::Row(row) => {
                if found.len() == ROWS {
                    found.pop_front();
                    left_out += 1;
                }
                found.push_back(rows::visible(&row));
            }
            HistoryLine::Lost { lost: what } if lost.len() < ROWS => {
                lost.push(rows::visible(&what));
            }
            HistoryLine::Lost { .. } => {}
        }
        ControlFlow::Continue(())
    });
    match read.await {
        Ok(()) => {
            Json(json!({ "rows": found, "left_out": left_out, "lost": lost })).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// `GET /api/history/diff`: the difference between two times, as a plan.
pub(super) async fn diff(State(site): State<Site>, Query(asked): Query<Asked>) -> Response {
    let Some(_permit) = permit(&site) else {
        return busy();
    };
    let path = format!("/v1/history/diff{}", chosen(&asked, &["from", "to"]));
    match site.asker.get::<Value>(&path).await {
        Ok(plan) => Json(rows::visible(&cut(plan))).into_response(),
        Err(error) => failed(&error),
    }
}

/// `GET /api/history/at`: the services at a time; with `service`, its servers.
pub(super) async fn at(State(site): State<Site>, Query(asked): Query<Asked>) -> Response {
    let service = asked.get("service").filter(|word| !word.is_empty());
    let service = match service.map(|word| word.parse::<ServiceKey>()).transpose() {
        Ok(service) => service,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let Some(_permit) = permit(&site) else {
        return busy();
    };
    let path = format!("/v1/history/at{}", chosen(&asked, &["at"]));
    match site.asker.get::<At>(&path).await {
        Ok(at) => Json(rows::visible(&shown(&at, service))).into_response(),
        Err(error) => failed(&error),
    }
}

fn shown(at: &At, service: Option<ServiceKey>) -> Value {
    let services = &at.picture.services;
    let mut value = json!({
        "recorded_ms": at.recorded_ms,
        "stopped_ms": at.stopped_ms,
        "lost": at.lost,
        "head": at.picture.head,
    });
    match service {
        None => {
            value["services"] = services
                .iter()
                .map(|(key, one)| overview(*key, one))
                .collect();
        }
        Some(key) => value["servers"] = services.get(&key).map_or(Value::Null, servers),
    }
    value
}

/// A service as a row.
fn overview(key: ServiceKey, service: &ServicePicture) -> Value {
    let mut states: BTreeMap<ServerState, usize> = BTreeMap::new();
    for server in service.servers.values() {
        *states.entry(server.state).or_default() += 1;
    }
    let is_up = |one: &&ServerPicture| {
        let serves = matches!(one.state, ServerState::Up | ServerState::Warming);
        one.role == Role::Regular && serves
    };
    let up = service.servers.values().filter(is_up).count();
    let worst = service
        .servers
        .iter()
        .min_by_key(|(_, one)| one.state.rank());
    let worst = worst.filter(|(_, one)| one.state != ServerState::Up);
    let why = worst.map(|(key, server)| {
        let name = server
            .name
            .as_deref()
            .map_or_else(|| key.to_string(), str::to_owned);
        format!("{name} {}: {}", server.state.word(), server.reason)
    });
    json!({
        "key": key.to_string(),
        "name": service.name,
        "scheduler": service.service.scheduler.to_string(),
        "state": state(service, up),
        "up": up,
        "declared": service.declared,
        "states": states,
        "why": why,
    })
}

/// How well it was, as the overview says how well it is.
fn state(service: &ServicePicture, up: usize) -> ServiceState {
    let mut servers = service.servers.values();
    match up {
        _ if service.leaving => ServiceState::Leaving,
        _ if service.quorum_lost => ServiceState::Failed,
        up if up < service.declared && up < service.min_healthy.max(1) => ServiceState::Failed,
        up if up < service.declared => ServiceState::Degraded,
        _ if servers.any(|server| server.state.is_trouble()) => ServiceState::Degraded,
        _ => ServiceState::Ok,
    }
}

fn servers(service: &ServicePicture) -> Value {
    let row = |(key, server): (&ipvs::ServerKey, &ServerPicture)| {
        json!({
            "address": key.to_string(),
            "name": server.name,
            "role": server.role,
            "state": server.state,
            "reason": server.reason,
            "since": server.since,
            "weight": server.weight,
            "declared_weight": server.declared.weight.get(),
            "drain": server.drain,
            "set": server.set,
        })
    };
    json!({
        "name": service.name,
        "rows": service.servers.iter().map(row).collect::<Vec<_>>(),
    })
}
