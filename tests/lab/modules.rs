//! Kernel modules, all loaded before the first namespace.
//!
//! Most of them have something to set up in every namespace, and wait for namespaces that are on
//! their way out (`register_pernet_operations` takes `pernet_ops_rwsem` for itself). Loaded on
//! demand, between the namespaces of tests that run beside each other, one of them can wait for a
//! namespace that will not go while others wait for it: seen with eight tests at once as
//! `unregister_netdevice: waiting for eth0 to become free`, for ever.

use std::{process::Command, sync::Once};

use super::program;

/// Modules with per-namespace parts, and `fou`, which nothing requests under its own name.
const MODULES: [&str; 19] = [
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
    "iptable_filter",
    "iptable_mangle",
    "ip6table_mangle",
    "nf_tables",
    "macvlan",
];

/// Whether the kernel has a module of this name, loaded, unloaded or built in.
pub(crate) fn has_module(name: &str) -> bool {
    let mut modprobe = Command::new("modprobe");
    modprobe.args(["--quiet", "--dry-run", name]);
    program::complete(modprobe, b"").success()
}

/// Loads them on the first call. Built-in and missing ones are skipped: the code that needs a
/// missing one reports it better.
pub(super) fn load() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let mut modprobe = Command::new("modprobe");
        modprobe.arg("-a").args(MODULES);
        program::complete(modprobe, b"");
    });
}
