//! `status --watch` on a terminal: drawn in place, and gone without a trace.

use std::fs::{self, File};
use std::io::Write;

use super::operator::{WEB, done};
use super::{DIRECTOR, Daemon};
use crate::lab::terminal::{Terminal, script};
use crate::lab::{Lan, Process, eventually};

/// What a person types before it, and sees after it. The shell survives the Ctrl-C, as an
/// interactive one does.
const TYPED: &str = r#"trap : INT; stty rows 30 cols 120; echo "as it was: $(stty -g)"
"$DIRECTOR" status --watch=100ms; echo "code $?"; echo "as it is: $(stty -g)""#;

/// The verb on a terminal.
fn open(daemon: &Daemon<'_>) -> (Process, File) {
    let (mut command, keys) = script(daemon.directory.path(), TYPED);
    command
        .env("DIRECTOR", DIRECTOR)
        .env("DIRECTOR_SOCKET", "control.sock");
    (daemon.host.spawn_command(command), keys)
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
