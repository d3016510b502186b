//! The loop and the play of `docs/deploying.md` under traffic: real web servers are restarted, and
//! no request is lost.

use std::path::Path;

use super::WITH_ANSIBLE;
use super::page;
use super::shell::{Outcome, Shell};

const PAGE: &str = "docs/deploying.md";

/// The pause of the page's clients, in seconds.
const OFTEN: &str = "0.2";

/// The farm of the page, with its files and a director that runs.
struct Farm {
    shell: Shell,
}

impl Farm {
    /// With this forwarding method.
    fn start(method: &str) -> Self {
        let mut farm = Self {
            shell: Shell::start(),
        };
        for block in page::blocks(Path::new(PAGE)) {
            if let Some(name) = block.file_name() {
                let text = block.text.replace("\"nat\"", &format!("\"{method}\""));
                farm.shell.write(name, &text);
            }
        }
        for command in WITH_ANSIBLE.lines() {
            farm.shell.prepare(command);
        }
        if method == "dr" {
            farm.shell.prepare("sh examples/network.sh dr");
        }
        farm.shell.prepare("director run web.toml 2>run.log &");
        farm.shell
            .prepare("until director status 2>/dev/null | grep -q '3 of 3 up'; do sleep 0.2; done");
        farm
    }

    /// The processes of the web servers: they change when a server is restarted.
    fn processes(&mut self) -> Vec<String> {
        let servers = ["web1", "web2", "web3"];
        let first = |name| {
            self.shell
                .run(&format!("ip netns pids {name} | sort -n | head -n 1"))
        };
        servers.map(first).map(|found| found.lines.concat()).into()
    }

    /// Runs a command while clients ask, with this pause between the requests of each; returns the
    /// number of requests, and of those lost.
    fn under_traffic(&mut self, pause: &str, command: &str) -> (Outcome, usize, usize) {
        let traffic = format!("sh examples/network.sh traffic {pause} >traffic.log & traffic=$!");
        self.shell.prepare(&traffic);
        let done = self.shell.run(command);
        self.shell.prepare("kill $traffic; wait $traffic");
        let log = self.shell.run("tail -n 2 traffic.log");
        let number = |line: &str| line.split(' ').next().and_then(|word| word.parse().ok());
        let [asked, lost] =
            [0, 1].map(|line: usize| log.lines.get(line).and_then(|line| number(line)));
        let counted = asked.zip(lost);
        let (asked, lost) = counted.unwrap_or_else(|| panic!("the clients say: {log}"));
        eprintln!("{asked} requests, {lost} lost: {command}");
        (done, asked, lost)
    }

    fn log(&mut self) -> String {
        self.shell.run("cat traffic.log run.log").lines.join("\n")
    }
}

#[track_caller]
fn rolls(mut farm: Farm, pause: &str, command: &str) {
    let before = farm.processes();
    let (done, asked, lost) = farm.under_traffic(pause, command);
    assert_eq!(done.code, 0, "{done}\n{}", farm.log());
    assert!(asked > 50, "only {asked} requests\n{done}");
    assert_eq!(lost, 0, "of {asked}\n{done}\n{}", farm.log());
    let after = farm.processes();
    for (before, after) in before.iter().zip(&after) {
        assert!(
            before != after && !after.is_empty(),
            "{before} is {after}: not restarted"
        );
    }
    let status = farm.shell.run("director status");
    assert!(status.lines.concat().contains("3 of 3 up"), "{status}");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_loop_loses_no_request_under_nat() {
    rolls(Farm::start("nat"), OFTEN, "sh roll.sh");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_loop_loses_no_request_under_direct_routing() {
    rolls(Farm::start("dr"), OFTEN, "sh roll.sh");
}

/// With the settings and the command that the page shows. Calmer clients leave Ansible more of the
/// lab's one processor.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_play_loses_no_request_under_nat() {
    let blocks = page::blocks(Path::new(PAGE));
    let steps = blocks.iter().flat_map(|block| block.steps());
    let commands: Vec<String> = steps
        .map(|step| step.command)
        .filter(|command| command.contains("here.yml"))
        .collect();
    let [settings, play] = commands.as_slice() else {
        panic!("the page has other commands: {commands:?}");
    };
    let mut farm = Farm::start("nat");
    farm.shell.prepare(settings);
    rolls(farm, "1", play);
}

/// The measurement sees what is lost.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn restarts_without_a_drain_lose_requests() {
    let mut farm = Farm::start("nat");
    let loops = "for n in 1 2 3; do for server in web1 web2 web3; do \
                 sh examples/network.sh restart $server; sleep 1; done; done";
    let (done, asked, lost) = farm.under_traffic(OFTEN, loops);
    assert!(done.code == 0 && asked > 0, "{done}");
    assert!(lost > 0, "none of {asked}: what does it count?");
}

/// A loop stops at a server that does not come up: the others serve, and no request is lost.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_deployment_that_fails_ends_the_loop_and_costs_no_request() {
    let mut farm = Farm::start("nat");
    let broken =
        "sed -e 's/restart/stop/' -e 's/--wait=2m/--wait=20s/' roll.sh >broken.sh; sh broken.sh";
    let (done, asked, lost) = farm.under_traffic(OFTEN, broken);
    assert_eq!(done.code, 3, "{done}");
    assert_eq!(lost, 0, "of {asked}: {done}\n{}", farm.log());
    let said = done.lines.join("\n");
    for part in [
        "10.0.0.11:80: down (connection refused)",
        "timed out after 20s",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("10.0.0.12"), "{said}");
    let status = farm.shell.run("director status");
    assert!(is_well_of(&status, "2 of 3 up"), "{status}");
}

fn is_well_of(status: &Outcome, part: &str) -> bool {
    status.code == 0 && status.lines.iter().any(|line| line.contains(part))
}
