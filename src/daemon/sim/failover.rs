//! What services take off a failover section, and what a reload does to its addresses.

use super::scenarios::{THREE, running};
use super::*;

/// Three servers, and a section that follows them.
fn with(section: &str) -> String {
    format!(
        "{THREE}
{section}
[failover.front]
id = 51
interface = \"eth0\"
priority = 150
addresses = [\"192.0.2.10\"]
follow = {{ services = [\"web\"], step = 20, fall = 1, rise = 1 }}
"
    )
}

impl Sim {
    /// What was taken off last.
    fn lowered(&self) -> u32 {
        let commands = self.told_failover.iter().rev();
        let mut lowered = commands.filter_map(|command| match command {
            runtime::Command::Lower { by, .. } => Some(*by),
            _ => None,
        });
        lowered.next().expect("something was said")
    }

    /// How often sections were declared.
    fn declared(&self) -> usize {
        let commands = self.told_failover.iter();
        commands
            .filter(|command| matches!(command, runtime::Command::Declare(_)))
            .count()
    }
}

#[test]
fn a_service_that_lost_its_quorum_is_out_although_a_server_is_up() {
    for sorry in ["", "sorry = [\"10.0.0.99\"]"] {
        let mut sim = running(&with(&format!("quorum = 2\n{sorry}")));
        assert_eq!(sim.lowered(), 0);
        sim.kill("10.0.0.11");
        sim.seconds(6);
        assert_eq!(sim.lowered(), 0);
        sim.kill("10.0.0.12");
        sim.seconds(6);
        assert_eq!(sim.lowered(), 20, "{sorry}");
        sim.revive("10.0.0.12");
        sim.seconds(6);
        assert_eq!(sim.lowered(), 0);
    }
}

#[test]
fn failed_servers_that_stay_in_do_not_make_a_service_usable() {
    let mut sim = running(&with("min_healthy = 2"));
    for server in ["10.0.0.11", "10.0.0.12", "10.0.0.13"] {
        sim.kill(server);
    }
    sim.seconds(6);
    assert_eq!(sim.lowered(), 20);
}

#[test]
fn backup_servers_make_a_service_usable_and_sorry_servers_do_not() {
    for (spare, lowered) in [("backup", 0), ("sorry", 20)] {
        let mut sim = running(&with(&format!("{spare} = [\"10.0.0.99\"]")));
        for server in ["10.0.0.11", "10.0.0.12", "10.0.0.13"] {
            sim.kill(server);
        }
        sim.seconds(6);
        assert_eq!(sim.lowered(), lowered, "{spare}");
    }
}

#[test]
fn a_reload_says_which_addresses_it_moves() {
    let mut sim = running(&with(""));
    std::fs::write(
        sim.file(),
        with("").replace("priority = 150", "priority = 90"),
    )
    .unwrap();
    let answer = sim.ask(Request::Reload { force: false }).unwrap();
    let text = "[failover.front]: the priority falls from 150 to 90: this edit moves 192.0.2.10 to \
                the other director if its priority is higher";
    assert!(answer.done.iter().any(|line| line == text), "{answer:?}");
    // The same file again moves nothing.
    let again = sim.ask(Request::Reload { force: false }).unwrap();
    assert!(
        !again.done.iter().any(|line| line.contains("failover")),
        "{again:?}"
    );
}

#[test]
fn a_file_that_splits_the_pair_is_refused_until_it_is_forced() {
    for (from, to, why) in [
        (
            "id = 51",
            "id = 52",
            "the id changes from 51 to 52 on `eth0`",
        ),
        (
            "priority = 150",
            "priority = 150\nversion = 2",
            "changes from VRRP version 3 to version 2",
        ),
        (
            "priority = 150",
            "priority = 150\npeers = \"10.0.0.2\"",
            "changes from multicast to unicast",
        ),
    ] {
        let mut sim = running(&with(""));
        let declared = sim.declared();
        let file = with("").replace(from, to);
        std::fs::write(sim.file(), &file).unwrap();
        let refusal = sim.ask(Request::Reload { force: false }).unwrap_err();
        let message = &refusal.message;
        assert!(
            message.starts_with("refused: [failover.front]: "),
            "{message}"
        );
        assert!(message.contains(why), "{message}");
        assert!(message.ends_with("use --force to override"), "{message}");
        assert_eq!(sim.declared(), declared, "the old one stays in force");
        // A file that the director notices by itself has no one to force it.
        sim.edit(&file);
        sim.seconds(2);
        assert_eq!(sim.declared(), declared);
        let answer = sim.ask(Request::Reload { force: true }).unwrap();
        let forced = answer.done.iter().find(|line| line.starts_with("forced: "));
        assert!(forced.is_some_and(|line| line.contains(why)), "{answer:?}");
        assert_eq!(sim.declared(), declared + 1);
    }
}
