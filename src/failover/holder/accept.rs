//! `accept = false`: packets to virtual addresses that no service takes are dropped.
//!
//! - **A chain behind IPVS.** IPVS takes its packets at the hook `input` with priority 99
//!   (`ip_vs_ops`, before `NF_IP_PRI_NAT_SRC`). A chain with priority 110 sees what it left.
//! - **Neighbour discovery passes**, without which IPv6 addresses could not be found (RFC 9568, 6.1),
//!   and so does ICMP echo, which reaches no program, but monitoring. ARP is no IP packet.
//! - **One table, replaced as a whole** in one transaction of the kernel, so that a start after a
//!   crash needs to know nothing of what is there. Without the addresses on the machine, the table
//!   does nothing; so it may stay, as the leases do, for the next process.
//! - **By the program `nft`**, as no library for its netlink messages has a licence that fits and is
//!   maintained. It runs when the file changes, never in a takeover.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The table. Nothing else in it survives.
const TABLE: &str = "inet director_accept";

/// `nft` takes some milliseconds; leases are renewed once it has ended.
const PATIENCE: Duration = Duration::from_secs(3);

/// The time between two looks at it.
const PACE: Duration = Duration::from_millis(2);

/// The most of its complaints that an event quotes.
const LONGEST: usize = 300;

/// What is in force.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// `None`: what an earlier process left.
    installed: Option<BTreeSet<IpAddr>>,
}

impl Filter {
    /// Drops packets to these addresses that no service takes.
    pub(super) fn adjust(&mut self, wanted: &BTreeSet<IpAddr>) -> Result<(), String> {
        if self.installed.as_ref() == Some(wanted) {
            return Ok(());
        }
        if wanted.is_empty() {
            // Without the module there is no table; asking would load it.
            let is_there = self.installed.is_some() || Path::new("/sys/module/nf_tables").exists();
            self.installed = Some(BTreeSet::new());
            if is_there {
                // It fails if there is none.
                let _ = nft(&format!("delete table {TABLE}\n"));
            }
            return Ok(());
        }
        nft(&script(wanted))?;
        self.installed = Some(wanted.clone());
        Ok(())
    }
}

fn script(addresses: &BTreeSet<IpAddr>) -> String {
    let (v4, v6): (Vec<&IpAddr>, Vec<&IpAddr>) =
        addresses.iter().partition(|address| address.is_ipv4());
    let mut text = format!("add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n");
    for (name, kind, all) in [("v4", "ipv4_addr", &v4), ("v6", "ipv6_addr", &v6)] {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        let elements = match all.is_empty() {
            true => String::new(),
            false => format!("; elements = {{ {} }}", all.join(", ")),
        };
        let _ = writeln!(text, "set {name} {{ type {kind}{elements}; }}");
    }
    text.push_str(
        "chain input {
type filter hook input priority 110; policy accept;
iifname \"lo\" accept
icmp type echo-request accept
icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert } accept
ip daddr @v4 counter drop
ip6 daddr @v6 counter drop
}
}
",
    );
    text
}

/// Has `nft` carry a script out, for a bounded time.
fn nft(script: &str) -> Result<(), String> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                "the program `nft` is not there; install the package nftables".to_owned()
            }
            _ => format!("cannot run `nft`: {error}"),
        })?;
    let done = converse(&mut child, script);
    if done.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    done
}

fn converse(child: &mut Child, script: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot run `nft`: {error}");
    if let Some(mut input) = child.stdin.take() {
        // Much less than a pipe holds, up to thousands of addresses. It may end before it reads.
        let _ = input.write_all(script.as_bytes());
    }
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if Instant::now() >= end {
            return Err(format!(
                "`nft` has not ended after {} s",
                PATIENCE.as_secs()
            ));
        }
        thread::sleep(PACE);
    };
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(output) = child.stderr.take() {
        let _ = output.take(4096).read_to_string(&mut said);
    }
    let line = said.lines().next().unwrap_or_default();
    let line: String = line.chars().take(LONGEST).collect();
    Err(format!("`nft` refuses: {line}{}", help(&line)))
}

/// What to do about a complaint, if it is known.
fn help(complaint: &str) -> &'static str {
    // EOPNOTSUPP for a family that the kernel lacks, EPROTONOSUPPORT without nf_tables.
    match complaint.contains("not supported") {
        true => "; this needs a kernel with nf_tables for IPv4 and IPv6 (CONFIG_NF_TABLES_INET)",
        false => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_replaced_and_drops_after_ipvs() {
        let addresses = ["192.0.2.10", "2001:db8::10", "192.0.2.11"];
        let addresses = addresses.map(|address| address.parse().unwrap());
        let text = script(&BTreeSet::from(addresses));
        let start = "add table inet director_accept\ndelete table inet director_accept\n";
        assert!(text.starts_with(start), "{text}");
        for part in [
            "set v4 { type ipv4_addr; elements = { 192.0.2.10, 192.0.2.11 }; }",
            "set v6 { type ipv6_addr; elements = { 2001:db8::10 }; }",
            "hook input priority 110;",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_family_without_addresses_has_an_empty_set() {
        let text = script(&BTreeSet::from(["192.0.2.10".parse().unwrap()]));
        assert!(text.contains("set v6 { type ipv6_addr; }"), "{text}");
    }

    #[test]
    fn a_kernel_without_nftables_is_named() {
        let of = "Error: Could not process rule: Operation not supported";
        assert!(help(of).contains("CONFIG_NF_TABLES_INET"));
        assert_eq!(help("Error: syntax error, unexpected newline"), "");
    }
}
