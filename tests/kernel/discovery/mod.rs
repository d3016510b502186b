//! Pools that find their servers: in files, by DNS as bind answers it, in etcd, and in Consul and Kubernetes
//! as fakes answer.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod changes;
mod consul;
mod dns;
pub(crate) mod etcd;
mod file;
mod kubernetes;
#[path = "../../sources/mod.rs"]
mod sources;

use std::process::{Command, Output};

use serde_json::Value;

use crate::daemon::Daemon;
use crate::lab::Host;

const SERVICE: &str = "tcp://10.1.0.100:80";
const DIRECTOR: &str = env!("CARGO_BIN_EXE_director");

/// A file with a pool whose source and limits are these. Weights follow the list quickly.
fn file(pool: &str) -> String {
    format!(
        "version = 1\n[pool.app]\n{pool}\nsettle = {{ min = \"0s\" }}\nweight_steps = {{ every = \"100ms\" }}\n\
         [service.web]\nlisten = \"{SERVICE}\"\nforward = \"nat\"\npool = \"app\"\ncheck = false\ndrain = \"0s\"\n"
    )
}

/// The pool as the director shows it.
fn pool(daemon: &Daemon<'_>) -> Value {
    let status = daemon.get("/v1/status").unwrap();
    status["discovered"][0].clone()
}

/// Waits until the pool's last answer was refused for a reason with these words.
#[track_caller]
fn refused(daemon: &Daemon<'_>, words: &str) {
    daemon.becomes(&format!("`{words}` is said"), &true, || {
        let refused = pool(daemon)["refused"].clone();
        refused.as_str().is_some_and(|why| why.contains(words))
    });
}

/// Runs a verb with the state of this director.
fn verb(host: &Host, daemon: &Daemon<'_>, words: &[&str]) -> Output {
    let mut command = Command::new(DIRECTOR);
    command
        .args(words)
        .env("DIRECTOR_SOCKET", daemon.path("control.sock"))
        .current_dir(daemon.path("."))
        .env("DIRECTOR_STATE_DIR", daemon.path("state"));
    host.enter(|| command.output().unwrap())
}

fn said(output: &Output) -> String {
    let text = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8(text).unwrap()
}
