//! A run of the program: one socket, one command line (or many, with `-R`).

use std::io::{self, Read, Write};

use ipvs::{Client, Info, Operation, transport::Transport};

use crate::args::{self, Command};
use crate::errors::{SUCCESS, Stop};
use crate::help;
use crate::init;
use crate::list::Lister;
use crate::names::Names;
use crate::restore::{self, Lines};

/// The three streams of the process.
pub(crate) struct Streams<'a> {
    pub(crate) stdin: &'a mut dyn Read,
    /// Buffered; flushed where a reader may wait for it.
    pub(crate) stdout: &'a mut dyn Write,
    pub(crate) stderr: &'a mut dyn Write,
}

/// The state of a run.
pub(crate) struct Session<'a, T: Transport> {
    /// The program's name as called, for messages.
    pub(crate) program: &'a [u8],
    pub(crate) client: Client<T>,
    info: Info,
    pub(crate) stdout: &'a mut dyn Write,
    pub(crate) stderr: &'a mut dyn Write,
    pub(crate) names: &'a mut dyn Names,
}

/// Runs the program and returns its exit code. `words` excludes the program's name; `connect` is
/// called once, and again after the module was loaded.
pub(crate) fn run<T: Transport>(
    program: &[u8],
    words: &[&[u8]],
    streams: Streams<'_>,
    names: &mut dyn Names,
    connect: &mut dyn FnMut() -> ipvs::Result<Client<T>>,
) -> u8 {
    let Streams {
        stdin,
        stdout,
        stderr,
    } = streams;
    // Help does not need a kernel. Everything else fails first without one, as in 1.31.
    if let Some(command) = args::asks_for_text(words) {
        return end(text(&command, program, stdout), stdout, stderr);
    }
    let (client, info) = match init::initialise(connect) {
        Ok(both) => both,
        Err(stop) => return end(Err(stop), stdout, stderr),
    };
    let mut session = Session {
        program,
        client,
        info,
        stdout,
        stderr,
        names,
    };
    let result = session.command_line(words, stdin);
    end(result, session.stdout, session.stderr)
}

/// Replaces the table with the commands in `input`: `ipvsadm-restore`.
pub(crate) fn replace<T: Transport>(
    input: &mut dyn Read,
    streams: Streams<'_>,
    names: &mut dyn Names,
    connect: &mut dyn FnMut() -> ipvs::Result<Client<T>>,
) -> u8 {
    let Streams { stdout, stderr, .. } = streams;
    let (client, info) = match init::initialise(connect) {
        Ok(both) => both,
        Err(stop) => return end(Err(stop), stdout, stderr),
    };
    let mut session = Session {
        program: b"ipvsadm",
        client,
        info,
        stdout,
        stderr,
        names,
    };
    if let Err(stop) = session.change(Operation::Flush) {
        session.say(stop.message());
    }
    let result = restore::run(&mut session, Lines::new(input));
    end(result, session.stdout, session.stderr)
}

/// Prints the final message and returns the exit code.
fn end(result: Result<u8, Stop>, stdout: &mut dyn Write, stderr: &mut dyn Write) -> u8 {
    let flushed = stdout.flush().map_err(|error| Stop::write(&error));
    let stop = match (result, flushed) {
        (Ok(code), Ok(())) => return code,
        // A failure to write the listing takes precedence over success.
        (Ok(_), Err(stop)) | (Err(stop), _) => stop,
    };
    say(stderr, stop.message());
    stop.code
}

/// Writes a line to stderr in one write. A failure cannot be reported.
fn say(stderr: &mut dyn Write, message: &[u8]) {
    if !message.is_empty() {
        let _ = stderr.write_all(&[message, b"\n"].concat());
    }
}

fn text(command: &Command, program: &[u8], stdout: &mut dyn Write) -> Result<u8, Stop> {
    let written = match command {
        Command::Help => help::help(program, stdout),
        _ => help::version(stdout),
    };
    written
        .map(|()| SUCCESS)
        .map_err(|error| Stop::write(&error))
}

impl<T: Transport> Session<'_, T> {
    fn command_line(&mut self, words: &[&[u8]], stdin: &mut dyn Read) -> Result<u8, Stop> {
        // Without arguments, list everything.
        let words = if words.is_empty() {
            &[b"-L".as_slice()]
        } else {
            words
        };
        match args::parse(self.program, words, false, self.names)? {
            Command::Restore => restore::run(self, Lines::new(stdin)),
            Command::Change(operation) => self.change(operation),
            command => self.show(&command),
        }
    }

    /// Carries out one change.
    fn change(&mut self, operation: Operation) -> Result<u8, Stop> {
        match self.client.apply(operation) {
            Ok(()) => Ok(SUCCESS),
            Err(error) => Err(Stop::refused(&error)),
        }
    }

    /// Carries out a command that changes nothing.
    pub(crate) fn show(&mut self, command: &Command) -> Result<u8, Stop> {
        let mut lister = Lister {
            client: &mut self.client,
            info: self.info,
            out: self.stdout,
            names: self.names,
        };
        match command {
            Command::List(list) => lister.list(list)?,
            Command::Save { numeric } => lister.save(*numeric)?,
            Command::Help | Command::Version => return text(command, self.program, self.stdout),
            Command::Restore | Command::Change(_) => {}
        }
        Ok(SUCCESS)
    }

    /// Writes a line to stderr after the listing so far.
    pub(crate) fn say(&mut self, message: &[u8]) {
        // The write error appears again at the end.
        let _ = self.stdout.flush();
        say(self.stderr, message);
    }

    /// Flushes the listing.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}
