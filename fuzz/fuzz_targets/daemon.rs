//! `IPVS_CMD_ATTR_DAEMON`: whatever is decoded is encoded and decoded to the same.
#![no_main]

use ipvs::Operation;
use ipvs::wire::{Encoder, decode_daemon};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(daemon) = decode_daemon(bytes) {
        let mut encoder = Encoder::new(0x1c);
        encoder.operation(&Operation::StartDaemon(daemon), 1, true);
        // Behind the headers of message, family and nest.
        assert_eq!(decode_daemon(&encoder.as_bytes()[24..]), Ok(daemon));
    }
});
