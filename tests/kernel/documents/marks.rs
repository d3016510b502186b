//! The packet filter rules of `docs/lvs.md` and `examples/fwmark-http-https.toml`, as they stand there.

use std::fs;
use std::path::Path;

use super::ON_THE_DIRECTOR;
use super::shell::Shell;

/// A service of the mark that the rules set. Round robin, so that only persistence keeps a client.
const SHOP: &str = r#"version = 1
[kernel]
expire_quiescent_template = true
[service.shop]
listen = "fwmark://80"
forward = "nat"
scheduler = "rr"
persistence = "10m"
servers = ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
"#;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn on_the_director() -> Shell {
    let mut shell = Shell::start();
    for command in ON_THE_DIRECTOR.lines() {
        shell.prepare(command);
    }
    shell.write("shop.toml", SHOP);
    shell.prepare("director apply --yes shop.toml");
    shell
}

/// The answer to a client on the virtual address, or `None` if it is refused.
fn answer(shell: &mut Shell) -> Option<String> {
    let asked = shell.run("ip netns exec client curl -s --max-time 20 192.0.2.10");
    (asked.code == 0).then(|| asked.lines.join("\n"))
}

/// Marked packets reach one server, whatever the scheduler would choose.
#[track_caller]
fn is_sticky(shell: &mut Shell) {
    let first = answer(shell).expect("the mark is set");
    assert!(first.starts_with("web"), "{first}");
    for _ in 0..3 {
        assert_eq!(answer(shell).as_ref(), Some(&first));
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_iptables_rules_mark_packets() {
    let page = read("docs/lvs.md");
    let rules: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("iptables "))
        .collect();
    assert_eq!(rules.len(), 4, "{rules:?}");
    let shell = &mut on_the_director();
    assert_eq!(answer(shell), None, "without a mark there is no service");
    for rule in rules {
        // The lab's own kernel has no nftables for IPv4, through which the newer iptables works.
        shell.prepare(&format!("iptables-legacy {rule}"));
    }
    is_sticky(shell);
}

/// On a kernel without nftables for IPv4, as User-Mode Linux has it, the rules are refused.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_nftables_rules_mark_packets_where_the_kernel_has_nftables() {
    let page = read("docs/lvs.md");
    let start = page.find("table inet director {").expect("the rules");
    let end = start + page[start..].find("```").expect("the end of the block");
    let example = read("examples/fwmark-http-https.toml");
    let commands: Vec<_> = example
        .lines()
        .filter_map(|line| line.strip_prefix("#   nft "))
        .collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    let shell = &mut on_the_director();
    shell.write("marks.nft", &page[start..end]);
    let loaded = shell.run("nft -f marks.nft");
    if loaded.code != 0 {
        let said = loaded.lines.join("\n");
        assert!(said.contains("not supported"), "{said}");
        let release = shell.run("uname -r").lines.join("\n");
        assert!(
            !release.contains("cloud"),
            "a stock kernel has nftables: {said}"
        );
        return;
    }
    is_sticky(shell);
    // The same, typed.
    shell.prepare("nft flush ruleset");
    assert_eq!(answer(shell), None, "the mark is gone");
    for command in commands {
        shell.prepare(&format!("nft {command}"));
    }
    is_sticky(shell);
}
