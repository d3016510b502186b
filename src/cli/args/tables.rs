//! The verbs that carry a service file to the kernel, and back.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum, ValueHint};
use ipvs::ServiceKey;

use super::{Form, UNIT_FILE, time};
use crate::cli::clock::moment;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director check\n  director check --strict /etc/director/director.toml\n  generate | director check -"
)]
pub(crate) struct Check {
    /// Service files, TOML or (by their extension) JSON; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, default_value = UNIT_FILE)]
    pub(crate) files: Vec<PathBuf>,
    /// Treat warnings as errors, except for those that the file allows by `allow`.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Read the file as this machine does, by its `[machine.NAME]`. [default: the host name]
    #[arg(long, value_name = "NAME", env = "DIRECTOR_MACHINE", hide_env = true)]
    pub(crate) machine: Option<String>,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director discover app\n  director discover app /etc/director/director.toml --format json"
)]
pub(crate) struct Discover {
    /// Pool with `discover`.
    #[arg(value_name = "POOL")]
    pub(crate) pool: String,
    /// Service file, TOML or (by its extension) JSON; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, default_value = UNIT_FILE)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director plan /etc/director/director.toml\n  director plan /etc/director/director.toml --out tonight.plan && director apply tonight.plan"
)]
pub(crate) struct Plan {
    /// Service file.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Read the file as this machine does, by its `[machine.NAME]`. [default: the host name]
    #[arg(long, value_name = "NAME", env = "DIRECTOR_MACHINE", hide_env = true)]
    pub(crate) machine: Option<String>,
    #[command(flatten)]
    pub(crate) form: Form,
    /// Also save the plan, for `director apply PLAN`.
    #[arg(long, value_name = "PLAN", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    // As in terraform; `plan` has these exit codes in any case.
    #[arg(long, hide = true)]
    detailed_exitcode: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director apply /etc/director/director.toml\n  director apply /etc/director/director.toml --yes --confirm-within 60s && director confirm"
)]
pub(crate) struct Apply {
    /// Service file, or a plan saved by `director plan --out`.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Read the file as this machine does, by its `[machine.NAME]`. [default: the host name]
    #[arg(long, value_name = "NAME", env = "DIRECTOR_MACHINE", hide_env = true)]
    pub(crate) machine: Option<String>,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Apply a plan that takes away more of a service than the policy allows.
    #[arg(long)]
    pub(crate) force: bool,
    /// Wait until draining servers are gone.
    // The deletion of drained servers could not be rolled back.
    #[arg(long, conflicts_with = "confirm_within")]
    pub(crate) drain_wait: bool,
    /// Roll everything back after this time unless `director confirm` comes first, so you cannot
    /// lock yourself out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) confirm_within: Option<Duration>,
    /// How long to wait for another director's lock.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s")]
    pub(crate) lock_timeout: Duration,
    #[command(flatten)]
    pub(crate) form: Form,
    /// Exit with 2 instead of 0 if anything was changed.
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director export > director.toml\n  director export --kernel --format ipvsadm > rules\n  director export --at 14:00 > before.toml"
)]
pub(crate) struct Export {
    /// Format of the file; `ipvsadm` is always the kernel's tables.
    #[arg(long, short = 'o', value_name = "FORM", default_value = "toml")]
    format: ExportFormat,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write the kernel's tables as they are now, even if a director runs.
    #[arg(long)]
    pub(crate) kernel: bool,
    /// Write what was in force at this time: `10m`, `2h`, `7d` ago, `13:00`, `2026-11-21 13:00`. With
    /// `ipvsadm`, the tables as they were.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "kernel")]
    pub(crate) at: Option<u64>,
}

impl Export {
    /// The chosen format.
    pub(crate) const fn format(&self) -> ExportFormat {
        if self.json {
            ExportFormat::Json
        } else {
            self.format
        }
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  director flush --yes")]
pub(crate) struct Flush {
    /// Do not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  director adopt tcp://192.0.2.10:80")]
pub(crate) struct Adopt {
    #[command(flatten)]
    pub(crate) which: Which,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  director disown tcp://192.0.2.10:80")]
pub(crate) struct Disown {
    #[command(flatten)]
    pub(crate) which: Which,
}

#[derive(Debug, ClapArgs)]
#[group(required = true)]
pub(crate) struct Which {
    /// Services, such as `tcp://192.0.2.10:80` or `fwmark://7`.
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<ServiceKey>,
    /// All services.
    #[arg(long, conflicts_with = "services")]
    pub(crate) all: bool,
}

/// The forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Toml,
    Json,
    /// Lines for `ipvsadm -R`.
    Ipvsadm,
}
