//! The module vanishes between two calls, and comes back: on a kernel of its own.
//!
//! A binary apart from the other kernel tests, as it takes the module away from everything that
//! runs beside it. On the machine's own kernel (`scripts/lab --kernel host`) it does nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

use std::fs;
use std::process::Command;

use ipvs::{Client, Connections, Error, Operation, Service, ServiceKey};

fn web() -> ServiceKey {
    ServiceKey::tcp([192, 0, 2, 10], 80)
}

/// Whether this is a guest, whose modules nobody else needs.
fn is_guest() -> bool {
    std::env::var("LAB_KERNEL").is_ok_and(|kernel| kernel != "host")
}

/// Unloads IPVS with the schedulers that a service made it load.
fn unload() {
    for module in ["ip_vs_wlc", "ip_vs"] {
        let output = Command::new("rmmod").arg(module).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rmmod {module}: {stderr}");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_module_vanishes_between_two_calls() {
    if !is_guest() {
        return;
    }
    let mut client = Client::connect().unwrap();
    let add = Operation::AddService(Service::new(web(), Service::WLC));
    client.apply(add).unwrap();
    client.flush().unwrap();

    // Gone: the next look loads it again, under another number, and its tables are empty.
    unload();
    assert_eq!(client.services().unwrap(), []);
    client.apply(add).unwrap();
    client.flush().unwrap();

    // Gone under an operation: it was meant for tables that are no more, so it is not repeated.
    unload();
    let report = client.execute(&[add; 300]);
    assert_eq!(
        report.failures().len(),
        256 + 43,
        "{:?}",
        report.failures().first()
    );
    let first = &report.failures()[0].error;
    assert!(matches!(first, Error::NoIpvs { .. }), "{first}");
    assert!(first.to_string().contains("unloaded"), "{first}");
    // The first chunk found it gone, and looking for it loaded it: the second went through.
    assert_eq!(client.services().unwrap().len(), 1);
    client.flush().unwrap();

    // Gone for good: modprobe is told to refuse.
    unload();
    let rule = "/etc/modprobe.d/no-ip-vs.conf";
    fs::create_dir_all("/etc/modprobe.d").unwrap();
    fs::write(rule, "install ip_vs /bin/false\n").unwrap();
    for error in [
        client.services().unwrap_err(),
        client.info().unwrap_err(),
        client.table().unwrap_err(),
        client.apply(add).unwrap_err(),
        Client::connect().unwrap_err(),
    ] {
        assert!(matches!(error, Error::NoIpvs { .. }), "{error}");
        assert!(error.to_string().contains("modprobe ip_vs"), "{error}");
    }
    let error = Connections::open().unwrap_err();
    assert!(matches!(error, Error::Connections { .. }), "{error}");

    fs::remove_file(rule).unwrap();
    client.apply(add).unwrap_or_else(|error| {
        // Finding it again took a look; the operation itself was not repeated.
        assert!(matches!(error, Error::NoIpvs { .. }), "{error}");
        client.apply(add).unwrap();
    });
    assert_eq!(client.services().unwrap().len(), 1);
    client.flush().unwrap();
}
