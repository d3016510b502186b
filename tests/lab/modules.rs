//! Kernel modules, loaded all at once before the first namespace.
//!
//! Most of them have something to set up in every namespace, and wait for namespaces that are on
//! their way out (`register_pernet_operations` takes `pernet_ops_rwsem` for itself). Loaded on
//! demand, between the namespaces of tests that run beside each other, one of them can wait for a
//! namespace that will not go while others wait for it: seen with eight tests at once as
//! `unregister_netdevice: waiting for eth0 to become free`, for ever.

use std::{process::Command, sync::Once};

use super::program;

/// What has per-namespace parts, and `fou`, which nothing asks for by a name that it answers to.
const MODULES: [&str; 17] = [
    "veth",
    "bridge",
    "sctp",
    "ip_vs",
    "ip_vs_ftp",
    "ip_vs_lblc",
    "ip_vs_lblcr",
    "ipip",
    "sit",
    "ip_gre",
    "ip6_tunnel",
    "ip6_gre",
    "fou",
    "fou6",
    "iptable_mangle",
    "ip6table_mangle",
    "nf_tables",
];

/// Whether the kernel has a module of that name, loaded or not. What is built in counts too.
pub(crate) fn has_module(name: &str) -> bool {
    let mut modprobe = Command::new("modprobe");
    modprobe.args(["--quiet", "--dry-run", name]);
    program::complete(modprobe, b"").success()
}

/// Loads them, the first time that it is called. What is built in or missing is passed over: who
/// needs a missing one says so better.
pub(super) fn load() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let mut modprobe = Command::new("modprobe");
        modprobe.arg("-a").args(MODULES);
        program::complete(modprobe, b"");
    });
}
