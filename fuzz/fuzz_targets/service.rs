//! `IPVS_CMD_ATTR_SERVICE`: whatever is decoded is encoded and decoded to the same.
#![no_main]

use ipvs::Operation;
use ipvs::wire::{Encoder, decode_service};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = decode_service(bytes) {
        let mut encoder = Encoder::new(0x1c);
        encoder.operation(&Operation::AddService(entry.service), 1, true);
        // Behind the headers of message, family and nest.
        let again = decode_service(&encoder.as_bytes()[24..]).expect("what we encode is whole");
        assert_eq!(again.service, entry.service);
    }
});
