//! How the API server is reached, and as whom: by the service account of a pod, a kubeconfig, or the
//! service file. Tokens, certificates and kubeconfigs are read again for each request.

use std::env;
use std::path::{Path, PathBuf};

use super::kubeconfig::{self, Content, Found};
use crate::discovery::http::{Contents, Http};
use crate::discovery::secret;
use crate::state::discovery::{HttpServers, HttpUrl, KubernetesAccess};
use crate::state::health::TlsSpec;

/// Where a pod has its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The variables that tell a pod where the API server is.
const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT";

/// The way, and the client for it.
pub(super) struct Access {
    way: Way,
    open: Option<(Reached, Http)>,
}

enum Way {
    /// The same all the time, or why there is none.
    Fixed(Result<Reached, String>),
    /// As this kubeconfig says at the time.
    Config(PathBuf),
}

/// The server, and what it should see of the client.
#[derive(Clone, PartialEq, Eq)]
struct Reached {
    servers: HttpServers,
    /// Contents of files that the settings of TLS name, but that are not there.
    contents: Contents,
    token: Option<Content>,
}

impl Access {
    pub(super) fn new(access: &KubernetesAccess) -> Self {
        match access {
            KubernetesAccess::Account => {
                Self::of_account(Path::new(ACCOUNT), |name| env::var(name).ok())
            }
            KubernetesAccess::Config(path) => Self::by(Way::Config(path.clone())),
            KubernetesAccess::Servers { servers, token } => Self::by(Way::Fixed(Ok(Reached {
                servers: servers.clone(),
                contents: Contents::new(),
                token: token.clone().map(Content::File),
            }))),
        }
    }

    /// As a pod does, with the account in this directory.
    pub(super) fn of_account(
        directory: &Path,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Self {
        Self::by(Way::Fixed(account(directory, environment)))
    }

    fn by(way: Way) -> Self {
        Self { way, open: None }
    }

    /// The client, and the token of its next request.
    pub(super) fn ready(&mut self) -> Result<(&mut Http, Option<String>), String> {
        let reached = match &self.way {
            Way::Fixed(reached) => reached.clone()?,
            Way::Config(path) => configured(path, kubeconfig::read(path)?)?,
        };
        let token = match &reached.token {
            None => None,
            Some(Content::File(path)) => Some(secret::read(path)?),
            Some(Content::Inline(token)) => Some(secret::of(token).map_err(str::to_owned)?),
        };
        let open = self.open.take().filter(|(open, _)| *open == reached);
        let (_, http) = match open {
            Some(open) => self.open.insert(open),
            None => {
                let http = Http::with_contents(&reached.servers, reached.contents.clone())?;
                self.open.insert((reached, http))
            }
        };
        Ok((http, token))
    }
}

fn account(
    directory: &Path,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Reached, String> {
    let variable = |name: &str| {
        let value = environment(name);
        value.ok_or_else(|| {
            format!(
                "{name} is not set: outside a pod, `url` or `kubeconfig` has to name the API server"
            )
        })
    };
    let (host, port) = (variable(HOST)?, variable(PORT)?);
    let port = port.parse().map_err(|_| format!("{PORT} is no port"))?;
    let url = HttpUrl {
        is_tls: true,
        host,
        port,
        prefix: String::new(),
    };
    let tls = TlsSpec {
        ca: Some(directory.join("ca.crt")),
        ..TlsSpec::default()
    };
    Ok(Reached {
        servers: HttpServers {
            urls: vec![url],
            tls,
        },
        contents: Contents::new(),
        token: Some(Content::File(directory.join("token"))),
    })
}

fn configured(path: &Path, found: Found) -> Result<Reached, String> {
    let mut contents = Contents::new();
    // What is in the file itself gets a path that says so.
    let mut place = |content: Content, what: &str| match content {
        Content::File(path) => path,
        Content::Inline(bytes) => {
            let inside = path.join(what);
            contents.insert(inside.clone(), bytes);
            inside
        }
    };
    let ca = found.authorities.filter(|_| found.verify);
    let ca = ca.map(|ca| place(ca, "certificate-authority-data"));
    let (certificate, key) = match found.client {
        Some((certificate, key)) => (
            Some(place(certificate, "client-certificate-data")),
            Some(place(key, "client-key-data")),
        ),
        None => (None, None),
    };
    let url = found.server.parse::<HttpUrl>();
    let url = url.map_err(|why| format!("{}: the `server` is no URL: {why}", path.display()))?;
    let tls = TlsSpec {
        verify: found.verify,
        name: found.name,
        ca,
        certificate,
        key,
    };
    Ok(Reached {
        servers: HttpServers {
            urls: vec![url],
            tls,
        },
        contents,
        token: found.token,
    })
}
