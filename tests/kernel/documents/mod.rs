//! README and `docs/` show what happens: their commands are run, in page order, in the network of
//! `examples/network.sh`, and the output shown below a command is compared with the real one.
//!
//! ```text
//!   docs/operating.md ─► blocks and steps (tests/docs/page.rs) ─► shell.rs: one bash for the page
//!                                                                    │
//!         compare.rs, answers.rs: what is another each time ◄──────────┘
//! ```
//!
//! `systemctl` and `sudo` are stand-ins (`stand-ins/`), since the lab has no systemd.
//! `scripts/package-test` tests the unit with systemd itself.
//!
//! With `DIRECTOR_UPDATE_DOCS=1` the pages are rewritten with the real output, as
//! `scripts/update-docs` does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod answers;
mod compare;
mod deploying;
mod film;
mod marks;
#[path = "../../docs/page.rs"]
mod page;
mod shell;
mod svg;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use page::{Block, Step};
use shell::Outcome;
pub(crate) use shell::Shell;

/// Commands that change nothing.
const LOOKS: [&str; 4] = [
    "director status",
    "director events",
    "director failover status",
    "client curl ",
];

/// How long one of them may take to print what is shown. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(240);

/// Before the commands of most pages: the network exists, and they are typed on the director.
pub(crate) const ON_THE_DIRECTOR: &str = "sh examples/network.sh up
exec ip netns exec director bash";

/// A director that runs with the file of `docs/operating.md`. It has had requests, and one of its
/// servers was down.
const RUNNING: &str = "sh examples/network.sh up
exec ip netns exec director bash
install -m 644 web.toml /etc/director/director.toml
director run /etc/director/director.toml 2>run.log &
until [ -S /run/director/control.sock ]; do sleep 0.1; done
until director status 2>/dev/null | grep -q '3 of 3 up'; do sleep 1; done
ip netns exec client curl -s 192.0.2.10/[1-6] >/dev/null
sh examples/network.sh stop web3
until director status | grep -q '2 of 3 up'; do sleep 1; done
sh examples/network.sh start web3
until director status | grep -q '3 of 3 up'; do sleep 1; done";

/// The first of two directors; the second one starts, with a lower priority, when the first is active.
const ON_A_PAIR: &str = "sh examples/network.sh up
ip netns add director2
ip -n switch link add director2 up master switch type veth peer name eth0 netns director2
ip -n director2 link set lo up
ip -n director2 link set eth0 up
ip -n director2 address add 192.0.2.3/24 dev eth0
ip -n director address del 192.0.2.10/32 dev eth0
exec ip netns exec director bash
mkdir /var/lib/second /run/second
sh -c 'until director failover | grep -q \"^front: active\"; do sleep 0.2; done; \
sed s/150/100/ pair.toml >second.toml; exec ip netns exec director2 director \
--state-dir /var/lib/second --socket /run/second/sock run second.toml' </dev/null >second.log 2>&1 &";

/// The same. Ansible writes below the home directory, and wants UTF-8.
const WITH_ANSIBLE: &str = "sh examples/network.sh up
exec ip netns exec director bash
export HOME=$PWD LC_ALL=C.UTF-8 ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3";

/// On a real server.
const ON_A_SERVER: &str = "sh examples/network.sh up
exec ip netns exec web1 bash";

/// A director whose table was made by hand.
const BY_HAND: &str = "sh examples/network.sh up
exec ip netns exec director bash
ipvsadm -A -t 192.0.2.10:8080 -s wlc
ipvsadm -a -t 192.0.2.10:8080 -r 10.0.0.11 -m
ipvsadm -a -t 192.0.2.10:8080 -r 10.0.0.12 -m";

/// Beside an etcd.
const WITH_ETCD: &str = "sh examples/network.sh up
exec ip netns exec director bash
etcd --data-dir etcd --log-level error </dev/null >etcd.log 2>&1 &
until etcdctl get /services >/dev/null 2>&1; do sleep 0.2; done";

/// Every page with commands to run has a test here.
macro_rules! pages {
    ($($test:ident $page:literal $before:ident;)*) => {
        const PAGES: &[&str] = &[$($page),*];
        $(
            #[test]
            #[ignore = "needs a kernel with ip_vs: run scripts/test"]
            fn $test() {
                run($page, $before);
            }
        )*
    };
}

/// Nothing: the page brings its own network.
const NOTHING: &str = "";

pages! {
    readme "README.md" NOTHING;
    operating "docs/operating.md" ON_THE_DIRECTOR;
    deploying "docs/deploying.md" WITH_ANSIBLE;
    api "docs/api.md" RUNNING;
    json "docs/json.md" ON_THE_DIRECTOR;
    lvs "docs/lvs.md" ON_A_SERVER;
    metrics "docs/metrics.md" RUNNING;
    connections "docs/connections.md" RUNNING;
    discovery "docs/discovery.md" WITH_ETCD;
    failover "docs/failover.md" ON_A_PAIR;
    migrating "docs/migrating.md" BY_HAND;
    from_haproxy "docs/from-haproxy.md" ON_THE_DIRECTOR;
}

#[test]
fn every_page_with_commands_is_run() {
    let with_commands: BTreeSet<String> = page::pages()
        .iter()
        .flat_map(|path| page::blocks(path))
        .filter(Block::is_run)
        .map(|block| block.page)
        .collect();
    let run: BTreeSet<String> = PAGES.iter().copied().map(str::to_owned).collect();
    assert_eq!(with_commands, run);
}

/// Applies the server settings from `examples/tunnel-gue.toml` on one server: a request comes
/// through.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_tunnel_that_an_example_asks_for() {
    let shell = &mut Shell::start();
    for command in ON_THE_DIRECTOR.lines() {
        shell.prepare(command);
    }
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tunnel-gue.toml");
    let example = fs::read_to_string(example).unwrap();
    let commands: Vec<_> = example
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .collect();
    assert!(commands.len() >= 3, "{commands:?}");
    for command in commands {
        let command = command.replace("SERVER", "10.0.0.11");
        shell.prepare(&format!("ip netns exec web1 {command}"));
    }
    // Replies go straight to the client; the director has the virtual address, too.
    shell.prepare("ip -n web1 route add 192.0.2.0/24 dev eth0");
    shell.prepare("ip address add 192.0.2.20/32 dev eth0");
    let file = r#"version = 1
[service.far]
listen = "tcp://192.0.2.20:80"
forward = "tun"
tunnel = { type = "gue", port = 6080, checksum = true }
servers = ["10.0.0.11"]
"#;
    shell.write("far.toml", file);
    shell.prepare("director apply --yes far.toml");
    let answer = shell.run("ip netns exec client curl -s --max-time 20 192.0.2.20");
    assert!(answer.code == 0 && answer.lines == ["web1"], "{answer}");
}

/// Runs all commands of a page.
#[track_caller]
pub(crate) fn run(page: &str, before: &str) {
    let path = Path::new(page);
    let shell = &mut Shell::start();
    let blocks = page::blocks(path);
    shell.write("web.toml", &web_file(page));
    for command in before.lines() {
        shell.prepare(command);
    }
    let mut wrong = String::new();
    let mut printed = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        if let Some(name) = block.file_name() {
            shell.write(name, &block.text);
        }
        if block.language == "http" {
            let shown = blocks
                .get(number + 1)
                .filter(|next| next.language.starts_with("json"));
            let shown = shown.unwrap_or_else(|| panic!("{}: no answer is shown", block.place));
            if let Some(differs) = answers::ask(shell, block, shown) {
                let (place, command) = (&differs.step.place, &differs.step.command);
                wrong.push_str(&format!("{place}: {command}\n{}\n", differs.text));
                printed.push((differs.step, differs.lines));
            }
        }
        if !block.is_run() {
            continue;
        }
        for step in block.steps() {
            let (outcome, differs) = carry_out(shell, &step);
            let (place, command) = (&step.place, &step.command);
            if !is_well(&step, &outcome) {
                panic!("{place}: {command}: {outcome}");
            }
            if let Some(difference) = differs {
                wrong.push_str(&format!("{place}: $ {command}\n{difference}\n"));
            }
            printed.push((step, outcome.lines));
        }
    }
    assert!(!printed.is_empty(), "{page}: nothing was run");
    if is_update() {
        update(path, &printed);
    } else {
        assert!(
            wrong.is_empty(),
            "{page} shows what is not so (scripts/update-docs writes it anew):\n{wrong}"
        );
    }
}

/// `web.toml` for a page: the first of README's tutorial; the one with names for `docs/api.md`.
fn web_file(page: &str) -> String {
    let of = match page {
        "docs/api.md" | "docs/connections.md" | "docs/metrics.md" => "docs/operating.md",
        _ => "README.md",
    };
    let mut blocks = page::blocks(Path::new(of)).into_iter();
    let file = blocks.find(|block| block.file_name() == Some("web.toml"));
    file.expect("the page has a file `web.toml`").text
}

/// Runs a command, and describes how its output differs from what is shown. A command that only
/// looks is repeated for a while, as a reader would, until the checks have results.
fn carry_out(shell: &mut Shell, step: &Step) -> (Outcome, Option<String>) {
    // A line `?` asks `DIRECTOR_UPDATE_DOCS` for the output.
    let patience = if step.shown == ["?"] {
        PATIENCE / 16
    } else {
        PATIENCE
    };
    let looks = LOOKS.iter().any(|look| step.command.contains(look));
    let start = Instant::now();
    loop {
        let outcome = shell.run(&step.command);
        let differs = compare::compare(&step.shown, &outcome.lines).err();
        let settled = differs.is_none() && is_well(step, &outcome);
        if !looks || settled || start.elapsed() > patience {
            return (outcome, differs);
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// Whether it ended as expected. The output shown below a command may explain its failure.
fn is_well(step: &Step, outcome: &Outcome) -> bool {
    let shown = !step.shown.is_empty();
    outcome.is_well(&step.command) || (shown && outcome.code == 1)
}

/// Whether the pages are to be written anew.
fn is_update() -> bool {
    env::var_os("DIRECTOR_UPDATE_DOCS").is_some()
}

/// Writes a page with the real output into `$LAB_OUT`. Output shown with gaps, and empty output, is
/// left to people.
fn update(path: &Path, printed: &[(Step, Vec<String>)]) {
    let text = page::text(path);
    let mut lines: Vec<&str> = text.lines().collect();
    for (step, now) in printed.iter().rev() {
        let elided = step.shown.iter().any(|line| line == compare::ELIDED);
        if step.shown.is_empty() || elided || compare::compare(&step.shown, now).is_ok() {
            continue;
        }
        lines.splice(step.lines.clone(), now.iter().map(String::as_str));
    }
    let out = env::var("LAB_OUT").expect("scripts/lab sets LAB_OUT");
    let to = Path::new(&out).join(path);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::write(to, lines.join("\n") + "\n").unwrap();
}
