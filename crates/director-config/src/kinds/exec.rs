//! `type = "exec"`: a program decides whether the server is up.

use super::bytes::only_one;
use super::{CheckKind, CheckPort, Facts, Kind, Through};
use crate::decode::command::{self, command};
use crate::decode::fields::Fields;
use crate::diagnostic::Findings;
use crate::keys::{Shape, key, section, text};
use crate::vocabulary::word;

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExecCheck {
    /// The program and its arguments; with `shell`, one line for `/bin/sh -c`.
    pub command: Vec<String>,
    /// Whether to use the shell.
    pub shell: bool,
    /// Whether the first line of output is a dynamic weight in percent.
    pub weight: bool,
}

pub(super) static EXEC: Kind = Kind::new(
    word("exec", "A program reports success.").alias(&[
        "misc_check",
        "script",
        "external",
        "external-check",
        "command",
    ]),
    &SECTION,
    decode,
)
.facts(Facts {
    port: CheckPort::None,
    through: Through::Never("decides for itself what to look at"),
    names_service: true,
    starts_program: true,
    ..Facts::CONNECTS
})
.instead(&[&["command", "shell"]]);

section!(
    SECTION,
    "an exec check",
    "A program decides whether the server is up: exit code 0.",
    EXEC.keys([
        key(
            "command",
            Shape::OneOrMore(Box::new(text("/usr/local/bin/check"))),
            "The program and its arguments.",
        )
        .alias(&["misc_path", "checkcommand", "program"]),
        key(
            "shell",
            text("check.sh | grep -q ok"),
            "A line for `/bin/sh -c`, instead of `command`.",
        ),
        key(
            "weight",
            Shape::Bool,
            "The first line of output is the server's weight, in percent of the declared one.",
        )
        .default(false)
        .alias(&["misc_dynamic", "dynamic"]),
    ])
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<CheckKind> {
    let program = fields.get("command");
    let shell = fields.get("shell");
    let weight = fields.get("weight").and_then(|field| field.bool(findings));
    let weight = weight.is_some_and(|weight| weight.value);
    only_one(&[("command", program), ("shell", shell)], findings);
    let command = match (program, shell) {
        (Some(field), _) => command(&field, true, findings)?,
        (None, Some(field)) => vec![command::line(&field, findings)?],
        (None, None) => {
            // Reports the missing key.
            fields.missing("command", findings);
            return None;
        }
    };
    Some(CheckKind::Exec(ExecCheck {
        command,
        shell: program.is_none(),
        weight,
    }))
}
