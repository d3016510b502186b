//! `type = "etcd"`: the keys below a prefix.

use std::path::PathBuf;

use super::http::{self, HttpServers, secret_file};
use super::{Kind, Source};
use crate::code::Code;
use crate::decode::fields::{Field, Fields};
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::{key, required, section, text};
use crate::vocabulary::word;

/// The longest prefix, in bytes: no request becomes long by it.
const LONGEST: usize = 1024;

/// Keys of an etcd cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EtcdSource {
    /// Its members.
    pub servers: HttpServers,
    /// What the keys begin with; its last character is a slash.
    pub prefix: String,
    /// Who logs in, if anyone has to.
    pub login: Option<Login>,
}

/// A user, and the file with the password.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Login {
    /// The name of the user.
    pub user: String,
    /// An absolute path. Its file is read again for each login.
    pub password_file: PathBuf,
}

pub(super) static ETCD: Kind = Kind {
    word: word("etcd", "The keys below a prefix in etcd, version 3.").alias(&["etcd3", "etcdv3"]),
    section: &SECTION,
    decode,
};

section!(
    SECTION,
    "an etcd source",
    "The keys below a prefix in etcd, version 3: a server each.",
    http::keys(&ETCD.word, "http://10.0.0.5:2379", [
        required(
            "prefix",
            text("/services/app/"),
            "What the keys of the servers begin with; a slash is added if its last character is none.",
        )
        .alias(&["path", "root"]),
        key("user", text("director"), "The user to log in.").alias(&["login", "username"]),
        key(
            "password_file",
            text("/etc/director/etcd.password"),
            "The absolute path of the file with the password. It is read again for each login.",
        )
        .alias(&["password", "passwd", "pass"]),
    ])
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<Source> {
    let prefix = fields.require("prefix", findings);
    let prefix = prefix.and_then(|field| prefix_of(&field, findings));
    let login = login(fields, findings);
    let servers = http::servers(fields, findings)?;
    Some(Source::Etcd(EtcdSource {
        servers,
        prefix: prefix?,
        login,
    }))
}

fn prefix_of(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let text = field.text(findings)?;
    let problem = match text.value {
        "" => "the prefix is empty",
        prefix if prefix.len() > LONGEST => "the prefix has more than 1024 bytes",
        prefix if prefix.contains(char::is_control) => "the prefix contains a control character",
        prefix if prefix.ends_with('/') => return Some(prefix.to_owned()),
        // `/app` must not take the servers of `/app2`.
        prefix => return Some(format!("{prefix}/")),
    };
    findings.push(Diagnostic::new(Code::BadName, field.span(), problem));
    None
}

fn login(fields: &Fields<'_>, findings: &mut Findings) -> Option<Login> {
    let user = fields.get("user");
    let file = secret_file(fields, "password_file", findings);
    for (one, other) in [("user", "password_file"), ("password_file", "user")] {
        if let (Some(field), None) = (fields.get(one), fields.get(other)) {
            let message = format!("`{one}` needs `{other}`");
            findings.push(
                Diagnostic::new(Code::MissingKey, field.at, message)
                    .label(format!("`{other}` is missing")),
            );
        }
    }
    let user = user?.text(findings)?.value.to_owned();
    Some(Login {
        user,
        password_file: file?,
    })
}
