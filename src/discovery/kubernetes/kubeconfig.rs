//! A kubeconfig: how the API server of its current context is reached, and as which user.
//!
//! What director cannot do is an error, not left out: plugins that fetch credentials, passwords,
//! proxies and acting as another user.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::yaml;
use crate::regular;
use crate::words::printable;

/// The longest file, in bytes.
const LONGEST: u64 = 1 << 20;

/// What a kubeconfig says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The URL of the API server.
    pub(super) server: String,
    pub(super) verify: bool,
    /// The name in the server's certificate, if it is not that of the URL.
    pub(super) name: Option<String>,
    pub(super) authorities: Option<Content>,
    /// The client's certificate and its key.
    pub(super) client: Option<(Content, Content)>,
    pub(super) token: Option<Content>,
}

/// Something that is in the file, or in another one.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Content {
    Inline(Vec<u8>),
    File(PathBuf),
}

/// Keeps secrets out of texts.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "current-context", default)]
    current: String,
    contexts: Option<Vec<Named>>,
    clusters: Option<Vec<Named>>,
    users: Option<Vec<Named>>,
}

/// A context, cluster or user.
#[derive(Deserialize)]
struct Named {
    name: String,
    context: Option<Context>,
    cluster: Option<Cluster>,
    user: Option<User>,
}

#[derive(Deserialize, Clone)]
struct Context {
    cluster: String,
    #[serde(default)]
    user: String,
}

#[derive(Deserialize, Clone, Default)]
#[serde(rename_all = "kebab-case", default)]
struct Cluster {
    server: String,
    certificate_authority: String,
    certificate_authority_data: String,
    insecure_skip_tls_verify: bool,
    tls_server_name: String,
    proxy_url: String,
}

#[derive(Deserialize, Clone, Default)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    token: String,
    #[serde(rename = "tokenFile")]
    token_file: String,
    client_certificate: String,
    client_certificate_data: String,
    client_key: String,
    client_key_data: String,
    username: String,
    password: String,
    r#as: String,
    exec: Option<Value>,
    auth_provider: Option<Value>,
}

/// Reads a kubeconfig.
pub(super) fn read(path: &Path) -> Result<Found, String> {
    let bytes = regular::read(path, LONGEST).map_err(|error| error.to_string());
    let found = bytes.and_then(|bytes| {
        let text = String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
        // Relative paths start at the file.
        found(&text, path.parent().unwrap_or(Path::new("/")))
    });
    found.map_err(|why| format!("{}: {why}", path.display()))
}

fn found(text: &str, directory: &Path) -> Result<Found, String> {
    let config: Config = serde_json::from_value(yaml::value(text)?)
        .map_err(|error| format!("not a kubeconfig: {}", printable(&error.to_string())))?;
    if config.current.is_empty() {
        return Err("it has no `current-context`".to_owned());
    }
    let context = named("context", config.contexts, &config.current, |it| it.context)?;
    let cluster = named("cluster", config.clusters, &context.cluster, |it| {
        it.cluster
    })?;
    let user = match context.user.is_empty() {
        true => User::default(),
        false => named("user", config.users, &context.user, |it| it.user)?,
    };
    refuse(&cluster, &user)?;
    let content = |what, data: &str, path: &str| content(what, data, path, directory);
    let certificate = content(
        "client-certificate-data",
        &user.client_certificate_data,
        &user.client_certificate,
    )?;
    let key = content("client-key-data", &user.client_key_data, &user.client_key)?;
    Ok(Found {
        verify: !cluster.insecure_skip_tls_verify,
        name: Some(cluster.tls_server_name).filter(|name| !name.is_empty()),
        authorities: content(
            "certificate-authority-data",
            &cluster.certificate_authority_data,
            &cluster.certificate_authority,
        )?,
        client: match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                return Err(
                    "a client certificate needs its key, and a key its certificate".to_owned(),
                );
            }
        },
        // As kubectl does, the file first: it may be renewed.
        token: match (&*user.token_file, &*user.token) {
            ("", "") => None,
            ("", token) => Some(Content::Inline(token.as_bytes().to_vec())),
            (file, _) => Some(Content::File(directory.join(file))),
        },
        server: match cluster.server.is_empty() {
            true => return Err("the cluster has no `server`".to_owned()),
            false => cluster.server,
        },
    })
}

/// The part with this name.
fn named<T>(
    what: &str,
    all: Option<Vec<Named>>,
    name: &str,
    part: impl Fn(Named) -> Option<T>,
) -> Result<T, String> {
    let mut all = all.unwrap_or_default().into_iter();
    let found = all.find(|one| one.name == name).and_then(part);
    found.ok_or_else(|| format!("it has no {what} `{}`", printable(name)))
}

/// Refuses what would mean another server, or another user, than director reaches.
fn refuse(cluster: &Cluster, user: &User) -> Result<(), String> {
    let is_there = |value: &Option<Value>| value.as_ref().is_some_and(|value| !value.is_null());
    let why = match () {
        () if is_there(&user.exec) => {
            "the user has an `exec` plugin, which director does not run; a token of a service account in \
             `tokenFile` does the same"
        }
        () if is_there(&user.auth_provider) => {
            "the user has an `auth-provider`, which director does not know"
        }
        () if !user.username.is_empty() || !user.password.is_empty() => {
            "the user has a password, which API servers no longer accept"
        }
        () if !user.r#as.is_empty() => {
            "the user acts as another one (`as`), which director does not"
        }
        () if !cluster.proxy_url.is_empty() => {
            "the cluster has a `proxy-url`, which director does not use"
        }
        () => return Ok(()),
    };
    Err(why.to_owned())
}

/// What is in the file as base64, or in another file; the former comes first, as for kubectl.
fn content(
    what: &str,
    data: &str,
    path: &str,
    directory: &Path,
) -> Result<Option<Content>, String> {
    if !data.is_empty() {
        let bytes = STANDARD.decode(data);
        let bytes = bytes.map_err(|_| format!("`{what}` is not base64"))?;
        return Ok(Some(Content::Inline(bytes)));
    }
    let path = (!path.is_empty()).then(|| directory.join(path));
    Ok(path.map(Content::File))
}

#[cfg(test)]
mod tests;
