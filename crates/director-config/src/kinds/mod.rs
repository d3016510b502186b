//! The kinds of checks: each has its own file, and one line in the list below.
//!
//! ```text
//!   tcp.rs     word, keys, decode, verify, facts ─► Kind ─┐
//!   http.rs    ...                                        ├─► kinds! ─► CheckKind, WORDS, SECTIONS
//!   idle.rs    ...                                        ┘
//! ```
//!
//! The decoder, the messages, the schema and the reference use [`Kind`]; the checks and the daemon
//! use its [`Facts`]. None of them names a kind. `director-check` matches [`CheckKind`] without a
//! wildcard, so a kind without code to run it does not compile.

pub(crate) mod bytes;
pub(crate) mod login;
pub(crate) mod tls;

mod agent;
mod dns;
mod exec;
mod file;
mod grpc;
pub(crate) mod http;
mod idle;
mod mysql;
mod ping;
mod postgres;
mod redis;
mod smtp;
mod tcp;
mod udp;

/// The sections of some kinds, by the kind's name.
pub(crate) mod sections {
    pub(crate) use super::dns::SECTION as DNS_CHECK;
    pub(crate) use super::exec::SECTION as EXEC_CHECK;
    pub(crate) use super::file::SECTION as FILE_CHECK;
    pub(crate) use super::http::HTTP_CHECK;
    pub(crate) use super::redis::SECTION as REDIS_CHECK;
    pub(crate) use super::smtp::SECTION as SMTP_CHECK;
    pub(crate) use super::tcp::SECTION as TCP_CHECK;
    pub(crate) use super::udp::SECTION as UDP_CHECK;
}

use crate::decode::fields::Fields;
use crate::diagnostic::Findings;
use crate::keys::{self, Key, Section};
use crate::model::{CheckDecl, Checked};
use crate::vocabulary::Word;
pub use agent::AgentCheck;
pub use bytes::Expect;
pub use dns::{DnsAnswer, DnsCheck, DnsType};
pub use exec::ExecCheck;
pub use file::FileCheck;
pub use grpc::GrpcCheck;
pub use http::{HttpCheck, WeightFrom};
pub use idle::IdleCheck;
pub use login::LoginCheck;
pub use mysql::MYSQL_PORTS;
pub use ping::PingCheck;
pub use smtp::SmtpCheck;
pub use tcp::TcpCheck;
pub use tls::TlsSpec;
pub use udp::UdpCheck;

/// A kind of check, as the service file has it.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The word for `type`.
    pub(crate) word: Word,
    /// Its keys, including those of all checks.
    pub(crate) section: &'static Section,
    /// Decodes its settings; `None` if a required one is missing.
    pub(crate) decode: fn(&Fields<'_>, &mut Findings) -> Option<CheckKind>,
    /// Reports its mistakes for these servers.
    pub(crate) verify: fn(&CheckDecl, &Checked<'_>, &mut Findings),
    /// Its TLS settings, whose files must exist.
    pub(crate) tls: fn(&CheckKind) -> Option<&TlsSpec>,
    /// Groups of equivalent keys: a check that sets one inherits none of the others.
    pub(crate) instead: &'static [&'static [&'static str]],
    /// Another kind with which it shares keys by inheritance.
    pub(crate) like: &'static str,
    pub(crate) facts: Facts,
}

/// What the code that runs a check must know of its kind.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The port it uses.
    pub port: CheckPort,
    /// Whether it can go through the forwarding path.
    pub through: Through,
    /// Whether its command or path names service and server, so that no two of them share it.
    pub names_service: bool,
    /// Whether it starts a program.
    pub starts_program: bool,
    /// Whether the server counts an aborted check against this machine.
    pub must_end: bool,
}

impl Facts {
    /// Facts of a check that makes a TCP connection to the server's port.
    const CONNECTS: Self = Self {
        port: CheckPort::Server { usual: 80 },
        through: Through::Connection,
        names_service: false,
        starts_program: false,
        must_end: false,
    };

    /// The same for servers that usually listen on another port than 80.
    const fn on(usual: u16) -> Self {
        Self {
            port: CheckPort::Server { usual },
            ..Self::CONNECTS
        }
    }
}

/// The port of a check without `port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckPort {
    /// None: the kind has no ports.
    None,
    /// The server's port.
    Server {
        /// The usual port of such servers: an example for messages.
        usual: u16,
    },
    /// Not the server's port: `port` is required.
    Own {
        /// The reason.
        why: &'static str,
        /// An example for messages.
        usual: u16,
    },
}

/// Whether a check can go to the virtual address through the forwarding path.
#[derive(Debug, Clone, Copy)]
pub enum Through {
    /// Yes, as a TCP connection, which keeps its source port busy after its end.
    Connection,
    /// Yes, as a datagram.
    Datagram,
    /// Yes, as one of the two.
    Either {
        /// Whether this check uses a datagram.
        datagram: fn(&CheckKind) -> bool,
    },
    /// No: what it asks "listens on the server's own address".
    Never(&'static str),
}

impl Kind {
    const fn new(
        word: Word,
        section: &'static Section,
        decode: fn(&Fields<'_>, &mut Findings) -> Option<CheckKind>,
    ) -> Self {
        Self {
            word,
            section,
            decode,
            verify: |_, _, _| {},
            tls: |_| None,
            instead: &[],
            like: word.name,
            facts: Facts::CONNECTS,
        }
    }

    const fn facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    const fn verify(mut self, verify: fn(&CheckDecl, &Checked<'_>, &mut Findings)) -> Self {
        self.verify = verify;
        self
    }

    const fn tls(mut self, tls: fn(&CheckKind) -> Option<&TlsSpec>) -> Self {
        self.tls = tls;
        self
    }

    const fn instead(mut self, instead: &'static [&'static [&'static str]]) -> Self {
        self.instead = instead;
        self
    }

    const fn like(mut self, other: &'static str) -> Self {
        self.like = other;
        self
    }

    /// All keys of the kind: `type`, its own, and the common ones.
    fn keys(&'static self, own: impl IntoIterator<Item = Key>) -> Vec<Key> {
        let mut keys = vec![keys::key_type(std::slice::from_ref(&self.word))];
        keys.extend(own);
        keys.extend(keys::common());
        keys
    }
}

macro_rules! kinds {
    ($($variant:ident($spec:ty) is $kind:path $(, or $other:path where ($pattern:pat))?;)*) => {
        /// What a check asks of a server.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the types in them say it")]
        pub enum CheckKind {
            $($variant($spec),)*
        }

        impl CheckKind {
            pub(crate) fn kind(&self) -> &'static Kind {
                match self {
                    $(
                        $(Self::$variant($pattern) => &$other,)?
                        Self::$variant(_) => &$kind,
                    )*
                }
            }
        }

        /// All kinds.
        static KINDS: [&Kind; COUNT] = [$(&$kind, $(&$other,)?)*];
        const COUNT: usize = [$(stringify!($kind), $(stringify!($other),)?)*].len();
    };
}

kinds! {
    Tcp(TcpCheck) is tcp::TCP;
    Http(HttpCheck) is http::HTTP, or http::HTTPS where (HttpCheck { tls: Some(_), .. });
    Grpc(GrpcCheck) is grpc::GRPC;
    Udp(UdpCheck) is udp::UDP;
    Dns(DnsCheck) is dns::DNS;
    Smtp(SmtpCheck) is smtp::SMTP;
    Redis(LoginCheck) is redis::REDIS;
    Mysql(LoginCheck) is mysql::MYSQL;
    Postgres(LoginCheck) is postgres::POSTGRES;
    Ping(PingCheck) is ping::PING;
    Exec(ExecCheck) is exec::EXEC;
    File(FileCheck) is file::FILE;
    Agent(AgentCheck) is agent::AGENT;
    Idle(IdleCheck) is idle::IDLE;
}

/// The words of `type`, in the order of the list.
pub(crate) static WORDS: [Word; COUNT] = {
    let mut words = [KINDS[0].word; COUNT];
    let mut at = 0;
    while at < COUNT {
        words[at] = KINDS[at].word;
        at += 1;
    }
    words
};

/// The sections of the kinds, in the order of [`WORDS`].
pub(crate) static SECTIONS: [&Section; COUNT] = {
    let mut sections = [KINDS[0].section; COUNT];
    let mut at = 0;
    while at < COUNT {
        sections[at] = KINDS[at].section;
        at += 1;
    }
    sections
};

/// The kind of this name.
pub(crate) fn named(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.word.name == name).copied()
}

impl CheckKind {
    /// The names of all kinds, in the order of the list.
    pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
        KINDS.iter().map(|kind| kind.word.name)
    }

    /// Its place among [`CheckKind::names`].
    #[must_use]
    pub fn index(&self) -> usize {
        // Each kind is one static, so its address identifies it.
        let own = |kind: &&Kind| std::ptr::eq(*kind, self.kind());
        KINDS.iter().position(own).unwrap_or_default()
    }

    /// Its name in the service file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().word.name
    }

    /// The facts about its kind.
    #[must_use]
    pub fn facts(&self) -> &'static Facts {
        &self.kind().facts
    }

    /// Whether it needs a port.
    #[must_use]
    pub fn needs_port(&self) -> bool {
        self.facts().port != CheckPort::None
    }
}
