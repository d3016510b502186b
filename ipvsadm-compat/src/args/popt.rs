//! Splits a command line into options and operands, as popt 1.19 does.
//!
//! This is our own tokenizer rather than an existing argument parser, because 1.31's visible
//! behaviour depends on popt's exact rules: messages name the *word* that popt read last (`-LA`,
//! not `-A`; the value, not its option), `-p` takes its value from the next word unless that starts
//! with `-`, a short option also accepts a value behind `=`, long options cannot be abbreviated,
//! and options are reported in the order given. The rules:
//!
//! ```text
//! word          means
//! --            all words after it are operands
//! - or foo      an operand
//! --name        a long option; its value is the next word
//! --name=value
//! -abc          a cluster of short options; of one that takes a value, the rest is the value,
//! -a=value      or what stands behind `=`, or the next word
//! ```
//!
//! popt's `!#:+`, which puts the next operand into a value, is not implemented: it belongs to alias
//! files, and ipvsadm has none.

use super::options::{Opt, Spelling, TABLE, Takes};

/// A command line that is read from left to right, one option at a time.
#[derive(Debug)]
pub(crate) struct Popt<'a> {
    /// The words after the program's name.
    words: &'a [&'a [u8]],
    /// The index of the first unread word.
    next: usize,
    /// The rest of a cluster of short options.
    cluster: Option<&'a [u8]>,
    /// Whether `--` was read.
    only_operands: bool,
    operands: Vec<&'a [u8]>,
}

/// Errors of popt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PoptError {
    UnknownOption,
    MissingArgument,
    UnwantedArgument,
}

impl PoptError {
    /// The texts of `poptStrerror`.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::UnknownOption => "unknown option",
            Self::MissingArgument => "missing argument",
            Self::UnwantedArgument => "option does not take an argument",
        }
    }
}

/// An option and its value.
pub(crate) type Given<'a> = (Opt, Option<&'a [u8]>);

impl<'a> Popt<'a> {
    pub(crate) fn new(words: &'a [&'a [u8]]) -> Self {
        Self {
            words,
            next: 0,
            cluster: None,
            only_operands: false,
            operands: Vec::new(),
        }
    }

    /// The next option; `None` at the end (`poptGetNextOpt`).
    pub(crate) fn next(&mut self) -> Result<Option<Given<'a>>, PoptError> {
        let (spelling, mut value) = loop {
            if let Some(cluster) = self.cluster.take() {
                break self.short(cluster)?;
            }
            let Some(word) = self.word() else {
                return Ok(None);
            };
            match word {
                b"--" if !self.only_operands => self.only_operands = true,
                [b'-', b'-', name @ ..] if !self.only_operands => break long(name)?,
                [b'-', cluster @ ..] if !self.only_operands && !cluster.is_empty() => {
                    self.cluster = Some(cluster);
                }
                operand => self.operands.push(operand),
            }
        };
        match spelling.takes {
            Takes::Nothing if value.is_some() => return Err(PoptError::UnwantedArgument),
            Takes::Nothing => return Ok(Some((spelling.option, None))),
            Takes::Value | Takes::Maybe => {}
        }
        if value.is_none() {
            value = self.cluster.take();
        }
        if value.is_none() {
            value = self.value_word(spelling.takes)?;
        }
        Ok(Some((spelling.option, value)))
    }

    fn word(&mut self) -> Option<&'a [u8]> {
        let word = self.words.get(self.next)?;
        self.next += 1;
        Some(word)
    }

    /// Takes the next word as a value.
    fn value_word(&mut self, takes: Takes) -> Result<Option<&'a [u8]>, PoptError> {
        match self.words.get(self.next) {
            None | Some([b'-', ..]) if takes == Takes::Maybe => Ok(None),
            None => Err(PoptError::MissingArgument),
            Some(_) => Ok(self.word()),
        }
    }

    /// Takes the first option of a cluster and keeps the rest.
    fn short(
        &mut self,
        cluster: &'a [u8],
    ) -> Result<(&'static Spelling, Option<&'a [u8]>), PoptError> {
        let (letter, rest) = cluster.split_first().ok_or(PoptError::UnknownOption)?;
        let spelling = TABLE
            .iter()
            .find(|spelling| spelling.short == Some(*letter))
            .ok_or(PoptError::UnknownOption)?;
        match rest {
            [] => Ok((spelling, None)),
            [b'=', value @ ..] => Ok((spelling, Some(value))),
            _ => {
                self.cluster = Some(rest);
                Ok((spelling, None))
            }
        }
    }

    /// The last word read (`poptBadOption` with `POPT_BADOPTION_NOALIAS`).
    pub(crate) fn last_word(&self) -> &'a [u8] {
        self.next
            .checked_sub(1)
            .and_then(|last| self.words.get(last).copied())
            .unwrap_or_default()
    }

    /// The operands, once all options have been read.
    pub(crate) fn operands(&self) -> &[&'a [u8]] {
        &self.operands
    }
}

fn long(word: &[u8]) -> Result<(&'static Spelling, Option<&[u8]>), PoptError> {
    let (name, value) = match word.iter().position(|byte| *byte == b'=') {
        Some(end) => (&word[..end], Some(&word[end + 1..])),
        None => (word, None),
    };
    let spelling = TABLE
        .iter()
        .find(|spelling| spelling.long.as_bytes() == name)
        .ok_or(PoptError::UnknownOption)?;
    Ok((spelling, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Options = Vec<(Opt, Option<String>)>;

    /// Reads a command line up to its end or first error: options, operands, error.
    fn read(line: &str) -> (Options, Vec<String>, Option<String>) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut popt = Popt::new(&words);
        let mut options = Vec::new();
        let error = loop {
            match popt.next() {
                Ok(Some((option, value))) => options.push((option, value.map(text))),
                Ok(None) => break None,
                Err(error) => break Some(format!("{}: {}", text(popt.last_word()), error.text())),
            }
        };
        let operands = popt.operands().iter().map(|word| text(word)).collect();
        (options, operands, error)
    }

    fn options(line: &str) -> Options {
        let (options, operands, error) = read(line);
        assert_eq!((operands, error), (Vec::new(), None), "{line}");
        options
    }

    fn error(line: &str) -> String {
        read(line).2.unwrap()
    }

    #[test]
    fn a_value_can_be_written_in_six_ways() {
        let address = Some("x:1".to_owned());
        for line in [
            "-t x:1",
            "-tx:1",
            "-t=x:1",
            "--tcp-service x:1",
            "--tcp-service=x:1",
        ] {
            assert_eq!(options(line), [(Opt::Tcp, address.clone())], "{line}");
        }
        let cluster = [(Opt::AddService, None), (Opt::Tcp, address)];
        assert_eq!(options("-At x:1"), cluster);
    }

    #[test]
    fn an_optional_value_is_the_next_word_unless_that_starts_with_a_dash() {
        let value = |text: &str| Some(text.to_owned());
        for line in [
            "-p 77",
            "-p77",
            "-p=77",
            "--persistent=77",
            "--persistent 77",
        ] {
            assert_eq!(options(line), [(Opt::Persistent, value("77"))], "{line}");
        }
        assert_eq!(options("-p"), [(Opt::Persistent, None)]);
        assert_eq!(
            options("-p -n"),
            [(Opt::Persistent, None), (Opt::Numeric, None)]
        );
        assert_eq!(options("-p="), [(Opt::Persistent, value(""))]);
        assert_eq!(options("-pn"), [(Opt::Persistent, value("n"))]);
    }

    #[test]
    fn a_value_that_is_needed_is_the_next_word_whatever_it_is() {
        assert_eq!(options("-t -n"), [(Opt::Tcp, Some("-n".to_owned()))]);
        assert_eq!(options("-t --"), [(Opt::Tcp, Some("--".to_owned()))]);
        assert_eq!(options("-t="), [(Opt::Tcp, Some(String::new()))]);
    }

    #[test]
    fn clusters() {
        let listed = [
            (Opt::List, None),
            (Opt::Connection, None),
            (Opt::Numeric, None),
        ];
        assert_eq!(options("-lcn"), listed);
        assert_eq!(error("-Lqn"), "-Lqn: unknown option");
        assert_eq!(error("-add-service"), "-add-service: unknown option");
    }

    #[test]
    fn unknown_options_are_shown_as_the_whole_word() {
        assert_eq!(error("-L --foo=3"), "--foo=3: unknown option");
        assert_eq!(error("-L --add-serv"), "--add-serv: unknown option");
        assert_eq!(error("-L ---"), "---: unknown option");
        assert_eq!(error("-L --="), "--=: unknown option");
        assert_eq!(error("--set -1 2 3"), "-1: unknown option");
    }

    #[test]
    fn values_that_are_missing_or_unwanted() {
        assert_eq!(error("-L -t"), "-t: missing argument");
        assert_eq!(error("-L --tcp-service"), "--tcp-service: missing argument");
        let unwanted = "option does not take an argument";
        for word in ["--numeric=5", "-n=5", "-n=", "-6="] {
            assert_eq!(error(&format!("-L {word}")), format!("{word}: {unwanted}"));
        }
    }

    #[test]
    fn operands() {
        let (options, operands, error) = read("foo -L - -- -n");
        assert_eq!(options, [(Opt::List, None)]);
        assert_eq!(operands, ["foo", "-", "-n"]);
        assert_eq!(error, None);
        assert_eq!(read("").1, [""]);
        assert_eq!(read("-- --").1, ["--"]);
    }

    #[test]
    fn the_last_word_is_a_value_if_one_was_read() {
        let words: [&[u8]; 3] = [b"-L", b"--start-daemon", b"master"];
        let mut popt = Popt::new(&words);
        assert_eq!(popt.next(), Ok(Some((Opt::List, None))));
        assert_eq!(popt.last_word(), b"-L");
        assert!(popt.next().is_ok());
        assert_eq!(popt.last_word(), b"master");
    }

    #[test]
    fn any_bytes() {
        let words: [&[u8]; 4] = [b"-L", b"\xff\xfe", b"-\xff", b"--\xff"];
        let mut popt = Popt::new(&words);
        assert_eq!(popt.next(), Ok(Some((Opt::List, None))));
        assert_eq!(popt.next(), Err(PoptError::UnknownOption));
        assert_eq!(popt.last_word(), b"-\xff");
    }
}
