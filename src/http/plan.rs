//! `GET /v1/plan`: what a reload would change.
//!
//! It is made on a thread of its own, so that neither the core nor this runtime waits for a file
//! system that hangs. Such a thread keeps its place until it ends.

use std::fmt::Debug;
use std::sync::Arc;
use std::thread;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::Value;
use tokio::sync::oneshot;

use super::api::Overlay;
use super::asked::{Asked, Parameters};
use super::caller::Caller;
use super::failure::Failure;
use super::routes::{Desk, PATIENCE, answered};
use super::{stream, view};
use crate::control::operator::{Refusal, RefusalKind};
use crate::control::select::Selection;
use crate::control::{InForce, Reply};

/// Makes plans for a running director. It may block.
pub trait Planner: Debug + Send + Sync + 'static {
    /// What a reload of the files on disk would change, as `director plan --format json` prints it,
    /// for anybody who may see the director: without texts of the files. `now` is what the director
    /// makes of the files in force.
    ///
    /// # Errors
    /// If the kernel's tables or the state directory cannot be read.
    fn plan(&self, now: &Overlay, in_force: InForce) -> Result<Value, String>;
}

pub(super) async fn plan(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Failure> {
    Asked::take(query, &[])?;
    let busy = || Failure::unavailable("another plan is being made; try again");
    let permit = desk.planners.take(caller).ok_or_else(busy)?;
    let (reply, files) = Reply::new();
    desk.director.files(reply);
    let files = answered(files, PATIENCE).await?;
    let now = overlay(&desk)?;
    let planner = Arc::clone(&desk.planner);
    let (reply, made) = Reply::new();
    let thread = thread::Builder::new().name("plan".to_owned());
    let started = thread.spawn(move || {
        let made = planner.plan(&now, files);
        reply.send(made.map_err(|why| Refusal::new(RefusalKind::Unavailable, why)));
        drop(permit);
    });
    started.map_err(|error| Failure::unavailable(format!("cannot start a thread: {error}")))?;
    finished(made).await
}

async fn finished(made: oneshot::Receiver<Result<Value, Refusal>>) -> Result<Response, Failure> {
    match tokio::time::timeout(PATIENCE, made).await {
        Ok(Ok(plan)) => Ok(stream::whole(&plan?)),
        Ok(Err(_)) => Err(Failure::unavailable("the plan could not be made")),
        Err(_) => Err(Failure::unavailable(format!(
            "the service files or the kernel did not answer in {}s",
            PATIENCE.as_secs()
        ))),
    }
}

/// What the director makes of its files at this moment.
fn overlay(desk: &Desk) -> Result<Overlay, Failure> {
    let snapshot = desk.director.published().snapshot();
    let marks = desk.director.private_marks();
    let services = Selection::default().of(&snapshot)?;
    Ok(Overlay {
        revision: snapshot.revision,
        services: services.iter().map(view::overlay).collect(),
        disabled: snapshot.disabled.keys().copied().collect(),
        private_marks: (marks.first, marks.last),
    })
}
