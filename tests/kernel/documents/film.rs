//! The picture at the top of the README, `docs/demo.svg`: real commands and their output.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use super::shell::Shell;
use super::svg::{Film, Scene, Take};
use super::{PATIENCE, compare};

/// The scenes: a title, and the commands. Each is repeated until its output contains the text
/// behind it, all parts of it if there are several.
const SCENES: [(&str, &[(&str, &str)]); 6] = [
    (
        "A service file says what the balancer should do",
        &[("cat web.toml", "")],
    ),
    (
        "director plans the change, then applies it",
        &[
            ("director plan web.toml", ""),
            ("director apply --yes web.toml", ""),
            (
                "curl -s 192.0.2.10/[1-6] | sort | uniq -c",
                "2 web1|2 web2|2 web3",
            ),
        ],
    ),
    (
        "What would another version do to traffic?",
        &[
            ("diff web.toml next.toml", ""),
            ("director plan next.toml", ""),
        ],
    ),
    (
        "director takes a dead server out",
        &[
            ("director run web.toml 2>run.log &", ""),
            ("sh examples/network.sh stop web2", ""),
            ("director status web", "2 of 3 up|connection refused"),
            ("curl -s 192.0.2.10/[1-6] | sort | uniq -c", "3 web1|3 web3"),
        ],
    ),
    (
        "Drain a server: it keeps its connections",
        &[
            ("sh examples/network.sh start web2", ""),
            ("director drain web 10.0.0.13 --reason 'new kernel'", ""),
            ("director status web", "1 drained, 2 up"),
        ],
    ),
    (
        "Another program empties the tables; director repairs them",
        &[
            ("ipvsadm -C", ""),
            ("director events | grep drift", "drift"),
            ("ipvsadm -Sn", "10.0.0.11:80 -m -w 1|10.0.0.12:80 -m -w 1"),
        ],
    ),
];

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_snapshot_shows_what_happens() {
    let shell = &mut Shell::start();
    shell.write("web.toml", &super::web_file("README.md"));
    for line in [
        // A path that can be shown.
        "mv web.toml examples /etc/director && cd /etc/director",
        "sed -e '/listen/s/$/\\ndrain = \"30s\"/' \
             -e 's/, \"10.0.0.13\"//; s/\"10.0.0.11\"/{ address = \"10.0.0.11\", weight = 3 }/' \
             web.toml >next.toml",
        "sh examples/network.sh up",
        "exec ip netns exec director bash",
        // Colours, and the client's commands typed on the director.
        "director() { command director --color always \"$@\"; }",
        "curl() { ip netns exec client curl \"$@\"; }",
    ] {
        shell.prepare(line);
    }
    let scenes = SCENES.map(|(title, commands)| Scene {
        title,
        takes: commands
            .iter()
            .map(|(typed, until)| take(shell, typed, until))
            .collect(),
    });
    let drawn = Film {
        scenes: scenes.to_vec(),
    }
    .draw();

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/demo.svg");
    if env::var_os("DIRECTOR_UPDATE_DOCS").is_some() {
        let to = Path::new(&env::var("LAB_OUT").expect("scripts/lab sets LAB_OUT")).join("docs");
        fs::create_dir_all(&to).unwrap();
        fs::write(to.join("demo.svg"), drawn).unwrap();
        return;
    }
    let stored = fs::read_to_string(path).unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (stored, drawn) = (lines(&stored), lines(&drawn));
    if compare::compare(&stored, &drawn).is_err() {
        let other: Vec<_> = drawn.iter().filter(|line| !stored.contains(line)).collect();
        panic!("docs/demo.svg is not current (scripts/update-docs draws it): {other:#?}");
    }
}

/// Runs a command until its output contains the awaited text, and every server has a verdict.
fn take(shell: &mut Shell, typed: &'static str, until: &str) -> Take {
    let start = Instant::now();
    loop {
        let outcome = shell.run(typed);
        let text = outcome.lines.join("\n");
        let said = until.split('|').all(|part| text.contains(part));
        if said && !text.contains("pending") {
            // 1 is diff's code for files that differ, 2 a plan with changes.
            let differs = typed.contains("diff") || typed.contains("plan");
            let most = if differs { 2 } else { 0 };
            assert!((0..=most).contains(&outcome.code), "{typed}: {outcome}");
            let printed = outcome.lines;
            return Take { typed, printed };
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{typed}: no `{until}`: {outcome}"
        );
        thread::sleep(Duration::from_millis(500));
    }
}
