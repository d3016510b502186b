//! Where files come from, and which namespace is used.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::{Desk, Tables, lone, web};

const ONE: &str = r#""10.0.1.1""#;

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn another_namespace_is_worked_on_and_not_the_own() {
    let (host, other) = (lone(), lone());
    let desk = Desk::on(&host);
    desk.write(
        "one.toml",
        &web(
            "tcp://10.0.0.1:80",
            ONE,
            "[kernel]\nexpire_nodest_conn = true\ntimeouts = { udp = \"77s\" }",
        ),
    );
    let own = desk.tables();
    let name = other.netns().name();

    desk.ends(&format!("--netns {name} plan one.toml"), 2);
    desk.done(&format!("apply one.toml --yes --netns {name}"));
    assert_eq!(desk.tables(), own);
    let there = Tables::of(&other);
    assert!(there.has("tcp://10.0.0.1:80"));
    assert_eq!(there.timeouts.udp, 77);
    assert_eq!(other.read_sysctl("net.ipv4.vs.expire_nodest_conn"), "1");

    desk.done(&format!("plan --netns {name} one.toml"));
    desk.ends("plan one.toml", 2);
    assert!(
        desk.done(&format!("export --netns={name}"))
            .contains("tcp://10.0.0.1:80")
    );
    // `ip netns exec` gives the same namespace, and the same ledger.
    let desk_there = Desk {
        host: &other,
        directory: desk.directory,
    };
    desk_there.nothing_to_do("one.toml");
    desk_there.done("flush --yes");
    assert!(Tables::of(&other).services.is_empty());
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_namespace_that_is_not_there_is_named() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.fails(
        "export --netns nowhere",
        &["no network namespace `nowhere`"],
    );
    desk.fails("--netns ../netns export", &["`../netns` is not the name"]);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_service_file_comes_by_stdin() {
    let host = lone();
    let desk = Desk::on(&host);
    let toml = web("tcp://10.0.0.1:80", ONE, "");
    let json = r#" { "version": 1, "service": { "web": { "listen": "udp://10.0.0.2:53", "servers": ["10.0.1.1"] } } }"#;
    for (file, service) in [
        (toml.as_str(), "tcp://10.0.0.1:80"),
        (json, "udp://10.0.0.2:53"),
    ] {
        assert_eq!(desk.director_with("plan -", file.as_bytes()).code, 2);
        let outcome = desk.director_with("apply --yes -", file.as_bytes());
        assert!(outcome.success(), "{outcome}");
        assert!(desk.tables().has(service));
        assert_eq!(desk.tables().services.len(), 1);
    }
    // Without a terminal on stdin it cannot ask.
    let outcome = desk.director_with("apply -", toml.as_bytes());
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(outcome.stderr.contains("--yes"), "{outcome}");
    assert!(!desk.tables().has("tcp://10.0.0.1:80"));
}

/// A namespace of `ip netns`, deleted when dropped.
struct Named<'h> {
    host: &'h crate::lab::Host,
    name: String,
}

impl<'h> Named<'h> {
    fn new(host: &'h crate::lab::Host) -> Self {
        Self::numbered(host, 0)
    }

    fn numbered(host: &'h crate::lab::Host, number: u8) -> Self {
        let name = format!("{}-inner{number}", host.netns().name());
        host.run(&format!("ip netns add {name}"));
        Self { host, name }
    }

    fn inode(&self) -> u64 {
        let path = format!("/run/netns/{}", self.name);
        fs::metadata(path).unwrap().ino()
    }

    fn ipvsadm(&self, words: &str) {
        self.host
            .run(&format!("ip netns exec {} ipvsadm {words}", self.name));
    }
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        self.host.run(&format!("ip netns del {}", self.name));
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_namespace_made_anew_begins_anew() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("none.toml", "version = 1\n");
    // The kernel reuses the inode of a namespace once it has cleaned up, unless another one gets
    // it: repeat as often as necessary.
    for _ in 0..10 {
        let before = Named::new(&host);
        let (inode, name) = (before.inode(), before.name.clone());
        before.ipvsadm("-A -t 10.0.0.1:80");
        desk.done(&format!("--netns {name} adopt --all"));
        let own = desk.ends(&format!("--netns {name} plan none.toml"), 2);
        assert!(own.stdout.contains("10.0.0.1:80"), "{own}");
        let saved = format!("--netns {name} plan none.toml --out old.plan");
        desk.ends(&saved, 2);
        drop(before);

        // Those with other inodes are kept, so that these do not come again.
        let mut others = Vec::new();
        let found = (1..=20).find_map(|number| {
            let next = Named::numbered(&host, number);
            if next.inode() == inode {
                return Some(next);
            }
            others.push(next);
            None
        });
        let Some(after) = found else { continue };
        let name = &after.name;
        after.ipvsadm("-A -t 10.0.0.1:80");
        // It belongs to others, whatever the ledger of the previous one says.
        let planned = desk.ends(&format!("--netns {name} plan none.toml"), 0);
        assert!(
            planned
                .stdout
                .contains("foreign, left alone: tcp://10.0.0.1:80"),
            "{planned}"
        );
        desk.fails(
            &format!("--netns {name} apply --yes old.plan"),
            &["another network namespace"],
        );
        return;
    }
    panic!("no inode came a second time");
}
