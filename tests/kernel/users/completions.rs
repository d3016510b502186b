//! Tab on the command line of a director that runs: bash asks the program, which asks the director.

use std::thread;
use std::time::{Duration, Instant};

use crate::documents::{ON_THE_DIRECTOR, Shell};

const FILE: &str = r#"version = 1
[service.shop]
listen = "tcp://192.0.2.10:80"
forward = "nat"
servers = [{ name = "app1", address = "10.0.0.11" }, { name = "app2", address = "10.0.0.12" }]
[service.mail]
listen = "tcp://192.0.2.10:25"
forward = "nat"
servers = ["10.0.0.13"]
"#;

/// What bash completes a line to. Repeated until it is as expected: on a busy machine the director
/// may answer later than a shell waits.
fn completes(shell: &mut Shell, line: &str, expected: &[&str]) {
    let ask = format!(
        "COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; _director_asks director; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let mut found = shell.run(&ask).lines;
        found.retain(|word| !word.is_empty());
        if found == expected {
            return;
        }
        assert!(Instant::now() < end, "{line}: {found:?}, not {expected:?}");
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn bash_completes_what_the_director_has_then_what_its_file_has_then_nothing() {
    let shell = &mut Shell::start();
    for command in ON_THE_DIRECTOR.lines() {
        shell.prepare(command);
    }
    shell.write("director.toml", FILE);
    shell.prepare("director completions bash >director.bash");
    shell.prepare(". ./director.bash");
    // Nothing runs, and there is no file.
    completes(shell, "director drain shop ap", &[]);
    // The file alone does not know what is drained.
    shell.prepare("install -m 644 director.toml /etc/director/director.toml");
    completes(shell, "director status --service s", &["shop"]);
    completes(shell, "director undrain shop ap", &["app1", "app2"]);
    shell.prepare("systemctl enable --now director");
    completes(shell, "director weight ", &["mail", "shop"]);
    completes(shell, "director weight shop app2 d", &["declared"]);
    completes(shell, "director weight mail ", &["10.0.0.13:25"]);
    completes(shell, "director undrain shop ap", &[]);
    shell.prepare("director drain shop app2");
    completes(shell, "director undrain shop ap", &["app2"]);
    shell.prepare("director disable app1 --force");
    completes(shell, "director enable ", &["app1"]);
    completes(shell, "director status --state dr", &["drained"]);
    completes(shell, "director status --state up,dr", &["up,drained"]);
    completes(shell, "director events --kind server-u", &["server-up"]);
    // Bash replaces only what stands behind the colon.
    completes(shell, "director status tcp://192.0.2.10:2", &["25"]);
    completes(shell, "director status --netns cli", &["client"]);
    completes(shell, "director adopt tcp://192.0.2.10:8", &["80"]);
    // A director that does not answer costs a moment, and no message.
    shell.prepare("kill -STOP $(cat /run/main.pid)");
    completes(shell, "director weight m", &["mail"]);
    shell.prepare("kill -CONT $(cat /run/main.pid)");
}
