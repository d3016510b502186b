//! `status --watch` on a terminal: drawn in place, and gone without a trace.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::operator::{WEB, done};
use super::{DIRECTOR, Daemon};
use crate::lab::{Lan, Process, eventually};

/// What a person types before it, and sees after it. The shell survives the Ctrl-C, as an
/// interactive one does.
const TYPED: &str = r#"trap : INT; stty rows 30 cols 120; echo "as it was: $(stty -g)"
"$DIRECTOR" status --watch=100ms; echo "code $?"; echo "as it is: $(stty -g)""#;

/// A terminal, as far as `status --watch` uses one.
#[derive(Debug)]
struct Terminal {
    lines: Vec<String>,
    /// Line and column.
    cursor: (usize, usize),
    /// The other screen, which is hidden.
    behind: Option<(Vec<String>, (usize, usize))>,
    cursor_shown: bool,
    wraps: bool,
}

impl Terminal {
    /// A terminal after this output.
    fn after(printed: &str) -> Self {
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
    fn after_pictures(printed: &str) -> Self {
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
    fn with(&self, text: &str) -> Vec<&str> {
        let lines = self.lines.iter().map(String::as_str);
        lines.filter(|line| line.contains(text)).collect()
    }
}

/// `script` on the terminal's other side: keystrokes come through a pipe.
fn open(daemon: &Daemon<'_>) -> (Process, File) {
    let keys = daemon.path("keys");
    mkfifo(&keys, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    // For both directions, so that it opens immediately and has no end before it is dropped.
    let typed = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&keys)
        .unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec script -qec \"$TYPED\" /dev/null < keys"])
        .current_dir(daemon.directory.path())
        .env("TYPED", TYPED)
        .env("DIRECTOR", DIRECTOR)
        .env("DIRECTOR_SOCKET", "control.sock")
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .env_remove("NO_COLOR")
        .stdout(Stdio::from(File::create(daemon.path("printed")).unwrap()));
    (daemon.host.spawn_command(command), typed)
}

#[test]
#[ignore = "needs the lab"]
fn it_is_drawn_in_place_and_leaves_the_terminal_as_it_was() {
    let net = Lan::nat().real_servers(3).build();
    let daemon = Daemon::start(&net.director, WEB);
    let (mut script, mut keys) = open(&daemon);
    let printed = || {
        let bytes = fs::read(daemon.path("printed")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let shows = |what: &str| {
        eventually(what, || {
            let terminal = Terminal::after_pictures(&printed());
            (terminal.behind.is_some() && terminal.with(what).len() == 1).then_some(terminal)
        })
    };
    let first = shows("10.2.0.11:80");
    assert_eq!(first.with("tcp://10.1.0.100:80").len(), 1, "{first:?}");
    assert!(first.with("as it was").is_empty(), "{first:?}");
    assert!(!first.cursor_shown && !first.wraps, "{first:?}");
    let drawn = printed().matches("\x1b[H").count();

    done(&daemon, "drain web 10.2.0.11 --reason new-disks");
    let second = shows("new-disks");
    assert!(
        second.with("new-disks")[0].contains("drained"),
        "{second:?}"
    );
    assert!(printed().matches("\x1b[H").count() > drawn);
    done(&daemon, "undrain web 10.2.0.11");
    let third = eventually("all of the longer line is wiped", || {
        let terminal = Terminal::after_pictures(&printed());
        terminal.with("new-disks").is_empty().then_some(terminal)
    });
    // Drawn in place: the same table, in as many lines.
    assert_eq!(third.with("tcp://10.1.0.100:80").len(), 1, "{third:?}");
    assert_eq!(third.lines.len(), first.lines.len(), "{third:?}");

    keys.write_all(b"\x03").unwrap();
    let code = eventually("it ends", || script.ended());
    let last = Terminal::after(&printed());
    assert_eq!(code, 0, "{last:?}");
    assert!(
        last.behind.is_none() && last.cursor_shown && last.wraps,
        "{last:?}"
    );
    assert!(last.with("10.2.0.11").is_empty(), "{last:?}");
    assert_eq!(last.with("code 0").len(), 1, "{last:?}");
    let setting = |what: &str| last.with(what)[0].rsplit_once(": ").unwrap().1.to_owned();
    assert_eq!(setting("as it was"), setting("as it is"));
}
