//! The values of options and arguments, by the names that help gives them: whatever is called
//! `SERVICE` completes services, on every verb.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use clap::{Arg, Command, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::known::{self, Known, Server};
use crate::cli::args::{Args, Colour, Verb};
use crate::cli::command;
use crate::control::event::EventKind;

/// What was typed before the word at the cursor.
#[derive(Debug, Clone, Default)]
pub(super) struct Typed {
    /// The verb.
    pub(super) verb: String,
    /// The service, if the verb has taken one.
    pub(super) service: Option<String>,
    /// The network namespace.
    pub(super) netns: Option<String>,
    /// The control socket.
    pub(super) socket: Option<PathBuf>,
}

impl Typed {
    pub(super) fn new(words: &[OsString]) -> Self {
        let before = &words[..words.len().saturating_sub(1)];
        let parser = command::command().ignore_errors(true);
        let Ok(matches) = parser.try_get_matches_from(before) else {
            return Self::default();
        };
        let Some((verb, own)) = matches.subcommand() else {
            return Self::default();
        };
        let text = |id| own.try_get_one::<String>(id).ok().flatten().cloned();
        Self {
            verb: verb.to_owned(),
            // `drain web` can become `drain web app2`, though what it says now is the server.
            service: text("service").or_else(|| text("server")),
            netns: text("netns"),
            socket: own.try_get_one::<PathBuf>("socket").ok().flatten().cloned(),
        }
    }

    /// The options of a verb that asks the director.
    pub(super) fn args(&self) -> Args {
        Args {
            state_dir: PathBuf::new(),
            netns: self.netns.clone(),
            socket: self.socket.clone(),
            color: Colour::Never,
            verb: Verb::Confirm,
        }
    }
}

/// Paths that the shell completes itself: it knows `~`, quotes and its own settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paths {
    Files = 1,
    Directories = 2,
}

/// Whether the value at the cursor is a path.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted(Arc<AtomicU8>);

impl Wanted {
    pub(super) fn get(&self) -> Option<Paths> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Paths::Files),
            2 => Some(Paths::Directories),
            _ => None,
        }
    }

    fn set(&self, paths: Paths) {
        self.0.store(paths as u8, Ordering::Relaxed);
    }
}

/// The command line, whose values complete themselves.
pub(super) fn attach(typed: Typed) -> (Command, Wanted) {
    let (typed, wanted) = (Arc::new(typed), Wanted::default());
    let mut command = command::command();
    command.build();
    let command = attached(command, &typed, &wanted);
    (command, wanted)
}

fn attached(command: Command, typed: &Arc<Typed>, wanted: &Wanted) -> Command {
    let verbs: Vec<String> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    let command = command.mut_args(|option| completed(option, typed, wanted));
    verbs.into_iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, |verb| attached(verb, typed, wanted))
    })
}

/// What the values of an option can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Path(Paths),
    /// A service's name in the file, or its listen address.
    Service,
    /// A service in the kernel, by its listen address.
    Listen,
    /// A server, or a machine.
    Server,
    /// A service or a server.
    Name,
    /// The state of a server, or of a service.
    State,
    /// The kind of an event.
    Kind,
    /// A network namespace.
    Namespace,
    /// A weight.
    Weight,
}

impl Value {
    /// By the name that help shows. Without any, clap's engine completes words that are fixed.
    fn of(option: &Arg, verb: &str) -> Option<Self> {
        match option.get_value_hint() {
            ValueHint::AnyPath | ValueHint::FilePath => return Some(Self::Path(Paths::Files)),
            ValueHint::DirPath => return Some(Self::Path(Paths::Directories)),
            _ => {}
        }
        if !option.get_possible_values().is_empty() {
            return None;
        }
        let name = option.get_value_names()?.first()?;
        Some(match (name.as_str(), option.get_id().as_str()) {
            (_, "netns") => Self::Namespace,
            ("NAME", _) => Self::Name,
            ("SERVICE", _) if matches!(verb, "adopt" | "disown") => Self::Listen,
            ("SERVICE", _) => Self::Service,
            ("SERVER", _) => Self::Server,
            ("STATE", _) => Self::State,
            ("KIND", _) => Self::Kind,
            ("WEIGHT", _) => Self::Weight,
            _ => return None,
        })
    }
}

fn completed(option: Arg, typed: &Arc<Typed>, wanted: &Wanted) -> Arg {
    let Some(value) = Value::of(&option, &typed.verb) else {
        return option;
    };
    let (typed, wanted) = (Arc::clone(typed), wanted.clone());
    option.add(ArgValueCompleter::new(move |current: &OsStr| {
        let current = current.to_string_lossy();
        // The engine asks for arguments also while an option is typed.
        if current.starts_with('-') {
            return Vec::new();
        }
        if let Value::Path(paths) = value {
            wanted.set(paths);
            return Vec::new();
        }
        candidates(value, &typed, &current)
            .into_iter()
            .filter(|(word, _)| word.starts_with(&*current))
            .map(|(word, about)| {
                CompletionCandidate::new(word).help((!about.is_empty()).then(|| about.into()))
            })
            .collect()
    }))
}

/// Words and explanations.
fn candidates(value: Value, typed: &Typed, current: &str) -> Vec<(String, String)> {
    match value {
        Value::Path(_) => Vec::new(),
        Value::Service => {
            let known = known::all(typed);
            let mut words = services(&known, current);
            // Their service can be left out.
            if matches!(typed.verb.as_str(), "drain" | "undrain") {
                words.extend(servers(&known, typed, current));
            }
            distinct(words)
        }
        Value::Listen => known::listens(typed).into_iter().map(bare).collect(),
        Value::Server => servers(&known::all(typed), typed, current),
        Value::Name => {
            let known = known::all(typed);
            let mut words = services(&known, current);
            words.extend(servers(&known, typed, current));
            distinct(words)
        }
        Value::State => known::STATES
            .into_iter()
            .chain(known::SERVICE_STATES)
            .map(|word| bare(word.to_owned()))
            .collect(),
        Value::Kind => EventKind::ALL
            .iter()
            .map(|kind| (kind.word().to_owned(), String::new()))
            .collect(),
        Value::Namespace => known::namespaces().into_iter().map(bare).collect(),
        Value::Weight => vec![("declared".to_owned(), "the weight in the file".to_owned())],
    }
}

fn bare(word: String) -> (String, String) {
    (word, String::new())
}

/// Names, and the listen addresses once one is begun: both would be each service twice.
fn services(known: &Known, current: &str) -> Vec<(String, String)> {
    let mut words: Vec<(String, String)> = Vec::new();
    for service in &known.services {
        match words.last_mut() {
            // One name with several listen addresses.
            Some((name, about)) if *name == service.name => {
                about.push_str(", ");
                about.push_str(&service.listen);
            }
            _ => words.push((service.name.clone(), service.listen.clone())),
        }
    }
    if !current.is_empty() {
        let services = known.services.iter();
        words.extend(services.map(|service| (service.listen.clone(), service.name.clone())));
    }
    distinct(words)
}

/// The servers that the verb can do something about.
fn servers(known: &Known, typed: &Typed, current: &str) -> Vec<(String, String)> {
    let of_service = |name: &str, listen: &str| {
        let asked = typed.service.as_deref();
        asked.is_none_or(|asked| asked == name || asked == listen)
    };
    let servers = || {
        let services = known.services.iter();
        services
            .filter(|service| of_service(&service.name, &service.listen))
            .flat_map(|service| &service.servers)
    };
    let wanted: Vec<&Server> = match typed.verb.as_str() {
        "undrain" => servers().filter(|server| server.drained).collect(),
        "enable" => servers().filter(|server| server.disabled).collect(),
        _ => servers().collect(),
    };
    // A file does not know the drains.
    let wanted = if wanted.is_empty() && !known.running {
        servers().collect()
    } else {
        wanted
    };
    let machine = matches!(typed.verb.as_str(), "disable" | "enable");
    let mut words = Vec::new();
    for server in wanted {
        let address = if machine {
            server.address.address.to_string()
        } else {
            server.address.to_string()
        };
        match &server.name {
            Some(name) => {
                words.push((name.clone(), format!("{address} {}", server.about)));
                if !current.is_empty() {
                    words.push((address, format!("{name} {}", server.about)));
                }
            }
            None => words.push((address, server.about.clone())),
        }
    }
    distinct(words)
}

fn distinct(mut words: Vec<(String, String)>) -> Vec<(String, String)> {
    for (_, about) in &mut words {
        about.truncate(about.trim_end().len());
    }
    words.sort();
    words.dedup_by(|one, other| one.0 == other.0);
    words
}
