//! `-R`: a command line on each line of stdin.
//!
//! ```text
//!  stdin ─► Lines ─► words ─► Command ┬─ a change ──► Pending ──256──► one send ─► messages
//!                                     └─ -L, -S, a mistake: Pending is sent first
//! ```
//!
//! 1.31 carries out each line before it reads the next. This implementation collects changes and
//! sends them together, without a visible difference: it sends them before it prints, before it
//! reads from the kernel, and before it waits for stdin, so that a program that writes a line and
//! waits for its effect sees it. The exit code is that of the last line carried out.

use std::io::{self, Read};

use ipvs::{Operation, transport::Transport};

use crate::args::{self, Command};
use crate::errors::{REFUSED, SUCCESS, Stop};
use crate::run::Session;

/// The most pending changes: what fits into one send.
const CHUNK: usize = 256;
/// The most bytes in a line. Valid lines have a few hundred.
const MAX_LINE: usize = 1 << 20;
/// The most bytes in a word.
const MAX_WORD: usize = 4096;
/// The size of a read from stdin, in bytes.
const READ: usize = 64 * 1024;
/// The most bytes of a failed line in the error message.
const SHOWN: usize = 200;

/// Carries out all lines. Returns an error only if it ends the run.
pub(crate) fn run<T: Transport>(
    session: &mut Session<'_, T>,
    mut lines: Lines<'_>,
) -> Result<u8, Stop> {
    let mut pending = Pending::default();
    let mut result = SUCCESS;
    loop {
        let Some(line) = lines.take() else {
            result = pending.send(session).unwrap_or(result);
            session.flush().map_err(|error| Stop::write(&error))?;
            if lines.fill()? {
                continue;
            }
            return Ok(result);
        };
        let command = match line.text {
            Ok(text) => {
                let words = words(text);
                if words.is_empty() {
                    continue;
                }
                args::parse(session.program, &words, true, session.names)
            }
            Err(TooLong) => {
                let text = format!("line of more than {MAX_LINE} bytes");
                Err(Stop::usage(text))
            }
        };
        if let Ok(Command::Change(operation)) = command {
            pending.push(operation, &line);
            if pending.operations.len() == CHUNK {
                result = pending.send(session).unwrap_or(result);
            }
            continue;
        }
        pending.send(session);
        let ends = matches!(command, Ok(Command::Help | Command::Version));
        match command.and_then(|command| session.show(&command)) {
            Ok(code) if ends => return Ok(code),
            Ok(code) => result = code,
            // A closed pipe has no message.
            Err(stop) if stop.message().is_empty() => return Err(stop),
            Err(stop) => {
                session.say(stop.message());
                session.say(&place(line.number, line.shown()));
                result = stop.code;
                if stop.ends_run {
                    return Ok(result);
                }
            }
        }
    }
}

/// The words of a line, without quoting or comments. `ipvsadm` is skipped anywhere, a NUL byte ends
/// its word, and a word longer than 1.31's buffer is split.
fn words(line: &[u8]) -> Vec<&[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .flat_map(|word| word.chunks(MAX_WORD))
        .map(|word| word.split(|byte| *byte == 0).next().unwrap_or_default())
        .filter(|word| *word != b"ipvsadm")
        .collect()
}

/// `ipvsadm: line 17: -a -t ...`: the printable start of the line.
fn place(number: u64, line: &[u8]) -> Vec<u8> {
    let mut text = format!("ipvsadm: line {number}: ").into_bytes();
    let line = line.trim_ascii();
    // Whatever the line contains, show it on one line and without terminal control characters.
    let visible = |byte: &u8| if byte.is_ascii_control() { b'?' } else { *byte };
    text.extend(line.iter().take(SHOWN).map(visible));
    if line.len() > SHOWN {
        text.extend_from_slice(b"...");
    }
    text
}

/// Changes that were read but not sent yet, with their lines.
#[derive(Default)]
struct Pending {
    operations: Vec<Operation>,
    /// For each change, its line number and the end of its line in `text`.
    lines: Vec<(u64, usize)>,
    text: Vec<u8>,
}

impl Pending {
    fn push(&mut self, operation: Operation, line: &Line<'_>) {
        self.operations.push(operation);
        self.text.extend_from_slice(line.shown());
        self.lines.push((line.number, self.text.len()));
    }

    /// Sends the pending changes and prints what the kernel refused. Returns the exit code of the
    /// last change, if there was one.
    fn send<T: Transport>(&mut self, session: &mut Session<'_, T>) -> Option<u8> {
        let mut result = None;
        let mut done = 0;
        while let Some(rest) = self.operations.get(done..).filter(|rest| !rest.is_empty()) {
            let report = session.client.execute(rest);
            let sent = report.sent();
            // The exit code depends on the last change only.
            let failed = report.error(rest.len() - 1).is_some();
            result = Some(if failed { REFUSED } else { SUCCESS });
            for failure in report.into_failures() {
                session.say(Stop::refused(&failure.error).message());
                let (number, text) = self.line(done + failure.index);
                session.say(&place(number, text));
            }
            // A failing socket fails the first change that was not sent. Each of the others is
            // tried separately, as 1.31 does with each line.
            done += (sent + 1).min(rest.len());
            if sent < rest.len() {
                result = Some(REFUSED);
            } else {
                break;
            }
        }
        self.operations.clear();
        self.lines.clear();
        self.text.clear();
        result
    }

    /// The number and text of a change's line.
    fn line(&self, index: usize) -> (u64, &[u8]) {
        let (number, end) = self.lines[index];
        let start = match index.checked_sub(1) {
            Some(previous) => self.lines[previous].1,
            None => 0,
        };
        (number, &self.text[start..end])
    }
}

/// A line of stdin.
pub(crate) struct Line<'a> {
    /// From 1.
    number: u64,
    text: Result<&'a [u8], TooLong>,
    /// The line, or the part of it that was read.
    raw: &'a [u8],
}

/// The line exceeds [`MAX_LINE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TooLong;

impl<'a> Line<'a> {
    /// The part of the line that [`place`] can show.
    fn shown(&self) -> &'a [u8] {
        let line = self.raw.trim_ascii_start();
        &line[..line.len().min(SHOWN + 1)]
    }
}

/// Lines of bytes from a stream that may be slow. The caller can tell whether the next line would
/// block.
pub(crate) struct Lines<'a> {
    stdin: &'a mut dyn Read,
    buffer: Vec<u8>,
    /// The start of the unconsumed bytes; `length` bytes in all are filled.
    start: usize,
    length: usize,
    /// There is no newline before this position.
    searched: usize,
    number: u64,
    ended: bool,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(stdin: &'a mut dyn Read) -> Self {
        Self {
            stdin,
            buffer: vec![0; READ],
            start: 0,
            length: 0,
            searched: 0,
            number: 0,
            ended: false,
        }
    }

    /// The next line if it is already buffered. The last one needs no newline.
    fn take(&mut self) -> Option<Line<'_>> {
        let unseen = &self.buffer[self.searched..self.length];
        let end = match unseen.iter().position(|byte| *byte == b'\n') {
            Some(place) => self.searched + place,
            None => {
                self.searched = self.length;
                let waiting = self.length - self.start;
                let whole = self.ended && waiting > 0;
                if !whole && waiting <= MAX_LINE {
                    return None;
                }
                self.length
            }
        };
        let raw = &self.buffer[self.start..end];
        self.start = (end + 1).min(self.length);
        self.searched = self.start;
        self.number += 1;
        Some(Line {
            number: self.number,
            text: if raw.len() > MAX_LINE {
                Err(TooLong)
            } else {
                Ok(raw)
            },
            raw,
        })
    }

    /// Blocks to read more; `false` at the end of the stream.
    fn fill(&mut self) -> Result<bool, Stop> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.copy_within(self.start..self.length, 0);
        self.length -= self.start;
        self.searched -= self.start;
        self.start = 0;
        if self.length == self.buffer.len() {
            self.buffer.resize(self.length * 2, 0);
        }
        loop {
            match self.stdin.read(&mut self.buffer[self.length..]) {
                Ok(length) => {
                    self.length += length;
                    self.ended = length == 0;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::read(&error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that returns a limited number of bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn lines(text: &[u8], at_a_time: usize) -> Vec<Option<Vec<u8>>> {
        let mut stream = Slow(text, at_a_time);
        let mut lines = Lines::new(&mut stream);
        let mut all = Vec::new();
        loop {
            while let Some(line) = lines.take() {
                all.push(line.text.ok().map(<[u8]>::to_vec));
            }
            if !lines.fill().unwrap() {
                return all;
            }
        }
    }

    #[test]
    fn lines_come_out_however_they_come_in() {
        let text = b"-A -f 1\n\n-A -f 2\r\n-A -f 3  ";
        let expected: Vec<Option<Vec<u8>>> = ["-A -f 1", "", "-A -f 2\r", "-A -f 3  "]
            .map(|line| Some(line.as_bytes().to_vec()))
            .to_vec();
        for at_a_time in [1, 2, 3, 7, 1000] {
            assert_eq!(lines(text, at_a_time), expected, "{at_a_time}");
        }
        assert_eq!(lines(b"", 9), Vec::new());
        assert_eq!(lines(b"\n", 9), [Some(Vec::new())]);
    }

    #[test]
    fn a_long_line_costs_bounded_memory() {
        let text = vec![b'x'; 10_000_000];
        let mut stream = Slow(&text, READ);
        let mut lines = Lines::new(&mut stream);
        while lines.take().is_none() {
            assert!(lines.fill().unwrap());
        }
        assert!(lines.buffer.len() <= 4 * MAX_LINE);
    }

    #[test]
    fn words_of_a_line() {
        let split = |line: &'static [u8]| words(line);
        assert_eq!(split(b" -A\t-f  1\r"), [b"-A".as_slice(), b"-f", b"1"]);
        assert_eq!(split(b"ipvsadm -C ipvsadm"), [b"-C"]);
        assert_eq!(
            split(b"/sbin/ipvsadm -C"),
            [b"/sbin/ipvsadm".as_slice(), b"-C"]
        );
        assert_eq!(split(b"-f 1\x002 \0x"), [b"-f".as_slice(), b"1", b""]);
        assert!(split(b"  \t\r").is_empty());
        let long = [b'x'; 10_000];
        let lengths: Vec<usize> = words(&long).iter().map(|word| word.len()).collect();
        assert_eq!(lengths, [4096, 4096, 1808]);
        assert_eq!(
            split(b"-s \xff\xfe\x0b"),
            [b"-s".as_slice(), b"\xff\xfe\x0b"]
        );
    }

    #[test]
    fn the_place_of_a_mistake_is_one_short_line() {
        assert_eq!(place(17, b" -a -t \n"), b"ipvsadm: line 17: -a -t");
        assert_eq!(place(1, b"a\x1b[31m\r"), b"ipvsadm: line 1: a?[31m");
        let long = place(2, &[b'x'; 300]);
        assert_eq!(long.len(), "ipvsadm: line 2: ".len() + SHOWN + 3);
        assert!(long.ends_with(b"x..."));
    }
}
