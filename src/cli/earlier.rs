//! `director export --at`: the file that gives an earlier state back.

use std::path::PathBuf;

use anyhow::{Context, bail};

use super::args::{Args, ExportFormat};
use super::clock::local;
use super::exit::Exit;
use super::output::{control, print, print_json, say};
use super::past::{Past, say_lost};
use crate::config::{self, Texts};
use crate::history::{Picture, Set, tables};
use crate::words::{calendar, printable};

pub(crate) fn run(args: &Args, format: ExportFormat, at: u64) -> anyhow::Result<Exit> {
    let found = Past::open(args)?.files_at(at)?;
    say_lost(&found.at.lost);
    let format = match format {
        ExportFormat::Toml => config::Format::Toml,
        ExportFormat::Json => config::Format::Json,
        ExportFormat::Ipvsadm => {
            print(&super::ipvsadm::lines(&tables(&found.at.picture)))?;
            return Ok(Exit::Done);
        }
    };
    let files = found.files.context(
        "the history does not have the service files of that time; `--format ipvsadm` writes the \
         tables",
    )?;
    let texts: Texts = files
        .files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), text.clone()))
        .collect();
    let set = settings(&found.at.picture);
    let header = |_: &config::Joined| header(at, &files.root, &set);
    let joined = config::join(&PathBuf::from(&files.root), &texts, header, format);
    let joined = match joined {
        Ok(joined) => joined,
        Err(why) => bail!("{why}; `--format ipvsadm` writes the tables"),
    };
    match format {
        config::Format::Toml => control(&joined.text).map(|_| ())?,
        config::Format::Json => print_json(joined.text)?,
    }
    say!("director: exported what was in force {}", local(at));
    if !set.is_empty() {
        say!("director: operators had set what is not in the file:");
        for line in &set {
            say!("director:   {line}");
        }
    }
    if joined.has_secrets {
        say!("director: there are passwords in it: let only root read the file");
    }
    Ok(Exit::Done)
}

/// The comment at the start of the file.
fn header(at: u64, root: &str, set: &[String]) -> String {
    let mut lines = format!(
        "What director had in force {}, from its history.\nIt came from {}\n",
        calendar(at),
        printable(root)
    );
    if !set.is_empty() {
        lines
            .push_str("Operators had set what is not in this file; these commands set it again:\n");
        for line in set {
            lines.push_str(&format!("  {line}\n"));
        }
    }
    lines
}

/// What operators had set, as the commands that set it again.
fn settings(picture: &Picture) -> Vec<String> {
    let note = |set: &Set| {
        let reason = set.reason.as_deref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {}", printable(reason)));
        format!("  # by {}{reason}", printable(&set.by))
    };
    let mut lines = Vec::new();
    for (address, set) in &picture.head.disabled {
        lines.push(format!("director disable {address}{}", note(set)));
    }
    for (listen, service) in &picture.services {
        for (key, server) in &service.servers {
            if let Some(set) = &server.drain {
                lines.push(format!("director drain {listen} {key}{}", note(set)));
            }
            if let Some((weight, set)) =
                server.set.as_ref().and_then(|set| Some((set.weight?, set)))
            {
                lines.push(format!(
                    "director weight {listen} {key} {weight}{}",
                    note(set)
                ));
            }
        }
    }
    lines
}
