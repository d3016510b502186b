//! The verbs that talk to a running director.

use std::time::Duration;

use clap::Args as ClapArgs;

use super::{Form, time};
use crate::cli::clock::{moment, until};

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director status\n  director status web --watch\n  director status 'web-*' 10.0.0.12\n  director status --state down,panic\n  director status --rate --watch=1s\n  director status --format json | jq '.services[].servers[] | select(.state == \"down\")'"
)]
pub(crate) struct Status {
    /// Only these: services by name or listen address (`tcp://192.0.2.10:80`, also without
    /// protocol or port), or else servers by name or address. `*` and `?` in a word stand for any
    /// characters, and for one.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Only servers in one of these states, or services: panic, down, held, pending, warming,
    /// drained, disabled, leaving, standby, up; failed, degraded, ok.
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub(crate) state: Vec<String>,
    /// Only services with this name or listen address.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Vec<String>,
    /// Only servers with this name or address.
    #[arg(long, value_name = "SERVER")]
    pub(crate) server: Vec<String>,
    /// One line per service. The default if all servers do not fit the screen.
    #[arg(long, conflicts_with_all = ["stats", "rate"])]
    pub(crate) brief: bool,
    /// All servers, even if they do not fit the screen.
    #[arg(long, conflicts_with_all = ["brief", "stats", "rate"])]
    pub(crate) long: bool,
    /// Show the kernel's counters instead: connections, packets, bytes.
    #[arg(long)]
    pub(crate) stats: bool,
    /// Show the kernel's rates per second instead.
    #[arg(long, conflicts_with = "stats")]
    pub(crate) rate: bool,
    /// Repeat until Ctrl-C.
    #[arg(
        long,
        short,
        value_name = "TIME",
        value_parser = time,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2s"
    )]
    pub(crate) watch: Option<Duration>,
    #[command(flatten)]
    pub(crate) form: Form,
}

// The server of a service, or of all. (Not a doc comment: clap would use it as the verb's.)
#[derive(Debug, ClapArgs)]
pub(crate) struct ServerOf {
    /// Service: its name in the file (all its listen addresses), or one listen address. Default:
    /// every service that has the server.
    #[arg(value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    /// Server: its name in the file, its address, or its address and port.
    #[arg(value_name = "SERVER", required = true)]
    pub(crate) server: String,
}

// The reason and the duration of a setting.
#[derive(Debug, ClapArgs)]
pub(crate) struct Why {
    /// Reason, shown by `director status`.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// End the setting after this time, such as `30m`, `2h`, `7d`.
    #[arg(long = "for", value_name = "TIME", value_parser = days)]
    time: Option<Duration>,
    /// End the setting at this time, such as `18:00`, `2026-11-21 18:00`. Times are local unless
    /// they have a zone (`Z`, `+01:00`).
    #[arg(long = "until", value_name = "TIME", value_parser = until, conflicts_with = "time")]
    end: Option<Duration>,
}

impl Why {
    /// How long the setting lasts, in seconds.
    pub(crate) fn seconds(&self) -> Option<u64> {
        self.time.or(self.end).as_ref().map(Duration::as_secs)
    }
}

// Whether and how long to wait for connections to end.
#[derive(Debug, ClapArgs)]
pub(crate) struct UntilDrained {
    /// Wait until the server's connections are gone, at most this long (default: 1h); the setting
    /// stays in force.
    #[arg(
        long,
        value_name = "TIME",
        value_parser = time,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1h"
    )]
    pub(crate) wait: Option<Duration>,
    /// Stop waiting after this time: the same as --wait=TIME.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "wait")]
    pub(crate) timeout: Option<Duration>,
    /// Wait for active connections only. One that has ended is inactive for two minutes more.
    #[arg(long, requires = "wait")]
    pub(crate) active: bool,
}

impl UntilDrained {
    /// How long to wait, if at all.
    pub(crate) fn time(&self) -> Option<Duration> {
        self.wait.map(|wait| self.timeout.unwrap_or(wait))
    }
}

// Whether and how long to wait for checks.
#[derive(Debug, ClapArgs)]
pub(crate) struct UntilUp {
    /// Wait until the server's checks pass again, at most this long (default: 10m).
    #[arg(
        long,
        value_name = "TIME",
        value_parser = time,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10m"
    )]
    pub(crate) wait: Option<Duration>,
    /// Stop waiting after this time: the same as --wait=TIME.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "wait")]
    pub(crate) timeout: Option<Duration>,
}

impl UntilUp {
    /// How long to wait, if at all.
    pub(crate) fn time(&self) -> Option<Duration> {
        self.wait.map(|wait| self.timeout.unwrap_or(wait))
    }
}

#[derive(Debug, ClapArgs)]
#[command(
    allow_missing_positional = true,
    after_help = "Examples:\n  director drain web app2 --reason 'kernel update' --for 2h\n  director drain tcp://192.0.2.10:80 10.0.0.12 --wait=10m && reboot-it\n  director drain 10.0.0.12 --wait=10m    # in every service"
)]
pub(crate) struct Drain {
    #[command(flatten)]
    pub(crate) of: ServerOf,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) until: UntilDrained,
    /// Proceed even if a service is left without a usable server.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    allow_missing_positional = true,
    after_help = "Examples:\n  director undrain web app2\n  director undrain 10.0.0.12 --wait=2m     # in every service"
)]
pub(crate) struct Undrain {
    #[command(flatten)]
    pub(crate) of: ServerOf,
    #[command(flatten)]
    pub(crate) until: UntilUp,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director weight web app2 20 --reason 'small machine' --for 7d\n  director weight web app2 declared"
)]
pub(crate) struct Weight {
    /// Service: its name in the file (all its listen addresses), or one listen address.
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// Server: its name in the file, its address, or its address and port.
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    /// 0 to 2147483647, or `declared` for the file's weight.
    #[arg(value_name = "WEIGHT", value_parser = weight)]
    pub(crate) weight: Weighting,
    #[command(flatten)]
    pub(crate) why: Why,
    /// Proceed even if a weight of 0 leaves a service without a usable server.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director disable 10.0.0.12 --reason 'new disks'\n  director disable app2 --for 2h --wait=10m"
)]
pub(crate) struct Disable {
    /// Address of the machine, or its name in the file.
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) until: UntilDrained,
    /// Proceed even if a service is left without a usable server.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  director enable 10.0.0.12\n  director enable app2 --wait=2m")]
pub(crate) struct Enable {
    /// Address of the machine, or its name in the file.
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) until: UntilUp,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director reload\n  director check /etc/director/director.toml && director reload"
)]
pub(crate) struct Reload {
    /// Proceed even if this takes away more of a service than the policy allows.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director events\n  director events --since 2h --service web --kind server-down,server-up\n  director events --since '2026-11-21 13:00' --server 10.0.0.12\n  director events --follow\n  director events --follow --format json | jq 'select(.kind == \"server-down\")'"
)]
pub(crate) struct Events {
    /// Keep printing new events until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Start with the event of this number.
    #[arg(long, value_name = "NUMBER", conflicts_with = "last")]
    pub(crate) from: Option<u64>,
    /// Start with this many past events; default: all that are kept, or 10 with --follow.
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub(crate) last: Option<u64>,
    /// Only events since this time: `10m`, `2h`, `7d` ago, `13:00`, `2026-11-21 13:00`,
    /// `yesterday`. Times are local unless they have a zone (`Z`, `+01:00`).
    #[arg(long, short = 'S', value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<u64>,
    /// Only events about services with this name or listen address, in the forms of `status`.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Vec<String>,
    /// Only events about servers with this name or address.
    #[arg(long, value_name = "SERVER")]
    pub(crate) server: Vec<String>,
    /// Only events of these kinds, such as `server-down`; any other word lists them all.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) kind: Vec<String>,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// A weight to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weighting {
    /// The file's weight.
    Declared,
    /// This weight.
    Set(ipvs::Weight),
}

fn weight(text: &str) -> Result<Weighting, String> {
    if text == "declared" {
        return Ok(Weighting::Declared);
    }
    let number = text.parse::<u32>().ok().and_then(ipvs::Weight::new);
    number
        .map(Weighting::Set)
        .ok_or_else(|| "expected 0 to 2147483647, or `declared`".to_owned())
}

/// Parses a time such as `90s`, `30m`, `2h`, `7d`: whole seconds, at most ten years.
fn days(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 90s, 30m, 2h or 7d, at most 3650d".to_owned();
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(unit)
        .filter(|seconds| (1..=3650 * 86_400).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_settings() {
        assert_eq!(days("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(days("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "0s", "5", "2w", "-1h", "3651d", "18446744073709551615d"] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn weights() {
        assert_eq!(weight("declared"), Ok(Weighting::Declared));
        assert_eq!(weight("0"), Ok(Weighting::Set(ipvs::Weight::ZERO)));
        assert_eq!(weight("2147483647"), Ok(Weighting::Set(ipvs::Weight::MAX)));
        for wrong in ["", "-1", "2147483648", "default", "1.5"] {
            assert!(weight(wrong).is_err(), "{wrong}");
        }
    }
}
