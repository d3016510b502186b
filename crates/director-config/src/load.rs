//! From files to a table: reads the root file and its includes, decodes and verifies them.

use std::collections::{BTreeSet, HashMap};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use super::code::{Code, Severity};
use super::decode::Decoder;
use super::diagnostic::{Diagnostic, Findings, NotShown};
use super::environment::Environment;
use super::files::{Disk, Files};
use super::lists::Found;
use super::model::{ServersDecl, ServiceDecl};
use super::shape::Shape;
use super::source::{FileId, Format, MAX_FILE, Sources, Span, Spanned};
use super::tree::Node;
use super::verify::Verifier;
use super::{json, render, report, toml};
use crate::state::Desired;
use crate::state::failover::Failovers;
use crate::state::health::Watch;
use crate::words::path as shown;

/// A service's name and that of its pool.
pub(super) type Use = (String, String);

/// The result of reading a service file.
#[derive(Debug)]
pub struct Parsed {
    /// The declared table; `None` if there is a mistake.
    pub desired: Option<Desired>,
    /// The health settings; present exactly if `desired` is.
    pub watch: Option<Watch>,
    /// What the file says about addresses; present exactly if `desired` is.
    pub failovers: Option<Failovers>,
    /// Whether the list of one of them does not exist yet.
    pub(super) lacks_list: bool,
    /// Mistakes and warnings, ordered by file and position.
    pub diagnostics: Vec<Diagnostic>,
    /// The mistakes and warnings beyond the shown ones.
    pub not_shown: (NotShown, NotShown),
    /// The files that were read, the root file first.
    pub sources: Sources,
    /// The directories searched for included files.
    pub directories: Vec<PathBuf>,
    /// Files that could not be read.
    pub unread: Vec<PathBuf>,
    /// The shape, for comparison with the next reading.
    pub shape: Shape,
    /// The pools that services use.
    pub(super) uses: Vec<Use>,
}

impl Parsed {
    /// The number of mistakes.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// The number of warnings.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        let more = match severity {
            Severity::Error => self.not_shown.0,
            Severity::Warning => self.not_shown.1,
        };
        let of = |found: &&Diagnostic| found.severity == severity && found.code != Code::NotShown;
        self.diagnostics.iter().filter(of).count() + more.number
    }

    /// The diagnostics for people, each ending in a line break, with an empty line between two.
    #[must_use]
    pub fn render(&self, style: render::Style) -> String {
        render::render(&self.diagnostics, &self.sources, style)
    }

    /// The diagnostics for programs: a list of objects with severity, code, message, place and notes.
    #[must_use]
    pub fn report(&self) -> serde_json::Value {
        report::report(&self.diagnostics, &self.sources)
    }
}

/// Reads a service file from the disk.
#[must_use]
pub fn load(path: &Path, environment: &Environment) -> Parsed {
    load_from(path, &Disk, environment)
}

/// Reads a service file from any source.
#[must_use]
pub fn load_from(path: &Path, files: &dyn Files, environment: &Environment) -> Parsed {
    load_part(path, files, environment, &Extras::default())
}

/// Context of a partial or forced reading.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// Pools used by services that were removed from the texts: these are not reported as unused.
    pub(super) in_use: BTreeSet<String>,
    /// Whether services were removed from the texts, which may be empty because of that.
    pub(super) is_part: bool,
    /// Whether an empty root file declares nothing and is no mistake.
    pub(super) forced: bool,
    /// Whether the caller runs for long, and needs the memory back.
    pub(super) is_daemon: bool,
}

/// Reads a service file from the disk for a person who forces it: an empty one declares nothing.
#[must_use]
pub fn load_forced(path: &Path, environment: &Environment) -> Parsed {
    let extras = Extras {
        forced: true,
        ..Extras::default()
    };
    load_part(path, &Disk, environment, &extras)
}

/// Like [`load_from`], for files from which services may have been removed.
pub(super) fn load_part(
    path: &Path,
    files: &dyn Files,
    environment: &Environment,
    extras: &Extras,
) -> Parsed {
    let mut loader = Loader::new(files, environment, extras);
    loader.read(path, None);
    loader.finish()
}

/// Reads a service file whose text is given, such as standard input. Looks for its includes in
/// `directory`. With `forced`, an empty one declares nothing.
#[must_use]
pub fn load_text(
    name: &str,
    bytes: Vec<u8>,
    format: Format,
    directory: &Path,
    files: &dyn Files,
    environment: &Environment,
    forced: bool,
) -> Parsed {
    let extras = Extras {
        forced,
        ..Extras::default()
    };
    let mut loader = Loader::new(files, environment, &extras);
    let file = loader.text(PathBuf::from(name), bytes, None);
    if let Some(file) = file {
        loader.take_in(file, format, directory);
    }
    loader.finish()
}

/// The deepest nesting of includes. Cycles are detected separately; this limits the rest.
const MAX_DEPTH: usize = 32;

struct Loader<'e> {
    files: &'e dyn Files,
    environment: &'e Environment,
    sources: Sources,
    directories: Vec<PathBuf>,
    findings: Findings,
    decoder: Decoder,
    verifier: Verifier<'e>,
    /// Where each file, by its identity, was included.
    included: HashMap<PathBuf, Option<Span>>,
    depth: usize,
    uses: Vec<Use>,
    extras: &'e Extras,
    unread: Vec<PathBuf>,
    lacks_list: bool,
    shape: Shape,
}

impl<'e> Loader<'e> {
    fn new(files: &'e dyn Files, environment: &'e Environment, extras: &'e Extras) -> Self {
        Self {
            files,
            environment,
            sources: Sources::default(),
            directories: Vec::new(),
            findings: Findings::default(),
            decoder: Decoder::default(),
            verifier: Verifier::new(files),
            included: HashMap::new(),
            depth: 0,
            uses: Vec::new(),
            extras,
            unread: Vec::new(),
            lacks_list: false,
            shape: Shape::default(),
        }
    }

    fn finish(mut self) -> Parsed {
        let findings = &mut self.findings;
        let machine = self.environment.machine();
        let declaration = self.decoder.finish(machine, findings);
        let Extras {
            in_use, is_part, ..
        } = self.extras;
        let (desired, watch, failovers) =
            self.verifier
                .finish(declaration, in_use, *is_part, findings);
        self.findings.report_unused_allow();
        let usable = !self.findings.has_errors();
        Parsed {
            desired: usable.then_some(desired),
            watch: usable.then_some(watch),
            failovers: usable.then_some(failovers),
            not_shown: self.findings.not_shown(),
            diagnostics: self.findings.into_sorted(&self.sources),
            sources: self.sources,
            directories: self.directories,
            unread: self.unread,
            lacks_list: self.lacks_list,
            shape: self.shape,
            uses: self.uses,
        }
    }

    fn report(&mut self, code: Code, from: Option<Span>, message: String) {
        self.findings.push(match from {
            Some(span) => Diagnostic::new(code, span, message).label("included here"),
            None => Diagnostic::nowhere(code, message),
        });
        self.findings.incomplete = true;
    }

    /// Reads a file, included from `from`.
    fn read(&mut self, path: &Path, from: Option<Span>) {
        let identity = self.files.identity(path);
        if let Some(first) = self.included.get(&identity) {
            self.findings.push(twice(path, from, *first));
            return;
        }
        self.included.insert(identity, from);
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("cannot read `{}`: {error}", shown(path));
                self.unread.push(path.to_owned());
                self.report(Code::Unreadable, from, message);
                return;
            }
        };
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        if let Some(file) = self.text(path.to_owned(), bytes, from) {
            self.shape.files.insert(path.to_owned());
            self.take_in(file, Format::of(path), &directory);
        }
    }

    /// Decodes a file's bytes, if they are text.
    fn text(&mut self, path: PathBuf, bytes: Vec<u8>, from: Option<Span>) -> Option<FileId> {
        if bytes.len() > MAX_FILE {
            let message = format!("`{}` is longer than {MAX_FILE} bytes", shown(&path));
            self.report(Code::TooLarge, from, message);
            return None;
        }
        match String::from_utf8(bytes) {
            Ok(text) => Some(self.sources.add(path, text)),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let file = self.sources.add(path, text);
                // Each invalid byte became one character of three bytes, and all before are
                // unchanged.
                let span = Span::new(file, good..good + '\u{fffd}'.len_utf8());
                let found = Diagnostic::new(Code::NotUtf8, span, "the file is not UTF-8");
                self.findings.push(found.label("not a character"));
                self.findings.incomplete = true;
                None
            }
        }
    }

    fn take_in(&mut self, file: FileId, format: Format, directory: &Path) {
        let is_well = !self.findings.has_errors();
        let text = self.sources.file(file).text();
        let is_apart = self.extras.is_daemon && text.len() >= LONG;
        let parse = if is_apart { parse_apart } else { parse };
        let tree: Option<Node<'_>> = parse(format, file, text, &mut self.findings);
        let Some(mut tree) = tree else { return };
        // A dollar sign can also be written as an escape.
        if [b'$', b'\\']
            .iter()
            .any(|byte| text.as_bytes().contains(byte))
        {
            self.environment.substitute(&mut tree, &mut self.findings);
        }
        let is_root = self.depth == 0;
        if is_well && !self.extras.is_part && !self.findings.has_errors() && tree.is_empty() {
            let source = self.sources.file(file);
            let end = Span::new(file, text.len()..text.len());
            let harmless = !is_root || self.extras.forced;
            self.findings
                .push(says_nothing(source.path(), end, is_root).unless(harmless));
            self.shape.empty.insert(source.path().to_owned());
            if is_root {
                return;
            }
        }
        if is_root {
            self.shape.has_version = tree.has_key("version");
        }
        let verifier = &mut self.verifier;
        let uses = &mut self.uses;
        let mut take_service = |service: ServiceDecl, declared: &_, findings: &mut _| {
            if let ServersDecl::Pool(pool) = &service.servers {
                uses.push((service.name.value.clone(), pool.value.clone()));
            }
            verifier.take_in(service, declared, findings);
        };
        let findings = &mut self.findings;
        let decoder = &mut self.decoder;
        let lists = Found::read(&tree, self.environment, self.files);
        let parsed = lists.parse(self.sources.next(), findings);
        let includes = decoder.file(tree, is_root, &parsed, &mut take_service, findings);
        drop(parsed);
        self.lacks_list |= lists.lacks;
        lists.add_to(&mut self.sources);
        for include in includes {
            let from = self.sources.file(file).path().to_owned();
            self.include(&include, directory, from);
        }
    }

    fn include(&mut self, include: &Spanned<String>, directory: &Path, from: PathBuf) {
        let pattern = &include.value;
        self.directories.push(looked_into(directory, pattern));
        let paths = match self.files.matching(directory, pattern) {
            Ok(paths) => paths,
            Err(problem) => {
                let message = format!("`{pattern}` is not a pattern of paths: {problem}");
                let found = Diagnostic::new(Code::IncludePattern, include.span, message);
                self.findings
                    .push(found.help("a pattern is \"services.d/*.toml\""));
                return;
            }
        };
        self.shape
            .includes
            .insert((from, pattern.clone()), paths.len());
        if paths.is_empty() && !pattern.contains(['*', '?', '[']) {
            let message = format!("no file `{pattern}`");
            self.report(Code::Unreadable, Some(include.span), message);
            return;
        }
        if paths.is_empty() {
            let looked = looked_into(directory, pattern);
            if !self.files.is_directory(&looked) {
                self.shape.away.insert(looked);
            }
            let message = format!("`{pattern}` matches no file");
            let found = Diagnostic::new(Code::IncludeEmpty, include.span, message);
            self.findings.push(found.label(format!(
                "looked for in `{}`",
                shown(if directory.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    directory
                })
            )));
        }
        if self.depth == MAX_DEPTH {
            let message = format!("includes are nested more than {MAX_DEPTH} deep");
            self.report(Code::TooLarge, Some(include.span), message);
            return;
        }
        self.depth += 1;
        for path in paths {
            self.read(&path, Some(include.span));
        }
        self.depth -= 1;
    }
}

/// A text from this length on, in bytes, is worth a thread.
const LONG: usize = 64 << 10;

fn parse<'t>(
    format: Format,
    file: FileId,
    text: &'t str,
    findings: &mut Findings,
) -> Option<Node<'t>> {
    match format {
        Format::Toml => Some(toml::parse(file, text, findings)),
        Format::Json => json::parse(file, text, findings),
    }
}

/// Parses a long text on a thread of its own.
///
/// The tree is seven times as large as its text. `malloc` of glibc gives each thread memory of its own
/// and returns only the end of that to the kernel, so what outlives the tree must not lie behind it: of
/// a director with 10,000 servers that held 3.6 MB.
fn parse_apart<'t>(
    format: Format,
    file: FileId,
    text: &'t str,
    findings: &mut Findings,
) -> Option<Node<'t>> {
    let parsed = thread::scope(|scope| {
        let parse = || parse(format, file, text, findings);
        let thread = thread::Builder::new().name("parser".to_owned());
        let thread = thread.spawn_scoped(scope, parse).ok()?;
        Some(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    // Without a thread it takes more memory.
    parsed.unwrap_or_else(|| parse(format, file, text, findings))
}

/// A file with only blanks and comments. No person writes such a root file: a full disk leaves one,
/// or a program that is still writing.
fn says_nothing(path: &Path, at: Span, is_root: bool) -> Diagnostic {
    let message = format!("`{}` is empty", shown(path));
    let found = Diagnostic::new(Code::EmptyFile, at, message);
    if is_root {
        found.help("a file that intentionally declares no service needs the line `version = 1`")
    } else {
        found
    }
}

/// The directory that a pattern searches, up to the first wildcard.
fn looked_into(directory: &Path, pattern: &str) -> PathBuf {
    let named = pattern
        .find(['*', '?', '['])
        .map_or(pattern, |wild| &pattern[..wild]);
    let named = named.rfind('/').map_or("", |slash| &named[..=slash]);
    let looked = directory.join(named);
    if looked.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        looked
    }
}

fn twice(path: &Path, from: Option<Span>, first: Option<Span>) -> Diagnostic {
    let message = format!("`{}` is read twice", shown(path));
    let found = match from {
        Some(span) => {
            Diagnostic::new(Code::IncludeTwice, span, message).label("included here again")
        }
        None => Diagnostic::nowhere(Code::IncludeTwice, message),
    };
    match first {
        Some(first) if Some(first) != from => found.also(first, "and here"),
        Some(_) => found,
        None => found.reason("it is the root file"),
    }
}
