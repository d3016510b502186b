//! The command line. clap generates `--help`, the man pages and the completions from it.

mod announce;
mod failover;
mod operator;
mod past;
mod section;
mod tables;
mod view;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::http::Client;
use crate::net::namespace;

pub(crate) use announce::{Announce, AnnounceVerb, Withdraw};
pub(crate) use failover::{Failover, FailoverVerb, Move};
pub(crate) use operator::{
    Disable, Drain, Enable, Events, Reload, ServerOf, Status, Undrain, Weight, Weighting,
};
pub(crate) use past::{Diff, History};
pub(crate) use section::{SectionStatus, Undo};
pub(crate) use tables::{Adopt, Apply, Check, Discover, Disown, Export, ExportFormat, Flush, Plan};
pub(crate) use view::{Connections, Explain, Live, Metrics, Web, view_of};

/// The service file of the packaged unit, `director.service`.
pub(crate) const UNIT_FILE: &str = "/etc/director/director.toml";

/// The heading of the options that several verbs share. `command.rs` says which verb has which.
pub(super) const GLOBAL: &str = "Global options";

/// Declarative control plane for Linux's layer-4 load balancer (IPVS).
#[derive(Debug, Parser)]
#[command(
    name = "director",
    version = env!("DIRECTOR_VERSION"),
    propagate_version = true,
    after_help = "Start with: director export > director.toml; director check director.toml; \
                  director plan director.toml; director apply director.toml"
)]
pub struct Args {
    /// Directory for ledger and journal, with a subdirectory for each network namespace.
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        value_name = "DIR",
        env = "DIRECTOR_STATE_DIR",
        default_value = "/var/lib/director",
        value_hint = ValueHint::DirPath
    )]
    pub(crate) state_dir: PathBuf,

    /// Work in this named network namespace (`ip netns list`).
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "NAME")]
    pub(crate) netns: Option<String>,

    /// Control socket of the running director. [default: /run/director/control.sock, or
    /// /run/director/netns-NAME.sock with --netns NAME]
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        value_name = "PATH",
        env = "DIRECTOR_SOCKET",
        hide_env_values = true,
        value_hint = ValueHint::FilePath
    )]
    pub(crate) socket: Option<PathBuf>,

    /// Colours: on a terminal, always, or never. `NO_COLOR` is respected.
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub(crate) color: Colour,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Args {
    /// The path of the control socket.
    pub(crate) fn socket(&self) -> anyhow::Result<PathBuf> {
        let run = Path::new("/run/director");
        Ok(match (&self.socket, &self.netns) {
            (Some(path), _) => path.clone(),
            (None, None) => run.join("control.sock"),
            (None, Some(name)) => run.join(format!("netns-{}.sock", netns(name)?)),
        })
    }

    /// A client that only reads: it uses the view socket if this user may not use the control
    /// socket.
    pub(crate) fn viewer(&self) -> anyhow::Result<Client> {
        Ok(self.client()?.or_view(view_of(&self.socket()?)))
    }

    /// A client for the running director: at `--socket` if given, otherwise that of the chosen
    /// network namespace.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let namespace = match (&self.netns, &self.socket) {
            (Some(name), _) => match namespace::named(name) {
                Ok(None) => bail!("no network namespace `{name}`"),
                // A user who cannot read the namespace can still ask.
                found => found.unwrap_or_default(),
            },
            (None, Some(_)) => None,
            (None, None) => namespace::current().ok(),
        };
        Ok(Client::of(&self.socket()?, namespace)?)
    }
}

/// A name that is a single file name within a directory.
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

/// The verb. clap builds the options of a verb only when that verb is called; the texts of the
/// general `--help` are here.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Verb {
    /// Keep the kernel in line with a service file and health checks until a signal arrives.
    ///
    /// SIGHUP, `director reload` or a change to the file makes it reload; if the new file has
    /// mistakes, the old configuration stays in force. SIGTERM ends it.
    Run(Run),
    /// Check service files. Needs neither root nor a kernel with IPVS.
    ///
    /// Exit code: 0 if all of them can be used, 1 if one cannot, or with --strict has a warning.
    Check(Check),
    /// Show what would change, and how that affects traffic.
    ///
    /// Exit code: 0 no changes, 2 changes, 1 error.
    Plan(Plan),
    /// Make the kernel match a service file, or apply a saved plan.
    ///
    /// All or nothing: if any step fails, everything is rolled back.
    ///
    /// Exit code: 0 applied, or nothing to do; 1 error; 2 with --detailed-exitcode: applied, and
    /// something changed; 5 in force but not saved to disk.
    Apply(Apply),
    /// Keep the changes of an `apply --confirm-within`.
    ///
    /// Without confirmation, everything is rolled back when the time is over.
    #[command(
        after_help = "Example:\n  director apply /etc/director/director.toml --confirm-within 60s\n  director confirm"
    )]
    Confirm,
    /// Rolls back an unconfirmed `apply --confirm-within`, which starts it.
    #[command(hide = true)]
    Guard,
    /// Write what is declared, or what the kernel has, as one service file.
    ///
    /// While a director runs, that is what it has in force, from all its files: names, checks, backup
    /// and sorry servers, drain times. Without one, it is the kernel's tables, which know none of
    /// these. Applying the file changes nothing.
    Export(Export),
    /// Delete the services that director owns, and no others.
    ///
    /// Takes effect immediately, without waiting for connections.
    Flush(Flush),
    /// Make existing services in the kernel director's own, without changing them.
    Adopt(Adopt),
    /// Give up ownership of services, without changing them.
    Disown(Disown),
    /// Show the state of services and servers.
    ///
    /// A summary comes first, then services and their servers, those in trouble on top; one line per
    /// service if all servers do not fit the screen.
    ///
    /// Exit code: 0 shown, also if nothing is in the states asked for; 1 error, also for a name that
    /// no service and no server has; 4 no director is running here.
    Status(Status),
    /// Show services and servers live, on the whole terminal: rates, connections, events.
    ///
    /// Shows what is in trouble first. Enter opens a service or a server, / filters, ? lists the
    /// keys, q quits. Uses the view socket if this user may not use the control socket, and asks
    /// only for what is on the screen.
    ///
    /// Exit code: 0 quit, 1 error, also without a terminal; 4 no director is running here.
    Top(Live),
    /// Serve the page for browsers: services and servers, live. It changes nothing.
    ///
    /// Reads the view socket only, and needs no other right. Listens on 127.0.0.1; beyond this machine
    /// only with TLS and a token.
    ///
    /// Exit code: 0 a signal ended it, 1 error.
    Web(Web),
    /// Show past events: servers up and down, drift, reloads, operators' actions.
    ///
    /// Times are local; JSON has UTC. director keeps the last 4096 events.
    Events(Events),
    /// Show what changed, when, and by what: file, check, operator, another program.
    ///
    /// From the disk, so also from before a restart, and while no director runs. Times are local; JSON
    /// has UTC. `[daemon]` says how much is kept: a week or 64 MB by default.
    History(History),
    /// Show the difference between the tables at two times, as a plan.
    ///
    /// Exit code: 0 no difference, 2 a difference, 1 error.
    Diff(Diff),
    /// List the kernel's connections, with the names of the service file.
    ///
    /// Needs root, and no running director: without one there are no names.
    Connections(Connections),
    /// Say which server a client gets, and why.
    ///
    /// By its connection, its persistence template, or the scheduler as it decides now. Needs root,
    /// and no running director: without one there are no names.
    Why(Explain),
    /// Ask where a pool's servers are listed, once, and print the list.
    ///
    /// Changes nothing, and needs neither root nor a running director. Exit code: 0 printed, 1 no list.
    Discover(Discover),
    /// Print metrics for Prometheus.
    ///
    /// The same text as `GET /metrics` on the view socket. Exit code: 0 printed, 1 error, 4 no
    /// director is running here.
    Metrics(Metrics),
    /// Stop sending new clients to a server. It keeps its connections.
    ///
    /// The drain survives restarts, until `director undrain`. Repeating it without --reason,
    /// --for and --until leaves them unchanged.
    ///
    /// Exit code: 0 done, 1 error, 3 with --wait: connections are left, 4 no director is running
    /// here, 5 in force but not saved to disk.
    Drain(Drain),
    /// Send new clients to a drained server again.
    ///
    /// Its checks must pass first: `rise` times in a row, from now on. --wait waits for that.
    ///
    /// Exit code: 0 done, 1 error, 3 with --wait: the checks do not pass yet, 4 no director is
    /// running here, 5 in force but not saved to disk.
    Undrain(Undrain),
    /// Override a server's declared weight.
    ///
    /// The weight survives restarts, until it is set to `declared`. Repeating the same weight
    /// without --reason, --for and --until leaves them unchanged.
    Weight(Weight),
    /// Take a machine out of every service, for maintenance.
    ///
    /// It keeps its connections, as in a drain. The setting survives restarts, until `director
    /// enable`. Repeating it without --reason, --for and --until leaves them unchanged.
    Disable(Disable),
    /// End a machine's maintenance.
    ///
    /// Its checks must pass first: `rise` times in a row, from now on. --wait waits for that.
    Enable(Enable),
    /// Show which director holds the virtual addresses, and move them.
    Failover(Failover),
    /// Show which addresses are announced by BGP or OSPF, and withdraw them.
    Announce(Announce),
    /// Make the running director reload its service file.
    ///
    /// If the file has mistakes, the old configuration stays in force.
    Reload(Reload),
    /// Print the JSON Schema of the service file, or of what a verb prints with `--format json`.
    ///
    /// A file that refers to it gets completion in an editor: `#:schema ./director.schema.json` as
    /// the first line in TOML, `"$schema"` in JSON.
    Schema(Schema),
    /// Print completions for a shell.
    Completions(Completions),
    /// Write the man pages: one per verb, and that of the service file.
    Man(Man),
    /// Answers a shell that completes a command line; the scripts of `completions` call it.
    #[command(hide = true)]
    Complete(Complete),
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director run /etc/director/director.toml\n  director run /etc/director/director.toml --on-stop drain"
)]
pub(crate) struct Run {
    /// Service file, TOML or (by its extension) JSON.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Start even if the file takes away more of a service than the policy allows.
    #[arg(long)]
    pub(crate) force: bool,
    /// Read the file as this machine does, by its `[machine.NAME]`. [default: the host name]
    #[arg(long, value_name = "NAME", env = "DIRECTOR_MACHINE", hide_env = true)]
    pub(crate) machine: Option<String>,
    /// What to do with the tables on exit.
    #[arg(long, value_name = "WHAT", default_value = "keep")]
    pub(crate) on_stop: OnStop,
    /// Also let members of this group use the control socket.
    #[arg(long, value_name = "GROUP")]
    pub(crate) socket_group: Option<String>,
    /// View socket, on which everything can be seen and nothing changed. [default: view.sock beside
    /// the control socket]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) view_socket: Option<PathBuf>,
    /// Also let members of this group use the view socket.
    #[arg(long, value_name = "GROUP")]
    pub(crate) view_group: Option<String>,
    /// What to log: error (act now), warn (look soon), info (normal operation), debug, off; or per
    /// module, such as `info,director::check=debug`.
    #[arg(
        long,
        value_name = "LEVEL",
        env = "DIRECTOR_LOG",
        hide_env_values = true,
        default_value = "info"
    )]
    pub(crate) log_level: String,
    /// Format of the log on stderr.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) log_format: TextOrJson,
}

/// What `run` does with the tables when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnStop {
    /// Leave the tables unchanged.
    Keep,
    /// Drain director's services, and delete them when their connections have ended or the drain
    /// time is over.
    Drain,
    /// Delete director's services immediately.
    Flush,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director schema > director.schema.json\n  director schema --of plan"
)]
pub(crate) struct Schema {
    /// What the schema describes.
    #[arg(long, value_name = "WHAT", default_value = "file")]
    pub(crate) of: SchemaOf,
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// The service file.
    File,
    /// What `director check --format json` prints.
    Check,
    /// What `director plan --format json` prints.
    Plan,
    /// What `director apply --format json` prints.
    Apply,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  director completions bash > /etc/bash_completion.d/director")]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: Shell,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  director man /usr/local/share/man")]
pub(crate) struct Man {
    /// Directory of man pages: the pages go into `man5` and `man8` below it.
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Complete {
    pub(crate) shell: Asking,
    /// For bash, the line up to the cursor and the characters at which bash splits words. For the
    /// others, the words up to the cursor.
    #[arg(last = true)]
    pub(crate) words: Vec<OsString>,
}

/// The shells whose completions ask the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Asking {
    Bash,
    Zsh,
    Fish,
}

/// Text for people, JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum TextOrJson {
    #[default]
    Text,
    Json,
}

// How a verb prints. (Not a doc comment: clap would use it as the verb's.)
#[derive(Debug, Clone, Copy, Default, ClapArgs)]
pub(crate) struct Form {
    /// Format of the output: text for people, JSON for programs.
    #[arg(long, short = 'o', value_name = "FORM", default_value = "text")]
    format: TextOrJson,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl Form {
    /// The chosen format.
    pub(crate) const fn get(self) -> TextOrJson {
        if self.json {
            TextOrJson::Json
        } else {
            self.format
        }
    }

    /// Whether the output is for programs.
    pub(crate) fn is_json(self) -> bool {
        self.get() == TextOrJson::Json
    }
}

/// Parses a time such as `500ms`, `90s`, `5m`, `2h`, at most a day.
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
    "expected a time such as 500ms, 90s, 5m or 2h, at most a day".into()
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
    fn json_is_asked_for_in_three_ways() {
        for line in [
            "check",
            "plan a",
            "apply a",
            "status",
            "events",
            "connections",
            "why web 192.0.2.7",
            "failover",
            "failover status",
            "failover status front",
        ] {
            for option in [
                "--json",
                "-o json",
                "-ojson",
                "--format json",
                "--format=json",
            ] {
                let typed = format!("director {line} {option}");
                let args = Args::try_parse_from(typed.split(' ')).unwrap();
                let form = match args.verb {
                    Verb::Connections(verb) => verb.form,
                    Verb::Why(verb) => verb.form,
                    Verb::Discover(verb) => verb.form,
                    Verb::Failover(verb) => verb.status().unwrap().form,
                    Verb::Check(verb) => verb.form,
                    Verb::Plan(verb) => verb.form,
                    Verb::Apply(verb) => verb.form,
                    Verb::Status(verb) => verb.form,
                    Verb::Events(verb) => verb.form,
                    other => panic!("{other:?}"),
                };
                assert!(form.is_json(), "{typed}");
            }
            let typed = format!("director {line} --json --format text");
            assert!(Args::try_parse_from(typed.split(' ')).is_err(), "{typed}");
        }
        for option in ["--json", "-o json"] {
            let typed = format!("director export {option}");
            let args = Args::try_parse_from(typed.split(' ')).unwrap();
            let Verb::Export(verb) = args.verb else {
                panic!("{typed}")
            };
            assert_eq!(verb.format(), ExportFormat::Json);
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
