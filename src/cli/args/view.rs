//! The verbs that only look, and may use the view socket.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args as ClapArgs, ValueEnum, ValueHint};

use super::{Form, time};
use crate::connections::{Net, Top, Who};
use crate::metrics::Format;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director connections --service web --client 10.1.0.0/16\n  director connections --server app2 --state established\n  director connections --top clients\n  director connections --top servers --service web --watch"
)]
pub(crate) struct Connections {
    /// Only connections to this service: a name in the file, or a listen address.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Vec<String>,
    /// Only connections to this server: a name in the file, an address, or an address and port.
    #[arg(long, value_name = "SERVER")]
    pub(crate) server: Vec<String>,
    /// Only connections of clients in this network, such as `10.1.0.0/16`, or of this client.
    #[arg(long, value_name = "NET")]
    pub(crate) client: Vec<Net>,
    /// Only connections in this state, such as `established`, `fin_wait`, `udp`.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Vec<String>,
    /// Count instead: the clients, servers or services with the most entries.
    #[arg(long, value_name = "WHICH")]
    pub(crate) top: Option<Top>,
    /// At most this many rows. [default: with --top 10, otherwise all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Repeat until Ctrl-C.
    #[arg(
        long,
        short = 'w',
        value_name = "TIME",
        value_parser = time,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2s",
        requires = "top"
    )]
    pub(crate) watch: Option<Duration>,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director why web 198.51.100.7\n  director why tcp://192.0.2.10:443 198.51.100.7:50000"
)]
pub(crate) struct Explain {
    /// Service: a name in the file, or a listen address.
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// The client's address, or one connection of it: `192.0.2.7`, `192.0.2.7:50000`.
    #[arg(value_name = "CLIENT[:PORT]")]
    pub(crate) client: Who,
    /// The address that the client connects to, for firewall-mark services under `dh`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) to: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director top\n  director top --interval 5s\n  director top --netns blue"
)]
pub(crate) struct Live {
    /// The time between two readings, at least 200ms. A large table is read less often.
    #[arg(long, short = 'i', value_name = "TIME", value_parser = time, default_value = "1s")]
    pub(crate) interval: Duration,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director web\n  director web --listen 192.0.2.7:9180 --host lb1.example.net --tls-cert cert.pem --tls-key key.pem --token-file token"
)]
pub(crate) struct Web {
    /// Address and port to listen on. Beyond this machine only with TLS and a token.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9180")]
    pub(crate) listen: SocketAddr,
    /// View socket of the director. [default: view.sock beside the control socket]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) view_socket: Option<PathBuf>,
    /// Also answer requests for this host name. Those for the address are always answered, and on this
    /// machine those for `localhost`.
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    /// Certificate and its chain for TLS, PEM.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// File with the token: at least 32 characters, not readable by others. Scrapers send it as
    /// `Authorization: Bearer`, people type it once.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) token_file: Option<PathBuf>,
}

impl ValueEnum for Top {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.words()))
    }
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director metrics\n  director metrics web --servers none\n  director metrics --output /var/lib/prometheus/node-exporter/director.prom"
)]
pub(crate) struct Metrics {
    /// Only these, with their servers: a name in the file, or a listen address. Without any, the
    /// director itself and all services.
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Whether servers have series of their own: all, or none. By default only in a table of at
    /// most 1000 servers.
    #[arg(long, value_name = "WHICH")]
    pub(crate) servers: Option<WhichServers>,
    /// Write to this file, which is replaced as a whole, as a textfile directory of `node_exporter` needs it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Format: Prometheus' text format, or OpenMetrics.
    #[arg(long, value_name = "FORM", default_value = "prometheus")]
    pub(crate) format: MetricsFormat,
}

/// Whether servers have series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhichServers {
    All,
    None,
}

impl WhichServers {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::None => "none",
        }
    }
}

/// The format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricsFormat {
    Prometheus,
    Openmetrics,
}

impl MetricsFormat {
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => Format::Prometheus.media_type(),
            Self::Openmetrics => Format::OpenMetrics.media_type(),
        }
    }
}

/// The path of the view socket that belongs to a control socket: `view.sock` beside
/// `control.sock`, and `NAME.view.sock` beside `NAME.sock`.
pub(crate) fn view_of(control: &Path) -> PathBuf {
    let name = control.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".sock").unwrap_or(&name);
    control.with_file_name(match stem {
        "control" => "view.sock".to_owned(),
        other => format!("{other}.view.sock"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_control_socket_has_a_view_socket_of_its_own() {
        let view = |control: &str| view_of(Path::new(control)).display().to_string();
        assert_eq!(
            view("/run/director/control.sock"),
            "/run/director/view.sock"
        );
        assert_eq!(
            view("/run/director/netns-a.sock"),
            "/run/director/netns-a.view.sock"
        );
        assert_eq!(view("./one"), "./one.view.sock");
        assert_eq!(view("two.sock"), "two.view.sock");
    }
}
