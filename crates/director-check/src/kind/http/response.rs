//! Parses the answer to an HTTP/1.1 request, without a socket: takes bytes until the answer is
//! complete.
//!
//! ```text
//!   Status ──► Fields ──┬──► Body ──────────────────────────────► Done
//!     ▲                 ├──► Size ──► Chunk ──► ChunkEnd ┐    ▲
//!     └── 1xx ──────────┤     ▲                          │    │
//!                       │     └──────────────────────────┘    │
//!                       │     └──► Trailers ──────────────────┤
//!                       └──► no body (HEAD, 101, 204, 304) ───┘
//! ```
//!
//! - **It accepts what curl accepts**; `tests/checks/odd_heads.rs` compares the two. A server that
//!   every client understands is not down. Request smuggling (two lengths, for example) does no
//!   harm here, since nothing is passed on.
//! - **It keeps little**: the current incomplete line, and only the part of the body that is
//!   examined.
//! - **No server makes it grow or last**: the limits are curl's for the head, and [`LIMIT`] for the
//!   body.

use crate::net::quote;
use director_config::state::health::{HttpCheck, WeightFrom};

/// The part of a body that is read, in bytes.
pub(super) const LIMIT: usize = 1 << 20;

/// The longest accepted line of a head, in bytes.
const LINE: usize = 100 << 10;

/// The largest head, including earlier interim answers and the trailers, in bytes.
const HEAD: usize = 300 << 10;

/// The longest line with the size of a chunk, in bytes.
const SIZE_LINE: usize = 16 << 10;

const INCOMPLETE: &str = "closed before the answer was complete";
const TOO_LARGE: &str = "the head of the answer is too large";

/// The received part of an answer.
#[derive(Debug, Default)]
pub(crate) struct Response {
    part: Part,
    /// The current incomplete line.
    line: Vec<u8>,
    /// The last field of the head, which a folded line may continue, and its line number.
    field: (Vec<u8>, u32),
    /// The number of lines read.
    lines: u32,
    /// The number of head bytes read.
    head: usize,
    status: u16,
    length: Length,
    chunked: bool,
    weight: Option<Box<[u8]>>,
    /// The number of body bytes read, and those that are examined.
    read: usize,
    body: Vec<u8>,
}

/// The part that comes next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    #[default]
    Status,
    Fields,
    /// This many more bytes, or all until the end of the connection.
    Body(Option<u64>),
    Size,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Done,
}

/// The meaning of the last `Content-Length`.
#[derive(Debug, Default)]
enum Length {
    /// None, or a number that is too large.
    #[default]
    Unknown,
    Known(u64),
    /// Not a length, with the reason.
    Wrong(Box<str>),
}

impl Response {
    /// Whether all of it, or all that is examined, has been received.
    pub(crate) fn is_complete(&self) -> bool {
        self.part == Part::Done
    }

    /// Whether the head has not been received yet.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self.part, Part::Status | Part::Fields)
    }

    /// Whether nothing has been received.
    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0 && self.line.is_empty()
    }

    pub(super) const fn status(&self) -> u16 {
        self.status
    }

    /// The value of the weight's field.
    pub(super) fn weight(&self) -> Option<&[u8]> {
        self.weight.as_deref()
    }

    /// The body, if the check examines it.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Takes more bytes. Returns what is wrong with them.
    pub(crate) fn hear(&mut self, spec: &HttpCheck, bytes: &[u8]) -> Result<(), Box<str>> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.part {
                Part::Done => break,
                Part::Body(left) => {
                    let taken = self.take(spec, left, &mut rest);
                    self.part = match left.map(|left| left - taken) {
                        Some(0) => Part::Done,
                        left => Part::Body(left),
                    };
                }
                Part::Chunk(left) => {
                    let left = left - self.take(spec, Some(left), &mut rest);
                    self.part = if left == 0 {
                        Part::ChunkEnd
                    } else {
                        Part::Chunk(left)
                    };
                }
                Part::Status => self.status_line(&mut rest)?,
                Part::Fields => self.field_line(spec, &mut rest)?,
                Part::Size | Part::ChunkEnd => self.chunk_line(&mut rest)?,
                Part::Trailers => {
                    if self.gather(&mut rest, LINE, TOO_LARGE)? {
                        if is_blank(&self.line) {
                            self.part = Part::Done;
                        }
                        self.line.clear();
                    }
                }
            }
            if self.read >= LIMIT {
                self.part = Part::Done;
            }
        }
        Ok(())
    }

    /// Handles the end of the connection. A head that ends with it is complete, as scripts often
    /// omit the blank line; a truncated line is ignored.
    pub(super) fn closed(&mut self, spec: &HttpCheck) -> Result<(), Box<str>> {
        if self.part == Part::Fields {
            self.head_ends(spec)?;
        }
        match self.part {
            Part::Done | Part::Body(None) => {
                self.part = Part::Done;
                Ok(())
            }
            _ => Err(INCOMPLETE.into()),
        }
    }

    /// Takes bytes of the body, at most `left`. Returns the number.
    fn take(&mut self, spec: &HttpCheck, left: Option<u64>, rest: &mut &[u8]) -> u64 {
        let left = left.map_or(usize::MAX, |left| left.try_into().unwrap_or(usize::MAX));
        let (taken, after) = rest.split_at(rest.len().min(left));
        *rest = after;
        if looks_at_body(spec) {
            let room = LIMIT - self.read.min(LIMIT);
            self.body.extend_from_slice(&taken[..taken.len().min(room)]);
        }
        self.read += taken.len();
        taken.len() as u64
    }

    /// Takes bytes up to the end of a line. Returns whether the line is complete; it then ends with
    /// a line feed.
    fn gather(&mut self, rest: &mut &[u8], limit: usize, too_long: &str) -> Result<bool, Box<str>> {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (taken, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
        *rest = after;
        self.head += taken.len();
        if self.head > HEAD || self.line.len() + taken.len() > limit {
            return Err(too_long.into());
        }
        self.line.extend_from_slice(taken);
        self.lines += u32::from(end.is_some());
        Ok(end.is_some())
    }

    fn status_line(&mut self, rest: &mut &[u8]) -> Result<(), Box<str>> {
        let complete = self.gather(rest, LINE, TOO_LARGE)?;
        if b"\r\n".starts_with(&self.line) || self.line == b"\n" {
            // Some servers send an empty line first, such as one that belongs to the body before.
            if complete {
                self.line.clear();
            }
            return Ok(());
        }
        // Data that is not HTTP may never end its line.
        let shown = self.line.len().min(5);
        if !self.line[..shown].eq_ignore_ascii_case(&b"HTTP/"[..shown]) {
            let number = self.lines + u32::from(!complete);
            return Err(not_http(number, "no status line", &self.line));
        }
        if complete {
            self.status =
                status(&self.line).map_err(|problem| not_http(self.lines, problem, &self.line))?;
            self.line.clear();
            self.part = Part::Fields;
        }
        Ok(())
    }

    fn field_line(&mut self, spec: &HttpCheck, rest: &mut &[u8]) -> Result<(), Box<str>> {
        if !self.gather(rest, LINE, TOO_LARGE)? {
            return Ok(());
        }
        if is_blank(&self.line) {
            return self.head_ends(spec);
        }
        if self.line.contains(&0) {
            return Err(not_http(self.lines, "a NUL byte", &self.line));
        }
        let is_folded = matches!(self.line.first(), Some(b' ' | b'\t'));
        if is_folded && !self.field.0.is_empty() {
            self.field.0.push(b' ');
            self.field.0.extend_from_slice(self.line.trim_ascii());
            self.line.clear();
            return Ok(());
        }
        if is_folded || !self.line.contains(&b':') {
            let problem = if is_folded {
                "continues no field"
            } else {
                "no colon"
            };
            return Err(not_http(self.lines, problem, &self.line));
        }
        self.field_ends(spec);
        std::mem::swap(&mut self.field.0, &mut self.line);
        self.field.1 = self.lines;
        Ok(())
    }

    /// Evaluates the last field, which has no further line.
    fn field_ends(&mut self, spec: &HttpCheck) {
        let (field, line) = (&self.field.0, self.field.1);
        if let Some(colon) = field.iter().position(|byte| *byte == b':') {
            let (name, value) = (field[..colon].trim_ascii(), field[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                self.length = length(value, line);
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                let mut codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                self.chunked |= codings.any(|coding| coding.eq_ignore_ascii_case(b"chunked"));
            }
            if let Some(WeightFrom::Header(wanted)) = &spec.weight
                && name.eq_ignore_ascii_case(wanted.as_bytes())
                && self.weight.is_none()
            {
                self.weight = Some(value.into());
            }
        }
        self.field.0.clear();
    }

    fn head_ends(&mut self, spec: &HttpCheck) -> Result<(), Box<str>> {
        self.field_ends(spec);
        // Free the memory, since a long body may follow.
        self.line = Vec::new();
        self.field = (Vec::new(), 0);
        let length = std::mem::take(&mut self.length);
        self.part = match (self.status, length) {
            (101 | 204 | 304, _) => Part::Done,
            (..200, _) => {
                self.weight = None;
                self.chunked = false;
                Part::Status
            }
            _ if spec.method == "HEAD" => Part::Done,
            _ if self.chunked => Part::Size,
            (_, Length::Wrong(problem)) => return Err(problem),
            (_, Length::Known(0)) => Part::Done,
            (_, Length::Known(length)) => Part::Body(Some(length)),
            (_, Length::Unknown) => Part::Body(None),
        };
        Ok(())
    }

    fn chunk_line(&mut self, rest: &mut &[u8]) -> Result<(), Box<str>> {
        let too_long = "the answer is not HTTP: the size of a chunk has no end";
        if !self.gather(rest, SIZE_LINE, too_long)? {
            return Ok(());
        }
        // Chunk-size lines have at most as many bytes as the body.
        self.head = self.head.saturating_sub(self.line.len());
        self.part = if self.part == Part::ChunkEnd {
            if !is_blank(&self.line) {
                return Err(not_chunked("a chunk is longer than its size", &self.line));
            }
            Part::Size
        } else {
            match chunk_size(&self.line) {
                Some(0) => Part::Trailers,
                Some(size) => Part::Chunk(size),
                None => return Err(not_chunked("no size of a chunk", &self.line)),
            }
        };
        self.line.clear();
        Ok(())
    }
}

/// Whether the check examines the body.
fn looks_at_body(spec: &HttpCheck) -> bool {
    spec.body.is_some() || spec.weight == Some(WeightFrom::Body)
}

/// As in curl, every line that starts with a line ending ends the head.
fn is_blank(line: &[u8]) -> bool {
    matches!(line, [b'\r' | b'\n', ..])
}

/// The code of a status line, which starts with `HTTP/`, or what is wrong with the line.
fn status(line: &[u8]) -> Result<u16, &'static str> {
    if line.contains(&0) {
        return Err("a NUL byte");
    }
    let rest = &line[5..];
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let version = rest.split(blank).next().unwrap_or_default();
    if !matches!(version, [b'1', b'.', b'0'..=b'9'] | b"2" | b"2.0") {
        return Err("no known version of HTTP");
    }
    let [first, second, third, after @ ..] = rest[version.len()..].trim_ascii_start() else {
        return Err("no status code");
    };
    let digits = [*first, *second, *third];
    if !digits.iter().all(u8::is_ascii_digit) || matches!(after, [b'0'..=b'9', ..]) {
        return Err("no status code");
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    if code < 100 {
        return Err("no status code");
    }
    Ok(code)
}

/// The meaning of a `Content-Length`, parsed as strtol(3) does: digits up to the first other
/// character.
fn length(value: &[u8], line: u32) -> Length {
    let digits = value.strip_prefix(b"+").unwrap_or(value);
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count == 0 {
        return Length::Wrong(not_http(line, "no length", value));
    }
    let number = str::from_utf8(&digits[..count]).ok();
    let number = number.and_then(|number| number.parse::<i64>().ok());
    // A number too large for curl has no meaning.
    number.map_or(Length::Unknown, |length| {
        Length::Known(length.unsigned_abs())
    })
}

/// The size of a chunk; ignores what follows, such as extensions. `0x2` is neither the end nor a
/// size.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let count = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    if !(1..=16).contains(&count) || matches!(line, [b'0', b'x' | b'X', ..]) {
        return None;
    }
    u64::from_str_radix(str::from_utf8(&line[..count]).ok()?, 16).ok()
}

fn not_http(line: u32, problem: &str, shown: &[u8]) -> Box<str> {
    format!(
        "the answer is not HTTP: line {line}: {problem}: {}",
        quote(shown)
    )
    .into()
}

fn not_chunked(problem: &str, shown: &[u8]) -> Box<str> {
    format!("the answer is not HTTP: {problem}: {}", quote(shown)).into()
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
