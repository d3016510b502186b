//! The command line as people see it: clap's, in which each verb has only those of the global
//! options that mean something for it.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, Error, FromArgMatches};

use super::args::Args;

/// The global options without a meaning for a verb. A verb that is not listed has all of them.
fn useless(verb: &str) -> &'static [&'static str] {
    match verb {
        // They write what the program itself knows.
        "schema" | "completions" | "man" | "complete" => &["state_dir", "netns", "socket", "color"],
        "check" => &["state_dir", "netns", "socket"],
        "discover" => &["state_dir", "socket"],
        // They ask the running director, which keeps the state.
        "status" | "events" | "top" | "web" => &["state_dir"],
        "metrics" | "drain" | "undrain" | "weight" | "disable" | "enable" | "reload" => {
            &["state_dir", "color"]
        }
        // They ask no director, and print nothing in colour.
        "confirm" => &["socket", "color"],
        "history" | "export" | "adopt" | "disown" => &["color"],
        _ => &[],
    }
}

/// The command line, for parsing, help, man pages and completions.
pub(super) fn command() -> Command {
    let mut command = Args::command();
    let globals: Vec<Arg> = command
        .get_arguments()
        .filter(|option| option.is_global_set())
        .cloned()
        .collect();
    let verbs: Vec<String> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    for verb in verbs {
        let without = useless(&verb);
        // A verb that has the option itself does not get the one of the program, which is shown.
        let hidden = globals
            .iter()
            .filter(|option| without.contains(&option.get_id().as_str()))
            .map(|option| option.clone().hide(true));
        command = command.mut_subcommand(verb, |command| command.args(hidden));
    }
    command
}

/// Parses the command line.
///
/// # Errors
/// If it is wrong, or asks for help or version: clap's text for people.
pub(super) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(words);
    let mut matches = matches.map_err(|error| without_hidden(error, &command))?;
    refuse_useless(&mut command, &matches)?;
    Args::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Refuses an option that was typed although the verb does nothing with it. One that comes from the
/// environment is meant for other verbs, and `--color` may stand in an alias for all of them.
fn refuse_useless(command: &mut Command, matches: &ArgMatches) -> Result<(), Error> {
    let Some((verb, own)) = matches.subcommand() else {
        return Ok(());
    };
    let typed =
        |id: &&&str| **id != "color" && own.value_source(id) == Some(ValueSource::CommandLine);
    let Some(id) = useless(verb).iter().find(typed) else {
        return Ok(());
    };
    let option = id.replace('_', "-");
    let text =
        format!("unexpected argument '--{option}' found: `director {verb}` has no use for it");
    let command = command.find_subcommand_mut(verb);
    Err(command.map_or_else(
        || Error::raw(ErrorKind::UnknownArgument, &text),
        |command| command.clone().error(ErrorKind::UnknownArgument, &text),
    ))
}

/// An error without suggestions of verbs that are not for people.
fn without_hidden(mut error: Error, command: &Command) -> Error {
    let suggested = match error.remove(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(names)) => names,
        Some(ContextValue::String(name)) => vec![name],
        _ => return error,
    };
    let shown = |name: &String| {
        command
            .find_subcommand(name)
            .is_some_and(|verb| !verb.is_hide_set())
    };
    let names: Vec<String> = suggested.into_iter().filter(shown).collect();
    if !names.is_empty() {
        error.insert(
            ContextKind::SuggestedSubcommand,
            ContextValue::Strings(names),
        );
    }
    error
}

/// The command line without what is not for people, for the generators of clap, which list it.
pub(super) fn shown() -> Command {
    let mut whole = command().disable_help_subcommand(true);
    whole.build();
    copy(&whole)
        .version(env!("DIRECTOR_VERSION"))
        .propagate_version(true)
}

/// A command without what is hidden. clap adds `--help` and `--version` itself.
fn copy(command: &Command) -> Command {
    let own = |option: &&Arg| !matches!(option.get_id().as_str(), "help" | "version");
    let options = command.get_arguments().filter(own);
    let options = options.filter(|option| !option.is_hide_set());
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .allow_missing_positional(command.is_allow_missing_positional_set())
        .disable_help_subcommand(true)
        .args(options.map(|option| option.clone().global(false)))
        .subcommands(verbs.map(copy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        let words = line.split(' ').map(OsString::from);
        parse(words).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn an_option_without_meaning_is_refused_before_and_after_the_verb() {
        for line in [
            "director schema --state-dir x",
            "director --state-dir x schema",
            "director --netns blue check a.toml",
            "director status --state-dir=x",
            "director --socket x schema",
        ] {
            let error = error(line);
            assert!(error.contains("unexpected argument '--"), "{line}: {error}");
            assert!(error.contains("has no use for it"), "{line}: {error}");
        }
    }

    #[test]
    fn what_is_listed_as_useless_exists() {
        let command = command();
        let options: Vec<_> = command.get_arguments().map(Arg::get_id).collect();
        for verb in command.get_subcommands() {
            for id in useless(verb.get_name()) {
                assert!(options.iter().any(|known| *known == id), "{id}");
            }
        }
    }

    #[test]
    fn no_hidden_verb_is_suggested() {
        assert!(!error("director guad").contains("guard"));
        assert!(error("director aply").contains("apply"));
    }
}
