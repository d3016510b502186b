//! `IPVS_CMD_ATTR_DEST`: whatever is decoded is encoded and decoded to the same.
#![no_main]

use ipvs::fake::FakeKernel;
use ipvs::transport::Transport;
use ipvs::wire::{Encoder, decode_server};
use ipvs::{Family, Operation, Request, ServiceKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for family in [Family::V4, Family::V6] {
        if let Ok(entry) = decode_server(bytes, family) {
            let service = ServiceKey::tcp([192, 0, 2, 1], 80);
            let operation = Operation::AddServer(service, entry.server);
            let mut encoder = Encoder::new(0x1c);
            encoder.operation(&operation, 1, true);
            let mut kernel = FakeKernel::new();
            kernel.send(encoder.as_bytes()).expect("it is a request");
            assert_eq!(kernel.log(), [Request::from(operation)]);
        }
    }
});
