//! Commands: a program and its arguments, or a shell command line.

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::fields::{Field, shown};

/// A program and its arguments, never empty. `shell` says that a shell command line is an
/// alternative.
pub(crate) fn command(
    field: &Field<'_>,
    shell: bool,
    findings: &mut Findings,
) -> Option<Vec<String>> {
    let items: Vec<_> = field.items(findings).collect();
    if items.is_empty() {
        let message = "a command needs a program";
        findings
            .push(Diagnostic::new(Code::BadCommand, field.span(), message).label("an empty list"));
        return None;
    }
    let count = items.len();
    let words = items.iter().map(|item| word(item, findings));
    let words: Vec<_> = words.collect::<Vec<_>>().into_iter().flatten().collect();
    if words.len() != count {
        return None;
    }
    let program = words.first()?;
    if program.trim().is_empty() {
        let message = "the program's name is empty";
        findings.push(Diagnostic::new(
            Code::BadCommand,
            items.first()?.span(),
            message,
        ));
        return None;
    }
    // `command = "check -v"` would look for a program with a blank in its name.
    if field.as_text().is_some() && program.contains(char::is_whitespace) {
        let list: Vec<_> = program.split_whitespace().collect();
        let message = format!("`{}` is more than a program's name", shown(program));
        let mistake = Diagnostic::new(Code::BadCommand, field.span(), message)
            .label("not split by a shell")
            .help(format!("command = {}", shown_list(&list)));
        findings.push(match shell {
            true => mistake.help("or use `shell` instead of `command`, for a shell command line"),
            false => mistake,
        });
        return None;
    }
    Some(words)
}

/// A shell command line.
pub(crate) fn line(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let line = word(field, findings)?;
    if line.trim().is_empty() {
        let message = "the shell command line is empty";
        findings.push(Diagnostic::new(Code::BadCommand, field.span(), message));
        return None;
    }
    Some(line)
}

fn word(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let text = field.text(findings)?;
    if text.value.contains('\0') {
        let message = "an argument of a command must not contain a NUL byte";
        findings.push(Diagnostic::new(Code::BadCommand, field.span(), message));
        return None;
    }
    Some(text.value.to_owned())
}

fn shown_list(words: &[&str]) -> String {
    let words: Vec<_> = words
        .iter()
        .map(|word| format!("\"{}\"", shown(word)))
        .collect();
    format!("[{}]", words.join(", "))
}
