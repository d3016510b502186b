//! `director man`.

use std::io;
use std::path::Path;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man as Page;

use super::args::{Args, Man};
use super::exit::Exit;

pub(crate) fn run(verb: &Man) -> anyhow::Result<Exit> {
    let directory = &verb.directory;
    let mut program = Args::command().disable_help_subcommand(true);
    program.build();
    std::fs::create_dir_all(directory)
        .and_then(|()| write(&program, directory))
        .with_context(|| format!("cannot write man pages to `{}`", directory.display()))?;
    Ok(Exit::Done)
}

/// The sections of `director(1)` that clap does not know, in roff.
const OF_THE_PROGRAM: &str = r".SH EXIT STATUS
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
.SH SEE ALSO
\fBdirector\-run\fR(1), \fBipvsadm\fR(8)
";

/// The sections of a verb's page that clap does not know.
const OF_A_VERB: &str = r".SH SEE ALSO
\fBdirector\fR(1)
";

/// Writes the pages of a command and its subcommands.
fn write(command: &Command, directory: &Path) -> io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write(verb, directory)?;
    }
    let page = Page::new(command.clone())
        .date(date())
        .source(concat!("director ", env!("CARGO_PKG_VERSION")))
        .manual("Director of IPVS");
    let mut roff = Vec::new();
    page.render(&mut roff)?;
    let more = if command.has_subcommands() {
        OF_THE_PROGRAM
    } else {
        OF_A_VERB
    };
    let roff = completed(&String::from_utf8_lossy(&roff), more);
    std::fs::write(directory.join(page.get_filename()), roff)
}

/// Completes a page from clap: adds the sections that clap does not know before the last one, the
/// version, and renames `EXTRA` as man pages do.
fn completed(roff: &str, more: &str) -> String {
    let examples = "\n.SH EXAMPLES\n";
    let roff = roff
        .replace("\n.SH EXTRA\nExamples:\n", examples)
        .replace("\n.SH EXTRA\nExample:\n", examples)
        .replace("\n.SH EXTRA\n", examples);
    match roff.split_once("\n.SH VERSION\n") {
        Some((before, version)) => format!("{before}\n{more}.SH VERSION\n{version}"),
        None => format!("{roff}{more}"),
    }
}

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
