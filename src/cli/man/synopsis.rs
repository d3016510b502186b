//! The synopsis of a verb, with the values of its options: `[--format FORM]`.

use clap::{Arg, Command};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// The section SYNOPSIS. A verb's own options come first, the global ones last before its arguments.
pub(super) fn section(command: &Command) -> Roff {
    let mut line = vec![bold(
        command.get_bin_name().unwrap_or_else(|| command.get_name()),
    )];
    let shown = || {
        command
            .get_arguments()
            .filter(|option| !option.is_hide_set())
    };
    let options = || {
        // They print something else, on every verb.
        let with_values = |option: &&Arg| !matches!(option.get_id().as_str(), "help" | "version");
        shown()
            .filter(|option| !option.is_positional())
            .filter(with_values)
    };
    let own = options().filter(|option| option.get_help_heading().is_none());
    let global = options().filter(|option| option.get_help_heading().is_some());
    let (alternatives, arguments): (Vec<_>, Vec<_>) = shown()
        .filter(|option| option.is_positional() || in_required_group(command, option))
        .partition(|option| in_required_group(command, option));
    for option in own
        .filter(|option| !in_required_group(command, option))
        .chain(global)
    {
        line.push(roman(" "));
        line.extend(bracketed(option_of(option), option.is_required_set()));
    }
    if !alternatives.is_empty() {
        line.push(roman(" {"));
        for (index, option) in alternatives.iter().enumerate() {
            if index > 0 {
                line.push(roman("|"));
            }
            line.extend(if option.is_positional() {
                argument(option)
            } else {
                option_of(option)
            });
        }
        line.push(roman("}"));
    }
    for argument_of in arguments {
        line.push(roman(" "));
        line.extend(bracketed(
            argument(argument_of),
            argument_of.is_required_set(),
        ));
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("VERB"), roman(" ...")]);
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]).text(line);
    roff
}

/// Whether the verb needs this one or another of its group.
fn in_required_group(command: &Command, option: &Arg) -> bool {
    let mut required = command.get_groups().filter(|group| group.is_required_set());
    required.any(|group| group.get_args().any(|member| member == option.get_id()))
}

fn bracketed(mut text: Vec<Inline>, required: bool) -> Vec<Inline> {
    if !required {
        text.insert(0, roman("["));
        text.push(roman("]"));
    }
    text
}

/// `-n|--last COUNT`, `--watch[=TIME]`.
fn option_of(option: &Arg) -> Vec<Inline> {
    let mut text = Vec::new();
    if let Some(short) = option.get_short() {
        text.push(bold(format!("-{short}")));
    }
    if let Some(long) = option.get_long() {
        if !text.is_empty() {
            text.push(roman("|"));
        }
        text.push(bold(format!("--{long}")));
    }
    let values = option.get_num_args().unwrap_or_default();
    if !values.takes_values() {
        return text;
    }
    let name = italic(names(option));
    match (values.min_values() == 0, option.is_require_equals_set()) {
        (true, true) => text.extend([roman("[="), name, roman("]")]),
        (true, false) => text.extend([roman(" ["), name, roman("]")]),
        (false, true) => text.extend([roman("="), name]),
        (false, false) => text.extend([roman(" "), name]),
    }
    text
}

/// `FILE`, `SERVICE...`.
fn argument(option: &Arg) -> Vec<Inline> {
    let mut text = vec![italic(names(option))];
    if option
        .get_num_args()
        .is_some_and(|values| values.max_values() > 1)
    {
        text.push(roman("..."));
    }
    text
}

/// The names of the values, or those that there are if none has a name.
fn names(option: &Arg) -> String {
    match option.get_value_names() {
        Some(names) => names.join(" "),
        None => option.get_id().as_str().to_uppercase(),
    }
}
