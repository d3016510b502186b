//! Asks etcd, and logs in where that is necessary.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::wire::{LoginReply, Refusal};
use crate::discovery::http::{Http, Lines, Question, Reply, refusal};
use crate::regular;
use crate::state::discovery::{EtcdSource, HttpServers, Login};
use crate::words::printable;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest file with a password, in bytes.
const LONGEST: u64 = 4096;

/// Connections to a cluster, and the token of its user.
pub(super) struct Session {
    servers: HttpServers,
    login: Option<Login>,
    http: Option<Http>,
    token: Option<String>,
}

impl Session {
    pub(super) fn new(source: &EtcdSource) -> Self {
        Self {
            servers: source.servers.clone(),
            login: source.login.clone(),
            http: None,
            token: None,
        }
    }

    /// Asks; with a token that does not count any more, logs in and asks again.
    pub(super) fn ask<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &Value,
    ) -> Result<T, String> {
        let had_token = self.token.is_some();
        let mut reply = self.post(path, body)?;
        if reply.status != StatusCode::OK && had_token {
            self.token = None;
            reply = self.post(path, body)?;
        }
        self.read(&reply)
    }

    /// Opens a stream.
    pub(super) fn open(&mut self, path: &str, body: &Value) -> Result<Lines, String> {
        let question = self.question(path, body)?;
        self.http()?.open(&question)
    }

    fn post(&mut self, path: &str, body: &Value) -> Result<Reply, String> {
        let question = self.question(path, body)?;
        self.http()?.ask(&question, LIMIT)
    }

    fn question(&mut self, path: &str, body: &Value) -> Result<Question, String> {
        self.log_in()?;
        let token = self.token.iter();
        let token = token.map(|token| ("authorization", token.clone()));
        Ok(question(path, body, token.collect()))
    }

    fn log_in(&mut self) -> Result<(), String> {
        let (None, Some(login)) = (&self.token, &self.login) else {
            return Ok(());
        };
        let path = &login.password_file;
        let secret = regular::read(path, LONGEST);
        let secret = secret.map_err(|error| format!("{}: {error}", path.display()))?;
        let secret = String::from_utf8(secret);
        let secret = secret.map_err(|_| format!("{}: not UTF-8", path.display()))?;
        let body = json!({ "name": login.user, "password": secret.trim_end_matches(['\r', '\n']) });
        let question = question("/v3/auth/authenticate", &body, Vec::new());
        let reply = self.http()?.ask(&question, LIMIT)?;
        let reply: LoginReply = self
            .read(&reply)
            .map_err(|why| format!("cannot log in: {why}"))?;
        self.token = Some(reply.token);
        Ok(())
    }

    fn read<T: DeserializeOwned>(&mut self, reply: &Reply) -> Result<T, String> {
        let url = self.http()?.url().to_string();
        if reply.status == StatusCode::OK {
            return serde_json::from_slice(&reply.body).map_err(|error| {
                // A proxy's page, for example.
                let kind = reply.headers.get(CONTENT_TYPE);
                let kind = kind
                    .and_then(|kind| kind.to_str().ok())
                    .unwrap_or("no type");
                let kind = printable(kind);
                format!("{url}: an answer ({kind}) that etcd does not give: {error}")
            });
        }
        let said = serde_json::from_slice::<Refusal>(&reply.body);
        Err(match said {
            Ok(said) if !said.message.is_empty() => {
                format!(
                    "{url}: {} (HTTP {})",
                    printable(&said.message),
                    reply.status.as_u16()
                )
            }
            _ => format!("{url}: {}", refusal(reply.status, &reply.body)),
        })
    }

    fn http(&mut self) -> Result<&mut Http, String> {
        let http = match self.http.take() {
            Some(http) => http,
            None => Http::new(&self.servers)?,
        };
        Ok(self.http.insert(http))
    }
}

fn question(path: &str, body: &Value, headers: Vec<(&'static str, String)>) -> Question {
    Question {
        method: Method::POST,
        path: path.to_owned(),
        headers,
        body: Bytes::from(body.to_string()),
    }
}
