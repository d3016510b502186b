//! A program on a terminal: what it prints becomes lines, and keys are typed through a pipe.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// A terminal, as far as `director` uses one.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) lines: Vec<String>,
    /// Line and column.
    cursor: (usize, usize),
    /// The other screen, which is hidden.
    pub(crate) behind: Option<(Vec<String>, (usize, usize))>,
    pub(crate) cursor_shown: bool,
    pub(crate) wraps: bool,
}

impl Terminal {
    /// A terminal after this output.
    pub(crate) fn after(printed: &str) -> Self {
        let mut terminal = Self {
            lines: vec![String::new()],
            cursor: (0, 0),
            behind: None,
            cursor_shown: true,
            wraps: true,
        };
        let mut rest = printed;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            match letter {
                '\x1b' => {
                    let rest_of = rest.strip_prefix('[').unwrap_or_default();
                    let Some(end) = rest_of.find(|last: char| last.is_ascii_alphabetic()) else {
                        // The rest of it has not been printed yet.
                        break;
                    };
                    terminal.control(&rest_of[..=end]);
                    rest = &rest_of[end + 1..];
                }
                '\r' => terminal.cursor.1 = 0,
                '\n' => terminal.cursor.0 += 1,
                letter => terminal.put(letter),
            }
        }
        terminal
    }

    /// The same at the last complete refresh: one may come in several pieces.
    pub(crate) fn after_pictures(printed: &str) -> Self {
        const END: &str = "\x1b[J";
        let end = printed.rfind(END).map_or(0, |at| at + END.len());
        Self::after(&printed[..end])
    }

    fn control(&mut self, sequence: &str) {
        let (line, column) = self.cursor;
        match sequence {
            "?1049h" => {
                let shown = std::mem::take(&mut self.lines);
                self.behind = Some((shown, self.cursor));
                self.cursor = (0, 0);
            }
            "?1049l" => {
                let behind = self.behind.take();
                (self.lines, self.cursor) = behind.expect("it was entered before it is left");
            }
            "?25h" => self.cursor_shown = true,
            "?25l" => self.cursor_shown = false,
            "?7h" => self.wraps = true,
            "?7l" => self.wraps = false,
            "H" => self.cursor = (0, 0),
            "2J" => self.lines.clear(),
            place if place.ends_with('H') => self.cursor = at(place),
            "K" => self.cut(line, column),
            "J" => {
                self.cut(line, column);
                self.lines.truncate(line + 1);
            }
            colour if colour.ends_with('m') => {}
            other => panic!("a sequence that this terminal does not know: {other:?}"),
        }
    }

    fn cut(&mut self, line: usize, column: usize) {
        if let Some(line) = self.lines.get_mut(line) {
            *line = line.chars().take(column).collect();
        }
    }

    fn put(&mut self, letter: char) {
        let (line, column) = self.cursor;
        if self.lines.len() <= line {
            self.lines.resize(line + 1, String::new());
        }
        let mut letters: Vec<char> = self.lines[line].chars().collect();
        if letters.len() <= column {
            letters.resize(column + 1, ' ');
        }
        letters[column] = letter;
        self.lines[line] = letters.into_iter().collect();
        self.cursor.1 += 1;
    }

    /// The lines that contain this text.
    pub(crate) fn with(&self, text: &str) -> Vec<&str> {
        let lines = self.lines.iter().map(String::as_str);
        lines.filter(|line| line.contains(text)).collect()
    }
}

/// `12;1H` as line and column from zero.
fn at(place: &str) -> (usize, usize) {
    let (line, column) = place.trim_end_matches('H').split_once(';').expect("both");
    let number = |text: &str| text.parse::<usize>().expect("a number") - 1;
    (number(line), number(column))
}

/// `script` on the terminal's other side, in this directory: it runs these lines of shell, with the
/// keys that are written to the file that this returns. What the terminal gets is in `printed`.
pub(crate) fn script(directory: &Path, typed: &str) -> (Command, File) {
    let keys = directory.join("keys");
    mkfifo(&keys, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    // For both directions, so that it opens immediately and has no end before it is dropped.
    let pipe = OpenOptions::new().read(true).write(true).open(&keys);
    let printed = File::create(directory.join("printed")).unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec script -qec \"$TYPED\" /dev/null < keys"])
        .current_dir(directory)
        .env("TYPED", typed)
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .env_remove("NO_COLOR")
        .stdout(Stdio::from(printed));
    (command, pipe.unwrap())
}
