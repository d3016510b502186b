//! The kernel's sync daemons, for a pair: both roles on both directors all the time.

use ipvs::{DaemonRole, SyncId};

use super::{Link, VIRTUAL, becomes, file};
use crate::daemon::Daemon;
use crate::lab::{Host, eventually};

/// What `sync = "eth0"` declares besides the daemons.
const SUITING: [(&str, &str); 5] = [
    ("sloppy_tcp", "1"),
    ("sync_persist_mode", "0"),
    ("sync_refresh_period", "10"),
    ("sync_retries", "1"),
    ("sync_threshold", "3\t0"),
];

/// The sync daemons of a machine: role, interface and id.
fn daemons(host: &Host) -> Vec<(DaemonRole, String, SyncId)> {
    let found = host.enter(|| ipvs::Client::connect().unwrap().daemons().unwrap());
    let mut found: Vec<_> = found
        .into_iter()
        .map(|daemon| (daemon.role, daemon.interface.to_string(), daemon.sync_id))
        .collect();
    found.sort_by_key(|(role, ..)| *role);
    found
}

/// The sysctls that suit both roles.
fn sysctls(host: &Host) -> Vec<String> {
    let read = |(name, _): &(&str, &str)| host.read_sysctl(&format!("net.ipv4.vs.{name}"));
    SUITING.iter().map(read).collect()
}

/// Waits until both daemons run with what suits them.
#[track_caller]
fn synchronises(host: &Host, id: u8) {
    let expected =
        [DaemonRole::Master, DaemonRole::Backup].map(|role| (role, "eth0".to_owned(), SyncId(id)));
    eventually(&format!("both daemons run on {}", host.name()), || {
        (daemons(host) == expected).then_some(())
    });
    assert_eq!(sysctls(host), SUITING.map(|(_, value)| value.to_owned()));
}

#[test]
#[ignore = "needs the lab"]
fn one_word_runs_both_sync_daemons_whatever_the_role() {
    let link = Link::new();
    let settings = "interval = \"100ms\"\npreempt = true";
    let service = format!(
        "[service.web]\nlisten = \"tcp://{VIRTUAL}:80\"\nforward = \"dr\"\n\
         servers = [\"10.0.0.9\"]\n"
    );
    let with = |priority, sync: &str| {
        format!(
            "version = 1\n{sync}\n{}{service}",
            file(priority, settings).trim_start_matches("version = 1\n")
        )
    };
    let word = "sync = \"eth0\"";
    let a = Daemon::start(&link.a, &with(150, word));
    let mut b = Daemon::start(&link.b, &with(100, word));
    becomes(&a, "active");
    becomes(&b, "backup");
    synchronises(&link.a, 0);
    synchronises(&link.b, 0);
    // A change of roles does not touch them.
    let body = serde_json::json!({ "section": "front", "action": "switchover" });
    a.post("/v1/failover", &body);
    becomes(&b, "active");
    becomes(&a, "backup");
    synchronises(&link.a, 0);
    synchronises(&link.b, 0);
    // The long form means the same; what the file sets itself stays as it is there.
    let long = "sync = { role = \"both\", interface = \"eth0\", id = 7 }";
    b.stop();
    b.write(&with(100, long));
    b.launch();
    synchronises(&link.b, 7);
    let own = format!("{word}\n[kernel]\nsync_threshold = [5, 100]");
    a.write(&with(150, &own));
    eventually("the file's own value is there", || {
        let value = link.a.read_sysctl("net.ipv4.vs.sync_threshold");
        (value == "5\t100").then_some(())
    });
    assert_eq!(sysctls(&link.a)[..4], SUITING.map(|(_, value)| value)[..4]);
}
