//! Sync daemons, timeouts and sysctls.

use ipvs::DaemonRole;

use super::{Desk, lone};

fn sync(daemons: &[&str]) -> String {
    let daemons = daemons.iter().map(|daemon| format!("{{ {daemon} }}"));
    format!(
        "version = 1\nsync = [{}]\n",
        daemons.collect::<Vec<_>>().join(", ")
    )
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn sync_daemons_are_started_changed_and_stopped() {
    let host = lone();
    let desk = Desk::on(&host);
    let master = "role = \"master\", interface = \"eth0\", id = 7";
    let backup = "role = \"backup\", interface = \"eth0\", id = 7";
    let other = "role = \"master\", interface = \"eth0\", id = 8, port = 9000, ttl = 3, group = \"224.0.0.99\"";
    desk.write("both.toml", &sync(&[master, backup]));
    desk.write("other.toml", &sync(&[other]));
    desk.write("none.toml", &sync(&[]));
    desk.write("silent.toml", "version = 1\n");

    let planned = desk.ends("plan both.toml", 2).stdout;
    assert!(
        planned.contains("+ master sync daemon on eth0"),
        "{planned}"
    );
    desk.applied("both.toml");
    let daemons = desk.tables().daemons;
    assert_eq!(daemons[&DaemonRole::Master].sync_id.to_string(), "7");
    assert_eq!(daemons[&DaemonRole::Backup].sync_id.to_string(), "7");

    desk.applied("other.toml");
    let daemons = desk.tables().daemons;
    assert!(!daemons.contains_key(&DaemonRole::Backup));
    let running = &daemons[&DaemonRole::Master];
    assert_eq!(
        (
            running.sync_id.to_string().as_str(),
            running.port,
            running.ttl
        ),
        ("8", 9000, 3)
    );

    desk.nothing_to_do("silent.toml");
    desk.forced("none.toml");
    assert!(desk.tables().daemons.is_empty());
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_daemon_that_cannot_be_started_leaves_the_old_one_running() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write(
        "eth0.toml",
        &sync(&["role = \"master\", interface = \"eth0\""]),
    );
    desk.write(
        "eth9.toml",
        &sync(&["role = \"master\", interface = \"eth9\""]),
    );
    desk.applied("eth0.toml");
    let before = desk.tables();
    desk.fails(
        "apply --yes eth9.toml",
        &["eth9", "everything was rolled back"],
    );
    assert_eq!(desk.tables(), before);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_sysctl_that_this_kernel_lacks_is_said_and_never_taken_for_declared() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write(
        "nice.toml",
        "version = 1\n[kernel]\nest_nice = 5\nsync_retries = 2\n",
    );
    desk.write("none.toml", "version = 1\n");
    // The first verb loads the module.
    desk.nothing_to_do("none.toml");
    let has = host.enter(|| std::path::Path::new("/proc/sys/net/ipv4/vs/est_nice").exists());
    let lacks = "net.ipv4.vs.est_nice is declared, but this kernel does not have it";
    let planned = desk.ends("plan nice.toml", 2).stdout;
    assert_eq!(planned.contains(lacks), !has, "{planned}");
    assert_eq!(planned.contains("est_nice     "), has, "{planned}");
    let applied = desk.done("apply --yes nice.toml");
    assert_eq!(applied.contains(lacks), !has, "{applied}");
    let again = desk.ends("plan nice.toml", 0).stdout;
    assert_eq!(again.contains(lacks), !has, "{again}");
    assert_eq!(again.contains("the kernel is as declared."), has, "{again}");
    let json = desk.ends("plan --format json nice.toml", 0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let lacking = json["lacking"].as_array().unwrap();
    assert_eq!(lacking.len(), usize::from(!has), "{json}");
    if !has {
        assert_eq!(
            (&lacking[0]["name"], &lacking[0]["since"]),
            (&"est_nice".into(), &"6.2".into())
        );
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn time_limits_and_sysctls_are_planned_and_set() {
    let host = lone();
    let desk = Desk::on(&host);
    let file = "version = 1\n[kernel]\ntimeouts = { tcp = \"10m\", udp = \"42s\" }\n\
                expire_nodest_conn = true\nsync_threshold = [5, 60]\nsync_refresh_period = 8\n";
    desk.write("kernel.toml", file);
    let before = desk.tables();
    let planned = desk.ends("plan kernel.toml", 2).stdout;
    assert!(
        planned.contains("expire_nodest_conn     0 -> 1"),
        "{planned}"
    );
    assert!(planned.contains("3 50 -> 5 60"), "{planned}");
    assert!(
        planned.contains("tcp 900s, udp 300s -> tcp 600s, udp 42s"),
        "{planned}"
    );
    assert_eq!(desk.tables(), before);

    desk.applied("kernel.toml");
    let after = desk.tables();
    let limits = (
        after.timeouts.tcp,
        after.timeouts.tcp_fin,
        after.timeouts.udp,
    );
    assert_eq!(limits, (600, before.timeouts.tcp_fin, 42));
    assert_eq!(host.read_sysctl("net.ipv4.vs.expire_nodest_conn"), "1");
    assert_eq!(host.read_sysctl("net.ipv4.vs.sync_threshold"), "5\t60");
    // Missing keys leave settings alone.
    desk.write("empty.toml", "version = 1\n");
    desk.forced("empty.toml");
    assert_eq!(desk.tables(), after);
    desk.write("exported.toml", &desk.done("export"));
    desk.nothing_to_do("exported.toml");
}
