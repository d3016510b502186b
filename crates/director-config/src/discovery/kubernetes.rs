//! `type = "kubernetes"`: the endpoints of a Service.

use std::fmt;
use std::path::PathBuf;

use super::http::{self, HttpServers};
use super::{Kind, Source};
use crate::code::Code;
use crate::decode::fields::{Field, Fields, shown};
use crate::decode::word::word as word_of;
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::{Key, Shape, key, required, section, text, whole, words};
use crate::kinds::tls::absolute;
use crate::vocabulary::{Word, word};

/// A Service of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KubernetesSource {
    /// How the API server is reached.
    pub access: KubernetesAccess,
    /// The namespace of the Service.
    pub namespace: String,
    /// The Service.
    pub service: String,
    /// The port, if there are several.
    pub port: Option<KubernetesPort>,
    /// The family of addresses.
    pub addresses: AddressType,
}

/// How the API server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KubernetesAccess {
    /// As a pod does, by its service account.
    Account,
    /// As this kubeconfig says.
    Config(PathBuf),
    /// As the service file says.
    Servers {
        /// The API servers.
        servers: HttpServers,
        /// The file with the token.
        token: Option<PathBuf>,
    },
}

/// A port of endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KubernetesPort {
    /// Its name.
    Name(String),
    /// Its number.
    Number(u16),
}

impl fmt::Display for KubernetesPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// The family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AddressType {
    /// IPv4 addresses.
    V4,
    /// IPv6 addresses.
    V6,
    /// Both.
    #[default]
    Both,
}

pub(super) static KUBERNETES: Kind = Kind {
    word: word("kubernetes", "The endpoints of a Service in Kubernetes.").alias(&["k8s", "kube"]),
    section: &SECTION,
    decode,
};

section!(
    SECTION,
    "a kubernetes source",
    "The endpoints of a Service in Kubernetes. Without `url` and `kubeconfig`, director asks as a pod \
     does: by its service account.",
    {
        let mut keys = http::keys(&KUBERNETES.word, "https://192.0.2.1:6443", own());
        for url in keys.iter_mut().filter(|key| key.name == "url") {
            url.required = false;
        }
        keys
    }
);

fn own() -> [Key; 6] {
    [
        required("service", text("app"), "The Service.").alias(&["name", "services"]),
        key("namespace", text("shop"), "Its namespace.")
            .default("default")
            .alias(&["ns", "namespaces"]),
        key(
            "port",
            Shape::Either(vec![whole(1, 65_535), text("http")]),
            "The name or the number of the endpoints' port; needed if they have several.",
        )
        .alias(&["target_port", "targetPort", "port_name"]),
        key("addresses", words(ADDRESSES), "The family of addresses.")
            .default("both")
            .alias(&["family", "address_type", "addressType"]),
        key(
            "kubeconfig",
            text("/etc/director/kubeconfig"),
            "The file that says how the API server is reached, in place of `url`: its current context.",
        )
        .alias(&["config", "kubeconfig_file"]),
        key(
            "token_file",
            text("/etc/director/kubernetes.token"),
            "With `url`: the file with the token; read for each question.",
        )
        .alias(&["token", "bearer_token_file"]),
    ]
}

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<Source> {
    let addresses = fields.get("addresses");
    let addresses = addresses.and_then(|field| word_of(&field, ADDRESSES, findings));
    let port = fields.get("port");
    let port = port.map(|field| port_of(&field, findings));
    let namespace = fields.get("namespace");
    let namespace = namespace.map(|field| label(&field, findings));
    let access = access(fields, findings);
    let service = fields.require("service", findings)?;
    let service = label(&service, findings);
    Some(Source::Kubernetes(KubernetesSource {
        access: access?,
        namespace: namespace.unwrap_or_else(|| Some("default".to_owned()))?,
        service: service?,
        port: match port {
            Some(port) => Some(port?),
            None => None,
        },
        addresses: match addresses {
            Some("ipv4") => AddressType::V4,
            Some("ipv6") => AddressType::V6,
            _ => AddressType::Both,
        },
    }))
}

fn access(fields: &Fields<'_>, findings: &mut Findings) -> Option<KubernetesAccess> {
    let url = fields.get("url");
    let config = fields.get("kubeconfig");
    if url.is_some() && config.is_none() {
        let token = http::secret_file(fields, "token_file", findings);
        let servers = http::servers(fields, findings)?;
        return Some(KubernetesAccess::Servers { servers, token });
    }
    let (named, what) = match &config {
        Some(config) => (Some(config.at), "`kubeconfig` says it"),
        None => (None, "the service account says it"),
    };
    for name in ["url", "token_file", "tls"] {
        let Some(field) = fields.get(name) else {
            continue;
        };
        let message = format!("`{name}` is not used: {what}");
        let mistake = Diagnostic::new(Code::EitherOr, field.at, message).label("not used");
        findings.push(match named {
            Some(at) => mistake.also(at, "how the API server is reached"),
            None => mistake.help("`url` names the API server"),
        });
    }
    match config {
        Some(config) => {
            let path = absolute(&config, findings)?;
            Some(KubernetesAccess::Config(path.into()))
        }
        None => Some(KubernetesAccess::Account),
    }
}

fn port_of(field: &Field<'_>, findings: &mut Findings) -> Option<KubernetesPort> {
    match field.as_text().filter(|_| field.as_whole().is_none()) {
        Some(text) if text.value.is_empty() => {
            let message = "the name of a port is empty";
            findings.push(Diagnostic::new(Code::BadName, field.span(), message));
            None
        }
        Some(text) => Some(KubernetesPort::Name(text.value.to_owned())),
        None => {
            let number = field.whole(findings)?;
            Some(KubernetesPort::Number(number.value))
        }
    }
}

/// A name of Kubernetes: a label of RFC 1123.
fn label(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let text = field.text(findings)?;
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let problem = match text.value.as_bytes() {
        [] => "it is empty",
        long if long.len() > 63 => "it has more than 63 bytes",
        name if !name.iter().all(|byte| is_inner(*byte) || *byte == b'-') => {
            "it has other characters than small letters, digits and hyphens"
        }
        [first, ..] if !is_inner(*first) => "it begins with a hyphen",
        [.., last] if !is_inner(*last) => "it ends with a hyphen",
        _ => return Some(text.value.to_owned()),
    };
    let message = format!(
        "`{}` is not a name of Kubernetes: {problem}",
        shown(text.value)
    );
    findings.push(Diagnostic::new(Code::BadName, field.span(), message));
    None
}

const ADDRESSES: &[Word] = &[
    word("ipv4", "IPv4 addresses.").alias(&["IPv4", "v4", "4"]),
    word("ipv6", "IPv6 addresses.").alias(&["IPv6", "v6", "6"]),
    word("both", "Both, if the Service has both.").alias(&["any", "dual"]),
];
