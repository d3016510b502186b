//! The module disappears between two calls, and comes back, on a kernel of its own.
//!
//! A separate binary, as it removes the module from all tests that run at the same time. On the
//! machine's own kernel (`scripts/lab --kernel host`) it does nothing.
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

/// Whether this is a guest, whose modules no other program needs.
fn is_guest() -> bool {
    std::env::var("LAB_KERNEL").is_ok_and(|kernel| kernel != "host")
}

/// Unloads IPVS and the schedulers loaded for services.
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

    // The next request loads it again, with another number and empty tables.
    unload();
    assert_eq!(client.services().unwrap(), []);
    client.apply(add).unwrap();
    client.flush().unwrap();

    // Unloaded during an operation, which was meant for lost tables and is not repeated.
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
    // The first chunk failed, and the look-up loaded the module: the second succeeded.
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
        // A look-up found it again; the operation itself was not repeated.
        assert!(matches!(error, Error::NoIpvs { .. }), "{error}");
        client.apply(add).unwrap();
    });
    assert_eq!(client.services().unwrap().len(), 1);
    client.flush().unwrap();
}
