//! `director check`.

use std::io::{self, IsTerminal};
use std::path::Path;

use serde_json::{Value, json};

use super::args::{Args, Check};
use super::exit::Exit;
use super::load::{print, read_on, summary};
use super::output::{self, say};
use super::pipe;
use crate::config::{Code, Parsed, Severity};
use crate::words::{count, path as shown};

pub(crate) fn run(args: &Args, verb: &Check) -> anyhow::Result<Exit> {
    let mut checked = Checked {
        args,
        verb,
        stdin_is_read: false,
        report: Vec::new(),
        failed: false,
    };
    for file in &verb.files {
        checked.check(file)?;
    }
    if verb.form.is_json() {
        let report = Value::from(checked.report);
        output::print_json(format!("{report:#}\n"))?;
    }
    Ok(match checked.failed {
        true => Exit::Failed,
        false => Exit::Done,
    })
}

/// The files checked so far.
struct Checked<'a> {
    args: &'a Args,
    verb: &'a Check,
    stdin_is_read: bool,
    /// The diagnostics of all files, for programs.
    report: Vec<Value>,
    failed: bool,
}

impl Checked<'_> {
    /// A file that cannot be read does not keep the others from being checked.
    fn check(&mut self, file: &Path) -> io::Result<()> {
        let is_stdin = pipe::is_stdin(file);
        let read = match is_stdin && self.stdin_is_read {
            true => Err(io::Error::other(
                "cannot read standard input twice; name it once",
            )),
            false => read_on(self.verb.machine.as_deref(), file, false),
        };
        self.stdin_is_read |= is_stdin;
        let name = match file == Path::new("-") {
            true => "(stdin)".to_owned(),
            false => shown(file),
        };
        match read {
            Ok(outcome) => self.tell(&name, &outcome),
            Err(error) => {
                self.failed = true;
                self.tell_unreadable(&name, &error);
                Ok(())
            }
        }
    }

    fn tell(&mut self, name: &str, outcome: &Parsed) -> io::Result<()> {
        let strict = self.verb.strict && outcome.warnings() > 0;
        let failed = outcome.desired.is_none() || strict;
        self.failed |= failed;
        if self.verb.form.is_json() {
            let found = outcome.report();
            let found = found.as_array().into_iter().flatten().cloned();
            self.report.extend(found.map(|mut found| {
                found["input"] = name.into();
                found
            }));
            return Ok(());
        }
        let several = self.verb.files.len() > 1;
        let of_file = if several {
            format!("{name}: ")
        } else {
            String::new()
        };
        print(self.args, &of_file, outcome);
        if !failed && io::stdout().is_terminal() {
            let after = match outcome.warnings() {
                0 => String::new(),
                _ => format!("; {}", summary(outcome)),
            };
            output::print(&format!("{of_file}ok: {}{after}\n", contents(outcome)))?;
        }
        Ok(())
    }

    fn tell_unreadable(&mut self, name: &str, error: &io::Error) {
        if !self.verb.form.is_json() {
            say!("director: {error}");
            return;
        }
        self.report.push(json!({
            "code": Code::Unreadable.name(),
            "severity": Severity::Error.name(),
            "message": error.to_string(),
            "related": [],
            "help": [],
            "notes": [],
            "input": name,
        }));
    }
}

/// What a file declares: `39 services, 117 servers, 117 checks`. As everywhere, each listen address
/// is a service.
fn contents(outcome: &Parsed) -> String {
    let services = outcome.desired.iter().flat_map(|desired| &desired.services);
    let mut servers = 0;
    let mut checks = 0;
    let mut all = 0;
    for (key, service) in services {
        all += 1;
        let watch = outcome.watch.as_ref();
        let watch = watch.and_then(|watch| watch.services.get(key));
        let keys = service.servers.keys();
        let backup = watch.into_iter().flat_map(|watch| watch.backup.keys());
        for server in keys.chain(backup) {
            servers += 1;
            checks += watch.map_or(0, |watch| watch.checks_of(server).len());
        }
        servers += watch.map_or(0, |watch| watch.sorry.len());
    }
    format!(
        "{}, {}, {}",
        count(all, "service", "services"),
        count(servers, "server", "servers"),
        count(checks, "check", "checks"),
    )
}
