//! `director top` on a terminal.

use std::fs;
use std::io::Write;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::fake::{self, Running};
use super::screens::{many, running, three};
use super::terminal::{Terminal, script};
use super::verbs::{command, director_with};

/// What a person types before it, and sees after it.
const TYPED: &str = r#"stty rows 24 cols 80; echo "tty: $(tty)"; echo "as it was: $(stty -g)"
sh -c 'echo "pid: $$"; exec "$DIRECTOR" top --interval 200ms'
echo "code: $?"; echo "as it is: $(stty -g)""#;

/// `director top` on a terminal, with a fake director.
struct Open {
    running: Running,
    script: Child,
    keys: fs::File,
}

impl Open {
    fn new(running: Running, typed: &str) -> Self {
        let (mut command_line, keys) = script(running.directory.path(), typed);
        let program = command(&running.socket(), "");
        command_line
            .env("DIRECTOR", program.get_program())
            .env("DIRECTOR_SOCKET", running.socket())
            .env("TZ", "UTC");
        let script = command_line.spawn().unwrap();
        Self {
            running,
            script,
            keys,
        }
    }

    fn printed(&self) -> String {
        let bytes = fs::read(self.running.directory.path().join("printed")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn now(&self) -> Terminal {
        Terminal::after(&self.printed())
    }

    /// Waits until the terminal is as wanted.
    #[track_caller]
    fn until(&self, what: &str, is: impl Fn(&Terminal) -> bool) -> Terminal {
        let start = Instant::now();
        loop {
            let now = self.now();
            if is(&now) {
                return now;
            }
            let waited = start.elapsed();
            assert!(
                waited < Duration::from_secs(60),
                "in vain: {what}\n{now:#?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a line of its screen contains all of these.
    #[track_caller]
    fn shows(&self, parts: &[&str]) -> Terminal {
        self.until(&format!("{parts:?}"), |now| {
            let has = |line: &String| parts.iter().all(|part| line.contains(part));
            now.behind.is_some() && now.lines.iter().any(has)
        })
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// What stands behind `what: ` on the screen of the shell.
    fn said(&self, what: &str) -> String {
        let printed = self.printed();
        let rest = printed.split_once(&format!("{what}: ")).unwrap().1;
        rest.lines().next().unwrap().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.said("pid").parse().unwrap()), signal).unwrap();
    }

    /// Waits for its end, after which the terminal is as it was.
    #[track_caller]
    fn ends(&mut self) {
        let last = self.until("it ends", |now| now.with("as it is").len() == 1);
        assert_eq!(self.said("code"), "0");
        assert_eq!(self.said("as it was"), self.said("as it is"));
        assert!(last.behind.is_none() && last.cursor_shown, "{last:?}");
        assert!(last.with("CONNS").is_empty(), "{last:?}");
        self.script.wait().unwrap();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // After a failure; `script` takes what it runs with it.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

#[test]
fn the_server_that_is_down_is_found_with_its_reason_and_q_gives_the_terminal_back() {
    let mut top = Open::new(three(), TYPED);
    let first = top.shows(&["> degraded api tcp://192.0.2.11:443", "2/3"]);
    assert!(!first.cursor_shown, "{first:?}");
    assert_eq!(first.with("as it was").len(), 0, "{first:?}");
    top.press("\r");
    top.shows(&["> down ", "app2"]);
    top.press("\r");
    top.shows(&["why ", "status 500, expected 204"]);
    top.press("\x1b");
    top.shows(&["> down ", "app2"]);
    top.press("/app3\r");
    top.until("app2 is filtered out", |now| {
        now.with("filter: app3").len() == 1 && now.with("app2").is_empty()
    });
    top.press("q");
    top.ends();
}

#[test]
fn a_terminal_that_changes_its_size_is_drawn_anew() {
    let mut top = Open::new(three(), TYPED);
    top.shows(&["NEW/S"]);
    let size = |rows: &str, cols: &str| {
        let mut stty = std::process::Command::new("stty");
        let stty = stty.args(["-F", &top.said("tty"), "rows", rows, "cols", cols]);
        assert!(stty.status().unwrap().success());
    };
    size("12", "40");
    top.until("it fits", |now| {
        now.behind.is_some()
            && now.lines.len() == 12
            && now
                .lines
                .iter()
                .all(|line| line.trim_end().chars().count() <= 40)
            && now.with("NEW/S").is_empty()
            && now.with("CONNS").len() == 1
    });
    size("30", "160");
    top.shows(&["POUT/S", "WHY"]);
    top.press("q");
    top.ends();
}

#[test]
fn a_terminal_that_does_not_know_its_size_is_taken_for_one_of_80_by_24() {
    let unknown = TYPED.replace("rows 24 cols 80", "rows 0 cols 0");
    let mut top = Open::new(three(), &unknown);
    let shown = top.shows(&["> degraded api tcp://192.0.2.11:443", "2/3"]);
    let lines = shown
        .lines
        .iter()
        .map(|line| line.trim_end().chars().count());
    assert!(
        lines.max() <= Some(80) && shown.lines.len() <= 24,
        "{shown:?}"
    );
    top.press("\x0c");
    top.shows(&["> degraded api"]);
    top.press("q");
    top.ends();
}

#[test]
fn every_signal_that_ends_it_gives_the_terminal_back() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut top = Open::new(three(), TYPED);
        top.shows(&["CONNS"]);
        top.signal(signal);
        top.ends();
    }
}

#[test]
fn the_shell_has_the_terminal_while_it_is_suspended() {
    const SUSPENDED: &str = r#"set -m; stty rows 24 cols 80; echo "as it was: $(stty -g)"
"$DIRECTOR" top; echo "while stopped: $(stty -g)"
fg; echo "code: $?"; echo "as it is: $(stty -g)""#;
    let mut top = Open::new(three(), SUSPENDED);
    top.shows(&["CONNS"]);
    top.press("\x1a");
    top.until("it is on the screen again", |_| {
        top.printed().matches("\x1b[?1049h").count() > 1
    });
    top.shows(&["> degraded api"]);
    assert_eq!(top.said("while stopped"), top.said("as it was"));
    top.press("\x03");
    top.ends();
}

#[test]
fn a_director_that_goes_away_and_comes_back_is_told_with_the_age_of_the_data() {
    let mut top = Open::new(three(), TYPED);
    top.shows(&["director top: /etc/director/director.toml"]);
    drop(top.running.server.take());
    top.shows(&["DATA ", " OLD: no director is running here"]);
    top.shows(&["> degraded api"]);
    let socket = top.running.socket();
    top.running.server = Some(fake::serve_at(&socket, &top.running.fake));
    top.shows(&["director top: /etc/director/director.toml"]);
    top.press("q");
    top.ends();
}

#[test]
fn a_picture_that_stays_the_same_costs_few_bytes() {
    let mut top = Open::new(three(), TYPED);
    top.shows(&["CONNS"]);
    let readings = |top: &Open| *top.running.fake.tables.lock().unwrap();
    let (read, bytes) = (readings(&top), top.printed().len());
    top.until("ten readings", |_| readings(&top) >= read + 10);
    let (read, bytes) = (readings(&top) - read, top.printed().len() - bytes);
    let each = bytes / usize::try_from(read).unwrap();
    println!("{bytes} bytes in {read} readings");
    assert!(each < 80, "{each} bytes a reading");
    top.press("q");
    top.ends();
}

#[test]
fn of_thousands_of_services_only_those_on_the_screen_are_counted() {
    let mut top = Open::new(running(many(2284, |number| 16 + number % 2)), TYPED);
    top.shows(&["2284 services: ", "37686 servers: "]);
    top.shows(&["> failed   ntp-2 ", "0/16", " 210 "]);
    top.press("G");
    let counted = |now: &Terminal, row: &str| {
        let rows = now.with(row);
        rows.len() == 1 && !rows[0].contains(" - ")
    };
    top.until("the last one is counted, too", |now| counted(now, "> ok "));
    // All of them are compared.
    top.press("gc");
    top.shows(&["> ok ", " 510 "]);
    top.press("/shop-9 down\r");
    top.shows(&["Nothing matches the filter."]);
    let memory = fs::read_to_string(format!("/proc/{}/status", top.said("pid"))).unwrap();
    let used = fs::read_to_string(format!("/proc/{}/stat", top.said("pid"))).unwrap();
    let used: Vec<&str> = used.split(' ').collect();
    let peak = memory.lines().find(|line| line.starts_with("VmHWM"));
    println!(
        "{peak:?}, {} ticks in user mode, {} in the kernel",
        used[13], used[14]
    );
    top.press("q");
    top.ends();
}

#[test]
fn without_a_terminal_it_names_the_command_that_needs_none() {
    let running = three();
    let run = director_with(&running, "top", &[]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        run.stderr,
        "director: stdout is not a terminal: `director top` draws on a terminal\n\
         director: next: director status --watch\n"
    );
    let dumb = r#"TERM=dumb "$DIRECTOR" top; echo "code: $?"; echo "over: .""#;
    let top = Open::new(three(), dumb);
    top.until("it ends", |now| now.with("over").len() == 1);
    assert_eq!(top.said("code"), "1");
    assert!(top.printed().contains("next: director status --watch"));
}
