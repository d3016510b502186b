//! `director man`: a page for each verb, from the command line, and that of the service file, from
//! its reference in `docs/`.

mod file;
mod synopsis;

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::Man;
use super::command;
use super::exit::Exit;

/// The section of the service file's page: file formats.
const FORMATS: &str = "5";
/// The section of the program's pages: system administration.
const ADMINISTRATION: &str = "8";
/// The title of the manual.
const MANUAL: &str = "Director of IPVS";
/// The program and its version, as pages show it.
const SOURCE: &str = concat!("director ", env!("CARGO_PKG_VERSION"));

pub(crate) fn run(verb: &Man) -> anyhow::Result<Exit> {
    let directory = &verb.directory;
    write_all(directory)
        .with_context(|| format!("cannot write man pages to `{}`", directory.display()))?;
    Ok(Exit::Done)
}

fn write_all(directory: &Path) -> io::Result<()> {
    let mut program = command::command().disable_help_subcommand(true);
    program.build();
    let formats = directory.join(format!("man{FORMATS}"));
    let administration = directory.join(format!("man{ADMINISTRATION}"));
    fs::create_dir_all(&formats)?;
    fs::create_dir_all(&administration)?;
    fs::write(formats.join("director.toml.5"), file::page(date()))?;
    write_tree(&program, &administration)
}

/// Writes the pages of a command and of its own.
fn write_tree(command: &Command, directory: &Path) -> io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write_tree(verb, directory)?;
    }
    write(command, directory)
}

/// Whether it is the program, and not one of its verbs.
fn is_program(command: &Command) -> bool {
    command.get_name() == "director"
}

/// Writes the page of the program or of a verb.
fn write(command: &Command, directory: &Path) -> io::Result<()> {
    let page = Page::new(command.clone())
        .section(ADMINISTRATION)
        .date(date())
        .source(SOURCE)
        .manual(MANUAL);
    let mut roff = Vec::new();
    page.render_title(&mut roff)?;
    page.render_name_section(&mut roff)?;
    synopsis::section(command).to_writer(&mut roff)?;
    page.render_description_section(&mut roff)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut roff)?;
    }
    page.render_options_section(&mut roff)?;
    if let Some(examples) = command.get_after_help() {
        examples_section(&examples.to_string()).to_writer(&mut roff)?;
    }
    if is_program(command) {
        roff.extend_from_slice(OF_THE_PROGRAM.as_bytes());
    }
    see_also(command).to_writer(&mut roff)?;
    page.render_version_section(&mut roff)?;
    fs::write(directory.join(page.get_filename()), roff)
}

/// The text below the options in `--help`, with lines as they are typed.
fn examples_section(text: &str) -> Roff {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !matches!(line.trim(), "Example:" | "Examples:"))
        .map(str::trim_start)
        .collect();
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in lines {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}

/// Page names, the program's own and those that belong to the verb.
fn see_also(command: &Command) -> Roff {
    let own: &[(&str, &str)] = if is_program(command) {
        &[("director-run", ADMINISTRATION), ("ipvsadm", "8")]
    } else {
        &[("director", ADMINISTRATION)]
    };
    let file = ("director.toml", FORMATS);
    let mut line = Vec::new();
    for (name, section) in own.iter().chain([&file]) {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(*name), roman(format!("({section})"))]);
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]).text(line);
    roff
}

/// The sections of `director(8)` that clap does not know, in roff.
const OF_THE_PROGRAM: &str = r#".SH "EXIT STATUS"
.TP
0
Done, or nothing to do.
.TP
1
Something went wrong; standard error says what.
.TP
2
\fBdirector plan\fR found changes.
.TP
3
What was waited for did not come in time.
.TP
4
No director is running here.
.TP
5
In force, but not saved to disk.
.SH FILES
.TP
/etc/director/director.toml
The service file of director.service.
.TP
/var/lib/director/net\-INODE/
What it remembers, for each network namespace: ledger, journal, what operators have set.
.TP
/run/director/control.sock
The control socket.
.TP
/usr/share/doc/director/docs/
The service file key by key (service\-file.md), operating.md, lvs.md, api.md and others.
.TP
/usr/share/doc/director/examples/
Service files, and a network to practise in.
"#;

/// The date of the commit, the last word of the version; empty if unknown.
fn date() -> &'static str {
    let version = env!("DIRECTOR_VERSION").trim_end_matches(')');
    let last = version.rsplit(' ').next().unwrap_or_default();
    if last.starts_with(|letter: char| letter.is_ascii_digit()) {
        last
    } else {
        ""
    }
}
