//! The payload of the reply to `IPVS_CMD_GET_CONFIG`.
#![no_main]

use ipvs::wire::decode_timeouts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = decode_timeouts(bytes);
});
