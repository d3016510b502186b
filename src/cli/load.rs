//! Reads a service file for a verb; diagnostics go to stderr.

use std::io;
use std::path::Path;

use super::args::Args;
use super::output::{colour_on_stderr, note_coloured, say};
use super::pipe;
use super::report::Report;
use crate::apply::Incarnation;
use crate::config::{self, Environment, NotShown, Parsed};
use crate::discovery;
use crate::state::Desired;
use crate::state::failover::Failovers;
use crate::state::health::Watch;
use crate::words::count;

/// Reads the file as the machine of this name does; `-` is standard input. With `forced`, an empty
/// file declares nothing.
pub(crate) fn read_on(machine: Option<&str>, path: &Path, forced: bool) -> io::Result<Parsed> {
    read_with(Environment::of_process(), machine, path, forced)
}

fn read_with(
    mut environment: Environment,
    machine: Option<&str>,
    path: &Path,
    forced: bool,
) -> io::Result<Parsed> {
    if let Some(machine) = machine {
        environment = environment.on_machine(machine);
    }
    let (name, bytes) = if path == Path::new("-") {
        (
            "(stdin)".to_owned(),
            named("standard input", pipe::stdin())?,
        )
    } else if pipe::is_descriptor(path) {
        let name = path.display().to_string();
        let bytes = named(&name, pipe::read(path))?;
        (name, bytes)
    } else if forced {
        return Ok(config::load_forced(path, &environment));
    } else {
        return Ok(config::load(path, &environment));
    };
    // Every JSON service file starts with this, and no TOML one can.
    let json = bytes.trim_ascii_start().first() == Some(&b'{');
    let format = if json {
        config::Format::Json
    } else {
        config::Format::Toml
    };
    Ok(config::load_text(
        &name,
        bytes,
        format,
        Path::new("."),
        &config::Disk,
        &environment,
        forced,
    ))
}

/// Adds the name to an I/O error.
fn named<T>(name: &str, read: io::Result<T>) -> io::Result<T> {
    read.map_err(|error| io::Error::new(error.kind(), format!("cannot read {name}: {error}")))
}

/// A service file's contents.
pub(crate) struct Declared {
    pub(crate) desired: Desired,
    pub(crate) watch: Watch,
    pub(crate) failovers: Failovers,
}

impl Declared {
    /// Says that addresses are not among what verbs that run once carry out.
    pub(crate) fn say_needs_daemon(&self) {
        let failovers = self.failovers.failovers.iter();
        let failovers = failovers.map(|one| format!("[failover.{}]", one.name));
        let held = self.failovers.held.iter();
        let held = held.map(|one| format!("[address.{}]", one.name));
        let announced = self.failovers.announced.iter();
        let announced = announced.map(|one| format!("[announce.{}]", one.name));
        let names: Vec<_> = failovers.chain(held).chain(announced).collect();
        let Some(first) = names.first() else { return };
        let others = match names.len() - 1 {
            0 => String::new(),
            more => format!(" and {}", count(more, "other section", "other sections")),
        };
        say!("{first}{others}: only `director run` holds addresses; this verb leaves them alone");
    }
}

/// The file's contents, or `None` if it has mistakes, which are printed.
pub(crate) fn load(
    args: &Args,
    machine: Option<&str>,
    path: &Path,
    report: &mut Report,
) -> anyhow::Result<Option<Declared>> {
    load_as(args, machine, path, false, report)
}

/// Like [`load`]; with `forced`, an empty file declares nothing.
pub(crate) fn load_as(
    args: &Args,
    machine: Option<&str>,
    path: &Path,
    forced: bool,
    report: &mut Report,
) -> anyhow::Result<Option<Declared>> {
    let mut environment = Environment::of_process();
    // Pools that find their servers have those of the last list, as the director does.
    if let Ok(own) = Incarnation::current() {
        let state = args.state_dir.join(own.directory());
        environment = environment.with_lists(discovery::directory(&state));
    }
    let outcome = read_with(environment, machine, path, forced)?;
    print(args, "", &outcome);
    report.file(&outcome);
    let all = outcome.desired.zip(outcome.watch).zip(outcome.failovers);
    Ok(all.map(|((desired, watch), failovers)| Declared {
        desired,
        watch,
        failovers,
    }))
}

/// Prints the diagnostics and their number; `of_file` begins that line.
pub(crate) fn print(args: &Args, of_file: &str, outcome: &Parsed) {
    if outcome.diagnostics.is_empty() {
        return;
    }
    let style = if colour_on_stderr(args) {
        config::Style::Coloured
    } else {
        config::Style::Plain
    };
    note_coloured(&format!(
        "{}\n{of_file}{}.\n",
        outcome.render(style),
        summary(outcome)
    ));
}

/// `2 mistakes, 1 warning`.
pub(crate) fn summary(outcome: &Parsed) -> String {
    let (errors, warnings) = (outcome.errors(), outcome.warnings());
    let (more_errors, more_warnings) = outcome.not_shown;
    let at_least = |more: NotShown| if more.or_more { "more than " } else { "" };
    let errors = (errors > 0).then(|| {
        let errors = count(errors, "mistake", "mistakes");
        format!("{}{errors}", at_least(more_errors))
    });
    let warnings = (warnings > 0).then(|| {
        let warnings = count(warnings, "warning", "warnings");
        format!("{}{warnings}", at_least(more_warnings))
    });
    [errors, warnings]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}
