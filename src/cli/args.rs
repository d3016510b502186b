//! The command line. Texts for `--help`, the man pages and the completions are all made from it.

mod operator;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use ipvs::ServiceKey;

use crate::http::Client;
use crate::net::namespace;

pub(crate) use operator::{
    Disable, Drain, Enable, Events, Reload, ServerOf, Status, Undrain, Weight, Weighting, Why,
};

/// Declares what Linux's layer-4 load balancer (IPVS) does, and makes it so.
#[derive(Debug, Parser)]
#[command(
    name = "director",
    version = env!("DIRECTOR_VERSION"),
    propagate_version = true,
    after_help = "Start with: director export > services.toml; director check services.toml; \
                  director plan services.toml; director apply services.toml"
)]
pub struct Args {
    /// Where ledger and journal are kept, in a directory for each network namespace.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "DIRECTOR_STATE_DIR",
        default_value = "/var/lib/director",
        value_hint = ValueHint::DirPath
    )]
    pub(crate) state_dir: PathBuf,

    /// Work in the network namespace of this name (`ip netns list`).
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) netns: Option<String>,

    /// The control socket of the director that runs. [default: /run/director/control.sock, and
    /// /run/director/netns-NAME.sock with --netns NAME]
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "DIRECTOR_SOCKET",
        hide_env_values = true,
        value_hint = ValueHint::FilePath
    )]
    pub(crate) socket: Option<PathBuf>,

    /// Colours: on a terminal, always, or never. `NO_COLOR` is heeded.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Colour,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Args {
    /// The control socket.
    pub(crate) fn socket(&self) -> anyhow::Result<PathBuf> {
        let run = Path::new("/run/director");
        Ok(match (&self.socket, &self.netns) {
            (Some(path), _) => path.clone(),
            (None, None) => run.join("control.sock"),
            (None, Some(name)) => run.join(format!("netns-{}.sock", netns(name)?)),
        })
    }

    /// The director that is asked: the one at the socket, if that is named; else the one of the
    /// chosen network namespace.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let namespace = match (&self.netns, &self.socket) {
            (Some(name), _) => match namespace::named(name) {
                Ok(None) => bail!("there is no network namespace `{name}`"),
                // Who cannot see it can still ask.
                found => found.unwrap_or_default(),
            },
            (None, Some(_)) => None,
            (None, None) => namespace::current().ok(),
        };
        Ok(Client::of(&self.socket()?, namespace)?)
    }
}

/// A name that is one of a file in a directory.
fn netns(name: &str) -> anyhow::Result<&str> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        bail!("`{name}` is not the name of a network namespace");
    }
    Ok(name)
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

/// What is to be done. The options of a verb are put together only when it is the one that is
/// called; what `--help` of all says of it stands here.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Verb {
    /// Keep the kernel what a service file and the health checks say, until a signal ends it.
    ///
    /// SIGHUP, `director reload`, or a change of the file make it read the file again; one with
    /// mistakes leaves the old one in force. SIGTERM ends it.
    Run(Run),
    /// Check a service file. Needs neither root nor a kernel with IPVS.
    Check(Check),
    /// Show what would change, and what that does to traffic.
    ///
    /// Exit code: 0 nothing would change, 2 something would, 1 error.
    Plan(Plan),
    /// Make the kernel what a service file declares, or carry out a saved plan.
    ///
    /// All or nothing: when something fails, what was done is undone.
    Apply(Apply),
    /// Keep what an `apply --confirm-within` did.
    ///
    /// Without it, everything is undone when the time is over.
    #[command(
        after_help = "Example:\n  director apply services.toml --confirm-within 60s\n  director confirm"
    )]
    Confirm,
    /// Undoes an `apply --confirm-within` when its time is over. Started by it.
    #[command(hide = true)]
    Guard,
    /// Write what is in the kernel as a service file that, applied, changes nothing.
    Export(Export),
    /// Delete the services that director owns, and nothing else.
    ///
    /// At once: connections are not waited for.
    Flush(Flush),
    /// Make services in the kernel director's own, without changing them.
    Adopt(Adopt),
    /// Forget that services are director's own, without changing them.
    Disown(Disown),
    /// Show how the services and servers are.
    ///
    /// Exit code: 0 shown, 1 error, 4 no director runs here.
    Status(Status),
    /// Show what happened: servers up and down, drift, reloads, operators.
    Events(Events),
    /// Give a server no new clients. It keeps those it has.
    ///
    /// It outlives restarts, until `director undrain`. Asked for again without --reason and --for, it
    /// stays as it was set.
    ///
    /// Exit code: 0 done, 1 error, 3 with --wait: there are connections left, 4 no director runs here,
    /// 5 in force but not on disk.
    Drain(Drain),
    /// Give a drained server new clients again.
    Undrain(Undrain),
    /// Give a server another weight than the file declares.
    ///
    /// It outlives restarts, until it is set to `declared`. The same weight asked for again without
    /// --reason and --for stays as it was set.
    Weight(Weight),
    /// Take a machine out of every service, for maintenance.
    ///
    /// It keeps the connections it has, as in a drain. It outlives restarts, until `director enable`.
    /// Asked for again without --reason and --for, it stays as it was set.
    Disable(Disable),
    /// End a machine's maintenance.
    Enable(Enable),
    /// Have the director read its service file again.
    ///
    /// If the file has mistakes, the old one stays in force.
    Reload(Reload),
    /// Print the JSON Schema of the service file.
    ///
    /// A file that names it gets completion in an editor: `#:schema ./director.schema.json` as
    /// its first line in TOML, `"$schema"` in JSON.
    #[command(after_help = "Example:\n  director schema > director.schema.json")]
    Schema,
    /// Print a shell's completions.
    Completions(Completions),
    /// Write the man pages, one for each verb.
    Man(Man),
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director run /etc/director/director.toml\n  director run services.toml --on-stop drain"
)]
pub(crate) struct Run {
    /// The service file, TOML or (by its ending) JSON.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Start even if the file takes away more of a service than the policy allows.
    #[arg(long)]
    pub(crate) force: bool,
    /// What becomes of the tables when it ends.
    #[arg(long, value_name = "WHAT", default_value = "keep")]
    pub(crate) on_stop: OnStop,
    /// Members of this group may use the control socket, beside root.
    #[arg(long, value_name = "GROUP")]
    pub(crate) socket_group: Option<String>,
    /// What is logged: error (act now), warn (look soon), info (normal life), debug, off; or by part of the program, such as `info,director::check=debug`.
    #[arg(
        long,
        value_name = "LEVEL",
        env = "DIRECTOR_LOG",
        hide_env_values = true,
        default_value = "info"
    )]
    pub(crate) log_level: String,
    /// The form of the log, which goes to stderr.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) log_format: TextOrJson,
}

/// What becomes of the tables when `run` ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnStop {
    /// They stay as they are.
    Keep,
    /// Director's services drain, and go when their connections have ended or their time is over.
    Drain,
    /// Director's services are deleted at once.
    Flush,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director check services.toml\n  director check --strict services.toml"
)]
pub(crate) struct Check {
    /// The service file, TOML or (by its ending) JSON.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Warnings are errors.
    #[arg(long)]
    pub(crate) strict: bool,
    /// The form of the diagnostics.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: TextOrJson,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director plan services.toml\n  director plan services.toml --out tonight.plan && director apply tonight.plan"
)]
pub(crate) struct Plan {
    /// The service file.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The form of the plan.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: TextOrJson,
    /// Also save the plan, for `director apply PLAN`.
    #[arg(long, value_name = "PLAN", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director apply services.toml\n  director apply services.toml --yes --confirm-within 60s && director confirm"
)]
pub(crate) struct Apply {
    /// The service file, or a plan saved by `director plan --out`.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Carry out a plan that takes away more of a service than the policy allows.
    #[arg(long)]
    pub(crate) force: bool,
    /// Wait until servers that drain are gone.
    // Drained servers are deleted, which could not be undone.
    #[arg(long, conflicts_with = "confirm_within")]
    pub(crate) drain_wait: bool,
    /// Undo it all after that time, unless `director confirm` comes first: whoever cuts himself
    /// off gets back in.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) confirm_within: Option<Duration>,
    /// Wait so long for another director that is at work.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s")]
    pub(crate) lock_timeout: Duration,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  director export > services.toml")]
pub(crate) struct Export {
    /// The form of the file.
    #[arg(long, value_name = "FORM", default_value = "toml")]
    pub(crate) format: ExportFormat,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  director flush --yes")]
pub(crate) struct Flush {
    /// Do not ask.
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
    /// The services: `tcp://192.0.2.10:80`, `fwmark://7`.
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<ServiceKey>,
    /// All of them.
    #[arg(long, conflicts_with = "services")]
    pub(crate) all: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  director completions bash > /etc/bash_completion.d/director")]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: Shell,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  director man /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// The directory to write them to.
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
}

/// Text for people, JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    Text,
    Json,
}

/// The forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Toml,
    Json,
    /// Lines for `ipvsadm -R`.
    Ipvsadm,
}

/// A time such as `500ms`, `90s`, `5m`, `2h`, at most a day.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong_time())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    milliseconds
        .filter(|milliseconds| *milliseconds <= 86_400_000)
        .map(Duration::from_millis)
        .ok_or_else(wrong_time)
}

fn wrong_time() -> String {
    "a time is written as 500ms, 90s, 5m or 2h, and is at most a day".into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_verb() {
        for line in [
            "director --netns blue check x.toml",
            "director check x.toml --netns blue",
        ] {
            let args = Args::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(args.netns.as_deref(), Some("blue"));
        }
    }

    #[test]
    fn times() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "5", "s", "-1s", "25h", "1d", "99999999999999999999s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
