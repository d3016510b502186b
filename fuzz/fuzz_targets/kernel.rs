//! The in-memory kernel: any requests, and a client that asks it afterwards.
#![no_main]

use ipvs::Client;
use ipvs::fake::FakeKernel;
use ipvs::transport::Transport;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut kernel = FakeKernel::new();
    let _ = kernel.send(bytes);
    // A socket of its own: what was asked on the other is not answered here.
    let socket = kernel
        .second()
        .expect("it is in memory")
        .expect("it has no namespace");
    let mut client = Client::over(socket).expect("the module is loaded");
    let table = client.table().expect("there is no other writer");
    assert_eq!(table.services.len(), kernel.services().len());
    for service in &table.services {
        let key = service.entry.service.key;
        assert_eq!(service.servers, kernel.servers(&key));
    }
    assert_eq!(
        client.daemons().expect("there is no other writer"),
        kernel.daemons()
    );
    assert_eq!(
        client.timeouts().expect("there is no other writer"),
        kernel.timeouts()
    );
});
