//! One health check: what is asked, how often, and from where.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::state::Share;

/// A health check as declared, the same for all servers that have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CheckSpec {
    /// What is asked.
    pub kind: CheckKind,
    /// How often, and how many answers make a verdict.
    pub pace: Pace,
    /// Where it goes, and what it leaves with.
    pub at: CheckAt,
}

/// How often a server is checked, and how many answers make a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pace {
    /// From the start of a check to the start of the next, 10 ms to a day.
    pub interval: Duration,
    /// The interval while the verdict is open: from the first answer that speaks against the
    /// verdict until it stands again.
    pub fast_interval: Duration,
    /// From connecting to the last byte, 1 ms to an hour. A check that takes longer than the
    /// interval delays the next; two of one target never overlap.
    pub timeout: Duration,
    /// So many successes in a row bring a server back, at least 1.
    pub rise: u32,
    /// So many failures in a row take a server out, at least 1.
    pub fall: u32,
    /// Each interval is longer or shorter by up to this part of it, so that many checks do not
    /// march in step. At most 50 %.
    pub jitter: Share,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
            jitter: Share::percent(5),
        }
    }
}

/// Where a check goes, and what it leaves with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CheckAt {
    /// Another address than the server's.
    pub address: Option<IpAddr>,
    /// Another port than the server's. A server of a firewall mark without a port needs one.
    pub port: Option<u16>,
    /// The source addresses, at most one of each family.
    pub source: Vec<IpAddr>,
    /// The firewall mark of its packets (`SO_MARK`).
    pub mark: Option<u32>,
    /// Through the forwarding path: to the virtual address, on that very server. For `dr` and
    /// `tun` only.
    pub through: bool,
}

/// How several checks of one server make one verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Combine {
    /// Up when all of them are.
    #[default]
    All,
    /// Up when one of them is.
    Any,
}

/// What is asked of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CheckKind {
    /// It accepts a connection, and says what it should.
    Tcp(TcpCheck),
    /// It answers an HTTP or HTTPS request.
    Http(HttpCheck),
    /// `grpc.health.v1.Health/Check` says `SERVING`.
    Grpc(GrpcCheck),
    /// It answers a datagram, or at least does not refuse it.
    Udp(UdpCheck),
    /// It answers a DNS question.
    Dns(DnsCheck),
    /// It greets, and takes a `HELO`.
    Smtp(SmtpCheck),
    /// It answers `PING`.
    Redis(LoginCheck),
    /// It greets, and lets a user in where one is named.
    Mysql(LoginCheck),
    /// It answers a start-up message.
    Postgres(LoginCheck),
    /// It answers an ICMP echo request.
    Ping(PingCheck),
    /// A program says so.
    Exec(ExecCheck),
    /// A file does not say otherwise.
    File(FileCheck),
    /// An agent on the server says so, in HAProxy's agent-check protocol.
    Agent(AgentCheck),
}

impl CheckKind {
    /// Its name in the service file.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Http(HttpCheck { tls: None, .. }) => "http",
            Self::Http(_) => "https",
            Self::Grpc(_) => "grpc",
            Self::Udp(_) => "udp",
            Self::Dns(_) => "dns",
            Self::Smtp(_) => "smtp",
            Self::Redis(_) => "redis",
            Self::Mysql(_) => "mysql",
            Self::Postgres(_) => "postgres",
            Self::Ping(_) => "ping",
            Self::Exec(_) => "exec",
            Self::File(_) => "file",
            Self::Agent(_) => "agent",
        }
    }

    /// Whether it needs a port.
    #[must_use]
    pub const fn needs_port(&self) -> bool {
        !matches!(self, Self::Ping(_) | Self::Exec(_) | Self::File(_))
    }
}

/// What an answer must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expect {
    /// These bytes, anywhere in it.
    Contains(Vec<u8>),
    /// Something that this regular expression matches; it is known to be one.
    Matches(String),
}

/// Where a dynamic weight, in percent of the declared one, is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WeightFrom {
    /// In a header of the answer.
    Header(String),
    /// In the first word of the body.
    Body,
}

/// A TCP connection, with something sent and expected where that is said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TcpCheck {
    /// What is sent once connected.
    pub send: Vec<u8>,
    /// What has to come back.
    pub expect: Option<Expect>,
}

/// TLS, as a client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsSpec {
    /// Whether the certificate is verified.
    pub verify: bool,
    /// The name that is asked for (SNI) and verified; else the `Host` header's, else the address.
    pub name: Option<String>,
    /// The authorities to trust (PEM) instead of the system's.
    pub ca: Option<PathBuf>,
    /// A client certificate (PEM), with its chain.
    pub certificate: Option<PathBuf>,
    /// Its key (PEM); else it stands in the certificate's file.
    pub key: Option<PathBuf>,
}

impl Default for TlsSpec {
    fn default() -> Self {
        Self {
            verify: true,
            name: None,
            ca: None,
            certificate: None,
            key: None,
        }
    }
}

/// An HTTP/1.1 request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpCheck {
    /// HTTPS.
    pub tls: Option<TlsSpec>,
    /// `GET`, `HEAD`, `OPTIONS`, ...
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The `Host` header; else the address checked.
    pub host: Option<String>,
    /// Further headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The status codes that are well, as ranges with both ends.
    pub status: Vec<(u16, u16)>,
    /// What the body must hold; the first mebibyte of it is looked at.
    pub body: Option<Expect>,
    /// Where a dynamic weight is read.
    pub weight: Option<WeightFrom>,
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self {
            tls: None,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: None,
            headers: Vec::new(),
            status: vec![(200, 399)],
            body: None,
            weight: None,
        }
    }
}

/// The gRPC health protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct GrpcCheck {
    /// Which service of the server; empty for the server as a whole.
    pub service: String,
    /// The `:authority`; else the address checked.
    pub authority: Option<String>,
    /// gRPC over TLS.
    pub tls: Option<TlsSpec>,
}

/// A datagram.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UdpCheck {
    /// What is sent.
    pub send: Vec<u8>,
    /// What has to come back. Without it silence is well, and only an ICMP error is not.
    pub expect: Option<Expect>,
}

/// The type of a DNS question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs, reason = "they are called as in the RFCs")]
pub enum DnsType {
    #[default]
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

/// What a DNS answer must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DnsAnswer {
    /// One record with this data, as written in a zone file.
    Data(String),
    /// Any record of the type asked for.
    Any,
}

/// A DNS question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsCheck {
    /// The name asked for.
    pub name: String,
    /// Its type.
    pub kind: DnsType,
    /// The response code that is well, 0 (`NOERROR`) by default.
    pub rcode: u16,
    /// What has to be in the answer.
    pub answer: Option<DnsAnswer>,
    /// Over TCP.
    pub tcp: bool,
}

/// An SMTP greeting.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct SmtpCheck {
    /// What is said in `HELO`; else this machine's name.
    pub hello: Option<String>,
}

/// A handshake of Redis, MySQL or PostgreSQL.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct LoginCheck {
    /// Who logs in; without it the greeting is enough.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<String>,
    /// Into which database.
    pub database: Option<String>,
}

/// Ports on which MySQL, MariaDB and MySQL Router usually listen. They count every connection that
/// ends before it has logged in as an error of its address, and block the address after 100.
pub const MYSQL_PORTS: [u16; 6] = [3306, 3307, 3308, 6446, 6447, 33060];

/// A password does not go into a log.
impl std::fmt::Debug for LoginCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginCheck")
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("database", &self.database)
            .finish()
    }
}

/// An ICMP echo request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PingCheck {
    /// How many bytes it carries, 0 to 65,000.
    pub size: u16,
}

impl Default for PingCheck {
    fn default() -> Self {
        Self { size: 56 }
    }
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExecCheck {
    /// The program and its arguments; with `shell`, one line for `/bin/sh -c`.
    pub command: Vec<String>,
    /// Through the shell.
    pub shell: bool,
    /// Its first line of output is a dynamic weight in percent.
    pub weight: bool,
}

/// A file that says whether a server is out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileCheck {
    /// Its path; `{service}`, `{server}`, `{address}` and `{port}` in it are replaced. Where there
    /// is no such file the server is well. Its first line is read as an agent's answer is; an
    /// empty file says `drain`.
    pub path: String,
}

/// An agent, on a port of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AgentCheck {
    /// What is sent once connected.
    pub send: Vec<u8>,
}
