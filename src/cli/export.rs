//! `director export`.
//!
//! ```text
//!   a director runs:  its files in force ─► one file           --kernel, ipvsadm: the tables
//!   none runs:        kernel ─► Observed ─► one file, and what the kernel does not know
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::args::{Args, Export, ExportFormat};
use super::beside::{self, Beside};
use super::exit::Exit;
use super::output::{control, print, print_json, say};
use super::session::Session;
use crate::config::{self, Joined, Texts};
use crate::http::api::Files;
use crate::regular;
use crate::state::Observed;
use crate::words::{calendar, count, path as shown, printable};

pub(crate) fn run(args: &Args, verb: &Export) -> anyhow::Result<Exit> {
    if let Some(at) = verb.at {
        return super::earlier::run(args, verb.format(), at);
    }
    let beside = beside::find(args)?;
    let format = match verb.format() {
        ExportFormat::Toml => Some(config::Format::Toml),
        ExportFormat::Json => Some(config::Format::Json),
        ExportFormat::Ipvsadm => None,
    };
    match (&beside, format) {
        (Some(beside), Some(format)) if !verb.kernel => files(beside, format)?,
        (beside, format) => tables(args, verb, beside.as_ref(), format)?,
    }
    Ok(Exit::Done)
}

/// The files that the director has in force, as one.
fn files(beside: &Beside, format: config::Format) -> anyhow::Result<()> {
    let there = beside.files()?;
    let root = PathBuf::from(&there.root);
    let paths = there.files.iter();
    let texts: Texts = paths
        .map(|file| (PathBuf::from(&file.path), file.text.clone()))
        .collect();
    let joined = config::join(
        &root,
        &texts,
        |joined| header(beside, &there, joined),
        format,
    );
    let joined = match joined {
        Ok(joined) => joined,
        Err(why) => bail!("{why}; `director export --kernel` writes the kernel's tables"),
    };
    match format {
        // Its hidden characters are escaped, or it is shown as written because it has none.
        config::Format::Toml => control(&joined.text).map(|_| ())?,
        config::Format::Json => print_json(joined.text.clone())?,
    }
    say!(
        "director: exported what the director (process {}) has in force; what operators set, such \
         as drains, is not in it",
        beside.pid()
    );
    for path in newer(&texts) {
        say!(
            "director: {} on disk differs from what is in force; exported is what is in force",
            shown(path)
        );
    }
    if format == config::Format::Json && !joined.variables.is_empty() {
        say!("director: {}", environment(&joined));
    }
    if joined.has_secrets {
        say!("director: there are passwords in it: let only root read the file");
    }
    Ok(())
}

/// The comment at the start of the file.
fn header(beside: &Beside, there: &Files, joined: &Joined) -> String {
    let since = beside.started().map(calendar);
    let since = since.map_or_else(String::new, |since| format!(" since {since}"));
    let mut lines = format!(
        "Exported from the director that has been running{since} (process {}).\n\
         What it has in force comes from:\n",
        beside.pid()
    );
    let root = there.files.iter().filter(|file| file.path == there.root);
    let others = there.files.iter().filter(|file| file.path != there.root);
    for file in root.chain(others) {
        lines.push_str(&format!("  {}\n", printable(&file.path)));
    }
    if !joined.is_verbatim {
        lines.push_str("Their comments are not in this file.\n");
    }
    lines.push_str(
        "What operators set is not in it: drains, weights, machines in maintenance. Nor is what\n\
         checks found.\n",
    );
    if !joined.variables.is_empty() {
        lines.push_str(&environment(joined));
        lines.push('\n');
    }
    lines
}

fn environment(joined: &Joined) -> String {
    let names = joined.variables.iter().map(|name| printable(name));
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    format!(
        "It needs the environment variable{} {}, as they are written in these files.",
        if names.len() == 1 { "" } else { "s" },
        names.join(", ")
    )
}

/// The files that are not on disk as they are in force.
fn newer(texts: &Texts) -> impl Iterator<Item = &Path> {
    let limit = u64::try_from(config::MAX_FILE).unwrap_or(u64::MAX);
    let differs = move |(path, text): &(&PathBuf, &String)| {
        // A relative path starts at the director's directory, which is not this one.
        path.is_absolute()
            && match regular::read(path, limit) {
                Ok(bytes) => bytes != text.as_bytes(),
                Err(_) => {
                    let there = fs::symlink_metadata(path);
                    there.is_err_and(|error| error.kind() == ErrorKind::NotFound)
                }
            }
    };
    texts.iter().filter(differs).map(|(path, _)| path.as_path())
}

/// The kernel's tables.
fn tables(
    args: &Args,
    verb: &Export,
    beside: Option<&Beside>,
    format: Option<config::Format>,
) -> anyhow::Result<()> {
    let mut session = Session::open(args)?;
    let overlay = beside
        .map(|beside| {
            beside.overlay(if verb.kernel {
                "exporting the tables as they are now, with what checks and operators changed"
            } else {
                "exporting the declared weights, not those set by checks and operators"
            })
        })
        .transpose()?;
    if let Some(overlay) = &overlay {
        session.hide(overlay.marks());
    }
    let mut observed = session.observe()?;
    if let Some(overlay) = overlay.filter(|_| !verb.kernel) {
        overlay.take_off(&mut observed);
    }
    let Some(format) = format else {
        return Ok(print(&super::ipvsadm::lines(&observed))?);
    };
    let text = config::export(&config::declared(&observed), format);
    print(&text).context("cannot write the file")?;
    say_unknown(&observed);
    Ok(())
}

/// Says what a file has and the kernel does not: without a word, a file made of tables would look
/// complete.
fn say_unknown(observed: &Observed) {
    if observed.services.is_empty() {
        return;
    }
    say!(
        "director: exported from the kernel: {}. The kernel does not know names, health checks, \
         backup and sorry servers, drain times, commands of `notify` or the policy: add what you \
         need before `director run` gets this file",
        count(observed.services.len(), "service", "services")
    );
}
