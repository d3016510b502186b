//! `director top` while a server dies, and what SIGTERM leaves of it.

use std::fs;
use std::io::Write;

use super::operator::{WEB, done};
use super::{DIRECTOR, Daemon};
use crate::lab::terminal::{Terminal, script};
use crate::lab::{Lan, Tcp, eventually};

const TYPED: &str = r#"stty rows 30 cols 120; echo "as it was: $(stty -g)"
sh -c 'echo $$ > pid; exec "$DIRECTOR" top --interval 200ms'; echo "code $?"
echo "as it is: $(stty -g)""#;

const CHECKED: &str = "
check = { type = \"tcp\", interval = \"200ms\", fast_interval = \"200ms\", timeout = \"200ms\", fall = 2 }
";

#[test]
#[ignore = "needs the lab"]
fn a_server_that_dies_is_shown_with_the_reason_and_sigterm_gives_the_terminal_back() {
    let net = Lan::nat().real_servers(3).build();
    let mut servers = net.serve(Tcp, 80);
    let daemon = Daemon::start(&net.director, &format!("{WEB}{CHECKED}"));
    let (mut command, mut keys) = script(daemon.directory.path(), TYPED);
    command
        .env("DIRECTOR", DIRECTOR)
        .env("DIRECTOR_SOCKET", "control.sock");
    let mut script = daemon.host.spawn_command(command);
    let now = || {
        let bytes = fs::read(daemon.path("printed")).unwrap();
        Terminal::after(&String::from_utf8_lossy(&bytes))
    };
    let shows = |parts: &[&str]| {
        eventually(&format!("{parts:?}"), || {
            let now = now();
            let has = |line: &String| parts.iter().all(|part| line.contains(part));
            (now.behind.is_some() && now.lines.iter().any(has)).then_some(now)
        })
    };
    shows(&["> ok ", "web tcp://10.1.0.100:80", "3/3"]);

    drop(servers.remove(1));
    let service = shows(&["> degraded web tcp://10.1.0.100:80", "2/3"]);
    assert_eq!(
        service.with("10.2.0.12:80 down: connection refused").len(),
        2,
        "in the row and below: {service:?}"
    );
    keys.write_all(b"\r").unwrap();
    shows(&["> down ", "10.2.0.12:80", "connection refused"]);
    shows(&["server-down", "web 10.2.0.12:80", "connection refused"]);

    done(&daemon, "drain web app3 --reason new-disks");
    shows(&["drained ", "app3", "new-disks"]);

    let pid = fs::read_to_string(daemon.path("pid")).unwrap();
    daemon.host.run(&format!("kill -TERM {}", pid.trim()));
    let code = eventually("it ends", || script.ended());
    let last = now();
    assert_eq!(code, 0, "{last:?}");
    assert!(last.behind.is_none() && last.cursor_shown, "{last:?}");
    assert_eq!(last.with("code 0").len(), 1, "{last:?}");
    let setting = |what: &str| last.with(what)[0].rsplit_once(": ").unwrap().1.to_owned();
    assert_eq!(setting("as it was"), setting("as it is"));
}
