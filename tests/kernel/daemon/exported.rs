//! `director export` next to a director: what it has in force, and nothing else.

use std::fs;

use super::operator::{done, verb};
use super::{Daemon, SERVICE};
use crate::lab::{Lan, Tcp, eventually};

const ROOT: &str = "
version = 1
include = [\"services.d/*.toml\"]
daemon = { reconcile = \"500ms\" }
[kernel]
expire_nodest_conn = true
";

const WEB: &str = "
[defaults.check]
type = \"tcp\"
interval = \"200ms\"
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
drain = \"7s\"
sorry = [\"10.2.0.13\"]
servers = [\"10.2.0.11\", { name = \"app2\", address = \"10.2.0.12\", weight = 3 }]
";

const DNS: &str = "
[service.dns]
listen = \"tcp://10.1.0.100:53\"
forward = \"nat\"
servers = [\"10.2.0.11\"]
";

fn start(host: &crate::lab::Host) -> Daemon<'_> {
    let mut daemon = Daemon::idle(host, ROOT);
    fs::create_dir(daemon.path("services.d")).unwrap();
    fs::write(daemon.path("services.d/web.toml"), WEB).unwrap();
    fs::write(daemon.path("services.d/dns.toml"), DNS).unwrap();
    daemon.launch();
    daemon
}

#[test]
#[ignore = "needs the lab"]
fn an_export_that_replaces_the_files_of_a_director_changes_nothing() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Tcp, 80);
    let daemon = start(&net.director);
    daemon.weights(SERVICE, "1=1 2=3");
    done(&daemon, "drain web app2");
    daemon.weights(SERVICE, "1=1 2=0");

    let exported = done(&daemon, "export");
    for part in [
        "# Exported from the director",
        "services.d/web.toml",
        "app2",
        "10.2.0.13",
        "7s",
    ] {
        assert!(exported.contains(part), "{part}: {exported}");
    }
    assert!(!exported.contains("include"), "{exported}");
    fs::remove_dir_all(daemon.path("services.d")).unwrap();
    daemon.write(&exported);
    let answer = done(&daemon, "reload");
    assert_eq!(answer, "in force: 2 services, 2 checks; 0 changes made\n");
    // What an operator set is still there.
    daemon.weights(SERVICE, "1=1 2=0");
    let again = done(&daemon, "export");
    assert!(
        again.ends_with(&exported),
        "a single file stays as it is: {again}"
    );
}

#[test]
#[ignore = "needs the lab"]
fn an_export_has_what_is_in_force_though_the_files_on_disk_were_rejected_or_are_gone() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Tcp, 80);
    let daemon = start(&net.director);
    let web = daemon.path("services.d/web.toml");
    let before = done(&daemon, "export");
    fs::write(&web, WEB.replace("listen", "lisden")).unwrap();
    assert_eq!(verb(&daemon, "reload").code, 1);
    let outcome = verb(&daemon, "export");
    assert_eq!(outcome.stdout, before);
    assert!(
        outcome.stderr.contains("web.toml on disk differs"),
        "{outcome}"
    );
    // A guard refuses to let most of the services go.
    fs::remove_dir_all(daemon.path("services.d")).unwrap();
    assert_eq!(verb(&daemon, "reload").code, 1);
    assert_eq!(verb(&daemon, "export").stdout, before);
}

#[test]
#[ignore = "needs the lab"]
fn an_export_of_the_kernel_says_what_it_does_not_know_and_a_reload_names_the_lost_checks() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Tcp, 80);
    let mut daemon = start(&net.director);
    daemon.weights(SERVICE, "1=1 2=3");
    let outcome = verb(&daemon, "export --kernel");
    for part in [
        "as they are now",
        "does not know names",
        "sorry servers",
        "drain times",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {outcome}");
    }
    assert!(!outcome.stdout.contains("check"), "{outcome}");
    // Planned from another file: director takes up its own within a second or two.
    let warning = "removes the checks of 1 service: web";
    fs::write(daemon.path("exported.toml"), &outcome.stdout).unwrap();
    let planned = verb(&daemon, "plan exported.toml");
    assert!(planned.stderr.contains(warning), "{planned}");
    fs::remove_dir_all(daemon.path("services.d")).unwrap();
    daemon.write(&outcome.stdout);
    let answer = done(&daemon, "reload --force");
    // Unless director has taken up the file by itself in between.
    assert!(
        answer.contains(&format!("warning: the new file {warning}"))
            || daemon.log().contains(warning),
        "{answer}"
    );
    eventually("the log says so", || {
        daemon.log().contains(warning).then_some(())
    });
    let events = done(&daemon, "events");
    assert!(events.contains("checks-removed"), "{events}");

    daemon.stop();
    let alone = verb(&daemon, "export");
    assert!(
        alone.success() && alone.stderr.contains("does not know names"),
        "{alone}"
    );
}
